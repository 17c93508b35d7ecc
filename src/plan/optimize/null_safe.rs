//! Keys of joins that take NULL for a value: `IS NOT DISTINCT FROM`.
//!
//! In one join NULLs match for all keys or for none. DataFusion makes such a condition a key as soon as it sees one, and adds `=`
//! conditions to the same join when a later rule brings them there; these would then take NULL for equal to NULL. So the
//! condition stays a condition while rules run, and becomes a key at the end, when what else the join has is known.

use std::sync::Arc;

use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{
    can_hash, conjunction, find_valid_equijoin_key_pair, split_conjunction_owned,
};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rule that finds keys, for `=` alone.
#[derive(Debug)]
pub(super) struct KeysOfEquality(pub(super) Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for KeysOfEquality {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !matches!(&plan, LogicalPlan::Join(join) if join.filter.is_some()) || is_null_safe(&plan)
        {
            return Ok(Transformed::no(plan));
        }
        let rewritten = self.0.rewrite(plan.clone(), config)?;
        match is_null_safe(&rewritten.data) {
            true => Ok(Transformed::no(plan)),
            false => Ok(rewritten),
        }
    }
}

fn is_null_safe(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNull)
}

/// The optimized plan, with these conditions as keys. Keys of `=` beside them stay apart by a condition: they are not NULL.
pub(super) fn null_safe_keys(plan: LogicalPlan) -> Result<LogicalPlan> {
    let keyed = |node: LogicalPlan| match node {
        LogicalPlan::Join(join) => keyed(join),
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up(keyed).data()
}

fn keyed(join: Join) -> Result<Transformed<LogicalPlan>> {
    let safe_already = join.null_equality == NullEquality::NullEqualsNull;
    let Some(filter) = join
        .filter
        .clone()
        .filter(|_| !safe_already && !join.null_aware)
    else {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    };
    let mut keys = Vec::new();
    let mut rest = Vec::new();
    for condition in split_conjunction_owned(filter) {
        match key_of(&condition, &join)? {
            Some(key) => keys.push(key),
            None => rest.push(condition),
        }
    }
    if keys.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    let present = join.on.iter().map(|(left, _)| left.clone().is_not_null());
    rest.extend(present);
    let on = join.on.into_iter().chain(keys);
    Ok(Transformed::yes(LogicalPlan::Join(Join::try_new(
        join.left,
        join.right,
        on.collect(),
        conjunction(rest),
        join.join_type,
        join.join_constraint,
        NullEquality::NullEqualsNull,
        false,
    )?)))
}

/// The sides of `left IS NOT DISTINCT FROM right`, each of one input.
fn key_of(condition: &Expr, join: &Join) -> Result<Option<(Expr, Expr)>> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::IsNotDistinctFrom,
        right,
    }) = condition
    else {
        return Ok(None);
    };
    let (of_left, of_right) = (join.left.schema(), join.right.schema());
    let pair = find_valid_equijoin_key_pair(left, right, of_left, of_right)?;
    let Some((left, right)) = pair else {
        return Ok(None);
    };
    let (one, other) = (left.get_type(of_left)?, right.get_type(of_right)?);
    Ok((one == other && can_hash(&one)).then_some((left, right)))
}
