//! NDJSON: an object on every line. Also objects over several lines, and a file that is one array of objects.
//!
//! Objects are walked over without being built ([`walk`]); only the values of the columns asked for become arrays ([`column`]).
//! A missing key and `null` are both NULL. Columns are found from the whole file up to 64 MiB, from its first 16 MiB where it is
//! larger ([`shape`]): a key that appears only behind is an error, never a silent loss. Where the user names the columns, keys
//! not named are skipped. A value of another kind than the sample had is an error with its line, too; kinds that are mixed in the
//! sample make a column of text that keeps every value as it is written.

mod column;
mod read;
mod shape;
#[cfg(test)]
mod tests;
mod tolerant;
mod walk;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;
use crate::file::input::Input;
use crate::file::source::Source;
use crate::file::text::column::Target;
use crate::file::{BadRows, BatchIterator, DataFile, ReadRequest, Unit};

use column::ObjectFault;
use read::ObjectReader;
use shape::Keys;
use walk::{Fault, Walk};

/// Bytes at the beginning that tell how objects are laid out.
const HEAD: u64 = 1024 * 1024;

/// Larger files are not sampled to their end.
const SAMPLED_WHOLE: u64 = 64 * 1024 * 1024;

/// Bytes of the sample of a larger file.
const SAMPLE: u64 = 16 * 1024 * 1024;

/// Fewest and most bytes of a unit.
const UNIT: (u64, u64) = (1024 * 1024, 8 * 1024 * 1024);

/// Units that each worker should get where the file is large enough.
const UNITS_PER_THREAD: u64 = 4;

/// How objects follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One on every line.
    Lines,
    /// Over several lines.
    Stream,
    /// As elements of one array.
    Array,
}

/// One file of JSON objects, plain or compressed.
#[derive(Debug)]
pub(crate) struct NdjsonFile {
    table: Arc<Table>,
    smallest_unit: u64,
}

#[derive(Debug)]
struct Table {
    input: Input,
    layout: Layout,
    schema: SchemaRef,
    /// The columns were found, not given.
    strict: bool,
    /// Where the first object starts.
    first: u64,
    bad_rows: BadRows,
}

impl Table {
    fn target(&self, column: usize) -> Target {
        Target {
            data_type: self.schema.field(column).data_type().clone(),
            strict: self.strict,
            lenient_blanks: false,
        }
    }
}

impl NdjsonFile {
    /// Opens a file; without `columns` they are found from its objects.
    pub(crate) fn open(
        source: impl Into<Source>,
        columns: Option<SchemaRef>,
        bad_rows: BadRows,
    ) -> Result<NdjsonFile> {
        let input = Input::open(source)?;
        let (layout, first) = layout(&input, columns.is_some(), &bad_rows)?;
        let strict = columns.is_none();
        let schema = match columns {
            Some(columns) => columns,
            None => find_columns(&input, layout, first, &bad_rows)?,
        };
        Ok(NdjsonFile {
            table: Arc::new(Table {
                input,
                layout,
                schema,
                strict,
                first,
                bad_rows,
            }),
            smallest_unit: UNIT.0,
        })
    }
}

impl DataFile for NdjsonFile {
    fn schema(&self) -> &SchemaRef {
        &self.table.schema
    }

    fn units(&self, request: &ReadRequest, threads: usize) -> Result<Vec<Unit>> {
        request.tally.open(&self.table.bad_rows);
        let (first, length) = (self.table.first, self.table.input.length());
        if !self.table.input.is_plain() || self.table.layout != Layout::Lines {
            return Ok(vec![Unit {
                start: first,
                end: u64::MAX,
                rows: None,
            }]);
        }
        let wanted = (threads as u64 * UNITS_PER_THREAD).max(1);
        let unit = (length / wanted).min(UNIT.1).max(self.smallest_unit);
        let starts = (0..).map(|number| first + number * unit);
        Ok(starts
            .take_while(|&start| start < length)
            .map(|start| Unit {
                start,
                end: (start + unit).min(length),
                rows: None,
            })
            .collect())
    }

    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator> {
        let start = if unit.start == self.table.first {
            Some(unit.start)
        } else {
            self.table.input.first_line(unit.start, unit.end)?
        };
        match start {
            None => Ok(Box::new(std::iter::empty())),
            Some(start) => Ok(Box::new(read::Batches::open(
                &self.table,
                start,
                unit.end,
                request,
            )?)),
        }
    }

