//! A typed column out of texts.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryViewBuilder, BooleanBuilder, NullBufferBuilder,
    PrimitiveArray, StringViewBuilder, new_null_array,
};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time64MicrosecondType, Time64NanosecondType,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::FormatOptions;

use super::parse;
use crate::error::{Error, Result};
use crate::file::type_name;

/// The texts of one column in one batch.
pub(in crate::file) trait Cells {
    fn len(&self) -> usize;

    /// The text of a row, `None` for NULL. `scratch` is where it is put together if the file does not have it in one piece.
    fn get<'a>(&'a self, row: usize, scratch: &'a mut String) -> Option<&'a str>;
}

/// What texts become.
#[derive(Debug, Clone)]
pub(in crate::file) struct Target {
    pub(in crate::file) data_type: DataType,
    /// The type was guessed: see [`parse`].
    pub(in crate::file) strict: bool,
    /// An empty text is NULL unless the column is text, and spaces around a value do not count.
    pub(in crate::file) lenient_blanks: bool,
}

/// Why there is no column.
#[derive(Debug)]
pub(in crate::file) enum Refusal {
    /// The text of this row is none of the type's values.
    Value {
        row: usize,
    },
    Other(Error),
}

/// The column of a type, or the first row that does not fit it.
pub(in crate::file) fn build(target: &Target, cells: &impl Cells) -> Result<ArrayRef, Refusal> {
    let strict = target.strict;
    macro_rules! narrow {
        ($native:ty, $parse:path) => {
            primitive::<$native>(target, cells, |text| {
                $parse(text, strict).and_then(|value| value.try_into().ok())
            })
        };
    }
    match &target.data_type {
        DataType::Utf8View => Ok(strings(cells)),
        DataType::Int64 => {
            primitive::<Int64Type>(target, cells, |text| parse::integer(text, strict))
        }
        DataType::Int32 => narrow!(Int32Type, parse::integer),
        DataType::Int16 => narrow!(Int16Type, parse::integer),
        DataType::Int8 => narrow!(Int8Type, parse::integer),
        DataType::UInt64 => narrow!(UInt64Type, parse::unsigned),
        DataType::UInt32 => narrow!(UInt32Type, parse::unsigned),
        DataType::UInt16 => narrow!(UInt16Type, parse::unsigned),
        DataType::UInt8 => narrow!(UInt8Type, parse::unsigned),
        DataType::Float64 => {
            primitive::<Float64Type>(target, cells, |text| parse::float(text, strict))
        }
        DataType::Float32 => primitive::<Float32Type>(target, cells, |text| {
            let value = parse::float(text, strict)?;
            // Rounded to the nearest is what the user asked for; infinite is not.
            let narrow = value as f32;
            (narrow.is_finite() || !value.is_finite()).then_some(narrow)
        }),
        DataType::Boolean => booleans(target, cells),
        DataType::Date32 => {
            primitive::<Date32Type>(target, cells, |text| parse::date(text, strict))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            primitive::<Time64NanosecondType>(target, cells, |text| parse::time_nanos(text, strict))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            primitive::<Time64MicrosecondType>(target, cells, |text| {
                parse::time_nanos(text, strict).map(|nanos| nanos / 1000)
            })
        }
        DataType::Timestamp(unit, zone) if zone.as_deref().is_none_or(is_utc) => {
            timestamps(target, *unit, zone.is_some(), cells)
        }
        DataType::Decimal32(precision, scale) => {
            decimals::<Decimal32Type>(target, *precision, *scale, cells)
        }
        DataType::Decimal64(precision, scale) => {
            decimals::<Decimal64Type>(target, *precision, *scale, cells)
        }
        DataType::Decimal128(precision, scale) => {
            decimals::<Decimal128Type>(target, *precision, *scale, cells)
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => bytes(target, cells),
        DataType::Null => nulls(target, cells),
        _ => by_cast(target, cells),
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "+00:00" | "Z")
}

/// Calls `each` for every row with its text; `None` for NULL.
#[inline]
fn each_text(
    target: &Target,
    cells: &impl Cells,
    mut each: impl FnMut(Option<&str>) -> Option<()>,
) -> Result<(), Refusal> {
    let mut scratch = String::new();
    for row in 0..cells.len() {
        let mut text = cells.get(row, &mut scratch);
        if target.lenient_blanks {
            text = text.map(trim).filter(|text| !text.is_empty());
        }
        each(text).ok_or(Refusal::Value { row })?;
    }
    Ok(())
}

#[inline]
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => text.trim_ascii(),
        _ => text,
    }
}

