//! The inner query's rows joined back to the outer ones they belong to.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::logical_expr::{
    Distinct, Expr, Filter, Join, JoinType, LogicalPlan, Projection, lit,
};

use super::domain::{Domain, Outer, column, columns_of};
use super::push::Matching;
use super::{Decorrelator, cut_to};

/// The inner query's rows, and which of them belong to an outer row.
struct Inner {
    plan: LogicalPlan,
    /// Pairs of an outer column and the column with its value in `plan`.
    keys: Vec<(Column, Column)>,
    has_nulls: bool,
}

impl Decorrelator {
    fn inner_rows(&self, outer: &Outer, inner: &LogicalPlan) -> Result<Inner> {
        let domain = Domain::distinct(outer, inner)?;
        if domain.names.is_empty() {
            return Ok(Inner {
                plan: inner.clone(),
                keys: Vec::new(),
                has_nulls: false,
            });
        }
        let pushed = self.push(&domain, inner)?;
        let names = domain.names.iter().map(Column::new_unqualified);
        Ok(Inner {
            plan: pushed.plan,
            keys: names.zip(pushed.keys).collect(),
            has_nulls: domain.has_nulls(),
        })
    }

    /// A subquery used as a value: the name of the column that `outer` gets for it.
    pub(super) fn join_value(&self, outer: &mut Outer, inner: &LogicalPlan) -> Result<String> {
        let name = self.fresh("value");
        let value = Expr::Column(inner.schema().columns().swap_remove(0)).alias(name.as_str());
        if gives_one_row(inner) {
            let domain = Domain::rows(&outer.rows, inner)?;
            let pushed = self.push(&domain, inner)?;
            let mut exprs = all(&outer.rows);
            exprs.push(value);
            outer.rows = project(pushed.plan, exprs)?;
            return Ok(name);
        }
        let inner = self.inner_rows(outer, inner)?.with(vec![value])?;
        outer.rows = inner.join(std::mem::take(&mut outer.rows), JoinType::Left, None)?;
        Ok(name)
    }

    /// A column that is NULL where the inner query has no rows.
    pub(super) fn join_mark(&self, outer: &mut Outer, inner: &LogicalPlan) -> Result<String> {
        let name = self.fresh("mark");
        let mut inner = self.inner_rows(outer, inner)?;
        inner = inner.with(vec![lit(true).alias(name.as_str())])?;
        inner.plan = LogicalPlan::Distinct(Distinct::All(Arc::new(inner.plan)));
        outer.rows = inner.join(std::mem::take(&mut outer.rows), JoinType::Left, None)?;
        Ok(name)
    }

    /// Keeps the outer rows that the inner query has rows for (`negated`: has none), equal to `operand` where there is one.
    pub(super) fn join_existing(
        &self,
        outer: &mut Outer,
        inner: &LogicalPlan,
        negated: bool,
        operand: Option<Expr>,
    ) -> Result<()> {
        let kind = match negated {
            true => JoinType::LeftAnti,
            false => JoinType::LeftSemi,
        };
        let name = self.fresh("value");
        let value = inner.schema().columns().into_iter().next();
        let inner = self.inner_rows(outer, inner)?;
        let (inner, condition) = match (operand, value) {
            (Some(operand), Some(value)) => {
                let value = Expr::Column(value).alias(name.as_str());
                (inner.with(vec![value])?, Some(operand.eq(column(&name))))
            }
            _ => (inner.with(Vec::new())?, None),
        };
        outer.rows = inner.join(std::mem::take(&mut outer.rows), kind, condition)?;
        Ok(())
    }

    /// `outer JOIN LATERAL inner`.
    pub(super) fn join_lateral(&self, join: Join, inner: &LogicalPlan) -> Result<LogicalPlan> {
        let outer = Outer::new(join.left);
        let equalities = join.on.into_iter().map(|(left, right)| left.eq(right));
        let condition = equalities.chain(join.filter).reduce(Expr::and);
        let kept = columns_of(&join.schema);
        let always = condition
            .as_ref()
            .is_none_or(|condition| *condition == lit(true));
        let domain = Domain::rows(&outer.rows, inner)?;
        let row_by_row = match join.join_type {
            JoinType::Inner => looks_at_one_row(&domain, inner)?,
            JoinType::Left => always && gives_one_row(inner),
            _ => false,
        };
        if row_by_row {
            let mut plan = self.push(&domain, inner)?.plan;
            if let (Some(condition), false) = (condition, always) {
                plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?);
            }
            return project(plan, kept.into_iter().map(Expr::Column).collect());
        }
        let inner = self.inner_rows(&outer, inner)?;
        let plan = inner.join(outer.rows, join.join_type, condition)?;
        cut_to(plan, kept)
    }
}

impl Inner {
    /// These columns and the keys.
    fn with(self, mut exprs: Vec<Expr>) -> Result<Self> {
        exprs.extend(self.keys.iter().map(|(_, key)| Expr::Column(key.clone())));
        if exprs.is_empty() {
            exprs.push(lit(true));
        }
        Ok(Inner {
            plan: project(self.plan, exprs)?,
            ..self
        })
    }

    fn join(
        self,
        outer: LogicalPlan,
        kind: JoinType,
        condition: Option<Expr>,
    ) -> Result<LogicalPlan> {
        let (own, keys): (Vec<Column>, Vec<Column>) = self.keys.into_iter().unzip();
        let mut matching = Matching::by(condition);
        matching.match_keys(self.has_nulls, &own, &keys);
        if matching.on.is_empty() && kind != JoinType::Inner {
            matching.filter.get_or_insert(lit(true));
        }
        matching.join(outer, self.plan, kind)
    }
}

/// Whether an inner query has exactly one row for each outer one.
fn gives_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(node) => gives_one_row(&node.input),
        LogicalPlan::EmptyRelation(node) => node.produce_one_row,
        _ => false,
    }
}

/// Whether no step between the top and the leaves looks at several rows.
fn looks_at_one_row(domain: &Domain, plan: &LogicalPlan) -> Result<bool> {
    if !domain.is_used_by(plan)? {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Projection(node) => looks_at_one_row(domain, &node.input),
        LogicalPlan::Filter(node) => looks_at_one_row(domain, &node.input),
        LogicalPlan::Unnest(node) => looks_at_one_row(domain, &node.input),
        LogicalPlan::Join(node) if node.join_type == JoinType::Inner => {
            let sides = [&node.left, &node.right];
            let mut depends = Vec::new();
            for side in sides {
                if domain.is_used_by(side)? {
                    depends.push(side);
                }
            }
            match depends.as_slice() {
                [] => Ok(true),
                [only] => looks_at_one_row(domain, only),
                _ => Ok(false),
            }
        }
        _ => Ok(false),
    }
}

fn all(plan: &LogicalPlan) -> Vec<Expr> {
    let columns = columns_of(plan.schema()).into_iter();
    columns.map(Expr::Column).collect()
}

fn project(plan: LogicalPlan, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        Arc::new(plan),
    )?))
}
