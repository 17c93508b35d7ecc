//! What a node asks of its inputs: that their rows come in one stream, and in an order.
//!
//! The steps are DataFusion's, without those that spread rows over partitions: there is one everywhere, but above a UNION and
//! other tables of the program's own. Only there is the step taken that brings partitions together.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::enforce_distribution::{
    DistributionContext, PlanWithKeyRequirements, adjust_input_keys_ordering, ensure_distribution,
};
use datafusion::physical_optimizer::enforce_sorting::replace_with_order_preserving_variants::{
    OrderPreservationContext, replace_with_order_preserving_variants,
};
use datafusion::physical_optimizer::enforce_sorting::sort_pushdown::{
    SortPushDown, assign_initial_requirements, pushdown_sorts,
};
use datafusion::physical_optimizer::enforce_sorting::{
    PlanWithCorrespondingSort, ensure_sorting, replace_with_partial_sort,
};
use datafusion::physical_plan::windows::{
    BoundedWindowAggExec, WindowAggExec, get_best_fitting_window,
};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

type Plan = Arc<dyn ExecutionPlan>;

/// In place of DataFusion's `EnsureRequirements`.
#[derive(Debug)]
pub(super) struct Requirements;

impl PhysicalOptimizerRule for Requirements {
    fn name(&self) -> &str {
        "requirements"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Plan, config: &ConfigOptions) -> Result<Plan> {
        let keys = PlanWithKeyRequirements::new_default(plan);
        let plan = keys.transform_down(adjust_input_keys_ordering).data()?.plan;
        let plan = in_one_stream(plan, config)?;
        let sorts = PlanWithCorrespondingSort::new_default(plan);
        let plan = sorts.transform_up(ensure_sorting).data()?.plan;
        let orders = OrderPreservationContext::new_default(plan);
        let plan = orders
            .transform_up(|node| replace_with_order_preserving_variants(node, false, true, config))
            .data()?
            .plan;
        let mut sorts = SortPushDown::new_default(plan);
        assign_initial_requirements(&mut sorts);
        let plan = pushdown_sorts(sorts)?.plan;
        plan.transform_up(|node| Ok(Transformed::yes(replace_with_partial_sort(node)?)))
            .data()
    }
}

fn in_one_stream(plan: Plan, config: &ConfigOptions) -> Result<Plan> {
    // Partitions that are merged in their order: whether somebody above needs it is DataFusion's to say, of every node.
    let everywhere = has_ordered_partitions(&plan)?;
    let nodes = DistributionContext::new_default(plan);
    let nodes = nodes.transform_up(|node| {
        // The plan of a node is the one from before its inputs were changed.
        let node = node.update_plan_from_children()?;
        match everywhere || node.children.iter().any(|input| in_partitions(&input.plan)) {
            true => ensure_distribution(node, config),
            false => with_fitting_window(node),
        }
    });
    Ok(nodes.data()?.plan)
}

fn in_partitions(plan: &Plan) -> bool {
    plan.output_partitioning().partition_count() > 1
}

fn has_ordered_partitions(plan: &Plan) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= in_partitions(node) && node.output_ordering().is_some();
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

/// A window takes its input in the order that it has, where that is one of those it can work with.
fn with_fitting_window(mut node: DistributionContext) -> Result<Transformed<DistributionContext>> {
    let plan = &node.plan;
    let fitting = if let Some(window) = plan.downcast_ref::<WindowAggExec>() {
        let keys = window.partition_keys();
        get_best_fitting_window(window.window_expr(), window.input(), &keys, None)?
    } else if let Some(window) = plan.downcast_ref::<BoundedWindowAggExec>() {
        let (keys, observer) = (window.partition_keys(), window.state_observer().cloned());
        get_best_fitting_window(window.window_expr(), window.input(), &keys, observer)?
    } else {
        None
    };
    Ok(match fitting {
        Some(plan) => {
            node.plan = plan;
            Transformed::yes(node)
        }
        None => Transformed::no(node),
    })
}
