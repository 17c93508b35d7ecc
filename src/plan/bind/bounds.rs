//! Bounds on what a short text can become: subqueries inside subqueries, and tables that are defined by one another.

use std::collections::HashMap;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;

use super::Binder;
use crate::error::{Error, ErrorKind, Result, Span};
use crate::plan::shared::{SharedKey, SharedNode};

/// Subqueries inside expressions, one in the other: the optimizer takes twice as long with each.
const MAX_NESTED: usize = 8;

/// Work for the optimizer that one subquery may be. IN and ANY outside of a filter read their query a few times, so that
/// fewer of them nest.
const MAX_WORK: usize = 600;

/// Tables that one query reads through common table expressions and views, each as often as it is read.
const MAX_RELATIONS: usize = 1000;

/// Columns of all steps of a statement together: each of the optimizer's rules looks at every column of every step. A hundred steps
/// over a file of five thousand columns have a quarter of that.
const MAX_COLUMNS: usize = 2_000_000;

/// Steps that may stand one over the other: what walks over plans calls itself for each.
const MAX_HEIGHT: usize = 8000;

/// What is known of a plan, and kept of each table of WITH: those that are made of it do not look through it again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts {
    /// The tables it reads, each as often as it is read.
    pub(super) relations: usize,
    /// It gives something else each time it runs.
    pub(super) is_random: bool,
    /// Steps one over the other, tables that it is made of included.
    height: usize,
}

impl Binder<'_> {
    fn facts(&self, plan: &LogicalPlan) -> Result<Facts> {
        let known = self.tables.borrow();
        let mut facts = Facts {
            height: height(plan, &known),
            ..Facts::default()
        };
        plan.apply_with_subqueries(|node| {
            if let Some(table) = SharedNode::of(node).and_then(|table| known.get(&table.key)) {
                facts.relations = facts.relations.saturating_add(table.relations);
                facts.is_random |= table.is_random;
                return Ok(TreeNodeRecursion::Jump);
            }
            facts.relations += usize::from(node.inputs().is_empty());
            node.apply_expressions(|expr| {
                facts.is_random |= expr.is_volatile();
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(facts)
    }

    /// The facts of a plan that gets a name.
    pub(super) fn named_facts(&self, plan: &LogicalPlan, name: &str, span: Span) -> Result<Facts> {
        let facts = self.facts(plan)?;
        if facts.height <= MAX_HEIGHT {
            return Ok(facts);
        }
        let message =
            format!("`{name}` is made of more than {MAX_HEIGHT} steps, one over the other");
        Err(Error::new(ErrorKind::Limit, "TM0109", message)
            .at(span)
            .hint("keep the rows of one of the tables before it with CREATE TEMP TABLE"))
    }

    /// Counts the columns of one more step.
    pub(super) fn step(&self, columns: usize, span: Span) -> Result<()> {
        let all = self.columns.get().saturating_add(columns);
        self.columns.set(all);
        if all <= MAX_COLUMNS {
            return Ok(());
        }
        let message = "the steps of this statement have more than 2,000,000 columns together";
        Err(Error::new(ErrorKind::Limit, "TM0110", message)
            .at(span)
            .hint("keep the rows of the first steps with CREATE TEMP TABLE, or drop columns early"))
    }

    /// Counts the tables behind a name before they are put in its place.
    pub(super) fn expand(&self, relations: usize, name: &str, span: Span) -> Result<()> {
        let all = self.expanded.get().saturating_add(relations);
        self.expanded.set(all);
        if all <= MAX_RELATIONS {
            return Ok(());
        }
        let message =
            format!("with `{name}` in its place this query reads more than {MAX_RELATIONS} tables");
        Err(Error::new(ErrorKind::Limit, "TM0110", message)
            .at(span)
            .hint("keep the rows of what is read again and again with CREATE TEMP TABLE"))
    }
}

fn height(plan: &LogicalPlan, known: &HashMap<SharedKey, Facts>) -> usize {
    if let Some(table) = SharedNode::of(plan).and_then(|table| known.get(&table.key)) {
        return table.height + 1;
    }
    let below = plan.inputs().into_iter();
    below.map(|input| height(input, known)).max().unwrap_or(0) + 1
}

/// Whether a plan may become a subquery of an expression at `span`.
pub(super) fn check_subquery(plan: &LogicalPlan, span: Span) -> Result<()> {
    let (depth, work) = nested(plan)?;
    let fault = if depth >= MAX_NESTED {
        let message = format!("subqueries in expressions nest at most {MAX_NESTED} deep");
        Error::new(ErrorKind::Limit, "TM0109", message)
    } else if work > MAX_WORK {
        let message = "this subquery holds too many others";
        Error::new(ErrorKind::Limit, "TM0110", message)
    } else {
        return Ok(());
    };
    Err(fault
        .at(span)
        .hint("move the inner ones to FROM or to WITH, which cost nothing to nest"))
}

/// How deep the subqueries in a plan's expressions nest, and how much work they are: each twice as much as what is in it.
fn nested(plan: &LogicalPlan) -> datafusion::common::Result<(usize, usize)> {
    let (mut deepest, mut work) = (0, 0);
    plan.apply(|node| {
        node.apply_subqueries(|subquery| {
            let (depth, inside) = nested(subquery)?;
            deepest = deepest.max(depth + 1);
            work += 2 * (inside + 1);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok((deepest, work))
}
