//! Computed columns.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::error::Result;
use crate::exec::expr::checked;
use crate::exec::graph::Stream;
use crate::exec::operators::project::ProjectOperator;

/// Adds the projection.
pub(crate) fn lower_projection(plan: &ProjectionExec, input: Stream) -> Result<Stream> {
    let exprs = plan
        .expr()
        .iter()
        .map(|projected| checked(&projected.expr))
        .collect::<Result<_>>()?;
    Ok(input.then(Arc::new(ProjectOperator::new(exprs, plan.schema())), &[]))
}
