//! One batch out of undecoded rows: what the filter needs first, the rest for the rows that pass.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{and, filter};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;

use crate::error::{Error, Result};
use crate::file::filter::{in_order, refine};
use crate::file::types::with_types;
use crate::file::{ReadRequest, RowFilter, schema_of};

/// Rows that become columns one by one.
pub(super) trait Undecoded {
    fn rows(&self) -> usize;

    /// One column of the file, of the chosen rows if there is a choice. Asked once for each column.
    fn column(&mut self, column: usize, rows: Option<&[u32]>) -> Result<ArrayRef>;

    /// The filter's answers for the chosen rows, where they can be had without decoding its columns.
    fn answers(
        &mut self,
        _filter: &dyn RowFilter,
        _rows: Option<&[u32]>,
    ) -> Result<Option<BooleanArray>> {
        Ok(None)
    }

    /// What decoding a value of the column costs, roughly.
    fn cost(&self, column: usize) -> f64;

    /// Where a smaller share of the rows passes, the other columns are decoded of these alone.
    fn few(&self) -> f64;
}

/// The columns of the request, of the rows that pass its filters.
pub(super) fn decode(
    undecoded: &mut impl Undecoded,
    schema: &SchemaRef,
    request: &ReadRequest,
) -> Result<RecordBatch> {
    let filters = in_order(&request.filters, |column| undecoded.cost(column));
    let few = undecoded.few();
    let mut chosen = Chosen {
        count: undecoded.rows(),
        undecoded,
        rows: None,
        decoded: Vec::new(),
    };
    let mut left: Option<BooleanArray> = None;
    for filter in filters {
        let passed = match chosen.answers(filter.as_ref())? {
            Some(answers) => match left.take() {
                None => answers,
                Some(left) => and(&left, &answers).map_err(bug)?,
            },
            None => refine(filter.as_ref(), left.take(), chosen.count, |tested| {
                let columns = chosen.columns(tested)?;
                batch(schema, tested, columns, chosen.count)
            })?,
        };
        // Picking rows costs more for each than decoding them in order.
        if (passed.true_count() as f64) < chosen.count as f64 * few {
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

/// The rows that are still in question, and the columns of them that are decoded.
struct Chosen<'a, U> {
    undecoded: &'a mut U,
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

    /// Answers without a column, unless that is decoded anyway.
    fn answers(&mut self, filter: &dyn RowFilter) -> Result<Option<BooleanArray>> {
        let is_decoded = |column: &usize| self.decoded.iter().any(|(other, _)| other == column);
        if filter.columns().iter().any(is_decoded) {
            return Ok(None);
        }
        let answers = self.undecoded.answers(filter, self.rows.as_deref())?;
        if let (Some(answers), Some(tally)) = (&answers, filter.tally()) {
            tally.add(answers.len(), answers.true_count());
        }
        Ok(answers)
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

/// What decoding a value from text costs, roughly: in bytes of text.
pub(super) fn text_cost(kind: &DataType) -> f64 {
    match kind {
        DataType::Boolean => 4.0,
        kind if kind.is_primitive() => 8.0,
        kind if kind.is_nested() => 100.0,
        _ => 16.0,
    }
}

/// [`Undecoded::few`] where values are parsed.
pub(super) const FEW_TEXTS: f64 = 0.5;

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
        .map(Arc::new)
        .and_then(|schema| {
            let schema = with_types(&schema, &columns);
            RecordBatch::try_new_with_options(schema, columns, &options)
        })
        .map_err(|error| Error::bug(error.to_string()))
}
