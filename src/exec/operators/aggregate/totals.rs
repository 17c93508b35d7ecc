//! SUM, AVG and COUNT over numbers, together: functions over the same values share their sum, and functions that count the same
//! rows their count.
//!
//! Whole numbers and decimals are added in 128 bits; where a batch's values are small and its groups few, in 64 bits first.
//! The results are DataFusion's, made of count and sum in the end.

use std::iter::zip;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DECIMAL128_MAX_PRECISION, DataType, Decimal32Type, Decimal64Type,
    Decimal128Type, Float64Type, Int64Type, UInt64Type,
};
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;

use super::plan::Function;
use super::state::{GroupState, RowGroups, by_group};
use crate::error::{Error, Result};

/// Functions that share a count, and what they sum.
#[derive(Debug, Clone, Default)]
pub(super) struct TotalsPlan {
    /// The input that says which rows count; none where all do.
    filter: Option<usize>,
    /// The input whose NULLs do not count; none where no value is NULL.
    counted: Option<usize>,
    sums: Vec<SumPlan>,
    functions: Vec<FunctionPlan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SumPlan {
    input: usize,
    is_float: bool,
}

#[derive(Debug, Clone)]
struct FunctionPlan {
    number: usize,
    expr: Arc<AggregateFunctionExpr>,
    /// What it needs in the end, as the fields of its own state.
    state: Vec<DataType>,
    sum: Option<usize>,
}

impl TotalsPlan {
    /// Adds the function to the one of `plans` that counts the same rows, or to a new one. False if it is not such a function.
    pub(super) fn add(
        plans: &mut Vec<TotalsPlan>,
        number: usize,
        function: &Function,
        may_be_null: impl Fn(&Arc<dyn PhysicalExpr>) -> Result<bool>,
        type_of: impl Fn(&Arc<dyn PhysicalExpr>) -> Result<DataType>,
    ) -> Result<bool> {
        let Some(kind) = function.total() else {
            return Ok(false);
        };
        let Some((argument, input)) = function.only_argument() else {
            return Ok(false);
        };
        let state: Vec<DataType> = function.state_types()?;
        let sum = match (kind, &type_of(argument)?, state.last()) {
            (Total::Count, ..) => None,
            (_, DataType::Float64, Some(DataType::Float64)) => Some(true),
            (
                _,
                DataType::Int64
                | DataType::UInt64
                | DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..),
                Some(DataType::Decimal128(..)),
            ) => Some(false),
            _ => return Ok(false),
        };
        let counted = match may_be_null(argument)? {
            true => input,
            false => None,
        };
        let filter = function.filter_input();
        let same = |plan: &&mut TotalsPlan| plan.filter == filter && plan.counted == counted;
        let plan = match plans.iter_mut().find(same) {
            Some(plan) => plan,
            None => {
                plans.push(TotalsPlan {
                    filter,
                    counted,
                    ..TotalsPlan::default()
                });
                plans.last_mut().ok_or_else(|| Error::bug("no plan"))?
            }
        };
        let sum = sum.zip(input).map(|(is_float, input)| {
            let wanted = SumPlan { input, is_float };
            let known = plan.sums.iter().position(|sum| *sum == wanted);
            known.unwrap_or_else(|| {
                plan.sums.push(wanted);
                plan.sums.len() - 1
            })
        });
        plan.functions.push(FunctionPlan {
            number,
            expr: Arc::clone(function.expr()),
            state,
            sum,
        });
        Ok(true)
    }

    pub(super) fn start(&self) -> Totals {
        Totals {
            sums: self
                .sums
                .iter()
                .map(|sum| match sum.is_float {
                    true => Sums::Floats(Vec::new()),
                    false => Sums::Exact(Vec::new()),
                })
                .collect(),
            counts: Vec::new(),
            plan: self.clone(),
            kept: Kept::default(),
        }
    }
}

