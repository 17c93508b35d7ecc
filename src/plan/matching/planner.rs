//! Logical node to physical node.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::exec::MatchKeys;
use super::{MatchExec, MatchNode};
use crate::plan::planner::Planned;

pub(crate) struct MatchPlanner;

impl ExtensionPlanner for MatchPlanner {
    fn plan_extension<'own, 'planner, 'node, 'inputs, 'input, 'physical, 'session, 'ctx, 'future>(
        &'own self,
        planner: &'planner dyn PhysicalPlanner,
        node: &'node dyn UserDefinedLogicalNode,
        logical_inputs: &'inputs [&'input LogicalPlan],
        physical_inputs: &'physical [Arc<dyn ExecutionPlan>],
        session: &'session dyn Session,
        planning_ctx: &'ctx PhysicalPlanningContext,
    ) -> Planned<'future, Option<Arc<dyn ExecutionPlan>>>
    where
        'own: 'future,
        'planner: 'future,
        'node: 'future,
        'inputs: 'future,
        'input: 'future,
        'physical: 'future,
        'session: 'future,
        'ctx: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let Some(matching) = node.as_any().downcast_ref::<MatchNode>() else {
                return Ok(None);
            };
            let ([logical], [physical]) = (logical_inputs, physical_inputs) else {
                return Ok(None);
            };
            let physical_expr =
                |expr| planner.create_physical_expr(expr, logical.schema(), session, planning_ctx);
            let order_by = matching.order_by.iter().map(|key| {
                let options = SortOptions {
                    descending: !key.asc,
                    nulls_first: key.nulls_first,
                };
                Ok(PhysicalSortExpr::new(physical_expr(&key.expr)?, options))
            });
            let partition_by = matching.partition_by.iter().map(physical_expr);
            let keys = MatchKeys {
                partition_by: partition_by.collect::<Result<_>>()?,
                order_by: order_by.collect::<Result<_>>()?,
            };
            let conditions = matching.conditions.iter().map(physical_expr);
            let exec = MatchExec::new(
                Arc::clone(physical),
                keys,
                conditions.collect::<Result<_>>()?,
                matching.rule.clone(),
                matching.labels.clone(),
            );
            Ok(Some(Arc::new(exec) as Arc<dyn ExecutionPlan>))
        })
    }
}
