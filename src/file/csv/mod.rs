//! CSV: records split by our own code, so that quotes, line numbers and every contradiction are known.
//!
//! A query that needs no column asks only how many records there are ([`count`]): then quotes and line ends are looked at, and
//! nothing else of a record.
//!
//! [`CsvFile::open`] looks at the beginning ([`detect`]) and finds types on a sample ([`columns`]). Reading cuts the file into units at any
//! byte ([`units`] finds the first record of each), splits records ([`split`], mostly by [`marks`] of many bytes at once) and decodes the columns asked for ([`read`]).
//!
//! An empty field without quotes is NULL, `""` is the empty text; in columns that are not text both are NULL. A record with
//! another number of fields, and a value that is none of its column's type, are errors that name the line: no row is dropped unless
//! the user asks for it ([`tolerant`]), and then it is counted. Compressed files are one unit.

mod columns;
mod count;
mod detect;
mod marks;
mod options;
mod read;
mod split;
#[cfg(test)]
mod tests;
mod tolerant;
mod units;

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};

use crate::error::Result;
use crate::file::input::Input;
use crate::file::source::Source;
use crate::file::text::TextBuffer;
use crate::file::text::column::Target;
use crate::file::{BadRows, BatchIterator, DataFile, ReadRequest, Unit};
pub(crate) use options::{CsvOptions, OptionValue};

use count::Counts;
use split::Dialect;

/// Bytes of a unit.
const BLOCK: u64 = 1024 * 1024;

/// The same of files on other machines, where each is one question.
const REMOTE_BLOCK: u64 = 4 * BLOCK;

/// One CSV file, plain or compressed.
#[derive(Debug)]
pub(crate) struct CsvFile {
    table: Arc<Table>,
    /// Without them the file is one unit.
    blocks: Option<units::Blocks>,
    block_size: u64,
}

/// What is known of the file when it was opened.
#[derive(Debug, Clone)]
struct Table {
    input: Input,
    dialect: Dialect,
    null: Option<String>,
    /// Fields of every record.
    fields: usize,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Where the first record behind the header starts.
    first: u64,
    bad_rows: BadRows,
    /// Whether the first record has the names.
    header: bool,
}

/// Where a column of the table comes from and what it becomes.
#[derive(Debug, Clone)]
struct Column {
    field: usize,
    target: Target,
    /// Whether the type is more than a guess without a value.
    is_known: bool,
}

impl CsvFile {
    /// Opens a file. With `columns` its columns are those: by name where the header has all the names, else one after the other.
    pub(crate) fn open(
        source: impl Into<Source>,
        options: CsvOptions,
        columns: Option<SchemaRef>,
    ) -> Result<CsvFile> {
        let source = source.into();
        let block = match source.is_remote() {
            true => REMOTE_BLOCK,
            false => BLOCK,
        };
        CsvFile::open_in_blocks(source, options, columns, block)
    }

    fn open_in_blocks(
        source: impl Into<Source>,
        options: CsvOptions,
        columns: Option<SchemaRef>,
        block_size: u64,
    ) -> Result<CsvFile> {
        let input = Input::open(source)?;
        let table = Table::open(input, &options, columns)?;
        Ok(CsvFile::of(table, block_size))
    }

    fn of(table: Table, block_size: u64) -> CsvFile {
        // A comment or an escape may hide a quote: such files are read from their beginning.
        let splits = table.input.is_plain()
            && table.dialect.comment.is_none()
            && table.dialect.escape.is_none();
        let blocks = splits.then(|| {
            units::Blocks::new(
                table.first,
                table.input.length(),
                block_size,
                table.dialect.delimiter,
                table.dialect.quote,
            )
        });
        CsvFile {
            table: Arc::new(table),
            blocks,
            block_size,
        }
    }
}

impl DataFile for CsvFile {
    fn schema(&self) -> &SchemaRef {
        &self.table.schema
    }

    fn units(&self, request: &ReadRequest, _threads: usize) -> Result<Vec<Unit>> {
        request.tally.open(&self.table.bad_rows);
        let (first, length) = (self.table.first, self.table.input.length());
        if self.blocks.is_none() {
            return Ok(vec![Unit {
                start: first,
                end: u64::MAX,
                rows: None,
            }]);
        }
        let starts = (0..).map(|number| first + number * self.block_size);
        Ok(starts
            .take_while(|&start| start < length)
            .map(|start| Unit {
                start,
                end: (start + self.block_size).min(length),
                rows: None,
            })
            .collect())
    }

    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator> {
        let input = &self.table.input;
        let text = match &self.blocks {
            None => Some(TextBuffer::open(input, unit.start, unit.end)?),
            Some(blocks) => blocks.open(input, unit.start, unit.end)?,
        };
        let Some(text) = text else {
            return Ok(Box::new(std::iter::empty()));
        };
        // A record that may be left out has to be looked at.
        let all_count = self.table.bad_rows == BadRows::Fail;
        if all_count && request.projection.is_empty() && request.filters.is_empty() {
            return Ok(Box::new(Counts::new(&self.table, text, unit.end, request)));
        }
        Ok(Box::new(read::Batches::open(
            &self.table,
            text,
            unit.end,
            request,
        )))
    }

    fn is_unknown(&self, column: usize) -> bool {
        let column = self.table.columns.get(column);
        column.is_some_and(|column| !column.is_known)
    }

    fn with_types(&self, types: &[(usize, DataType)]) -> Option<Arc<dyn DataFile>> {
        let table = self.table.with_types(types);
        Some(Arc::new(CsvFile::of(table, self.block_size)))
    }

    fn row_count(&self) -> Option<u64> {
        None
    }

    fn compression(&self) -> Option<&'static str> {
        self.table.input.compression()
    }

    fn reading(&self) -> Vec<(&'static str, String)> {
        let dialect = &self.table.dialect;
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let byte = |byte: Option<u8>| match byte {
            None => text(""),
            Some(b'\t') => text("\\t"),
            Some(byte) => text(&char::from(byte).to_string()),
        };
        let header = if self.table.header { "TRUE" } else { "FALSE" };
        let mut options = vec![
            ("header", header.to_string()),
            ("delim", byte(Some(dialect.delimiter))),
        ];
        if dialect.quote != Some(b'"') {
            options.push(("quote", byte(dialect.quote)));
        }
        if dialect.escape.is_some() {
            options.push(("escape", byte(dialect.escape)));
        }
        if dialect.comment.is_some() {
            options.push(("comment", byte(dialect.comment)));
        }
        options.extend(self.table.null.iter().map(|null| ("null", text(null))));
        options
    }

    fn byte_count(&self) -> u64 {
        self.table.input.length()
    }

    fn version(&self) -> Option<String> {
        self.table.input.source().version()
    }
}
