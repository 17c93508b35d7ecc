//! FORMAT: values in the places of a pattern, as `printf` and GoogleSQL write them. [`template`] reads the pattern, [`number`] writes
//! numbers, [`printed`] writes any value for `%t` and `%T`.

mod number;
mod printed;
mod template;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use datafusion::common::Result as DataFusionResult;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::bounded::{BYTES_MAX, too_much};
use crate::error::Error;
use number::Number;
use printed::print;
use template::{Amount, Field, Kind, Piece, Template};

/// The function.
pub(super) fn format_function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Format {
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
}

/// What is wrong with a pattern, for values of these types; nothing where they go together.
pub(crate) fn format_fault(pattern: &str, types: &[DataType]) -> Option<String> {
    let checked = Template::parse(pattern).and_then(|template| template.check(types));
    checked.err()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Format {
    signature: Signature,
}

impl ScalarUDFImpl for Format {
    fn name(&self) -> &str {
        "format"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let one = arguments
            .args
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if one { 1 } else { arguments.number_rows };
        let arrays = arguments.args.iter().map(|value| value.to_array(rows));
        let arrays = arrays.collect::<DataFusionResult<Vec<_>>>()?;
        let Some((patterns, values)) = arrays.split_first() else {
            return Err(failed("FORMAT needs a pattern".to_string()));
        };
        let texts = formatted(patterns, values)?;
        match one {
            true => Ok(ColumnarValue::Scalar(
                datafusion::scalar::ScalarValue::try_from_array(&texts, 0)?,
            )),
            false => Ok(ColumnarValue::Array(Arc::new(texts))),
        }
    }
}

fn failed(message: String) -> DataFusionError {
    let message = format!("FORMAT: {message}");
    DataFusionError::External(Box::new(Error::run("TM0508", message)))
}

fn formatted(patterns: &ArrayRef, values: &[ArrayRef]) -> DataFusionResult<StringArray> {
    let patterns = cast(patterns, &DataType::Utf8)?;
    let patterns = patterns.as_string::<i32>();
    let types: Vec<DataType> = values.iter().map(|v| v.data_type().clone()).collect();
    let values = values.iter().map(Values::of);
    let values = values.collect::<DataFusionResult<Vec<_>>>()?;
    let mut known: Option<(&str, Template)> = None;
    let mut out = StringBuilder::new();
    let (mut text, mut bytes) = (String::new(), 0);
    for (row, pattern) in patterns.iter().enumerate() {
        let Some(pattern) = pattern else {
            out.append_null();
            continue;
        };
        if known.as_ref().is_none_or(|(same, _)| *same != pattern) {
            let template = Template::parse(pattern).and_then(|template| {
                template.check(&types)?;
                Ok(template)
            });
            known = Some((pattern, template.map_err(failed)?));
        }
        text.clear();
        let template = known.as_ref().map(|(_, template)| template);
        let written = template.map(|template| write(template, &values, row, &mut text));
        match written.transpose().map_err(failed)? {
            Some(true) => out.append_value(&text),
            Some(false) | None => out.append_null(),
        }
        bytes += text.len() as u128;
        if bytes > BYTES_MAX {
            return Err(too_much("FORMAT"));
        }
    }
    Ok(out.finish())
}

/// Writes a row; false where a value is NULL for which nothing stands.
fn write(
    template: &Template,
    values: &[Values],
    row: usize,
    out: &mut String,
) -> Result<bool, String> {
    let mut next = values.iter();
    for piece in &template.pieces {
        let field = match piece {
            Piece::Text(text) => {
                out.push_str(text);
                continue;
            }
            Piece::Field(field) => field,
        };
        let mut amount = |amount: Amount| match amount {
            Amount::None => Some(None),
            Amount::Fixed(count) => Some(Some(count as i64)),
            Amount::Given => next.next()?.amount(row).map(Some),
        };
        let (Some(width), Some(precision)) = (amount(field.width), amount(field.precision)) else {
            return Ok(false);
        };
        // A negative precision is none, a negative width is one to the left.
        let precision = precision.filter(|count| *count >= 0);
        let left = field.flags.left || width.is_some_and(|width| width < 0);
        let bounded = |count: i64| template::bounded(count.unsigned_abs());
        let width = width.map_or(Ok(0), bounded)?;
        let precision = precision.map(bounded).transpose()?;
        let Some(value) = next.next() else {
            return Ok(false);
        };
        let Some(written) = value.written(field, precision, row) else {
            return Ok(false);
        };
        pad(&written, width, left, field.flags.zero, out);
    }
    Ok(true)
}

/// What stands for a value: zeros may come between its sign and its digits.
struct Written {
    sign: &'static str,
    text: String,
    takes_zeros: bool,
}

fn pad(written: &Written, width: usize, left: bool, zero: bool, out: &mut String) {
    let length = written.sign.len() + written.text.chars().count();
    let missing = width.saturating_sub(length);
    let zeros = zero && written.takes_zeros && !left;
    let fill = |out: &mut String, with: char| out.extend(std::iter::repeat_n(with, missing));
    if !left && !zeros {
        fill(out, ' ');
    }
    out.push_str(written.sign);
    if zeros {
        fill(out, '0');
    }
    out.push_str(&written.text);
    if left {
        fill(out, ' ');
    }
}

/// The values of an argument, as the pattern's places read them.
struct Values {
    all: ArrayRef,
    kind: ValueKind,
}

enum ValueKind {
    Whole(Int64Array),
    Unsigned(arrow::array::UInt64Array),
    Float(arrow::array::Float64Array),
    Decimal(arrow::array::Decimal128Array),
    Text(StringArray),
    Other,
}

impl Values {
    fn of(all: &ArrayRef) -> DataFusionResult<Self> {
        let as_type = |kind: &DataType| cast(all, kind);
        let kind = match all.data_type() {
            DataType::UInt64 => ValueKind::Unsigned(all.as_primitive::<UInt64Type>().clone()),
            kind if kind.is_integer() => {
                ValueKind::Whole(as_type(&DataType::Int64)?.as_primitive().clone())
            }
            kind if kind.is_floating() => {
                let floats = as_type(&DataType::Float64)?;
                ValueKind::Float(floats.as_primitive::<Float64Type>().clone())
            }
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
                let (precision, scale) = number::digits_of(all.data_type());
                let decimals = as_type(&DataType::Decimal128(precision, scale))?;
                ValueKind::Decimal(decimals.as_primitive().clone())
            }
            kind if kind.is_string() => {
                ValueKind::Text(as_type(&DataType::Utf8)?.as_string::<i32>().clone())
            }
            _ => ValueKind::Other,
        };
        let all = Arc::clone(all);
        Ok(Values { all, kind })
    }

    fn is_null(&self, row: usize) -> bool {
        self.all.is_null(row) || self.all.data_type().is_null()
    }

    /// What a `*` takes.
    fn amount(&self, row: usize) -> Option<i64> {
        match &self.kind {
            _ if self.is_null(row) => None,
            ValueKind::Whole(values) => Some(values.value(row)),
            ValueKind::Unsigned(values) => {
                Some(i64::try_from(values.value(row)).unwrap_or(i64::MAX))
            }
            _ => None,
        }
    }

    fn number(&self, row: usize) -> Option<Number> {
        match &self.kind {
            _ if self.is_null(row) => None,
            ValueKind::Whole(values) => Some(Number::Whole(values.value(row).into())),
            ValueKind::Unsigned(values) => Some(Number::Whole(values.value(row).into())),
            ValueKind::Float(values) => Some(Number::Float(values.value(row))),
            ValueKind::Decimal(values) => Some(Number::Decimal(values.value(row), values.scale())),
            ValueKind::Text(_) | ValueKind::Other => None,
        }
    }

    fn written(&self, field: &Field, precision: Option<usize>, row: usize) -> Option<Written> {
        let text = match field.kind {
            Kind::Printed { literal } => {
                let mut text = String::new();
                print(&mut text, self.all.as_ref(), row, literal);
                text
            }
            Kind::Text => match &self.kind {
                ValueKind::Text(values) if !self.is_null(row) => values.value(row).to_string(),
                _ => return None,
            },
            Kind::Whole(_) | Kind::Point(_) => {
                return Some(self.number(row)?.written(field, precision));
            }
        };
        let text = match precision {
            Some(most) => text.chars().take(most).collect(),
            None => text,
        };
        Some(Written {
            sign: "",
            text,
            takes_zeros: false,
        })
    }
}

#[cfg(test)]
mod tests;
