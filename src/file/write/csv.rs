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
        let columns = batch.columns().iter();
        let columns = columns
            .map(ColumnText::new)
            .collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            for (position, column) in columns.iter().enumerate() {
                let valid = column.write(row, &mut self.cell)?;
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
            || self.cell.starts_with([' ', '\t', '\u{feff}'])
            || self.cell.ends_with([' ', '\t'])
            || self.cell.contains([self.delimiter, '"', '\n', '\r'])
    }

    fn flush(&mut self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }
}