    fn row_count(&self) -> Option<u64> {
        None
    }

    fn compression(&self) -> Option<&'static str> {
        self.table.input.compression()
    }

    fn byte_count(&self) -> u64 {
        self.table.input.length()
    }

    fn version(&self) -> Option<String> {
        self.table.input.source().version()
    }
}

/// How the objects of a file are laid out, and where the first one starts.
fn layout(input: &Input, may_be_empty: bool, bad_rows: &BadRows) -> Result<(Layout, u64)> {
    let head = input.head(HEAD)?;
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Err(input.not_utf8(0));
    }
    let mark = if head.starts_with("\u{feff}".as_bytes()) {
        3
    } else {
        0
    };
    let mut walk = Walk {
        text: &head,
        at: mark,
    };
    match walk.peek() {
        Ok(b'[') => Ok((Layout::Array, walk.at as u64 + 1)),
        Ok(b'{') => {
            let line_end = memchr::memchr(b'\n', &head[walk.at..]).map(|end| walk.at + end);
            let mut line = Walk {
                text: &head[..line_end.unwrap_or(head.len())],
                at: walk.at,
            };
            let goes_on = line_end.is_some() && line.value(0) == Err(Fault::Unfinished);
            let layout = if goes_on {
                Layout::Stream
            } else {
                Layout::Lines
            };
            Ok((layout, mark as u64))
        }
        // A first line that is no object may be left out, where a later one is.
        Ok(_) if bad_rows.leaves_out() && has_object_line(&head) => {
            Ok((Layout::Lines, mark as u64))
        }
        Ok(_) => Err(input
            .error_at(
                "TM0722",
                "this is no file of JSON objects",
                walk.at as u64,
                None,
            )
            .hint("every line is one object, or the file is one array of objects")),
        Err(_) if may_be_empty => Ok((Layout::Lines, mark as u64)),
        Err(_) => Err(input
            .error("TM0715", "the file is empty, so its columns are unknown")
            .hint(format!(
                "name them: read_json('{}', columns => STRUCT<id INT64, name STRING>)",
                input.path().display()
            ))),
    }
}

/// Whether a line starts as an object does.
fn has_object_line(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n')
        .any(|line| line.trim_ascii_start().starts_with(b"{"))
}

fn find_columns(
    input: &Input,
    layout: Layout,
    first: u64,
    bad_rows: &BadRows,
) -> Result<SchemaRef> {
    const ROWS: usize = 1024;
    let sample = match input.is_plain() && input.length() > SAMPLED_WHOLE {
        true => SAMPLE,
        false => SAMPLED_WHOLE,
    };
    let mut keys = Keys::default();
    let mut reader = ObjectReader::open(input, layout, first, u64::MAX, bad_rows.leaves_out())?;
    let mut seen = 0;
    while seen < sample {
        let rows = reader.advance(ROWS, |walk| {
            let (text, end) = whole_object(walk)?;
            let mut inner = Walk {
                text: text.as_bytes(),
                at: 0,
            };
            keys.observe(text, &mut inner)?;
            walk.at = end;
            seen += text.len() as u64;
            Ok(())
        })?;
        if rows == 0 && reader.rejected.is_empty() {
            break;
        }
    }
    Ok(Arc::new(Schema::new(keys.fields())))
}

/// The text of the object at hand, and where it ends.
fn whole_object<'a>(walk: &Walk<'a>) -> Result<(&'a str, usize), ObjectFault> {
    let start = walk.at;
    let mut skip = *walk;
    skip.object(0, |_, _| Ok::<(), Fault>(()))?;
    let object = &walk.text[start..skip.at];
    let text = std::str::from_utf8(object).map_err(|error| ObjectFault::NotUtf8 {
        at: start + error.valid_up_to(),
    })?;
    Ok((text, skip.at))
}
