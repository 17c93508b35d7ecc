//! AggregateExec to the two phases of [`crate::exec::operators::aggregate`].

use std::iter::zip;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::functions_aggregate::count::Count;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::catalog::functions::{is_average, is_sum, takes_narrow};
use crate::error::{Error, Result};
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::aggregate::{self, Aggregation, Function, Total};

/// The plan whose rows `aggregate` takes: what is to be lowered before [`lower_aggregate`]. Of a pair of a partial and a final
/// aggregate it is the input of the partial one.
pub(crate) fn aggregate_input(aggregate: &AggregateExec) -> Result<&Arc<dyn ExecutionPlan>> {
    Ok(definition(aggregate)?.input())
}

/// Columns of [`aggregate_input`] that are keys and nothing else.
pub(crate) fn plain_keys(aggregate: &AggregateExec) -> Result<Vec<usize>> {
    let definition = definition(aggregate)?;
    let in_functions: Vec<usize> = definition
        .aggr_expr()
        .iter()
        .flat_map(|function| {
            let order = function.order_bys().iter().map(|key| Arc::clone(&key.expr));
            function.expressions().into_iter().chain(order)
        })
        .chain(definition.filter_expr().iter().flatten().cloned())
        .flat_map(|expr| collect_columns(&expr))
        .map(|column| column.index())
        .collect();
    let keys = definition.group_expr().expr().iter();
    let (columns, computed): (Vec<_>, Vec<_>) = keys.partition(|(expr, _)| expr.is::<Column>());
    let in_keys: Vec<usize> = computed
        .iter()
        .flat_map(|(expr, _)| collect_columns(expr))
        .map(|column| column.index())
        .collect();
    Ok(columns
        .iter()
        .filter_map(|(expr, _)| expr.downcast_ref::<Column>())
        .map(Column::index)
        .filter(|column| !in_functions.contains(column) && !in_keys.contains(column))
        .collect())
}

/// Ends `input`, the stream of [`aggregate_input`], in the aggregate. With `in_any_order` nobody sees in which order its rows come.
pub(crate) fn lower_aggregate(
    aggregate: &AggregateExec,
    mut input: Stream,
    in_any_order: bool,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let definition = definition(aggregate)?;
    let has_groups = !definition.group_expr().is_true_no_grouping();
    let functions = zip(definition.aggr_expr(), definition.filter_expr())
        .map(|(function, filter)| {
            let total = total(function).filter(|_| has_groups);
            let takes_narrow =
                total.is_some() || takes_narrow(function.fun(), function.is_distinct(), has_groups);
            let distinct = distinct_count(function, &definition.input().schema())?;
            let function = Function::new(function, filter.as_ref())?;
            Ok(function
                .with_narrow(takes_narrow)
                .with_total(total)
                .with_distinct_count(distinct))
        })
        .collect::<Result<_>>()?;
    let limit = aggregate
        .is_unordered_unfiltered_group_by_distinct()
        .then(|| aggregate.limit_options())
        .flatten()
        .map(|options| options.limit());
    let is_sorted = aggregate.properties().output_ordering().is_some();
    let in_order = needs_order(definition) || is_sorted && !in_any_order;
    input.ordered |= in_order;
    let plan = Aggregation::new(
        definition.group_expr(),
        functions,
        definition.input().schema(),
        aggregate.schema(),
    )?
    .with_limit(limit)
    .with_order(in_order);
    aggregate::aggregate(plan, input, graph)
}

/// What the function makes of count and sum, if that is all it is.
fn total(function: &AggregateFunctionExpr) -> Option<Total> {
    if function.is_distinct() || !function.order_bys().is_empty() {
        return None;
    }
    match function.fun() {
        function if function.inner().is::<Count>() => Some(Total::Count),
        function if is_sum(function) => Some(Total::Sum),
        function if is_average(function) => Some(Total::Average),
        _ => None,
    }
}

/// The type of the values that a COUNT(DISTINCT x) counts.
fn distinct_count(function: &AggregateFunctionExpr, input: &Schema) -> Result<Option<DataType>> {
    let is_count = function.fun().inner().is::<Count>() && function.is_distinct();
    match function.expressions().as_slice() {
        [value] if is_count => Ok(Some(value.data_type(input)?)),
        _ => Ok(None),
    }
}

/// Whether a function was planned to see its rows in the order of the input. Where the input has no order, functions with an
/// ORDER BY sort by themselves.
pub(super) fn needs_order(definition: &AggregateExec) -> bool {
    definition.input().output_ordering().is_some()
        && definition
            .aggr_expr()
            .iter()
            .any(|function| !function.order_bys().is_empty())
}

/// The node that says what is computed from rows: of a pair, the partial one.
fn definition(aggregate: &AggregateExec) -> Result<&AggregateExec> {
    match aggregate.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned => Ok(aggregate),
        AggregateMode::Final | AggregateMode::FinalPartitioned => {
            let partial = below_exchanges(aggregate.input())
                .downcast_ref::<AggregateExec>()
                .filter(|partial| *partial.mode() == AggregateMode::Partial);
            partial.ok_or_else(|| Error::bug("a final aggregate without its partial one"))
        }
        AggregateMode::Partial | AggregateMode::PartialReduce => {
            Err(Error::bug("a partial aggregate without its final one"))
        }
    }
}

/// The plan below the nodes that only move rows between partitions.
fn below_exchanges(mut plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    while let [input] = plan.children()[..] {
        if !plan.is::<RepartitionExec>() && !plan.is::<CoalescePartitionsExec>() {
            break;
        }
        plan = input;
    }
    plan
}

#[cfg(test)]
mod tests;
