//! One batch out of undecoded rows: what the filter needs first, the rest for the rows that pass.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{filter, prep_null_mask_filter};
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::file::ReadRequest;

/// Rows that lie as text and become columns one by one.
pub(in crate::file) trait Undecoded {
    fn rows(&self) -> usize;

    /// One column of the file, of the chosen rows if there is a choice.
    fn column(&self, column: usize, rows: Option<&[u32]>) -> Result<ArrayRef>;
}

/// The columns of the request, of the rows that pass its filter.
pub(in crate::file) fn decode(
    undecoded: &impl Undecoded,
    schema: &SchemaRef,
    request: &ReadRequest,
) -> Result<RecordBatch> {
    let all = undecoded.rows();
    let Some(row_filter) = &request.filter else {
        let columns = request
            .projection
            .iter()
            .map(|&column| undecoded.column(column, None))
            .collect::<Result<_>>()?;
        return batch(schema, &request.projection, columns, all);
    };
    let tested = row_filter.columns();
    let test_columns = tested
        .iter()
        .map(|&column| undecoded.column(column, None))
        .collect::<Result<Vec<_>>>()?;
    let mut keep = row_filter.keep(&batch(schema, tested, test_columns.clone(), all)?)?;
    if keep.null_count() > 0 {
        keep = prep_null_mask_filter(&keep);
    }
    let kept = keep.true_count();
    // Picking rows costs more for each than decoding them in order.
    let few = kept * 2 < all;
    let rows: Option<Vec<u32>> = few.then(|| keep.values().set_indices_u32().collect());
    let columns = request
        .projection
        .iter()
        .map(|&column| {
            let decoded = match (tested.iter().position(|&tested| tested == column), &rows) {
                (Some(at), _) => test_columns[at].clone(),
                (None, Some(rows)) => return undecoded.column(column, Some(rows)),
                (None, None) => undecoded.column(column, None)?,
            };
            if kept == all {
                return Ok(decoded);
            }
            filter(&decoded, &keep).map_err(|error| Error::bug(error.to_string()))
        })
        .collect::<Result<_>>()?;
    batch(schema, &request.projection, columns, kept)
}

fn batch(
    schema: &SchemaRef,
    projection: &[usize],
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    schema
        .project(projection)
        .and_then(|schema| RecordBatch::try_new_with_options(Arc::new(schema), columns, &options))
        .map_err(|error| Error::bug(error.to_string()))
}