fn primitive<T: ArrowPrimitiveType>(
    target: &Target,
    cells: &impl Cells,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<ArrayRef, Refusal> {
    let mut values = Vec::with_capacity(cells.len());
    let mut valid = NullBufferBuilder::new(cells.len());
    each_text(target, cells, |text| {
        match text {
            Some(text) => {
                values.push(parse(text)?);
                valid.append_non_null();
            }
            None => {
                values.push(T::default_value());
                valid.append_null();
            }
        }
        Some(())
    })?;
    let column = PrimitiveArray::<T>::try_new(values.into(), valid.finish())
        .map_err(|error| Refusal::Other(Error::bug(error.to_string())))?;
    Ok(Arc::new(column.with_data_type(target.data_type.clone())))
}

fn decimals<T: ArrowPrimitiveType<Native: TryFrom<i128>>>(
    target: &Target,
    precision: u8,
    scale: i8,
    cells: &impl Cells,
) -> Result<ArrayRef, Refusal> {
    primitive::<T>(target, cells, |text| {
        parse::decimal(text, precision, scale).and_then(|value| value.try_into().ok())
    })
}

fn timestamps(
    target: &Target,
    unit: TimeUnit,
    zoned: bool,
    cells: &impl Cells,
) -> Result<ArrayRef, Refusal> {
    let strict = target.strict;
    let parse = |text: &str, per_second: i64| {
        let stamp = parse::stamp(text)?;
        // A zone that the type cannot keep, or a missing one: only where the user asked for the type is it taken for UTC.
        if strict && stamp.zoned != zoned {
            return None;
        }
        stamp.ticks(per_second, strict)
    };
    match unit {
        TimeUnit::Second => primitive::<TimestampSecondType>(target, cells, |text| parse(text, 1)),
        TimeUnit::Millisecond => {
            primitive::<TimestampMillisecondType>(target, cells, |text| parse(text, 1_000))
        }
        TimeUnit::Microsecond => {
            primitive::<TimestampMicrosecondType>(target, cells, |text| parse(text, 1_000_000))
        }
        TimeUnit::Nanosecond => {
            primitive::<TimestampNanosecondType>(target, cells, |text| parse(text, 1_000_000_000))
        }
    }
}

fn booleans(target: &Target, cells: &impl Cells) -> Result<ArrayRef, Refusal> {
    let mut values = BooleanBuilder::with_capacity(cells.len());
    each_text(target, cells, |text| {
        let value = match text {
            Some(text) => Some(parse::boolean(text, target.strict)?),
            None => None,
        };
        values.append_option(value);
        Some(())
    })?;
    Ok(Arc::new(values.finish()))
}

fn strings(cells: &impl Cells) -> ArrayRef {
    let mut values = StringViewBuilder::with_capacity(cells.len());
    let mut scratch = String::new();
    for row in 0..cells.len() {
        values.append_option(cells.get(row, &mut scratch));
    }
    Arc::new(values.finish())
}

/// `\x` and hexadecimal digits, as bytes are written; any other text is the bytes of its characters.
fn bytes(target: &Target, cells: &impl Cells) -> Result<ArrayRef, Refusal> {
    let mut values = BinaryViewBuilder::with_capacity(cells.len());
    let mut scratch = String::new();
    for row in 0..cells.len() {
        match cells.get(row, &mut scratch) {
            None => values.append_null(),
            Some(text) => match from_hexadecimal(text) {
                Some(bytes) => values.append_value(bytes),
                None => values.append_value(text),
            },
        }
    }
    let column = cast(&values.finish(), &target.data_type);
    column.map_err(|error| Refusal::Other(Error::bug(error.to_string())))
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x")?;
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(high)? * 16 + digit(low)?).ok();
    rest.is_empty().then_some(())?;
    pairs.iter().map(byte).collect()
}

fn nulls(target: &Target, cells: &impl Cells) -> Result<ArrayRef, Refusal> {
    each_text(target, cells, |text| text.is_none().then_some(()))?;
    Ok(new_null_array(&target.data_type, cells.len()))
}

/// Types that are rare in text: a column of text first, then Arrow's cast, which must not lose a value.
fn by_cast(target: &Target, cells: &impl Cells) -> Result<ArrayRef, Refusal> {
    let is_text = matches!(&target.data_type, DataType::Utf8 | DataType::LargeUtf8)
        || matches!(&target.data_type, DataType::Dictionary(_, value) if value.is_string());
    let texts = if is_text {
        strings(cells)
    } else {
        let mut texts = StringViewBuilder::with_capacity(cells.len());
        each_text(target, cells, |text| {
            texts.append_option(text);
            Some(())
        })?;
        Arc::new(texts.finish())
    };
    let options = CastOptions {
        safe: true,
        format_options: FormatOptions::default(),
    };
    let column = cast_with_options(&texts, &target.data_type, &options).map_err(|_| {
        let name = type_name(&target.data_type);
        let error = Error::new(
            crate::error::ErrorKind::Input,
            "TM0718",
            format!("a text file has no columns of type {name}"),
        );
        Refusal::Other(error.hint("read the column as STRING and convert it in the query"))
    })?;
    match (0..cells.len()).find(|&row| column.is_null(row) && texts.is_valid(row)) {
        Some(row) => Err(Refusal::Value { row }),
        None => Ok(column),
    }
}
