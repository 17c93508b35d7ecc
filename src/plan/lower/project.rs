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
    Ok(input.then(Arc::new(operator(plan)?), &[]))
}

/// Adds the projection below an operator that takes columns narrower than planned.
pub(crate) fn lower_narrow_projection(plan: &ProjectionExec, input: Stream) -> Result<Stream> {
    let operator = operator(plan)?.narrow(plan.input().schema());
    Ok(input.then(Arc::new(operator), &[]))
}

fn operator(plan: &ProjectionExec) -> Result<ProjectOperator> {
    let exprs = plan
        .expr()
        .iter()
        .map(|projected| checked(&projected.expr))
        .collect::<Result<_>>()?;
    Ok(ProjectOperator::new(exprs, plan.schema()))
}
