//! Subqueries in the condition of a join that keeps rows without a partner.
//!
//! Under INNER JOIN the condition is a filter above, where subqueries become joins. Here it belongs to the join, which can hold none:
//! a subquery becomes a column of the side on whose columns it depends, or of the left side where it depends on neither.

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};

use super::Binder;
use super::relation::{Relation, compute};
use crate::error::Result;

impl Binder<'_> {
    /// The condition without the subqueries that one side can compute. One that depends on both sides stays.
    pub(super) fn subqueries_to_sides(
        &self,
        on: Expr,
        left: &mut Relation,
        right: &mut Relation,
    ) -> Result<Expr> {
        let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
        let on = on
            .transform_down(|part| {
                let Expr::ScalarSubquery(subquery) = &part else {
                    return Ok(Transformed::no(part));
                };
                let new = match (reads(subquery, &left.plan), reads(subquery, &right.plan)) {
                    (true, true) => {
                        return Ok(Transformed::new(part, false, TreeNodeRecursion::Jump));
                    }
                    (_, false) => &mut of_left,
                    (false, true) => &mut of_right,
                };
                let id = self.fresh("subquery");
                let column = Expr::Column(Column::new_unqualified(id.as_ref()));
                new.push((part, id));
                Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
            })
            .data()?;
        for (side, new) in [(left, of_left), (right, of_right)] {
            if !new.is_empty() {
                side.plan = compute(std::mem::take(&mut side.plan), new)?;
            }
        }
        Ok(on)
    }
}

/// Whether the subquery depends on a column of the plan.
fn reads(subquery: &Subquery, plan: &LogicalPlan) -> bool {
    subquery.outer_ref_columns.iter().any(|reference| {
        let Expr::OuterReferenceColumn(_, column) = reference else {
            return false;
        };
        plan.schema().has_column(column)
    })
}
