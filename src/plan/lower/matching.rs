//! MATCH_RECOGNIZE.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;

use crate::error::Result;
use crate::exec::expr::checked;
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::matching::MatchSource;
use crate::exec::operators::sort::{SortSink, SortedSlot};
use crate::exec::operators::sort_keys::SortKeys;
use crate::plan::matching::MatchExec;

/// What is to be lowered before [`lower_match`]: without the sort that only puts its rows in order.
pub(super) fn match_input(plan: &MatchExec) -> &Arc<dyn ExecutionPlan> {
    let input = plan.input();
    match input.downcast_ref::<SortExec>() {
        Some(sort) if sort.fetch().is_none() => sort.input(),
        _ => input,
    }
}

/// Ends the input in a sort by partition and order, and finds the matches in the sorted rows.
pub(super) fn lower_match(
    plan: &MatchExec,
    input: Stream,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let schema = plan.input().schema();
    let keys = plan.ordering();
    let keys = keys.map(|keys| SortKeys::new(&keys, &schema)).transpose()?;
    let conditions = plan.conditions().iter().map(checked);
    let plan = Arc::new(plan.match_plan(conditions.collect::<Result<_>>()?)?);
    let slot = SortedSlot::default();
    let sink = SortSink::new("match", keys, Arc::clone(&schema), Arc::clone(&slot));
    let sink = input.into_sink(graph, Arc::new(sink));
    let source = MatchSource::new(slot, schema, plan);
    Ok(Stream::from_source(Arc::new(source), vec![sink]))
}
