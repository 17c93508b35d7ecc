//! This machine's disk for tests, some directories of which answer when they are told to, late, or not at all.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::real::RealDisk;
use super::{About, Disk, DiskFile, DiskLock, Entry, ReadAt};

/// What reads below a directory meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reads {
    /// They wait until that changes.
    Held,
    /// They take so much longer.
    Late(Duration),
    Fail,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SlowDisk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<(PathBuf, Reads)>,
    /// Of every read below a directory of `faults`.
    held: usize,
}

impl SlowDisk {
    /// From now on reads below this directory meet that; nothing special without it.
    pub(crate) fn set(&self, directory: &Path, reads: Option<Reads>) {
        let mut state = self.0.state.lock().unwrap();
        state.faults.retain(|(below, _)| below != directory);
        state
            .faults
            .extend(reads.map(|reads| (directory.to_path_buf(), reads)));
        self.0.changed.notify_all();
    }

    /// Reads that are held now.
    pub(crate) fn held(&self) -> usize {
        self.0.state.lock().unwrap().held
    }

    fn meet(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |state: &State| {
            let mut faults = state.faults.iter();
            faults
                .find(|(below, _)| path.starts_with(below))
                .map(|(_, reads)| *reads)
        };
        state.held += 1;
        while of(&state) == Some(Reads::Held) {
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.held -= 1;
        match of(&state) {
            Some(Reads::Fail) => Err(io::Error::other("the disk fails")),
            Some(Reads::Late(late)) => {
                drop(state);
                std::thread::sleep(late);
                Ok(())
            }
            Some(Reads::Held) | None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Slow {
    disk: SlowDisk,
    path: PathBuf,
    file: Box<dyn ReadAt>,
}

impl ReadAt for Slow {
    fn read_at(&self, start: u64, length: u64) -> io::Result<Bytes> {
        self.disk.meet(&self.path)?;
        self.file.read_at(start, length)
    }
}

impl Disk for SlowDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        RealDisk.open(path)
    }

    fn open_at(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(Slow {
            disk: self.clone(),
            path: path.to_path_buf(),
            file: RealDisk.open_at(path)?,
        }))
    }

    fn about(&self, path: &Path) -> io::Result<About> {
        RealDisk.about(path)
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        RealDisk.resolve(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        RealDisk.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_directory(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        RealDisk.lock(path)
    }
}
