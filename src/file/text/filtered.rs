//! One batch out of undecoded rows: what the filter needs first, the rest for the rows that pass.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use crate::error::{Error, Result};
use crate::file::filter::{in_order, refine};
use crate::file::{ReadRequest, schema_of};

/// Rows that lie as text and become columns one by one.
pub(in crate::file) trait Undecoded {
    fn rows(&self) -> usize;

    /// One column of the file, of the chosen rows if there is a choice.
    fn column(&self, column: usize, rows: Option<&[u32]>) -> Result<ArrayRef>;
}

/// The columns of the request, of the rows that pass its filters.
pub(in crate::file) fn decode(
    undecoded: &impl Undecoded,
    schema: &SchemaRef,
    request: &ReadRequest,
) -> Result<RecordBatch> {
    let mut chosen = Chosen {
        undecoded,
        count: undecoded.rows(),
        rows: None,
        decoded: Vec::new(),
    };
    let mut left: Option<BooleanArray> = None;
    for filter in in_order(&request.filters, |column| {
        cost(schema.field(column).data_type())
    }) {
        let passed = refine(filter.as_ref(), left.take(), chosen.count, |tested| {
            let columns = chosen.columns(tested)?;
            batch(schema, tested, columns, chosen.count)
        })?;
        // Picking rows costs more for each than decoding them in order.
        if passed.true_count() * 2 < chosen.count {
            chosen.narrow(&passed)?;
        } else {
            left = Some(passed);
        }
        if chosen.count == 0 {
            break;
        }
    }
    let mut columns = match chosen.count {
        0 => {
            return Ok(RecordBatch::new_empty(schema_of(
                schema,
                &request.projection,
            )));
        }
        _ => chosen.columns(&request.projection)?,
    };
    let mut count = chosen.count;
    if let Some(left) = left.filter(|left| left.true_count() < count) {
        count = left.true_count();
        for column in &mut columns {
            *column = filter(column, &left).map_err(bug)?;
        }
    }
    batch(schema, &request.projection, columns, count)
}

/// What decoding a value costs, roughly: in bytes of text.
fn cost(kind: &DataType) -> f64 {
    match kind {
        DataType::Boolean => 4.0,
        kind if kind.is_primitive() => 8.0,
        kind if kind.is_nested() => 100.0,
        _ => 16.0,
    }
}

/// The rows that are still in question, and the columns of them that are decoded.
struct Chosen<'a, U> {
    undecoded: &'a U,
    count: usize,
    /// By number; all without it.
    rows: Option<Vec<u32>>,
    decoded: Vec<(usize, ArrayRef)>,
}

impl<U: Undecoded> Chosen<'_, U> {
    fn columns(&mut self, wanted: &[usize]) -> Result<Vec<ArrayRef>> {
        wanted.iter().map(|&column| self.column(column)).collect()
    }

    fn column(&mut self, column: usize) -> Result<ArrayRef> {
        if let Some((_, values)) = self.decoded.iter().find(|(other, _)| *other == column) {
            return Ok(Arc::clone(values));
        }
        let values = self.undecoded.column(column, self.rows.as_deref())?;
        self.decoded.push((column, Arc::clone(&values)));
        Ok(values)
    }

    /// Forgets the rows that did not pass.
    fn narrow(&mut self, passed: &BooleanArray) -> Result<()> {
        let passing = passed.values().set_indices_u32();
        self.rows = Some(match &self.rows {
            None => passing.collect(),
            Some(rows) => passing.map(|place| rows[place as usize]).collect(),
        });
        self.count = passed.true_count();
        for (_, values) in &mut self.decoded {
            *values = filter(values, passed).map_err(bug)?;
        }
        Ok(())
    }
}

fn bug(error: ArrowError) -> Error {
    Error::bug(error.to_string())
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