/// Which of its results a function makes of count and sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Total {
    Sum,
    Average,
    Count,
}

/// Whether the value is there in every row whatever the input.
pub(super) fn is_constant(argument: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = argument.downcast_ref::<Literal>();
    literal.is_some_and(|literal| !literal.value().is_null())
}

/// Counts and sums of all groups.
pub(super) struct Totals {
    plan: TotalsPlan,
    counts: Vec<u64>,
    sums: Vec<Sums>,
    kept: Kept,
}

enum Sums {
    Exact(Vec<i128>),
    Floats(Vec<f64>),
}

/// The rows of a batch that count, where that is not all.
#[derive(Default)]
struct Kept {
    rows: Vec<u32>,
    groups: Vec<usize>,
}

impl Kept {
    /// False if all rows count.
    fn find(&mut self, plan: &TotalsPlan, inputs: &[ArrayRef], rows: &RowGroups) -> Result<bool> {
        let filter = match plan.filter {
            None => None,
            Some(input) => {
                let rows = inputs[input].as_boolean_opt();
                Some(rows.ok_or_else(|| Error::bug("an aggregate's filter is not a condition"))?)
            }
        };
        let nulls = plan.counted.and_then(|input| inputs[input].logical_nulls());
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let passing = filter.map(|filter| match filter.nulls() {
            // NULL counts as false.
            Some(nulls) => filter.values() & nulls.inner(),
            None => filter.values().clone(),
        });
        let kept = match (passing, nulls) {
            (None, None) => return Ok(false),
            (Some(passing), None) => passing,
            (None, Some(nulls)) => nulls.into_inner(),
            (Some(passing), Some(nulls)) => &passing & nulls.inner(),
        };
        self.rows.clear();
        self.rows.extend(kept.set_indices_u32());
        self.groups.clear();
        let groups = self.rows.iter().map(|row| rows.groups[*row as usize]);
        self.groups.extend(groups);
        Ok(true)
    }
}

impl Totals {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        for sums in &mut self.sums {
            match sums {
                Sums::Exact(sums) => sums.resize(groups, 0),
                Sums::Floats(sums) => sums.resize(groups, 0.0),
            }
        }
    }

    fn has_all(&self, rows: &RowGroups) -> bool {
        self.counts.len() == rows.total
    }

    fn take(&mut self) -> (Vec<u64>, Vec<Sums>) {
        let empty = self.plan.start();
        (
            std::mem::take(&mut self.counts),
            std::mem::replace(&mut self.sums, empty.sums),
        )
    }
}

impl GroupState for Totals {
    fn update(&mut self, inputs: &[ArrayRef], rows: &RowGroups) -> Result<()> {
        if !self.has_all(rows) {
            self.resize(rows.total);
        }
        let some = self.kept.find(&self.plan, inputs, rows)?;
        let (picked, of_rows) = match some {
            true => (
                Some(self.kept.rows.as_slice()),
                &RowGroups::new(&self.kept.groups, rows.total),
            ),
            false => (None, rows),
        };
        match of_rows.are_few() {
            true => {
                zip(&mut self.counts, of_rows.counts()).for_each(|(count, more)| *count += more)
            }
            false => {
                for group in of_rows.groups {
                    self.counts[*group] += 1;
                }
            }
        }
        for (sums, plan) in zip(&mut self.sums, &self.plan.sums) {
            add_values(sums, &inputs[plan.input], picked, of_rows)?;
        }
        Ok(())
    }

