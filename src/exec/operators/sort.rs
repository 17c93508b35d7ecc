//! Sort: every worker keeps its rows with their keys, the last one out sorts all of them on every thread, and the source gathers
//! the rows in order only when they are asked for. Rows that do not fit become sorted runs in files, which the source merges
//! ([`merge`](super::sort_merge)).

use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::memory::slices;
use super::sort_keys::{SortKeys, SortRun};
use super::sort_merge::{Runs, batch_bytes_of_runs};
use crate::error::{Error, Result};
use crate::exec::memory::{Room, Share, ShareSlot};
use crate::exec::spill::{SpillFile, batch_bytes, own_rows, rows_for};
use crate::exec::{BatchStream, Flow, RunContext, Sink, Source, stream_of};

/// Rows in order.
#[derive(Debug)]
pub(crate) enum Sorted {
    InMemory(SortRun),
    InFiles(Runs),
}

/// Where sorted rows lie.
pub(crate) type SortedSlot = Arc<OnceLock<Sorted>>;

/// Takes rows in any order.
#[derive(Debug)]
pub(crate) struct SortSink {
    /// Without any, rows stay as they come.
    keys: Option<Arc<SortKeys>>,
    schema: SchemaRef,
    slot: SortedSlot,
    share: ShareSlot,
    name: &'static str,
}

/// What one worker holds.
#[derive(Debug)]
pub(crate) struct Unsorted {
    context: Arc<RunContext>,
    run: SortRun,
    bytes: usize,
    room: Room,
    files: Vec<SpillFile>,
}

impl SortSink {
    /// `name` is what needs the order, for EXPLAIN and errors.
    pub(crate) fn new(
        name: &'static str,
        keys: Option<SortKeys>,
        schema: SchemaRef,
        slot: SortedSlot,
    ) -> Self {
        SortSink {
            keys: keys.map(Arc::new),
            schema,
            slot,
            share: ShareSlot::default(),
            name,
        }
    }

    fn hold(&self, local: &mut Unsorted, batch: RecordBatch) -> Result<()> {
        let batch = own_rows(batch)?;
        let keys = match &self.keys {
            None => None,
            Some(keys) => Some(keys.rows(&keys.columns(&batch)?)?),
        };
        let cost = SortRun::cost(&batch, keys.as_ref());
        if !local.room.try_grow(cost)? {
            self.spill(local)?;
            local.room.try_grow(cost)?;
        }
        local.bytes += cost;
        local.run.push(batch, keys);
        Ok(())
    }

    /// Writes a worker's rows out, in order.
    fn spill(&self, local: &mut Unsorted) -> Result<()> {
        if local.run.is_empty() {
            return Ok(());
        }
        let context = Arc::clone(&local.context);
        if self.keys.is_some() {
            local.run.sort(&context.cancel)?;
        }
        let rows = local.run.len();
        let target = batch_bytes_of_runs(local.room.share());
        let step = rows_for(local.bytes, rows, target, context.batch_rows);
        let mut writer = context.spill(&self.schema, local.room.share())?;
        for start in (0..rows).step_by(step) {
            let end = (start + step).min(rows);
            writer.write(local.run.gather(start, end, &self.schema)?)?;
        }
        local.files.push(writer.finish()?);
        local.run = SortRun::default();
        local.bytes = 0;
        local.room.empty();
        Ok(())
    }

    fn merge_in_memory(&self, locals: Vec<Unsorted>, context: &RunContext) -> Result<SortRun> {
        let mut all = SortRun::default();
        for mut local in locals {
            all.absorb(local.run);
            all.hold(local.room.take());
        }
        if self.keys.is_some() {
            all.sort(&context.cancel)?;
        }
        Ok(all)
    }
}

impl Sink for SortSink {
    type Local = Unsorted;

    fn share(&self, context: &RunContext) -> Option<Arc<Share>> {
        Some(Arc::clone(self.share.get(context, self.name)))
    }

    fn start(&self, context: &Arc<RunContext>) -> Result<Unsorted> {
        Ok(Unsorted {
            context: Arc::clone(context),
            run: SortRun::default(),
            bytes: 0,
            room: Room::new(self.share.get(context, self.name)),
            files: Vec::new(),
        })
    }

    fn push(&self, local: &mut Unsorted, batch: RecordBatch) -> Result<Flow> {
        let bytes = batch_bytes(&batch);
        let part = local.room.share().fair_part();
        if bytes > part / 4 {
            // What one batch takes should not be all there is.
            let rows = rows_for(bytes, batch.num_rows(), part / 4, batch.num_rows());
            for piece in slices(&batch, rows) {
                self.hold(local, piece)?;
            }
        } else {
            self.hold(local, batch)?;
        }
        Ok(Flow::More)
    }

    fn finish(&self, mut locals: Vec<Unsorted>, context: &Arc<RunContext>) -> Result<()> {
        if locals.iter().all(|local| local.files.is_empty()) {
            let all = self.merge_in_memory(locals, context)?;
            return fill(&self.slot, Sorted::InMemory(all));
        }
        let mut files = Vec::new();
        for local in &mut locals {
            self.spill(local)?;
            files.append(&mut local.files);
        }
        drop(locals);
        let runs = Runs::new(
            self.keys.clone(),
            Arc::clone(&self.schema),
            files,
            self.share.get(context, self.name),
        );
        fill(&self.slot, Sorted::InFiles(runs))
    }

    fn describe(&self) -> String {
        match &self.keys {
            None => "gather all rows".to_string(),
            Some(keys) => format!("sort: {}", keys.ordering()),
        }
    }
}

/// Leaves sorted rows in a slot.
pub(crate) fn fill(slot: &SortedSlot, sorted: Sorted) -> Result<()> {
    slot.set(sorted)
        .map_err(|_| Error::bug("rows were sorted twice"))
}

/// What lies in a slot.
pub(crate) fn sorted_in(slot: &SortedSlot) -> Result<&Sorted> {
    slot.get()
        .ok_or_else(|| Error::bug("sorted rows were read before they were there"))
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
}

impl Source for SortedSource {
    fn units(&self, context: &Arc<RunContext>) -> Result<usize> {
        Ok(match sorted_in(&self.slot)? {
            Sorted::InMemory(run) => run.len().div_ceil(unit_rows(context)),
            Sorted::InFiles(_) => 1,
        })
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let sorted = match sorted_in(&self.slot)? {
            Sorted::InMemory(run) => run,
            Sorted::InFiles(runs) => return Ok(stream_of(runs.merged(context)?)),
        };
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
