//! Groups and the state of their aggregates.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::physical_plan::aggregates::{PhysicalGroupBy, evaluate_group_by};

use super::keys::{GroupKeys, as_planned};
use super::plan::Aggregation;
use super::state::{GroupState, RowGroups};
use crate::error::{Error, Result};
use crate::exec::narrow::NarrowBatch;

/// Groups and the state of their aggregates. Rows come in by [`update`](Self::update), what other tables gave
/// or left by [`absorb`](Self::absorb); states or results go out and leave the table empty.
pub(super) struct GroupTable {
    plan: Arc<Aggregation>,
    groups: GroupKeys,
    states: Vec<Box<dyn GroupState>>,
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
        Ok(GroupTable {
            groups: GroupKeys::new(&plan.group_schema, plan.in_order)?,
            states: plan.start()?,
            row_groups: Vec::new(),
            plan: Arc::clone(plan),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.len() == 0
    }

    /// Bytes held. May look at every group: not for every batch.
    pub(super) fn size(&self) -> usize {
        let states: usize = self.states.iter().map(|state| state.size()).sum();
        self.groups.size() + states + self.row_groups.capacity() * size_of::<usize>()
    }

    /// Whether finding a group is as cheap with many groups as with few.
    pub(super) fn is_dense(&self) -> bool {
        self.groups.is_dense()
    }

    /// Adds rows of the input.
    pub(super) fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let batch = NarrowBatch::new(batch, &plan.input_schema);
        let inputs = plan.inputs(&batch)?;
        for keys in plan.keys(&batch)? {
            self.add(&keys, &inputs)?;
        }
        Ok(())
    }

    /// Adds what is on its way between tables.
    pub(super) fn absorb(&mut self, cargo: &Cargo) -> Result<()> {
        match cargo {
            Cargo::States(states) => self.merge(states),
            Cargo::Inputs(inputs) => {
                let (keys, inputs) = inputs.columns().split_at(self.plan.key_columns());
                self.add(keys, inputs)
            }
        }
    }

    fn add(&mut self, keys: &[ArrayRef], inputs: &[ArrayRef]) -> Result<()> {
        self.groups.intern(keys, &mut self.row_groups)?;
        let rows = RowGroups::new(&self.row_groups, self.groups.len());
        let mut states = self.states.iter_mut();
        states.try_for_each(|state| state.update(inputs, &rows))
    }

    /// Adds states that another table gave.
    fn merge(&mut self, states: &RecordBatch) -> Result<()> {
        if states.num_rows() == 0 {
            return Ok(());
        }
        let (keys, mut columns) = states.columns().split_at(self.plan.key_columns());
        self.groups.intern(keys, &mut self.row_groups)?;
        let rows = RowGroups::new(&self.row_groups, self.groups.len());
        for state in &mut self.states {
            let (mine, rest) = columns
                .split_at_checked(state.columns())
                .ok_or_else(|| Error::bug("an aggregate's state lacks columns"))?;
            state.merge(mine, &rows)?;
            columns = rest;
        }
        Ok(())
    }

    /// All groups with their states, keys first; the table is empty then.
    pub(super) fn take_states(&mut self) -> Result<Option<Cargo>> {
        if self.is_empty() {
            return Ok(None);
        }
        let rows = self.len();
        let mut columns = self.groups.take()?;
        for state in &mut self.states {
            columns.extend(state.take_states()?);
        }
        Ok(Some(Cargo::States(batch_of(columns, rows)?)))
    }

    /// All groups with their results; the table is empty then.
    pub(super) fn take_results(&mut self) -> Result<RecordBatch> {
        let schema = Arc::clone(&self.plan.output_schema);
        if self.is_empty() {
            return Ok(RecordBatch::new_empty(schema));
        }
        let rows = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let mut columns = self.groups.take()?;
        let mut results = Vec::with_capacity(self.plan.functions.len());
        for state in &mut self.states {
            results.extend(state.take_results()?);
        }
        results.sort_by_key(|(number, _)| *number);
        columns.extend(results.into_iter().map(|(_, result)| result));
        Ok(RecordBatch::try_new_with_options(schema, columns, &rows)?)
    }

    /// Keys and inputs of all rows, to be grouped by another table.
    pub(super) fn ungrouped(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let batch = NarrowBatch::new(batch, &self.plan.input_schema);
        let keys = self
            .plan
            .keys(&batch)?
            .pop()
            .ok_or_else(|| Error::bug("an aggregate without a grouping set"))?;
        // In the types that states have: equal keys must have the same hash.
        let mut columns = as_planned(&keys, &self.plan.group_schema)?;
        columns.extend(self.plan.inputs(&batch)?);
        batch_of(columns, batch.rows())
    }

    /// Adds the groups that are there even without input: one for each grouping set that has no keys.
    pub(super) fn add_empty_sets(&mut self) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        if !plan.group_by.has_grouping_set() {
            return Ok(());
        }
        let only_nulls = PhysicalGroupBy::new(
            plan.group_by.null_expr().to_vec(),
            plan.group_by.null_expr().to_vec(),
            plan.group_by.groups().to_vec(),
            true,
        );
        let keys = evaluate_group_by(&only_nulls, &batch_of(Vec::new(), 1)?)?;
        let inputs = plan.no_inputs()?;
        for (keys, set) in keys.iter().zip(plan.group_by.groups()) {
            if set.iter().all(|is_null| *is_null) {
                self.add_uncounted(keys, &inputs)?;
            }
        }
        Ok(())
    }

    /// Adds the group of one row that no function counts. (No row at all would be taken for "every group has been seen".)
    fn add_uncounted(&mut self, keys: &[ArrayRef], inputs: &[ArrayRef]) -> Result<()> {
        self.groups.intern(keys, &mut self.row_groups)?;
        let rows = RowGroups::new(&self.row_groups, self.groups.len());
        let mut states = self.states.iter_mut();
        states.try_for_each(|state| state.grow(inputs, &rows))
    }
}

/// What is on its way between tables: keys, and beside them...
#[derive(Debug)]
pub(super) enum Cargo {
    /// ... the states of groups.
    States(RecordBatch),
    /// ... the functions' inputs in rows that nobody has grouped.
    Inputs(RecordBatch),
}

impl Cargo {
    pub(super) fn batch(&self) -> &RecordBatch {
        match self {
            Cargo::States(batch) | Cargo::Inputs(batch) => batch,
        }
    }

    /// The same cargo with some of its rows.
    pub(super) fn part(&self, rows: RecordBatch) -> Self {
        match self {
            Cargo::States(_) => Cargo::States(rows),
            Cargo::Inputs(_) => Cargo::Inputs(rows),
        }
    }
}

/// A batch on its way between tables: types are those of the columns, names mean nothing.
pub(super) fn batch_of(columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
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
