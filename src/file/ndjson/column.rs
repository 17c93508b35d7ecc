//! Columns out of JSON values: flat ones as in any text file, structs and arrays by walking into the values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, GenericListArray, NullBufferBuilder, OffsetSizeTrait, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};

use super::walk::{Fault, Kind, Value, Walk};
use crate::error::Error;
use crate::file::text::column::{self, Cells, Refusal, Target};

/// What is wrong with an object.
#[derive(Debug)]
pub(super) enum ObjectFault {
    Json(Fault),
    /// Two values of one key: either would be lost.
    Twice {
        key: Value,
    },
    /// A key that the columns found do not have.
    Unknown {
        key: Value,
    },
    NotUtf8 {
        at: usize,
    },
}

impl From<Fault> for ObjectFault {
    fn from(fault: Fault) -> Self {
        ObjectFault::Json(fault)
    }
}

/// Why there is no column.
#[derive(Debug)]
pub(super) enum ColumnFault {
    /// The value is none of the type.
    Value {
        value: Value,
        expected: DataType,
    },
    Object(ObjectFault),
    Other(Error),
}

/// The values of objects, by key.
#[derive(Debug)]
pub(super) struct ObjectColumns {
    names: Vec<String>,
    places: HashMap<String, usize>,
    wanted: Vec<bool>,
    /// Keys that are no columns are errors: the columns were found, not given.
    strict: bool,
    pub(super) values: Vec<Vec<Value>>,
    pub(super) rows: usize,
}

impl ObjectColumns {
    pub(super) fn new(fields: &Fields, wanted: Vec<bool>, strict: bool) -> ObjectColumns {
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let places = names.iter().cloned().zip(0..).collect();
        ObjectColumns {
            values: vec![Vec::new(); names.len()],
            names,
            places,
            wanted,
            strict,
            rows: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.values.iter_mut().for_each(Vec::clear);
        self.rows = 0;
    }

    /// Takes one object; nothing of it stays if it is faulty.
    pub(super) fn push(&mut self, walk: &mut Walk<'_>) -> Result<(), ObjectFault> {
        let text = walk.text;
        let rows = self.rows;
        let mut likely = 0;
        let walked = walk.object(0, |key, value| {
            let Some(place) = self.place(text, key, likely) else {
                if self.strict {
                    return Err(ObjectFault::Unknown { key });
                }
                return Ok(());
            };
            likely = place + 1;
            let values = &mut self.values[place];
            if !self.wanted[place] {
                return Ok(());
            }
            if values.len() > rows {
                return Err(ObjectFault::Twice { key });
            }
            values.push(value);
            Ok(())
        });
        if let Err(fault) = walked {
            self.values
                .iter_mut()
                .for_each(|values| values.truncate(rows));
            return Err(fault);
        }
        self.push_nulls();
        Ok(())
    }

    /// NULL in every column that has no value for this row.
    fn push_nulls(&mut self) {
        self.rows += 1;
        for (values, &wanted) in self.values.iter_mut().zip(&self.wanted) {
            if wanted {
                values.resize(self.rows, Value::default());
            }
        }
    }

    /// The column of a key. Objects mostly have their keys in the same order, so `likely` is tried first.
    fn place(&self, text: &[u8], key: Value, likely: usize) -> Option<usize> {
        let raw = &text[key.start as usize..key.end as usize];
        if key.kind == Kind::EscapedString {
            let name: String = serde_json::from_slice(raw).ok()?;
            return self.places.get(&name).copied();
        }
        if self
            .names
            .get(likely)
            .is_some_and(|name| name.as_bytes() == raw)
        {
            return Some(likely);
        }
        self.places.get(std::str::from_utf8(raw).ok()?).copied()
    }
}

/// The column of a type.
pub(super) fn decode(
    text: &str,
    values: &[Value],
    target: &Target,
) -> Result<ArrayRef, ColumnFault> {
    match &target.data_type {
        DataType::Struct(fields) => structs(text, values, fields, target),
        DataType::List(item) => lists::<i32>(text, values, item, target),
        DataType::LargeList(item) => lists::<i64>(text, values, item, target),
        data_type => {
            let cells = JsonCells { text, values };
            let refuse = |row: usize| ColumnFault::Value {
                value: values[row],
                expected: data_type.clone(),
            };
            if let Some(row) = cells.first_misfit(target) {
                return Err(refuse(row));
            }
            column::build(target, &cells).map_err(|refusal| match refusal {
                Refusal::Value { row } => refuse(row),
                Refusal::Other(error) => ColumnFault::Other(error),
            })
        }
    }
}

/// Values that are no arrays or objects, or are to stay as they are written.
struct JsonCells<'a> {
    text: &'a str,
    values: &'a [Value],
}

