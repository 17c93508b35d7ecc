//! A query seen from outside while it runs: how far it is, and how to stop it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use crossbeam_channel::RecvTimeoutError;

use super::deadline::Deadlines;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::{CancelToken, Execution};

/// How far a query is.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let rows = engine.query("FROM (VALUES (1), (2), (3)) AS t (n)", ())?;
/// let handle = rows.handle();
/// assert_eq!(rows.count(), 1);
/// assert_eq!(handle.progress().rows, 3);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// The part of the work that is done, from 0 to 1, as far as it can be told: every input counts as many bytes as it has.
    pub fraction: f64,
    /// Morsels done.
    pub units_done: u64,
    /// Morsels of the pipelines that have begun.
    pub units_known: u64,
    /// Rows read from files and tables.
    pub rows: u64,
    /// Bytes of these rows in memory.
    pub bytes: u64,
    /// Rows given to the reader of [`Rows`](crate::Rows).
    pub rows_given: u64,
    /// Bytes that its operators hold now.
    pub memory_bytes: u64,
    /// Bytes written to disk because they do not fit into memory.
    pub spilled_bytes: u64,
    /// How long it runs, or ran.
    pub elapsed: Duration,
    /// When the fraction last grew, counted as `elapsed` is.
    pub grown: Duration,
}

/// Before this much has passed, or is done, nobody can tell how long the rest takes.
const TELLING_TIME: Duration = Duration::from_millis(500);
const TELLING_FRACTION: f64 = 0.01;
/// Nor where the fraction stood still for this part of the time: a join may make much of little.
const STANDING_STILL: f64 = 0.25;

impl Progress {
    /// Rows read in a second, so far.
    pub fn rows_per_second(&self) -> f64 {
        rate(self.rows, self.elapsed)
    }

    /// Bytes of the rows read in a second, so far.
    pub fn bytes_per_second(&self) -> f64 {
        rate(self.bytes, self.elapsed)
    }

    /// How long the rest takes if it goes on as it went so far. `None` while that cannot be told.
    ///
    /// ```
    /// use std::time::Duration;
    /// let mut progress = tidemill::Progress::default();
    /// assert_eq!(progress.remaining(), None);
    /// (progress.fraction, progress.elapsed) = (0.25, Duration::from_secs(10));
    /// progress.grown = progress.elapsed;
    /// assert_eq!(progress.remaining(), Some(Duration::from_secs(30)));
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        if self.fraction >= 1.0 {
            return Some(Duration::ZERO);
        }
        let still = self.elapsed.saturating_sub(self.grown);
        let stands_still = still > self.elapsed.mul_f64(STANDING_STILL);
        if self.elapsed < TELLING_TIME || self.fraction < TELLING_FRACTION || stands_still {
            return None;
        }
        let left = self.elapsed.as_secs_f64() * (1.0 - self.fraction) / self.fraction;
        Duration::try_from_secs_f64(left).ok()
    }
}

fn rate(count: u64, time: Duration) -> f64 {
    match time.as_secs_f64() {
        seconds if seconds > 0.0 => count as f64 / seconds,
        _ => 0.0,
    }
}

/// Stops a query and says how far it is. Clones are about the same one.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let rows = engine.query("FROM (VALUES (1), (2)) |> WHERE column1 > 1", ())?;
/// let handle = rows.handle();
/// assert_eq!(rows.count(), 1);
/// let progress = handle.progress();
/// assert_eq!((progress.fraction, progress.rows, progress.rows_given), (1.0, 2, 1));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct QueryHandle(Arc<Query>);

#[derive(Debug)]
struct Query {
    cancel: CancelToken,
    /// Empty until it runs.
    execution: OnceLock<Weak<Execution>>,
    given: AtomicU64,
    since: Instant,
    /// What was said last: of a query that is over, and so that nothing goes back.
    last: Mutex<Progress>,
    deadlines: Arc<Deadlines>,
}

impl QueryHandle {
    /// Of a query that begins now.
    pub(super) fn new(cancel: &CancelToken, deadlines: &Arc<Deadlines>) -> Self {
        QueryHandle(Arc::new(Query {
            cancel: cancel.clone(),
            execution: OnceLock::new(),
            given: AtomicU64::new(0),
            since: Instant::now(),
            last: Mutex::default(),
            deadlines: Arc::clone(deadlines),
        }))
    }

