//! The order of inner, semi and anti joins, and which side of a join is kept in memory.
//!
//! DataFusion joins in the order of the text and puts the joins of subqueries last. Here the tree of such joins at the top of a
//! plan becomes a [`JoinGraph`], the cheapest tree over it is looked for ([`search`]), and the plan is made again ([`rebuild`]).
//! Other joins keep their place, and the smaller input becomes the build side.

mod rebuild;
mod search;

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::estimate::{Estimate, estimate};
use super::join_graph::{JoinGraph, Place};
use crate::error::{Error, Result};
use rebuild::{Made, Rebuild};
use search::Search;

/// How much smaller the probe side must be, to change the sides of a join whose left side is given: it would have to wait for
/// the last probe row.
const MUCH_SMALLER: f64 = 0.7;

/// The plan with its joins in a better order.
pub(super) fn order_joins(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(graph) = JoinGraph::of(&plan)? {
        return in_order(&plan, graph);
    }
    let children = plan.children();
    if children.is_empty() {
        return Ok(plan);
    }
    let ordered = children
        .iter()
        .map(|child| order_joins(Arc::clone(child)))
        .collect::<Result<Vec<_>>>()?;
    let same = children
        .iter()
        .zip(&ordered)
        .all(|(old, new)| Arc::ptr_eq(old, new));
    let plan = match same {
        true => plan,
        false => {
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            plan.replace_children(ordered, options)?
        }
    };
    smaller_side_builds(plan)
}

fn in_order(plan: &Arc<dyn ExecutionPlan>, mut graph: JoinGraph) -> Result<Arc<dyn ExecutionPlan>> {
    graph.inputs = graph
        .inputs
        .into_iter()
        .map(order_joins)
        .collect::<Result<_>>()?;
    let estimates: Vec<Estimate> = graph.inputs.iter().map(estimate).collect();
    let Some(tree) = Search::new(&graph, &estimates).best() else {
        return Err(Error::bug("a tree of joins falls apart"));
    };
    let top = Rebuild { graph: &graph }.joins(&tree)?;
    named_as(plan, top, &graph.output)
}

/// The columns in the order and with the names of `plan`.
fn named_as(
    plan: &Arc<dyn ExecutionPlan>,
    made: Made,
    output: &[Place],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let given = made.plan.schema();
    let mut names = given.fields().iter().zip(schema.fields());
    let same_names = names.all(|(one, other)| one.name() == other.name());
    if made.columns == output && same_names {
        return Ok(made.plan);
    }
    let exprs = output.iter().zip(schema.fields()).map(|(place, field)| {
        let index = made.position(*place)?;
        let from = made.plan.schema();
        Ok(ProjectionExpr {
            expr: Arc::new(Column::new(from.field(index).name(), index)),
            alias: field.name().clone(),
        })
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(exprs, made.plan)?))
}

/// Joins that keep their place: a join of any type can be written with its sides changed.
fn smaller_side_builds(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else {
        return Ok(plan);
    };
    let fixed = *join.join_type() == JoinType::Inner || join.null_aware || join.fetch().is_some();
    if fixed || plan.properties().output_ordering().is_some() {
        return Ok(plan);
    }
    let (left, right) = (estimate(join.left()).rows, estimate(join.right()).rows);
    if right >= left * MUCH_SMALLER {
        return Ok(plan);
    }
    Ok(join.swap_inputs(PartitionMode::CollectLeft)?)
}

#[cfg(test)]
mod tests;
