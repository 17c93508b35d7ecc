//! Where the bytes of a file are, a path of this machine or an object of another, and the handle that reads them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::kept::Kept;
use super::remote::{Object, ObjectReader};
use super::standard_input;
use crate::error::Error;
use crate::store::ReadAt;

/// One file, as every reader of it opens it anew.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    at: At,
    /// What it is called in messages.
    shown: PathBuf,
}

#[derive(Debug, Clone)]
enum At {
    Path(PathBuf),
    /// Bytes of another machine that lie here for as long as somebody reads them.
    Kept(Arc<Kept>),
    Object(Arc<Object>),
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Source {
            at: At::Path(path.to_path_buf()),
            shown: standard_input::shown(path).to_path_buf(),
        }
    }
}

impl From<&PathBuf> for Source {
    fn from(path: &PathBuf) -> Self {
        Source::from(path.as_path())
    }
}

impl From<&Source> for Source {
    fn from(source: &Source) -> Self {
        source.clone()
    }
}

impl Source {
    /// An object, whose bytes are asked for when they are read.
    #[cfg_attr(
        not(feature = "remote"),
        expect(dead_code, reason = "nothing makes one without the feature")
    )]
    pub(super) fn of_object(object: Object, shown: PathBuf) -> Self {
        let at = At::Object(Arc::new(object));
        Source { at, shown }
    }

    /// Bytes that were fetched whole.
    #[cfg_attr(
        not(feature = "remote"),
        expect(dead_code, reason = "nothing makes one without the feature")
    )]
    pub(super) fn of_kept(kept: Kept, shown: PathBuf) -> Self {
        let at = At::Kept(Arc::new(kept));
        Source { at, shown }
    }

    /// What it is called in messages.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Whether every read of it is a question to another machine: few large ones are faster than many small ones.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.at, At::Object(_))
    }

    /// Whether it is a file that a query can name by its path.
    pub(super) fn has_path(&self) -> bool {
        !matches!(&self.at, At::Path(path) if *path != self.shown)
    }

    /// The path, of a file of this machine.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.at {
            At::Path(path) => Some(path),
            At::Kept(_) | At::Object(_) => None,
        }
    }

    /// What tells one state of an object from the next, in the words of the machine that has it.
    pub(crate) fn version(&self) -> Option<String> {
        match &self.at {
            At::Object(object) => Some(object.version()),
            At::Path(_) | At::Kept(_) => None,
        }
    }

    #[cfg_attr(
        not(feature = "remote"),
        expect(unreachable_code, reason = "there is no object without the feature")
    )]
    pub(crate) fn open(&self) -> io::Result<Handle> {
        Ok(match &self.at {
            At::Path(path) => Handle::File(File::open(path)?),
            At::Kept(kept) => Handle::File(File::open(kept.path())?),
            At::Object(object) => Handle::Object(ObjectReader::new(object)),
        })
    }
}

/// An opened source.
#[derive(Debug)]
pub(crate) enum Handle {
    File(File),
    Object(ObjectReader),
}

impl Handle {
    /// Bytes from its beginning to its end.
    pub(crate) fn length(&self) -> io::Result<u64> {
        match self {
            Handle::File(file) => Ok(file.metadata()?.len()),
            Handle::Object(object) => Ok(object.length()),
        }
    }

    /// When it was last written to, as this machine says.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        match self {
            Handle::File(file) => file.metadata().ok()?.modified().ok(),
            Handle::Object(_) => None,
        }
    }

    pub(crate) fn is_directory(&self) -> io::Result<bool> {
        match self {
            Handle::File(file) => Ok(file.metadata()?.is_dir()),
            Handle::Object(_) => Ok(false),
        }
    }

    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Handle::Object(_))
    }

    /// Goes to `start`; what is read next ends at about `end`, so that no more needs to be asked for.
    pub(crate) fn seek_for(&mut self, start: u64, end: u64) -> io::Result<()> {
        self.seek(SeekFrom::Start(start))?;
        if let Handle::Object(object) = self {
            object.expect_until(end);
        }
        Ok(())
    }

    /// Bytes from `start` on; fewer than `length` at the end.
    pub(crate) fn read_at(&mut self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        self.seek_for(start, start.saturating_add(length))?;
        let left = self.length()?.saturating_sub(start).min(length);
        let mut bytes = Vec::with_capacity(usize::try_from(left).unwrap_or_default());
        self.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Who reads sets its place first.
impl ReadAt for Mutex<Handle> {
    fn read_at(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let mut handle = self.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(handle.read_at(start, length)?.into())
    }

    fn is_remote(&self) -> bool {
        let handle = self.lock().unwrap_or_else(PoisonError::into_inner);
        (*handle).is_remote()
    }
}

impl Read for Handle {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Handle::File(file) => file.read(into),
            Handle::Object(object) => object.read(into),
        }
    }
}

impl Seek for Handle {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Handle::File(file) => file.seek(to),
            Handle::Object(object) => object.seek(to),
        }
    }
}

/// The error of ours that an error of reading carries: what another machine answered.
pub(crate) fn carried(error: &io::Error) -> Option<Error> {
    error.get_ref()?.downcast_ref::<Error>().cloned()
}
