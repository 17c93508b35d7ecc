//! Which share of rows passes a condition, guessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};

use super::estimate::{ColumnEstimate, number};

/// Text that equals a constant: values of text are rarely all different.
const EQUAL_TEXT: f64 = 0.05;
const LIKE: f64 = 0.1;
const COMPARED: f64 = 1.0 / 3.0;
const ANYTHING: f64 = 0.25;
const NULL: f64 = 0.05;

/// The share of rows for which `condition` is true. `columns` are those it reads.
pub(super) fn selectivity(condition: &Arc<dyn PhysicalExpr>, columns: &[ColumnEstimate]) -> f64 {
    // Limits on one column belong together: half of a year is not half of all years twice.
    let mut ranges: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    let mut share = 1.0;
    for part in split_conjunction(condition) {
        match limits(part, columns) {
            Some((column, low, high)) => {
                let range = ranges
                    .entry(column)
                    .or_insert((f64::NEG_INFINITY, f64::INFINITY));
                *range = (range.0.max(low), range.1.min(high));
            }
            None => share *= of_part(part, columns),
        }
    }
    for (column, (low, high)) in ranges {
        share *= in_range(&columns[column], low, high);
    }
    share.clamp(1e-9, 1.0)
}

/// A condition that says between which numbers a column lies.
fn limits(part: &Arc<dyn PhysicalExpr>, columns: &[ColumnEstimate]) -> Option<(usize, f64, f64)> {
    let (column, op, value) = comparison(part)?;
    columns.get(column)?.range?;
    let value = number(value.value())?;
    match op {
        Operator::Lt | Operator::LtEq => Some((column, f64::NEG_INFINITY, value)),
        Operator::Gt | Operator::GtEq => Some((column, value, f64::INFINITY)),
        _ => None,
    }
}

fn in_range(column: &ColumnEstimate, low: f64, high: f64) -> f64 {
    let Some((least, most)) = column.range else {
        return COMPARED;
    };
    let width = most - least;
    if width <= 0.0 {
        return if low <= least && least <= high {
            1.0
        } else {
            0.0
        };
    }
    let share = (high.min(most) - low.max(least)) / width;
    // A single value is no interval, but it has rows.
    share.max(1.0 / column.distinct).clamp(0.0, 1.0)
}

/// `column op constant`, also where it is written the other way round or the column is cast.
fn comparison(part: &Arc<dyn PhysicalExpr>) -> Option<(usize, Operator, &Literal)> {
    let binary = part.downcast_ref::<BinaryExpr>()?;
    let (left, right) = (binary.left(), binary.right());
    if let Some(value) = right.downcast_ref::<Literal>() {
        return Some((column(left)?, *binary.op(), value));
    }
    let value = left.downcast_ref::<Literal>()?;
    Some((column(right)?, binary.op().swap()?, value))
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return column(cast.expr());
    }
    Some(expr.downcast_ref::<Column>()?.index())
}

fn of_part(part: &Arc<dyn PhysicalExpr>, columns: &[ColumnEstimate]) -> f64 {
    if let Some(not) = part.downcast_ref::<NotExpr>() {
        return 1.0 - selectivity(not.arg(), columns);
    }
    if let Some(list) = part.downcast_ref::<InListExpr>() {
        let one = column(list.expr()).map_or(EQUAL_TEXT, |column| equal(columns.get(column)));
        let any = (one * list.list().len() as f64).min(SOME_OF_A_LIST);
        return if list.negated() { 1.0 - any } else { any };
    }
    if let Some(like) = part.downcast_ref::<LikeExpr>() {
        return if like.negated() { 1.0 - LIKE } else { LIKE };
    }
    if part.is::<IsNullExpr>() {
        return NULL;
    }
    if part.is::<IsNotNullExpr>() {
        return 1.0 - NULL;
    }
    let Some(binary) = part.downcast_ref::<BinaryExpr>() else {
        return ANYTHING;
    };
    let constant = comparison(part).map(|(column, _, _)| equal(columns.get(column)));
    match binary.op() {
        Operator::Or => {
            let (left, right) = (
                selectivity(binary.left(), columns),
                selectivity(binary.right(), columns),
            );
            left + right - left * right
        }
        Operator::And => selectivity(part, columns),
        Operator::Eq | Operator::IsNotDistinctFrom => constant.unwrap_or(EQUAL_TEXT),
        Operator::NotEq | Operator::IsDistinctFrom => 1.0 - constant.unwrap_or(EQUAL_TEXT),
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => COMPARED,
        Operator::LikeMatch | Operator::ILikeMatch => LIKE,
        _ => ANYTHING,
    }
}

/// Most rows that a list of constants is taken to let pass.
const SOME_OF_A_LIST: f64 = 0.5;

/// The share of one value.
fn equal(column: Option<&ColumnEstimate>) -> f64 {
    match column {
        Some(column) if column.counted || column.range.is_some() => 1.0 / column.distinct,
        _ => EQUAL_TEXT,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;

    use super::*;

    fn compare(op: Operator, value: i64) -> Arc<dyn PhysicalExpr> {
        let literal = Literal::new(ScalarValue::from(value));
        Arc::new(BinaryExpr::new(
            Arc::new(Column::new("x", 0)),
            op,
            Arc::new(literal),
        ))
    }

    fn share(condition: &Arc<dyn PhysicalExpr>) -> f64 {
        let column = ColumnEstimate {
            distinct: 101.0,
            counted: false,
            range: Some((0.0, 100.0)),
        };
        selectivity(condition, &[column])
    }

    fn both(
        left: Arc<dyn PhysicalExpr>,
        op: Operator,
        right: Arc<dyn PhysicalExpr>,
    ) -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(left, op, right))
    }

    #[test]
    fn limits_of_one_column_are_one_interval() {
        let (low, high) = (compare(Operator::GtEq, 40), compare(Operator::Lt, 50));
        assert!((share(&low) - 0.6).abs() < 1e-9);
        assert!((share(&both(low, Operator::And, high)) - 0.1).abs() < 1e-9);
        assert!(share(&compare(Operator::Gt, 200)) < 0.02);
    }

    #[test]
    fn one_value_is_one_of_all() {
        let (one, other) = (compare(Operator::Eq, 4), compare(Operator::Eq, 5));
        assert!((share(&one) - 1.0 / 101.0).abs() < 1e-9);
        let either = share(&both(one, Operator::Or, other));
        assert!((0.019..0.02).contains(&either));
    }
}
