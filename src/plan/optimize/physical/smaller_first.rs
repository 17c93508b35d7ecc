//! The smaller input of a join becomes its left one, which is the one kept in memory.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode,
};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

type Plan = Arc<dyn ExecutionPlan>;

/// In place of DataFusion's rule, which is left the plans that have an input without end.
#[derive(Debug)]
pub(super) struct SmallerFirst(pub(super) Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for SmallerFirst {
    fn name(&self) -> &str {
        "smaller_first"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        if has_endless_input(&plan)? {
            return self.0.optimize(plan, config);
        }
        // What is known of a node is remembered by its address. Those asked are the inputs of joins that were passed already:
        // they stay in the plan, and so at their addresses.
        let known = StatisticsContext::new();
        plan.transform_up(|node| {
            Ok(match swapped(&node, &known)? {
                Some(swapped) => Transformed::yes(swapped),
                None => Transformed::no(node),
            })
        })
        .data()
    }
}

fn has_endless_input(plan: &Plan) -> Result<bool> {
    let mut endless = false;
    plan.apply(|node| {
        endless |= node.boundedness().is_unbounded();
        Ok(match endless {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(endless)
}

/// The join with its inputs changed, if its left one is the larger.
fn swapped(node: &Plan, known: &StatisticsContext) -> Result<Option<Plan>> {
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        let may = join.join_type().supports_swap() && !join.null_aware;
        let swap = may && is_larger(join.left(), join.right(), known)?;
        return swap
            .then(|| join.swap_inputs(PartitionMode::CollectLeft))
            .transpose();
    }
    if let Some(join) = node.downcast_ref::<CrossJoinExec>() {
        let swap = is_larger(join.left(), join.right(), known)?;
        return swap.then(|| join.swap_inputs()).transpose();
    }
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        let may = join.join_type().supports_swap();
        let swap = may && is_larger(join.left(), join.right(), known)?;
        return swap.then(|| join.swap_inputs()).transpose();
    }
    Ok(None)
}

/// By bytes where they are known of both, or else by rows.
fn is_larger(one: &Plan, other: &Plan, known: &StatisticsContext) -> Result<bool> {
    let one = known.compute(one.as_ref(), &StatisticsArgs::new())?;
    let other = known.compute(other.as_ref(), &StatisticsArgs::new())?;
    let bytes = (one.total_byte_size.get_value()).zip(other.total_byte_size.get_value());
    let rows = (one.num_rows.get_value()).zip(other.num_rows.get_value());
    Ok(bytes.or(rows).is_some_and(|(one, other)| one > other))
}
