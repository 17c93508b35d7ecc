//! What an aggregate computes: keys, functions, and the schema of the result.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, new_null_array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::logical_expr::{Accumulator, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_plan::aggregates::{PhysicalGroupBy, evaluate_group_by};

use super::distinct::{DistinctCount, DistinctCounts};
use super::state::{Accumulated, GroupState};
use super::totals::{Total, TotalsPlan, is_constant};
use crate::error::{Error, Result};
use crate::exec::expr::checked;
use crate::exec::narrow::NarrowBatch;

/// What an aggregate computes.
#[derive(Debug)]
pub(crate) struct Aggregation {
    pub(super) group_by: PhysicalGroupBy,
    /// The key columns, with the number of the grouping set last where there are several sets.
    pub(super) group_schema: SchemaRef,
    pub(super) functions: Vec<Function>,
    /// What the functions take, each expression once.
    inputs: Vec<Input>,
    /// Functions that share their state.
    totals: Vec<TotalsPlan>,
    /// The numbers of the others.
    others: Vec<usize>,
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
        mut functions: Vec<Function>,
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
        let mut inputs = Vec::new();
        functions
            .iter_mut()
            .for_each(|function| function.find_inputs(&mut inputs));
        let (mut totals, mut others) = (Vec::new(), Vec::new());
        for (number, function) in functions.iter().enumerate() {
            let is_total = TotalsPlan::add(
                &mut totals,
                number,
                function,
                |argument| Ok(!is_constant(argument) && argument.nullable(&input_schema)?),
                |argument| Ok(argument.data_type(&input_schema)?),
            )?;
            if !is_total {
                others.push(number);
            }
        }
        Ok(Aggregation {
            group_by,
            group_schema,
            functions,
            inputs,
            totals,
            others,
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

    /// The key columns of each grouping set.
    pub(super) fn keys(&self, batch: &NarrowBatch) -> Result<Vec<Vec<ArrayRef>>> {
        let stored = |(expr, _): &(Arc<dyn PhysicalExpr>, String)| expr.is::<Column>();
        let batch = match self.group_by.expr().iter().all(stored) {
            true => batch.given(),
            false => batch.planned()?,
        };
        Ok(evaluate_group_by(&self.group_by, batch)?)
    }

    /// What the functions take, over all rows of `batch`.
    pub(super) fn inputs(&self, batch: &NarrowBatch) -> Result<Vec<ArrayRef>> {
        self.inputs
            .iter()
            .map(|input| match input.may_be_narrow {
                true => batch.evaluate_narrow(&input.expr),
                false => batch.evaluate(&input.expr),
            })
            .collect()
    }

    /// The states of all functions, for no group yet.
    pub(super) fn start(&self) -> Result<Vec<Box<dyn GroupState>>> {
        let totals = self.totals.iter().map(|totals| {
            let totals: Box<dyn GroupState> = Box::new(totals.start());
            Ok(totals)
        });
        let others = self.others.iter().map(|number| {
            let state = Accumulated::new(*number, &self.functions[*number])?;
            let state: Box<dyn GroupState> = Box::new(state);
            Ok(state)
        });
        totals.chain(others).collect()
    }

    /// NULL for each of [`inputs`](Self::inputs), for one row.
    pub(super) fn no_inputs(&self) -> Result<Vec<ArrayRef>> {
        self.inputs
            .iter()
            .map(|input| {
                let data_type = input.expr.data_type(&self.input_schema)?;
                Ok(new_null_array(&data_type, 1))
            })
            .collect()
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

/// An expression that functions take.
#[derive(Debug)]
struct Input {
    expr: Arc<dyn PhysicalExpr>,
    /// Everyone who takes it also takes narrower types.
    may_be_narrow: bool,
}

/// One aggregate of the list, with its arguments.
#[derive(Debug)]
pub(crate) struct Function {
    expr: Arc<AggregateFunctionExpr>,
    /// What it aggregates, then what it is ordered by.
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    /// Where arguments and filter are among the inputs of all functions.
    argument_inputs: Vec<usize>,
    filter_input: Option<usize>,
    /// It takes decimals in 64 bits for those in 128.
    takes_narrow: bool,
    /// It is made of count and sum.
    total: Option<Total>,
    /// It counts different values of this type.
    distinct_count: Option<DataType>,
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
            argument_inputs: Vec::new(),
            filter_input: None,
            takes_narrow: false,
            total: None,
            distinct_count: None,
            state_columns: expr.state_fields()?.len(),
            expr: Arc::clone(expr),
        })
    }

    #[must_use]
    pub(crate) fn with_narrow(mut self, takes_narrow: bool) -> Self {
        self.takes_narrow = takes_narrow;
        self
    }

    /// Says that it is made of count and sum.
    #[must_use]
    pub(crate) fn with_total(mut self, total: Option<Total>) -> Self {
        self.total = total;
        self
    }

    #[must_use]
    pub(crate) fn with_distinct_count(mut self, value_type: Option<DataType>) -> Self {
        self.distinct_count = value_type;
        self
    }

    /// Finds arguments and filter among `inputs`, or adds them.
    fn find_inputs(&mut self, inputs: &mut Vec<Input>) {
        let mut find = |expr: &Arc<dyn PhysicalExpr>, may_be_narrow| {
            let same = |input: &Input| input.expr.eq(expr) && input.may_be_narrow == may_be_narrow;
            inputs.iter().position(same).unwrap_or_else(|| {
                let expr = Arc::clone(expr);
                inputs.push(Input {
                    expr,
                    may_be_narrow,
                });
                inputs.len() - 1
            })
        };
        // COUNT(*) takes no values.
        let counts_rows = self.total == Some(Total::Count)
            && matches!(self.arguments.as_slice(), [only] if is_constant(only));
        self.argument_inputs = match counts_rows {
            true => Vec::new(),
            false => self
                .arguments
                .iter()
                .map(|argument| find(argument, self.takes_narrow))
                .collect(),
        };
        self.filter_input = self.filter.as_ref().map(|filter| find(filter, false));
    }

    pub(super) fn name(&self) -> &str {
        self.expr.fun().name()
    }

    /// The type of the values if it counts different ones.
    pub(super) fn distinct_count(&self) -> Option<&DataType> {
        self.distinct_count.as_ref()
    }

    pub(super) fn filter(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        self.filter.as_ref()
    }

    pub(super) fn state_columns(&self) -> usize {
        self.state_columns
    }

    /// The arguments over all rows of `batch`.
    pub(super) fn arguments(&self, batch: &NarrowBatch) -> Result<Vec<ArrayRef>> {
        let evaluate = |argument| match self.takes_narrow {
            true => batch.evaluate_narrow(argument),
            false => batch.evaluate(argument),
        };
        self.arguments.iter().map(evaluate).collect()
    }

    pub(super) fn expr(&self) -> &Arc<AggregateFunctionExpr> {
        &self.expr
    }

    pub(super) fn total(&self) -> Option<Total> {
        self.total
    }

    pub(super) fn filter_input(&self) -> Option<usize> {
        self.filter_input
    }

    /// The only argument, and its place among the inputs if its values are asked for.
    pub(super) fn only_argument(&self) -> Option<(&Arc<dyn PhysicalExpr>, Option<usize>)> {
        match self.arguments.as_slice() {
            [only] => Some((only, self.argument_inputs.first().copied())),
            _ => None,
        }
    }

    pub(super) fn state_types(&self) -> Result<Vec<DataType>> {
        let fields = self.expr.state_fields()?;
        Ok(fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect())
    }

    /// Picks the arguments, and which rows count, from the inputs of all functions.
    pub(super) fn picker(&self) -> impl Fn(&[ArrayRef]) -> Result<Inputs> + Send + 'static {
        let (arguments, filter) = (self.argument_inputs.clone(), self.filter_input);
        move |inputs| {
            let filter = match filter {
                None => None,
                Some(position) => {
                    let rows = inputs[position].as_boolean_opt().cloned();
                    Some(
                        rows.ok_or_else(|| Error::bug("an aggregate's filter is not a condition"))?,
                    )
                }
            };
            let arguments = arguments.iter();
            Ok(Inputs {
                arguments: arguments.map(|input| Arc::clone(&inputs[*input])).collect(),
                filter,
            })
        }
    }

    /// State for many groups, kept in columns where the function can, else one accumulator for each group.
    pub(super) fn start_groups(&self) -> Result<Box<dyn GroupsAccumulator>> {
        if let Some(counts) = self.distinct_counts()? {
            return Ok(Box::new(counts));
        }
        if self.has_columnar_state() {
            return Ok(self.expr.create_groups_accumulator()?);
        }
        let expr = Arc::clone(&self.expr);
        Ok(Box::new(GroupsAccumulatorAdapter::new(move || {
            expr.create_accumulator()
        })))
    }

    /// State for all rows together.
    pub(super) fn start_one(&self) -> Result<Box<dyn Accumulator>> {
        Ok(match self.distinct_counts()? {
            Some(counts) => Box::new(DistinctCount::new(counts)),
            None => self.expr.create_accumulator()?,
        })
    }

    fn distinct_counts(&self) -> Result<Option<DistinctCounts>> {
        match &self.distinct_count {
            Some(value_type) => DistinctCounts::new(value_type),
            None => Ok(None),
        }
    }

    fn has_columnar_state(&self) -> bool {
        self.expr.groups_accumulator_supported()
    }
}
