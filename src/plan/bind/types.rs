//! Type names: what the language calls Arrow's types, and which Arrow type a name stands for.

use std::sync::Arc;

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, Fields, IntervalUnit, TimeUnit};

use crate::error::{Error, Result, Span};
use crate::lang::ast::{TypeKind, TypeName};

pub(super) use crate::file::type_name;

/// The Arrow type of a written type name.
pub(super) fn data_type(written: &TypeName) -> Result<DataType> {
    Ok(match &written.kind {
        TypeKind::Named { name, args } => named(name, args, written.span)?,
        TypeKind::Array(element) => {
            DataType::List(Arc::new(Field::new_list_field(data_type(element)?, true)))
        }
        TypeKind::Struct(fields) => {
            let fields = fields
                .iter()
                .enumerate()
                .map(|(index, (name, field_type))| {
                    let name = match name {
                        Some(name) => name.text.clone(),
                        None => format!("c{index}"),
                    };
                    Ok(Field::new(name, data_type(field_type)?, true))
                })
                .collect::<Result<Fields>>()?;
            DataType::Struct(fields)
        }
        TypeKind::Map(key, value) => {
            let entries = Fields::from(vec![
                Field::new("key", data_type(key)?, false),
                Field::new("value", data_type(value)?, true),
            ]);
            let entries = Field::new("entries", DataType::Struct(entries), false);
            DataType::Map(Arc::new(entries), false)
        }
    })
}

/// The names that messages list.
const TYPES: &str = "INT64, FLOAT64, STRING, BOOL, DATE, TIMESTAMP, DECIMAL(p, s), BYTES, TIME, DATETIME, \
     INTERVAL, ARRAY<T>, STRUCT<a T>, MAP<K, V>, INT32, INT16, TINYINT, UINT64, UINT32, UINT16, UINT8, FLOAT32";

/// A timestamp is a moment; it is kept in UTC.
pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A date and a time of a place that nobody says.
pub(super) fn datetime() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

pub(super) fn interval() -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

fn named(name: &str, args: &[i64], span: Span) -> Result<DataType> {
    if matches!(name, "DECIMAL" | "NUMERIC" | "BIGNUMERIC" | "BIGDECIMAL") {
        return decimal(args, span);
    }
    let takes_length = matches!(name, "STRING" | "VARCHAR" | "TEXT" | "CHAR" | "BYTES");
    if !args.is_empty() && !takes_length {
        return Err(Error::input(
            "TM0405",
            format!("{name} takes no numbers in parentheses"),
            span,
        ));
    }
    Ok(match name {
        "INT64" | "BIGINT" => DataType::Int64,
        "INT32" | "INT" | "INTEGER" => DataType::Int32,
        "INT16" | "SMALLINT" => DataType::Int16,
        "TINYINT" => DataType::Int8,
        "UINT8" => DataType::UInt8,
        "UINT16" => DataType::UInt16,
        "UINT32" => DataType::UInt32,
        "UINT64" => DataType::UInt64,
        "FLOAT64" | "DOUBLE" | "DOUBLE PRECISION" => DataType::Float64,
        "FLOAT32" | "REAL" => DataType::Float32,
        "FLOAT" => DataType::Float64,
        "BOOL" | "BOOLEAN" => DataType::Boolean,
        "STRING" | "VARCHAR" | "TEXT" | "CHAR" => DataType::Utf8,
        "BYTES" | "BYTEA" => DataType::Binary,
        "DATE" => DataType::Date32,
        "TIME" => DataType::Time64(TimeUnit::Microsecond),
        "TIMESTAMP" => timestamp(),
        "DATETIME" => datetime(),
        "INTERVAL" => interval(),
        "JSON" => DataType::Utf8,
        "INT8" => {
            return Err(Error::input(
                "TM0405",
                "INT8 means 8 bits to some and 8 bytes to others",
                span,
            )
            .hint("write TINYINT for 8 bits, INT64 for 8 bytes"));
        }
        _ => {
            let known = TYPES.split(", ").filter(|name| !name.contains(['<', '(']));
            let error = Error::input("TM0405", format!("no type is named {name}"), span);
            return Err(match super::names::nearest(name, known) {
                Some(near) => error.did_you_mean(near),
                None => error.available(TYPES),
            });
        }
    })
}

fn decimal(args: &[i64], span: Span) -> Result<DataType> {
    let (precision, scale) = match args {
        [] => (i64::from(DECIMAL128_MAX_PRECISION), 9),
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => (0, 0),
    };
    let fits = (1..=i64::from(DECIMAL128_MAX_PRECISION)).contains(&precision)
        && (0..=precision).contains(&scale);
    let (Ok(narrow_precision), Ok(narrow_scale)) = (u8::try_from(precision), i8::try_from(scale))
    else {
        return Err(bad_decimal(span));
    };
    if !fits {
        return Err(bad_decimal(span));
    }
    Ok(DataType::Decimal128(narrow_precision, narrow_scale))
}

fn bad_decimal(span: Span) -> Error {
    Error::input(
        "TM0405",
        "DECIMAL(p, s) needs 1 to 38 digits, of which 0 to p after the point",
        span,
    )
}
