//! Batches that one pipeline leaves behind and others read: the plainest breaker.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;

use super::memory::slices;
use crate::error::{Error, Result};
use crate::exec::spill::batch_bytes;
use crate::exec::{BatchStream, Flow, RunContext, Sink, Source, stream_of};

/// Where a [`CollectSink`] leaves its batches.
pub(crate) type Slot = Arc<OnceLock<Vec<RecordBatch>>>;

/// Keeps every batch; those of one worker stay in order.
#[derive(Debug)]
pub(crate) struct CollectSink {
    slot: Slot,
    /// Keeps the memory counted for as long as the graph, and so the slot, is there.
    held: Mutex<Vec<MemoryReservation>>,
}

/// What one worker collected.
#[derive(Debug)]
pub(crate) struct Collected {
    batches: Vec<RecordBatch>,
    memory: MemoryReservation,
}

impl CollectSink {
    pub(crate) fn new(slot: Slot) -> Self {
        CollectSink {
            slot,
            held: Mutex::default(),
        }
    }
}

impl Sink for CollectSink {
    type Local = Collected;

    fn start(&self, context: &Arc<RunContext>) -> Result<Collected> {
        Ok(Collected {
            batches: Vec::new(),
            memory: context.reserve("collect"),
        })
    }

    fn push(&self, local: &mut Collected, batch: RecordBatch) -> Result<Flow> {
        local.memory.try_grow(batch_bytes(&batch))?;
        local.batches.push(batch);
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<Collected>, _context: &Arc<RunContext>) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batches = Vec::new();
        for local in locals {
            batches.extend(local.batches);
            held.push(local.memory);
        }
        self.slot
            .set(batches)
            .map_err(|_| Error::bug("a slot was filled twice"))
    }

    fn describe(&self) -> String {
        "collect".to_string()
    }
}

/// The batches in a slot, for any number of readers. A unit is a batch.
#[derive(Debug)]
pub(crate) struct CollectedSource {
    slot: Slot,
}

impl CollectedSource {
    pub(crate) fn new(slot: Slot) -> Self {
        CollectedSource { slot }
    }

    fn batches(&self) -> Result<&[RecordBatch]> {
        let batches = self.slot.get();
        let batches = batches.ok_or_else(|| Error::bug("rows are read before they are there"))?;
        Ok(batches)
    }
}

impl Source for CollectedSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.batches()?.len())
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let batch = &self.batches()?[unit];
        Ok(stream_of(slices(batch, context.batch_rows).map(Ok)))
    }

    fn describe(&self) -> String {
        "collected rows".to_string()
    }
}
