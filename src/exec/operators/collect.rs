//! Batches that a pipeline leaves behind for whoever ran it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;

use crate::error::{Error, Result};
use crate::exec::spill::batch_bytes;
use crate::exec::{Flow, RunContext, Sink};

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
