//! DataFusion's planner, which knows our own nodes too.

use std::pin::Pin;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use super::assert::AssertPlanner;
use super::matching::MatchPlanner;

/// What a planner promises.
pub(super) type Planned<'future, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'future>>;

pub(super) fn query_planner() -> Arc<dyn QueryPlanner + Send + Sync> {
    Arc::new(Planner)
}

#[derive(Debug)]
struct Planner;

impl QueryPlanner for Planner {
    fn create_physical_plan<'own, 'plan, 'session, 'future>(
        &'own self,
        plan: &'plan LogicalPlan,
        session: &'session dyn Session,
    ) -> Planned<'future, Arc<dyn ExecutionPlan>>
    where
        'own: 'future,
        'plan: 'future,
        'session: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let planner = DefaultPhysicalPlanner::with_extension_planners(vec![
                Arc::new(AssertPlanner),
                Arc::new(MatchPlanner),
            ]);
            planner.create_physical_plan(plan, session).await
        })
    }
}
