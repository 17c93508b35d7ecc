//! The values of the outer query that an inner one depends on.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Distinct, Expr, Join, JoinType, LogicalPlan, Projection};

use super::Decorrelator;
use crate::error::{Error, ErrorKind};
use crate::plan::shared::visit_once;

/// What the numbers of columns start with that the decorrelator makes; those of the binder are digits alone.
pub(super) const FRESH: char = 'd';

/// The query around a subquery, while its own subqueries are joined to it one after another.
#[derive(Debug)]
pub(super) struct Outer {
    /// The rows with what was joined to them so far.
    pub(super) rows: LogicalPlan,
    /// The rows before that.
    bare: LogicalPlan,
}

impl Outer {
    pub(super) fn new(rows: Arc<LogicalPlan>) -> Self {
        let rows = Arc::unwrap_or_clone(rows);
        Outer {
            bare: rows.clone(),
            rows,
        }
    }

    /// The smallest part of the plan that has every value of these columns. The domain is a copy of it: a copy of all that was
    /// joined before would double the plan with each subquery.
    fn source_of(&self, names: &[String]) -> &LogicalPlan {
        let is_bare = names
            .iter()
            .all(|name| has_column(self.bare.schema(), name));
        narrowest(if is_bare { &self.bare } else { &self.rows }, names)
    }
}

/// Goes down through steps that keep each row and these columns as they are.
fn narrowest<'p>(mut plan: &'p LogicalPlan, names: &[String]) -> &'p LogicalPlan {
    loop {
        let below = match plan {
            LogicalPlan::Projection(node) if passes_on(&node.expr, names) => &node.input,
            LogicalPlan::Window(node) => &node.input,
            LogicalPlan::Sort(node) if node.fetch.is_none() => &node.input,
            LogicalPlan::Join(node) if node.join_type == JoinType::Left => &node.left,
            LogicalPlan::Join(node) if node.join_type == JoinType::Right => &node.right,
            LogicalPlan::Join(node) if is_with_a_row_for_each(node) => &node.left,
            _ => return plan,
        };
        if !names.iter().all(|name| has_column(below.schema(), name)) {
            return plan;
        }
        plan = below;
    }
}

/// Whether this is an inner join that was made of a LATERAL one whose query has a row for each outer one, such as an aggregate
/// without groups: its right side still has every value of its domain.
fn is_with_a_row_for_each(join: &Join) -> bool {
    let keys: Option<Vec<String>> = join
        .on
        .iter()
        .map(|(_, right)| match right {
            Expr::Column(column) if is_fresh(&column.name) => Some(column.name.clone()),
            _ => None,
        })
        .collect();
    let keys = keys.filter(|keys| !keys.is_empty());
    let is_inner = join.join_type == JoinType::Inner && join.filter.is_none();
    is_inner && keys.is_some_and(|keys| is_domain(narrowest(&join.right, &keys)))
}

/// Whether this is what [`Domain::place`] makes.
fn is_domain(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Distinct(Distinct::All(values)) = plan else {
        return false;
    };
    let LogicalPlan::Projection(values) = values.as_ref() else {
        return false;
    };
    values.expr.iter().all(|expr| match expr {
        Expr::Alias(alias) => is_fresh(&alias.name) && matches!(*alias.expr, Expr::Column(_)),
        _ => false,
    })
}

fn passes_on(exprs: &[Expr], names: &[String]) -> bool {
    names.iter().all(|name| {
        let is_it = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == *name);
        exprs.iter().any(is_it)
    })
}

/// What is joined to the leaves of the inner query.
#[derive(Debug)]
pub(super) struct Domain<'a> {
    outer: &'a LogicalPlan,
    /// The outer columns that the inner query refers to.
    pub(super) names: Vec<String>,
    /// The outer rows themselves, all of their columns and each as often as it is there: nothing has to be joined back. Good where
    /// every step of the inner query looks at one row alone.
    whole: bool,
}

/// An inner query beside the domain: its own columns, and those of the domain that each row belongs to.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) plan: LogicalPlan,
    /// The domain's columns in `plan`, in the order of [`Domain::names`]; with the outer rows themselves, all of theirs.
    pub(super) keys: Vec<Column>,
}

impl<'a> Domain<'a> {
    /// The distinct values of those columns that `inner` refers to.
    pub(super) fn distinct(outer: &'a Outer, inner: &LogicalPlan) -> Result<Self> {
        let names = own_names(&outer.rows, inner)?;
        let outer = outer.source_of(&names);
        if !names.is_empty() && is_volatile(outer)? {
            return Err(twice_at_random(&names));
        }
        Ok(Domain {
            outer,
            names,
            whole: false,
        })
    }

    pub(super) fn rows(outer: &'a LogicalPlan, inner: &LogicalPlan) -> Result<Self> {
        Ok(Domain {
            outer,
            names: own_names(outer, inner)?,
            whole: true,
        })
    }

