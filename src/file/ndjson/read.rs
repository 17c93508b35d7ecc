//! Objects one after the other, and the batches made of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;

use super::column::{ColumnFault, ObjectColumns, ObjectFault, decode};
use super::shape::key_text;
use super::walk::{Fault, Kind, Value, Walk};
use super::{Layout, Table};
use crate::error::{Error, Result};
use crate::file::filtered::{self, Undecoded};
use crate::file::input::Input;
use crate::file::text::{LONG_BATCH, MAX_RECORD, TextBuffer, cut};
use crate::file::type_name;
use crate::file::{ReadRequest, batch_of};

/// Objects of a part of the file.
pub(super) struct ObjectReader {
    input: Input,
    layout: Layout,
    buffer: TextBuffer,
    /// Objects that start here or later belong to another unit.
    end: u64,
    /// Bytes of the buffer that were walked over.
    walked: usize,
    /// Whether the array that the file is has had an object.
    started: bool,
}

/// What one step found.
enum Step {
    Object,
    More,
    End,
}

impl ObjectReader {
    pub(super) fn open(input: &Input, layout: Layout, start: u64, end: u64) -> Result<Self> {
        Ok(ObjectReader {
            input: input.clone(),
            layout,
            buffer: TextBuffer::open(input, start, end)?,
            end,
            walked: 0,
            started: false,
        })
    }

