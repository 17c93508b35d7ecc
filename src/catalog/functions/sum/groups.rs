//! Sums of many groups at once.

use std::fmt::Debug;
use std::marker::PhantomData;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Decimal64Type, Decimal128Type};
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::{Total, add};

/// One sum for each group; a group without values has none.
#[derive(Debug)]
pub(super) struct GroupedSum<T> {
    total: Total,
    sums: Vec<i128>,
    seen: Vec<bool>,
    values: PhantomData<fn() -> T>,
}

impl<T> GroupedSum<T> {
    pub(super) fn new(total: Total) -> Self {
        GroupedSum {
            total,
            sums: Vec::new(),
            seen: Vec::new(),
            values: PhantomData,
        }
    }

    fn add_all<U: ArrowPrimitiveType>(
        &mut self,
        values: &ArrayRef,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()>
    where
        U::Native: Into<i128>,
    {
        self.sums.resize(group_count, 0);
        self.seen.resize(group_count, false);
        let values = values.as_primitive::<U>();
        if values.null_count() == 0 && filter.is_none() {
            for (value, group) in values.values().iter().zip(groups) {
                self.sums[*group] = add(self.sums[*group], (*value).into())?;
                self.seen[*group] = true;
            }
            return Ok(());
        }
        for (row, group) in groups.iter().enumerate() {
            if values.is_valid(row) && filter.is_none_or(|filter| passes(filter, row)) {
                self.sums[*group] = add(self.sums[*group], values.value(row).into())?;
                self.seen[*group] = true;
            }
        }
        Ok(())
    }

    /// Takes the sums of the groups that are emitted.
    fn take(&mut self, emit_to: EmitTo) -> Vec<Option<i128>> {
        let sums = emit_to.take_needed(&mut self.sums);
        let seen = emit_to.take_needed(&mut self.seen);
        sums.into_iter()
            .zip(seen)
            .map(|(sum, seen)| seen.then_some(sum))
            .collect()
    }
}

/// NULL counts as false.
pub(in crate::catalog::functions) fn passes(filter: &BooleanArray, row: usize) -> bool {
    filter.is_valid(row) && filter.value(row)
}

impl<T: ArrowPrimitiveType + Debug> GroupsAccumulator for GroupedSum<T>
where
    T::Native: Into<i128>,
{
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        match values[0].data_type() {
            // Decimals of 128 bits may come in 64.
            DataType::Decimal64(..) => self.add_all::<Decimal64Type>(
                &values[0],
                group_indices,
                opt_filter,
                total_num_groups,
            ),
            _ => self.add_all::<T>(&values[0], group_indices, opt_filter, total_num_groups),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.take(emit_to);
        self.total.array(sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = self.take(emit_to);
        Ok(vec![self.total.state_array(sums)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.add_all::<Decimal128Type>(&values[0], group_indices, None, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = values[0].as_primitive::<T>();
        let states = (0..values.len())
            .map(|row| {
                let keep = values.is_valid(row) && opt_filter.is_none_or(|f| passes(f, row));
                keep.then(|| values.value(row).into())
            })
            .collect();
        Ok(vec![self.total.state_array(states)])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.seen.capacity()
    }
}
