//! Physical plan to pipelines: one match over the plan's nodes, one file for each relational idea.

mod aggregate;
mod assert;
mod by_shard;
mod filter;
mod join;
mod limit;
mod matching;
mod offers;
mod order;
mod project;
mod recursive;
mod repeated;
#[cfg(test)]
mod row_tests;
mod scan;
mod shared;
mod sort;
mod unnest;
mod values;
mod window;

use std::sync::Arc;

use datafusion::common::JoinSide;
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
use crate::plan::BoundQuery;
use crate::plan::assert::AssertExec;
use crate::plan::matching::MatchExec;
use crate::plan::repeated::RepeatedExec;
use crate::plan::shared::SharedScanExec;
use offers::Offers;

/// The pipelines of `query`, for which DataFusion planned `plan`, ending in `sink`. `limited`: memory has a limit.
pub(crate) fn lower(
    query: &BoundQuery,
    plan: &Arc<dyn ExecutionPlan>,
    sink: Arc<dyn AnySink>,
    limited: bool,
) -> Result<PipelineGraph> {
    // Every part would have operators of its own that hold rows, each with too little memory for them.
    let plan = &match limited {
        true => Arc::clone(plan),
        false => by_shard::by_shard(plan)?,
    };
    let mut graph = PipelineGraph {
        limited,
        recursions: query.places.recursions().clone(),
        in_any_order: match limited {
            true => order::in_any_order(plan, order::is_ordered(&query.plan))?,
            false => Vec::new(),
        },
        ..PipelineGraph::default()
    };
    let stream = lower_alone(plan, &mut graph)?;
    stream.into_sink(&mut graph, sink);
    Ok(graph)
}

/// The stream of a plan above which nothing is learned.
fn lower_alone(plan: &Arc<dyn ExecutionPlan>, graph: &mut PipelineGraph) -> Result<Stream> {
    lower_node(plan, &Offers::default(), graph)
}

/// The stream of rows that `plan` stands for; the pipelines it needs before are added to `graph`. Rows that do not pass what is
/// offered may be left out.
fn lower_node(
    plan: &Arc<dyn ExecutionPlan>,
    offers: &Offers,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return Ok(offers.clone().hand_over(scan::lower_scan(scan)?));
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let offers = offers.unless(filter.fetch().is_some()).through(|column| {
            let projection = filter.projection().as_ref();
            projection.map_or(Some(column), |columns| columns.get(column).copied())
        });
        let offers = match filter.fetch() {
            None => offers.and_at_most_of(filter.predicate()),
            Some(_) => offers,
        };
        let input = lower_node(filter.input(), &offers, graph)?;
        return filter::lower_filter(filter, input);
    }
    if let Some(assert) = plan.downcast_ref::<AssertExec>() {
        // Every row is to be looked at.
        let input = lower_alone(assert.input(), graph)?;
        return assert::lower_assert(assert, input);
    }
    if let Some(part) = plan.downcast_ref::<RepeatedExec>() {
        return repeated::lower_repeated(part, offers, graph);
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let offers = offers.through_projection(projection);
        let input = lower_node(projection.input(), &offers, graph)?;
        return project::lower_projection(projection, input);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let keys = aggregate::plain_keys(aggregate)?;
        let offers = offers.through_aggregate(aggregate);
        let input = aggregate::aggregate_input(aggregate)?;
        let input = lower_narrow(input, &keys, &offers, graph)?;
        let in_any_order = graph.is_in_any_order(plan);
        return aggregate::lower_aggregate(aggregate, input, in_any_order, graph);
    }
    let mut input = |side: JoinSide, offers: Offers, graph: &mut PipelineGraph| {
        let children = plan.children();
        let child = children.get(usize::from(side == JoinSide::Right));
        let child = child.ok_or_else(|| Error::bug("a join without two inputs"))?;
        lower_node(child, &offers, graph)
    };
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let in_any_order = graph.is_in_any_order(plan);
        return join::lower_hash_join(join, offers, &mut input, in_any_order, graph);
    }
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        return join::lower_nested_loop_join(join, offers, &mut input, graph);
    }
    if let Some(join) = plan.downcast_ref::<CrossJoinExec>() {
        return join::lower_cross_join(join, offers, &mut input, graph);
    }
    lower_order_and_shape(plan, offers, graph)
}

