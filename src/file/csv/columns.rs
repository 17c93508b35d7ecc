//! Which columns a file has: from the user, or from its header and a sample of its rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::detect::{self, Head, HeadRecord};
use super::options::CsvOptions;
use super::read::RecordReader;
use super::{Column, Table};
use crate::error::{Error, ErrorKind, Result};
use crate::file::input::Input;
use crate::file::text::TextBuffer;
use crate::file::text::column::{Cells, Target};
use crate::file::text::guess::Guess;

/// Bytes at the beginning that tell the delimiter and the header.
const HEAD: u64 = 1024 * 1024;

/// Records at the beginning that tell whether there is a header.
const HEAD_RECORDS: usize = 100;

/// Rows of the sample that are looked at together.
const SAMPLE_BATCH: usize = 1024;

impl Table {
    /// Finds everything that has to be known before rows are read.
    pub(super) fn open(
        input: Input,
        options: &CsvOptions,
        columns: Option<SchemaRef>,
    ) -> Result<Table> {
        if columns.is_some() && !options.types.is_empty() {
            return Err(Error::new(
                ErrorKind::Input,
                "TM0707",
                "the option `types` and a list of columns cannot both be given",
            )
            .hint("put the type into the list of columns"));
        }
        let bytes = input.head(HEAD)?;
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(input.not_utf8(0));
        }
        let mark = match bytes.strip_prefix("\u{feff}".as_bytes()) {
            Some(text) => bytes.len() - text.len(),
            None => 0,
        };
        let head = Head {
            text: &bytes[mark..],
            at_end: (bytes.len() as u64) < HEAD,
        };
        check_line_ends(&input, head, options.quote)?;
        let mut table = Table {
            input,
            dialect: detect::dialect(head, options),
            null: options.null.clone(),
            fields: 0,
            schema: Arc::new(Schema::empty()),
            columns: Vec::new(),
            first: mark as u64,
            bad_rows: options.bad_rows.clone().unwrap_or_default(),
            header: false,
        };
        let records = table.head_records(head)?;
        let header = match options.header {
            Some(header) => header,
            None => match &columns {
                Some(columns) => has_header_of(&records, columns),
                None => detect::has_header(&records),
            },
        };
        table.header = header && !records.is_empty();
        if header && let Some(record) = records.first() {
            if let Err(error) = std::str::from_utf8(&head.text[..record.end]) {
                return Err(table.input.not_utf8((mark + error.valid_up_to()) as u64));
            }
            table.first += record.end as u64;
        }
        match columns {
            Some(columns) => table.use_columns(columns, records.first().filter(|_| header))?,
            None => table.find_columns(records.first(), header, options)?,
        }
        Ok(table)
    }

    /// The first records. A fault behind the first is reported later, when the number of fields is known.
    fn head_records(&self, head: Head<'_>) -> Result<Vec<HeadRecord>> {
        let records = detect::records(head, self.dialect, HEAD_RECORDS)
            .or_else(|_| detect::records(head, self.dialect, 1))
            .map_err(|fault| self.fault(fault, self.first))?;
        if records.is_empty() && !head.at_end {
            let error = self.input.error_at(
                "TM0717",
                format!("the first record is longer than {HEAD} bytes"),
                self.first,
                None,
            );
            return Err(error.hint(self.no_quotes()));
        }
        Ok(records)
    }

    /// The user's columns: by name if the header has them all, else one after the other.
    fn use_columns(&mut self, columns: SchemaRef, header: Option<&HeadRecord>) -> Result<()> {
        let count = columns.fields().len();
        self.fields = header.map_or(count, |header| header.texts.len());
        let names = header.map_or(Vec::new(), |header| {
            detect::unique_names(header.texts.clone())
        });
        let places: Vec<Option<usize>> = columns
            .fields()
            .iter()
            .map(|field| place_of(&names, field.name()))
            .collect();
        let by_name: Option<Vec<usize>> = places.iter().copied().collect();
        let moved = |(at, place): (usize, &Option<usize>)| place.is_some_and(|place| place != at);
        let places = match by_name {
            Some(places) if header.is_some() => places,
            _ if self.fields == count && !places.iter().enumerate().any(moved) => {
                (0..count).collect()
            }
            _ => return Err(self.other_columns(&columns, &places, &names)),
        };
        self.columns = columns
            .fields()
            .iter()
            .zip(places)
            .map(|(column, field)| Column {
                field,
                target: target(column.data_type().clone(), false),
                is_known: true,
            })
            .collect();
        self.schema = columns;
        Ok(())
    }

    fn other_columns(
        &self,
        columns: &SchemaRef,
        places: &[Option<usize>],
        names: &[String],
    ) -> Error {
        let missing: Vec<String> = columns
            .fields()
            .iter()
            .zip(places)
            .filter(|(_, place)| place.is_none())
            .map(|(field, _)| format!("`{}`", field.name()))
            .collect();
        self.input
            .error(
                "TM0719",
                format!("the header does not have {}", missing.join(", ")),
            )
            .available(names.join(", "))
            .hint("name columns as the header does, or all of them in its order")
    }

    /// Names from the header, types from the sample and the user.
    fn find_columns(
        &mut self,
        first: Option<&HeadRecord>,
        header: bool,
        options: &CsvOptions,
    ) -> Result<()> {
        let Some(first) = first else {
            return Err(self
                .input
                .error("TM0715", "the file is empty, so its columns are unknown")
                .hint(format!(
                    "name them: read_csv('{}', columns => STRUCT<id INT64, name STRING>)",
                    self.input.path().display()
                )));
        };
        self.fields = first.texts.len();
        let names = detect::unique_names(if header {
            first.texts.clone()
        } else {
            vec![String::new(); self.fields]
        });
        let mut given: Vec<Option<DataType>> = vec![None; self.fields];
        for (name, data_type) in &options.types {
            let place = place_of(&names, name).ok_or_else(|| {
                Error::new(
                    ErrorKind::Input,
                    "TM0719",
                    format!("the option `types` names `{name}`, which the file does not have"),
                )
                .available(names.join(", "))
            })?;
            given[place] = Some(data_type.clone());
        }
        let guesses = self.guess(options.sample_rows)?;
        self.columns = guesses
            .iter()
            .zip(given)
            .enumerate()
            .map(|(field, (guess, given))| Column {
                field,
                is_known: given.is_some() || guess.has_seen(),
                target: match given {
                    Some(data_type) => target(data_type, false),
                    None => target(guess.data_type(), true),
                },
            })
            .collect();
        self.schema = self.named(names);
        Ok(())
    }

    /// The schema, with these names for the columns.
    fn named(&self, names: Vec<String>) -> SchemaRef {
        let named = names.into_iter().zip(&self.columns);
        let fields: Vec<Field> = named
            .map(|(name, column)| Field::new(name, column.target.data_type.clone(), true))
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// The same file with these types for columns, by position, as if its own rows had shown them.
    pub(super) fn with_types(&self, types: &[(usize, DataType)]) -> Table {
        let mut table = self.clone();
        for (at, data_type) in types {
            if let Some(column) = table.columns.get_mut(*at) {
                column.target = target(data_type.clone(), true);
                column.is_known = true;
            }
        }
        let names = self.schema.fields().iter();
        table.schema = table.named(names.map(|field| field.name().clone()).collect());
        table
    }

    /// What each field of the first `rows` records has in common.
    fn guess(&self, rows: Option<usize>) -> Result<Vec<Guess>> {
        let draft = Arc::new(self.clone());
        let wanted = vec![true; self.fields];
        let text = TextBuffer::open(&self.input, self.first, u64::MAX)?;
        let mut reader = RecordReader::open(&draft, text, u64::MAX, wanted);
        let mut guesses = vec![Guess::new(); self.fields];
        let mut left = rows.unwrap_or(usize::MAX);
        let mut scratch = String::new();
        while left > 0
            && let Some(chunk) = reader.advance(left.min(SAMPLE_BATCH))?
        {
            left -= chunk.rows;
            for (slot, guess) in guesses.iter_mut().enumerate() {
                let cells = chunk.cells(&draft, slot, None);
                for row in 0..cells.len() {
                    if guess.is_decided() {
                        break;
                    }
                    if chunk.is_no_text(row, slot) {
                        continue;
                    }
                    let text = cells
                        .get(row, &mut scratch)
                        .unwrap_or_default()
                        .trim_ascii();
                    if !text.is_empty() {
                        guess.observe(text);
                    }
                }
            }
        }
        Ok(guesses)
    }
}

