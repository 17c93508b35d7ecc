//! Settings: raw input becomes checked input once.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::file::standard_input::StandardInput;
use crate::file::{BadRows, on_this_machine};
use crate::store::Store;
use crate::table::database::Database;

/// Rows an operator aims at in one batch.
const BATCH_ROWS: usize = 16 * 1024;

/// The least that it becomes where memory has a limit.
const BATCH_ROWS_LEAST: usize = 512;

/// So many batches of such rows may lie with one worker.
const BATCHES_IN_HAND: usize = 64;
const ROW_BYTES: usize = 256;

/// Threads beyond which nothing is gained and everything costs.
const THREADS_MAX: usize = 1024;

/// A worker's stack. Reserved address space, not memory.
pub(super) const WORKER_STACK_BYTES: usize = 32 << 20;

/// The stack of the thread that parses and plans.
pub(super) const PLANNER_STACK_BYTES: usize = 64 << 20;

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) threads: usize,
    pub(super) memory_limit: Option<usize>,
    pub(super) spill_dir: Option<PathBuf>,
    pub(super) spill_limit: Option<u64>,
    pub(super) timeout: Option<Duration>,
    pub(super) batch_rows: usize,
    pub(super) double_quotes_are_strings: bool,
    pub(super) bad_rows: BadRows,
    pub(super) input: Arc<StandardInput>,
}

/// Settings of an engine to be.
///
/// ```
/// let engine = tidemill::Engine::builder().threads(2).memory_limit(1 << 30).in_memory()?;
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    threads: Option<usize>,
    memory_limit: Option<u64>,
    spill_dir: Option<PathBuf>,
    spill_limit: Option<u64>,
    timeout: Option<Duration>,
    batch_rows: Option<usize>,
    double_quotes_are_strings: bool,
    bad_rows: BadRows,
    input: Arc<StandardInput>,
}

impl Builder {
    /// Worker threads. All cores without it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Bytes that the operators of all running queries may hold together; what does not fit is written to disk. Unbounded
    /// without it.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// The directory for what does not fit into memory. The system's directory for temporary files without it.
    pub fn spill_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.spill_dir = Some(path.into());
        self
    }

    /// Bytes that all running queries may have on disk for what does not fit into memory. Unbounded without it.
    pub fn spill_limit(mut self, bytes: u64) -> Self {
        self.spill_limit = Some(bytes);
        self
    }

    /// How long a query may run. No bound without it; [`QueryHandle::set_timeout`](crate::QueryHandle::set_timeout) sets one
    /// for a single query.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Rows an operator aims at in one batch. Answers never depend on it.
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = Some(rows);
        self
    }

    /// Makes `"…"` a string with backslash escapes, as GoogleSQL and Spark have it, instead of a quoted name.
    pub fn double_quotes_are_strings(mut self, yes: bool) -> Self {
        self.double_quotes_are_strings = yes;
        self
    }

    /// What becomes of rows of CSV and JSON files that are not as they should be, where a file's own option `bad_rows` does not say
    /// otherwise. A query fails at the first without it.
    ///
    /// ```
    /// use tidemill::{BadRows, Engine};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("x.csv");
    /// std::fs::write(&path, "a,b\n1,2\n3\n4,5\n")?;
    /// let engine = Engine::builder().bad_rows(BadRows::Skip).in_memory()?;
    /// let summary = engine.execute(&format!("FROM '{}'", path.display()), ())?;
    /// assert_eq!((summary.rows, summary.read.read, summary.read.rejected), (2, 3, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bad_rows(mut self, bad_rows: BadRows) -> Self {
        self.bad_rows = bad_rows;
        self
    }

    /// What `FROM stdin` and the path `-` read: CSV, JSON, Parquet or Arrow, compressed or not. It is copied into a temporary file,
    /// in the directory of [`Builder::spill_dir`] and bounded by [`Builder::spill_limit`], when a statement first names it.
    ///
    /// ```
    /// let data = "a,b\n1,x\n2,y\n".as_bytes();
    /// let engine = tidemill::Engine::builder().standard_input(data).in_memory()?;
    /// let sum: (i64,) = engine.query("FROM stdin |> AGGREGATE SUM(a)", ())?.one()?;
    /// assert_eq!(sum.0, 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn standard_input(mut self, reader: impl Read + Send + 'static) -> Self {
        self.input = Arc::new(StandardInput::new(reader));
        self
    }

    /// An engine that keeps its tables in memory.
    ///
    /// # Errors
    /// TM0603 for a setting out of its range, TM0900 for a spill directory on another machine.
    pub fn in_memory(self) -> Result<Engine> {
        if let Some(folder) = &self.spill_dir {
            on_this_machine(folder)?;
        }
        let threads = match self.threads {
            None => std::thread::available_parallelism().map_or(1, usize::from),
            Some(threads) => in_range("threads", threads, 1, THREADS_MAX)?,
        };
        let batch_rows = in_range(
            "batch_rows",
            self.batch_rows
                .unwrap_or_else(|| batch_rows_within(self.memory_limit, threads)),
            1,
            1 << 20,
        )?;
        let memory_limit = self
            .memory_limit
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let double_quotes_are_strings = self.double_quotes_are_strings;
        Engine::with_settings(Settings {
            threads,
            memory_limit,
            spill_dir: self.spill_dir,
            spill_limit: self.spill_limit,
            timeout: self.timeout,
            batch_rows,
            double_quotes_are_strings,
            bad_rows: self.bad_rows,
            input: self.input,
        })
    }

    /// An engine whose tables are kept in a directory, as [`Engine::open`] says.
    ///
    /// # Errors
    /// TM0603 for a setting out of its range, TM0701 where the directory cannot be made or read, TM0900 for one on another machine.
    pub fn open(self, directory: impl AsRef<std::path::Path>) -> Result<Engine> {
        on_this_machine(&directory)?;
        let engine = self.in_memory()?;
        let database = Database::open(Store::real(), directory.as_ref())?;
        engine.catalog().keep_in(database);
        Ok(engine)
    }
}

/// Every worker has some batches in hand: in little memory they are smaller.
fn batch_rows_within(memory_limit: Option<u64>, threads: usize) -> usize {
    let Some(limit) = memory_limit.and_then(|limit| usize::try_from(limit).ok()) else {
        return BATCH_ROWS;
    };
    let rows = limit / threads / BATCHES_IN_HAND / ROW_BYTES;
    rows.clamp(BATCH_ROWS_LEAST, BATCH_ROWS)
}

fn in_range(name: &str, value: usize, low: usize, high: usize) -> Result<usize> {
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(Error::new(
        ErrorKind::Input,
        "TM0603",
        format!("{name} must be from {low} to {high}, not {value}"),
    ))
}
