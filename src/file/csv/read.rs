//! The batches of one unit: records split, columns decoded, faults told with their lines.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use super::Table;
use super::split::{Fault, Field, Records, Stop, Window};
use crate::error::{Error, Result};
use crate::file::ReadRequest;
use crate::file::filtered::{self, Undecoded};
use crate::file::text::column::{self, Cells, Refusal};
use crate::file::text::{LONG_BATCH, MAX_RECORD, TextBuffer, cut};
use crate::file::type_name;

/// Records of a part of the file, window by window.
pub(super) struct RecordReader {
    table: Arc<Table>,
    buffer: TextBuffer,
    records: Records,
    wanted: Vec<bool>,
    /// Records that start here or later belong to another unit.
    end: u64,
}

impl RecordReader {
    pub(super) fn open(
        table: &Arc<Table>,
        text: TextBuffer,
        end: u64,
        wanted: Vec<bool>,
    ) -> RecordReader {
        RecordReader {
            table: table.clone(),
            buffer: text,
            records: Records::default(),
            wanted,
            end,
        }
    }

    /// The next records, with the text they lie in and where that starts in the file; `None` at the end.
    pub(super) fn advance(&mut self, max_rows: usize) -> Result<Option<Chunk<'_>>> {
        self.buffer.consume(self.records.end);
        self.records.clear();
        loop {
            let window = Window {
                text: self.buffer.bytes(),
                limit: usize::try_from(self.end.saturating_sub(self.buffer.base()))
                    .unwrap_or(usize::MAX),
                at_end: self.buffer.at_end(),
            };
            let stop = self
                .table
                .dialect
                .split(window, &self.wanted, max_rows, &mut self.records)
                .map_err(|fault| self.table.fault(fault, self.buffer.base()))?;
            let held = self.buffer.bytes().len();
            if stop != Stop::More || self.records.rows > 0 && held >= LONG_BATCH {
                break;
            }
            if held - self.records.end > MAX_RECORD {
                let start = self.buffer.base() + self.records.end as u64;
                return Err(self.table.too_long(start));
            }
            self.buffer.more()?;
        }
        if self.records.rows == 0 {
            return Ok(None);
        }
        let base = self.buffer.base();
        let bytes = &self.buffer.bytes()[..self.records.end];
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(Chunk {
                text,
                base,
                fields: &self.records.fields,
                rows: self.records.rows,
                columns: self.wanted.iter().filter(|&&wanted| wanted).count(),
            })),
            Err(error) => Err(self
                .buffer
                .input()
                .not_utf8(base + error.valid_up_to() as u64)),
        }
    }
}

/// Some records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    text: &'a str,
    base: u64,
    fields: &'a [Field],
    pub(super) rows: usize,
    /// Fields kept for each record.
    columns: usize,
}

impl<'a> Chunk<'a> {
    fn field(&self, row: usize, slot: usize) -> Field {
        self.fields[row * self.columns + slot]
    }

    /// The texts of one column, of the chosen rows if there is a choice.
    pub(super) fn cells<'c>(
        &'c self,
        table: &'c Table,
        slot: usize,
        rows: Option<&'c [u32]>,
    ) -> CsvCells<'c> {
        CsvCells {
            chunk: self,
            table,
            slot,
            rows,
        }
    }
}

/// The texts of one column.
pub(super) struct CsvCells<'a> {
    chunk: &'a Chunk<'a>,
    table: &'a Table,
    slot: usize,
    rows: Option<&'a [u32]>,
}

impl CsvCells<'_> {
    #[inline]
    fn field(&self, row: usize) -> Field {
        let row = self.rows.map_or(row, |rows| rows[row] as usize);
        self.chunk.field(row, self.slot)
    }
}

impl Cells for CsvCells<'_> {
    fn len(&self) -> usize {
        self.rows.map_or(self.chunk.rows, <[u32]>::len)
    }

    #[inline]
    fn get<'a>(&'a self, row: usize, scratch: &'a mut String) -> Option<&'a str> {
        let field = self.field(row);
        let raw = &self.chunk.text[field.start()..field.end()];
        if field.is_quoted() {
            if !field.is_escaped() {
                return Some(raw);
            }
            self.table.dialect.unescape(raw, scratch);
            return Some(scratch);
        }
        let is_null = match &self.table.null {
            None => raw.is_empty(),
            Some(null) => raw == null,
        };
        (!is_null).then_some(raw)
    }
}

/// The batches of one unit.
pub(super) struct Batches {
    table: Arc<Table>,
    reader: RecordReader,
    request: ReadRequest,
    /// For each column of the table, its place among the fields kept.
    slots: Vec<Option<usize>>,
    failed: bool,
}

