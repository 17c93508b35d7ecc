//! Arithmetic over 64 bits, known not to overflow, for some rows at once: what one step gives the next one takes while it is in
//! the nearest cache.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal64Array, Decimal128Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Decimal64Type, DecimalType};
use datafusion::logical_expr::Operator;

/// Rows at once.
const ROWS: usize = 1024;

/// A column of decimals that is not computed yet.
pub(in crate::exec) struct Narrow {
    pub(super) rows: usize,
    pub(super) node: Node,
}

/// Decimals with `scale` digits after the point, all between `low` and `high`.
pub(super) struct Node {
    pub(super) values: Values,
    pub(super) low: i64,
    pub(super) high: i64,
    pub(super) scale: i8,
}

pub(super) enum Values {
    Same(i64),
    Each(ScalarBuffer<i64>, Option<NullBuffer>),
    /// Of both sides, which have the scales that the operator needs.
    Outcome(Operator, Box<(Node, Node)>),
}

impl Narrow {
    pub(super) fn scale(&self) -> i8 {
        self.node.scale
    }

    /// None if all rows have the same value.
    pub(super) fn into_narrow(self) -> Option<ArrayRef> {
        let scale = self.scale();
        let (values, nulls) = self.compute()?;
        let data_type = DataType::Decimal64(Decimal64Type::MAX_PRECISION, scale);
        let values = Decimal64Array::new(values, nulls).with_data_type(data_type);
        Some(Arc::new(values))
    }

    /// The values with the planned type, unless that has another scale or all rows have the same value.
    pub(in crate::exec) fn into_planned(self, data_type: &DataType) -> Option<ArrayRef> {
        let DataType::Decimal128(_, scale) = data_type else {
            return None;
        };
        if *scale != self.scale() {
            return None;
        }
        let (values, nulls) = self.compute()?;
        let values = values.iter().map(|value| i128::from(*value)).collect();
        let values = Decimal128Array::new(values, nulls).with_data_type(data_type.clone());
        Some(Arc::new(values))
    }

    fn compute(self) -> Option<(ScalarBuffer<i64>, Option<NullBuffer>)> {
        match self.node.values {
            Values::Same(_) => None,
            Values::Each(values, nulls) => Some((values, nulls)),
            Values::Outcome(op, sides) => {
                let mut values = vec![0; self.rows];
                let mut spare = vec![[0; ROWS]; sides.0.spare().max(sides.1.spare() + 1)];
                for (number, values) in values.chunks_mut(ROWS).enumerate() {
                    let rows = number * ROWS..number * ROWS + values.len();
                    outcome(op, &sides, &rows, values, &mut spare);
                }
                Some((values.into(), outcome_nulls(&sides)))
            }
        }
    }
}

/// Values that need not be computed.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    Same(i64),
    Each(&'a [i64]),
}

impl Node {
    fn leaf(&self, rows: &Range<usize>) -> Option<Leaf<'_>> {
        match &self.values {
            Values::Same(value) => Some(Leaf::Same(*value)),
            Values::Each(values, _) => Some(Leaf::Each(values.get(rows.clone())?)),
            Values::Outcome(..) => None,
        }
    }

    /// How many further places for values computing it takes.
    fn spare(&self) -> usize {
        match &self.values {
            Values::Outcome(_, sides) => sides.0.spare().max(sides.1.spare() + 1),
            _ => 0,
        }
    }

    fn compute(&self, rows: &Range<usize>, into: &mut [i64], spare: &mut [[i64; ROWS]]) {
        match &self.values {
            Values::Same(value) => into.fill(*value),
            Values::Each(values, _) => into.copy_from_slice(&values[rows.clone()]),
            Values::Outcome(op, sides) => outcome(*op, sides, rows, into, spare),
        }
    }

    fn nulls(&self) -> Option<NullBuffer> {
        match &self.values {
            Values::Same(_) => None,
            Values::Each(_, nulls) => nulls.clone(),
            Values::Outcome(_, sides) => outcome_nulls(sides),
        }
    }
}

fn outcome_nulls(sides: &(Node, Node)) -> Option<NullBuffer> {
    NullBuffer::union(sides.0.nulls().as_ref(), sides.1.nulls().as_ref())
}

fn outcome(
    op: Operator,
    sides: &(Node, Node),
    rows: &Range<usize>,
    into: &mut [i64],
    spare: &mut [[i64; ROWS]],
) {
    match op {
        Operator::Plus => both(i64::wrapping_add, sides, rows, into, spare),
        Operator::Minus => both(i64::wrapping_sub, sides, rows, into, spare),
        _ => both(i64::wrapping_mul, sides, rows, into, spare),
    }
}

#[inline]
fn both(
    op: impl Fn(i64, i64) -> i64,
    (left, right): &(Node, Node),
    rows: &Range<usize>,
    into: &mut [i64],
    spare: &mut [[i64; ROWS]],
) {
    match (left.leaf(rows), right.leaf(rows)) {
        (Some(Leaf::Each(left)), Some(Leaf::Each(right))) => {
            let sides = left.iter().zip(right);
            let places = into.iter_mut().zip(sides);
            places.for_each(|(place, (left, right))| *place = op(*left, *right));
        }
        (Some(Leaf::Each(left)), Some(Leaf::Same(right))) => {
            let places = into.iter_mut().zip(left);
            places.for_each(|(place, left)| *place = op(*left, right));
        }
        (Some(Leaf::Same(left)), Some(Leaf::Each(right))) => {
            let places = into.iter_mut().zip(right);
            places.for_each(|(place, right)| *place = op(left, *right));
        }
        (Some(Leaf::Same(left)), Some(Leaf::Same(right))) => into.fill(op(left, right)),
        (Some(Leaf::Same(left)), None) => {
            right.compute(rows, into, spare);
            into.iter_mut().for_each(|right| *right = op(left, *right));
        }
        (Some(Leaf::Each(left)), None) => {
            right.compute(rows, into, spare);
            let places = into.iter_mut().zip(left);
            places.for_each(|(right, left)| *right = op(*left, *right));
        }
        (None, Some(Leaf::Same(right))) => {
            left.compute(rows, into, spare);
            into.iter_mut().for_each(|left| *left = op(*left, right));
        }
        (None, Some(Leaf::Each(right))) => {
            left.compute(rows, into, spare);
            let places = into.iter_mut().zip(right);
            places.for_each(|(left, right)| *left = op(*left, *right));
        }
        (None, None) => {
            left.compute(rows, into, spare);
            let Some((own, spare)) = spare.split_first_mut() else {
                return;
            };
            let own = &mut own[..into.len()];
            right.compute(rows, own, spare);
            let places = into.iter_mut().zip(own);
            places.for_each(|(left, right)| *left = op(*left, *right));
        }
    }
}
