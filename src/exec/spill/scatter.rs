//! Rows over files, by the hash of their keys: rows with equal keys meet in one file.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::ArrayRef;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;

use super::{SpillFile, SpillWriter, batch_bytes};
use crate::error::Result;
use crate::exec::RunContext;
use crate::exec::exchange::Scatter;
use crate::exec::memory::Share;

/// Files that rows are spread over.
pub(crate) const PARTS: usize = 32;

/// Bytes that wait for their file, over all files, where there is room for them.
const WAITING_BYTES_MAX: usize = 16 << 20;
const WAITING_BYTES_MIN: usize = if cfg!(test) { 64 << 10 } else { 512 << 10 };

/// Takes rows from any number of workers.
#[derive(Debug)]
pub(crate) struct Scattered {
    schema: SchemaRef,
    /// How often the rows were scattered before: every level looks at other bits.
    level: u32,
    share: Arc<Share>,
    /// For the rows that wait.
    memory: MemoryReservation,
    /// Bytes at which those of one part are written.
    write_at: usize,
    parts: Vec<Mutex<Part>>,
}

#[derive(Debug, Default)]
struct Part {
    waiting: Vec<RecordBatch>,
    bytes: usize,
    writer: Option<SpillWriter>,
}

impl Scattered {
    pub(crate) fn new(schema: SchemaRef, level: u32, share: &Arc<Share>) -> Self {
        let waiting = (share.fair_part() / 4).clamp(WAITING_BYTES_MIN, WAITING_BYTES_MAX);
        Scattered {
            schema,
            level,
            share: Arc::clone(share),
            memory: share.reserve(),
            write_at: waiting / PARTS,
            parts: std::iter::repeat_with(Mutex::default).take(PARTS).collect(),
        }
    }

    /// What a worker splits its batches with.
    pub(crate) fn splitter(&self) -> Scatter {
        Scatter::at_level(PARTS, self.level)
    }

    /// Adds rows of any worker; `keys` are columns beside those of `batch`.
    pub(crate) fn add(
        &self,
        splitter: &mut Scatter,
        batch: &RecordBatch,
        keys: &[ArrayRef],
        context: &RunContext,
    ) -> Result<()> {
        for (number, rows) in splitter.split(batch, keys)? {
            self.add_to(number, rows, context)?;
        }
        Ok(())
    }

    fn add_to(&self, number: usize, rows: RecordBatch, context: &RunContext) -> Result<()> {
        context.cancel.check()?;
        let bytes = batch_bytes(&rows);
        let mut part = self.parts[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.memory.grow(bytes);
        part.bytes += bytes;
        part.waiting.push(rows);
        if part.bytes >= self.write_at {
            self.write(&mut part, context)?;
        }
        Ok(())
    }

    fn write(&self, part: &mut Part, context: &RunContext) -> Result<()> {
        let waiting = std::mem::take(&mut part.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let writer = match &mut part.writer {
            Some(writer) => writer,
            None => part
                .writer
                .insert(context.spill(&self.schema, &self.share)?),
        };
        let rows = concat_batches(&self.schema, &waiting)?;
        self.memory.shrink(std::mem::take(&mut part.bytes));
        drop(waiting);
        writer.write(rows)
    }

    /// The files, one for each part that got rows, by part.
    pub(crate) fn finish(&self, context: &RunContext) -> Result<Vec<Option<SpillFile>>> {
        let finished = self.parts.iter().map(|part| {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            self.write(&mut part, context)?;
            part.writer.take().map(SpillWriter::finish).transpose()
        });
        finished.collect()
    }
}
