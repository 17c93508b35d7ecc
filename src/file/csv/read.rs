//! The batches of one unit: records split, columns decoded, faults told with their lines.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};

use super::Table;
use super::split::{Fault, Field, Records, Stop, Window};
use super::tolerant::{self, Faults};
use crate::error::{Error, Result, quoted_name};
use crate::file::filtered::{self, Undecoded};
use crate::file::text::column::{self, Cells, Refusal};
use crate::file::text::{LONG_BATCH, MAX_RECORD, TextBuffer, cut};
use crate::file::type_name;
use crate::file::{BadRows, ReadRequest};

/// Records of a part of the file, window by window.
pub(super) struct RecordReader {
    table: Arc<Table>,
    buffer: TextBuffer,
    records: Records,
    wanted: Vec<bool>,
    /// Records that start here or later belong to another unit.
    end: u64,
    faults: Faults,
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
            faults: Faults::default(),
        }
    }

    /// The next records, with the text they lie in and where that starts in the file; `None` at the end. Where bad rows are left
    /// out there may be none of them.
    pub(super) fn advance(&mut self, max_rows: usize) -> Result<Option<Chunk<'_>>> {
        self.buffer.consume(self.records.end);
        self.records.clear();
        self.faults.clear();
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
                .split(window, &self.wanted, max_rows, &mut self.records);
            let stop = match stop {
                Ok(stop) => stop,
                Err(fault) => {
                    let base = self.buffer.base();
                    self.faults
                        .take(&self.table, (window, base), &fault, &mut self.records)?;
                    if self.records.rows + self.faults.rejected.len() >= max_rows {
                        break;
                    }
                    continue;
                }
            };
            let held = self.buffer.bytes().len();
            if stop != Stop::More || self.records.rows > 0 && held >= LONG_BATCH {
                break;
            }
            if self.records.rows == 0 {
                // What was left out is not held.
                self.buffer.consume(std::mem::take(&mut self.records.end));
            }
            if self.buffer.bytes().len() - self.records.end > MAX_RECORD {
                let start = self.buffer.base() + self.records.end as u64;
                return Err(self.table.too_long(start));
            }
            self.buffer.more()?;
        }
        if self.records.rows == 0 && self.faults.rejected.is_empty() {
            return Ok(None);
        }
        let base = self.buffer.base();
        let bytes = &self.buffer.bytes()[..self.records.end];
        let columns = self.wanted.iter().filter(|&&wanted| wanted).count();
        let mut text = std::str::from_utf8(bytes);
        if text.is_err() && self.table.bad_rows != BadRows::Fail {
            let fields = &self.records.fields;
            self.faults.find_no_text(bytes, fields, columns);
            text = Ok(&self.faults.masked);
        }
        let text = text.map_err(|error| {
            let offset = base + error.valid_up_to() as u64;
            self.buffer.input().not_utf8(offset)
        })?;
        Ok(Some(Chunk {
            text,
            bytes,
            base,
            fields: &self.records.fields,
            rows: self.records.rows,
            columns,
            faults: &self.faults,
        }))
    }
}

/// Some records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    text: &'a str,
    /// As they stand in the file: the text is another where they are none.
    bytes: &'a [u8],
    base: u64,
    fields: &'a [Field],
    pub(super) rows: usize,
    /// Fields kept for each record.
    columns: usize,
    pub(super) faults: &'a Faults,
}

impl<'a> Chunk<'a> {
    fn field(&self, row: usize, slot: usize) -> Field {
        self.fields[row * self.columns + slot]
    }

    /// Whether there is no text at this place, since the record is too short or its bytes are none.
    pub(super) fn is_no_text(&self, row: usize, slot: usize) -> bool {
        self.faults.is_no_text(row, slot)
    }

    /// A record of which every field is kept: where it starts in the file, and its bytes.
    pub(super) fn record(&self, row: usize) -> (u64, &'a [u8]) {
        let fields = &self.fields[row * self.columns..(row + 1) * self.columns];
        let start = fields.first().map_or(0, |first| first.outer_start());
        let end = fields.last().map_or(start, |last| last.outer_end());
        (self.base + start as u64, &self.bytes[start..end.max(start)])
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
        // A record that may be left out has to be looked at whole.
        let mut wanted = vec![table.bad_rows != BadRows::Fail; table.fields];
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
        let (schema, tally) = (&self.table.schema, &self.request.tally);
        while let Some(chunk) = self.reader.advance(self.request.batch_rows.max(1))? {
            let (batch, rows) = if self.table.bad_rows == BadRows::Fail {
                let rows = chunk.rows;
                let mut undecoded = Rows {
                    table: &self.table,
                    slots: &self.slots,
                    chunk,
                };
                let batch = filtered::decode(&mut undecoded, schema, &self.request)?;
                (batch, rows)
            } else {
                let mut checked = tolerant::checked(&self.table, &chunk, tally)?;
                let rows = checked.rows();
                (filtered::decode(&mut checked, schema, &self.request)?, rows)
            };
            tally.passed(rows, batch.num_rows());
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
                let delimiter = self.dialect.delimiter as char;
                let needed = fields(self.fields);
                self.input
                    .error_at("TM0712", self.field_count(found), base + at as u64, None)
                    .hint(format!("every record needs {needed} between {delimiter:?}; a value that contains {delimiter:?} needs quotes"))
                    .hint(self.go_on_without())
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

    pub(super) fn field_count(&self, found: usize) -> String {
        format!(
            "this record has {} instead of {}",
            fields(found),
            self.fields
        )
    }

    /// How to leave out what is wrong, to be pasted.
    fn go_on_without(&self) -> String {
        let path = self.input.quoted_path();
        format!("to leave such rows out and count them: read_csv({path}, bad_rows => 'skip')")
    }

    pub(super) fn no_quotes(&self) -> String {
        format!(
            "if quotes are ordinary characters in this file: read_csv({}, quote => '')",
            self.input.quoted_path()
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
        let error = self
            .input
            .error_at("TM0711", self.no_value(column, value), offset, Some(name));
        let path = self.input.quoted_path();
        let column = quoted_name(name);
        let types = format!("read_csv({path}, types => STRUCT<{column} STRING>)");
        let error = if target.strict {
            error.hint(format!(
                "{expected} was found from the first rows; to read text: {types}"
            ))
        } else {
            error.hint(format!("to read text: {types}"))
        };
        error.hint(self.go_on_without())
    }

    /// What is wrong with a value.
    pub(super) fn no_value(&self, column: usize, value: &str) -> String {
        let expected = type_name(&self.columns[column].target.data_type);
        format!("`{}` is no {expected}", cut(value))
    }
}

fn fields(count: usize) -> String {
    match count {
        1 => "1 field".to_string(),
        count => format!("{count} fields"),
    }
}