impl JsonCells<'_> {
    /// The first string that is no text, or that stands where the sample had numbers or truth values.
    fn first_misfit(&self, target: &Target) -> Option<usize> {
        let data_type = &target.data_type;
        let unquoted = target.strict && (data_type.is_numeric() || *data_type == DataType::Boolean);
        self.values.iter().position(|value| match value.kind {
            Kind::String => unquoted,
            Kind::EscapedString => unquoted || unescape(value.raw(self.text)).is_none(),
            _ => false,
        })
    }
}

fn unescape(raw: &str) -> Option<String> {
    serde_json::from_str(raw).ok()
}

impl Cells for JsonCells<'_> {
    fn len(&self) -> usize {
        self.values.len()
    }

    fn get<'a>(&'a self, row: usize, scratch: &'a mut String) -> Option<&'a str> {
        let value = self.values[row];
        match value.kind {
            Kind::Null => None,
            Kind::EscapedString => {
                *scratch = unescape(value.raw(self.text))?;
                Some(scratch)
            }
            _ => Some(value.raw(self.text)),
        }
    }
}

fn inner(text: &str, value: Value) -> Walk<'_> {
    Walk {
        text: &text.as_bytes()[..value.end as usize],
        at: value.start as usize,
    }
}

fn refuse(value: Value, target: &Target) -> ColumnFault {
    ColumnFault::Value {
        value,
        expected: target.data_type.clone(),
    }
}

fn within(target: &Target, field: &FieldRef) -> Target {
    Target {
        data_type: field.data_type().clone(),
        ..target.clone()
    }
}

fn structs(
    text: &str,
    values: &[Value],
    fields: &Fields,
    target: &Target,
) -> Result<ArrayRef, ColumnFault> {
    let mut objects = ObjectColumns::new(fields, vec![true; fields.len()], target.strict);
    let mut valid = NullBufferBuilder::new(values.len());
    for &value in values {
        match value.kind {
            Kind::Null => objects.push_nulls(),
            Kind::Object => objects
                .push(&mut inner(text, value))
                .map_err(ColumnFault::Object)?,
            _ => return Err(refuse(value, target)),
        }
        valid.append(value.kind != Kind::Null);
    }
    let columns = fields
        .iter()
        .zip(&objects.values)
        .map(|(field, values)| decode(text, values, &within(target, field)))
        .collect::<Result<Vec<_>, _>>()?;
    let valid: Option<NullBuffer> = valid.finish();
    StructArray::try_new_with_length(fields.clone(), columns, valid, values.len())
        .map(|column| Arc::new(column) as ArrayRef)
        .map_err(|error| ColumnFault::Other(Error::bug(error.to_string())))
}

fn lists<O: OffsetSizeTrait>(
    text: &str,
    values: &[Value],
    item: &FieldRef,
    target: &Target,
) -> Result<ArrayRef, ColumnFault> {
    let mut elements = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = NullBufferBuilder::new(values.len());
    for &value in values {
        let before = elements.len();
        match value.kind {
            Kind::Null => {}
            Kind::Array => inner(text, value)
                .array(0, |element| elements.push(element))
                .map_err(|fault| ColumnFault::Object(fault.into()))?,
            _ => return Err(refuse(value, target)),
        }
        valid.append(value.kind != Kind::Null);
        lengths.push(elements.len() - before);
    }
    let items = decode(text, &elements, &within(target, item))?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    GenericListArray::<O>::try_new(item.clone(), offsets, items, valid.finish())
        .map(|column| Arc::new(column) as ArrayRef)
        .map_err(|error| ColumnFault::Other(Error::bug(error.to_string())))
}
