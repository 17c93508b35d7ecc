//! Windows over sorted rows that lie in files: rows are read until whole partitions are there, and several such ranges are
//! computed at once. A partition that does not fit is computed while it is read, where its windows allow that.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::row::Rows;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::executor::block_on_stream;
use futures::stream;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::memory::slices;
use super::sort_keys::SortKeys;
use super::sort_merge::Runs;
use super::window::{RANGE_ROWS, WindowPlan};
use crate::error::{Error, Result};
use crate::exec::RunContext;
use crate::exec::memory::{Room, limit_reached};
use crate::exec::spill::batch_bytes;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// The rows of `runs` with their windows.
pub(super) fn windows(
    runs: &Runs,
    keys: Option<Arc<SortKeys>>,
    plan: Arc<dyn WindowPlan>,
    context: &Arc<RunContext>,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let rows = context.batch_rows;
    let windows = Windows {
        reader: Ranges::new(runs, keys, context)?,
        plan,
        context: Arc::clone(context),
        ready: VecDeque::new(),
        streaming: None,
    };
    Ok(windows.flat_map(move |batch| {
        let (batch, error) = match batch {
            Ok(batch) => (Some(batch), None),
            Err(error) => (None, Some(Err(error))),
        };
        let pieces = batch.into_iter();
        pieces
            .flat_map(move |batch| slices(&batch, rows).map(Ok))
            .chain(error)
    }))
}

struct Windows {
    reader: Ranges,
    plan: Arc<dyn WindowPlan>,
    context: Arc<RunContext>,
    ready: VecDeque<RecordBatch>,
    /// The rest of the rows, computed while they are read.
    streaming: Option<Batches>,
}

