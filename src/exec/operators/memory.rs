//! Batches that lie in memory as a source: known when the query is planned, or left in a slot by an earlier pipeline.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};
use crate::exec::{BatchStream, RunContext, Source, stream_of};

/// Rows of one unit at most: enough to be worth claiming, few enough to share.
const UNIT_ROWS: usize = 64 * 1024;

/// What a value is taken to weigh beside the bytes of files: nobody measures all of them to draw a bar.
const VALUE_BYTES: usize = 8;

/// Batches known when the query is planned, cut into units of at most [`UNIT_ROWS`] rows.
#[derive(Debug)]
pub(crate) struct MemorySource {
    units: Vec<RecordBatch>,
    rows: usize,
}

impl MemorySource {
    pub(crate) fn new(batches: impl IntoIterator<Item = RecordBatch>) -> Self {
        let units: Vec<RecordBatch> = batches
            .into_iter()
            .filter(|batch| batch.num_rows() > 0)
            .flat_map(|batch| slices(&batch, UNIT_ROWS).collect::<Vec<_>>())
            .collect();
        let rows = units.iter().map(RecordBatch::num_rows).sum();
        MemorySource { units, rows }
    }
}

impl Source for MemorySource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.units.len())
    }

    fn reads_input(&self) -> bool {
        true
    }

    fn input_bytes(&self) -> u64 {
        let columns = self.units.first().map_or(0, RecordBatch::num_columns);
        (self.rows * columns * VALUE_BYTES) as u64
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        Ok(stream_of(
            slices(&self.units[unit], context.batch_rows).map(Ok),
        ))
    }

    fn describe(&self) -> String {
        format!("memory: {} rows", self.rows)
    }
}

/// Rows that a step before makes, in a plan that is only shown: nobody knows how many there will be.
#[derive(Debug)]
pub(crate) struct LaterSource;

impl Source for LaterSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Err(Error::bug("rows are read before they are made"))
    }

    fn open(&self, _unit: usize, _context: &Arc<RunContext>) -> Result<BatchStream> {
        Err(Error::bug("rows are read before they are made"))
    }

    fn describe(&self) -> String {
        "memory: rows of a step before".to_string()
    }
}

/// `batch` in pieces of at most `rows` rows, in order, without copying.
pub(crate) fn slices(
    batch: &RecordBatch,
    rows: usize,
) -> impl Iterator<Item = RecordBatch> + Send + use<> {
    let batch = batch.clone();
    let rows = rows.max(1);
    (0..batch.num_rows())
        .step_by(rows)
        .map(move |start| batch.slice(start, rows.min(batch.num_rows() - start)))
}
