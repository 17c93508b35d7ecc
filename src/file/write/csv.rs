//! CSV by RFC 4180: NULL is a bare field, and text that looks like it is quoted.

use std::fmt::Write as _;
use std::io::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};

/// Bytes gathered before they are written.
const LINES_BYTES: usize = 64 << 10;

pub(super) struct CsvWriter {
    delimiter: char,
    null: String,
    lines: String,
    cell: String,
}

impl CsvWriter {
    pub(super) fn new(delimiter: u8, null: &str) -> Self {
        CsvWriter {
            delimiter: char::from(delimiter),
            null: null.to_string(),
            lines: String::new(),
            cell: String::new(),
        }
    }

    pub(super) fn header(&mut self, schema: &Schema, out: &mut impl Write) -> io::Result<()> {
        for (position, field) in schema.fields().iter().enumerate() {
            self.cell.clone_from(field.name());
            self.field(position, true);
        }
        self.lines.push('\n');
        self.flush(out)
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch, out: &mut impl Write) -> io::Result<()> {
        let options = FormatOptions::new().with_duration_format(DurationFormat::ISO8601);
        let columns = batch.columns().iter();
        let formatters = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(io::Error::other)?;
        for row in 0..batch.num_rows() {
            for (position, column) in batch.columns().iter().enumerate() {
                let valid = column.is_valid(row) && *column.data_type() != DataType::Null;
                if valid {
                    match bytes_of(column, row) {
                        Some(bytes) => {
                            self.cell.push_str("\\x");
                            for byte in bytes {
                                write!(self.cell, "{byte:02x}").map_err(io::Error::other)?;
                            }
                        }
                        None => write!(self.cell, "{}", formatters[position].value(row))
                            .map_err(io::Error::other)?,
                    }
                }
                self.field(position, valid);
            }
            self.lines.push('\n');
            if self.lines.len() > LINES_BYTES {
                self.flush(out)?;
            }
        }
        self.flush(out)
    }

    /// Takes the cell into the line.
    fn field(&mut self, position: usize, valid: bool) {
        if position > 0 {
            self.lines.push(self.delimiter);
        }
        if !valid {
            self.lines.push_str(&self.null);
        } else if self.must_quote() {
            self.lines.push('"');
            self.lines.push_str(&self.cell.replace('"', "\"\""));
            self.lines.push('"');
        } else {
            self.lines.push_str(&self.cell);
        }
        self.cell.clear();
    }

    fn must_quote(&self) -> bool {
        // An empty text would read as an empty line or as NULL, whatever NULL is written as.
        self.cell.is_empty()
            || self.cell == self.null
            || self.cell.starts_with([' ', '\t'])
            || self.cell.ends_with([' ', '\t'])
            || self.cell.contains([self.delimiter, '"', '\n', '\r'])
    }

    fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }
}

fn bytes_of(column: &ArrayRef, row: usize) -> Option<&[u8]> {
    Some(match column.data_type() {
        DataType::Binary => column.as_binary::<i32>().value(row),
        DataType::LargeBinary => column.as_binary::<i64>().value(row),
        DataType::BinaryView => column.as_binary_view().value(row),
        DataType::FixedSizeBinary(_) => column.as_fixed_size_binary().value(row),
        _ => return None,
    })
}
