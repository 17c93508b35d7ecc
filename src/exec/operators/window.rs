//! Window functions over sorted rows: the order is cut where PARTITION BY keys change, and DataFusion's window operator runs
//! over several of these ranges at once, on all threads, while the rows still leave in order. Rows that lie in files are read and
//! cut as they come ([`window_runs`]).

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::executor::block_on_stream;
use futures::{StreamExt, stream};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::memory::slices;
use super::sort::{Sorted, SortedSlot, sorted_in};
use super::sort_keys::{SortKeys, SortRun};
use super::window_runs;
use crate::error::{Error, Result};
use crate::exec::{BatchStream, RunContext, Source, stream_of};

/// Rows after which a range ends where it can.
pub(crate) const RANGE_ROWS: usize = 32 * 1024;

/// Makes the plan that computes the windows over sorted rows.
pub(crate) trait WindowPlan: Send + Sync {
    /// Over batches that hold whole partitions.
    fn over_batches(&self, batches: Vec<RecordBatch>) -> Result<Arc<dyn ExecutionPlan>>;

    /// Over rows that come one batch after the other; `None` for windows that look at a whole partition at once.
    fn over_stream(&self, rows: Arc<dyn PartitionStream>)
    -> Result<Option<Arc<dyn ExecutionPlan>>>;
}

/// Computes windows over the sorted rows of a slot. A unit is as many ranges as there are threads.
pub(crate) struct WindowSource {
    slot: SortedSlot,
    /// Where a range may end: where these change. `None`: nowhere.
    partition_by: Option<Arc<SortKeys>>,
    /// Of the input.
    schema: SchemaRef,
    plan: Arc<dyn WindowPlan>,
    /// What is computed, for EXPLAIN.
    functions: String,
    ranges: OnceLock<Vec<Range<usize>>>,
}

impl fmt::Debug for WindowSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.functions)
    }
}

impl WindowSource {
    pub(crate) fn new(
        slot: SortedSlot,
        partition_by: Option<SortKeys>,
        schema: SchemaRef,
        plan: Arc<dyn WindowPlan>,
        functions: String,
    ) -> Self {
        WindowSource {
            slot,
            partition_by: partition_by.map(Arc::new),
            schema,
            plan,
            functions,
            ranges: OnceLock::new(),
        }
    }

    fn ranges(&self, sorted: &SortRun) -> Result<&[Range<usize>]> {
        if let Some(ranges) = self.ranges.get() {
            return Ok(ranges);
        }
        let ranges = cut(sorted, self.partition_by.as_deref())?;
        Ok(self.ranges.get_or_init(|| ranges))
    }

    /// The windows of one range, to be computed as they are read.
    fn compute(
        &self,
        sorted: &SortRun,
        range: &Range<usize>,
        context: &RunContext,
    ) -> Result<SendableRecordBatchStream> {
        context.cancel.check()?;
        let rows = context.batch_rows.max(1);
        let batches = range
            .clone()
            .step_by(rows)
            .map(|start| sorted.gather(start, (start + rows).min(range.end), &self.schema))
            .collect::<Result<_>>()?;
        Ok(self
            .plan
            .over_batches(batches)?
            .execute(0, Arc::clone(&context.task))?)
    }
}

impl Source for WindowSource {
    fn units(&self, context: &Arc<RunContext>) -> Result<usize> {
        Ok(match sorted_in(&self.slot)? {
            Sorted::InMemory(sorted) => {
                let ranges = self.ranges(sorted)?.len();
                ranges.div_ceil(context.threads.max(1))
            }
            Sorted::InFiles(_) => 1,
        })
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let sorted = match sorted_in(&self.slot)? {
            Sorted::InMemory(sorted) => sorted,
            Sorted::InFiles(runs) => {
                let keys = self.partition_by.clone();
                let plan = Arc::clone(&self.plan);
                return Ok(stream_of(window_runs::windows(runs, keys, plan, context)?));
            }
        };
        let rows = context.batch_rows;
        let ranges = self
            .ranges(sorted)?
            .chunks(context.threads.max(1))
            .nth(unit)
            .unwrap_or_default();
        if let [range] = ranges {
            let batches = self.compute(sorted, range, context)?;
            return Ok(Box::pin(batches.flat_map(move |batch| {
                stream::iter(match batch {
                    Ok(batch) => slices(&batch, rows).map(Ok).collect(),
                    Err(error) => vec![Err(Error::from(error))],
                })
            })));
        }
        // Rows in memory do not keep anyone waiting: blocking is only going on.
        let batches = ranges
            .par_iter()
            .map(|range| {
                block_on_stream(self.compute(sorted, range, context)?)
                    .map(|batch| Ok(batch?))
                    .collect::<Result<Vec<_>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(stream_of(
            batches
                .into_iter()
                .flatten()
                .flat_map(move |batch| slices(&batch, rows).map(Ok)),
        ))
    }

    fn describe(&self) -> String {
        format!("window: {}", self.functions)
    }
}

/// Ranges of about [`RANGE_ROWS`] rows, each of whole partitions.
pub(super) fn cut(sorted: &SortRun, partition_by: Option<&SortKeys>) -> Result<Vec<Range<usize>>> {
    let rows = sorted.len();
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < rows {
        let end = match partition_by {
            Some(keys) if start + RANGE_ROWS < rows => {
                end_of_partition(sorted, keys, start + RANGE_ROWS - 1)?
            }
            _ => rows,
        };
        ranges.push(start..end);
        start = end;
    }
    Ok(ranges)
}

/// The first row after `row` with other keys, by halving what is left.
fn end_of_partition(sorted: &SortRun, keys: &SortKeys, row: usize) -> Result<usize> {
    let own = key_of(sorted, keys, row)?;
    let (mut same, mut other) = (row, sorted.len());
    // Steps that double reach a near end sooner than halving the whole rest.
    let mut step = 1;
    while same + step < other {
        if key_of(sorted, keys, same + step)? == own {
            same += step;
            step *= 2;
        } else {
            other = same + step;
        }
    }
    while other - same > 1 {
        let middle = same + (other - same) / 2;
        if key_of(sorted, keys, middle)? == own {
            same = middle;
        } else {
            other = middle;
        }
    }
    Ok(other)
}

fn key_of(sorted: &SortRun, keys: &SortKeys, row: usize) -> Result<Box<[u8]>> {
    let row = sorted.row(row);
    Ok(keys.rows(&keys.columns(&row)?)?.row(0).data().into())
}
