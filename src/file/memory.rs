//! Rows in memory as a file: batches that are read as any other.

use arrow::array::RecordBatch;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;

use super::filter::{in_order, refine};
use super::{BatchIterator, DataFile, ReadRequest, Unit, batch_of, schema_of};
use crate::error::{Error, Result};

/// Batches of the same columns.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl MemoryFile {
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        MemoryFile { schema, batches }
    }
}

impl DataFile for MemoryFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn units(&self, _request: &ReadRequest, _threads: usize) -> Result<Vec<Unit>> {
        let unit = |number| Unit {
            start: number,
            end: number + 1,
            rows: None,
        };
        Ok((0..self.batches.len() as u64).map(unit).collect())
    }

    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator> {
        let batch = self.batches.get(unit.start as usize).cloned();
        let batch = batch.ok_or_else(|| Error::bug("no such batch in memory"))?;
        let (request, rows) = (request.clone(), request.batch_rows.max(1));
        let starts = (0..batch.num_rows()).step_by(rows);
        let pieces = starts.map(move |first| {
            let piece = batch.slice(first, rows.min(batch.num_rows() - first));
            wanted(&piece, &request)
        });
        Ok(Box::new(pieces.filter(
            |piece| !matches!(piece, Ok(piece) if piece.num_rows() == 0),
        )))
    }

    fn row_count(&self) -> Option<u64> {
        let rows = self.batches.iter().map(RecordBatch::num_rows);
        Some(rows.sum::<usize>() as u64)
    }

    fn byte_count(&self) -> u64 {
        let bytes = self.batches.iter().map(RecordBatch::get_array_memory_size);
        bytes.sum::<usize>() as u64
    }
}

/// The rows that pass the filters, with the columns wanted.
fn wanted(batch: &RecordBatch, request: &ReadRequest) -> Result<RecordBatch> {
    let columns = |positions: &[usize]| {
        let columns = positions.iter().map(|place| batch.column(*place).clone());
        let schema = schema_of(&batch.schema(), positions);
        batch_of(&schema, columns.collect(), batch.num_rows())
    };
    let mut left = None;
    for filter in in_order(&request.filters, |_| 1.0) {
        left = Some(refine(
            filter.as_ref(),
            left.take(),
            batch.num_rows(),
            columns,
        )?);
    }
    let projected = columns(&request.projection)?;
    match left {
        None => Ok(projected),
        Some(left) => Ok(filter_record_batch(&projected, &left)?),
    }
}
