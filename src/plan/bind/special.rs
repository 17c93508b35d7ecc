//! Operands that need care before an operator takes them: bits, shifts, and days that get hours.

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, Operator};

use super::translate::operator_types;
use super::typed::Typed;
use super::types::timestamp;
use crate::catalog::functions::{has_only_days, shift_count};
use crate::error::{Error, Result, Span};

/// The operands as the operator takes them.
pub(super) fn prepared(
    left: Typed,
    operator: Operator,
    right: Typed,
    span: Span,
) -> Result<(Typed, Typed)> {
    match operator {
        Operator::BitwiseAnd | Operator::BitwiseOr | Operator::BitwiseXor => {
            check_bits(&left, operator, &right, span)?;
            Ok((left, right))
        }
        Operator::BitwiseShiftLeft | Operator::BitwiseShiftRight => {
            check_bits(&left, operator, &right, span)?;
            let count = checked_count(right)?;
            Ok((wide(left), count))
        }
        Operator::Plus | Operator::Minus => Ok(match (is_date(&left), is_date(&right)) {
            (true, false) if adds_hours(&right) => (left.cast(&timestamp()), right),
            (false, true) if adds_hours(&left) => (left, right.cast(&timestamp())),
            _ => (left, right),
        }),
        _ => Ok((left, right)),
    }
}

fn check_bits(left: &Typed, operator: Operator, right: &Typed, span: Span) -> Result<()> {
    let has_bits = |typed: &Typed| typed.data_type.is_integer() || typed.is_null();
    if has_bits(left) && has_bits(right) {
        return Ok(());
    }
    let symbol = super::operators::symbol(operator);
    Err(operator_types(&symbol, &[left, right], span).hint("bits are those of whole numbers"))
}

/// Shifts are those of 64 bits.
fn wide(value: Typed) -> Typed {
    match value.data_type {
        DataType::UInt64 => value,
        _ => value.cast(&DataType::Int64),
    }
}

/// How far to shift: 0 to 63, which is checked now or when it runs.
fn checked_count(count: Typed) -> Result<Typed> {
    let span = count.span;
    if let Some(value) = count.value().cloned() {
        return match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(0..=63) | None)) => Ok(count.cast(&DataType::Int64)),
            _ => Err(Error::run(
                "TM0502",
                format!("a shift by {value} is not one by 0 to 63 bits"),
            )
            .at(span)),
        };
    }
    let nullable = count.nullable;
    let count = count.cast(&DataType::Int64);
    let checked = ScalarFunction::new_udf(shift_count(), vec![count.expr]);
    Ok(Typed {
        nullable,
        ..Typed::new(Expr::ScalarFunction(checked), DataType::Int64, span)
    })
}

fn is_date(typed: &Typed) -> bool {
    matches!(typed.data_type, DataType::Date32 | DataType::Date64)
}

/// Whether an interval can have hours: known ones are looked at.
fn adds_hours(typed: &Typed) -> bool {
    match (&typed.data_type, &typed.expr) {
        (DataType::Interval(_), Expr::Literal(ScalarValue::IntervalMonthDayNano(value), _)) => {
            let IntervalMonthDayNano { nanoseconds, .. } = value.unwrap_or_default();
            nanoseconds != 0
        }
        (DataType::Interval(_), Expr::ScalarFunction(call)) => !has_only_days(&call.func),
        (DataType::Interval(_), _) => true,
        _ => false,
    }
}
