//! Any value as text: for people (`%t`), or as a literal of the language (`%T`).

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Writes a value of an array.
pub(super) fn print(out: &mut String, values: &dyn Array, row: usize, literal: bool) {
    if values.is_null(row) || values.data_type().is_null() {
        out.push_str("NULL");
        return;
    }
    match values.data_type() {
        DataType::List(_) => print_list(out, &values.as_list::<i32>().value(row), literal),
        DataType::LargeList(_) => print_list(out, &values.as_list::<i64>().value(row), literal),
        DataType::FixedSizeList(..) => {
            print_list(out, &values.as_fixed_size_list().value(row), literal);
        }
        DataType::Struct(fields) => {
            out.push_str(if literal && fields.len() < 2 {
                "STRUCT("
            } else {
                "("
            });
            for (place, column) in values.as_struct().columns().iter().enumerate() {
                out.push_str(if place > 0 { ", " } else { "" });
                print(out, column.as_ref(), row, literal);
            }
            out.push(')');
        }
        _ => print_one(out, values, row, literal),
    }
}

fn print_list(out: &mut String, items: &dyn Array, literal: bool) {
    out.push('[');
    for item in 0..items.len() {
        out.push_str(if item > 0 { ", " } else { "" });
        print(out, items, item, literal);
    }
    out.push(']');
}

fn print_one(out: &mut String, values: &dyn Array, row: usize, literal: bool) {
    let options = FormatOptions::default();
    let shown = ArrayFormatter::try_new(values, &options);
    let text = shown.and_then(|shown| shown.value(row).try_to_string());
    let text = text.unwrap_or_default();
    let word = match values.data_type() {
        _ if !literal => "",
        DataType::Float64 if !values.as_primitive::<Float64Type>().value(row).is_finite() => {
            // Writing to a text cannot fail.
            let _ = write!(out, "CAST('{text}' AS FLOAT64)");
            return;
        }
        kind if kind.is_string() => "'",
        DataType::Date32 | DataType::Date64 => "DATE '",
        DataType::Time32(_) | DataType::Time64(_) => "TIME '",
        DataType::Timestamp(_, None) => "DATETIME '",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP '",
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL '",
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => "NUMERIC '",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "b'",
        _ => "",
    };
    out.push_str(word);
    match (word, values.data_type()) {
        ("b'", _) => {
            for pair in text.as_bytes().chunks(2) {
                let _ = write!(out, "\\x{}", String::from_utf8_lossy(pair));
            }
        }
        ("'", _) => out.push_str(&text.replace('\'', "''")),
        _ => out.push_str(&text),
    }
    out.push_str(if word.is_empty() { "" } else { "'" });
}
