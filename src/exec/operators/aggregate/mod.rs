//! GROUP BY and aggregates without groups, in two phases.
//!
//! [`plan`]: what is to be computed. [`table`]: groups ([`keys`] finds them) and the [`state`] of their aggregates: [`totals`] of
//! numbers, [`distinct`] counts, or DataFusion's accumulators. [`partial`], phase 1: each worker fills a table that stays small; when it
//! outgrows the cache, its states (or, where groups hardly repeat, the rows themselves) go by hash to [`partitions`] that all
//! workers share. [`merge`], phase 2: one unit for each partition merges what is left and gives the rows. [`ungrouped`]: one state
//! for each worker, merged at the end.
//!
//! Where memory has a limit and the groups do not fit, all states go to files ([`spilled`]). Different values of all rows are then
//! groups, too ([`apart`]).
//!
//! A table that never overflowed is not taken apart: one worker alone never makes states at all, and few groups are merged into
//! the first worker's table.

mod apart;
mod distinct;
mod keys;
mod merge;
mod partial;
mod partitions;
mod plan;
mod spilled;
mod state;
mod table;
mod totals;
mod ungrouped;

use std::sync::Arc;

use crate::error::Result;
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::memory::ShareSlot;

pub(super) use keys::{GroupKeys, has_codes};
pub(crate) use plan::{Aggregation, Function};
pub(crate) use totals::Total;

/// Ends `input` in the aggregate and gives the stream of its results.
pub(crate) fn aggregate(
    plan: Aggregation,
    input: Stream,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let plan = Arc::new(plan);
    if plan.is_ungrouped() {
        return ungrouped::ungrouped(plan, input, graph);
    }
    let ordered = plan.in_order;
    // Groups that are written out come back in another order.
    let can_spill = graph.limited && !ordered;
    let spilled = can_spill.then(|| spilled::Spilled::new(ShareSlot::default()));
    let partitions = partitions::Partitions::new(Arc::clone(&plan), spilled);
    let partitions = Arc::new(partitions);
    let sink = partial::GroupSink::new(plan, Arc::clone(&partitions));
    let sink = input.into_sink(graph, Arc::new(sink));
    let mut output = Stream::from_source(Arc::new(merge::GroupSource::new(partitions)), vec![sink]);
    output.ordered = ordered;
    Ok(output)
}
