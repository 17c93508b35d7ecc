//! Every durable byte of a database goes through here.
//!
//! [`Disk`] is what an operating system offers, in few words; [`real::RealDisk`] is this machine's, and tests have one that forgets
//! what was not synced. [`Store`] is what the rest of the engine uses: it knows in which order things must be synced, and after a
//! sync that failed it writes nothing more, since nobody can say what then lies on the disk.

mod real;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
pub(crate) mod slow;

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, FilePlace, Result};

/// What an operating system offers.
pub(crate) trait Disk: Send + Sync + Debug {
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The file, to be read bit by bit.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;
    /// The file, to be read at any place.
    fn open_at(&self, path: &Path) -> io::Result<Box<dyn ReadAt>>;
    fn about(&self, path: &Path) -> io::Result<About>;
    /// Where something that is there really lies, behind links.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;
    /// Fails where there is something of that name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// One level, which must not be there.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// A second name of a file. Fails where there is something of that name: this is what makes a commit one step.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    /// Names in the directory stay as they are now.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Holds the file, which is made where it is missing, until the lock is dropped or the process ends. `None` where somebody else
    /// holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>>;
}

/// Bytes that can be read at any place.
pub(crate) trait ReadAt: Send + Sync + Debug {
    /// Bytes from `start` on; fewer than `length` where they end.
    fn read_at(&self, start: u64, length: u64) -> io::Result<Bytes>;

    /// Whether every read is a question to another machine: few large ones are faster than many small ones.
    fn is_remote(&self) -> bool {
        false
    }
}

/// A file of this machine; who reads sets its place first.
impl ReadAt for Mutex<File> {
    fn read_at(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let mut file = self.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::with_capacity(length as usize);
        (&mut *file).take(length).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A file that is held.
pub(crate) trait DiskLock: Send + Sync + Debug {}

/// A file being written.
pub(crate) trait DiskFile: Write + Send + Debug {
    /// What was written stays.
    fn sync(&mut self) -> io::Result<()>;
}

/// What a disk says of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) is_directory: bool,
    pub(crate) bytes: u64,
    pub(crate) modified: SystemTime,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) about: About,
}

/// A disk, and whether it can still be trusted. Clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    poisoned: AtomicBool,
}

