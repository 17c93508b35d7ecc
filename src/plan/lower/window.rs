//! Window functions.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::datasource::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{LimitEffect, Operator, PartitionEvaluator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::BinaryExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::{
    PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr,
    StandardWindowFunctionExpr, WindowExpr,
};
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowUDFExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, InputOrderMode};

use super::offers::Offers;
use crate::error::{Error, Result};
use crate::exec::expr::checked;
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::first_rows::FirstRows;
use crate::exec::operators::sort::{SortSink, SortedSlot};
use crate::exec::operators::sort_keys::SortKeys;
use crate::exec::operators::window::{WindowPlan, WindowSource};

/// Ends the input in a sort by PARTITION BY and ORDER BY keys and computes the windows of the sorted rows, which stay in that
/// order. The order of the input is not trusted: `input` is best what lies below the sorts that DataFusion puts under `plan`
/// ([`window_input`]).
pub(crate) fn lower_window(
    plan: &Arc<dyn ExecutionPlan>,
    offers: &Offers,
    input: Stream,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let (exprs, bounded, schema) = window_parts(plan)?;
    let exprs: Vec<Arc<dyn WindowExpr>> =
        exprs.iter().map(checked_window).collect::<Result<_>>()?;
    let Some(first) = exprs.first() else {
        return Ok(input);
    };
    let input = match first_rows(&exprs, offers, &schema)? {
        Some(first_rows) => input.then(Arc::new(first_rows), &[]),
        None => input,
    };
    // DataFusion puts windows into one node only if they agree in both kinds of keys.
    let promised = promised_order(plan, &schema);
    let ordering = ordering(first.partition_by(), first.order_by(), &promised);
    let keys = |ordering: &Option<LexOrdering>| match ordering {
        None => Ok(None),
        Some(ordering) => SortKeys::new(ordering, &schema).map(Some),
    };
    let partition_keys = keys(&self::ordering(first.partition_by(), &[], &[]))?;
    let sort_keys = keys(&ordering)?;
    let names: Vec<&str> = exprs.iter().map(|expr| expr.name()).collect();
    let functions = names.join(", ");

    let slot = SortedSlot::default();
    let sink = SortSink::new("window", sort_keys, Arc::clone(&schema), Arc::clone(&slot));
    let sink = input.into_sink(graph, Arc::new(sink));
    let plan = Arc::new(OverSorted {
        exprs,
        bounded,
        schema: Arc::clone(&schema),
        ordering,
    });
    let source = WindowSource::new(slot, partition_keys, schema, plan, functions);
    let mut stream = Stream::from_source(Arc::new(source), vec![sink]);
    stream.ordered = true;
    Ok(stream)
}

/// Leaves out rows before they are sorted, where `offers` say that their numbers are too high to be of use.
fn first_rows(
    exprs: &[Arc<dyn WindowExpr>],
    offers: &Offers,
    input: &SchemaRef,
) -> Result<Option<FirstRows>> {
    let ties = exprs.iter().map(is_rank);
    // Functions of another kind may look at any row.
    let (Some(ties), Some(first)) = (ties.collect::<Option<Vec<bool>>>(), exprs.first()) else {
        return Ok(None);
    };
    let mut wanted: Option<(usize, bool)> = None;
    for (number, with_ties) in ties.iter().enumerate() {
        let most = offers.at_most(input.fields().len() + number);
        let most = most.and_then(|most| usize::try_from(most).ok());
        if let Some(most) = most
            && wanted.is_none_or(|(known, _)| most < known)
        {
            wanted = Some((most, *with_ties));
        }
    }
    let order = LexOrdering::new(first.order_by().iter().cloned());
    let (Some(wanted), Some(order)) = (wanted, order) else {
        return Ok(None);
    };
    FirstRows::new(first.partition_by(), &order, wanted, input)
}

/// Whether the function is RANK, not ROW_NUMBER; `None` for any other. Both look only at earlier rows.
fn is_rank(expr: &Arc<dyn WindowExpr>) -> Option<bool> {
    let standard = expr.as_any().downcast_ref::<StandardWindowExpr>()?;
    let function = standard.get_standard_func_expr().as_any();
    match function.downcast_ref::<WindowUDFExpr>()?.fun().name() {
        "row_number" => Some(false),
        "rank" => Some(true),
        _ => None,
    }
}

