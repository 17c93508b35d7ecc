//! Records that do not end the query: those with a field too many or too few, bytes that are no text, values that do not fit.
//!
//! What breaks the structure stays an error: behind a quote that is never closed, or that text follows, nobody knows where the next
//! record starts, and leaving out the record could leave out good ones with it.

use std::collections::BTreeMap;

use super::Table;
use super::read::Chunk;
use super::split::{Fault, Field, Records, Window};
use crate::error::{Error, Result};
use crate::file::bad_rows::{Checked, column_without_misfits, masked_text};
use crate::file::text::column::{self, Cells, Refusal};
use crate::file::{BadRow, BadRows, ReadTally};

const NO_TEXT: &str = "the text is not UTF-8";

/// What is wrong with records before their values are looked at.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Records that are left out.
    pub(super) rejected: Vec<BadRow>,
    /// Rows of the chunk that are too short, ascending, each with the number of its fields.
    short: Vec<(usize, usize)>,
    /// Rows and slots whose bytes are no text, ascending.
    no_text: Vec<(usize, usize)>,
    /// The chunk's text without such bytes.
    pub(super) masked: String,
}

impl Faults {
    pub(super) fn clear(&mut self) {
        self.rejected.clear();
        self.short.clear();
        self.no_text.clear();
    }

    /// Takes a record that splitting stopped at, as the policy says; or gives its error.
    pub(super) fn take(
        &mut self,
        table: &Table,
        (window, base): (Window<'_>, u64),
        fault: &Fault,
        records: &mut Records,
    ) -> Result<()> {
        let Fault::FieldCount { at, found } = *fault else {
            return Err(table.fault(*fault, base));
        };
        let is_short = found < table.fields;
        if !(table.bad_rows.leaves_out() || table.bad_rows == BadRows::Null && is_short) {
            return Err(table.fault(*fault, base));
        }
        records.forget_half(table.fields);
        let mut fields = Vec::new();
        let record = table.dialect.record(window, at, &mut fields);
        let record = record.map_err(|fault| table.fault(fault, base))?;
        let (start, next) =
            record.ok_or_else(|| Error::bug("a record was split and is not whole"))?;
        if table.bad_rows.leaves_out() {
            self.rejected.push(BadRow {
                byte: base + start as u64,
                column: None,
                error: table.field_count(found),
                raw: without_line_end(&window.text[start..next]).to_vec(),
            });
            records.end = next;
        } else {
            self.short.push((records.rows, found));
            records.push_short(&fields, table.fields, next);
        }
        Ok(())
    }

    /// Finds the fields that are no text, and makes a text in which every other field is where it was.
    pub(super) fn find_no_text(&mut self, bytes: &[u8], fields: &[Field], columns: usize) {
        for (place, field) in fields.iter().enumerate() {
            if std::str::from_utf8(&bytes[field.start()..field.end()]).is_err() {
                self.no_text.push((place / columns, place % columns));
            }
        }
        self.masked = masked_text(bytes);
    }

    pub(super) fn is_no_text(&self, row: usize, slot: usize) -> bool {
        let short = self.short.binary_search_by_key(&row, |(row, _)| *row);
        short.is_ok_and(|at| slot >= self.short[at].1)
            || self.no_text.binary_search(&(row, slot)).is_ok()
    }

    /// For each row, whether it has no text in the slot.
    fn without(&self, rows: usize, slot: usize) -> Vec<bool> {
        let mut without = vec![false; rows];
        let short = self.short.iter().filter(|(_, found)| slot >= *found);
        let no_text = self.no_text.iter().filter(|(_, other)| *other == slot);
        for (row, _) in short.chain(no_text) {
            without[*row] = true;
        }
        without
    }
}

fn without_line_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// What is wrong with a row first, in the order of the columns.
type Found = BTreeMap<usize, (Option<String>, String)>;

/// All columns of a chunk: values that do not fit are NULL, or their rows are gone, and counted.
pub(super) fn checked(table: &Table, chunk: &Chunk<'_>, tally: &ReadTally) -> Result<Checked> {
    let faults = chunk.faults;
    let mut found = Found::new();
    let mut nulled = 0;
    let names = table.schema.fields();
    for (row, slot) in &faults.no_text {
        let column = table
            .columns
            .iter()
            .position(|column| column.field == *slot);
        let name = column.map(|column| names[column].name().clone());
        found.entry(*row).or_insert((name, NO_TEXT.to_string()));
    }
    for (row, count) in &faults.short {
        let error = table.field_count(*count);
        found.entry(*row).or_insert((None, error));
    }
    let mut columns = Vec::with_capacity(table.columns.len());
    for (position, column) in table.columns.iter().enumerate() {
        let cells = chunk.cells(table, column.field, None);
        let mut without = faults.without(chunk.rows, column.field);
        let (values, misfits) = column_without_misfits(&mut without, |rows, without| {
            let part = Part {
                cells: &cells,
                start: rows.start,
                without: &without[rows],
            };
            match column::build(&column.target, &part) {
                Ok(values) => Ok(Some(values)),
                Err(Refusal::Value { .. }) => Ok(None),
                Err(Refusal::Other(error)) => Err(error),
            }
        })?;
        nulled += without.iter().filter(|without| **without).count();
        let mut scratch = String::new();
        for row in misfits {
            let value = cells.get(row, &mut scratch).unwrap_or_default();
            let error = table.no_value(position, value);
            let name = Some(names[position].name().clone());
            found.entry(row).or_insert((name, error));
        }
        columns.push(values);
    }
    let checked = Checked::new(&table.schema, columns, chunk.rows);
    if !table.bad_rows.leaves_out() {
        if nulled > 0
            && let Some((row, (column, error))) = found.into_iter().next()
        {
            let first = bad_row(chunk, row, column, error);
            tally.nulled(&table.input, nulled, &first);
        }
        return Ok(checked);
    }
    tally.rejected(&table.input, &table.bad_rows, &faults.rejected)?;
    if found.is_empty() {
        return Ok(checked);
    }
    let mut bad = vec![false; chunk.rows];
    let rejected: Vec<BadRow> = found
        .into_iter()
        .map(|(row, (column, error))| {
            bad[row] = true;
            bad_row(chunk, row, column, error)
        })
        .collect();
    tally.rejected(&table.input, &table.bad_rows, &rejected)?;
    checked.without(&bad)
}

fn bad_row(chunk: &Chunk<'_>, row: usize, column: Option<String>, error: String) -> BadRow {
    let (byte, raw) = chunk.record(row);
    BadRow {
        byte,
        column,
        error,
        raw: raw.to_vec(),
    }
}

/// Some rows of a column, without a value where one does not fit.
struct Part<'a, C> {
    cells: &'a C,
    start: usize,
    without: &'a [bool],
}

impl<C: Cells> Cells for Part<'_, C> {
    fn len(&self) -> usize {
        self.without.len()
    }

    fn get<'a>(&'a self, row: usize, scratch: &'a mut String) -> Option<&'a str> {
        match self.without[row] {
            true => None,
            false => self.cells.get(self.start + row, scratch),
        }
    }
}

#[cfg(test)]
mod tests;