    /// Walks over the next objects with `take` and gives their number: none at the end. The text before is forgotten. `take` may
    /// be called again for an object that was not complete.
    pub(super) fn advance(
        &mut self,
        max_rows: usize,
        mut take: impl FnMut(&mut Walk<'_>) -> Result<(), ObjectFault>,
    ) -> Result<usize> {
        self.buffer.consume(self.walked);
        self.walked = 0;
        let mut rows = 0;
        while rows < max_rows {
            let step = self.step(&mut take).map_err(|fault| {
                let bytes = self.buffer.bytes();
                let blanks = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
                let object = bytes[self.walked..]
                    .iter()
                    .take_while(|byte| blanks(byte))
                    .count();
                fault_error(
                    &self.input,
                    (bytes, self.buffer.base()),
                    self.walked + object,
                    &fault,
                )
            })?;
            match step {
                Step::Object => rows += 1,
                Step::End => break,
                Step::More => {
                    let held = self.buffer.bytes().len();
                    if rows > 0 && held >= LONG_BATCH {
                        break;
                    }
                    if held - self.walked > MAX_RECORD {
                        let start = self.buffer.base() + self.walked as u64;
                        let message =
                            format!("this object is longer than {} MiB", MAX_RECORD >> 20);
                        return Err(self.input.error_at("TM0717", message, start, None));
                    }
                    self.buffer.more()?;
                }
            }
        }
        Ok(rows)
    }

    /// What was walked over by the last `advance`, and where it starts in the file.
    fn text(&self) -> Result<(&str, u64)> {
        let base = self.buffer.base();
        match std::str::from_utf8(&self.buffer.bytes()[..self.walked]) {
            Ok(text) => Ok((text, base)),
            Err(error) => Err(self.input.not_utf8(base + error.valid_up_to() as u64)),
        }
    }

    fn step(
        &mut self,
        take: &mut impl FnMut(&mut Walk<'_>) -> Result<(), ObjectFault>,
    ) -> Result<Step, ObjectFault> {
        let at_end = self.buffer.at_end();
        let mut walk = Walk {
            text: self.buffer.bytes(),
            at: self.walked,
        };
        let outcome = match self.layout {
            Layout::Lines => line(
                &mut walk,
                at_end,
                self.end.saturating_sub(self.buffer.base()),
                take,
            ),
            Layout::Stream => match walk.peek() {
                Err(_) if at_end => return Ok(Step::End),
                Err(fault) => Err(fault.into()),
                Ok(_) => take(&mut walk).map(|()| Step::Object),
            },
            Layout::Array => element(&mut walk, at_end, self.started, take),
        };
        match outcome {
            Ok(Step::Object) => {
                self.walked = walk.at;
                self.started = true;
                Ok(Step::Object)
            }
            // Within a line the end of the line is the end of the text.
            Err(ObjectFault::Json(Fault::Unfinished))
                if !at_end && self.layout != Layout::Lines =>
            {
                Ok(Step::More)
            }
            other => other,
        }
    }
}

/// The object of the next line that is not blank.
fn line(
    walk: &mut Walk<'_>,
    at_end: bool,
    limit: u64,
    take: &mut impl FnMut(&mut Walk<'_>) -> Result<(), ObjectFault>,
) -> Result<Step, ObjectFault> {
    loop {
        if walk.at as u64 >= limit {
            return Ok(Step::End);
        }
        let rest = &walk.text[walk.at..];
        let length = match memchr::memchr(b'\n', rest) {
            Some(end) => end,
            None if at_end => rest.len(),
            None => return Ok(Step::More),
        };
        let next = (walk.at + length + 1).min(walk.text.len());
        let mut inner = Walk {
            text: &walk.text[..walk.at + length],
            at: walk.at,
        };
        if inner.peek().is_ok() {
            take(&mut inner)?;
            if inner.peek().is_ok() {
                return Err(Fault::Unexpected { at: inner.at }.into());
            }
            walk.at = next;
            return Ok(Step::Object);
        }
        if length == rest.len() {
            return Ok(Step::End);
        }
        walk.at = next;
    }
}

/// The next object of the array that the file is.
fn element(
    walk: &mut Walk<'_>,
    at_end: bool,
    started: bool,
    take: &mut impl FnMut(&mut Walk<'_>) -> Result<(), ObjectFault>,
) -> Result<Step, ObjectFault> {
    match walk.peek()? {
        b']' => {
            walk.at += 1;
            return match walk.peek() {
                Ok(_) => Err(Fault::Unexpected { at: walk.at }.into()),
                Err(_) if at_end => Ok(Step::End),
                Err(fault) => Err(fault.into()),
            };
        }
        b',' if started => {
            walk.at += 1;
            walk.peek()?;
        }
        _ if started => return Err(Fault::Unexpected { at: walk.at }.into()),
        _ => {}
    }
    take(walk).map(|()| Step::Object)
}

/// The batches of one unit.
pub(super) struct Batches {
    table: Arc<Table>,
    reader: ObjectReader,
    request: ReadRequest,
    objects: ObjectColumns,
    /// No column is wanted and every line is an object: lines are counted.
    counts: bool,
    failed: bool,
}

impl Batches {
    pub(super) fn open(
        table: &Arc<Table>,
        start: u64,
        end: u64,
        request: &ReadRequest,
    ) -> Result<Batches> {
        let mut wanted = vec![false; table.schema.fields().len()];
        let filtered = request.filters.iter().flat_map(|filter| filter.columns());
        for &column in request.projection.iter().chain(filtered) {
            wanted[column] = true;
        }
        Ok(Batches {
            table: table.clone(),
            reader: ObjectReader::open(&table.input, table.layout, start, end)?,
            request: request.clone(),
            counts: table.layout == Layout::Lines && !wanted.contains(&true),
            objects: ObjectColumns::new(table.schema.fields(), wanted, table.strict),
            failed: false,
        })
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.objects.clear();
            let max_rows = self.request.batch_rows.max(1);
            if self.counts {
                return match self.reader.advance(max_rows, whole_line)? {
                    0 => Ok(None),
                    rows => batch_of(&Arc::new(Schema::empty()), Vec::new(), rows).map(Some),
                };
            }
            let objects = &mut self.objects;
            if self.reader.advance(max_rows, |walk| objects.push(walk))? == 0 {
                return Ok(None);
            }
            let (text, base) = self.reader.text()?;
            let mut rows = Rows {
                table: &self.table,
                objects: &self.objects,
                text,
                base,
            };
            let batch = filtered::decode(&mut rows, &self.table.schema, &self.request)?;
            if batch.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
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

/// Takes a line for the object that it begins.
fn whole_line(walk: &mut Walk<'_>) -> Result<(), ObjectFault> {
    match walk.peek()? {
        b'{' => {
            walk.at = walk.text.len();
            Ok(())
        }
        _ => Err(Fault::Unexpected { at: walk.at }.into()),
    }
}

struct Rows<'a> {
    table: &'a Table,
    objects: &'a ObjectColumns,
    text: &'a str,
    base: u64,
}

impl Undecoded for Rows<'_> {
    fn rows(&self) -> usize {
        self.objects.rows
    }

    fn cost(&self, column: usize) -> f64 {
        filtered::text_cost(self.table.schema.field(column).data_type())
    }

    fn few(&self) -> f64 {
        filtered::FEW_TEXTS
    }

    fn column(&mut self, column: usize, rows: Option<&[u32]>) -> Result<ArrayRef> {
        let all = &self.objects.values[column];
        let chosen: Vec<Value>;
        let values = match rows {
            None => all,
            Some(rows) => {
                chosen = rows.iter().map(|&row| all[row as usize]).collect();
                &chosen
            }
        };
        decode(self.text, values, &self.table.target(column)).map_err(|fault| match fault {
            ColumnFault::Value { value, expected } => {
                let offset = self.base + u64::from(value.start);
                let expected = type_name(&expected);
                let written = match value.kind {
                    Kind::String => format!("\"{}\"", cut(value.raw(self.text))),
                    _ => cut(value.raw(self.text)),
                };
                let name = self.table.schema.field(column).name();
                let message = format!("`{written}` is no {expected}");
                self.table
                    .input
                    .error_at("TM0721", message, offset, Some(name))
                    .hint(give_columns(&self.table.input))
            }
            ColumnFault::Object(fault) => fault_error(
                &self.table.input,
                (self.text.as_bytes(), self.base),
                0,
                &fault,
            ),
            ColumnFault::Other(error) => error,
        })
    }
}

fn give_columns(input: &Input) -> String {
    format!(
        "name the columns and their types: read_json('{}', columns => STRUCT<id INT64, note STRING>)",
        input.path().display()
    )
}

/// The error of a fault in `bytes`, which start at `base` of the file, met in the object that starts at `object`.
fn fault_error(
    input: &Input,
    (bytes, base): (&[u8], u64),
    object: usize,
    fault: &ObjectFault,
) -> Error {
    let text = |key: Value| {
        let all = String::from_utf8_lossy(&bytes[key.start as usize..key.end as usize]);
        let whole = Value {
            start: 0,
            end: all.len() as u32,
            kind: key.kind,
        };
        cut(&key_text(&all, whole))
    };
    let at =
        |code, message: String, at: usize| input.error_at(code, message, base + at as u64, None);
    match fault {
        ObjectFault::Json(Fault::Unfinished) => {
            at("TM0721", "this object is not complete".to_string(), object)
                .hint("every line is one object: {\"name\": value, …}")
        }
        ObjectFault::Json(Fault::Unexpected { at: place }) => {
            let rest = String::from_utf8_lossy(&bytes[*place..]);
            let found: String = rest.chars().take(20).take_while(|&c| c != '\n').collect();
            at("TM0721", format!("this is not JSON, at `{found}`"), *place)
                .hint("every line is one object: {\"name\": value, …}")
        }
        ObjectFault::Json(Fault::TooDeep { at: place }) => at(
            "TM0721",
            "values are nested more than 128 deep".to_string(),
            *place,
        ),
        ObjectFault::Twice { key } => at(
            "TM0721",
            format!("the key `{}` is there twice in one object", text(*key)),
            key.start as usize,
        ),
        ObjectFault::Unknown { key } => at(
            "TM0723",
            format!(
                "the key `{}` was not seen in the sample at the beginning",
                text(*key)
            ),
            key.start as usize,
        )
        .hint(format!(
            "{}; keys not named are then skipped",
            give_columns(input)
        )),
        ObjectFault::NotUtf8 { at } => input.not_utf8(base + *at as u64),
    }
}
