//! The build side's rows, and how some of them are gathered.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::{concat, interleave, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use rayon::prelude::*;

use super::index::Link;
use crate::error::{Error, ErrorKind, Result};

/// Columns are put together up to this size: 32-bit offsets of strings end at twice as much.
const CHUNK_BYTES: usize = 1 << 30;
/// Buffers of text that a column may keep.
const FEW_BUFFERS: usize = 8;

/// Rows in chunks, numbered through. Mostly there is one chunk.
#[derive(Debug)]
pub(super) struct BuildRows {
    chunks: Vec<RecordBatch>,
    /// The number of each chunk's first row.
    starts: Vec<usize>,
    rows: u32,
    types: Vec<DataType>,
}

impl BuildRows {
    /// Rows in the order of `batches`; `join` puts them into one piece, which is faster to read but needs room for a copy.
    pub(super) fn new(schema: &SchemaRef, batches: Vec<RecordBatch>, join: bool) -> Result<Self> {
        let types = schema
            .fields()
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let chunks = if join {
            chunks_of(batches)
                .into_iter()
                .map(|batches| concat_batches(schema, &batches))
                .collect::<Result<_>>()?
        } else {
            batches
        };
        let mut starts = Vec::with_capacity(chunks.len());
        let mut rows = 0;
        for chunk in &chunks {
            starts.push(rows);
            rows += chunk.num_rows();
        }
        // One number stays free: links count from one.
        let rows = u32::try_from(rows)
            .ok()
            .filter(|rows| *rows < u32::MAX)
            .ok_or_else(too_many)?;
        Ok(BuildRows {
            chunks,
            starts,
            rows,
            types,
        })
    }

    pub(super) fn len(&self) -> u32 {
        self.rows
    }

    /// One column of the rows that `links` name; NULL where a link is zero.
    pub(super) fn column(&self, column: usize, links: &Links) -> Result<ArrayRef> {
        match self.chunks.as_slice() {
            [] => Ok(new_null_array(&self.types[column], links.len())),
            [only] => Ok(take(only.column(column), links.take_indices(), None)?),
            chunks => {
                let null = new_null_array(&self.types[column], 1);
                let mut arrays: Vec<&dyn Array> = chunks
                    .iter()
                    .map(|chunk| chunk.column(column).as_ref())
                    .collect();
                arrays.push(&null);
                let places = links
                    .iter()
                    .map(|link| self.place(link))
                    .collect::<Vec<_>>();
                Ok(interleave(&arrays, &places)?)
            }
        }
    }

    /// Chunk and row in it; a link of zero leads to the NULL after the last chunk.
    fn place(&self, link: Link) -> (usize, usize) {
        let Some(row) = (link as usize).checked_sub(1) else {
            return (self.chunks.len(), 0);
        };
        let chunk = self.starts.partition_point(|start| *start <= row) - 1;
        (chunk, row - self.starts[chunk])
    }
}

/// Build rows to gather.
pub(super) struct Links(UInt32Array);

impl Links {
    pub(super) fn new(links: &[Link], some_absent: bool) -> Self {
        let nulls =
            some_absent.then(|| links.iter().map(|link| *link != 0).collect::<NullBuffer>());
        let rows = links.iter().map(|link| link.saturating_sub(1)).collect();
        Links(UInt32Array::new(rows, nulls))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn take_indices(&self) -> &UInt32Array {
        &self.0
    }

    fn iter(&self) -> impl Iterator<Item = Link> + '_ {
        self.0.iter().map(|row| row.map_or(0, |row| row + 1))
    }
}

fn too_many() -> Error {
    Error::new(
        ErrorKind::Limit,
        "TM0506",
        "a join holds more than 4,294,967,294 rows on its build side",
    )
    .hint("filter that input first, or join the larger input to the smaller one")
}

/// Bytes that `batch` needs for itself, not what it shares with others.
pub(super) fn memory_size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(column_size).sum()
}

fn column_size(column: &ArrayRef) -> usize {
    let text = match column.data_type() {
        DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
        _ => 0,
    };
    let data = column.to_data();
    let own = data
        .get_slice_memory_size()
        .unwrap_or_else(|_| data.get_array_memory_size());
    text + own
}

/// Lets go of text that a filter left behind: views keep the whole buffers they point into.
pub(super) fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(compact_column).collect();
    with_columns(batch.schema(), columns, batch.num_rows())
}

fn compact_column(column: &ArrayRef) -> ArrayRef {
    let wasteful =
        |used: usize, buffers: &[Buffer]| used < buffers.iter().map(Buffer::len).sum::<usize>() / 2;
    if let Some(strings) = column.as_string_view_opt()
        && wasteful(strings.total_buffer_bytes_used(), strings.data_buffers())
    {
        return Arc::new(strings.gc());
    }
    if let Some(binary) = column.as_binary_view_opt()
        && wasteful(binary.total_buffer_bytes_used(), binary.data_buffers())
    {
        return Arc::new(binary.gc());
    }
    Arc::clone(column)
}

/// Puts text that lies in many buffers into few: whatever is gathered from the column refers to all of them.
fn gather_text(column: ArrayRef) -> ArrayRef {
    if let Some(strings) = column.as_string_view_opt()
        && strings.data_buffers().len() > FEW_BUFFERS
    {
        return Arc::new(strings.gc());
    }
    if let Some(binary) = column.as_binary_view_opt()
        && binary.data_buffers().len() > FEW_BUFFERS
    {
        return Arc::new(binary.gc());
    }
    column
}

/// A batch that may have no columns at all.
pub(super) fn with_columns(
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// Batches in groups of at most [`CHUNK_BYTES`].
fn chunks_of(batches: Vec<RecordBatch>) -> Vec<Vec<RecordBatch>> {
    let mut chunks: Vec<Vec<RecordBatch>> = Vec::new();
    let mut room = 0;
    for batch in batches {
        let size = memory_size(&batch);
        match chunks.last_mut() {
            Some(chunk) if size <= room => {
                room -= size;
                chunk.push(batch);
            }
            _ => {
                room = CHUNK_BYTES.saturating_sub(size);
                chunks.push(vec![batch]);
            }
        }
    }
    chunks
}

fn concat_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    if let [only] = batches {
        return Ok(only.clone());
    }
    let columns = (0..schema.fields().len())
        .into_par_iter()
        .map(|column| {
            let parts: Vec<&dyn Array> = batches
                .iter()
                .map(|batch| batch.column(column).as_ref())
                .collect();
            Ok(gather_text(concat(&parts)?))
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    with_columns(Arc::clone(schema), columns, rows)
}
