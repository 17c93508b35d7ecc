//! Conditions that must stay above an aggregate that has a row even when nothing comes in: one over all rows, or a grouping set
//! without keys. DataFusion's rule moves every condition down that names only grouping columns, and so also one that names no
//! column (`WHERE NULL`, `JOIN … ON FALSE`); the row would survive it. A fence, which conditions do not pass, stands around that
//! rule.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet, Limit, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Puts the fence up, or takes it away.
#[derive(Debug)]
pub(super) struct Fence {
    pub(super) stands: bool,
}

impl OptimizerRule for Fence {
    fn name(&self) -> &str {
        match self.stands {
            true => "raise_fence",
            false => "remove_fence",
        }
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        Ok(match plan {
            LogicalPlan::Aggregate(aggregate) if self.stands && always_has_rows(&aggregate) => {
                // A limit of nothing: no rule moves conditions through one.
                Transformed::yes(LogicalPlan::Limit(Limit {
                    skip: None,
                    fetch: None,
                    input: Arc::new(LogicalPlan::Aggregate(aggregate)),
                }))
            }
            LogicalPlan::Limit(limit)
                if !self.stands && limit.skip.is_none() && limit.fetch.is_none() =>
            {
                Transformed::yes(Arc::unwrap_or_clone(limit.input))
            }
            other => Transformed::no(other),
        })
    }
}

/// Whether there is a row for no rows.
fn always_has_rows(aggregate: &Aggregate) -> bool {
    aggregate.group_expr.iter().all(|key| match key {
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => sets.iter().any(Vec::is_empty),
        Expr::GroupingSet(GroupingSet::Rollup(_) | GroupingSet::Cube(_)) => true,
        _ => false,
    })
}
