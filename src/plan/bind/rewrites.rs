//! Functions that the language has and DataFusion calls otherwise.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::Binder;
use super::stage::Stage;
use super::translate::operator_types;
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, Argument, ArgumentValue, Call, ExprKind};

/// Functions that are no functions of the catalog: name, form and sentence.
pub(super) const REWRITTEN: &[(&str, &str, &str)] = &[
    (
        "if",
        "IF(BOOL, value, value)",
        "The second argument where the first is TRUE, otherwise the third.",
    ),
    (
        "countif",
        "COUNTIF(BOOL)",
        "The number of rows for which the condition is TRUE.",
    ),
    (
        "logical_and",
        "LOGICAL_AND(BOOL)",
        "TRUE if no value is FALSE.",
    ),
    (
        "logical_or",
        "LOGICAL_OR(BOOL)",
        "TRUE if any value is TRUE.",
    ),
    (
        "div",
        "DIV(integer, integer)",
        "The whole part of a quotient.",
    ),
    (
        "ifnull",
        "IFNULL(value, value)",
        "The second argument where the first is NULL.",
    ),
];

impl Binder<'_> {
    /// The call in other words, if it is one of these.
    pub(super) fn rewrite_call(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Option<Typed>> {
        Ok(Some(match name {
            "if" => {
                let [condition, then, otherwise] = self.plain_arguments(call, span)?;
                let branches = [(condition.clone(), then.clone())];
                self.case(None, &branches, Some(otherwise), span, stage)?
            }
            "countif" | "count_if" => {
                let [condition] = self.plain_arguments(call, span)?;
                let counted = count_where(call, condition, span);
                self.call(&counted, span, stage)?
            }
            "logical_and" => self.call(&renamed(call, "bool_and"), span, stage)?,
            "logical_or" => self.call(&renamed(call, "bool_or"), span, stage)?,
            "div" => {
                let [dividend, divisor] = self.plain_arguments(call, span)?;
                let dividend = self.expr(dividend, stage)?;
                let divisor = self.expr(divisor, stage)?;
                self.noted(int_quotient(dividend, divisor, span)?)
            }
            "ifnull" => {
                let [value, otherwise] = self.plain_arguments(call, span)?;
                let arguments = vec![self.expr(value, stage)?, self.expr(otherwise, stage)?];
                self.apply_named("coalesce", arguments, span)?
            }
            "array_length" if call.args.len() == 1 => {
                let [array] = self.plain_arguments(call, span)?;
                let array = self.expr(array, stage)?;
                let length = self.apply_named("array_length", vec![array], span)?;
                length.cast(&DataType::Int64)
            }
            "date_part" | "datepart" => {
                let [part, operand] = self.plain_arguments(call, span)?;
                let part = self.expr(part, stage)?;
                let Some(name) = part.text().map(str::to_string) else {
                    return Err(Error::input(
                        "TM0402",
                        "the first argument of DATE_PART is the part's name",
                        part.span,
                    )
                    .hint("write DATE_PART('year', x), or EXTRACT(YEAR FROM x)"));
                };
                let operand = self.expr(operand, stage)?;
                self.date_part(&name, part.span, operand, span)?
            }
            _ => return Ok(None),
        }))
    }

    /// Exactly `N` arguments without names, lambdas or `*`.
    fn plain_arguments<'c, const N: usize>(
        &self,
        call: &'c Call,
        span: Span,
    ) -> Result<[&'c ast::Expr; N]> {
        let arguments: Vec<&ast::Expr> = call
            .args
            .iter()
            .filter_map(|argument| match argument {
                Argument {
                    name: None,
                    value: ArgumentValue::Expr(expr),
                } => Some(expr),
                _ => None,
            })
            .collect();
        let given = call.args.len();
        match <[&ast::Expr; N]>::try_from(arguments) {
            Ok(arguments) if given == N => Ok(arguments),
            _ => Err(Error::input(
                "TM0402",
                format!(
                    "{} takes {N} argument{}",
                    super::call::function_name(call),
                    if N == 1 { "" } else { "s" }
                ),
                span,
            )),
        }
    }
}

fn renamed(call: &Call, name: &str) -> Call {
    let mut call = call.clone();
    if let Some(last) = call.function.parts.last_mut() {
        last.text = name.to_string();
    }
    call
}

/// `COUNTIF(x)` is `COUNT(*) FILTER (WHERE x)`.
fn count_where(call: &Call, condition: &ast::Expr, span: Span) -> Call {
    let mut counted = renamed(call, "count");
    let filter = match counted.filter.take() {
        None => condition.clone(),
        Some(filter) => ast::Expr {
            kind: Box::new(ExprKind::And(vec![filter, condition.clone()])),
            span,
        },
    };
    counted.filter = Some(filter);
    counted.args = vec![Argument {
        name: None,
        value: ArgumentValue::Star(span),
    }];
    counted
}

/// `DIV(a, b)`: the whole part of the quotient.
fn int_quotient(dividend: Typed, divisor: Typed, span: Span) -> Result<Typed> {
    let is_int = |typed: &Typed| typed.data_type.is_integer() || typed.is_null();
    if !is_int(&dividend) || !is_int(&divisor) {
        return Err(operator_types("DIV", &[&dividend, &divisor], span));
    }
    let zero = divisor.value().is_some_and(|value| {
        ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
    });
    if zero {
        return Err(Error::run("TM0502", "division by zero")
            .at(span)
            .hint("guard the divisor with NULLIF(x, 0)"));
    }
    let int = DataType::Int64;
    let nullable = dividend.nullable || divisor.nullable;
    let quotient = BinaryExpr::new(
        Box::new(dividend.cast(&int).expr),
        Operator::Divide,
        Box::new(divisor.cast(&int).expr),
    );
    Ok(Typed {
        nullable,
        ..Typed::new(Expr::BinaryExpr(quotient), int, span)
    })
}
