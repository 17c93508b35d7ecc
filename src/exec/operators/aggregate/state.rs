//! The state of functions for many groups: what a [`GroupTable`](super::table::GroupTable) holds beside its keys.

use std::cell::OnceCell;

use arrow::array::{ArrayRef, BooleanArray};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::plan::{Function, Inputs};
use crate::error::Result;

/// The state of one function, or of several that share it.
pub(super) trait GroupState: Send {
    /// Adds rows with the inputs of all functions.
    fn update(&mut self, inputs: &[ArrayRef], rows: &RowGroups) -> Result<()>;

    /// Adds the groups of rows that no function counts.
    fn grow(&mut self, inputs: &[ArrayRef], rows: &RowGroups) -> Result<()>;

    /// Adds what [`take_states`](Self::take_states) of another gave, a row for each of its groups.
    fn merge(&mut self, states: &[ArrayRef], rows: &RowGroups) -> Result<()>;

    /// How many columns the states have.
    fn columns(&self) -> usize;

    /// The states of all groups; there are none then.
    fn take_states(&mut self) -> Result<Vec<ArrayRef>>;

    /// The results of all groups, each with its function's number; there are no groups then.
    fn take_results(&mut self) -> Result<Vec<(usize, ArrayRef)>>;

    /// Bytes held.
    fn size(&self) -> usize;
}

/// The group of each row.
pub(super) struct RowGroups<'a> {
    pub(super) groups: &'a [usize],
    /// How many groups there are.
    pub(super) total: usize,
    counts: OnceCell<Vec<u64>>,
}

/// So few groups get several places to add to, so that one row need not wait for the one before.
const FEW_GROUPS: usize = 256;

impl<'a> RowGroups<'a> {
    pub(super) fn new(groups: &'a [usize], total: usize) -> Self {
        RowGroups {
            groups,
            total,
            counts: OnceCell::new(),
        }
    }

    /// Whether it pays to add up a batch group by group first.
    pub(super) fn are_few(&self) -> bool {
        self.total <= FEW_GROUPS && self.total * 8 <= self.groups.len()
    }

    /// Rows of each group, where groups are few.
    pub(super) fn counts(&self) -> &[u64] {
        self.counts.get_or_init(|| {
            let ones = |_: ()| 1;
            let rows = std::iter::repeat_n((), self.groups.len());
            let rows: Vec<()> = rows.collect();
            by_group(self.groups, self.total, &rows, ones, u64::wrapping_add)
        })
    }
}

/// The sum of each group's values, `add` being exact for them.
pub(super) fn by_group<T: Copy, S: Copy + Default>(
    groups: &[usize],
    total: usize,
    values: &[T],
    widen: impl Fn(T) -> S,
    add: impl Fn(S, S) -> S,
) -> Vec<S> {
    let mut places = vec![S::default(); total.saturating_mul(4)];
    let (one, rest) = places.split_at_mut(total);
    let (two, rest) = rest.split_at_mut(total);
    let (three, four) = rest.split_at_mut(total);
    let (groups_by_four, last_groups) = groups.as_chunks::<4>();
    let (values_by_four, last_values) = values.as_chunks::<4>();
    let put = |place: &mut S, value: T| *place = add(*place, widen(value));
    for (group, value) in groups_by_four.iter().zip(values_by_four) {
        put(&mut one[group[0]], value[0]);
        put(&mut two[group[1]], value[1]);
        put(&mut three[group[2]], value[2]);
        put(&mut four[group[3]], value[3]);
    }
    for (group, value) in last_groups.iter().zip(last_values) {
        put(&mut one[*group], *value);
    }
    (0..total)
        .map(|group| {
            let [a, b, c, d] = [one[group], two[group], three[group], four[group]];
            add(add(a, b), add(c, d))
        })
        .collect()
}

/// What of all inputs a function takes.
type Pick = Box<dyn Fn(&[ArrayRef]) -> Result<Inputs> + Send>;

/// One function's state as DataFusion has it.
pub(super) struct Accumulated {
    /// The function's number.
    number: usize,
    columns: usize,
    /// Where its arguments and its filter are among all inputs.
    pick: Pick,
    accumulator: Box<dyn GroupsAccumulator>,
}

impl Accumulated {
    pub(super) fn new(number: usize, function: &Function) -> Result<Self> {
        Ok(Accumulated {
            number,
            columns: function.state_columns(),
            pick: Box::new(function.picker()),
            accumulator: function.start_groups()?,
        })
    }
}

impl GroupState for Accumulated {
    fn update(&mut self, inputs: &[ArrayRef], rows: &RowGroups) -> Result<()> {
        let Inputs { arguments, filter } = (self.pick)(inputs)?;
        let filter = filter.as_ref();
        self.accumulator
            .update_batch(&arguments, rows.groups, filter, rows.total)?;
        Ok(())
    }

    fn grow(&mut self, inputs: &[ArrayRef], rows: &RowGroups) -> Result<()> {
        let Inputs { arguments, .. } = (self.pick)(inputs)?;
        let none = BooleanArray::from(vec![false; rows.groups.len()]);
        self.accumulator
            .update_batch(&arguments, rows.groups, Some(&none), rows.total)?;
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], rows: &RowGroups) -> Result<()> {
        self.accumulator
            .merge_batch(states, rows.groups, rows.total)?;
        Ok(())
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(self.accumulator.state(EmitTo::All)?)
    }

    fn take_results(&mut self) -> Result<Vec<(usize, ArrayRef)>> {
        Ok(vec![(self.number, self.accumulator.evaluate(EmitTo::All)?)])
    }

    fn size(&self) -> usize {
        self.accumulator.size()
    }
}
