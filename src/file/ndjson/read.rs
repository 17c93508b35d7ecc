//! Objects one after the other, and the batches made of them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};

use super::column::{ColumnFault, ObjectColumns, ObjectFault, decode};
use super::shape::key_text;
use super::walk::{Fault, Kind, Value, Walk};
use super::{Layout, Table, tolerant, whole_object};
use crate::error::{Error, Result};
use crate::file::bad_rows::masked_text;
use crate::file::filtered::{self, Undecoded};
use crate::file::input::Input;
use crate::file::text::{LONG_BATCH, MAX_RECORD, TextBuffer, cut};
use crate::file::type_name;
use crate::file::{BadRow, BadRows, ReadRequest, batch_of};

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
    /// Objects that are at fault are left out.
    leaves_out: bool,
    /// Those that the last `advance` left out.
    pub(super) rejected: Vec<BadRow>,
}

/// What one step found.
enum Step {
    Object,
    LeftOut,
    More,
    End,
}

impl ObjectReader {
    pub(super) fn open(
        input: &Input,
        layout: Layout,
        start: u64,
        end: u64,
        leaves_out: bool,
    ) -> Result<Self> {
        Ok(ObjectReader {
            input: input.clone(),
            layout,
            buffer: TextBuffer::open(input, start, end)?,
            end,
            walked: 0,
            started: false,
            leaves_out,
            rejected: Vec::new(),
        })
    }

