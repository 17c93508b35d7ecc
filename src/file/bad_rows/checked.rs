//! Rows that were looked at whole: what does not fit is found, and is NULL or gone.

use std::ops::Range;

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{filter, take};
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};
use crate::file::filtered::{self, Undecoded};

/// Rows all of whose columns are there.
#[derive(Debug)]
pub(in crate::file) struct Checked {
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
}

impl Checked {
    /// `columns` are those of the schema.
    pub(in crate::file) fn new(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Self {
        Checked {
            schema: SchemaRef::clone(schema),
            columns,
            rows,
        }
    }

    /// Without some rows.
    pub(in crate::file) fn without(mut self, bad: &[bool]) -> Result<Self> {
        let keep: BooleanArray = bad.iter().map(|bad| Some(!bad)).collect();
        for column in &mut self.columns {
            *column = filter(column, &keep).map_err(|error| Error::bug(error.to_string()))?;
        }
        self.rows = keep.true_count();
        Ok(self)
    }
}

impl Undecoded for Checked {
    fn rows(&self) -> usize {
        self.rows
    }

    fn column(&mut self, column: usize, rows: Option<&[u32]>) -> Result<ArrayRef> {
        let values = &self.columns[column];
        match rows {
            None => Ok(ArrayRef::clone(values)),
            Some(rows) => {
                let rows = UInt32Array::from(rows.to_vec());
                take(values, &rows, None).map_err(|error| Error::bug(error.to_string()))
            }
        }
    }

    fn cost(&self, column: usize) -> f64 {
        filtered::text_cost(self.schema.field(column).data_type())
    }

    fn few(&self) -> f64 {
        filtered::FEW_TEXTS
    }
}

/// A column of all rows, NULL where a value does not fit, and the rows of these. `build` makes it of some rows, without a value for
/// those that are marked in its second argument; it gives `None` where one of the others does not fit.
pub(in crate::file) fn column_without_misfits(
    without: &mut [bool],
    build: impl Fn(Range<usize>, &[bool]) -> Result<Option<ArrayRef>>,
) -> Result<(ArrayRef, Vec<usize>)> {
    let all = 0..without.len();
    if let Some(column) = build(all.clone(), without)? {
        return Ok((column, Vec::new()));
    }
    let mut misfits = Vec::new();
    find(
        all.clone(),
        &|rows| build(rows, without).map(|column| column.is_some()),
        &mut misfits,
    )?;
    for row in &misfits {
        without[*row] = true;
    }
    let column = build(all, without)?;
    let column = column.ok_or_else(|| Error::bug("a column without its misfits does not fit"))?;
    Ok((column, misfits))
}

/// The rows that do not fit, by halving what does not fit as a whole.
fn find(
    rows: Range<usize>,
    fits: &impl Fn(Range<usize>) -> Result<bool>,
    misfits: &mut Vec<usize>,
) -> Result<()> {
    if rows.is_empty() || fits(rows.clone())? {
        return Ok(());
    }
    if rows.len() == 1 {
        misfits.push(rows.start);
        return Ok(());
    }
    let middle = rows.start + rows.len() / 2;
    find(rows.start..middle, fits, misfits)?;
    find(middle..rows.end, fits, misfits)
}

/// The text with a `?` for every byte that is no part of it: every other byte stays where it is.
pub(in crate::file) fn masked_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}
