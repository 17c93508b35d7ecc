//! What an aggregate computes: keys, functions, and the schema of the result.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::GroupsAccumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_plan::aggregates::PhysicalGroupBy;

use crate::error::{Error, Result};
use crate::exec::expr::checked;

/// What an aggregate computes.
#[derive(Debug)]
pub(crate) struct Aggregation {
    pub(super) group_by: PhysicalGroupBy,
    /// The key columns, with the number of the grouping set last where there are several sets.
    pub(super) group_schema: SchemaRef,
    pub(super) functions: Vec<Function>,
    pub(super) input_schema: SchemaRef,
    pub(super) output_schema: SchemaRef,
    /// So many groups are enough, whichever they are.
    pub(super) limit: Option<usize>,
    /// Groups come out in the order in which they were first seen, and rows reach the functions in the order of the input: one
    /// worker, one table.
    pub(super) in_order: bool,
}

impl Aggregation {
    pub(crate) fn new(
        group_by: &PhysicalGroupBy,
        functions: Vec<Function>,
        input_schema: SchemaRef,
        output_schema: SchemaRef,
    ) -> Result<Self> {
        let expr = group_by
            .expr()
            .iter()
            .map(|(expr, name)| Ok((checked(expr)?, name.clone())))
            .collect::<Result<_>>()?;
        let group_schema = group_by.group_schema(&input_schema)?;
        let group_by = PhysicalGroupBy::new(
            expr,
            group_by.null_expr().to_vec(),
            group_by.groups().to_vec(),
            group_by.has_grouping_set(),
        );
        Ok(Aggregation {
            group_by,
            group_schema,
            functions,
            input_schema,
            output_schema,
            limit: None,
            in_order: false,
        })
    }

    #[must_use]
    pub(crate) fn with_limit(mut self, limit: Option<usize>) -> Self {
        self.limit = limit;
        self
    }

    #[must_use]
    pub(crate) fn with_order(mut self, in_order: bool) -> Self {
        self.in_order = in_order;
        self
    }

    /// One group of all rows, there even without rows.
    pub(super) fn is_ungrouped(&self) -> bool {
        self.group_by.is_true_no_grouping()
    }

    /// Key columns in a batch of states: they come first.
    pub(super) fn key_columns(&self) -> usize {
        self.group_schema.fields().len()
    }

    /// One line for EXPLAIN.
    pub(super) fn describe(&self) -> String {
        let names: Vec<&str> = self.functions.iter().map(Function::name).collect();
        let what = match names.as_slice() {
            [] => "distinct".to_string(),
            names => format!("aggregate {}", names.join(", ")),
        };
        match (self.group_by.expr().len(), self.group_by.groups().len()) {
            (0, 0 | 1) => what,
            (keys, 0 | 1) => format!("{what} by {keys} keys"),
            (keys, sets) => format!("{what} by {keys} keys in {sets} grouping sets"),
        }
    }
}

/// One aggregate of the list, with its arguments.
#[derive(Debug)]
pub(crate) struct Function {
    expr: Arc<AggregateFunctionExpr>,
    /// What it aggregates, then what it is ordered by.
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    /// How many columns its state takes.
    state_columns: usize,
}

/// A function's arguments and filter, evaluated.
pub(super) struct Inputs {
    pub(super) arguments: Vec<ArrayRef>,
    pub(super) filter: Option<BooleanArray>,
}

impl Function {
    pub(crate) fn new(
        expr: &Arc<AggregateFunctionExpr>,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Self> {
        let order = expr.order_bys().iter().map(|key| Arc::clone(&key.expr));
        Ok(Function {
            arguments: expr
                .expressions()
                .into_iter()
                .chain(order)
                .map(|argument| checked(&argument))
                .collect::<Result<_>>()?,
            filter: filter.map(checked).transpose()?,
            state_columns: expr.state_fields()?.len(),
            expr: Arc::clone(expr),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.expr.fun().name()
    }

    pub(super) fn expr(&self) -> &AggregateFunctionExpr {
        &self.expr
    }

    pub(super) fn filter(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        self.filter.as_ref()
    }

    pub(super) fn state_columns(&self) -> usize {
        self.state_columns
    }

    /// The arguments over all rows of `batch`.
    pub(super) fn arguments(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.arguments
            .iter()
            .map(|argument| Ok(argument.evaluate(batch)?.into_array(batch.num_rows())?))
            .collect()
    }

    /// The arguments over all rows of `batch`, and which of them count.
    pub(super) fn inputs(&self, batch: &RecordBatch) -> Result<Inputs> {
        let filter = match &self.filter {
            None => None,
            Some(filter) => {
                let rows = filter.evaluate(batch)?.into_array(batch.num_rows())?;
                let rows = rows
                    .as_boolean_opt()
                    .ok_or_else(|| Error::bug("an aggregate's filter is not a condition"))?;
                Some(rows.clone())
            }
        };
        Ok(Inputs {
            arguments: self.arguments(batch)?,
            filter,
        })
    }

    pub(super) fn argument_types(&self, input: &SchemaRef) -> Result<Vec<DataType>> {
        self.arguments
            .iter()
            .map(|argument| Ok(argument.data_type(input)?))
            .collect()
    }

    /// State for many groups, kept in columns where the function can, else one accumulator for each group.
    pub(super) fn start_groups(&self) -> Result<Box<dyn GroupsAccumulator>> {
        if self.has_columnar_state() {
            return Ok(self.expr.create_groups_accumulator()?);
        }
        let expr = Arc::clone(&self.expr);
        Ok(Box::new(GroupsAccumulatorAdapter::new(move || {
            expr.create_accumulator()
        })))
    }

    /// Whether single rows turn into states at little cost.
    pub(super) fn converts_rows(&self) -> bool {
        // With several arguments DataFusion's `percentile_cont` panics, and others gain little.
        self.has_columnar_state() && self.arguments.len() <= 1
    }

    fn has_columnar_state(&self) -> bool {
        self.expr.groups_accumulator_supported()
    }
}