    fn grow(&mut self, _inputs: &[ArrayRef], rows: &RowGroups) -> Result<()> {
        self.resize(rows.total);
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], rows: &RowGroups) -> Result<()> {
        self.resize(rows.total);
        let [counts, sums @ ..] = states else {
            return Err(Error::bug("an aggregate's state lacks columns"));
        };
        let counts = counts.as_primitive::<UInt64Type>().values();
        for (count, group) in zip(counts, rows.groups) {
            self.counts[*group] += count;
        }
        for (mine, sums) in zip(&mut self.sums, sums) {
            add_values(mine, sums, None, rows)?;
        }
        Ok(())
    }

    fn columns(&self) -> usize {
        1 + self.sums.len()
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        let (counts, sums) = self.take();
        let counts: ArrayRef = Arc::new(UInt64Array::new(counts.into(), None));
        let sums = sums.into_iter().map(|sums| -> ArrayRef {
            match sums {
                Sums::Exact(sums) => {
                    let bits = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);
                    Arc::new(Decimal128Array::new(sums.into(), None).with_data_type(bits))
                }
                Sums::Floats(sums) => Arc::new(Float64Array::new(sums.into(), None)),
            }
        });
        Ok(std::iter::once(counts).chain(sums).collect())
    }

    fn take_results(&mut self) -> Result<Vec<(usize, ArrayRef)>> {
        let (counts, sums) = self.take();
        let groups: Vec<usize> = (0..counts.len()).collect();
        // A group without values has none.
        let has_values = counts.contains(&0).then(|| {
            let has_values = counts.iter().map(|count| *count > 0);
            NullBuffer::from_iter(has_values)
        });
        let column = |data_type: &DataType, sum: Option<usize>| -> ArrayRef {
            match (data_type, sum.map(|sum| &sums[sum])) {
                (DataType::Float64, Some(Sums::Floats(sums))) => {
                    Arc::new(Float64Array::new(sums.clone().into(), has_values.clone()))
                }
                (decimal, Some(Sums::Exact(sums))) if decimal.is_decimal() => {
                    let sums = Decimal128Array::new(sums.clone().into(), has_values.clone());
                    Arc::new(sums.with_data_type(decimal.clone()))
                }
                _ => Arc::new(UInt64Array::new(counts.clone().into(), has_values.clone())),
            }
        };
        let result = |function: &FunctionPlan| -> Result<ArrayRef> {
            if function.sum.is_none() {
                let counts = counts.iter().map(|count| *count as i64).collect();
                return Ok(Arc::new(Int64Array::new(counts, None)));
            }
            let state: Vec<ArrayRef> = function
                .state
                .iter()
                .map(|data_type| column(data_type, function.sum))
                .collect();
            if let [DataType::Float64] = function.state.as_slice() {
                return Ok(Arc::clone(&state[0]));
            }
            let mut accumulator = function.expr.create_groups_accumulator()?;
            accumulator.merge_batch(&state, &groups, groups.len())?;
            Ok(accumulator.evaluate(EmitTo::All)?)
        };
        self.plan
            .functions
            .iter()
            .map(|function| Ok((function.number, result(function)?)))
            .collect()
    }

    fn size(&self) -> usize {
        let sums = self.sums.iter().map(|sums| match sums {
            Sums::Exact(sums) => sums.capacity() * size_of::<i128>(),
            Sums::Floats(sums) => sums.capacity() * size_of::<f64>(),
        });
        let kept = self.kept.rows.capacity() * size_of::<u32>()
            + self.kept.groups.capacity() * size_of::<usize>();
        self.counts.capacity() * size_of::<u64>() + kept + sums.sum::<usize>()
    }
}

/// Adds the values of all rows, or of those `picked`: `rows` has the groups of these.
fn add_values(
    sums: &mut Sums,
    values: &ArrayRef,
    picked: Option<&[u32]>,
    rows: &RowGroups,
) -> Result<()> {
    macro_rules! exact {
        ($type:ty, $sums:expr) => {
            with_picked::<$type, _>(values, picked, |values| add_exact($sums, values, rows))
        };
    }
    match (sums, values.data_type()) {
        (Sums::Floats(sums), DataType::Float64) => {
            with_picked::<Float64Type, _>(values, picked, |values| {
                add_floats(sums, values, rows);
                Ok(())
            })
        }
        (Sums::Exact(sums), DataType::Int64) => exact!(Int64Type, sums),
        (Sums::Exact(sums), DataType::UInt64) => exact!(UInt64Type, sums),
        (Sums::Exact(sums), DataType::Decimal32(..)) => exact!(Decimal32Type, sums),
        (Sums::Exact(sums), DataType::Decimal64(..)) => exact!(Decimal64Type, sums),
        (Sums::Exact(sums), DataType::Decimal128(..)) => exact!(Decimal128Type, sums),
        (_, other) => Err(Error::bug(format!("no sums of {other}"))),
    }
}