impl Batches {
    pub(super) fn open(
        table: &Arc<Table>,
        text: TextBuffer,
        end: u64,
        request: &ReadRequest,
    ) -> Batches {
        let mut wanted = vec![false; table.fields];
        let filtered = request.filters.iter().flat_map(|filter| filter.columns());
        for &column in request.projection.iter().chain(filtered) {
            wanted[table.columns[column].field] = true;
        }
        let slot_of = |field: usize| {
            let before = wanted[..field].iter().filter(|&&wanted| wanted).count();
            wanted[field].then_some(before)
        };
        let slots = table
            .columns
            .iter()
            .map(|column| slot_of(column.field))
            .collect();
        Batches {
            table: table.clone(),
            reader: RecordReader::open(table, text, end, wanted),
            request: request.clone(),
            slots,
            failed: false,
        }
    }

    /// The next batch that is not empty.
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(chunk) = self.reader.advance(self.request.batch_rows.max(1))? {
            let mut rows = Rows {
                table: &self.table,
                slots: &self.slots,
                chunk,
            };
            let batch = filtered::decode(&mut rows, &self.table.schema, &self.request)?;
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// The rows of one chunk.
struct Rows<'a> {
    table: &'a Table,
    slots: &'a [Option<usize>],
    chunk: Chunk<'a>,
}

impl Undecoded for Rows<'_> {
    fn rows(&self) -> usize {
        self.chunk.rows
    }

    fn cost(&self, column: usize) -> f64 {
        filtered::text_cost(self.table.schema.field(column).data_type())
    }

    fn few(&self) -> f64 {
        filtered::FEW_TEXTS
    }

    fn column(&mut self, column: usize, rows: Option<&[u32]>) -> Result<ArrayRef> {
        let slot = self.slots[column]
            .ok_or_else(|| Error::bug("a column is decoded that was not split"))?;
        let cells = self.chunk.cells(self.table, slot, rows);
        column::build(&self.table.columns[column].target, &cells).map_err(|refusal| match refusal {
            Refusal::Value { row } => {
                let mut scratch = String::new();
                let value = cells.get(row, &mut scratch).unwrap_or_default();
                let offset = self.chunk.base + cells.field(row).start() as u64;
                self.table.wrong_value(column, value, offset)
            }
            Refusal::Other(error) => error,
        })
    }
}

impl Table {
    pub(super) fn fault(&self, fault: Fault, base: u64) -> Error {
        match fault {
            Fault::FieldCount { at, found } => {
                let fields = |count: usize| match count {
                    1 => "1 field".to_string(),
                    count => format!("{count} fields"),
                };
                let delimiter = self.dialect.delimiter as char;
                self.input
                    .error_at(
                        "TM0712",
                        format!("this record has {} instead of {}", fields(found), self.fields),
                        base + at as u64,
                        None,
                    )
                    .hint(format!(
                        "every record needs {} between {delimiter:?}; a value that contains {delimiter:?} needs quotes",
                        fields(self.fields),
                    ))
            }
            Fault::UnclosedQuote { at } => self
                .input
                .error_at(
                    "TM0714",
                    "the quote that opens here is never closed",
                    base + at as u64,
                    None,
                )
                .hint(self.no_quotes()),
            Fault::TextAfterQuote { at } => self
                .input
                .error_at(
                    "TM0716",
                    "text follows a closing quote",
                    base + at as u64,
                    None,
                )
                .hint(format!(
                    "a quote inside quotes is doubled; {}",
                    self.no_quotes()
                )),
        }
    }

    pub(super) fn no_quotes(&self) -> String {
        format!(
            "if quotes are ordinary characters in this file: read_csv('{}', quote => '')",
            self.input.path().display()
        )
    }

    pub(super) fn too_long(&self, start: u64) -> Error {
        self.input
            .error_at(
                "TM0717",
                format!("this record is longer than {} MiB", MAX_RECORD >> 20),
                start,
                None,
            )
            .hint(format!("a quote may not be closed; {}", self.no_quotes()))
    }

    fn wrong_value(&self, column: usize, value: &str, offset: u64) -> Error {
        let name = self.schema.field(column).name();
        let target = &self.columns[column].target;
        let expected = type_name(&target.data_type);
        let error = self.input.error_at(
            "TM0711",
            format!("`{}` is no {expected}", cut(value)),
            offset,
            Some(name),
        );
        let path = self.input.path().display();
        let types = format!("read_csv('{path}', types => STRUCT<{name} STRING>)");
        if target.strict {
            error.hint(format!(
                "{expected} was found from the first rows; to read text: {types}"
            ))
        } else {
            error.hint(format!("to read text: {types}"))
        }
    }
}