    /// Of rows that are there already.
    pub(super) fn of_ready(batches: &[RecordBatch]) -> Self {
        let handle = QueryHandle::new(&CancelToken::default(), &Arc::default());
        let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        *handle.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Progress {
            fraction: 1.0,
            rows_given: rows,
            ..Progress::default()
        };
        handle
    }

    /// The query runs.
    pub(super) fn shows(&self, execution: &Arc<Execution>) {
        self.0.execution.get_or_init(|| Arc::downgrade(execution));
    }

    /// Rows went to the reader.
    pub(super) fn count_given(&self, rows: usize) {
        self.0.given.fetch_add(rows as u64, Ordering::Relaxed);
    }

    fn execution(&self) -> Option<Arc<Execution>> {
        self.0.execution.get().and_then(Weak::upgrade)
    }

    /// Whether both are about the same query.
    pub fn is_same(&self, other: &QueryHandle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it runs now.
    pub(super) fn is_going(&self) -> bool {
        self.execution()
            .is_some_and(|execution| !execution.is_over())
    }

    /// Somebody else knows the query.
    pub(super) fn is_shared(&self) -> bool {
        self.0.cancel.is_shared()
    }

    /// Asks the query to stop; its rows then end with a `TM0507` error.
    pub fn cancel(&self) {
        self.0.cancel.cancel();
    }

    /// Stops the query when it still runs after `timeout`, counted from now; its rows then end with a `TM0512` error.
    ///
    /// # Errors
    /// TM0701 where no thread can be started.
    pub fn set_timeout(&self, timeout: Duration) -> Result<()> {
        self.0.deadlines.add(&self.0.cancel, timeout)
    }

    /// How far the query is. No figure ever goes back, but for the memory that it holds.
    pub fn progress(&self) -> Progress {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(execution) = self.execution() else {
            return *last;
        };
        let now = execution.progress();
        let context = execution.context();
        let elapsed = match last.fraction >= 1.0 {
            true => last.elapsed,
            false => self.0.since.elapsed(),
        };
        *last = Progress {
            fraction: last.fraction.max(now.fraction),
            units_done: last.units_done.max(now.units_done),
            units_known: last.units_known.max(now.units_known),
            rows: last.rows.max(now.rows),
            bytes: last.bytes.max(now.bytes),
            rows_given: last.rows_given.max(self.0.given.load(Ordering::Relaxed)),
            memory_bytes: context.memory.held() as u64,
            spilled_bytes: last.spilled_bytes.max(context.spill.written()),
            elapsed,
            grown: match now.fraction > last.fraction {
                true => elapsed,
                false => last.grown,
            },
        };
        *last
    }

    /// Calls `look` with the query's progress every so often, from a thread of its own, and once more when the query is over.
    ///
    /// ```
    /// use std::{sync::mpsc, time::Duration};
    /// let engine = tidemill::Engine::in_memory()?;
    /// let rows = engine.query("FROM UNNEST(GENERATE_SERIES(1, 1000)) AS n |> AGGREGATE SUM(n)", ())?;
    /// let (sender, seen) = mpsc::channel();
    /// rows.handle().on_progress(Duration::from_millis(100), move |progress| {
    ///     let _ = sender.send(progress);
    /// })?;
    /// rows.collect_batches()?;
    /// assert_eq!(seen.iter().last().expect("the end").fraction, 1.0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0701 where no thread can be started.
    pub fn on_progress(
        &self,
        every: Duration,
        mut look: impl FnMut(Progress) + Send + 'static,
    ) -> Result<()> {
        let ended = self.execution().map(|execution| execution.ended().clone());
        let handle = self.clone();
        let watch = move || {
            if let Some(ended) = ended {
                // Nothing is ever sent: it disconnects when the query is over.
                while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(every) {
                    look(handle.progress());
                }
            }
            look(handle.progress());
        };
        std::thread::Builder::new()
            .name("tidemill-progress".to_string())
            .spawn(watch)
            .map(drop)
            .map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    "TM0701",
                    format!("no thread could be started: {error}"),
                )
            })
    }
}
