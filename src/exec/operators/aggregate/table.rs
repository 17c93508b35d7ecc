//! Groups and the state of their aggregates.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::{GroupOrdering, GroupOrderingFull};
use datafusion::physical_plan::aggregates::{PhysicalGroupBy, evaluate_group_by};

use super::plan::{Aggregation, Inputs};
use crate::error::{Error, Result};

/// Groups and the state of their aggregates. Rows come in by [`update`](Self::update), states of other tables by
/// [`merge`](Self::merge); states or results go out and leave the table empty.
pub(super) struct GroupTable {
    plan: Arc<Aggregation>,
    groups: Box<dyn GroupValues>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The group of each row of the batch at hand.
    row_groups: Vec<usize>,
}

impl fmt::Debug for GroupTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} groups", self.groups.len())
    }
}

impl GroupTable {
    pub(super) fn new(plan: &Arc<Aggregation>) -> Result<Self> {
        // Only with an ordering do tables number groups as they are first seen.
        let ordering = if plan.in_order {
            GroupOrdering::Full(GroupOrderingFull::new())
        } else {
            GroupOrdering::None
        };
        Ok(GroupTable {
            groups: new_group_values(Arc::clone(&plan.group_schema), &ordering)?,
            accumulators: plan
                .functions
                .iter()
                .map(super::Function::start_groups)
                .collect::<Result<_>>()?,
            row_groups: Vec::new(),
            plan: Arc::clone(plan),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Bytes held. May look at every group: not for every batch.
    pub(super) fn size(&self) -> usize {
        let states: usize = self.accumulators.iter().map(|state| state.size()).sum();
        self.groups.size() + states + self.row_groups.capacity() * size_of::<usize>()
    }

    /// Adds rows of the input.
    pub(super) fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let inputs = plan
            .functions
            .iter()
            .map(|function| function.inputs(batch))
            .collect::<Result<Vec<_>>>()?;
        for keys in evaluate_group_by(&plan.group_by, batch)? {
            self.add(&keys, &inputs)?;
        }
        Ok(())
    }

    fn add(&mut self, keys: &[ArrayRef], inputs: &[Inputs]) -> Result<()> {
        self.groups.intern(keys, &mut self.row_groups)?;
        let groups = self.groups.len();
        for (state, input) in self.accumulators.iter_mut().zip(inputs) {
            let filter = input.filter.as_ref();
            state.update_batch(&input.arguments, &self.row_groups, filter, groups)?;
        }
        Ok(())
    }

    /// Adds states that another table gave.
    pub(super) fn merge(&mut self, states: &RecordBatch) -> Result<()> {
        if states.num_rows() == 0 {
            return Ok(());
        }
        let (keys, mut columns) = states.columns().split_at(self.plan.key_columns());
        self.groups.intern(keys, &mut self.row_groups)?;
        let groups = self.groups.len();
        for (state, function) in self.accumulators.iter_mut().zip(&self.plan.functions) {
            let (mine, rest) = columns
                .split_at_checked(function.state_columns())
                .ok_or_else(|| Error::bug("an aggregate's state lacks columns"))?;
            state.merge_batch(mine, &self.row_groups, groups)?;
            columns = rest;
        }
        Ok(())
    }

    /// All groups with their states, keys first; the table is empty then.
    pub(super) fn take_states(&mut self) -> Result<Option<RecordBatch>> {
        if self.is_empty() {
            return Ok(None);
        }
        let rows = self.len();
        let mut columns = self.groups.emit(EmitTo::All)?;
        for state in &mut self.accumulators {
            columns.extend(state.state(EmitTo::All)?);
        }
        self.groups.clear_shrink(0);
        state_batch(columns, rows).map(Some)
    }

    /// All groups with their results; the table is empty then.
    pub(super) fn take_results(&mut self) -> Result<RecordBatch> {
        let schema = Arc::clone(&self.plan.output_schema);
        if self.is_empty() {
            return Ok(RecordBatch::new_empty(schema));
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let mut columns = self.groups.emit(EmitTo::All)?;
        for state in &mut self.accumulators {
            columns.push(state.evaluate(EmitTo::All)?);
        }
        Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
    }

    /// Whether [`to_states`](Self::to_states) can be asked, and costs less than grouping.
    pub(super) fn can_convert(&self) -> bool {
        let functions = &self.plan.functions;
        self.plan.group_by.groups().len() == 1
            && functions.iter().all(super::Function::converts_rows)
    }

    /// Each row of the input as a group of its own.
    pub(super) fn to_states(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = evaluate_group_by(&self.plan.group_by, batch)?
            .pop()
            .ok_or_else(|| Error::bug("an aggregate without a grouping set"))?;
        for (state, function) in self.accumulators.iter().zip(&self.plan.functions) {
            let inputs = function.inputs(batch)?;
            columns.extend(state.convert_to_state(&inputs.arguments, inputs.filter.as_ref())?);
        }
        state_batch(columns, batch.num_rows())
    }

    /// Adds the groups that are there even without input: one for each grouping set that has no keys.
    pub(super) fn add_empty_sets(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        if !plan.group_by.has_grouping_set() {
            return Ok(());
        }
        // One row of NULLs gives the keys; the filter keeps it from being counted. (No row at all would be taken for "every
        // group has been seen".)
        let only_nulls = PhysicalGroupBy::new(
            plan.group_by.null_expr().to_vec(),
            plan.group_by.null_expr().to_vec(),
            plan.group_by.groups().to_vec(),
            true,
        );
        let none: [ArrayRef; 0] = [];
        let row = state_batch(none.to_vec(), 1)?;
        let inputs = plan
            .functions
            .iter()
            .map(|function| {
                Ok(Inputs {
                    arguments: function
                        .argument_types(&plan.input_schema)?
                        .iter()
                        .map(|data_type| new_null_array(data_type, 1))
                        .collect(),
                    filter: Some(BooleanArray::from(vec![false])),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let keys = evaluate_group_by(&only_nulls, &row)?;
        for (keys, set) in keys.iter().zip(plan.group_by.groups()) {
            if set.iter().all(|is_null| *is_null) {
                self.add(keys, &inputs)?;
            }
        }
        Ok(())
    }
}

/// A batch of states: types are what the accumulators give, names mean nothing.
fn state_batch(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| Field::new("", column.data_type().clone(), true))
        .collect();
    let rows = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &rows,
    )?)
}
