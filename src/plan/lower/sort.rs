//! ORDER BY, with and without LIMIT.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::LexOrdering;

use super::limit::lower_limit;
use super::offers::{Offer, column_of};
use crate::error::Result;
use crate::exec::AnySink;
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::sort::{SortSink, SortedSlot, SortedSource};
use crate::exec::operators::sort_keys::SortKeys;
use crate::exec::operators::top_k::TopKSink;

/// Up to this many rows are kept as candidates; for more, sorting everything is no worse.
const TOP_K: usize = 100_000;
/// The same where memory has a limit: candidates cannot be written out, sorted rows can.
const TOP_K_LIMITED: usize = 1_000;

/// Lowers what is sorted. A top-k offers it its last key so far.
type LowerInput<'a> = &'a mut dyn FnMut(Option<Offer>, &mut PipelineGraph) -> Result<Stream>;

/// Ends the input in a sort; the new stream gives its rows in order, all or the first `fetch`. `schema` is that of the input,
/// and of the output.
pub(crate) fn lower_sort(
    ordering: &LexOrdering,
    fetch: Option<usize>,
    schema: &SchemaRef,
    lower_input: LowerInput<'_>,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let keys = SortKeys::new(ordering, schema)?;
    let slot = SortedSlot::default();
    let most = if graph.limited { TOP_K_LIMITED } else { TOP_K };
    let top = fetch.filter(|fetch| *fetch <= most);
    let mut offer = None;
    let sink: Arc<dyn AnySink> = match top {
        Some(fetch) => {
            let sink = TopKSink::new(keys, fetch, Arc::clone(schema), Arc::clone(&slot));
            offer = column_of(&ordering.first().expr)
                .map(|first| Offer::new(vec![first], sink.threshold(), None, Arc::default()));
            Arc::new(sink)
        }
        None => Arc::new(SortSink::new(
            "sort",
            Some(keys),
            Arc::clone(schema),
            Arc::clone(&slot),
        )),
    };
    let sink = lower_input(offer, graph)?.into_sink(graph, sink);
    let source = SortedSource::new(slot, Arc::clone(schema));
    let mut sorted = Stream::from_source(Arc::new(source), vec![sink]);
    sorted.ordered = true;
    match top {
        Some(_) => Ok(sorted),
        None => lower_limit(0, fetch, sorted),
    }
}
