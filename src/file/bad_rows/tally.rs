//! How many rows one query read, and what became of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BadRows, RejectFiles};
use crate::error::{Error, ErrorKind, Result};
use crate::file::input::Input;

/// Rows of CSV and JSON files that queries read, and what became of them: `read = returned + filtered + rejected`. A file that a query
/// reads twice counts twice.
///
/// ```
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("a.csv");
/// std::fs::write(&path, "a\n1\n2\n").unwrap();
/// let engine = tidemill::Engine::in_memory()?;
/// let mut rows = engine.query(&format!("FROM '{}'", path.display()), ())?;
/// assert_eq!(rows.by_ref().count(), 1);
/// assert_eq!(rows.read_counts().read, 2);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadCounts {
    /// Rows read.
    pub read: u64,
    /// Those that the reader gave to the query.
    pub returned: u64,
    /// Those that did not pass a filter of the query, which readers ask.
    pub filtered: u64,
    /// Bad rows that were left out.
    pub rejected: u64,
    /// Values that did not fit and became NULL.
    pub nulled: u64,
}

impl ReadCounts {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &ReadCounts) -> ReadCounts {
        ReadCounts {
            read: self.read - earlier.read,
            returned: self.returned - earlier.returned,
            filtered: self.filtered - earlier.filtered,
            rejected: self.rejected - earlier.rejected,
            nulled: self.nulled - earlier.nulled,
        }
    }
}

/// One record that is not as it should be.
#[derive(Debug, Clone)]
pub(crate) struct BadRow {
    /// Where it starts in the decompressed file.
    pub(crate) byte: u64,
    pub(crate) column: Option<String>,
    /// What is wrong, without the place.
    pub(crate) error: String,
    /// The record as it stands in the file, without the end of its line.
    pub(crate) raw: Vec<u8>,
}

#[derive(Debug, Default)]
struct Counters {
    returned: AtomicU64,
    filtered: AtomicU64,
    rejected: AtomicU64,
    nulled: AtomicU64,
}

impl Counters {
    fn counts(&self) -> ReadCounts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (returned, filtered) = (load(&self.returned), load(&self.filtered));
        let rejected = load(&self.rejected);
        ReadCounts {
            read: returned + filtered + rejected,
            returned,
            filtered,
            rejected,
            nulled: load(&self.nulled),
        }
    }
}

/// What all queries of an engine met.
#[derive(Debug, Default)]
pub(crate) struct ReadTotal {
    counters: Counters,
    files: RejectFiles,
}

impl ReadTotal {
    /// So far.
    pub(crate) fn counts(&self) -> ReadCounts {
        self.counters.counts()
    }
}

/// What one query met, counted by its readers.
#[derive(Debug, Default)]
pub(crate) struct ReadTally {
    counters: Counters,
    met: Mutex<Met>,
    total: Arc<ReadTotal>,
}

/// Bad rows by what became of them.
#[derive(Debug, Default)]
struct Met {
    /// Those left out, under the file that they were written to.
    rejected: BTreeMap<Option<PathBuf>, Seen>,
    /// Values that became NULL.
    nulled: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    count: u64,
    /// The one that stands first, in the file whose name comes first.
    first: Option<(Input, BadRow)>,
}

impl Seen {
    fn add(&mut self, count: u64, input: &Input, bad: &BadRow) {
        self.count += count;
        let earlier =
            |(file, row): &(Input, BadRow)| (input.path(), bad.byte) < (file.path(), row.byte);
        if self.first.as_ref().is_none_or(earlier) {
            let bad = BadRow {
                raw: Vec::new(),
                ..bad.clone()
            };
            self.first = Some((input.clone(), bad));
        }
    }

    /// `what` with the first of them.
    fn warning(&self, what: &str) -> Option<Error> {
        let (input, bad) = self.first.as_ref()?;
        let found = input.error_at("TW08", bad.error.as_str(), bad.byte, bad.column.as_deref());
        let message = format!("{what}, the first: {}", bad.error);
        let place = found.place().cloned().unwrap_or_default();
        Some(Error::new(ErrorKind::Data, "TW08", message).in_file(place))
    }
}

impl ReadTally {
    /// Of a query of an engine.
    pub(crate) fn new(total: &Arc<ReadTotal>) -> Arc<ReadTally> {
        Arc::new(ReadTally {
            total: Arc::clone(total),
            ..ReadTally::default()
        })
    }

    fn count(&self, counter: impl Fn(&Counters) -> &AtomicU64, count: usize) {
        for counters in [&self.counters, &self.total.counters] {
            counter(counters).fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// A file is about to be read. A file that shall hold rejected rows is there even where there are none.
    pub(crate) fn open(&self, policy: &BadRows) {
        if let BadRows::Reject(path) = policy {
            self.met().rejected.entry(Some(path.clone())).or_default();
        }
    }

    /// Good rows, of which so many passed the filters.
    pub(crate) fn passed(&self, rows: usize, returned: usize) {
        self.count(|counters| &counters.returned, returned);
        self.count(|counters| &counters.filtered, rows - returned);
    }

    /// Rows of a file that are left out.
    pub(crate) fn rejected(&self, input: &Input, policy: &BadRows, bad: &[BadRow]) -> Result<()> {
        let Some(first) = bad.iter().min_by_key(|bad| bad.byte) else {
            return Ok(());
        };
        self.count(|counters| &counters.rejected, bad.len());
        let target = match policy {
            BadRows::Reject(path) => Some(path.clone()),
            _ => None,
        };
        let mut met = self.met();
        met.rejected
            .entry(target.clone())
            .or_default()
            .add(bad.len() as u64, input, first);
        drop(met);
        match target {
            Some(path) => self.total.files.add(&path, input, bad),
            None => Ok(()),
        }
    }

    /// Values of a file that became NULL, and the first of them.
    pub(crate) fn nulled(&self, input: &Input, values: usize, first: &BadRow) {
        self.count(|counters| &counters.nulled, values);
        self.met().nulled.add(values as u64, input, first);
    }

    /// So far.
    pub(crate) fn counts(&self) -> ReadCounts {
        self.counters.counts()
    }

    /// What its author should know.
    pub(crate) fn warnings(&self) -> Vec<Error> {
        let met = self.met();
        let rejected = met.rejected.iter().filter_map(|(target, seen)| {
            let (rows, were) = match seen.count {
                1 => ("1 bad row".to_string(), "was"),
                count => (format!("{count} bad rows"), "were"),
            };
            seen.warning(&match target {
                None => format!("{rows} {were} left out"),
                Some(path) => format!("{rows} {were} left out and written to {}", path.display()),
            })
        });
        let nulled = met.nulled.warning(&match met.nulled.count {
            1 => "1 value did not fit and became NULL".to_string(),
            count => format!("{count} values did not fit and became NULL"),
        });
        rejected.chain(nulled).collect()
    }

    /// Writes the files of rejected rows.
    pub(crate) fn publish(&self) -> Result<()> {
        let paths: Vec<PathBuf> = self.met().rejected.keys().flatten().cloned().collect();
        paths
            .iter()
            .try_for_each(|path| self.total.files.publish(path))
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