    /// Walks over the next objects with `take` and gives their number: none at the end, unless some were left out. The text before
    /// is forgotten. `take` may be called again for an object that was not complete.
    pub(super) fn advance(
        &mut self,
        max_rows: usize,
        mut take: impl FnMut(&mut Walk<'_>) -> Result<(), ObjectFault>,
    ) -> Result<usize> {
        self.buffer.consume(self.walked);
        self.walked = 0;
        self.rejected.clear();
        let mut rows = 0;
        while rows + self.rejected.len() < max_rows {
            let step = match self.step(&mut take) {
                Ok(step) => step,
                Err(fault) => self.leave_out(&fault)?,
            };
            match step {
                Step::Object => rows += 1,
                Step::LeftOut => {}
                Step::End => break,
                Step::More => {
                    let held = self.buffer.bytes().len();
                    let some = rows > 0 || !self.rejected.is_empty();
                    if some && held >= LONG_BATCH {
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

    /// Leaves out the object at hand, if that is wanted and it is known where it ends; else gives its error.
    fn leave_out(&mut self, fault: &ObjectFault) -> Result<Step> {
        let (bytes, base) = (self.buffer.bytes(), self.buffer.base());
        let blanks = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let before = bytes[self.walked..].iter();
        let start = self.walked + before.take_while(|byte| blanks(byte)).count();
        let end = match self.layout {
            _ if !self.leaves_out => None,
            Layout::Lines => Some(line_end(bytes, start)),
            Layout::Stream | Layout::Array if matches!(fault, ObjectFault::Json(_)) => None,
            Layout::Stream | Layout::Array => {
                let mut skip = Walk {
                    text: bytes,
                    at: start,
                };
                match skip.object(0, |_, _| Ok::<(), Fault>(())) {
                    Ok(()) => Some(skip.at),
                    Err(Fault::Unfinished) if !self.buffer.at_end() => return Ok(Step::More),
                    Err(_) => None,
                }
            }
        };
        let Some(end) = end else {
            return Err(fault_error(&self.input, (bytes, base), start, fault));
        };
        self.rejected.push(BadRow {
            byte: base + start as u64,
            column: None,
            error: fault_text(bytes, fault),
            raw: bytes[start..end].trim_ascii_end().to_vec(),
        });
        self.walked = end;
        self.started = true;
        Ok(Step::LeftOut)
    }

    /// What was walked over by the last `advance`, and where it starts in the file. What was left out may be no text.
    pub(super) fn text(&self) -> Result<(Cow<'_, str>, u64)> {
        let base = self.buffer.base();
        let bytes = &self.buffer.bytes()[..self.walked];
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok((Cow::Borrowed(text), base)),
            Err(_) if !self.rejected.is_empty() => Ok((Cow::Owned(masked_text(bytes)), base)),
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
            Err(fault) if self.layout == Layout::Lines => {
                // Behind the blank lines.
                self.walked = walk.at;
                Err(fault)
            }
            other => other,
        }
    }
}

/// Behind the line that goes on at `start`.
fn line_end(bytes: &[u8], start: usize) -> usize {
    let end = memchr::memchr(b'\n', &bytes[start..]);
    end.map_or(bytes.len(), |end| start + end + 1)
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
    /// Where each object stands in the text, where objects are looked at whole.
    places: Vec<Range<usize>>,
    failed: bool,
}

impl Batches {
    pub(super) fn open(
        table: &Arc<Table>,
        start: u64,
        end: u64,
        request: &ReadRequest,
    ) -> Result<Batches> {
        // An object that may be left out has to be looked at whole.
        let whole = table.bad_rows != BadRows::Fail;
        let mut wanted = vec![whole; table.schema.fields().len()];
        let filtered = request.filters.iter().flat_map(|filter| filter.columns());
        for &column in request.projection.iter().chain(filtered) {
            wanted[column] = true;
        }
        let reader = ObjectReader::open(
            &table.input,
            table.layout,
            start,
            end,
            table.bad_rows.leaves_out(),
        )?;
        Ok(Batches {
            table: table.clone(),
            reader,
            request: request.clone(),
            counts: table.layout == Layout::Lines && !wanted.contains(&true),
            places: Vec::new(),
            objects: ObjectColumns::new(table.schema.fields(), wanted, table.strict),
            failed: false,
        })
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let batch = match self.table.bad_rows {
                BadRows::Fail => self.next_batch()?,
                _ => self.next_checked()?,
            };
            match batch {
                Some(batch) if batch.num_rows() == 0 => {}
                batch => return Ok(batch),
            }
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        self.objects.clear();
        let max_rows = self.request.batch_rows.max(1);
        let tally = &self.request.tally;
        if self.counts {
            let rows = self.reader.advance(max_rows, whole_line)?;
            tally.passed(rows, rows);
            return match rows {
                0 => Ok(None),
                rows => batch_of(&Arc::new(Schema::empty()), Vec::new(), rows).map(Some),
            };
        }
        let objects = &mut self.objects;
        let rows = self.reader.advance(max_rows, |walk| objects.push(walk))?;
        if rows == 0 {
            return Ok(None);
        }
        let (text, base) = self.reader.text()?;
        let mut undecoded = Rows {
            table: &self.table,
            objects: &self.objects,
            text: &text,
            base,
        };
        let batch = filtered::decode(&mut undecoded, &self.table.schema, &self.request)?;
        tally.passed(rows, batch.num_rows());
        Ok(Some(batch))
    }

    /// The next batch of objects that are looked at whole; it may be empty.
    fn next_checked(&mut self) -> Result<Option<RecordBatch>> {
        self.objects.clear();
        self.places.clear();
        let (objects, places) = (&mut self.objects, &mut self.places);
        let max_rows = self.request.batch_rows.max(1);
        let is_line = self.table.layout == Layout::Lines;
        let rows = self.reader.advance(max_rows, |walk| {
            walk.skip_blanks();
            let start = walk.at;
            let (_, end) = whole_object(walk)?;
            let mut behind = Walk {
                text: walk.text,
                at: end,
            };
            if is_line && behind.peek().is_ok() {
                return Err(Fault::Unexpected { at: behind.at }.into());
            }
            objects.push(walk)?;
            places.push(start..end);
            Ok(())
        })?;
        if rows == 0 && self.reader.rejected.is_empty() {
            return Ok(None);
        }
        let (tally, table) = (&self.request.tally, &self.table);
        tally.rejected(&table.input, &table.bad_rows, &self.reader.rejected)?;
        let (text, base) = self.reader.text()?;
        let objects = tolerant::Objects {
            table,
            objects: &self.objects,
            places: &self.places,
            text: &text,
            base,
        };
        let mut checked = objects.checked(tally)?;
        let rows = checked.rows();
        let batch = filtered::decode(&mut checked, &table.schema, &self.request)?;
        tally.passed(rows, batch.num_rows());
        Ok(Some(batch))
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
                let name = self.table.schema.field(column).name();
                let message = no_value(self.text, value, &expected);
                let input = &self.table.input;
                input
                    .error_at("TM0721", message, offset, Some(name))
                    .hint(give_columns(input))
                    .hint(go_on_without(input))
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

/// What is wrong with a value.
pub(super) fn no_value(text: &str, value: Value, expected: &DataType) -> String {
    let expected = type_name(expected);
    let written = match value.kind {
        Kind::String => format!("\"{}\"", cut(value.raw(text))),
        _ => cut(value.raw(text)),
    };
    format!("`{written}` is no {expected}")
}

fn give_columns(input: &Input) -> String {
    format!(
        "name the columns and their types: read_json({}, columns => STRUCT<id INT64, note STRING>)",
        input.quoted_path()
    )
}

/// How to leave out what is wrong, to be pasted.
fn go_on_without(input: &Input) -> String {
    format!(
        "to leave such rows out and count them: read_json({}, bad_rows => 'skip')",
        input.quoted_path()
    )
}

/// What is wrong with an object in `bytes`.
pub(super) fn fault_text(bytes: &[u8], fault: &ObjectFault) -> String {
    let key_of = |key: Value| {
        let all = String::from_utf8_lossy(&bytes[key.start as usize..key.end as usize]);
        let whole = Value {
            start: 0,
            end: all.len() as u32,
            kind: key.kind,
        };
        cut(&key_text(&all, whole))
    };
    match fault {
        ObjectFault::Json(Fault::Unfinished) => "this object is not complete".to_string(),
        ObjectFault::Json(Fault::Unexpected { at }) => {
            let rest = String::from_utf8_lossy(&bytes[*at..]);
            let found: String = rest.chars().take(20).take_while(|&c| c != '\n').collect();
            format!("this is not JSON, at `{found}`")
        }
        ObjectFault::Json(Fault::TooDeep { .. }) => {
            "values are nested more than 128 deep".to_string()
        }
        ObjectFault::Twice { key } => {
            format!("the key `{}` is there twice in one object", key_of(*key))
        }
        ObjectFault::Unknown { key } => format!(
            "the key `{}` was not seen in the sample at the beginning",
            key_of(*key)
        ),
        ObjectFault::NotUtf8 { .. } => "the text is not UTF-8".to_string(),
    }
}

/// The error of a fault in `bytes`, which start at `base` of the file, met in the object that starts at `object`.
fn fault_error(
    input: &Input,
    (bytes, base): (&[u8], u64),
    object: usize,
    fault: &ObjectFault,
) -> Error {
    const SHAPE: &str = "every line is one object: {\"name\": value, …}";
    let (code, at) = match fault {
        ObjectFault::Json(Fault::Unfinished) => ("TM0721", object),
        ObjectFault::Json(Fault::Unexpected { at } | Fault::TooDeep { at }) => ("TM0721", *at),
        ObjectFault::Twice { key } => ("TM0721", key.start as usize),
        ObjectFault::Unknown { key } => ("TM0723", key.start as usize),
        ObjectFault::NotUtf8 { at } => return input.not_utf8(base + *at as u64),
    };
    let text = fault_text(bytes, fault);
    let error = input.error_at(code, text, base + at as u64, None);
    let error = match fault {
        ObjectFault::Json(Fault::Unfinished | Fault::Unexpected { .. }) => error.hint(SHAPE),
        ObjectFault::Unknown { .. } => {
            let columns = give_columns(input);
            error.hint(format!("{columns}; keys not named are then skipped"))
        }
        _ => error,
    };
    error.hint(go_on_without(input))
}
