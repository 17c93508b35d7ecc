//! Standard input as a file: its bytes are put on disk once, so that workers read them in parallel, from any place and more than
//! once, and none of them are held in memory.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};

/// What it is called in messages, and as a table.
pub(crate) const NAME: &str = "stdin";

/// Bytes copied at once.
const PIECE: usize = 256 * 1024;

/// Where no limit of the disk is given, one that nobody means to reach.
const LIMIT: u64 = 1 << 40;

/// Whether a path in a query means standard input.
pub(crate) fn is_meant(path: &str) -> bool {
    matches!(path, "-" | "/dev/stdin")
}

/// What a file is called in messages.
pub(crate) fn shown(path: &Path) -> &Path {
    match is_kept(path) {
        true => Path::new(NAME),
        false => path,
    }
}

/// The bytes that a program gives its queries to read.
#[derive(Default)]
pub(crate) struct StandardInput(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Absent,
    Unread(Box<dyn Read + Send>),
    Kept(Kept),
    /// It was read in part and is of no use.
    Failed(Error),
}

impl fmt::Debug for StandardInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandardInput")
    }
}

impl StandardInput {
    pub(crate) fn new(reader: impl Read + Send + 'static) -> Self {
        StandardInput(Mutex::new(State::Unread(Box::new(reader))))
    }

    /// The file in `folder` that has the bytes: all of them are there.
    pub(crate) fn file(&self, folder: &Path, limit: Option<u64>) -> Result<PathBuf> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unread(reader) = &mut *state {
            let kept = keep(reader, folder, limit.unwrap_or(LIMIT));
            *state = kept.map_or_else(State::Failed, State::Kept);
        }
        match &*state {
            State::Kept(kept) => Ok(kept.path()),
            State::Failed(error) => Err(error.clone()),
            State::Absent | State::Unread(_) => Err(Error::new(
                ErrorKind::Input,
                "TM0703",
                "there is no standard input for queries to read",
            )
            .hint("from Rust: Engine::builder().standard_input(reader)")),
        }
    }
}

fn keep(reader: &mut dyn Read, folder: &Path, limit: u64) -> Result<Kept> {
    let failed = |what: &str, error: io::Error| {
        let message = format!("standard input {what}: {error}");
        Error::new(ErrorKind::Io, "TM0701", message)
    };
    let (mut file, kept) = Kept::new(folder).map_err(|error| failed("cannot be kept", error))?;
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
                format!("standard input is longer than the {limit} bytes that it may take on disk");
            return Err(Error::new(ErrorKind::Limit, "TM0511", message)
                .hint("allow more, or put the data into a file"));
        }
        file.write_all(&piece[..count])
            .map_err(|error| failed("cannot be kept", error))?;
    }
}

/// The bytes on disk. On Linux a file without a name is enough, which is gone with the process however it ends.
#[cfg(target_os = "linux")]
struct Kept(File);

#[cfg(target_os = "linux")]
impl Kept {
    fn new(folder: &Path) -> io::Result<(File, Kept)> {
        let file = tempfile::tempfile_in(folder)?;
        Ok((file.try_clone()?, Kept(file)))
    }

    fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("{KEPT_IN}/{}", self.0.as_raw_fd()))
    }
}

#[cfg(target_os = "linux")]
const KEPT_IN: &str = "/proc/self/fd";

#[cfg(target_os = "linux")]
fn is_kept(path: &Path) -> bool {
    path.parent() == Some(Path::new(KEPT_IN))
}

/// The bytes on disk, in a file that is gone when the engine is.
#[cfg(not(target_os = "linux"))]
struct Kept(tempfile::TempPath);

#[cfg(not(target_os = "linux"))]
impl Kept {
    fn new(folder: &Path) -> io::Result<(File, Kept)> {
        let file = tempfile::Builder::new()
            .prefix(KEPT_AS)
            .tempfile_in(folder)?;
        let (file, path) = file.into_parts();
        Ok((file, Kept(path)))
    }

    fn path(&self) -> PathBuf {
        self.0.to_path_buf()
    }
}

#[cfg(not(target_os = "linux"))]
const KEPT_AS: &str = "tidemill-stdin-";

#[cfg(not(target_os = "linux"))]
fn is_kept(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with(KEPT_AS))
}
