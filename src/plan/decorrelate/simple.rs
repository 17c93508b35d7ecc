//! Which subqueries DataFusion's own rules turn into joins: those that compare in a WHERE, under nothing that looks at several rows.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, LogicalPlan, Operator};

use super::domain::{has_column, outer_names};

/// A value: an aggregate without groups over rows that are compared with `=`.
pub(super) fn scalar(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<bool> {
    let Some(close) = all_close(plan, outer)? else {
        return Ok(true);
    };
    let mut node = plan;
    while let LogicalPlan::Projection(projection) = node {
        if refers_out(&projection.expr)? {
            return Ok(false);
        }
        node = &projection.input;
    }
    let LogicalPlan::Aggregate(aggregate) = node else {
        return Ok(false);
    };
    Ok(close
        && aggregate.group_expr.is_empty()
        && !refers_out(&aggregate.aggr_expr)?
        && compares(&aggregate.input, true)?)
}

/// Whether there are rows: under WHEREs of any kind.
pub(super) fn exists(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<bool> {
    match all_close(plan, outer)? {
        None => Ok(true),
        Some(close) => Ok(close && compares(plan, false)?),
    }
}

/// Whether every outer reference is to a column of `outer`; `None` without any.
fn all_close(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<Option<bool>> {
    let names = outer_names(plan)?;
    if names.is_empty() {
        return Ok(None);
    }
    let schema = outer.schema();
    Ok(Some(names.iter().all(|name| has_column(schema, name))))
}

/// Whether outer columns stand in filters alone, over each other and over projections.
fn compares(mut node: &LogicalPlan, with_equality: bool) -> Result<bool> {
    loop {
        if outer_names(node)?.is_empty() {
            return Ok(true);
        }
        node = match node {
            LogicalPlan::Projection(projection) if !refers_out(&projection.expr)? => {
                &projection.input
            }
            LogicalPlan::Distinct(Distinct::All(input)) if !with_equality => input,
            LogicalPlan::Filter(filter) => {
                for conjunct in split_conjunction(&filter.predicate) {
                    let out = refers_out(std::slice::from_ref(conjunct))?;
                    let refused =
                        (with_equality && !is_equality(conjunct)?) || holds_subquery(conjunct)?;
                    if out && refused {
                        return Ok(false);
                    }
                }
                &filter.input
            }
            _ => return Ok(false),
        };
    }
}

/// `inner = outer`.
fn is_equality(conjunct: &Expr) -> Result<bool> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = conjunct
    else {
        return Ok(false);
    };
    let outward = |expr: &Expr| -> Result<bool> {
        Ok(refers_out(std::slice::from_ref(expr))? && expr.column_refs().is_empty())
    };
    let inward = |expr: &Expr| -> Result<bool> { Ok(!refers_out(std::slice::from_ref(expr))?) };
    Ok((outward(left)? && inward(right)?) || (inward(left)? && outward(right)?))
}

fn refers_out(exprs: &[Expr]) -> Result<bool> {
    let mut found = false;
    for expr in exprs {
        expr.apply(|part| {
            found |= matches!(part, Expr::OuterReferenceColumn(..));
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}

fn holds_subquery(expr: &Expr) -> Result<bool> {
    super::has_subquery(expr)
}