/// The same for an operator that takes columns narrower than planned, and takes columns `text` as they are.
fn lower_narrow(
    plan: &Arc<dyn ExecutionPlan>,
    text: &[usize],
    offers: &Offers,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let text = project::handed_on(projection, text);
        let offers = offers.through_projection(projection);
        let input = lower_narrow(projection.input(), &text, &offers, graph)?;
        return project::lower_narrow_projection(projection, input);
    }
    // DataFusion puts one above every scan.
    if plan.is::<CooperativeExec>() {
        return lower_narrow(only_child(plan)?, text, offers, graph);
    }
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        let stream = scan::lower_narrow_scan(scan, text, &offers.keys())?;
        return Ok(offers.clone().hand_over(stream));
    }
    lower_node(plan, offers, graph)
}

fn lower_order_and_shape(
    plan: &Arc<dyn ExecutionPlan>,
    offers: &Offers,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    if plan.is::<SortExec>() || plan.is::<SortPreservingMergeExec>() {
        return lower_order(plan, offers, graph);
    }
    if let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() {
        let input = lower_alone(limit.input(), graph)?;
        return limit::lower_limit(limit.skip(), limit.fetch(), input);
    }
    if let Some(limit) = plan.downcast_ref::<LocalLimitExec>() {
        let input = lower_alone(limit.input(), graph)?;
        return limit::lower_limit(0, Some(limit.fetch()), input);
    }
    if plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>() {
        let to_input = offers.through_window(window::window_functions(plan)?);
        let input = lower_node(&window::window_input(plan)?, &to_input, graph)?;
        return window::lower_window(plan, offers, input, graph);
    }
    if let Some(matching) = plan.downcast_ref::<MatchExec>() {
        let input = lower_alone(matching::match_input(matching), graph)?;
        return matching::lower_match(matching, input, graph);
    }
    if let Some(unnest) = plan.downcast_ref::<UnnestExec>() {
        let input = lower_alone(unnest.input(), graph)?;
        return unnest::lower_unnest(unnest, input);
    }
    if plan.is::<UnionExec>() || plan.is::<InterleaveExec>() {
        let inputs = plan
            .children()
            .into_iter()
            .map(|child| lower_node(child, offers, graph))
            .collect::<Result<_>>()?;
        return Ok(Stream::union(inputs));
    }
    if plan.is::<CoalescePartitionsExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<RepartitionExec>()
    {
        // How rows are spread over partitions is for the executor to say.
        let offers = offers.unless(plan.fetch().is_some());
        let input = lower_node(only_child(plan)?, &offers, graph)?;
        return limit::lower_limit(0, plan.fetch(), input);
    }
    lower_leaf(plan, graph)
}

fn lower_order(
    plan: &Arc<dyn ExecutionPlan>,
    offers: &Offers,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let ordering = match plan.downcast_ref::<SortExec>() {
        Some(sort) => Some(sort.expr()),
        None => plan
            .downcast_ref::<SortPreservingMergeExec>()
            .map(SortPreservingMergeExec::expr),
    };
    let ordering = ordering.ok_or_else(|| Error::bug("a node taken for a sort is none"))?;
    let offers = offers.unless(plan.fetch().is_some());
    let mut input = |offer, graph: &mut PipelineGraph| {
        lower_node(only_child(plan)?, &offers.clone().and(offer), graph)
    };
    sort::lower_sort(ordering, plan.fetch(), &plan.schema(), &mut input, graph)
}

fn lower_leaf(plan: &Arc<dyn ExecutionPlan>, graph: &mut PipelineGraph) -> Result<Stream> {
    if let Some(query) = plan.downcast_ref::<RecursiveQueryExec>() {
        return recursive::lower_recursive(query, lower_alone, graph);
    }
    if let Some(scan) = plan.downcast_ref::<SharedScanExec>() {
        return shared::lower_shared(scan, graph, lower_alone);
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
