//! What an engine did since it was made: counters, and how they are distributed over its queries.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Engine;
use crate::error::{Error, ErrorKind};
use crate::exec::Execution;
use crate::file::ReadCounts;
use crate::table::database::Database;

/// What an engine did since it was made, at one moment.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// engine.execute("SELECT 1", ())?;
/// let metrics = engine.metrics();
/// assert_eq!((metrics.queries_started, metrics.queries_done), (1, 1));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Metrics {
    /// Queries that began to run.
    pub queries_started: u64,
    /// Queries that gave all their rows, or all that were asked for.
    pub queries_done: u64,
    /// Queries that ended with an error, other than those below.
    pub queries_failed: u64,
    /// Queries that were cancelled, or whose rows were not read to their end.
    pub queries_cancelled: u64,
    /// Queries that ran longer than their timeout.
    pub queries_timed_out: u64,
    /// Rows that queries read from files and tables.
    pub rows_read: u64,
    /// Rows of CSV and JSON files that queries read, and what became of them.
    pub read: ReadCounts,
    /// Bytes of the rows read, in memory.
    pub bytes_read: u64,
    /// Bytes that operators hold now.
    pub memory_bytes: u64,
    /// The most that they ever held.
    pub memory_bytes_max: u64,
    /// Bytes in files of what does not fit into memory, now.
    pub spill_bytes: u64,
    /// Bytes ever written to such files.
    pub spilled_bytes: u64,
    /// Such files ever made.
    pub spilled_files: u64,
    /// Reads of segments of which there are several replicas.
    pub replica_reads: u64,
    /// Of these, those that were asked of a second replica as the first took long.
    pub replica_reads_asked_twice: u64,
    /// Of these, those that the second replica answered first.
    pub replica_reads_won: u64,
    /// How long queries took, in milliseconds.
    pub query_time_ms: Histogram,
    /// Rows that each query read.
    pub query_rows_read: Histogram,
    /// Bytes that each query wrote to disk.
    pub query_spilled_bytes: Histogram,
}

/// How often values up to a bound were seen.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// engine.execute("SELECT 1", ())?;
/// let histogram = engine.metrics().query_time_ms;
/// assert_eq!(histogram.count, 1);
/// assert_eq!(histogram.buckets.iter().map(|(_, count)| count).sum::<u64>(), 1);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// Each bound with the number of values up to it and above the bound before.
    pub buckets: Vec<(u64, u64)>,
    /// Values seen.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

/// Bounds are powers of two; the last bucket takes all that is larger.
const BUCKETS: usize = 48;

#[derive(Debug)]
struct Counts {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
        }
    }
}

impl Counts {
    fn add(&self, value: u64) {
        let bucket = (u64::BITS - value.saturating_sub(1).leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn snapshot(&self) -> Histogram {
        let counts = self
            .buckets
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let counts: Vec<u64> = counts.collect();
        let bounds = (0..BUCKETS).map(|power| match power {
            last if last == BUCKETS - 1 => u64::MAX,
            power => 1 << power,
        });
        Histogram {
            count: counts.iter().sum(),
            sum: self.sum.load(Ordering::Relaxed),
            buckets: bounds.zip(counts).filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Counted while queries run.
#[derive(Debug, Default)]
pub(super) struct Counters {
    started: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    timed_out: AtomicU64,
    rows_read: AtomicU64,
    bytes_read: AtomicU64,
    time_ms: Counts,
    query_rows: Counts,
    query_spilled: Counts,
}

impl Counters {
    /// A query begins; the moment is for [`ended`](Self::ended).
    pub(super) fn started(&self) -> Instant {
        self.started.fetch_add(1, Ordering::Relaxed);
        Instant::now()
    }

    /// A query that was over before its plan was there.
    pub(super) fn stopped_while_planned(&self, error: &Error) {
        let outcome = match error.kind() {
            ErrorKind::Cancelled => &self.cancelled,
            ErrorKind::Timeout => &self.timed_out,
            // What cannot be planned never began.
            _ => return,
        };
        self.started();
        outcome.fetch_add(1, Ordering::Relaxed);
    }

    /// It is over. `read_whole`: its rows were read to their end.
    pub(super) fn ended(&self, execution: &Execution, since: Instant, read_whole: bool) {
        let outcome = match execution.error().map(Error::kind) {
            None if read_whole => &self.done,
            None | Some(ErrorKind::Cancelled) => &self.cancelled,
            Some(ErrorKind::Timeout) => &self.timed_out,
            Some(_) => &self.failed,
        };
        outcome.fetch_add(1, Ordering::Relaxed);
        let progress = execution.progress();
        self.rows_read.fetch_add(progress.rows, Ordering::Relaxed);
        self.bytes_read.fetch_add(progress.bytes, Ordering::Relaxed);
        self.time_ms.add(milliseconds(since.elapsed()));
        self.query_rows.add(progress.rows);
        self.query_spilled.add(execution.context().spill.written());
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Engine {
    /// What this engine did since it was made.
    pub fn metrics(&self) -> Metrics {
        let counters = &self.0.counters;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (held, peak) = self.0.budget.held_and_peak();
        let disk = &self.0.disk;
        let hedges = self.catalog().database().map(Database::routes);
        let hedges = hedges.map(|routes| routes.router.all_hedges());
        let hedges = hedges.unwrap_or_default();
        Metrics {
            queries_started: load(&counters.started),
            queries_done: load(&counters.done),
            queries_failed: load(&counters.failed),
            queries_cancelled: load(&counters.cancelled),
            queries_timed_out: load(&counters.timed_out),
            rows_read: load(&counters.rows_read),
            read: self.0.read.counts(),
            bytes_read: load(&counters.bytes_read),
            memory_bytes: held as u64,
            memory_bytes_max: peak as u64,
            spill_bytes: disk.used(),
            spilled_bytes: disk.written(),
            spilled_files: disk.files(),
            replica_reads: hedges.reads,
            replica_reads_asked_twice: hedges.asked_twice,
            replica_reads_won: hedges.won,
            query_time_ms: counters.time_ms.snapshot(),
            query_rows_read: counters.query_rows.snapshot(),
            query_spilled_bytes: counters.query_spilled.snapshot(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_bucket_of_the_next_power_of_two() {
        let counts = Counts::default();
        for value in [0, 1, 2, 3, 4, 1000, u64::MAX] {
            counts.add(value);
        }
        let histogram = counts.snapshot();
        assert_eq!(histogram.count, 7);
        assert_eq!(
            histogram.buckets,
            [(1, 2), (2, 1), (4, 2), (1024, 1), (u64::MAX, 1)]
        );
    }
}
