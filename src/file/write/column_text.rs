//! One column's values as text: exact, and NULL apart from every text.
//!
//! Nested values are JSON, bytes are `\x` and hexadecimal digits; everything else is what a reader of CSV takes for the same value.

use std::io;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringViewArray};
use arrow::compute::{SortOptions, sort_to_indices};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::writer::LineDelimited;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};

use super::json::json_writer;
use crate::file::type_name;

/// A column that can write its values as text.
///
/// ```
/// use std::sync::Arc;
/// use tidemill::ColumnText;
/// use tidemill::arrow::array::{ArrayRef, Int64Array};
/// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None]));
/// let texts = ColumnText::new(&numbers)?;
/// let mut text = String::new();
/// assert!(texts.write(0, &mut text)? && text == "7");
/// assert!(!texts.write(1, &mut text)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ColumnText<'a> {
    array: &'a ArrayRef,
    kind: Kind<'a>,
}

impl std::fmt::Debug for Kind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Plain(_) => "plain",
            Kind::Views(_) | Kind::Texts(_) => "text",
            Kind::Bytes => "bytes",
            Kind::Nested(_) => "nested",
        })
    }
}

enum Kind<'a> {
    Plain(ArrayFormatter<'a>),
    Views(&'a StringViewArray),
    Texts(&'a StringArray),
    Bytes,
    /// Nested values are JSON, written for the whole batch at once.
    Nested(Vec<String>),
}

impl<'a> ColumnText<'a> {
    /// Prepares the values of `array`.
    ///
    /// # Errors
    /// A type that has no text.
    pub fn new(array: &'a ArrayRef) -> io::Result<Self> {
        let kind = match array.data_type() {
            data_type if is_bytes(data_type) => Kind::Bytes,
            DataType::Utf8View => Kind::Views(array.as_string_view()),
            DataType::Utf8 => Kind::Texts(array.as_string()),
            data_type if data_type.is_nested() => Kind::Nested(nested(array)?),
            _ => {
                let options = FormatOptions::new().with_duration_format(DurationFormat::ISO8601);
                Kind::Plain(
                    ArrayFormatter::try_new(array.as_ref(), &options).map_err(io::Error::other)?,
                )
            }
        };
        Ok(ColumnText { array, kind })
    }

    /// Appends the value of `row`; false, and nothing, for NULL.
    ///
    /// # Errors
    /// A value that its type has no text for: a day beyond the calendar.
    pub fn write(&self, row: usize, text: &mut String) -> io::Result<bool> {
        if self.array.is_null(row) || *self.array.data_type() == DataType::Null {
            return Ok(false);
        }
        match &self.kind {
            Kind::Plain(formatter) => {
                let written = formatter.value(row).write(text);
                written.map_err(|_| beyond_text(self.array.data_type()))?;
            }
            Kind::Views(values) => text.push_str(values.value(row)),
            Kind::Texts(values) => text.push_str(values.value(row)),
            Kind::Nested(values) => text.push_str(&values[row]),
            Kind::Bytes => {
                push_hexadecimal(bytes_of(self.array.as_ref(), row), text);
            }
        }
        Ok(true)
    }
}

impl ColumnText<'_> {
    /// The value of `row` where it lies there as text.
    pub(super) fn stored(&self, row: usize) -> Option<&str> {
        match &self.kind {
            Kind::Views(values) if values.is_valid(row) => Some(values.value(row)),
            Kind::Texts(values) if values.is_valid(row) => Some(values.value(row)),
            _ => None,
        }
    }

    /// Whether the texts of the column are made of letters, digits and the signs of numbers and times alone.
    pub(super) fn is_bare(&self) -> bool {
        let data_type = self.array.data_type();
        data_type.is_numeric()
            || matches!(
                data_type,
                DataType::Boolean
                    | DataType::Date32
                    | DataType::Date64
                    | DataType::Time32(_)
                    | DataType::Time64(_)
                    | DataType::Timestamp(..)
            )
    }
}

/// Whether every date and time of the batch has a text. Arrow's JSON writer would put an error's text in its place.
///
/// ```
/// use std::sync::Arc;
/// use tidemill::arrow::array::{ArrayRef, RecordBatch, TimestampSecondArray};
/// let late: ArrayRef = Arc::new(TimestampSecondArray::from(vec![0, i64::MAX]));
/// let batch = RecordBatch::try_from_iter([("t", late)])?;
/// assert!(tidemill::times_have_text(&batch).is_err());
/// assert!(tidemill::times_have_text(&batch.slice(0, 1)).is_ok());
/// # Ok::<(), tidemill::arrow::error::ArrowError>(())
/// ```
///
/// # Errors
/// A column with one that is beyond the years that text can say.
pub fn times_have_text(batch: &RecordBatch) -> io::Result<()> {
    let is_time = |array: &&ArrayRef| {
        matches!(
            array.data_type(),
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
        )
    };
    for array in batch.columns().iter().filter(is_time) {
        let texts = ColumnText::new(array)?;
        for descending in [false, true] {
            let order = SortOptions::new(descending, false);
            let end = sort_to_indices(array, Some(order), Some(1)).map_err(io::Error::other)?;
            for row in end.values() {
                texts.write(*row as usize, &mut String::new())?;
            }
        }
    }
    Ok(())
}

fn beyond_text(data_type: &DataType) -> io::Error {
    let data_type = type_name(data_type);
    io::Error::other(format!(
        "a {data_type} is so early or late that no text can say it"
    ))
}

/// `\x` and two digits for each byte, as BYTES are written in text.
pub(super) fn push_hexadecimal(bytes: &[u8], text: &mut String) {
    text.push_str("\\x");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
    }
}

/// Whether [`bytes_of`] knows the values.
pub(super) fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    )
}

/// The value of a column of BYTES.
pub(super) fn bytes_of(array: &dyn Array, row: usize) -> &[u8] {
    match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        _ => array.as_fixed_size_binary().value(row),
    }
}

fn nested(array: &ArrayRef) -> io::Result<Vec<String>> {
    let field = Field::new("v", array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch =
        RecordBatch::try_new(schema, vec![ArrayRef::clone(array)]).map_err(io::Error::other)?;
    let mut text = Vec::new();
    let mut writer = json_writer().build::<_, LineDelimited>(&mut text);
    writer.write(&batch).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    let value = |line: &str| {
        line.strip_prefix("{\"v\":")
            .and_then(|rest| rest.strip_suffix('}'))
            .map(str::to_string)
    };
    text.lines()
        .map(|line| value(line).ok_or_else(|| io::Error::other("a nested value has no text")))
        .collect()
}
