//! Parts of a plan that several nodes read: their rows are kept by the first who needs all of them.

use std::sync::Arc;

use datafusion::physical_plan::aggregates::AggregateExec;

use super::offers::Offers;
use super::{lower_alone, lower_node};
use crate::error::Result;
use crate::exec::graph::{PipelineGraph, RepeatedRows, Stream};
use crate::exec::operators::kept::{KeepSink, KeptSlot, KeptSource};
use crate::plan::repeated::RepeatedExec;

/// What kept rows are called in EXPLAIN.
const NAME: &str = "what is read again";

/// The rows of the part, kept or computed anew: who offers to do with fewer may be done sooner alone.
pub(super) fn lower_repeated(
    repeated: &RepeatedExec,
    offers: &Offers,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let input = repeated.input();
    let helps = match input.downcast_ref::<AggregateExec>() {
        Some(aggregate) => offers.through_aggregate(aggregate).are_learned(),
        None => offers.are_learned(),
    };
    let mut known = graph.repeated.iter();
    let rows = match known.find(|rows| Arc::ptr_eq(&rows.plan, input)) {
        Some(rows) => rows.clone(),
        None if helps => return lower_node(input, offers, graph),
        None => {
            let slot = KeptSlot::default();
            let sink = KeepSink::new(NAME.to_string(), &input.schema(), Arc::clone(&slot));
            let stream = lower_alone(input, graph)?;
            let rows = RepeatedRows {
                plan: Arc::clone(input),
                ordered: stream.ordered,
                sink: stream.into_sink(graph, Arc::new(sink)),
                slot,
            };
            graph.repeated.push(rows.clone());
            rows
        }
    };
    let all = (0..input.schema().fields().len()).collect();
    let source = KeptSource::new(NAME.to_string(), rows.slot, all);
    let mut stream = Stream::from_source(Arc::new(source), vec![rows.sink]);
    stream.ordered = rows.ordered;
    Ok(stream)
}
