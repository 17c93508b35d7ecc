//! Literals and parameters: text to values.

use datafusion::common::ScalarValue;

use super::typed::Typed;
use super::types::{datetime, interval, timestamp, type_name};
use super::{Binder, names};
use crate::catalog::{DeclaredParameter, SETTINGS, Setting};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Expr, ExprKind, Ident, Literal, Parameter};
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, TimeUnit};

impl Binder<'_> {
    pub(super) fn literal(&self, literal: &Literal, span: Span) -> Result<Typed> {
        let value = match literal {
            Literal::Null => ScalarValue::Null,
            Literal::Bool(value) => ScalarValue::from(*value),
            Literal::Integer(digits) => return integer(digits, false, span),
            Literal::Decimal(digits) => return with_point(digits, span),
            Literal::Float(digits) => ScalarValue::from(float(digits, span)?),
            Literal::String(text) => ScalarValue::from(text.as_str()),
            Literal::Bytes(bytes) => ScalarValue::Binary(Some(bytes.clone())),
            Literal::Typed { type_name, text } => typed_literal(type_name, text, span)?,
        };
        Ok(Typed::literal(value, span))
    }

    pub(super) fn parameter(&self, parameter: &Parameter, span: Span) -> Result<Typed> {
        let (value, name) = match parameter {
            Parameter::Named(name) => {
                let named = self.parameters.named.iter();
                let value = named
                    .filter(|(known, _)| known.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value)
                    .next();
                (value, format!("@{name}"))
            }
            Parameter::Positional(index) => {
                let value = self.parameters.positional.get(*index);
                (value, format!("number {}", index + 1))
            }
        };
        let declared = self.session.parameter(name.trim_start_matches('@'));
        let value = match (value, declared) {
            (Some(value), Some(declared)) => as_declared(value, declared, span)?,
            (Some(value), None) => value.clone(),
            (
                None,
                Some(DeclaredParameter {
                    default: Some(default),
                    ..
                }),
            ) => default.clone(),
            (None, declared) if self.parameters.absent_are_null => match declared {
                Some(declared) => ScalarValue::try_from(&declared.data_type)?,
                None => ScalarValue::Null,
            },
            (None, _) => {
                let message = format!("parameter {name} has no value");
                let error = Error::input("TM0601", message, span);
                let passed = self.parameters.named.iter();
                let passed = passed.map(|(passed, _)| passed.as_str());
                return Err(match names::nearest(name.trim_start_matches('@'), passed) {
                    Some(near) => error
                        .label(format!("did you mean `@{near}`?"))
                        .fix(format!("@{near}")),
                    None => error.hint("pass a value for it with the query: --param name=value, or --arg value for ?"),
                });
            }
        };
        Ok(Typed::literal(value, span))
    }

    /// `@@name`
    pub(super) fn setting(&self, name: &Ident) -> Result<Typed> {
        match Setting::find(&name.text) {
            Some(setting) => {
                let value = (setting.get)(&self.session.settings);
                Ok(Typed::literal(value, name.span))
            }
            None => Err(unknown_setting(name)),
        }
    }

    /// `-5` as one literal, so that the smallest INT64 can be written.
    pub(super) fn negative_literal(&self, operand: &Expr, span: Span) -> Option<Result<Typed>> {
        match operand.kind.as_ref() {
            ExprKind::Literal(Literal::Integer(digits)) => Some(integer(digits, true, span)),
            _ => None,
        }
    }
}

/// The value that was passed, as the type that was declared for it.
pub(crate) fn as_declared(
    value: &ScalarValue,
    declared: &DeclaredParameter,
    span: Span,
) -> Result<ScalarValue> {
    let cast = value.cast_to(&declared.data_type).ok();
    cast.filter(|cast| !cast.is_null() || value.is_null())
        .ok_or_else(|| {
            let wanted = type_name(&declared.data_type);
            let message = format!("`{value}` is no {wanted}, which @{} must be", declared.name);
            Error::input("TM0601", message, span)
        })
}

