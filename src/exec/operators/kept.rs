//! Rows that several pipelines read, each all of them: kept in memory, and in files where they do not fit.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::execution::memory_pool::MemoryReservation;

use super::memory::slices;
use crate::error::{Error, Result};
use crate::exec::memory::{Room, Share, ShareSlot};
use crate::exec::spill::{SpillFile, batch_bytes, own_rows};
use crate::exec::{BatchStream, Flow, RunContext, Sink, Source, stream_of};

/// Rows of one unit, about: enough to be worth claiming, few enough to share.
const UNIT_ROWS: usize = 64 * 1024;

/// What the share is called in EXPLAIN and errors.
const NAME: &str = "rows read several times";

/// Rows to read as often as one likes.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    units: Vec<Unit>,
    /// Counts the units in memory, for as long as they are there.
    memory: Vec<MemoryReservation>,
}

#[derive(Debug)]
enum Unit {
    Memory(Vec<RecordBatch>),
    File(SpillFile),
}

/// Where a [`KeepSink`] leaves its rows.
pub(crate) type KeptSlot = Arc<OnceLock<Kept>>;

/// Takes rows in any order; those of one worker stay in theirs.
#[derive(Debug)]
pub(crate) struct KeepSink {
    table: String,
    schema: SchemaRef,
    slot: KeptSlot,
    share: ShareSlot,
}

/// What one worker holds.
#[derive(Debug)]
pub(crate) struct Held {
    context: Arc<RunContext>,
    batches: Vec<RecordBatch>,
    room: Room,
    files: Vec<SpillFile>,
}

impl KeepSink {
    /// `table` is what the rows are called, for EXPLAIN.
    pub(crate) fn new(table: String, schema: &SchemaRef, slot: KeptSlot) -> Self {
        // What a plan says of NULL is no more than its guess.
        let fields = schema.fields().iter();
        let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
        KeepSink {
            table,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            slot,
            share: ShareSlot::default(),
        }
    }

    fn spill(&self, local: &mut Held) -> Result<()> {
        if local.batches.is_empty() {
            return Ok(());
        }
        let mut writer = local.context.spill(&self.schema, local.room.share())?;
        for batch in local.batches.drain(..) {
            writer.write(batch)?;
        }
        local.files.push(writer.finish()?);
        local.room.empty();
        Ok(())
    }
}

impl Sink for KeepSink {
    type Local = Held;

    fn share(&self, context: &RunContext) -> Option<Arc<Share>> {
        Some(Arc::clone(self.share.get(context, NAME)))
    }

    fn start(&self, context: &Arc<RunContext>) -> Result<Held> {
        Ok(Held {
            context: Arc::clone(context),
            batches: Vec::new(),
            room: Room::new(self.share.get(context, NAME)),
            files: Vec::new(),
        })
    }

    fn push(&self, local: &mut Held, batch: RecordBatch) -> Result<Flow> {
        let batch = own_rows(batch)?;
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)?;
        let bytes = batch_bytes(&batch);
        if !local.room.try_grow(bytes)? {
            self.spill(local)?;
            local.room.try_grow(bytes)?;
        }
        local.batches.push(batch);
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<Held>, _context: &Arc<RunContext>) -> Result<()> {
        let mut kept = Kept::default();
        for mut local in locals {
            // What was written out came first: the rows of one worker stay in order.
            kept.units.extend(local.files.into_iter().map(Unit::File));
            let mut batches = Vec::new();
            let mut rows = 0;
            for batch in local.batches {
                rows += batch.num_rows();
                batches.push(batch);
                if rows >= UNIT_ROWS {
                    rows = 0;
                    kept.units.push(Unit::Memory(std::mem::take(&mut batches)));
                }
            }
            if !batches.is_empty() {
                kept.units.push(Unit::Memory(batches));
            }
            kept.memory.push(local.room.take());
        }
        self.slot
            .set(kept)
            .map_err(|_| Error::bug("rows were kept twice"))
    }

    fn describe(&self) -> String {
        format!("keep {}", self.table)
    }
}

/// Reads what was kept.
#[derive(Debug)]
pub(crate) struct KeptSource {
    table: String,
    slot: KeptSlot,
    projection: Vec<usize>,
}

impl KeptSource {
    /// `projection` names columns of the kept rows by position.
    pub(crate) fn new(table: String, slot: KeptSlot, projection: Vec<usize>) -> Self {
        KeptSource {
            table,
            slot,
            projection,
        }
    }

    fn kept(&self) -> Result<&Kept> {
        self.slot
            .get()
            .ok_or_else(|| Error::bug("kept rows were read before they were there"))
    }
}

impl Source for KeptSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.kept()?.units.len())
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let rows = context.batch_rows;
        let projection = self.projection.clone();
        Ok(match &self.kept()?.units[unit] {
            Unit::Memory(batches) => {
                let batches = batches.clone().into_iter();
                let pieces = batches.flat_map(move |batch| slices(&batch, rows));
                stream_of(pieces.map(move |batch| Ok(batch.project(&projection)?)))
            }
            Unit::File(file) => {
                let batches = file.read(&context.cancel)?;
                stream_of(batches.map(move |batch| Ok(batch?.project(&projection)?)))
            }
        })
    }

    fn describe(&self) -> String {
        format!("kept {}", self.table)
    }
}
