//! Arithmetic on values that are known already. It is checked here: later folding would wrap around in silence.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, Volatility,
};

use super::typed::{Typed, is_decimal, is_exact_number};
use crate::error::{Error, Result, Span};

/// The value of `left operator right` when both sides are known numbers; `None` when it is for run time.
pub(super) fn fold(
    left: &Typed,
    operator: Operator,
    right: &Typed,
    span: Span,
) -> Result<Option<Typed>> {
    if !matches!(
        operator,
        Operator::Plus | Operator::Minus | Operator::Multiply
    ) {
        return Ok(None);
    }
    if left.exact.is_some() || right.exact.is_some() {
        return Ok(fold_with_point(left, operator, right, span));
    }
    let (Some(a), Some(b)) = (&left.constant, &right.constant) else {
        return Ok(None);
    };
    if a.is_null() || b.is_null() {
        return Ok(None);
    }
    match arithmetic(a, operator, b) {
        Some(value) => Ok(Some(Typed::literal(value, span))),
        None => Err(too_large(span)),
    }
}

/// `0.06 - 0.01` keeps its exact value too.
fn fold_with_point(left: &Typed, operator: Operator, right: &Typed, span: Span) -> Option<Typed> {
    let (ScalarValue::Float64(Some(a)), ScalarValue::Float64(Some(b))) =
        (as_float(left)?, as_float(right)?)
    else {
        return None;
    };
    let value = match operator {
        Operator::Plus => a + b,
        Operator::Minus => a - b,
        _ => a * b,
    };
    let mut folded = Typed::literal(ScalarValue::from(value), span);
    folded.exact = arithmetic(&exact(left)?, operator, &exact(right)?);
    Some(folded)
}

fn as_float(typed: &Typed) -> Option<ScalarValue> {
    typed
        .value()?
        .cast_to(&arrow::datatypes::DataType::Float64)
        .ok()
}

fn exact(typed: &Typed) -> Option<ScalarValue> {
    typed.exact.clone().or_else(|| typed.constant.clone())
}

/// `-value`, checked.
pub(super) fn negate(operand: &Typed, span: Span) -> Result<Option<Typed>> {
    if operand.exact.is_some() {
        let Some(ScalarValue::Float64(Some(value))) = operand.value() else {
            return Ok(None);
        };
        let mut negated = Typed::literal(ScalarValue::from(-value), span);
        negated.exact = operand
            .exact
            .as_ref()
            .and_then(|exact| exact.arithmetic_negate().ok());
        return Ok(Some(negated));
    }
    match &operand.constant {
        Some(value) if !value.is_null() && !operand.data_type.is_unsigned_integer() => {
            let negated = value.arithmetic_negate().map_err(|_| too_large(span))?;
            Ok(Some(Typed::literal(negated, span)))
        }
        _ => Ok(None),
    }
}

/// The value of a function of known numbers, so that arithmetic on it is checked too. `None` leaves the call for run time.
pub(super) fn call(
    function: &ScalarUDF,
    arguments: &[Typed],
    returned: &FieldRef,
) -> Option<ScalarValue> {
    let pure = function.signature().volatility == Volatility::Immutable;
    if !pure || arguments.is_empty() || !is_exact_number(returned.data_type()) {
        return None;
    }
    let fields: Vec<FieldRef> = arguments.iter().map(Typed::field).collect();
    let fields = fields_with_udf(&fields, function).ok()?;
    let mut values = Vec::with_capacity(arguments.len());
    for (argument, field) in arguments.iter().zip(&fields) {
        let value = argument
            .constant
            .as_ref()?
            .cast_to(field.data_type())
            .ok()?;
        values.push(ColumnarValue::Scalar(value));
    }
    let result = function.invoke_with_args(ScalarFunctionArgs {
        args: values,
        arg_fields: fields,
        number_rows: 1,
        return_field: Arc::clone(returned),
        config_options: Arc::new(ConfigOptions::default()),
    });
    match result.ok()? {
        ColumnarValue::Scalar(value) => Some(value),
        ColumnarValue::Array(values) => ScalarValue::try_from_array(&values, 0).ok(),
    }
}

/// `None` when the result does not fit its type.
fn arithmetic(a: &ScalarValue, operator: Operator, b: &ScalarValue) -> Option<ScalarValue> {
    let (left, right) = (a.data_type(), b.data_type());
    let coercer = BinaryTypeCoercer::new(&left, &operator, &right);
    let (left, right) = coercer.get_input_types().ok()?;
    let (a, b) = (a.cast_to(&left).ok()?, b.cast_to(&right).ok()?);
    let value = match operator {
        Operator::Plus => a.add_checked(&b).ok()?,
        Operator::Minus => a.sub_checked(&b).ok()?,
        _ => a.mul_checked(&b).ok()?,
    };
    let fits = match &value {
        ScalarValue::Decimal128(Some(digits), _, _) => digits.unsigned_abs() < 10u128.pow(38),
        _ => !is_decimal(&value.data_type()),
    };
    fits.then_some(value)
}

fn too_large(span: Span) -> Error {
    Error::new(
        crate::error::ErrorKind::Run,
        "TM0502",
        "the result is too large for its type",
    )
    .at(span)
    .hint("cast an operand to a wider type: CAST(x AS DECIMAL(38, 0)) or CAST(x AS FLOAT64)")
}