/// What a window node reads, without the sort that only puts its rows in order.
pub(crate) fn window_input(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let input = *plan
        .children()
        .first()
        .ok_or_else(|| Error::bug("a window without an input"))?;
    match has_keys(plan)? {
        true => unsorted(input),
        false => Ok(Arc::clone(input)),
    }
}

/// The plan without a sort of all its rows, which may lie under projections.
fn unsorted(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(sort) = plan.downcast_ref::<SortExec>()
        && sort.fetch().is_none()
    {
        return Ok(Arc::clone(sort.input()));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let below = unsorted(projection.input())?;
        if !Arc::ptr_eq(&below, projection.input()) {
            let exprs = projection.expr().to_vec();
            return Ok(Arc::new(ProjectionExec::try_new(exprs, below)?));
        }
    }
    Ok(Arc::clone(plan))
}

/// What the node computes.
pub(crate) fn window_functions(plan: &Arc<dyn ExecutionPlan>) -> Result<&[Arc<dyn WindowExpr>]> {
    Ok(window_parts(plan)?.0)
}

/// Whether the window sorts at all: if not, the order of its input is part of the query.
pub(super) fn has_keys(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let (exprs, _, _) = window_parts(plan)?;
    Ok(exprs
        .first()
        .is_some_and(|first| !(first.partition_by().is_empty() && first.order_by().is_empty())))
}

/// The expressions of a window node, whether it is the one that goes on while rows come, and its input's columns.
type WindowParts<'a> = (&'a [Arc<dyn WindowExpr>], bool, SchemaRef);

fn window_parts(plan: &Arc<dyn ExecutionPlan>) -> Result<WindowParts<'_>> {
    if let Some(window) = plan.downcast_ref::<WindowAggExec>() {
        return Ok((window.window_expr(), false, window.input().schema()));
    }
    if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        return Ok((window.window_expr(), true, window.input().schema()));
    }
    Err(Error::bug("a node taken for a window is none"))
}

/// What rows are sorted by: partition keys, then order keys, then what else DataFusion promises of the node's rows. Directions
/// and sequence of partition keys are free, so they follow the promise: an ORDER BY above may have been left out for it.
fn ordering(
    partition_by: &[Arc<dyn PhysicalExpr>],
    order_by: &[PhysicalSortExpr],
    promised: &[PhysicalSortExpr],
) -> Option<LexOrdering> {
    let is_partition_key =
        |key: &&PhysicalSortExpr| partition_by.iter().any(|own| own.eq(&key.expr));
    let first = promised.iter().take_while(is_partition_key).cloned();
    let others = partition_by
        .iter()
        .map(|expr| PhysicalSortExpr::new_default(Arc::clone(expr)));
    // A key that comes twice counts where it comes first.
    LexOrdering::new(
        first
            .chain(others)
            .chain(order_by.iter().cloned())
            .chain(promised.iter().cloned()),
    )
}

/// The order that DataFusion promises of a node's rows, as far as it is one of its input's columns.
fn promised_order(plan: &Arc<dyn ExecutionPlan>, input: &SchemaRef) -> Vec<PhysicalSortExpr> {
    let of_input = |key: &&PhysicalSortExpr| {
        collect_columns(&key.expr)
            .iter()
            .all(|column| column.index() < input.fields().len())
    };
    plan.output_ordering()
        .into_iter()
        .flatten()
        .filter(of_input)
        .cloned()
        .collect()
}

/// DataFusion's node over rows that are sorted by `ordering`.
struct OverSorted {
    exprs: Vec<Arc<dyn WindowExpr>>,
    bounded: bool,
    schema: SchemaRef,
    ordering: Option<LexOrdering>,
}

impl OverSorted {
    fn bounded(&self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = InputOrderMode::Sorted;
        let exprs = self.exprs.clone();
        Ok(Arc::new(BoundedWindowAggExec::try_new(
            exprs, input, mode, true,
        )?))
    }
}

impl WindowPlan for OverSorted {
    fn over_batches(&self, batches: Vec<RecordBatch>) -> Result<Arc<dyn ExecutionPlan>> {
        let source = MemorySourceConfig::try_new(&[batches], Arc::clone(&self.schema), None)?
            .try_with_sort_information(self.ordering.iter().cloned().collect())?;
        let input = DataSourceExec::from_data_source(source);
        if self.bounded {
            return self.bounded(input);
        }
        let exprs = self.exprs.clone();
        Ok(Arc::new(WindowAggExec::try_new(exprs, input, true)?))
    }

