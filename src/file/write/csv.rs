//! CSV by RFC 4180: NULL is a bare field, and text that looks like it is quoted.

use std::io::{self, Write};

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;

use super::column_text::ColumnText;

/// Bytes gathered before they are written.
const LINES_BYTES: usize = 64 << 10;

/// Batches as CSV, or as what has another delimiter.
///
/// ```
/// use tidemill::{CsvWriter, Engine};
/// let rows = Engine::in_memory()?.query("SELECT 1 AS n, 'a,b' AS s, NULL AS x", ())?;
/// let mut csv = CsvWriter::new(b',', "");
/// let mut out = Vec::new();
/// csv.header(rows.schema(), &mut out)?;
/// for batch in rows {
///     csv.batch(&batch?, &mut out)?;
/// }
/// assert_eq!(String::from_utf8(out)?, "n,s,x\n1,\"a,b\",\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CsvWriter {
    delimiter: char,
    null: String,
    lines: String,
    cell: String,
}

impl CsvWriter {
    /// Fields are parted by `delimiter`, NULL is written as `null`.
    pub fn new(delimiter: u8, null: &str) -> Self {
        CsvWriter {
            delimiter: char::from(delimiter),
            null: null.to_string(),
            lines: String::new(),
            cell: String::new(),
        }
    }

    /// Writes the names of the columns.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn header(&mut self, schema: &Schema, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        if schema.fields().is_empty() {
            return Ok(());
        }
        for (position, field) in schema.fields().iter().enumerate() {
            self.cell.clone_from(field.name());
            self.field(position, true);
        }
        self.lines.push('\n');
        self.flush(out)
    }

    /// Writes the rows of a batch.
    ///
    /// # Errors
    /// Those of `out`, and values that have no text.
    pub fn batch(
        &mut self,
        batch: &RecordBatch,
        out: &mut (impl Write + ?Sized),
    ) -> io::Result<()> {
        // No number and no time has one of these in it, or looks like an empty text.
        let never_quotes = self.null.is_empty() && matches!(self.delimiter, ',' | ';' | '\t' | '|');
        let columns = batch.columns().iter().map(|column| {
            let text = ColumnText::new(column)?;
            let is_bare = never_quotes && text.is_bare();
            Ok((text, is_bare))
        });
        let columns = columns.collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (position, (column, is_bare)) in columns.iter().enumerate() {
                if *is_bare {
                    self.delimit(position);
                    column.write(row, &mut self.lines)?;
                } else if let Some(text) = column.stored(row) {
                    self.delimit(position);
                    self.text(text);
                } else {
                    let valid = column.write(row, &mut self.cell)?;
                    self.field(position, valid);
                }
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
        self.delimit(position);
        if valid {
            let cell = std::mem::take(&mut self.cell);
            self.text(&cell);
            self.cell = cell;
        } else {
            self.lines.push_str(&self.null);
        }
        self.cell.clear();
    }

    fn delimit(&mut self, position: usize) {
        if position > 0 {
            self.lines.push(self.delimiter);
        }
    }

    fn text(&mut self, text: &str) {
        if self.must_quote(text) {
            self.lines.push('"');
            self.lines.push_str(&text.replace('"', "\"\""));
            self.lines.push('"');
        } else {
            self.lines.push_str(text);
        }
    }

    fn must_quote(&self, text: &str) -> bool {
        // An empty text would read as an empty line or as NULL, whatever NULL is written as.
        let (Some(first), Some(last)) = (text.as_bytes().first(), text.as_bytes().last()) else {
            return true;
        };
        let has_mark = match u8::try_from(self.delimiter) {
            Ok(delimiter) if delimiter.is_ascii() => {
                memchr::memchr3(delimiter, b'"', b'\n', text.as_bytes()).is_some()
            }
            _ => text.contains([self.delimiter, '"', '\n']),
        };
        has_mark
            || matches!(first, b' ' | b'\t')
            || matches!(last, b' ' | b'\t')
            || text == self.null
            || memchr::memchr(b'\r', text.as_bytes()).is_some()
            || text.starts_with('\u{feff}')
    }

    fn flush(&mut self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }
}
