//! Parts of a plan that several nodes read: their rows are kept by the first who needs all of them.

use std::sync::{Arc, OnceLock};

use datafusion::physical_plan::aggregates::AggregateExec;

use super::offers::Offers;
use super::{lower_alone, lower_node};
use crate::error::Result;
use crate::exec::graph::{PipelineGraph, RepeatedRows, Stream};
use crate::exec::operators::collect::{CollectSink, CollectedSource, Slot};
use crate::plan::repeated::RepeatedExec;

/// The rows of the part, kept or computed anew. Who offers to do with fewer may be done sooner alone; kept rows cannot be
/// written out, so with a limit of memory all compute them.
pub(super) fn lower_repeated(
    repeated: &RepeatedExec,
    offers: &Offers,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let input = repeated.input();
    if graph.limited {
        return lower_node(input, offers, graph);
    }
    let helps = match input.downcast_ref::<AggregateExec>() {
        Some(aggregate) => offers.through_aggregate(aggregate).are_learned(),
        None => offers.are_learned(),
    };
    let mut known = graph.repeated.iter();
    let rows = match known.find(|rows| Arc::ptr_eq(&rows.plan, input)) {
        Some(rows) => rows.clone(),
        None if helps => return lower_node(input, offers, graph),
        None => {
            let slot = Slot::new(OnceLock::new());
            let sink = Arc::new(CollectSink::new(Arc::clone(&slot)));
            let stream = lower_alone(input, graph)?;
            let rows = RepeatedRows {
                plan: Arc::clone(input),
                ordered: stream.ordered,
                sink: stream.into_sink(graph, sink),
                slot,
            };
            graph.repeated.push(rows.clone());
            rows
        }
    };
    let source = Arc::new(CollectedSource::new(rows.slot));
    let mut stream = Stream::from_source(source, vec![rows.sink]);
    stream.ordered = rows.ordered;
    Ok(stream)
}
