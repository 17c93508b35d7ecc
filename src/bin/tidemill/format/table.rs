//! Tables for people: the first rows, and how many there are in all.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement};
use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::{DataType, SchemaRef};
use tidemill::{ColumnText, type_name};

use super::{ResultWriter, Style};

/// Rows that are shown; the rest is counted.
const ROWS_SHOWN: usize = 40;

/// Characters of one value that are shown where the output is a terminal.
const CELL_CHARACTERS: usize = 200;

pub(super) struct Table<'a> {
    out: &'a mut (dyn Write + Send),
    table: comfy_table::Table,
    columns: usize,
    rows: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(schema: &SchemaRef, style: &Style, out: &'a mut (dyn Write + Send)) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        if let Some(width) = style.width {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        table.set_header(schema.fields().iter().map(|field| {
            Cell::new(format!(
                "{}\n{}",
                field.name(),
                type_name(field.data_type())
            ))
        }));
        for (position, field) in schema.fields().iter().enumerate() {
            if let (true, Some(column)) = (is_number(field.data_type()), table.column_mut(position))
            {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Table {
            out,
            table,
            columns: schema.fields().len(),
            rows: 0,
        }
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// The value as a person reads it: NULL bare, and text that could be taken for NULL or nothing in quotes.
fn shown(cells: &ColumnText<'_>, row: usize) -> io::Result<String> {
    let mut text = String::new();
    if !cells.write(row, &mut text)? {
        return Ok("NULL".to_string());
    }
    if text.is_empty() || text == "NULL" || text.starts_with('\'') {
        return Ok(format!("'{text}'"));
    }
    Ok(text)
}

impl ResultWriter for Table<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns = batch
            .columns()
            .iter()
            .map(ColumnText::new)
            .collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows().min(ROWS_SHOWN.saturating_sub(self.rows)) {
            let cells = columns
                .iter()
                .map(|column| shown(column, row))
                .collect::<io::Result<Vec<_>>>()?;
            self.table.add_row(cells.into_iter().map(|text| {
                match text.char_indices().nth(CELL_CHARACTERS) {
                    Some((end, _)) => format!("{}…", &text[..end]),
                    None => text,
                }
            }));
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        if self.columns > 0 {
            writeln!(self.out, "{}", self.table)?;
        }
        let rows = if self.rows == 1 { "row" } else { "rows" };
        if self.rows > ROWS_SHOWN {
            writeln!(self.out, "{} {rows} ({ROWS_SHOWN} shown)", self.rows)?;
        } else {
            writeln!(self.out, "{} {rows}", self.rows)?;
        }
        self.out.flush()
    }
}

/// A Markdown table of every row.
pub(super) struct Markdown<'a> {
    out: &'a mut (dyn Write + Send),
}

impl<'a> Markdown<'a> {
    pub(super) fn new(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> io::Result<Self> {
        let mut names = String::from("|");
        let mut rule = String::from("|");
        for field in schema.fields() {
            names.push_str(&format!(" {} |", escaped(field.name())));
            rule.push_str(if is_number(field.data_type()) {
                "---:|"
            } else {
                "---|"
            });
        }
        writeln!(out, "{names}\n{rule}")?;
        Ok(Markdown { out })
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace("\r\n", "<br>")
        .replace(['\n', '\r'], "<br>")
}

impl ResultWriter for Markdown<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns = batch
            .columns()
            .iter()
            .map(ColumnText::new)
            .collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let mut line = String::from("|");
            for column in &columns {
                line.push_str(&format!(" {} |", escaped(&shown(column, row)?)));
            }
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
