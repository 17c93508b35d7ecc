//! Bytes of a file that come from elsewhere, put on disk: workers read them in parallel, from any place and more than once.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// Bytes copied at once.
const PIECE: usize = 256 * 1024;

/// Where no limit of the disk is given, one that nobody means to reach.
const LIMIT: u64 = 1 << 40;

impl Kept {
    /// All bytes of `reader`, in a file in `folder`; `name` is what they are called in messages.
    pub(super) fn copy(
        reader: &mut dyn Read,
        folder: &Path,
        limit: Option<u64>,
        name: &str,
    ) -> Result<Kept> {
        let limit = limit.unwrap_or(LIMIT);
        let failed = |what: &str, error: io::Error| {
            let message = format!("{name} {what}: {error}");
            Error::new(ErrorKind::Io, "TM0701", message)
        };
        let (mut file, kept) =
            Kept::new(folder).map_err(|error| failed("cannot be kept", error))?;
        let mut piece = vec![0; PIECE];
        let mut length = 0;
        loop {
            let count = match reader.read(&mut piece) {
                Ok(0) => return Ok(kept),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed("cannot be read", error)),
            };
            length += count as u64;
            if length > limit {
                let message =
                    format!("{name} is longer than the {limit} bytes that it may take on disk");
                return Err(Error::new(ErrorKind::Limit, "TM0511", message)
                    .hint("allow more, or put the data into a file"));
            }
            file.write_all(&piece[..count])
                .map_err(|error| failed("cannot be kept", error))?;
        }
    }
}

/// The bytes on disk. On Linux a file without a name is enough, which is gone with the process however it ends.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Kept(File);

#[cfg(target_os = "linux")]
impl Kept {
    fn new(folder: &Path) -> io::Result<(File, Kept)> {
        let file = tempfile::tempfile_in(folder)?;
        Ok((file.try_clone()?, Kept(file)))
    }

    pub(super) fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("{KEPT_IN}/{}", self.0.as_raw_fd()))
    }
}

#[cfg(target_os = "linux")]
const KEPT_IN: &str = "/proc/self/fd";

#[cfg(target_os = "linux")]
pub(super) fn is_kept(path: &Path) -> bool {
    path.parent() == Some(Path::new(KEPT_IN))
}

/// The bytes on disk, in a file that is gone when the engine is.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Kept(tempfile::TempPath);

#[cfg(not(target_os = "linux"))]
impl Kept {
    fn new(folder: &Path) -> io::Result<(File, Kept)> {
        let file = tempfile::Builder::new()
            .prefix(KEPT_AS)
            .tempfile_in(folder)?;
        let (file, path) = file.into_parts();
        Ok((file, Kept(path)))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.to_path_buf()
    }
}

#[cfg(not(target_os = "linux"))]
const KEPT_AS: &str = "tidemill-kept-";

#[cfg(not(target_os = "linux"))]
pub(super) fn is_kept(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with(KEPT_AS))
}
