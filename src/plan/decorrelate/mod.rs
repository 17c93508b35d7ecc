//! Correlated subqueries and LATERAL joins to plain joins, where DataFusion's own rules would refuse.
//!
//! The way of Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015). The inner query depends on columns of the outer one:
//! their distinct values are the [`domain`]. [`push`] joins the domain to the inner query's leaves and keeps its columns beside
//! every row on the way up ([`rows`] has the steps that look at several rows), until nothing refers to the outer query. Then
//! [`attach`] joins the result back on those columns. What [`simple`] knows to be within the reach of DataFusion is left to it:
//! it needs no domain.
//!
//! From the inside out: a subquery two levels deep is first joined to the query between, which then depends on the outermost.

mod attach;
mod domain;
mod push;
mod rows;
mod simple;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Spans};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Projection, Subquery};

use crate::error::{Error, ErrorKind};
use crate::plan::places::Places;
use domain::{FRESH, Outer, column, columns_of, display_name, outer_names};
pub(super) use domain::{correlated_names, outer_references};

/// What becomes a join here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Which {
    /// What DataFusion is known to refuse.
    #[default]
    Stubborn,
    All,
}

/// The plan without the correlation that DataFusion cannot take out of it.
pub(super) fn decorrelate(
    plan: &LogicalPlan,
    which: Which,
    places: &Places,
) -> crate::error::Result<LogicalPlan> {
    let plan = plan.clone();
    if correlated_names(&plan)?.is_empty() {
        return Ok(plan);
    }
    let decorrelator = Decorrelator {
        which,
        ..Decorrelator::default()
    };
    decorrelator.node(plan).map_err(|error| match error {
        DataFusionError::External(error) => match error.downcast::<Impossible>() {
            Ok(impossible) => cannot_be_joined(&impossible.names, places),
            Err(other) => Error::from(DataFusionError::External(other)),
        },
        other => Error::from(other),
    })
}

#[derive(Debug, Default)]
struct Decorrelator {
    which: Which,
    next_id: Cell<usize>,
}

impl Decorrelator {
    /// A column name that nothing else in the plan has.
    fn fresh(&self, name: &str) -> String {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let word = name.split('#').next().unwrap_or(name);
        format!("{word}#{FRESH}{id}")
    }

    /// The plan with every stubborn subquery joined to the node that holds it.
    fn node(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.map_children(|child| self.node(child).map(Transformed::yes))?;
        let plan = plan.data;
        match plan {
            LogicalPlan::Filter(filter) if has_subquery(&filter.predicate)? => self.filter(filter),
            LogicalPlan::Projection(projection) if any_has_subquery(&projection.expr)? => {
                self.projection(projection)
            }
            LogicalPlan::Join(join) if matches!(join.right.as_ref(), LogicalPlan::Subquery(_)) => {
                self.lateral(join)
            }
            plan => self.other(plan),
        }
    }

