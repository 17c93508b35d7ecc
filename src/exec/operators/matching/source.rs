//! Matches in the sorted rows of a slot: a unit is a few partitions, and workers claim units as they claim others. Rows that lie
//! in files are read and cut where partitions end, as those of windows are.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::{MatchPlan, MatchedRows};
use crate::error::Result;
use crate::exec::operators::sort::{Sorted, SortedSlot, sorted_in};
use crate::exec::operators::sort_keys::SortRun;
use crate::exec::operators::sort_merge::Runs;
use crate::exec::operators::window::cut;
use crate::exec::operators::window_runs::WholePartitions;
use crate::exec::spill::batch_bytes;
use crate::exec::{BatchStream, RunContext, Source, stream_of};

/// What needs the memory, for errors.
const NAME: &str = "MATCH_RECOGNIZE";

/// Gives the rows of matches, in no order.
#[derive(Debug)]
pub(crate) struct MatchSource {
    slot: SortedSlot,
    /// Of the input.
    schema: SchemaRef,
    plan: Arc<MatchPlan>,
    ranges: OnceLock<Vec<Range<usize>>>,
}

impl MatchSource {
    pub(crate) fn new(slot: SortedSlot, schema: SchemaRef, plan: Arc<MatchPlan>) -> Self {
        MatchSource {
            slot,
            schema,
            plan,
            ranges: OnceLock::new(),
        }
    }

    fn ranges(&self, sorted: &SortRun) -> Result<&[Range<usize>]> {
        if let Some(ranges) = self.ranges.get() {
            return Ok(ranges);
        }
        let ranges = cut(sorted, self.plan.partition_by.as_deref())?;
        Ok(self.ranges.get_or_init(|| ranges))
    }
}

impl Source for MatchSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        match sorted_in(&self.slot)? {
            Sorted::InMemory(sorted) => Ok(self.ranges(sorted)?.len()),
            Sorted::InFiles(_) => Ok(1),
        }
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let sorted = match sorted_in(&self.slot)? {
            Sorted::InMemory(sorted) => sorted,
            Sorted::InFiles(runs) => return Ok(stream_of(in_files(&self.plan, runs, context)?)),
        };
        let range = self.ranges(sorted)?.get(unit).cloned().unwrap_or_default();
        let rows = context.batch_rows.max(1);
        let batches = range
            .clone()
            .step_by(rows)
            .map(|start| sorted.gather(start, (start + rows).min(range.end), &self.schema))
            .collect::<Result<Vec<_>>>()?;
        // The rows are counted with the sort; these are copies of a few of them.
        let copies = context.reserve(NAME);
        copies.grow(batches.iter().map(batch_bytes).sum());
        let matched = matched(&self.plan, batches, range.start, context)?;
        Ok(stream_of(matched.holding(copies)))
    }

    fn describe(&self) -> String {
        format!("match: {}", self.plan.rule.text)
    }
}

fn matched(
    plan: &Arc<MatchPlan>,
    batches: Vec<RecordBatch>,
    base: usize,
    context: &RunContext,
) -> Result<MatchedRows> {
    let memory = context.reserve(NAME);
    MatchedRows::new(
        plan,
        batches,
        base,
        context.batch_rows,
        &context.cancel,
        memory,
    )
}

/// One range of whole partitions after the other.
fn in_files(
    plan: &Arc<MatchPlan>,
    runs: &Runs,
    context: &Arc<RunContext>,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let mut ranges = WholePartitions::new(runs, plan.partition_by.clone(), context)?;
    let (plan, context) = (Arc::clone(plan), Arc::clone(context));
    let (mut current, mut base): (Option<MatchedRows>, usize) = (None, 0);
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        while !failed {
            if let Some(batch) = current.as_mut().and_then(Iterator::next) {
                failed = batch.is_err();
                return Some(batch);
            }
            // The rows of the range before go first: there is room for one range.
            current = None;
            let range = match ranges.next_range() {
                Ok(Some(range)) => range,
                Ok(None) => return None,
                Err(error) => {
                    failed = true;
                    return Some(Err(error));
                }
            };
            let rows: usize = range.iter().map(RecordBatch::num_rows).sum();
            match matched(&plan, range, base, &context) {
                Ok(rows) => current = Some(rows),
                Err(error) => {
                    failed = true;
                    return Some(Err(error));
                }
            }
            base += rows;
        }
        None
    }))
}