impl Iterator for Windows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            if let Some(rest) = &mut self.streaming {
                return rest.next();
            }
            match self.compute_some() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.reader.rows = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Windows {
    /// Computes as many ranges as there are threads, or begins to stream. `false` at the end.
    fn compute_some(&mut self) -> Result<bool> {
        self.context.cancel.check()?;
        let mut ranges = Vec::new();
        let mut too_large = None;
        while ranges.len() < self.context.threads.max(1) {
            match self.reader.next()? {
                Range::Whole(batches) => ranges.push(batches),
                Range::TooLarge(begun) if ranges.is_empty() => {
                    too_large = Some(begun);
                    break;
                }
                Range::TooLarge(begun) => {
                    // There is room when those before it are computed.
                    self.reader.put_back(begun);
                    break;
                }
                Range::End => break,
            }
        }
        if ranges.is_empty() && too_large.is_none() {
            return Ok(false);
        }
        let (plan, context) = (&self.plan, &self.context);
        let computed = ranges
            .into_par_iter()
            .map(|batches| {
                let plan = plan.over_batches(batches)?;
                // Rows in memory do not keep anyone waiting: blocking is only going on.
                block_on_stream(plan.execute(0, Arc::clone(&context.task))?)
                    .map(|batch| Ok(batch?))
                    .collect::<Result<Vec<_>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        self.ready.extend(computed.into_iter().flatten());
        self.reader.room.empty();
        if let Some(begun) = too_large {
            self.streaming = Some(self.stream(begun)?);
        }
        Ok(true)
    }

    /// The windows of `begun` and of all rows that follow, while they are read.
    fn stream(&mut self, begun: Vec<RecordBatch>) -> Result<Batches> {
        let share = self.reader.room.share();
        let refused = || limit_reached(share.name(), share.limit());
        let schema = begun.first().map(RecordBatch::schema).ok_or_else(refused)?;
        let rest = self.reader.rows.take().ok_or_else(refused)?;
        let waiting = std::mem::take(&mut self.reader.waiting);
        let rows = begun.into_iter().chain(waiting).map(Ok).chain(rest);
        let rows = Arc::new(Once {
            schema,
            rows: Mutex::new(Some(Box::new(rows))),
        });
        let plan = self.plan.over_stream(rows)?.ok_or_else(refused)?;
        let windows = plan.execute(0, Arc::clone(&self.context.task))?;
        Ok(Box::new(block_on_stream(windows).map(|batch| Ok(batch?))))
    }
}

/// The same rows for who takes a few partitions at a time, each of which must fit into half of the memory limit.
pub(super) struct WholePartitions(Ranges);

impl WholePartitions {
    pub(super) fn new(
        runs: &Runs,
        keys: Option<Arc<SortKeys>>,
        context: &Arc<RunContext>,
    ) -> Result<Self> {
        let mut ranges = Ranges::new(runs, keys, context)?;
        // What nobody can write out is not refused because others are large just now.
        ranges.sure_bytes = ranges.room.share().limit().map_or(0, |limit| limit / 2);
        Ok(WholePartitions(ranges))
    }

    /// The next partitions; those before are given back.
    pub(super) fn next_range(&mut self) -> Result<Option<Vec<RecordBatch>>> {
        self.0.room.empty();
        match self.0.next()? {
            Range::Whole(batches) => Ok(Some(batches)),
            Range::TooLarge(_) => {
                let share = self.0.room.share();
                Err(limit_reached(share.name(), share.limit()))
            }
            Range::End => Ok(None),
        }
    }
}

/// Cuts sorted rows where partitions end.
struct Ranges {
    rows: Option<Batches>,
    /// Rows that were read and belong to the next range.
    waiting: VecDeque<RecordBatch>,
    /// `None`: all rows are one partition.
    keys: Option<Arc<SortKeys>>,
    /// For the ranges at hand.
    room: Room,
    /// So much of a partition is held whether there is room or not.
    sure_bytes: usize,
}

enum Range {
    Whole(Vec<RecordBatch>),
    /// The first rows of one that there is no room for.
    TooLarge(Vec<RecordBatch>),
    End,
}

impl Ranges {
    fn new(runs: &Runs, keys: Option<Arc<SortKeys>>, context: &Arc<RunContext>) -> Result<Self> {
        Ok(Ranges {
            rows: Some(runs.merged(context)?),
            waiting: VecDeque::new(),
            keys,
            room: Room::new(runs.share()),
            sure_bytes: 0,
        })
    }

    fn put_back(&mut self, batches: Vec<RecordBatch>) {
        for batch in batches.into_iter().rev() {
            self.waiting.push_front(batch);
        }
    }

    fn read(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.waiting.pop_front() {
            return Ok(Some(batch));
        }
        self.rows.as_mut().and_then(Iterator::next).transpose()
    }

    fn next(&mut self) -> Result<Range> {
        let mut range = Begun::default();
        while let Some(batch) = self.read()? {
            if let Some(keys) = &self.keys {
                range.find_ends(&keys.rows(&keys.columns(&batch)?)?);
                if let Some(end) = range.end_after(RANGE_ROWS) {
                    range.batches.push(batch);
                    return Ok(self.cut(range, end));
                }
            }
            // The windows are columns of about the same size.
            let bytes = 2 * batch_bytes(&batch);
            let mut has_room = self.room.has_room(bytes);
            range.bytes += bytes;
            if !has_room && range.ends.is_empty() && range.bytes <= self.sure_bytes {
                self.room.grow(bytes);
                has_room = true;
            }
            range.rows += batch.num_rows();
            range.batches.push(batch);
            if !has_room {
                return Ok(match range.ends.last().copied() {
                    Some(end) => self.cut(range, end),
                    None => Range::TooLarge(range.batches),
                });
            }
        }
        Ok(match range.batches.is_empty() {
            true => Range::End,
            false => Range::Whole(range.batches),
        })
    }

    /// The rows of `range` before row `end`; those from there on wait.
    fn cut(&mut self, range: Begun, end: usize) -> Range {
        let mut whole = Vec::new();
        let mut rest = Vec::new();
        let mut start = 0;
        for batch in range.batches {
            let rows = batch.num_rows();
            let mine = end.saturating_sub(start).min(rows);
            if mine > 0 {
                whole.push(batch.slice(0, mine));
            }
            if mine < rows {
                rest.push(batch.slice(mine, rows - mine));
            }
            start += rows;
        }
        self.put_back(rest);
        Range::Whole(whole)
    }
}

/// Rows that may become a range.
#[derive(Default)]
struct Begun {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    /// The rows at which a partition begins, but the first.
    ends: Vec<usize>,
    last_key: Option<Box<[u8]>>,
}

impl Begun {
    /// Notes where partitions begin in the batch that comes next.
    fn find_ends(&mut self, keys: &Rows) {
        let mut before = self.last_key.take();
        for (row, key) in keys.iter().enumerate() {
            let same = before.as_deref().is_none_or(|before| before == key.data());
            if !same {
                self.ends.push(self.rows + row);
            }
            if before.is_none() || !same {
                before = Some(key.data().into());
            }
        }
        self.last_key = before;
    }

    /// The first end that leaves so many rows or more.
    fn end_after(&self, rows: usize) -> Option<usize> {
        let first = self.ends.partition_point(|end| *end < rows);
        self.ends.get(first).copied()
    }
}

/// Rows that are read once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<Batches>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sorted rows")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let rows = rows
            .into_iter()
            .flatten()
            .map(|batch| batch.map_err(|error: Error| DataFusionError::External(Box::new(error))));
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            stream::iter(rows),
        ))
    }
}