    fn filter(&self, filter: Filter) -> Result<LogicalPlan> {
        let kept = columns_of(filter.input.schema());
        let mut input = Outer::new(filter.input);
        let mut conjuncts = Vec::new();
        for conjunct in split_conjunction_owned(filter.predicate) {
            if let Some(rest) = self.conjunct(conjunct, &mut input)? {
                conjuncts.push(rest);
            }
        }
        let plan = match conjuncts.into_iter().reduce(Expr::and) {
            None => input.rows,
            Some(predicate) => {
                LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input.rows))?)
            }
        };
        cut_to(plan, kept)
    }

    /// A condition that rows must meet: a semi or anti join where the whole of it is EXISTS or IN.
    fn conjunct(&self, conjunct: Expr, input: &mut Outer) -> Result<Option<Expr>> {
        let conjunct = match conjunct {
            Expr::Not(inner) => match *inner {
                Expr::Exists(exists) => Expr::Exists(Exists {
                    negated: !exists.negated,
                    ..exists
                }),
                other => Expr::Not(Box::new(other)),
            },
            other => other,
        };
        match conjunct {
            Expr::Exists(exists) => {
                let plan = self.inner(&exists.subquery)?;
                if self.leaves(simple::exists(&plan, &input.rows)?, &plan)? {
                    return Ok(Some(Expr::Exists(Exists {
                        subquery: subquery_of(plan),
                        ..exists
                    })));
                }
                self.join_existing(input, &plan, exists.negated, None)?;
                Ok(None)
            }
            Expr::InSubquery(membership) => {
                let operand = self.expression(*membership.expr, input)?;
                let plan = self.inner(&membership.subquery)?;
                let refused = membership.negated && !outer_names(&plan)?.is_empty();
                if self.leaves(simple::exists(&plan, &input.rows)?, &plan)? && !refused {
                    return Ok(Some(Expr::InSubquery(InSubquery {
                        expr: Box::new(operand),
                        subquery: subquery_of(plan),
                        ..membership
                    })));
                }
                if membership.negated {
                    return Err(impossible(&plan));
                }
                self.join_existing(input, &plan, false, Some(operand))?;
                Ok(None)
            }
            other => self.expression(other, input).map(Some),
        }
    }

    fn projection(&self, projection: Projection) -> Result<LogicalPlan> {
        let mut input = Outer::new(projection.input);
        let mut exprs = Vec::with_capacity(projection.expr.len());
        let names = NamePreserver::new_for_projection();
        for expr in projection.expr {
            let name = names.save(&expr);
            exprs.push(name.restore(self.expression(expr, &mut input)?));
        }
        Ok(LogicalPlan::Projection(Projection::try_new(
            exprs,
            Arc::new(input.rows),
        )?))
    }

    /// The expression with each stubborn subquery replaced by a column that `input` gets for it.
    fn expression(&self, expr: Expr, input: &mut Outer) -> Result<Expr> {
        let rewritten = expr.transform_up(|part| match part {
            Expr::ScalarSubquery(subquery) => {
                let plan = self.inner(&subquery)?;
                if self.leaves(simple::scalar(&plan, &input.rows)?, &plan)? {
                    return Ok(Transformed::yes(Expr::ScalarSubquery(subquery_of(plan))));
                }
                let value = self.join_value(input, &plan)?;
                Ok(Transformed::yes(column(&value)))
            }
            Expr::Exists(exists) => {
                let plan = self.inner(&exists.subquery)?;
                if self.leaves(simple::exists(&plan, &input.rows)?, &plan)? {
                    let subquery = subquery_of(plan);
                    return Ok(Transformed::yes(Expr::Exists(Exists {
                        subquery,
                        ..exists
                    })));
                }
                let mark = column(&self.join_mark(input, &plan)?);
                Ok(Transformed::yes(match exists.negated {
                    true => mark.is_null(),
                    false => mark.is_not_null(),
                }))
            }
            Expr::InSubquery(membership) => {
                let plan = self.inner(&membership.subquery)?;
                if !self.leaves(simple::exists(&plan, &input.rows)?, &plan)? {
                    return Err(impossible(&plan));
                }
                Ok(Transformed::yes(Expr::InSubquery(InSubquery {
                    subquery: subquery_of(plan),
                    ..membership
                })))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(rewritten.data)
    }

    /// A node that can hold no join for a subquery of its expressions.
    fn other(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let rewritten = plan.map_expressions(|expr| {
            expr.transform_up(|part| {
                let subquery = match &part {
                    Expr::ScalarSubquery(subquery) => subquery,
                    Expr::Exists(exists) => &exists.subquery,
                    Expr::InSubquery(membership) => &membership.subquery,
                    _ => return Ok(Transformed::no(part)),
                };
                let plan = self.inner(subquery)?;
                if !outer_names(&plan)?.is_empty() {
                    return Err(impossible(&plan));
                }
                let subquery = subquery_of(plan);
                Ok(Transformed::yes(match part {
                    Expr::Exists(exists) => Expr::Exists(Exists { subquery, ..exists }),
                    Expr::InSubquery(membership) => Expr::InSubquery(InSubquery {
                        subquery,
                        ..membership
                    }),
                    _ => Expr::ScalarSubquery(subquery),
                }))
            })
        })?;
        Ok(rewritten.data)
    }

    fn lateral(&self, join: Join) -> Result<LogicalPlan> {
        let LogicalPlan::Subquery(subquery) = join.right.as_ref() else {
            return Ok(LogicalPlan::Join(join));
        };
        // Its own subqueries are gone already: it is a child of the join.
        let inner = subquery.subquery.as_ref().clone();
        self.join_lateral(join, &inner)
    }

    /// Whether a subquery stays as it is: DataFusion can take it, or it depends on nothing.
    fn leaves(&self, simple: bool, plan: &LogicalPlan) -> Result<bool> {
        Ok(simple && (self.which == Which::Stubborn || outer_names(plan)?.is_empty()))
    }

    fn inner(&self, subquery: &Subquery) -> Result<LogicalPlan> {
        self.node(subquery.subquery.as_ref().clone())
    }
}

fn subquery_of(plan: LogicalPlan) -> Subquery {
    Subquery {
        outer_ref_columns: plan.all_out_ref_exprs(),
        subquery: Arc::new(plan),
        spans: Spans::new(),
    }
}

fn has_subquery(expr: &Expr) -> Result<bool> {
    expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_)
        ))
    })
}

fn any_has_subquery(exprs: &[Expr]) -> Result<bool> {
    let mut found = false;
    for expr in exprs {
        found |= has_subquery(expr)?;
    }
    Ok(found)
}

/// Exactly these columns of the plan.
fn cut_to(plan: LogicalPlan, kept: Vec<Column>) -> Result<LogicalPlan> {
    if plan.schema().fields().len() == kept.len() {
        return Ok(plan);
    }
    let exprs = kept.into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(
        exprs,
        Arc::new(plan),
    )?))
}

/// What this way of taking subqueries apart does not reach: one that uses these columns of the query around.
#[derive(Debug)]
struct Impossible {
    names: BTreeSet<String>,
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a subquery cannot be turned into a join")
    }
}

impl std::error::Error for Impossible {}

fn impossible(plan: &LogicalPlan) -> DataFusionError {
    let names = outer_names(plan).unwrap_or_default();
    DataFusionError::External(Box::new(Impossible { names }))
}

/// TM0901 about these columns of the query around.
pub(super) fn cannot_be_joined(names: &BTreeSet<String>, places: &Places) -> Error {
    let place = places.of_subquery(names);
    let names: BTreeSet<&str> = names.iter().map(|name| display_name(name)).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let message = format!(
        "a subquery that uses {} of the query around it cannot be turned into a join",
        names.join(", ")
    );
    let error = Error::new(ErrorKind::Input, "TM0901", message)
        .hint("write the subquery as a JOIN, or compare the outer column with = inside it");
    match place {
        Some(place) => error.at(place),
        None => error,
    }
}
