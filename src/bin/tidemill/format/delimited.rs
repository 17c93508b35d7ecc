//! CSV and TSV by RFC 4180, lossless: NULL is a bare field, text that looks like it is quoted.

use std::io::{self, Write};

use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;

use super::cells::Cells;
use super::{ResultWriter, Style};

pub(super) struct Delimited<'a> {
    delimiter: u8,
    null: String,
    out: &'a mut (dyn Write + Send),
    line: String,
    cell: String,
}

impl<'a> Delimited<'a> {
    pub(super) fn new(
        delimiter: u8,
        schema: &SchemaRef,
        style: &Style,
        out: &'a mut (dyn Write + Send),
    ) -> io::Result<Self> {
        let mut writer = Delimited {
            delimiter,
            null: style.null.clone(),
            out,
            line: String::new(),
            cell: String::new(),
        };
        if !schema.fields().is_empty() {
            for (position, field) in schema.fields().iter().enumerate() {
                writer.cell.clone_from(field.name());
                writer.field(position, true);
            }
            writer.end_line();
            writer.flush_line()?;
        }
        Ok(writer)
    }

    /// Takes the cell into the line.
    fn field(&mut self, position: usize, valid: bool) {
        if position > 0 {
            self.line.push(char::from(self.delimiter));
        }
        if !valid {
            self.line.push_str(&self.null);
        } else if self.must_quote() {
            self.line.push('"');
            self.line.push_str(&self.cell.replace('"', "\"\""));
            self.line.push('"');
        } else {
            self.line.push_str(&self.cell);
        }
        self.cell.clear();
    }

    fn must_quote(&self) -> bool {
        // An empty text would read as an empty line or as NULL, whatever NULL is written as.
        self.cell.is_empty()
            || self.cell == self.null
            || self.cell.starts_with([' ', '\t'])
            || self.cell.ends_with([' ', '\t'])
            || self
                .cell
                .bytes()
                .any(|byte| byte == self.delimiter || matches!(byte, b'"' | b'\n' | b'\r'))
    }

    fn end_line(&mut self) {
        self.line.push('\n');
    }

    fn flush_line(&mut self) -> io::Result<()> {
        self.out.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }
}

/// Bytes gathered before they are written.
const LINES_BYTES: usize = 64 << 10;

impl ResultWriter for Delimited<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns = batch
            .columns()
            .iter()
            .map(Cells::new)
            .collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (position, column) in columns.iter().enumerate() {
                let valid = column.write(row, &mut self.cell)?;
                self.field(position, valid);
            }
            self.end_line();
            if self.line.len() > LINES_BYTES {
                self.flush_line()?;
            }
        }
        self.flush_line()
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
