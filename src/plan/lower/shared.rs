//! Tables that run once and are read in several places: pipelines of their own leave the rows where every reader finds them.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;

use super::recursive::LowerNode;
use crate::error::Result;
use crate::exec::graph::{PipelineGraph, SinkId, Stream};
use crate::exec::operators::kept::{KeepSink, KeptSlot, KeptSource};
use crate::plan::shared::SharedScanExec;

/// The rows of a reader.
pub(super) fn lower_shared(
    scan: &SharedScanExec,
    graph: &mut PipelineGraph,
    lower_node: LowerNode,
) -> Result<Stream> {
    let (slot, after) = keep(scan, graph, lower_node)?;
    let source = KeptSource::new(shown(scan), slot, scan.projection().to_vec());
    Ok(Stream::from_source(Arc::new(source), after))
}

/// Where the rows of a table lie, and what must be over before. The first reader adds the pipelines that make them.
pub(super) fn keep(
    scan: &SharedScanExec,
    graph: &mut PipelineGraph,
    lower_node: LowerNode,
) -> Result<(KeptSlot, Vec<SinkId>)> {
    if let Some(known) = graph.kept.get(&scan.key().id) {
        return Ok(known.clone());
    }
    let slot = KeptSlot::default();
    let sink = KeepSink::new(shown(scan), &scan.plan().schema(), Arc::clone(&slot));
    let sink = lower_node(scan.plan(), graph)?.into_sink(graph, Arc::new(sink));
    let kept = (slot, vec![sink]);
    graph.kept.insert(Arc::clone(&scan.key().id), kept.clone());
    Ok(kept)
}

/// The tables that the rounds of a recursion read and do not make: they run once for all rounds.
pub(super) fn tables_from_outside<'p>(
    term: &'p Arc<dyn ExecutionPlan>,
    recursion: &'p str,
) -> Vec<&'p SharedScanExec> {
    let mut found = Vec::new();
    collect(term, &mut vec![recursion], &mut found);
    found
}

fn collect<'p>(
    plan: &'p Arc<dyn ExecutionPlan>,
    recursions: &mut Vec<&'p str>,
    found: &mut Vec<&'p SharedScanExec>,
) {
    if let Some(scan) = plan.downcast_ref::<SharedScanExec>() {
        let within = scan.key().within.as_deref();
        if within.is_some_and(|within| recursions.contains(&within)) {
            collect(scan.plan(), recursions, found);
        } else {
            found.push(scan);
        }
        return;
    }
    let recursion = plan.downcast_ref::<RecursiveQueryExec>();
    recursions.extend(recursion.map(RecursiveQueryExec::name));
    for child in plan.children() {
        collect(child, recursions, found);
    }
    if recursion.is_some() {
        recursions.pop();
    }
}

/// The name as written.
fn shown(scan: &SharedScanExec) -> String {
    let id = &scan.key().id;
    id.split('#').next().unwrap_or(id).to_string()
}
