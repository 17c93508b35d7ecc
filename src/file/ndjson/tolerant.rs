//! Objects that are looked at whole: values that do not fit are NULL, or their objects are gone, and counted.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Table;
use super::column::{ColumnFault, ObjectColumns, decode};
use super::read::{fault_text, no_value};
use super::walk::Value;
use crate::error::Result;
use crate::file::bad_rows::{Checked, column_without_misfits};
use crate::file::{BadRow, ReadTally};

/// Objects that were walked over.
pub(super) struct Objects<'a> {
    pub(super) table: &'a Table,
    pub(super) objects: &'a ObjectColumns,
    /// Where each stands in the text.
    pub(super) places: &'a [Range<usize>],
    pub(super) text: &'a str,
    /// Where the text starts in the file.
    pub(super) base: u64,
}

impl Objects<'_> {
    /// All of their columns.
    pub(super) fn checked(&self, tally: &ReadTally) -> Result<Checked> {
        let table = self.table;
        let rows = self.places.len();
        let mut found: BTreeMap<usize, BadRow> = BTreeMap::new();
        let mut nulled = 0;
        let mut columns = Vec::with_capacity(table.schema.fields().len());
        for (position, field) in table.schema.fields().iter().enumerate() {
            let all = &self.objects.values[position];
            let mut without = vec![false; rows];
            let (values, misfits) = column_without_misfits(&mut without, |rows, without| {
                let values = rows.clone().zip(&all[rows]);
                let values = values.map(|(row, value)| match without[row] {
                    true => Value::default(),
                    false => *value,
                });
                match decode(
                    self.text,
                    &values.collect::<Vec<_>>(),
                    &table.target(position),
                ) {
                    Ok(values) => Ok(Some(values)),
                    Err(ColumnFault::Other(error)) => Err(error),
                    Err(ColumnFault::Value { .. } | ColumnFault::Object(_)) => Ok(None),
                }
            })?;
            nulled += misfits.len();
            for row in misfits {
                let reason = || self.reason(position, all[row]);
                found
                    .entry(row)
                    .or_insert_with(|| self.bad_row(row, field.name(), reason()));
            }
            columns.push(values);
        }
        let checked = Checked::new(&table.schema, columns, rows);
        let Some(first) = found.values().next() else {
            return Ok(checked);
        };
        if !table.bad_rows.leaves_out() {
            tally.nulled(&table.input, nulled, first);
            return Ok(checked);
        }
        let mut bad = vec![false; rows];
        found.keys().for_each(|row| bad[*row] = true);
        let rejected: Vec<BadRow> = found.into_values().collect();
        tally.rejected(&table.input, &table.bad_rows, &rejected)?;
        checked.without(&bad)
    }

    /// Why a value is none of its column's type.
    fn reason(&self, column: usize, value: Value) -> String {
        match decode(self.text, &[value], &self.table.target(column)) {
            Err(ColumnFault::Value { value, expected }) => no_value(self.text, value, &expected),
            Err(ColumnFault::Object(fault)) => fault_text(self.text.as_bytes(), &fault),
            Err(ColumnFault::Other(error)) => error.message().to_string(),
            Ok(_) => "the value does not fit".to_string(),
        }
    }

    fn bad_row(&self, row: usize, column: &str, error: String) -> BadRow {
        let place = self.places[row].clone();
        BadRow {
            byte: self.base + place.start as u64,
            column: Some(column.to_string()),
            error,
            raw: self.text.as_bytes()[place].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests;
