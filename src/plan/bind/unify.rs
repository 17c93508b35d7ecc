//! The one type that several values have together: the branches of CASE, rows of VALUES, elements of an array.

use arrow::datatypes::DataType;
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{Case, Expr, Operator};

use super::Binder;
use super::stage::Stage;
use super::typed::{Typed, agree_on_exactness, is_decimal};
use super::types::type_name;
use crate::error::{Error, Result, Span};
use crate::lang::ast;

impl Binder<'_> {
    pub(super) fn case(
        &self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = operand
            .map(|operand| self.expr(operand, stage))
            .transpose()?;
        let mut whens = Vec::with_capacity(branches.len());
        let mut values = Vec::with_capacity(branches.len() + 1);
        for (when, then) in branches {
            let when = self.expr(when, stage)?;
            whens.push(match &operand {
                // `CASE x WHEN y` compares; doing it here gives the comparison's own type rules and messages.
                Some(operand) => {
                    let place = when.span;
                    self.operate(operand.clone(), Operator::Eq, when, place)?
                        .expr
                }
                None => when.condition("WHEN")?,
            });
            values.push(self.expr(then, stage)?);
        }
        let has_else = otherwise.is_some();
        if let Some(otherwise) = otherwise {
            values.push(self.expr(otherwise, stage)?);
        }
        let nullable = !has_else || values.iter().any(|value| value.nullable);
        let data_type = unify(&mut values, "the branches of CASE", span)?;
        let mut values = values
            .into_iter()
            .map(|value| Box::new(value.cast(&data_type).expr));
        let when_then_expr = whens
            .into_iter()
            .map(Box::new)
            .zip(values.by_ref())
            .collect();
        let case = Case {
            expr: None,
            when_then_expr,
            else_expr: values.next(),
        };
        Ok(Typed {
            nullable,
            ..Typed::new(Expr::Case(case), data_type, span)
        })
    }
}

/// The type that all values can have; numbers with a point are read exactly beside a DECIMAL.
pub(super) fn unify(values: &mut [Typed], what: &str, span: Span) -> Result<DataType> {
    agree_on_exactness(values);
    let types: Vec<DataType> = values
        .iter()
        .map(|value| value.data_type.clone())
        .filter(|data_type| *data_type != DataType::Null)
        .collect();
    let Some(first) = types.first() else {
        return Ok(DataType::Null);
    };
    if types.iter().all(|data_type| data_type == first) {
        return Ok(first.clone());
    }
    let mixed = types
        .iter()
        .any(|other| mixes_time_and_number(first, other) || mixes_text_and_number(first, other));
    let common = type_union_resolution(&types).filter(|_| !mixed);
    common.ok_or_else(|| {
        let mut names: Vec<String> = types.iter().map(type_name).collect();
        names.dedup();
        Error::input(
            "TM0403",
            format!("{what} have no common type: {}", names.join(", ")),
            span,
        )
        .hint("cast them to one type")
    })
}

/// A day or a moment beside a number: DataFusion would take the number for days or ticks since 1970.
pub(super) fn mixes_time_and_number(left: &DataType, right: &DataType) -> bool {
    let number = |data_type: &DataType| data_type.is_numeric() || is_decimal(data_type);
    let time = |data_type: &DataType| data_type.is_temporal();
    (number(left) && time(right)) || (time(left) && number(right))
}

/// Text beside a number: DataFusion would read the text as a number, row by row.
pub(super) fn mixes_text_and_number(left: &DataType, right: &DataType) -> bool {
    if let (DataType::List(left), DataType::List(right)) = (left, right) {
        return mixes_text_and_number(left.data_type(), right.data_type());
    }
    let number = |data_type: &DataType| data_type.is_numeric() || is_decimal(data_type);
    (number(left) && right.is_string()) || (left.is_string() && number(right))
}