impl Store {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Store(Arc::new(Shared {
            disk,
            poisoned: AtomicBool::new(false),
        }))
    }

    /// The file system of this machine.
    pub(crate) fn real() -> Self {
        Store::new(Arc::new(real::RealDisk))
    }

    /// The same disk for files that are no part of the database: what cannot be made durable there closes only this handle.
    pub(crate) fn apart(&self) -> Self {
        Store::new(Arc::clone(&self.0.disk))
    }

    /// The file, to be read bit by bit; `None` where there is no such file.
    pub(crate) fn open(&self, path: &Path) -> Result<Option<Box<dyn Read + Send>>> {
        found(self.0.disk.open(path), path)
    }

    /// The file, to be read at any place.
    pub(crate) fn open_at(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        self.0.disk.open_at(path)
    }

    /// The file's bytes; `None` where there is no such file.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        found(self.0.disk.read(path), path)
    }

    /// Where a path really leads, also where only its beginning is there.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        let mut known = path;
        loop {
            if let Ok(found) = self.0.disk.resolve(known) {
                return path.strip_prefix(known).map_or(found.clone(), |rest| {
                    match rest.as_os_str().is_empty() {
                        true => found.clone(),
                        false => found.join(rest),
                    }
                });
            }
            match known.parent() {
                Some(parent) => known = parent,
                None => return path.to_path_buf(),
            }
        }
    }

    pub(crate) fn about(&self, path: &Path) -> Result<Option<About>> {
        found(self.0.disk.about(path), path)
    }

    /// What lies in the directory, by name; nothing where there is no such directory.
    pub(crate) fn list(&self, directory: &Path) -> Result<Vec<Entry>> {
        let mut entries = found(self.0.disk.list(directory), directory)?.unwrap_or_default();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// Makes a directory and those above it that are missing. Their names stay before this returns.
    pub(crate) fn make_directory(&self, path: &Path) -> Result<()> {
        self.check()?;
        if path.as_os_str().is_empty() || self.about(path)?.is_some_and(|about| about.is_directory)
        {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_directory(parent)?;
        }
        match self.0.disk.create_directory(path) {
            Ok(()) => {}
            // Somebody else was faster; their sync may still be under way, so ours is needed too.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(path, &error)),
        }
        self.sync_parent(path)
    }

    /// A new file, written under the name it is given here.
    pub(crate) fn create(&self, path: &Path) -> Result<NewFile> {
        self.check()?;
        let file = self.0.disk.create(path);
        Ok(NewFile {
            file: file.map_err(|error| failed(path, &error))?,
            path: path.to_path_buf(),
            store: self.clone(),
            finished: false,
        })
    }

    /// Puts a file where there is none; false where there is one. Afterwards it stays, whole.
    pub(crate) fn put_if_absent(&self, path: &Path, bytes: &[u8]) -> Result<bool> {
        let temporary = self.write_beside(path, bytes)?;
        let linked = match self.0.disk.link(&temporary, path) {
            Ok(()) => Ok(true),
            // A network file system may say no although it did: the contents know.
            Err(error) => match self.0.disk.read(path) {
                Ok(there) if there == bytes => Ok(true),
                Ok(_) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                _ => Err(failed(path, &error)),
            },
        };
        let synced = match linked {
            Ok(true) => self.sync_parent(path).map(|()| true),
            other => other,
        };
        // What stays behind has a name that nobody reads; VACUUM takes it away.
        let _ = self.0.disk.remove(&temporary);
        synced
    }

    /// Puts a file in the place of what is there, in one step.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let temporary = self.write_beside(path, bytes)?;
        self.rename(&temporary, path)?;
        self.sync_parent(path)
    }

    /// A synced file with a name of its own beside `path`.
    fn write_beside(&self, path: &Path, bytes: &[u8]) -> Result<PathBuf> {
        let temporary = temporary_name(path);
        let mut file = self.create(&temporary)?;
        file.write_all(bytes)
            .map_err(|error| failed(&temporary, &error))?;
        file.finish()?;
        Ok(temporary)
    }

    /// Gives a file another name. The name stays once the directory is synced.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.check()?;
        let done = self.0.disk.rename(from, to);
        done.map_err(|error| failed(from, &error))
    }

    /// Holds a file until the lock is dropped or the process ends, however it ends; `None` where somebody else holds it.
    pub(crate) fn lock(&self, path: &Path) -> Result<Option<Box<dyn DiskLock>>> {
        let held = self.0.disk.lock(path);
        held.map_err(|error| failed(path, &error))
    }

    /// Takes a file away; false where there was none.
    pub(crate) fn remove(&self, path: &Path) -> Result<bool> {
        self.check()?;
        Ok(found(self.0.disk.remove(path), path)?.is_some())
    }

    /// Takes a directory away with all that lies in it.
    pub(crate) fn remove_tree(&self, directory: &Path) -> Result<()> {
        for entry in self.list(directory)? {
            let path = directory.join(&entry.name);
            if entry.about.is_directory {
                self.remove_tree(&path)?;
            } else {
                self.remove(&path)?;
            }
        }
        found(self.0.disk.remove_directory(directory), directory).map(drop)
    }

    /// Takes a directory away if nothing lies in it; otherwise it stays.
    pub(crate) fn remove_if_empty(&self, directory: &Path) {
        let _ = self.0.disk.remove_directory(directory);
    }

    /// The names in a directory stay.
    pub(crate) fn sync_directory(&self, path: &Path) -> Result<()> {
        self.check()?;
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let synced = self.0.disk.sync_directory(path);
        synced.map_err(|error| self.sync_failed(path, &error))
    }

    fn sync_parent(&self, path: &Path) -> Result<()> {
        path.parent()
            .map_or(Ok(()), |parent| self.sync_directory(parent))
    }

    /// TM0743 once a sync has failed.
    fn check(&self) -> Result<()> {
        if self.0.poisoned.load(Ordering::SeqCst) {
            return Err(Error::new(
                ErrorKind::Poisoned,
                "TM0743",
                "the database is closed for writing: an earlier write could not be made durable",
            )
            .hint("look after the disk, then open the database again; reading goes on"));
        }
        Ok(())
    }

    /// After a failed sync the system may believe its pages clean: trying again would succeed and keep nothing.
    fn sync_failed(&self, path: &Path, error: &io::Error) -> Error {
        self.0.poisoned.store(true, Ordering::SeqCst);
        Error::new(
            ErrorKind::Poisoned,
            "TM0743",
            format!("what was written could not be made durable: {error}"),
        )
        .in_file(place(path))
        .hint("look after the disk, then open the database again and see what is there")
    }
}

/// A file being written. It is gone if it is dropped before [`NewFile::finish`] or [`NewFile::sync`].
#[derive(Debug)]
pub(crate) struct NewFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    store: Store,
    finished: bool,
}

impl NewFile {
    /// What was written stays. There is no second try: the handle is used up.
    pub(crate) fn finish(mut self) -> Result<()> {
        let flushed = self.file.flush();
        flushed.map_err(|error| failed(&self.path, &error))?;
        let synced = self.file.sync();
        synced.map_err(|error| self.store.sync_failed(&self.path, &error))?;
        self.finished = true;
        Ok(())
    }
}

impl NewFile {
    /// What was written so far stays, under this name, and more can be written.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.store.check()?;
        let flushed = self.file.flush();
        flushed.map_err(|error| failed(&self.path, &error))?;
        let synced = self.file.sync();
        synced.map_err(|error| self.store.sync_failed(&self.path, &error))?;
        self.finished = true;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.store.0.disk.remove(&self.path);
        }
    }
}

/// A name that no other writer has, for a file that nobody reads yet.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!(".{name}.{}.tmp", unique()))
}

/// 128 bits that nothing else has, as 32 hexadecimal digits.
pub(crate) fn unique() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = told_apart();
    }
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Where the system gives no random numbers (a sandbox that forbids the call): the process, the time and a count, hashed with the
/// seeds that the standard library drew.
fn told_apart() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let about = (count, std::process::id(), SystemTime::now());
    let [one, two] = [RandomState::new(), RandomState::new()].map(|seed| seed.hash_one(about));
    (u128::from(one) << 64 | u128::from(two)).to_be_bytes()
}

fn found<T>(answer: io::Result<T>, path: &Path) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The operating system refused.
pub(crate) fn failed(path: &Path, error: &io::Error) -> Error {
    let failed = Error::new(ErrorKind::Io, "TM0701", error.to_string()).in_file(place(path));
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            failed.hint("make room on the disk and run it again: the table is as it was")
        }
        io::ErrorKind::Unsupported => failed.hint("a database needs a file system with hard links"),
        _ => failed,
    }
}

fn place(path: &Path) -> FilePlace {
    FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    }
}

#[cfg(test)]
mod tests;
