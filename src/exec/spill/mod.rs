//! Rows that do not fit into memory lie in files until they are asked for again.
//!
//! An engine has one [`Disk`]: where files go and how much they may take. A query has a [`SpillSpace`], which makes a directory
//! of its own ([`directory`]) when the first operator writes. Batches go through a [`SpillWriter`] into a [`SpillFile`]
//! ([`file`]), which gives them back in order and is gone when it is dropped. [`Scattered`] ([`scatter`]) spreads rows over
//! files by the hash of their keys.

mod directory;
mod file;
mod rows;
mod scatter;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::Schema;

pub(crate) use directory::remove_abandoned;
pub(crate) use file::{SpillFile, SpillReader, SpillWriter};
pub(crate) use rows::{batch_bytes, own_rows, rows_for};
pub(crate) use scatter::{PARTS, Scattered};

use self::directory::Directory;
use super::RunContext;
use super::memory::{Share, size_text};
use crate::error::{Error, ErrorKind, Result, system_reason};

/// Where the queries of an engine write what does not fit, and how much of it there may be.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// The system's directory for temporary files without it.
    folder: Option<PathBuf>,
    limit: Option<u64>,
    /// Bytes in files now.
    used: AtomicU64,
    /// Bytes ever written, and files ever made.
    written: AtomicU64,
    files: AtomicU64,
}

impl Disk {
    pub(crate) fn new(folder: Option<PathBuf>, limit: Option<u64>) -> Arc<Self> {
        Arc::new(Disk {
            folder,
            limit,
            ..Disk::default()
        })
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone().unwrap_or_else(std::env::temp_dir)
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Counts bytes that are about to be written.
    fn take(&self, bytes: u64, operator: &str) -> Result<()> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if let Some(limit) = self.limit
            && before.saturating_add(bytes) > limit
        {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Error::new(
                ErrorKind::Limit,
                "TM0511",
                format!(
                    "the disk limit of {} for what does not fit into memory is reached in {operator}",
                    size_text(limit)
                ),
            )
            .hint("raise that limit (--spill-limit, Builder::spill_limit) or the memory limit, or let the query need less: fewer columns, a filter earlier"));
        }
        self.written.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Where one query writes what does not fit.
#[derive(Debug, Default)]
pub(crate) struct SpillSpace {
    disk: Arc<Disk>,
    written: AtomicU64,
    /// There from the first file on.
    directory: Mutex<Option<Arc<Directory>>>,
    next_file: AtomicU64,
}

impl SpillSpace {
    pub(crate) fn new(disk: &Arc<Disk>) -> Arc<Self> {
        Arc::new(SpillSpace {
            disk: Arc::clone(disk),
            ..SpillSpace::default()
        })
    }

    /// Bytes that the query wrote.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn directory(&self) -> Result<Arc<Directory>> {
        let mut slot = self
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = &*slot {
            return Ok(Arc::clone(directory));
        }
        let folder = self.disk.folder();
        let made = Directory::make(&folder).map_err(|error| io_error(&error, &folder, None))?;
        Ok(Arc::clone(slot.insert(Arc::new(made))))
    }
}

impl RunContext {
    /// A new file for rows of `schema`, written by the operator that has `share`.
    pub(crate) fn spill(&self, schema: &Schema, share: &Arc<Share>) -> Result<SpillWriter> {
        let directory = self.spill.directory()?;
        let number = self.spill.next_file.fetch_add(1, Ordering::Relaxed);
        self.spill.disk.files.fetch_add(1, Ordering::Relaxed);
        SpillWriter::new(
            directory,
            number,
            schema,
            Arc::clone(&self.spill),
            Arc::clone(share),
            self.cancel.clone(),
        )
    }
}

/// The operating system's refusal in our words.
fn io_error(error: &std::io::Error, path: &Path, operator: Option<&str>) -> Error {
    let what = operator.map_or_else(
        || "no directory for what does not fit into memory can be made in".to_string(),
        |operator| format!("what does not fit into memory in {operator} cannot be kept in"),
    );
    let text = format!("{what} {}: {}", path.display(), system_reason(error));
    if error.kind() == std::io::ErrorKind::StorageFull {
        return Error::new(ErrorKind::Limit, "TM0511", text)
            .hint("free some space, or choose another directory with the spill directory setting");
    }
    Error::new(ErrorKind::Io, "TM0701", text)
        .hint("choose another directory with the spill directory setting")
}

#[cfg(test)]
mod tests;