    /// The domain as a plan of its own, under new names unless it is the outer rows.
    pub(super) fn place(&self, decorrelator: &Decorrelator) -> Result<Beside> {
        if self.whole {
            return Ok(Beside {
                plan: self.outer.clone(),
                keys: columns_of(self.outer.schema()),
            });
        }
        let fresh: Vec<String> = self
            .names
            .iter()
            .map(|name| decorrelator.fresh(name))
            .collect();
        let exprs = self.names.iter().zip(&fresh);
        let exprs = exprs.map(|(name, fresh)| column(name).alias(fresh.as_str()));
        let values = Projection::try_new(exprs.collect(), Arc::new(self.outer.clone()))?;
        Ok(Beside {
            plan: LogicalPlan::Distinct(Distinct::All(Arc::new(LogicalPlan::Projection(values)))),
            keys: fresh.into_iter().map(Column::new_unqualified).collect(),
        })
    }

    /// Whether a plan refers to the outer query.
    pub(super) fn is_used_by(&self, plan: &LogicalPlan) -> Result<bool> {
        let used = outer_names(plan)?;
        Ok(self.names.iter().any(|name| used.contains(name)))
    }

    /// The expression with the domain's columns in the place of references to the outer query.
    pub(super) fn resolve(&self, expr: Expr, keys: &[Column]) -> Result<Expr> {
        let resolved = expr.transform(|part| {
            let Expr::OuterReferenceColumn(_, outer) = &part else {
                return Ok(Transformed::no(part));
            };
            let Some(place) = self.names.iter().position(|name| *name == outer.name) else {
                return Ok(Transformed::no(part));
            };
            let own = match self.whole {
                true => outer,
                false => &keys[place],
            };
            Ok(Transformed::yes(Expr::Column(own.clone())))
        })?;
        Ok(resolved.data)
    }

    /// Whether an outer column can be NULL.
    pub(super) fn has_nulls(&self) -> bool {
        let schema = self.outer.schema();
        self.names.iter().any(|name| {
            let field = schema.field_with_unqualified_name(name);
            field.map_or(true, |field| field.is_nullable())
        })
    }
}

/// Whether a plan's rows are others each time: the domain is computed beside the outer rows.
fn is_volatile(plan: &LogicalPlan) -> Result<bool> {
    let mut volatile = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            volatile |= expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(volatile)
}

fn twice_at_random(names: &[String]) -> DataFusionError {
    let names: Vec<&str> = names.iter().map(|name| display_name(name)).collect();
    let message = format!(
        "a subquery uses {} of rows that are made at random, which would be made twice",
        names.join(", ")
    );
    let error = Error::new(ErrorKind::Input, "TM0901", message)
        .hint("keep the rows first: CREATE TEMP TABLE … AS");
    DataFusionError::External(Box::new(error))
}

/// Whether a column is one of a domain's, which the decorrelator named.
fn is_fresh(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, id)| id.starts_with(FRESH))
}

/// `price#7` is `price` to the user.
pub(super) fn display_name(id: &str) -> &str {
    id.split('#').next().unwrap_or(id)
}

/// The columns of `outer` that `inner` refers to.
fn own_names(outer: &LogicalPlan, inner: &LogicalPlan) -> Result<Vec<String>> {
    let schema = outer.schema();
    let names = outer_names(inner)?.into_iter();
    Ok(names.filter(|name| has_column(schema, name)).collect())
}

pub(super) fn has_column(schema: &DFSchema, name: &str) -> bool {
    schema.has_column_with_unqualified_name(name)
}

/// The names of [`outer_references`].
pub(super) fn outer_names(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    Ok(names_of(&outer_references(plan)?))
}

/// The columns of enclosing queries that a plan refers to, however deep inside, each once.
pub(crate) fn outer_references(plan: &LogicalPlan) -> Result<Vec<Expr>> {
    // Every column of a plan has a name of its own: what a subquery inside of it refers to may be the plan's.
    let mut references = all_references(plan)?;
    if references.is_empty() {
        return Ok(references);
    }
    let mut own = HashSet::new();
    visit_once(plan, |node| {
        let fields = node.schema().fields().iter();
        own.extend(fields.map(|field| field.name().clone()));
        Ok(TreeNodeRecursion::Continue)
    })?;
    references.retain(|reference| match reference {
        Expr::OuterReferenceColumn(_, column) => !own.contains(&column.name),
        _ => false,
    });
    Ok(references)
}

/// The columns that some part of a plan reads as those of an enclosing query, which may be in the plan too.
fn all_references(plan: &LogicalPlan) -> Result<Vec<Expr>> {
    let (mut references, mut seen) = (Vec::new(), HashSet::new());
    visit_once(plan, |node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if matches!(part, Expr::OuterReferenceColumn(..)) && seen.insert(part.clone()) {
                    references.push(part.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(references)
}

/// The names of the columns that some part of a plan reads as those of an enclosing query.
pub(crate) fn correlated_names(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    Ok(names_of(&all_references(plan)?))
}

fn names_of(references: &[Expr]) -> BTreeSet<String> {
    let name = |reference: &Expr| match reference {
        Expr::OuterReferenceColumn(_, column) => Some(column.name.clone()),
        _ => None,
    };
    references.iter().filter_map(name).collect()
}

pub(super) fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

pub(super) fn columns_of(schema: &DFSchema) -> Vec<Column> {
    schema.columns()
}