fn with_picked<T: ArrowPrimitiveType, R>(
    values: &ArrayRef,
    picked: Option<&[u32]>,
    add: impl FnOnce(&[T::Native]) -> R,
) -> R {
    let values = values.as_primitive::<T>().values();
    match picked {
        None => add(values),
        Some(rows) => {
            let picked: Vec<T::Native> = rows.iter().map(|row| values[*row as usize]).collect();
            add(&picked)
        }
    }
}

fn add_floats(sums: &mut [f64], values: &[f64], rows: &RowGroups) {
    if rows.are_few() {
        let of_batch = by_group(rows.groups, rows.total, values, |value| value, |a, b| a + b);
        zip(sums, of_batch).for_each(|(sum, more)| *sum += more);
        return;
    }
    for (value, group) in zip(values, rows.groups) {
        sums[*group] += value;
    }
}

/// A whole number that is added in 128 bits.
trait Addend: Copy + Into<i128> {
    /// The value shifted by [`SMALL`]: without a sign below twice that, where it is small.
    fn shifted(self) -> u128;
    /// The value, where it is small.
    fn small(self) -> i64;
}

/// A small number is less than that. Of them as many as a batch has rows have a sum of 64 bits.
const SMALL: i64 = 1 << 46;
const SMALL_ROWS: usize = 1 << 16;

macro_rules! addend {
    ($($native:ty),+) => {$(
        impl Addend for $native {
            #[inline(always)]
            fn shifted(self) -> u128 {
                (self as i64).wrapping_add(SMALL) as u64 as u128
            }

            #[inline(always)]
            fn small(self) -> i64 {
                self as i64
            }
        }
    )+};
}

addend!(i32, i64);

impl Addend for u64 {
    #[inline(always)]
    fn shifted(self) -> u128 {
        u128::from(self) + SMALL as u128
    }

    #[inline(always)]
    fn small(self) -> i64 {
        self as i64
    }
}

impl Addend for i128 {
    #[inline(always)]
    fn shifted(self) -> u128 {
        self.wrapping_add(i128::from(SMALL)) as u128
    }

    #[inline(always)]
    fn small(self) -> i64 {
        self as i64
    }
}

fn add_exact<T: Addend>(sums: &mut [i128], values: &[T], rows: &RowGroups) -> Result<()> {
    let mut overflow = false;
    let mut add = |sum: &mut i128, value: i128| {
        let (next, lost) = sum.overflowing_add(value);
        *sum = next;
        overflow |= lost;
    };
    let are_small = || {
        let all = values.iter().fold(0, |all, value| all | value.shifted());
        values.len() <= SMALL_ROWS && all < 2 * SMALL as u128
    };
    if rows.are_few() && are_small() {
        let of_batch = by_group(rows.groups, rows.total, values, T::small, i64::wrapping_add);
        zip(sums, of_batch).for_each(|(sum, more)| add(sum, i128::from(more)));
    } else {
        for (value, group) in zip(values, rows.groups) {
            add(&mut sums[*group], (*value).into());
        }
    }
    match overflow {
        true => Err(too_large()),
        false => Ok(()),
    }
}

fn too_large() -> Error {
    Error::run("TM0502", "the sum is too large for DECIMAL")
        .hint("cast the values: SUM(CAST(x AS FLOAT64))")
}

#[cfg(test)]
mod tests;
