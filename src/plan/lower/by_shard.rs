//! Joins and aggregates on the shard key, shard by shard: rows that meet lie in shards of the same number, so that each shard is a
//! small query of its own and no row changes place.
//!
//! The plan's largest parts that are so become a union of the same part over each group of shards. With a limit on memory
//! everything stays in one: operators share what they may hold.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::catalog::scan::TableScanExec;
use crate::error::Result;

/// Parts that a plan is cut into; shards beyond that share one.
const GROUPS_MAX: u64 = 64;

/// What is known of a plan whose rows lie in shards.
struct Local {
    shards: u64,
    /// Columns that hold the key: any of these lists is it.
    keys: BTreeSet<Vec<usize>>,
    /// There is something that gains from it.
    gains: bool,
}

/// The plan with what can be done shard by shard done so.
pub(super) fn by_shard(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(local) = local(plan)
        && local.gains
        && local.shards > 1
    {
        let groups = local.shards.min(GROUPS_MAX);
        let first = |group: u64| group * local.shards / groups;
        let parts = (0..groups).map(|group| of_shards(plan, &(first(group)..first(group + 1))));
        return Ok(UnionExec::try_new(parts.collect::<Result<_>>()?)?);
    }
    let children = plan.children();
    if children.is_empty() {
        return Ok(Arc::clone(plan));
    }
    let cut = children.iter().map(|child| by_shard(child));
    let cut = cut.collect::<Result<Vec<_>>>()?;
    let same = cut
        .iter()
        .zip(&children)
        .all(|(cut, child)| Arc::ptr_eq(cut, child));
    match same {
        true => Ok(Arc::clone(plan)),
        false => with_inputs(plan, cut),
    }
}

fn with_inputs(
    plan: &Arc<dyn ExecutionPlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Ok(Arc::clone(plan).replace_children(inputs, options)?)
}

/// The plan over some shards of its tables.
fn of_shards(plan: &Arc<dyn ExecutionPlan>, wanted: &Range<u64>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return Ok(Arc::new(scan.of_shards(wanted)));
    }
    let children = plan.children().into_iter();
    let children = children.map(|child| of_shards(child, wanted));
    with_inputs(plan, children.collect::<Result<_>>()?)
}

/// What is known of the plan; `None` where its rows do not stay in their shards.
fn local(plan: &Arc<dyn ExecutionPlan>) -> Option<Local> {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        let (shards, key) = scan.shards()?;
        return Some(Local {
            shards,
            keys: key.into_iter().collect(),
            gains: false,
        });
    }
    if plan.is::<CooperativeExec>() {
        return local(plan.children().first()?);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let input = local(filter.input()).filter(|_| filter.fetch().is_none())?;
        let projection = filter.projection().as_ref();
        return Some(input.through(|column| match projection {
            None => Some(column),
            Some(columns) => columns.iter().position(|given| *given == column),
        }));
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let input = local(projection.input())?;
        let exprs = projection.expr();
        return Some(input.through(|column| {
            exprs
                .iter()
                .position(|given| column_of(&given.expr) == Some(column))
        }));
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return local_join(join);
    }
    local_aggregate(plan.downcast_ref::<AggregateExec>()?)
}

impl Local {
    /// The same where a column is at another place, or is no more.
    fn through(self, place: impl Fn(usize) -> Option<usize>) -> Self {
        let keys = self.keys.iter();
        let keys = keys.filter_map(|key| key.iter().map(|column| place(*column)).collect());
        Local {
            keys: keys.collect(),
            ..self
        }
    }
}

/// A join is local where equal shard keys are part of its condition.
fn local_join(join: &HashJoinExec) -> Option<Local> {
    // NOT IN must know of every NULL.
    if join.null_aware || join.fetch().is_some() {
        return None;
    }
    let (left, right) = (local(join.left())?, local(join.right())?);
    if left.shards != right.shards {
        return None;
    }
    let (left_schema, right_schema) = (join.left().schema(), join.right().schema());
    let pairs: Vec<(usize, usize)> = join
        .on()
        .iter()
        .filter_map(|(one, other)| Some((column_of(one)?, column_of(other)?)))
        // Equal values of other types may hash apart.
        .filter(|(one, other)| {
            left_schema.field(*one).data_type() == right_schema.field(*other).data_type()
        })
        .collect();
    let meet = |one: &Vec<usize>, other: &Vec<usize>| {
        let mut columns = one.iter().zip(other);
        one.len() == other.len() && columns.all(|(one, other)| pairs.contains(&(*one, *other)))
    };
    let mut lefts = left.keys.iter();
    if !lefts.any(|one| right.keys.iter().any(|other| meet(one, other))) {
        return None;
    }
    let width = left_schema.fields().len();
    let shifted = || {
        let keys = right.keys.iter();
        keys.map(|key| key.iter().map(|column| column + width).collect::<Vec<_>>())
    };
    // A row that found no partner has NULLs in place of the other side's key.
    let keys: BTreeSet<Vec<usize>> = match join.join_type() {
        JoinType::Inner => left.keys.iter().cloned().chain(shifted()).collect(),
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            left.keys.clone()
        }
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right.keys.clone(),
        JoinType::Right => shifted().collect(),
        JoinType::Full => BTreeSet::new(),
    };
    let joined = Local {
        shards: left.shards,
        keys,
        gains: true,
    };
    let projection = join.projection.as_deref();
    Some(joined.through(|column| match projection {
        None => Some(column),
        Some(columns) => columns.iter().position(|given| *given == column),
    }))
}

/// An aggregate is local where the shard key is among what it groups by.
fn local_aggregate(aggregate: &AggregateExec) -> Option<Local> {
    let whole = matches!(
        aggregate.mode(),
        AggregateMode::Single | AggregateMode::SinglePartitioned
    );
    let groups = aggregate.group_expr();
    let ordered = aggregate.properties().output_ordering().is_some()
        || aggregate.input().output_ordering().is_some();
    if !whole || !groups.is_single() || ordered || aggregate.limit_options().is_some() {
        return None;
    }
    let input = local(aggregate.input())?;
    let grouped = input.through(|column| {
        let mut exprs = groups.expr().iter();
        exprs.position(|(expr, _)| column_of(expr) == Some(column))
    });
    (!grouped.keys.is_empty()).then_some(Local {
        gains: true,
        ..grouped
    })
}

fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}
