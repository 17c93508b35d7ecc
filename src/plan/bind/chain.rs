//! Chains of AND and OR.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::Binder;
use super::stage::Stage;
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast;

impl Binder<'_> {
    /// `a AND b AND …`, as a balanced tree: ten thousand operands are a dozen levels.
    pub(super) fn chain(
        &self,
        operator: Operator,
        operands: &[ast::Expr],
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let word = if operator == Operator::And {
            "AND"
        } else {
            "OR"
        };
        let mut conditions = Vec::with_capacity(operands.len());
        for operand in operands {
            conditions.push(self.expr(operand, stage)?.condition(word)?);
        }
        if operator == Operator::Or {
            conditions = equalities_to_lists(conditions);
        }
        let tree =
            balanced(operator, conditions).ok_or_else(|| Error::bug("a chain without operands"))?;
        Ok(Typed::bool(tree, span))
    }
}

/// Joins conditions into a tree of logarithmic depth.
pub(super) fn balanced(operator: Operator, mut conditions: Vec<Expr>) -> Option<Expr> {
    while conditions.len() > 1 {
        let mut joined = Vec::with_capacity(conditions.len().div_ceil(2));
        let mut rest = conditions.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => {
                    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
                }
                None => left,
            });
        }
        conditions = joined;
    }
    conditions.pop()
}

/// `x = 1 OR x = 2 OR …` is `x IN (1, 2, …)`, which is looked up instead of tried one by one.
fn equalities_to_lists(conditions: Vec<Expr>) -> Vec<Expr> {
    const WORTH_IT: usize = 4;
    let mut lists: HashMap<(Column, DataType), Vec<Expr>> = HashMap::new();
    for condition in &conditions {
        if let Some((column, value)) = column_equals_literal(condition) {
            let key = (column.clone(), value.data_type());
            let literal = Expr::Literal(value.clone(), None);
            lists.entry(key).or_default().push(literal);
        }
    }
    lists.retain(|_, values| values.len() >= WORTH_IT);
    if lists.is_empty() {
        return conditions;
    }
    let mut kept = Vec::new();
    for condition in conditions {
        let key = column_equals_literal(&condition)
            .map(|(column, value)| (column.clone(), value.data_type()));
        match key {
            // An emptied list stands for one that has taken its place already.
            Some(key) if lists.contains_key(&key) => {
                let mut values = lists.get_mut(&key).map(std::mem::take).unwrap_or_default();
                add_other_zero(&mut values);
                if !values.is_empty() {
                    let column = Box::new(Expr::Column(key.0));
                    kept.push(Expr::InList(InList::new(column, values, false)));
                }
            }
            _ => kept.push(condition),
        }
    }
    kept
}

/// Floating-point numbers have two zeros that are equal; a list is looked up by bits.
fn add_other_zero(values: &mut Vec<Expr>) {
    let is_zero = |value: &Expr| match value {
        Expr::Literal(ScalarValue::Float64(Some(number)), _) => *number == 0.0,
        Expr::Literal(ScalarValue::Float32(Some(number)), _) => *number == 0.0,
        _ => false,
    };
    let zero = values.iter().find(|value| is_zero(value)).cloned();
    if let Some(Expr::Literal(zero, _)) = zero
        && let Ok(other) = zero.arithmetic_negate()
    {
        values.push(Expr::Literal(other, None));
    }
}

fn column_equals_literal(condition: &Expr) -> Option<(&Column, &ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else {
        return None;
    };
    match (left.as_ref(), op, right.as_ref()) {
        (Expr::Column(column), Operator::Eq, Expr::Literal(value, None)) => Some((column, value)),
        _ => None,
    }
}
