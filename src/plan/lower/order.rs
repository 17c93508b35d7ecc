//! Whose order someone can see. Where nobody does and memory has a limit, a join or an aggregate may write out what it holds: rows
//! come back in another order.
//!
//! A window leaves its rows sorted, whoever reads them, so that the order in which rows come says nothing of the order that is
//! wanted. That follows from above: from the query's own ORDER BY, from limits, from what a node requires.

use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::{InterleaveExec, UnionExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use super::aggregate::needs_order;
use super::window::has_keys;
use crate::error::Result;
use crate::plan::shared::SharedScanExec;

/// Whether the rows of a query come in an order that its author asked for.
pub(super) fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Aggregate(_) | LogicalPlan::Union(_) => false,
        plan => plan.inputs().into_iter().any(is_ordered),
    }
}

/// The joins and aggregates of a plan whose rows may come in any order; with `is_seen` the order of the plan's own rows counts.
pub(super) fn in_any_order(
    plan: &Arc<dyn ExecutionPlan>,
    is_seen: bool,
) -> Result<Vec<Arc<dyn ExecutionPlan>>> {
    let mut found = Found::default();
    found.visit(plan, is_seen)?;
    let Found { seen, mut unseen } = found;
    // What several nodes read is there several times.
    unseen.retain(|plan| !seen.iter().any(|seen| Arc::ptr_eq(seen, plan)));
    Ok(unseen)
}

#[derive(Default)]
struct Found {
    seen: Vec<Arc<dyn ExecutionPlan>>,
    unseen: Vec<Arc<dyn ExecutionPlan>>,
}

impl Found {
    fn visit(&mut self, plan: &Arc<dyn ExecutionPlan>, is_seen: bool) -> Result<()> {
        if plan.is::<HashJoinExec>() || plan.is::<AggregateExec>() {
            match is_seen {
                true => self.seen.push(Arc::clone(plan)),
                false => self.unseen.push(Arc::clone(plan)),
            }
        }
        if let Some(scan) = plan.downcast_ref::<SharedScanExec>() {
            // Its readers get the rows in no order.
            return self.visit(scan.plan(), false);
        }
        for (number, child) in plan.children().into_iter().enumerate() {
            self.visit(child, sees_order_of(plan, number, is_seen)?)?;
        }
        Ok(())
    }
}

/// Whether the order of an input matters to `plan`, or to those who see the order of its own rows.
fn sees_order_of(plan: &Arc<dyn ExecutionPlan>, input: usize, is_seen: bool) -> Result<bool> {
    if plan.is::<SortExec>() || plan.is::<UnionExec>() || plan.is::<InterleaveExec>() {
        return Ok(false);
    }
    if plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>() {
        // With keys it sorts by itself, without them it counts rows as they come.
        return Ok(!has_keys(plan)?);
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return Ok(is_seen || needs_order(aggregate));
    }
    if plan.is::<HashJoinExec>() || plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>() {
        let keeps = plan.maintains_input_order();
        return Ok(is_seen && keeps.get(input).copied().unwrap_or(true));
    }
    let required = plan.required_input_ordering();
    let is_required = required.get(input).is_some_and(Option::is_some);
    Ok(is_seen || is_required || plan.fetch().is_some() || plan.is::<GlobalLimitExec>())
}
