//! Logical plan to physical plan: DataFusion's analyzer, optimizer and physical planner, set up for our pipelines.
//!
//! One partition everywhere: splitting work is the executor's business, so that plans come without repartitioning. What comes out
//! has its joins put in a better order ([`join_order`]), by guesses of how many rows there are ([`estimate`]), and what it would
//! compute twice is shared ([`repeats`]).

mod chains;
mod estimate;
mod fence;
mod join_graph;
mod join_order;
mod looks;
mod null_safe;
mod physical;
mod repeats;
mod rules;
mod selectivity;

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::{SessionState, SessionStateBuilder, SessionStateDefaults};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;

use crate::catalog::Functions;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::BoundQuery;
use crate::plan::decorrelate::{Which, cannot_be_joined, correlated_names, decorrelate};
use crate::plan::places::Places;
use crate::plan::planner::query_planner;
use crate::plan::shared::{self, Shared, SharedTable};

pub(crate) use looks::{Look, looks};

/// What planning needs to know beyond the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanSettings {
    pub(crate) batch_rows: usize,
}

/// DataFusion's session for one engine: its settings and our functions.
pub(crate) fn session_state(functions: &Functions, settings: PlanSettings) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(settings.batch_rows)
        .with_information_schema(false);
    let options = config.options_mut();
    options.execution.coalesce_batches = false;
    options.optimizer.enable_round_robin_repartition = false;
    options.optimizer.repartition_aggregations = false;
    options.optimizer.repartition_joins = false;
    options.optimizer.repartition_file_scans = false;
    options.optimizer.repartition_windows = false;
    options.optimizer.repartition_sorts = false;
    // Scalar subqueries become joins: one way to run them, and `single_value` guards their row count.
    options
        .optimizer
        .enable_physical_uncorrelated_scalar_subquery = false;
    // Run-time filters are shared state inside DataFusion's own operators; ours do not fill them.
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.optimizer.prefer_hash_join = true;
    options.optimizer.enable_piecewise_merge_join = false;

    Ok(SessionStateBuilder::new()
        .with_config(config)
        .with_query_planner(query_planner())
        .with_optimizer_rules(rules::rules())
        .with_physical_optimizer_rules(physical::rules())
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(functions.all_scalar())
        .with_aggregate_functions(functions.all_aggregate())
        .with_window_functions(functions.all_window())
        .build())
}

/// The physical plan of a bound query.
pub(crate) async fn optimize(
    query: &BoundQuery,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Readers {
        mut plans,
        mut tables,
    } = readers(query, state)?;
    while let Some((table, columns)) = tables.pop() {
        let plan = plans.pop();
        let plan = plan.ok_or_else(|| Error::bug("a shared table without a plan"))?;
        table.set_planned(optimize_physical(&plan, query, state).await?, columns);
    }
    let plan = plans.pop();
    let plan = plan.ok_or_else(|| Error::bug("a query without a plan"))?;
    optimize_physical(&plan, query, state).await
}

/// The logical plans of a query: its own, then those of the tables that it runs once.
struct Readers {
    plans: Vec<LogicalPlan>,
    /// The tables of all plans but the first, and which of their columns are read.
    tables: Vec<(SharedTable, Vec<usize>)>,
}

/// Readers first, for they say what they take of a table; but they are planned last, when it is known how large it is.
fn readers(query: &BoundQuery, state: &SessionState) -> Result<Readers> {
    let Shared { plan, tables } = shared::share(&query.plan)?;
    let mut readers = Readers {
        plans: vec![optimize_logical(&plan, query, state)?],
        tables: Vec::with_capacity(tables.len()),
    };
    for table in tables.into_iter().rev() {
        if let Some((plan, columns)) = shared::taken(&table, &readers.plans)? {
            readers.plans.push(optimize_logical(&plan, query, state)?);
            readers.tables.push((table, columns));
        }
    }
    Ok(readers)
}

/// Without correlation, rewritten, and with the places of what can fail.
fn optimize_logical(
    bound: &LogicalPlan,
    query: &BoundQuery,
    state: &SessionState,
) -> Result<LogicalPlan> {
    let bound = &chains::cut(bound.clone())?;
    let mut plan = decorrelate(bound, Which::Stubborn, &query.places)?;
    let mut optimized = state.optimize(&plan);
    if !is_decorrelated(&optimized) && !correlated_names(&plan)?.is_empty() {
        // DataFusion's own rules did not get through after all.
        plan = decorrelate(bound, Which::All, &query.places)?;
        optimized = state.optimize(&plan);
    }
    let explain = |error| explain_failure(&plan, error, &query.places, state);
    let optimized = null_safe::null_safe_keys(optimized.map_err(explain)?)?;
    query.places.mark(&plan, optimized, state)
}

async fn optimize_physical(
    plan: &LogicalPlan,
    query: &BoundQuery,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>> {
    let planner = state.query_planner();
    let physical = planner.create_physical_plan(plan, state).await;
    let explain = |error| explain_failure(plan, error, &query.places, state);
    repeats::compute_once(join_order::order_joins(physical.map_err(explain)?)?)
}

fn is_decorrelated(optimized: &datafusion::error::Result<LogicalPlan>) -> bool {
    let names = optimized.as_ref().map(correlated_names);
    matches!(names, Ok(Ok(names)) if names.is_empty())
}

/// A plan that DataFusion cannot make: nearly always a correlated subquery that cannot become a join.
fn explain_failure(
    plan: &LogicalPlan,
    error: DataFusionError,
    places: &Places,
    state: &SessionState,
) -> Error {
    let error = Error::from(error);
    if error.code() != "TM0508" {
        return places.locate(error, state);
    }
    if let Ok(names) = correlated_names(plan)
        && !names.is_empty()
    {
        return cannot_be_joined(&names, places);
    }
    let error = places.locate(error, state);
    if error.span().is_some() {
        // A value that is the same on every row was computed, and failed.
        return error;
    }
    Error::new(
        ErrorKind::Input,
        "TM0902",
        format!("this query cannot be planned: {}", error.message()),
    )
}
