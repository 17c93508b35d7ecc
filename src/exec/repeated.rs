//! Constants in expressions are repeated for each row: long ones for few rows at once.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;

/// Bytes that the constants of one step may take together, repeated for the rows of a batch.
const REPEATED_BYTES_MAX: usize = 16 << 20;

/// For how many rows the expressions can be computed at once: at least one.
pub(crate) fn rows_at_once<'e>(
    exprs: impl IntoIterator<Item = &'e Arc<dyn PhysicalExpr>>,
) -> usize {
    let mut bytes: usize = 0;
    for expr in exprs {
        let visited = expr.apply(|part| {
            if let Some(literal) = part.downcast_ref::<Literal>() {
                bytes = bytes.saturating_add(literal.value().size());
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(visited.is_ok(), "the closure never fails");
    }
    (REPEATED_BYTES_MAX / bytes.max(1)).max(1)
}
