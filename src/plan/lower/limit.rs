//! LIMIT and OFFSET.

use std::sync::Arc;

use crate::error::Result;
use crate::exec::graph::Stream;
use crate::exec::operators::limit::LimitOperator;

/// Leaves out `skip` rows, then lets `fetch` pass, or all without it.
pub(crate) fn lower_limit(skip: usize, fetch: Option<usize>, input: Stream) -> Result<Stream> {
    if skip == 0 && fetch.is_none() {
        return Ok(input);
    }
    Ok(input.then(Arc::new(LimitOperator::new(skip, fetch)), &[]))
}
