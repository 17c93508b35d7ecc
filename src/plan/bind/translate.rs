//! DataFusion's complaints in our words, and what a plan still holds of enclosing queries.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::typed::Typed;
use crate::error::{Error, Span};

/// `operator` does not take these types.
pub(super) fn operator_types(operator: &str, operands: &[&Typed], span: Span) -> Error {
    let types: Vec<String> = operands.iter().map(|operand| operand.type_name()).collect();
    let error = Error::input(
        "TM0403",
        format!("{operator} does not work on {}", types.join(" and ")),
        span,
    );
    match types.as_slice() {
        [left, right] if left != right => {
            error.hint(format!("make the types alike: CAST(x AS {left})"))
        }
        _ => error,
    }
}

/// The names of columns of enclosing queries that a plan still refers to. What is left after optimizing cannot be run.
pub(crate) fn correlated_columns(plan: &LogicalPlan) -> Vec<String> {
    let mut names = BTreeSet::new();
    let visit = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::OuterReferenceColumn(_, column) = part {
                    names.insert(display_name(&column.name));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    // The closure never fails, so the visit does not either.
    debug_assert!(visit.is_ok());
    names.into_iter().collect()
}

/// `price#7` is `price` to the user.
fn display_name(id: &str) -> String {
    id.split('#').next().unwrap_or(id).to_string()
}
