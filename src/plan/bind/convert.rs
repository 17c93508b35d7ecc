//! CAST, TRY_CAST and `::`.

use arrow::compute::can_cast_types;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr, TryCast};

use super::Binder;
use super::stage::Stage;
use super::typed::{Typed, is_decimal, is_exact_number};
use super::types::{data_type, type_name};
use crate::error::{Error, Result, Span};
use crate::lang::ast;

impl Binder<'_> {
    pub(super) fn cast(
        &self,
        operand: &ast::Expr,
        target: &ast::TypeName,
        lenient: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let target_type = data_type(target)?;
        let operand = self.expr(operand, stage)?;
        Ok(self.noted(cast_to(operand, &target_type, lenient, span)?))
    }
}

/// `operand` as `target`, or TM0406 when no value of the one can be the other.
pub(super) fn cast_to(
    operand: Typed,
    target: &DataType,
    lenient: bool,
    span: Span,
) -> Result<Typed> {
    let operand = if is_decimal(target) {
        operand.exactly()
    } else {
        operand
    };
    let structs = matches!(
        (&operand.data_type, target),
        (DataType::Struct(_), DataType::Struct(_))
    );
    if !structs && !operand.is_null() && !can_cast_types(&operand.data_type, target) {
        return Err(Error::input(
            "TM0406",
            format!(
                "{} cannot become {}",
                operand.type_name(),
                type_name(target)
            ),
            span,
        ));
    }
    // A known number stays known, so that arithmetic on it is checked.
    if is_exact_number(target)
        && let Some(value) = operand.value()
        && is_exact_number(&value.data_type())
        && !value.is_null()
    {
        match value.cast_to(target) {
            Ok(cast) if fits(&cast) => return Ok(Typed::literal(cast, span)),
            _ if lenient => {}
            _ => {
                let message = format!("{value} does not fit into {}", type_name(target));
                return Err(Error::run("TM0501", message)
                    .at(span)
                    .hint("TRY_CAST gives NULL where the value does not fit"));
            }
        }
    }
    let nullable = operand.nullable || lenient;
    let expr = Box::new(operand.expr);
    let expr = if lenient {
        Expr::TryCast(TryCast::new(expr, target.clone()))
    } else {
        Expr::Cast(Cast::new(expr, target.clone()))
    };
    Ok(Typed {
        nullable,
        ..Typed::new(expr, target.clone(), span)
    })
}

fn fits(value: &ScalarValue) -> bool {
    match value {
        ScalarValue::Decimal128(Some(digits), precision, _) => {
            digits.unsigned_abs() < 10u128.pow(u32::from(*precision))
        }
        _ => !value.is_null(),
    }
}
