//! Joins: kinds, conditions, USING, and the names they leave.

use std::sync::Arc;

use datafusion::common::{NullEquality, ScalarValue, Spans};
use datafusion::logical_expr::{
    Expr, Join, JoinConstraint, JoinType, LogicalPlan, Operator, Subquery,
};

use super::from::is_lateral;
use super::predicate::conjunction;
use super::relation::{NewColumn, PlanTypes, Relation, with_plan_type};
use super::scope::{Scope, ScopeColumn, pick};
use super::stage::{Env, Stage};
use super::typed::Typed;
use super::{Binder, shared};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, Ident, JoinKind, TableKind};
use crate::plan::decorrelate::outer_references;

impl Binder<'_> {
    pub(super) fn join(&self, left: Relation, join: &ast::Join, env: &Env) -> Result<Relation> {
        self.hints(&join.hints)?;
        let kind = match join.kind {
            JoinKind::Cross | JoinKind::Inner => JoinType::Inner,
            JoinKind::Left => JoinType::Left,
            JoinKind::Right => JoinType::Right,
            JoinKind::Full => JoinType::Full,
            JoinKind::LeftSemi => JoinType::LeftSemi,
            JoinKind::LeftAnti => JoinType::LeftAnti,
        };
        let is_unnest = matches!(join.right.kind, TableKind::Unnest(_));
        let lateral = is_lateral(&join.right);
        check_form(join, is_unnest || lateral)?;
        if let (TableKind::Unnest(array), JoinType::Inner | JoinType::Left) =
            (&join.right.kind, kind)
        {
            return self.join_unnest(left, array, join, kind, env);
        }
        let right = self.right_side(&left, &join.right, lateral, env)?;
        match &join.constraint {
            ast::JoinConstraint::None => {
                let on = (kind != JoinType::Inner).then(|| literal_true().expr);
                self.join_plans(left, right, kind, on, lateral, join.span)
            }
            ast::JoinConstraint::On(condition) => {
                self.join_on(left, right, kind, condition, lateral, join.span, env)
            }
            ast::JoinConstraint::Using(names) => {
                self.join_using(left, right, kind, names, lateral, join.span)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a join")]
    fn join_on(
        &self,
        mut left: Relation,
        mut right: Relation,
        kind: JoinType,
        condition: &ast::Expr,
        lateral: bool,
        span: Span,
        env: &Env,
    ) -> Result<Relation> {
        let scope = both(&left.scope, &right.scope, span)?;
        let mut stage = Stage::plain(&scope, env, "ON");
        let mut on = self.condition(condition, &mut stage)?;
        if kind != JoinType::Inner {
            on = self.subqueries_to_sides(on, &mut left, &mut right)?;
        }
        self.join_plans(left, right, kind, Some(on), lateral, span)
    }

    fn join_unnest(
        &self,
        left: Relation,
        array: &ast::Expr,
        join: &ast::Join,
        kind: JoinType,
        env: &Env,
    ) -> Result<Relation> {
        let condition = match &join.constraint {
            ast::JoinConstraint::None => None,
            ast::JoinConstraint::On(condition) => Some(condition),
            ast::JoinConstraint::Using(_) => {
                return Err(Error::not_implemented("UNNEST with USING", join.span));
            }
        };
        let outer = kind == JoinType::Left;
        let always = condition.is_none_or(|condition| {
            let literal = ast::ExprKind::Literal(ast::Literal::Bool(true));
            *condition.kind == literal
        });
        if let (true, Some(condition)) = (outer && !always, condition) {
            let right = self.right_side(&left, &join.right, true, env)?;
            return self.join_on(left, right, kind, condition, true, join.span, env);
        }
        let unnested = self.unnest(left, array, &join.right, outer, env)?;
        match condition {
            Some(condition) if !always => self.filter(unnested, condition, "ON", env),
            _ => Ok(unnested),
        }
    }

    /// Joins two plans; the names of both remain.
    pub(super) fn join_plans(
        &self,
        left: Relation,
        right: Relation,
        kind: JoinType,
        on: Option<Expr>,
        lateral: bool,
        span: Span,
    ) -> Result<Relation> {
        let right_plan = if lateral {
            let outer_ref_columns = outer_references(&right.plan)?;
            if outer_ref_columns.is_empty() {
                right.plan
            } else {
                LogicalPlan::Subquery(Subquery {
                    subquery: shared(right.plan),
                    outer_ref_columns,
                    spans: Spans::new(),
                })
            }
        } else {
            right.plan
        };
        let scope = both(&left.scope, &right.scope, span)?;
        let plan = LogicalPlan::Join(Join::try_new(
            shared(left.plan),
            shared(right_plan),
            Vec::new(),
            on,
            kind,
            JoinConstraint::On,
            NullEquality::NullEqualsNothing,
            false,
        )?);
        self.step(plan.schema().fields().len(), span)?;
        let keeps_left_only = matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti);
        let mut scope = if keeps_left_only { left.scope } else { scope };
        // A row without a partner has NULLs, so a constant is one no longer.
        let padded = matches!(kind, JoinType::Left | JoinType::Right | JoinType::Full);
        let types = PlanTypes::of(&plan);
        for_each_column(&mut scope, |column| {
            *column = types.give(column.clone());
            if padded {
                column.constant = None;
            }
        });
        Ok(Relation::new(plan, scope))
    }

    /// USING: the columns come first, once.
    fn join_using(
        &self,
        left: Relation,
        right: Relation,
        kind: JoinType,
        names: &[Ident],
        lateral: bool,
        span: Span,
    ) -> Result<Relation> {
        let mut pairs: Vec<(ScopeColumn, ScopeColumn)> = Vec::with_capacity(names.len());
        let mut conditions = Vec::with_capacity(names.len());
        for name in names {
            let own = side(&left.scope, name, "left")?;
            let other = side(&right.scope, name, "right")?;
            let equal = self.operate(
                Typed::column(&own, name.span),
                Operator::Eq,
                Typed::column(&other, name.span),
                name.span,
            )?;
            conditions.push(equal.expr);
            pairs.push((own, other));
        }
        let on = conjunction(conditions);
        let mut joined = self.join_plans(left, right, kind, on, lateral, span)?;
        if matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti) {
            return Ok(joined);
        }
        let mut merged = Vec::with_capacity(pairs.len());
        for ((own, other), name) in pairs.iter().zip(names) {
            let value = match kind {
                JoinType::Right => Typed::column(&current(&joined, other), name.span),
                JoinType::Full => {
                    let sides = [own, other].map(|column| {
                        let column = current(&joined, column);
                        Typed::column(&column, name.span)
                    });
                    self.apply_named("coalesce", sides.to_vec(), name.span)?
                }
                _ => Typed::column(&current(&joined, own), name.span),
            };
            merged.push(NewColumn {
                name: own.name.clone(),
                text: Arc::clone(&own.text),
                value,
            });
        }
        let merged = self.add_columns(&mut joined, merged)?;
        let hidden = |column: &ScopeColumn| {
            let mut pairs = pairs.iter();
            pairs.any(|(own, other)| own.id == column.id || other.id == column.id)
        };
        let rest = joined.scope.columns.iter().filter(|column| !hidden(column));
        joined.scope.columns = merged.into_iter().chain(rest.cloned()).collect();
        Ok(joined)
    }
}

