//! Where results go: standard output, or a file that appears whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::stop::Stop;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

pub(crate) enum Target {
    Stdout(BufWriter<io::Stdout>),
    /// A device or a pipe: there is nothing to rename.
    Stream(BufWriter<File>),
    File {
        file: BufWriter<NamedTempFile>,
        path: PathBuf,
    },
}

impl Target {
    pub(crate) fn stdout() -> Self {
        Target::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))
    }

    /// A temporary file beside `path`, so that renaming it is one step. A link is followed; what is no file is written to.
    pub(crate) fn file(path: &Path) -> Result<Self, Stop> {
        tidemill::on_this_machine(path).map_err(Stop::Unopened)?;
        Self::beside(path).map_err(|error| unwritable(path, &error))
    }

    fn beside(path: &Path) -> io::Result<Self> {
        let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let existing = std::fs::metadata(path).ok();
        if existing
            .as_ref()
            .is_some_and(|found| !found.is_file() && !found.is_dir())
        {
            let file = File::options().write(true).open(path)?;
            return Ok(Target::Stream(BufWriter::with_capacity(BUFFER_BYTES, file)));
        }
        if existing.is_some_and(|found| found.is_dir()) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".tidemill-")
            .suffix(".part")
            .tempfile_in(directory)?;
        Ok(Target::File {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            path: path.to_path_buf(),
        })
    }

    pub(crate) fn writer(&mut self) -> &mut (dyn Write + Send) {
        match self {
            Target::Stdout(out) => out,
            Target::Stream(out) => out,
            Target::File { file, .. } => file,
        }
    }

    /// Makes what was written visible. Without it a file is gone.
    pub(crate) fn commit(self) -> io::Result<()> {
        match self {
            Target::Stdout(mut out) => out.flush(),
            Target::Stream(mut out) => out.flush(),
            Target::File { file, path } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                set_permissions(&file, &path)?;
                file.as_file().sync_all()?;
                file.persist(path).map(drop).map_err(|error| error.error)
            }
        }
    }
}

/// A file that holds this text, there whole or not at all.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Stop> {
    let mut target = Target::file(path)?;
    let written = target.writer().write_all(text.as_bytes());
    let written = written.and_then(|()| target.commit());
    written.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Stop {
    let reason = format!("{}: {}", path.display(), error.kind());
    Stop::Output(io::Error::new(error.kind(), reason))
}

/// A temporary file is private; a result is as the file was that it replaces, or as any new file is.
#[cfg(unix)]
fn set_permissions(file: &NamedTempFile, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = match std::fs::metadata(path) {
        Ok(older) => older.permissions(),
        Err(_) => std::fs::Permissions::from_mode(0o644),
    };
    file.as_file().set_permissions(permissions)
}

#[cfg(not(unix))]
fn set_permissions(_file: &NamedTempFile, _path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a person looks at standard output.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}
