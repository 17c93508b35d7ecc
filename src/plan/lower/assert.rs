//! ASSERT.

use std::sync::Arc;

use crate::error::Result;
use crate::exec::expr::checked;
use crate::exec::graph::Stream;
use crate::exec::operators::assert::AssertOperator;
use crate::plan::assert::AssertExec;

/// Adds the check.
pub(crate) fn lower_assert(plan: &AssertExec, input: Stream) -> Result<Stream> {
    let exprs = plan.exprs().iter().map(checked).collect::<Result<_>>()?;
    let rule = plan.rule();
    let operator = AssertOperator::new(
        exprs,
        rule.on_violation,
        rule.text.clone(),
        rule.place,
        rule.context.clone(),
        rule.names_file,
    );
    Ok(input.then(Arc::new(operator), &[]))
}
