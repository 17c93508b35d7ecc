//! Logical node to physical node.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use super::{AssertExec, AssertNode};
use crate::plan::planner::Planned;

pub(crate) struct AssertPlanner;

impl ExtensionPlanner for AssertPlanner {
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
            let Some(assert) = node.as_any().downcast_ref::<AssertNode>() else {
                return Ok(None);
            };
            let ([logical], [physical]) = (logical_inputs, physical_inputs) else {
                return Ok(None);
            };
            let exprs = assert.exprs.iter().map(|expr| {
                planner.create_physical_expr(expr, logical.schema(), session, planning_ctx)
            });
            let exec = AssertExec::new(
                Arc::clone(physical),
                exprs.collect::<Result<_>>()?,
                assert.rule.clone(),
            );
            Ok(Some(Arc::new(exec) as Arc<dyn ExecutionPlan>))
        })
    }
}