    fn over_stream(
        &self,
        rows: Arc<dyn PartitionStream>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if !self.bounded {
            return Ok(None);
        }
        let schema = Arc::clone(&self.schema);
        let ordering = self.ordering.iter().cloned();
        let input = StreamingTableExec::try_new(schema, vec![rows], None, ordering, false, None)?;
        self.bounded(Arc::new(input)).map(Some)
    }
}

/// The same window with checked arithmetic in its arguments, keys and filter.
fn checked_window(expr: &Arc<dyn WindowExpr>) -> Result<Arc<dyn WindowExpr>> {
    let partition_by = checked_all(expr.partition_by())?;
    let order_by = checked_keys(expr.order_by())?;
    let frame = Arc::clone(expr.get_window_frame());
    let any = expr.as_any();
    if any.is::<SlidingAggregateWindowExpr>() {
        let keys = order_by.into_iter().map(|key| key.expr).collect();
        return expr
            .with_new_expressions(checked_all(&expr.expressions())?, partition_by, keys)
            .ok_or_else(|| Error::bug("a window changed the number of its arguments"));
    }
    if let Some(plain) = any.downcast_ref::<PlainAggregateWindowExpr>() {
        if !plain.expressions().iter().any(has_arithmetic) {
            return Ok(Arc::clone(expr));
        }
        // DataFusion does not hand out a window's filter, and to build the window anew without it would be wrong.
        if !format!("{plain:?}").ends_with("filter: None }") {
            return Err(Error::bug(
                "the arguments of a window with a FILTER are no columns",
            ));
        }
        let aggregate = checked_aggregate(plain.get_aggregate_expr())?;
        return Ok(Arc::new(PlainAggregateWindowExpr::new(
            aggregate,
            &partition_by,
            &order_by,
            frame,
            None,
        )));
    }
    if let Some(standard) = any.downcast_ref::<StandardWindowExpr>() {
        let function = Arc::new(CheckedFunction {
            arguments: checked_all(&standard.get_standard_func_expr().expressions())?,
            function: Arc::clone(standard.get_standard_func_expr()),
        });
        return Ok(Arc::new(StandardWindowExpr::new(
            function,
            &partition_by,
            &order_by,
            frame,
        )));
    }
    Err(Error::bug("a window function of an unknown kind"))
}

fn checked_aggregate(aggregate: &AggregateFunctionExpr) -> Result<Arc<AggregateFunctionExpr>> {
    let arguments = checked_all(&aggregate.expressions())?;
    let order_by = aggregate
        .order_bys()
        .iter()
        .map(|key| checked(&key.expr))
        .collect::<Result<_>>()?;
    aggregate
        .with_new_expressions(arguments, order_by)
        .map(Arc::new)
        .ok_or_else(|| Error::bug("an aggregate changed the number of its arguments"))
}

/// Whether there is arithmetic that has to be checked.
fn has_arithmetic(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let binary = expr.downcast_ref::<BinaryExpr>();
    binary.is_some_and(|binary| {
        matches!(
            binary.op(),
            Operator::Plus | Operator::Minus | Operator::Multiply
        )
    }) || expr.children().into_iter().any(has_arithmetic)
}

fn checked_all(exprs: &[Arc<dyn PhysicalExpr>]) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    exprs.iter().map(checked).collect()
}

fn checked_keys(keys: &[PhysicalSortExpr]) -> Result<Vec<PhysicalSortExpr>> {
    keys.iter()
        .map(|key| Ok(PhysicalSortExpr::new(checked(&key.expr)?, key.options)))
        .collect()
}

/// A window function with other expressions for its arguments.
#[derive(Debug)]
struct CheckedFunction {
    function: Arc<dyn StandardWindowFunctionExpr>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
}

impl StandardWindowFunctionExpr for CheckedFunction {
    fn as_any(&self) -> &dyn Any {
        self.function.as_any()
    }

    fn field(&self) -> DataFusionResult<FieldRef> {
        self.function.field()
    }

    fn expressions(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.arguments.clone()
    }

    fn name(&self) -> &str {
        self.function.name()
    }

    fn create_evaluator(&self) -> DataFusionResult<Box<dyn PartitionEvaluator>> {
        self.function.create_evaluator()
    }

    fn get_result_ordering(&self, schema: &SchemaRef) -> Option<PhysicalSortExpr> {
        self.function.get_result_ordering(schema)
    }

    fn limit_effect(&self) -> LimitEffect {
        self.function.limit_effect()
    }
}
