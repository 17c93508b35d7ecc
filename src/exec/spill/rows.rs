//! What rows cost, and rows without the company they came in.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::{ByteViewType, DataType};
use arrow::record_batch::RecordBatch;

use crate::error::Result;

/// Bytes that keeping `batch` costs: of its own rows, not of the buffers it shares with its neighbours.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(column_bytes).sum()
}

/// Bytes of the rows of one column.
pub(crate) fn column_bytes(column: &ArrayRef) -> usize {
    let long_values = match column.data_type() {
        DataType::Utf8View => bytes_of_long(column.as_string_view()),
        DataType::BinaryView => bytes_of_long(column.as_binary_view()),
        _ => 0,
    };
    // Where arrow cannot tell the rows' part, the whole is the safe answer.
    let rows = column
        .to_data()
        .get_slice_memory_size()
        .unwrap_or_else(|_| column.get_array_memory_size());
    rows + long_values
}

/// Bytes of the strings that do not lie in their views.
fn bytes_of_long<T: ByteViewType>(column: &GenericByteViewArray<T>) -> usize {
    match column.data_buffers().is_empty() {
        true => 0,
        false => column.total_buffer_bytes_used(),
    }
}

/// Lets go of text that a filter or a slice left behind: views keep the whole buffers they point into, and would take them into
/// every file.
pub(crate) fn own_rows(batch: RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(own_column).collect();
    Ok(RecordBatch::try_new_with_options(
        batch.schema(),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )?)
}

fn own_column(column: &ArrayRef) -> ArrayRef {
    let wasteful = |used: usize, buffers: &[Buffer]| {
        let there: usize = buffers.iter().map(Buffer::len).sum();
        used < there - there / 4
    };
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

/// How many rows of `bytes / rows` each make a batch of about `target` bytes: at least one, at most `most`.
pub(crate) fn rows_for(bytes: usize, rows: usize, target: usize, most: usize) -> usize {
    let per_row = (bytes / rows.max(1)).max(1);
    (target / per_row).clamp(1, most.max(1))
}