/// What a condition must be and where it must not be.
fn check_form(join: &ast::Join, dependent: bool) -> Result<()> {
    let has_condition = !matches!(join.constraint, ast::JoinConstraint::None);
    match join.kind {
        JoinKind::Cross if has_condition => {
            Err(
                Error::input("TM0323", "CROSS JOIN takes no condition", join.span)
                    .hint("write JOIN … ON …"),
            )
        }
        JoinKind::Cross => Ok(()),
        JoinKind::Right | JoinKind::Full if dependent => Err(Error::input(
            "TM0323",
            "LATERAL and UNNEST cannot stand on the right of RIGHT or FULL JOIN",
            join.span,
        )),
        JoinKind::Inner | JoinKind::Left if dependent => Ok(()),
        _ if has_condition => Ok(()),
        _ => Err(
            Error::input("TM0323", "this JOIN needs ON or USING", join.span)
                .hint("for every pair of rows write CROSS JOIN"),
        ),
    }
}

/// The names of two inputs together; the same alias twice is TM0207.
pub(super) fn both(left: &Scope, right: &Scope, span: Span) -> Result<Scope> {
    for range in &right.ranges {
        let twice = left
            .ranges
            .iter()
            .any(|other| other.name.eq_ignore_ascii_case(&range.name));
        if twice {
            return Err(Error::input(
                "TM0207",
                format!("two tables are called `{}`", range.name),
                span,
            )
            .hint(format!("give one another name: {} AS other", range.name)));
        }
    }
    let mut scope = left.clone();
    scope.columns.extend(right.columns.iter().cloned());
    scope.ranges.extend(right.ranges.iter().cloned());
    scope.pseudo.extend(right.pseudo.iter().cloned());
    Ok(scope)
}

fn side(scope: &Scope, name: &Ident, which: &str) -> Result<ScopeColumn> {
    pick(&scope.columns, name)?.cloned().ok_or_else(|| {
        let message = format!(
            "the {which} side of the join has no column named `{}`",
            name.text
        );
        Error::input("TM0201", message, name.span).available(scope.list(true))
    })
}

/// The column as it is after the join, where it may have become nullable.
fn current(joined: &Relation, column: &ScopeColumn) -> ScopeColumn {
    ScopeColumn {
        constant: None,
        ..with_plan_type(column.clone(), &joined.plan)
    }
}

pub(super) fn for_each_column(scope: &mut Scope, mut change: impl FnMut(&mut ScopeColumn)) {
    let ranges = scope.ranges.iter_mut();
    let ranged = ranges.flat_map(|range| range.columns.iter_mut().chain(&mut range.pseudo));
    let own = scope.columns.iter_mut().chain(&mut scope.pseudo);
    own.chain(ranged).for_each(&mut change);
}

fn literal_true() -> Typed {
    Typed::literal(ScalarValue::from(true), Span::default())
}