fn target(data_type: DataType, strict: bool) -> Target {
    Target {
        data_type,
        strict,
        lenient_blanks: true,
    }
}

/// With the columns known: the first record is a header if it has their names, or cannot be their values.
fn has_header_of(records: &[HeadRecord], columns: &SchemaRef) -> bool {
    let Some(first) = records.first() else {
        return false;
    };
    let fields = columns.fields();
    let named = fields
        .iter()
        .all(|field| place_of(&first.texts, field.name()).is_some());
    let types: Vec<&DataType> = fields.iter().map(|field| field.data_type()).collect();
    named || detect::contradicts(first, &types)
}

/// The place of a name: the same spelling first, then the same letters in any case.
fn place_of(names: &[String], name: &str) -> Option<usize> {
    names
        .iter()
        .position(|other| other.trim() == name)
        .or_else(|| {
            names
                .iter()
                .position(|other| other.trim().eq_ignore_ascii_case(name))
        })
}

/// Lines that end in a carriage return alone would be one long record. Inside quotes it is text.
fn check_line_ends(input: &Input, head: Head<'_>, quote: Option<u8>) -> Result<()> {
    let text = head.text.trim_ascii_end();
    let quoted_from = quote.and_then(|quote| memchr::memchr(quote, text));
    let unquoted = &text[..quoted_from.unwrap_or(text.len())];
    if memchr::memchr(b'\n', head.text).is_none() && memchr::memchr(b'\r', unquoted).is_some() {
        return Err(input
            .error("TM0709", "lines end in a carriage return alone")
            .hint("convert the file first: tr '\\r' '\\n' < old.csv > new.csv"));
    }
    Ok(())
}
