//! COUNT(DISTINCT x), by group or over all rows: the pairs of group and value are the groups of a table, and a pair that is new
//! counts.

use std::fmt;
use std::iter::zip;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::kernels::boolean::and;
use arrow::compute::{filter, is_not_null, prep_null_mask_filter, take as pick};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::keys::{GroupKeys, has_codes};
use crate::error::Error;

/// The counts of many groups.
pub(super) struct DistinctCounts {
    value_type: DataType,
    pairs: GroupKeys,
    counts: Vec<i64>,
    /// The pair of each row of the batch at hand.
    row_pairs: Vec<usize>,
}

impl DistinctCounts {
    /// None for values that only DataFusion can tell apart.
    pub(super) fn new(value_type: &DataType) -> crate::error::Result<Option<Self>> {
        if !has_codes(value_type) {
            return Ok(None);
        }
        let pair = vec![
            Field::new("group", DataType::UInt64, false),
            Field::new("value", value_type.clone(), true),
        ];
        Ok(Some(DistinctCounts {
            value_type: value_type.clone(),
            // In order: a pair that is new has the next number.
            pairs: GroupKeys::new(&Arc::new(Schema::new(pair)), true)?,
            counts: Vec::new(),
            row_pairs: Vec::new(),
        }))
    }

    fn add(&mut self, groups: Vec<u64>, values: ArrayRef) -> Result<()> {
        let mut next = self.pairs.len();
        let groups = Arc::new(UInt64Array::from(groups));
        self.pairs
            .intern(
                &[Arc::clone(&groups) as ArrayRef, values],
                &mut self.row_pairs,
            )
            .map_err(outside)?;
        for (pair, group) in zip(&self.row_pairs, groups.values()) {
            if *pair == next {
                self.counts[*group as usize] += 1;
                next += 1;
            }
        }
        Ok(())
    }

    /// The values of each group.
    fn lists(&mut self) -> Result<ListArray> {
        let pairs = self.pairs.take().map_err(outside)?;
        let counts = take(&mut self.counts);
        if i32::try_from(pairs[0].len()).is_err() {
            return Err(outside(Error::bug(
                "too many distinct values in one batch of states",
            )));
        }
        // Rows ordered by group: each group's start is known from the counts.
        let mut next = Vec::with_capacity(counts.len());
        let mut start = 0;
        for count in &counts {
            next.push(start);
            start += *count as usize;
        }
        let mut order = vec![0_u64; start];
        for (row, group) in pairs[0]
            .as_primitive::<UInt64Type>()
            .values()
            .iter()
            .enumerate()
        {
            let place = &mut next[*group as usize];
            order[*place] = row as u64;
            *place += 1;
        }
        let values = pick(&pairs[1], &UInt64Array::from(order), None)?;
        let lengths = counts.iter().map(|count| *count as usize);
        self.list(lengths, values)
    }

    fn list(&self, lengths: impl Iterator<Item = usize>, values: ArrayRef) -> Result<ListArray> {
        let field = Arc::new(Field::new_list_field(self.value_type.clone(), true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(ListArray::try_new(field, offsets, values, None)?)
    }
}

/// Rows that count: not NULL, and the filter lets them through.
fn counted(values: &ArrayRef, filter: Option<&BooleanArray>) -> Result<BooleanArray> {
    let valid = is_not_null(values)?;
    match filter {
        None => Ok(valid),
        Some(filter) if filter.null_count() > 0 => Ok(and(&valid, &prep_null_mask_filter(filter))?),
        Some(filter) => Ok(and(&valid, filter)?),
    }
}

impl GroupsAccumulator for DistinctCounts {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.counts.resize(total_num_groups, 0);
        let values = &values[0];
        let groups = group_indices.iter().map(|group| *group as u64);
        if values.null_count() == 0 && opt_filter.is_none() {
            return self.add(groups.collect(), Arc::clone(values));
        }
        let keep = counted(values, opt_filter)?;
        let groups = zip(groups, keep.values()).filter_map(|(group, keep)| keep.then_some(group));
        self.add(groups.collect(), filter(values, &keep)?)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        only_all(emit_to)?;
        self.pairs.take().map_err(outside)?;
        Ok(Arc::new(Int64Array::from(take(&mut self.counts))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        only_all(emit_to)?;
        Ok(vec![Arc::new(self.lists()?)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.counts.resize(total_num_groups, 0);
        let lists = values[0].as_list::<i32>();
        let mut groups = Vec::new();
        for (row, group) in group_indices.iter().enumerate() {
            let length = lists.value_length(row) as usize;
            groups.extend(std::iter::repeat_n(*group as u64, length));
        }
        let start = lists
            .value_offsets()
            .first()
            .map_or(0, |start| *start as usize);
        let values = lists.values().slice(start, groups.len());
        self.add(groups, values)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let keep = counted(&values[0], opt_filter)?;
        let lengths = keep.values().iter().map(usize::from);
        let values = filter(&values[0], &keep)?;
        Ok(vec![Arc::new(self.list(lengths, values)?)])
    }

    fn size(&self) -> usize {
        self.pairs.size() + self.counts.capacity() * size_of::<i64>()
    }
}

fn only_all(emit_to: EmitTo) -> Result<()> {
    match emit_to {
        EmitTo::All => Ok(()),
        EmitTo::First(_) => Err(outside(Error::bug("distinct counts come all at once"))),
    }
}

fn outside(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The count over all rows: that of the only group. (The lock is never contended; an accumulator has to be `Sync`.)
pub(super) struct DistinctCount(Mutex<DistinctCounts>);

impl DistinctCount {
    pub(super) fn new(counts: DistinctCounts) -> Self {
        DistinctCount(Mutex::new(counts))
    }

    fn counts(&mut self) -> &mut DistinctCounts {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DistinctCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a distinct count")
    }
}

impl Accumulator for DistinctCount {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; values[0].len()];
        self.counts().update_batch(values, &groups, None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let count = self.counts().counts.first().copied();
        Ok(ScalarValue::Int64(Some(count.unwrap_or_default())))
    }

    fn size(&self) -> usize {
        let counts = self.0.lock();
        counts.unwrap_or_else(PoisonError::into_inner).size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let counts = self.counts();
        counts.counts.resize(1, 0);
        Ok(vec![ScalarValue::List(Arc::new(counts.lists()?))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; states[0].len()];
        self.counts().merge_batch(states, &groups, 1)
    }
}
