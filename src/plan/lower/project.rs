//! Computed columns.

use std::sync::Arc;

use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
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

/// Of the output's `columns`, those that hand on a column that nothing is computed from: where that lies in the input.
pub(crate) fn handed_on(plan: &ProjectionExec, columns: &[usize]) -> Vec<usize> {
    let computed: Vec<usize> = plan
        .expr()
        .iter()
        .filter(|projected| !projected.expr.is::<Column>())
        .flat_map(|projected| collect_columns(&projected.expr))
        .map(|column| column.index())
        .collect();
    columns
        .iter()
        .filter_map(|column| plan.expr().get(*column)?.expr.downcast_ref::<Column>())
        .map(Column::index)
        .filter(|column| !computed.contains(column))
        .collect()
}

fn operator(plan: &ProjectionExec) -> Result<ProjectOperator> {
    let exprs = plan
        .expr()
        .iter()
        .map(|projected| checked(&projected.expr))
        .collect::<Result<_>>()?;
    Ok(ProjectOperator::new(exprs, plan.schema()))
}
