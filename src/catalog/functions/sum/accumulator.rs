//! One sum at a time: for a query without groups, DISTINCT, and window frames.

use std::collections::HashMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal64Type, Decimal128Type};
use datafusion::common::Result;
use datafusion::common::cast::as_list_array;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

use super::{Total, add};

/// The sum of all values it is given.
#[derive(Debug)]
pub(super) struct PlainSum<T> {
    total: Total,
    sum: i128,
    /// Values that were not NULL: without any, the sum is NULL.
    count: u64,
    values: PhantomData<fn() -> T>,
}

impl<T> PlainSum<T> {
    pub(super) fn new(total: Total) -> Self {
        PlainSum {
            total,
            sum: 0,
            count: 0,
            values: PhantomData,
        }
    }

    fn sum(&self) -> Option<i128> {
        (self.count > 0).then_some(self.sum)
    }
}

impl<T: ArrowPrimitiveType + Debug> PlainSum<T>
where
    T::Native: Into<i128>,
{
    /// Adds or, with `sign` -1, takes away.
    fn add_all<U: ArrowPrimitiveType>(&mut self, values: &ArrayRef, sign: i128) -> Result<()>
    where
        U::Native: Into<i128>,
    {
        let values = values.as_primitive::<U>();
        if size_of::<U::Native>() <= size_of::<i64>() {
            let total = total_of(values);
            self.sum = add(self.sum, sign * total)?;
        } else if values.null_count() == 0 {
            for value in values.values() {
                self.sum = add(self.sum, sign * (*value).into())?;
            }
        } else {
            for value in values.iter().flatten() {
                self.sum = add(self.sum, sign * value.into())?;
            }
        }
        let count = (values.len() - values.null_count()) as u64;
        self.count = if sign > 0 {
            self.count + count
        } else {
            self.count - count
        };
        Ok(())
    }
}

impl<T: ArrowPrimitiveType + Debug> Accumulator for PlainSum<T>
where
    T::Native: Into<i128>,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values[0].data_type() {
            // Decimals of 128 bits may come in 64.
            DataType::Decimal64(..) => self.add_all::<Decimal64Type>(&values[0], 1),
            _ => self.add_all::<T>(&values[0], 1),
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.total.value(self.sum())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.total.state_value(self.sum())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add_all::<Decimal128Type>(&states[0], 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add_all::<T>(&values[0], -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// The sum of values that have at most 64 bits: of so few as an array has, it never leaves 128 bits.
fn total_of<U: ArrowPrimitiveType>(values: &PrimitiveArray<U>) -> i128
where
    U::Native: Into<i128>,
{
    let numbers = values.values();
    let mut total: i128 = 0;
    match values.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for value in numbers {
                total = total.wrapping_add((*value).into());
            }
        }
        Some(nulls) => {
            for (value, valid) in numbers.iter().zip(nulls.iter()) {
                // Without a branch: where NULLs are is not to be foretold.
                total = total.wrapping_add((*value).into() & -i128::from(valid));
            }
        }
    }
    total
}

/// The sum of the different values it is given.
#[derive(Debug)]
pub(super) struct DistinctSum<T> {
    total: Total,
    /// How often each value was seen, so that a window frame can forget it.
    seen: HashMap<i128, u64>,
    values: PhantomData<fn() -> T>,
}

impl<T> DistinctSum<T> {
    pub(super) fn new(total: Total) -> Self {
        DistinctSum {
            total,
            seen: HashMap::new(),
            values: PhantomData,
        }
    }
}

impl<T: ArrowPrimitiveType + Debug> Accumulator for DistinctSum<T>
where
    T::Native: Into<i128>,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            *self.seen.entry(value.into()).or_insert(0) += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.seen.is_empty() {
            return self.total.value(None);
        }
        let mut sum = 0;
        for value in self.seen.keys() {
            sum = add(sum, *value)?;
        }
        self.total.value(Some(sum))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.seen.capacity() * size_of::<(i128, u64)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self
            .seen
            .keys()
            .map(|value| self.total.state_value(Some(*value)))
            .collect();
        let list = ScalarValue::new_list_nullable(&values, &self.total.state_type());
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in as_list_array(&states[0])?.iter().flatten() {
            for value in values.as_primitive::<Decimal128Type>().iter().flatten() {
                *self.seen.entry(value).or_insert(0) += 1;
            }
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            let value = value.into();
            if let Some(count) = self.seen.get_mut(&value) {
                *count -= 1;
                if *count == 0 {
                    self.seen.remove(&value);
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}
