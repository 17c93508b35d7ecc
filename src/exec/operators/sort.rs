//! Sort: every worker keeps its rows with their keys, the last one out sorts all of them on every thread, and the source gathers
//! the rows in order only when they are asked for.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::sort_keys::{SortKeys, SortRun};
use crate::error::{Error, Result};
use crate::exec::{BatchStream, Flow, RunContext, Sink, Source, stream_of};

/// Where sorted rows lie.
pub(crate) type SortedSlot = Arc<OnceLock<SortRun>>;

/// Takes rows in any order.
#[derive(Debug)]
pub(crate) struct SortSink {
    /// Without any, rows stay as they come.
    keys: Option<SortKeys>,
    slot: SortedSlot,
}

impl SortSink {
    pub(crate) fn new(keys: Option<SortKeys>, slot: SortedSlot) -> Self {
        SortSink { keys, slot }
    }
}

impl Sink for SortSink {
    type Local = SortRun;

    fn start(&self, context: &Arc<RunContext>) -> Result<SortRun> {
        Ok(SortRun::new(context.reserve("sort")))
    }

    fn push(&self, local: &mut SortRun, batch: RecordBatch) -> Result<Flow> {
        let keys = match &self.keys {
            None => None,
            Some(keys) => Some(keys.rows(&keys.columns(&batch)?)?),
        };
        local.push(batch, keys)?;
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<SortRun>, context: &Arc<RunContext>) -> Result<()> {
        let mut all = SortRun::new(context.reserve("sort"));
        locals.into_iter().for_each(|local| all.absorb(local));
        if self.keys.is_some() {
            all.sort();
        }
        fill(&self.slot, all)
    }

    fn describe(&self) -> String {
        match &self.keys {
            None => "gather all rows".to_string(),
            Some(keys) => format!("sort: {}", keys.ordering()),
        }
    }
}

/// Leaves sorted rows in a slot.
pub(crate) fn fill(slot: &SortedSlot, sorted: SortRun) -> Result<()> {
    slot.set(sorted)
        .map_err(|_| Error::bug("rows were sorted twice"))
}

/// Gives the rows of a slot in order. Its pipeline must be an ordered one.
#[derive(Debug)]
pub(crate) struct SortedSource {
    slot: SortedSlot,
    schema: SchemaRef,
}

impl SortedSource {
    pub(crate) fn new(slot: SortedSlot, schema: SchemaRef) -> Self {
        SortedSource { slot, schema }
    }

    fn sorted(&self) -> Result<&SortRun> {
        self.slot
            .get()
            .ok_or_else(|| Error::bug("sorted rows were read before they were there"))
    }
}

impl Source for SortedSource {
    fn units(&self, context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.sorted()?.len().div_ceil(unit_rows(context)))
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let sorted = self.sorted()?;
        let start = unit * unit_rows(context);
        let end = (start + unit_rows(context)).min(sorted.len());
        let rows = context.batch_rows.max(1);
        // One worker reads an ordered source, so the gathering is what is shared among the threads.
        let batches = (0..(end - start).div_ceil(rows))
            .into_par_iter()
            .map(|piece| {
                let start = start + piece * rows;
                sorted.gather(start, (start + rows).min(end), &self.schema)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(stream_of(batches.into_iter().map(Ok)))
    }

    fn describe(&self) -> String {
        "sorted rows".to_string()
    }
}

/// Rows of one unit: a few batches for each thread.
fn unit_rows(context: &RunContext) -> usize {
    context.batch_rows.max(1) * context.threads * 2
}
