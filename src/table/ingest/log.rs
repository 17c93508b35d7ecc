//! Who writes rows that wait: one writer for each slot, which it holds locked while its file is open.
//!
//! A slot is a number with a lock file. Batches of a slot are numbered through, by one writer after the other, and the table's log
//! says up to which number they have moved (as the `txn` of the slot). A writer that takes a slot over reads what the one before
//! has left, and goes on behind it: so the log needs as many slots as there are writers at one time, not as there ever were.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::RecordBatch;

use super::frame::{Body, frames};
use super::{DIRECTORY, ENDING, moved, writer_of};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{About, DiskLock, NewFile, failed, unique};
use crate::table::damaged;
use crate::table::log::TableLog;
use crate::table::snapshot::Snapshot;

/// What the lock file of a slot ends with.
const LOCK: &str = ".lock";

/// Writers of one table at one time.
const SLOTS: u64 = 1000;

/// A writer of rows that wait.
#[derive(Debug)]
pub(crate) struct IngestLog {
    log: TableLog,
    pub(super) open: Option<Open>,
}

/// The file that is written, and the slot whose it is.
#[derive(Debug)]
pub(super) struct Open {
    file: NewFile,
    pub(super) path: PathBuf,
    slot: String,
    /// The number of the last batch.
    last: i64,
    _held: Box<dyn DiskLock>,
}

/// Rows that a writer before has left in the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// When the first of their files was written to last.
    pub(super) since: SystemTime,
}

impl IngestLog {
    pub(crate) fn new(log: TableLog) -> Self {
        IngestLog { log, open: None }
    }

    /// Writes batches as the table stores them. When this returns they are safe, and everybody sees them. `known` is a version of
    /// the table. Of rows that were left in the slot, which are ours from now on, this tells once.
    pub(super) fn append(
        &mut self,
        batches: &[Body],
        known: &Arc<Snapshot>,
    ) -> Result<Option<Left>> {
        // Where this fails nobody knows what the file ends in: nothing is added to it.
        let (mut open, left) = match self.open.take() {
            Some(open) => (open, None),
            None => self.begin(known)?,
        };
        let mut bytes = Vec::new();
        for batch in batches {
            open.last += 1;
            batch.put(open.last, &mut bytes);
        }
        let written = open.file.write_all(&bytes);
        written.map_err(|error| failed(&open.path, &error))?;
        open.file.sync()?;
        if self.log.store.about(&open.path)?.is_none() {
            let message = "the table was dropped while rows were added to it";
            return Err(Error::new(ErrorKind::Busy, "TM0740", message));
        }
        self.open = Some(open);
        Ok(left)
    }

    /// Takes the first free slot, and begins a file in it.
    fn begin(&self, known: &Arc<Snapshot>) -> Result<(Open, Option<Left>)> {
        let store = &self.log.store;
        let directory = self.log.directory.join(DIRECTORY);
        store.make_directory(&directory)?;
        for number in 0..SLOTS {
            let slot = format!("{number:03}");
            let Some(held) = store.lock(&directory.join(format!("{slot}{LOCK}")))? else {
                continue;
            };
            let (last, left) = self.left(&slot, known)?;
            let name = format!("{slot}-{:020}-{}{ENDING}", last + 1, unique());
            let path = directory.join(name);
            let file = store.create(&path)?;
            store.sync_directory(&directory)?;
            let open = Open {
                file,
                path,
                slot,
                last,
                _held: held,
            };
            return Ok((open, left));
        }
        let message = format!("{SLOTS} writers add rows to the table's buffer already");
        Err(Error::new(ErrorKind::Limit, "TM0750", message)
            .hint("wait until some of them have ended"))
    }

    /// The last number of a slot that is ours, and the rows in it that have not moved. Its files cannot go while we hold it, and
    /// those that went before had their rows in the version that is read after them.
    fn left(&self, slot: &str, known: &Arc<Snapshot>) -> Result<(i64, Option<Left>)> {
        let found = files(&self.log, slot)?;
        let newest = self.log.newest_after(Arc::clone(known))?;
        let moved = moved(&newest, slot);
        let (mut last, mut left) = (moved, None::<Left>);
        for file in found {
            last = file.last().max(last);
            let waiting = file.batches.iter().filter(|(number, _)| *number > moved);
            let rows: usize = waiting.map(|(_, batch)| batch.num_rows()).sum();
            if rows > 0 {
                let before = left.unwrap_or(Left {
                    rows: 0,
                    bytes: 0,
                    since: file.about.modified,
                });
                left = Some(Left {
                    rows: before.rows + rows as u64,
                    bytes: before.bytes + file.about.bytes,
                    since: before.since.min(file.about.modified),
                });
            }
        }
        Ok((last, left))
    }

    /// Takes the files of the slot away, whose rows are in segments by now, and lets the slot go.
    pub(super) fn moved(&mut self, snapshot: &Snapshot) -> Result<()> {
        let Some(open) = self
            .open
            .take_if(|open| moved(snapshot, &open.slot) >= open.last)
        else {
            return Ok(());
        };
        for file in files(&self.log, &open.slot)? {
            self.log.store.remove(&file.path)?;
        }
        Ok(())
    }
}

/// A file of a slot.
struct Found {
    path: PathBuf,
    about: About,
    batches: Vec<(i64, RecordBatch)>,
}

impl Found {
    fn last(&self) -> i64 {
        self.batches.last().map_or(0, |(number, _)| *number)
    }
}

fn files(log: &TableLog, slot: &str) -> Result<Vec<Found>> {
    let directory = log.directory.join(DIRECTORY);
    let mut found = Vec::new();
    for entry in log.store.list(&directory)? {
        if writer_of(&entry.name) != Some(slot) {
            continue;
        }
        let path = directory.join(&entry.name);
        let bytes = log.store.read(&path)?.unwrap_or_default();
        found.push(Found {
            batches: frames(&bytes).map_err(|reason| damaged(&path, reason))?,
            about: entry.about,
            path,
        });
    }
    Ok(found)
}

/// Takes away files of writers that are gone and whose rows have all moved. How many there were.
pub(crate) fn sweep(log: &TableLog, snapshot: &Snapshot) -> Result<u64> {
    let directory = log.directory.join(DIRECTORY);
    let mut slots: Vec<String> = Vec::new();
    for entry in log.store.list(&directory)? {
        slots.extend(writer_of(&entry.name).map(str::to_string));
    }
    slots.dedup();
    let mut removed = 0;
    for slot in slots {
        // Whoever holds the lock may be writing.
        let lock = directory.join(format!("{slot}{LOCK}"));
        let Some(_held) = log.store.lock(&lock)? else {
            continue;
        };
        let moved = moved(snapshot, &slot);
        for file in files(log, &slot)? {
            if file.last() <= moved {
                log.store.remove(&file.path)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
