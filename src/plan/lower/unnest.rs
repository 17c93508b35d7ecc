//! UNNEST.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::unnest::UnnestExec;

use crate::error::Result;
use crate::exec::graph::Stream;
use crate::exec::operators::unnest::UnnestOperator;

/// Adds the step from lists to rows and from structs to columns.
pub(crate) fn lower_unnest(plan: &UnnestExec, input: Stream) -> Result<Stream> {
    let plan = UnnestExec::new(
        Arc::clone(plan.input()),
        plan.list_column_indices().to_vec(),
        plan.struct_column_indices().to_vec(),
        plan.schema(),
        plan.options().clone(),
    )?;
    Ok(input.then(Arc::new(UnnestOperator::new(Arc::new(plan))), &[]))
}
