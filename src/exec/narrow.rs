//! Decimals in 64 bits, where their values fit.
//!
//! A planned `DECIMAL(15, 2)` times another has up to 38 digits, and arithmetic over 128 bits, checked row by row, is several times
//! slower than over 64. But the values at hand are mostly small. So the range of each column is looked at, batch by batch: where
//! it proves that no step can leave 64 bits, the whole expression runs unchecked over those. Otherwise nothing is lost but the
//! look.
//!
//! The result is a `Decimal64` where a `Decimal128` was planned. [`NarrowBatch`] is how those who can work with it pass it on, and
//! those who cannot get the planned type.

use std::cell::OnceCell;
use std::iter::zip;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal64Type, Decimal128Type, Int32Type, Int64Type, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};

use super::expr::exact_arithmetic;
use super::placed::without_place;
use crate::error::Result;
use program::{Narrow, Node, Values};

/// A batch whose columns may be stored in narrower types than planned: decimals in 64 bits, text as dictionaries.
pub(crate) struct NarrowBatch<'a> {
    given: &'a RecordBatch,
    planned_schema: &'a SchemaRef,
    planned: OnceCell<RecordBatch>,
}

impl<'a> NarrowBatch<'a> {
    pub(crate) fn new(given: &'a RecordBatch, planned_schema: &'a SchemaRef) -> Self {
        NarrowBatch {
            given,
            planned_schema,
            planned: OnceCell::new(),
        }
    }

    /// The batch as it is.
    pub(crate) fn given(&self) -> &'a RecordBatch {
        self.given
    }

    pub(crate) fn rows(&self) -> usize {
        self.given.num_rows()
    }

    /// The batch with the planned types.
    pub(crate) fn planned(&self) -> Result<&RecordBatch> {
        let as_planned = zip(self.given.columns(), self.planned_schema.fields())
            .all(|(column, field)| column.data_type() == field.data_type());
        if as_planned {
            return Ok(self.given);
        }
        if let Some(planned) = self.planned.get() {
            return Ok(planned);
        }
        let columns = zip(self.given.columns(), self.planned_schema.fields())
            .map(|(column, field)| Ok(cast(column, field.data_type())?))
            .collect::<Result<_>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        let schema = SchemaRef::clone(self.planned_schema);
        let planned = RecordBatch::try_new_with_options(schema, columns, &rows)?;
        Ok(self.planned.get_or_init(|| planned))
    }

    /// The values of `expr`, with the planned type.
    pub(crate) fn evaluate(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<ArrayRef> {
        Ok(expr.evaluate(self.planned()?)?.into_array(self.rows())?)
    }

    /// The values of `expr`, in a narrower type where that is as good.
    pub(crate) fn evaluate_narrow(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<ArrayRef> {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return Ok(Arc::clone(self.given.column(column.index())));
        }
        if let Some(exact) = exact_arithmetic(expr)
            && let DataType::Decimal128(_, scale) = expr.data_type(self.planned_schema)?
            && let Some(values) = arithmetic(exact, self.given)
            && values.scale() == scale
            && let Some(values) = values.into_narrow()
        {
            return Ok(values);
        }
        self.evaluate(expr)
    }
}

/// The outcome of `+`, `-` or `*` in 64 bits; None if it is not known to be possible.
pub(super) fn arithmetic(exact: &BinaryExpr, batch: &RecordBatch) -> Option<Narrow> {
    // Mostly the number of bits is proof enough, which is found in less time than the smallest and the largest value.
    let by_bits = whole(exact, batch, bounds_by_bits);
    let node = by_bits.or_else(|| whole(exact, batch, bounds))?;
    Some(Narrow {
        rows: batch.num_rows(),
        node,
    })
}

fn whole(exact: &BinaryExpr, batch: &RecordBatch, bounds: Bounds) -> Option<Node> {
    let left = operand(exact.left(), batch, bounds)?;
    let right = operand(exact.right(), batch, bounds)?;
    combine(left, *exact.op(), right)
}

/// Finds two numbers between which all values lie.
type Bounds = fn(&[i64]) -> (i64, i64);

fn bounds(values: &[i64]) -> (i64, i64) {
    let first = values.first().copied().unwrap_or_default();
    values.iter().fold((first, first), |(low, high), value| {
        (low.min(*value), high.max(*value))
    })
}