/// TM0603: no setting has this name.
pub(crate) fn unknown_setting(name: &Ident) -> Error {
    let known = || SETTINGS.iter().map(|setting| setting.name);
    let message = format!("no setting named `{}`", name.text);
    let error = Error::input("TM0603", message, name.span);
    match names::nearest(&name.text, known()) {
        Some(near) => error
            .label(format!("did you mean `@@{near}`?"))
            .fix(format!("@@{near}")),
        None => error.available(known().collect::<Vec<_>>().join(", ")),
    }
}

fn integer(digits: &str, negative: bool, span: Span) -> Result<Typed> {
    let magnitude = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hexadecimal) => i128::from_str_radix(hexadecimal, 16),
        None => digits.parse::<i128>(),
    };
    let value = magnitude
        .ok()
        .map(|magnitude| if negative { -magnitude } else { magnitude })
        .and_then(|value| i64::try_from(value).ok())
        .ok_or_else(|| {
            Error::input("TM0404", "this number is too large for INT64", span)
                .hint(format!("for a DECIMAL write NUMERIC '{digits}'"))
        })?;
    Ok(Typed::literal(ScalarValue::from(value), span))
}

/// `1.5` is FLOAT64, and keeps its digits in case a DECIMAL stands beside it.
fn with_point(digits: &str, span: Span) -> Result<Typed> {
    let mut typed = Typed::literal(ScalarValue::from(float(digits, span)?), span);
    typed.exact = decimal(digits);
    Ok(typed)
}

fn float(digits: &str, span: Span) -> Result<f64> {
    let value = digits
        .parse::<f64>()
        .map_err(|_| Error::input("TM0404", "this is not a number", span))?;
    if value.is_infinite() {
        return Err(Error::input(
            "TM0404",
            "this number is too large for FLOAT64",
            span,
        ));
    }
    Ok(value)
}

/// The digits as a DECIMAL with the precision and scale that were written.
fn decimal(text: &str) -> Option<ScalarValue> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let scale = i8::try_from(fraction.len()).ok()?;
    let joined = format!("{whole}{fraction}");
    let significant = joined.trim_start_matches('0');
    let precision = u8::try_from(significant.len().max(fraction.len()).max(1)).ok()?;
    let all_digits = joined.bytes().all(|byte| byte.is_ascii_digit());
    if precision > DECIMAL128_MAX_PRECISION || !all_digits {
        return None;
    }
    let magnitude: i128 = joined.parse().ok()?;
    let value = if negative { -magnitude } else { magnitude };
    Some(ScalarValue::Decimal128(Some(value), precision, scale))
}

fn typed_literal(type_name: &str, text: &str, span: Span) -> Result<ScalarValue> {
    let data_type = match type_name {
        "NUMERIC" | "DECIMAL" | "BIGNUMERIC" | "BIGDECIMAL" => {
            return decimal(text.trim()).ok_or_else(|| invalid(type_name, text, span));
        }
        "JSON" => return Ok(ScalarValue::from(text)),
        "DATE" => DataType::Date32,
        "TIME" => DataType::Time64(TimeUnit::Microsecond),
        "TIMESTAMP" => timestamp(),
        "DATETIME" => datetime(),
        "INTERVAL" => interval(),
        _ => {
            return Err(Error::not_implemented(
                format!("the literal {type_name} '…'"),
                span,
            ));
        }
    };
    ScalarValue::from(text)
        .cast_to(&data_type)
        .ok()
        .filter(|value| !value.is_null())
        .ok_or_else(|| invalid(type_name, text, span))
}

fn invalid(type_name: &str, text: &str, span: Span) -> Error {
    let example = match type_name {
        "DATE" => "DATE '2024-01-31'",
        "TIME" => "TIME '23:59:00'",
        "TIMESTAMP" => "TIMESTAMP '2024-01-31 23:59:00Z'",
        "DATETIME" => "DATETIME '2024-01-31 23:59:00'",
        "INTERVAL" => "INTERVAL '1 day 2 hours'",
        _ => "NUMERIC '1.50'",
    };
    Error::input(
        "TM0404",
        format!("'{text}' is not a valid {type_name}"),
        span,
    )
    .hint(format!("write it as {example}"))
}
