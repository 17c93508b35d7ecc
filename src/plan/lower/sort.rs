//! ORDER BY, with and without LIMIT.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::LexOrdering;

use super::limit::lower_limit;
use crate::error::Result;
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::sort::{SortSink, SortedSlot, SortedSource};
use crate::exec::operators::sort_keys::SortKeys;

/// Ends the input in a sort; the new stream gives its rows in order. `schema` is that of the input, and of the output.
pub(crate) fn lower_sort(
    ordering: &LexOrdering,
    fetch: Option<usize>,
    schema: &SchemaRef,
    input: Stream,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let keys = Arc::new(SortKeys::new(ordering, schema)?);
    let slot = SortedSlot::default();
    let sink = input.into_sink(graph, Arc::new(SortSink::new(keys, Arc::clone(&slot))));
    let source = SortedSource::new(slot, Arc::clone(schema));
    let mut sorted = Stream::from_source(Arc::new(source), vec![sink]);
    sorted.ordered = true;
    lower_limit(0, fetch, sorted)
}
