//! Many steps in a row that each compute a column out of the one before: `|> SET a = a + 1`, five hundred times.
//!
//! DataFusion makes one step of them, whose expressions hold one another, and looks through an expression for each one that holds
//! it. So such a row is cut: between two parts of it stands a name, which conditions pass and over which steps are not merged.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlan, Projection, SubqueryAlias};

/// More steps in a row than people write. Expressions of so many are quick to look through.
const LONGEST: usize = 64;

pub(super) fn cut(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut cuts = 0;
    plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::Projection(projection) = node else {
            return Ok(Transformed::no(node));
        };
        let below = steps(&projection.input);
        if below == 0 || !below.is_multiple_of(LONGEST) {
            return Ok(Transformed::no(LogicalPlan::Projection(projection)));
        }
        cuts += 1;
        let Projection {
            expr,
            input,
            schema,
            ..
        } = projection;
        let part = SubqueryAlias::try_new(input, format!("part.{cuts}"))?;
        let input = Arc::new(LogicalPlan::SubqueryAlias(part));
        let projection = Projection::try_new_with_schema(expr, input, schema)?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    })
    .data()
}

/// Steps that compute columns, one over the other at the top of the plan.
fn steps(mut plan: &LogicalPlan) -> usize {
    let mut count = 0;
    loop {
        plan = match plan {
            LogicalPlan::Projection(projection) => {
                count += 1;
                &projection.input
            }
            LogicalPlan::Filter(filter) => &filter.input,
            _ => return count,
        };
    }
}