fn bounds_by_bits(values: &[i64]) -> (i64, i64) {
    // The highest bit that differs from the one below it is where the sign begins.
    let changes = values
        .iter()
        .fold(0, |changes, value| changes | (value ^ (value << 1)));
    match 63 - changes.leading_zeros().min(63) {
        63 => (i64::MIN, i64::MAX),
        bits => (-(1 << bits), (1 << bits) - 1),
    }
}

fn operand(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch, bounds: Bounds) -> Option<Node> {
    let expr = without_place(expr);
    if let Some(column) = expr.downcast_ref::<Column>() {
        return stored(batch.column(column.index()), bounds);
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return number(literal.value());
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let DataType::Decimal128(precision, scale) = cast.cast_type() else {
            return None;
        };
        let values = rescale(operand(&cast.expr, batch, bounds)?, *scale)?;
        let end = values.low.unsigned_abs().max(values.high.unsigned_abs());
        let fits = u128::from(end) < 10_u128.checked_pow(u32::from(*precision))?;
        return fits.then_some(values);
    }
    whole(exact_arithmetic(expr)?, batch, bounds)
}

fn number(value: &ScalarValue) -> Option<Node> {
    let (value, scale) = match value {
        ScalarValue::Decimal128(Some(value), _, scale) => (i64::try_from(*value).ok()?, *scale),
        ScalarValue::Decimal64(Some(value), _, scale) => (*value, *scale),
        _ => return None,
    };
    Some(Node {
        values: Values::Same(value),
        low: value,
        high: value,
        scale,
    })
}

/// What a column holds, if its values fit.
fn stored(column: &ArrayRef, bounds: Bounds) -> Option<Node> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let (values, scale): (ScalarBuffer<i64>, i8) = match column.data_type() {
        DataType::Decimal64(_, scale) => {
            let values = column.as_primitive::<Decimal64Type>();
            (values.values().clone(), *scale)
        }
        DataType::Int64 => (column.as_primitive::<Int64Type>().values().clone(), 0),
        DataType::Int32 => {
            let values = column.as_primitive::<Int32Type>().values();
            (values.iter().map(|value| i64::from(*value)).collect(), 0)
        }
        DataType::Decimal128(_, scale) => {
            let values = column.as_primitive::<Decimal128Type>().values();
            // All rows at once: what lies under a NULL is a number, too, and rarely a large one.
            let lost = values
                .iter()
                .fold(0, |lost, value| lost | (*value ^ i128::from(*value as i64)));
            if lost != 0 {
                return None;
            }
            (values.iter().map(|value| *value as i64).collect(), *scale)
        }
        _ => return None,
    };
    let (low, high) = bounds(&values);
    Some(Node {
        values: Values::Each(values, nulls.cloned()),
        low,
        high,
        scale,
    })
}

/// `left op right`, if no outcome can leave 64 bits.
fn combine(left: Node, op: Operator, right: Node) -> Option<Node> {
    let scale = match op {
        Operator::Multiply => left.scale.checked_add(right.scale)?,
        Operator::Plus | Operator::Minus => left.scale.max(right.scale),
        _ => return None,
    };
    let (left, right) = match op {
        Operator::Multiply => (left, right),
        _ => (rescale(left, scale)?, rescale(right, scale)?),
    };
    // The ends lie where the ends of both sides meet.
    let mut ends = None;
    for (left, right) in [
        (left.low, right.low),
        (left.low, right.high),
        (left.high, right.low),
        (left.high, right.high),
    ] {
        let end = checked(left, op, right)?;
        ends = Some(ends.map_or((end, end), |(low, high): (i64, i64)| {
            (low.min(end), high.max(end))
        }));
    }
    let (low, high) = ends?;
    let values = match (&left.values, &right.values) {
        (Values::Same(left), Values::Same(right)) => Values::Same(checked(*left, op, *right)?),
        _ => Values::Outcome(op, Box::new((left, right))),
    };
    Some(Node {
        values,
        low,
        high,
        scale,
    })
}

fn checked(left: i64, op: Operator, right: i64) -> Option<i64> {
    match op {
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        _ => None,
    }
}

/// The same values with more digits after the point.
fn rescale(values: Node, scale: i8) -> Option<Node> {
    let digits = u32::try_from(scale.checked_sub(values.scale)?).ok()?;
    if digits == 0 {
        return Some(values);
    }
    let factor = 10_i64.checked_pow(digits)?;
    let factor = Node {
        values: Values::Same(factor),
        low: factor,
        high: factor,
        scale: i8::try_from(digits).ok()?,
    };
    combine(values, Operator::Multiply, factor)
}

mod program;
#[cfg(test)]
mod tests;
