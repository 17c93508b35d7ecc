//! Physical plan to pipelines: one match over the plan's nodes, one file for each relational idea.

mod aggregate;
mod filter;
mod join;
mod limit;
mod project;
mod recursive;
#[cfg(test)]
mod row_tests;
mod scan;
mod sort;
mod unnest;
mod values;
mod window;

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use crate::catalog::scan::TableScanExec;
use crate::error::{Error, Result};
use crate::exec::AnySink;
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::bridge::BridgeSource;

/// The pipelines of `plan`, ending in `sink`. `limited`: memory has a limit.
pub(crate) fn lower(
    plan: &Arc<dyn ExecutionPlan>,
    sink: Arc<dyn AnySink>,
    limited: bool,
) -> Result<PipelineGraph> {
    let mut graph = PipelineGraph {
        limited,
        ..PipelineGraph::default()
    };
    let stream = lower_node(plan, &mut graph)?;
    stream.into_sink(&mut graph, sink);
    Ok(graph)
}

/// The stream of rows that `plan` stands for; the pipelines it needs before are added to `graph`.
pub(crate) fn lower_node(
    plan: &Arc<dyn ExecutionPlan>,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return scan::lower_scan(scan);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let input = lower_node(filter.input(), graph)?;
        return filter::lower_filter(filter, input);
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let input = lower_node(projection.input(), graph)?;
        return project::lower_projection(projection, input);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let keys = aggregate::plain_keys(aggregate)?;
        let input = lower_narrow(aggregate::aggregate_input(aggregate)?, &keys, graph)?;
        return aggregate::lower_aggregate(aggregate, input, graph);
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let left = lower_node(join.left(), graph)?;
        let right = lower_node(join.right(), graph)?;
        return join::lower_hash_join(join, left, right, graph);
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        let left = lower_node(join.left(), graph)?;
        let right = lower_node(join.right(), graph)?;
        return join::lower_nested_loop_join(join, left, right, graph);
    }
    if let Some(join) = plan.downcast_ref::<CrossJoinExec>() {
        let left = lower_node(join.left(), graph)?;
        let right = lower_node(join.right(), graph)?;
        return join::lower_cross_join(join, left, right, graph);
    }
    lower_order_and_shape(plan, graph)
}

/// The same for an operator that takes columns narrower than planned, and takes columns `text` as they are.
fn lower_narrow(
    plan: &Arc<dyn ExecutionPlan>,
    text: &[usize],
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let text = project::handed_on(projection, text);
        let input = lower_narrow(projection.input(), &text, graph)?;
        return project::lower_narrow_projection(projection, input);
    }
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return scan::lower_narrow_scan(scan, text);
    }
    lower_node(plan, graph)
}

fn lower_order_and_shape(
    plan: &Arc<dyn ExecutionPlan>,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        let input = lower_node(sort.input(), graph)?;
        return sort::lower_sort(sort.expr(), sort.fetch(), &plan.schema(), input, graph);
    }
    if let Some(merge) = plan.downcast_ref::<SortPreservingMergeExec>() {
        let input = lower_node(merge.input(), graph)?;
        return sort::lower_sort(merge.expr(), merge.fetch(), &plan.schema(), input, graph);
    }
    if let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() {
        let input = lower_node(limit.input(), graph)?;
        return limit::lower_limit(limit.skip(), limit.fetch(), input);
    }
    if let Some(limit) = plan.downcast_ref::<LocalLimitExec>() {
        let input = lower_node(limit.input(), graph)?;
        return limit::lower_limit(0, Some(limit.fetch()), input);
    }
    if plan.downcast_ref::<WindowAggExec>().is_some()
        || plan.downcast_ref::<BoundedWindowAggExec>().is_some()
    {
        let input = lower_node(window::window_input(plan)?, graph)?;
        return window::lower_window(plan, input, graph);
    }
    if let Some(unnest) = plan.downcast_ref::<UnnestExec>() {
        let input = lower_node(unnest.input(), graph)?;
        return unnest::lower_unnest(unnest, input);
    }
    if plan.downcast_ref::<UnionExec>().is_some() || plan.downcast_ref::<InterleaveExec>().is_some()
    {
        let inputs = plan
            .children()
            .into_iter()
            .map(|child| lower_node(child, graph))
            .collect::<Result<_>>()?;
        return Ok(Stream::union(inputs));
    }
    if plan.downcast_ref::<CoalescePartitionsExec>().is_some()
        || plan.downcast_ref::<CooperativeExec>().is_some()
        || plan.downcast_ref::<RepartitionExec>().is_some()
    {
        // How rows are spread over partitions is for the executor to say.
        let input = lower_node(only_child(plan)?, graph)?;
        return limit::lower_limit(0, plan.fetch(), input);
    }
    lower_leaf(plan, graph)
}

fn lower_leaf(plan: &Arc<dyn ExecutionPlan>, graph: &mut PipelineGraph) -> Result<Stream> {
    if let Some(query) = plan.downcast_ref::<RecursiveQueryExec>() {
        return recursive::lower_recursive(query, lower_node, graph);
    }
    if let Some(stream) = values::lower_memory(plan)? {
        return Ok(stream);
    }
    Ok(Stream::from_source(
        Arc::new(BridgeSource::new(Arc::clone(plan))),
        Vec::new(),
    ))
}

fn only_child(plan: &Arc<dyn ExecutionPlan>) -> Result<&Arc<dyn ExecutionPlan>> {
    plan.children()
        .into_iter()
        .next()
        .ok_or_else(|| Error::bug(format!("{} without an input", plan.name())))
}
