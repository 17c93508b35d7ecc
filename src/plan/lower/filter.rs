//! WHERE and every other condition on rows.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;

use super::limit::lower_limit;
use crate::error::Result;
use crate::exec::expr::checked;
use crate::exec::graph::Stream;
use crate::exec::operators::filter::FilterOperator;

/// Adds the filter, and the limit that the optimizer may have moved into it.
pub(crate) fn lower_filter(plan: &FilterExec, input: Stream) -> Result<Stream> {
    let projection = plan
        .projection()
        .as_ref()
        .map(|projection| projection.to_vec());
    let filter = FilterOperator::new(checked(plan.predicate())?, projection, plan.schema());
    let stream = input.then(Arc::new(filter), &[]);
    match plan.fetch() {
        None => Ok(stream),
        fetch => lower_limit(0, fetch, stream),
    }
}
