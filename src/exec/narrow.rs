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

use arrow::array::{Array, ArrayRef, AsArray, Decimal64Array, Decimal128Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal64Type, Decimal128Type, DecimalType, Int32Type, Int64Type, SchemaRef,
};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal};

use super::expr::exact_arithmetic;
use super::placed::without_place;
use crate::error::Result;

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
            && values.scale == scale
            && let Some(values) = values.into_narrow()
        {
            return Ok(values);
        }
        self.evaluate(expr)
    }
}

/// Decimals with `scale` digits after the point, all between `low` and `high`.
pub(super) struct Narrow {
    values: Values,
    low: i64,
    high: i64,
    scale: i8,
}

enum Values {
    Same(i64),
    Each(ScalarBuffer<i64>, Option<NullBuffer>),
}

impl Narrow {
    /// None if all rows have the same value.
    fn into_narrow(self) -> Option<ArrayRef> {
        let Values::Each(values, nulls) = self.values else {
            return None;
        };
        let data_type = DataType::Decimal64(Decimal64Type::MAX_PRECISION, self.scale);
        let values = Decimal64Array::new(values, nulls).with_data_type(data_type);
        Some(Arc::new(values))
    }

    /// The values with the planned type, unless that has another scale or all rows have the same value.
    pub(super) fn into_planned(self, data_type: &DataType) -> Option<ArrayRef> {
        let (DataType::Decimal128(_, scale), Values::Each(values, nulls)) =
            (data_type, self.values)
        else {
            return None;
        };
        if *scale != self.scale {
            return None;
        }
        let values = values.iter().map(|value| i128::from(*value)).collect();
        let values = Decimal128Array::new(values, nulls).with_data_type(data_type.clone());
        Some(Arc::new(values))
    }
}

/// The outcome of `+`, `-` or `*`; None if it is not known to be possible in 64 bits.
pub(super) fn arithmetic(exact: &BinaryExpr, batch: &RecordBatch) -> Option<Narrow> {
    let left = operand(exact.left(), batch)?;
    let right = operand(exact.right(), batch)?;
    combine(left, *exact.op(), right)
}

fn operand(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Option<Narrow> {
    let expr = without_place(expr);
    if let Some(column) = expr.downcast_ref::<Column>() {
        return stored(batch.column(column.index()));
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return number(literal.value());
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let DataType::Decimal128(precision, scale) = cast.cast_type() else {
            return None;
        };
        let values = rescale(operand(&cast.expr, batch)?, *scale)?;
        let end = values.low.unsigned_abs().max(values.high.unsigned_abs());
        let fits = u128::from(end) < 10_u128.checked_pow(u32::from(*precision))?;
        return fits.then_some(values);
    }
    arithmetic(exact_arithmetic(expr)?, batch)
}

fn number(value: &ScalarValue) -> Option<Narrow> {
    let (value, scale) = match value {
        ScalarValue::Decimal128(Some(value), _, scale) => (i64::try_from(*value).ok()?, *scale),
        ScalarValue::Decimal64(Some(value), _, scale) => (*value, *scale),
        _ => return None,
    };
    Some(Narrow {
        values: Values::Same(value),
        low: value,
        high: value,
        scale,
    })
}

/// What a column holds, if its values fit.
fn stored(column: &ArrayRef) -> Option<Narrow> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let (values, scale) = match column.data_type() {
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
    let first = values.first().copied().unwrap_or_default();
    let (low, high) = values.iter().fold((first, first), |(low, high), value| {
        (low.min(*value), high.max(*value))
    });
    Some(Narrow {
        values: Values::Each(values, nulls.cloned()),
        low,
        high,
        scale,
    })
}

fn combine(left: Narrow, op: Operator, right: Narrow) -> Option<Narrow> {
    let (left, right) = match op {
        Operator::Multiply => (left, right),
        _ => {
            let scale = left.scale.max(right.scale);
            (rescale(left, scale)?, rescale(right, scale)?)
        }
    };
    let ends = |pairs: [(i64, i64); 4]| {
        let mut low = i64::MAX;
        let mut high = i64::MIN;
        for (left, right) in pairs {
            let end = checked(left, op, right)?;
            low = low.min(end);
            high = high.max(end);
        }
        Some((low, high))
    };
    // Of sums, differences and products the ends lie where the ends of both sides meet.
    let (low, high) = ends([
        (left.low, right.low),
        (left.low, right.high),
        (left.high, right.low),
        (left.high, right.high),
    ])?;
    let scale = match op {
        Operator::Multiply => left.scale.checked_add(right.scale)?,
        _ => left.scale,
    };
    let values = match op {
        Operator::Plus => each(left.values, right.values, i64::wrapping_add),
        Operator::Minus => each(left.values, right.values, i64::wrapping_sub),
        _ => each(left.values, right.values, i64::wrapping_mul),
    };
    Some(Narrow {
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
fn rescale(values: Narrow, scale: i8) -> Option<Narrow> {
    let digits = u32::try_from(scale.checked_sub(values.scale)?).ok()?;
    if digits == 0 {
        return Some(values);
    }
    let factor = 10_i64.checked_pow(digits)?;
    let factor = Narrow {
        values: Values::Same(factor),
        low: factor,
        high: factor,
        scale: i8::try_from(digits).ok()?,
    };
    combine(values, Operator::Multiply, factor)
}

/// `op` row by row: it is known not to overflow.
fn each(left: Values, right: Values, op: impl Fn(i64, i64) -> i64) -> Values {
    match (left, right) {
        (Values::Same(left), Values::Same(right)) => Values::Same(op(left, right)),
        (Values::Each(left, nulls), Values::Same(right)) => {
            Values::Each(left.iter().map(|left| op(*left, right)).collect(), nulls)
        }
        (Values::Same(left), Values::Each(right, nulls)) => {
            Values::Each(right.iter().map(|right| op(left, *right)).collect(), nulls)
        }
        (Values::Each(left, left_nulls), Values::Each(right, right_nulls)) => Values::Each(
            zip(left.iter(), right.iter())
                .map(|(left, right)| op(*left, *right))
                .collect(),
            NullBuffer::union(left_nulls.as_ref(), right_nulls.as_ref()),
        ),
    }
}

#[cfg(test)]
mod tests;
