//! Window nodes over a plan.

use std::collections::HashMap;

use datafusion::common::Column;
use datafusion::logical_expr::expr::{Sort as SortKey, WindowFunctionDefinition};
use datafusion::logical_expr::{Expr, LogicalPlan, Window};

use super::relation::{compute, hoist_subqueries};
use super::stage::Extracted;
use super::{Binder, shared};
use crate::error::{Error, Result};

impl Binder<'_> {
    /// Computes window functions.
    pub(super) fn window_plan(
        &self,
        plan: LogicalPlan,
        mut windows: Vec<Extracted>,
    ) -> Result<LogicalPlan> {
        let exprs = windows.iter_mut().map(|window| &mut window.expr);
        let plan = hoist_subqueries(plan, exprs, || self.fresh("subquery"))?;
        let plan = self.compute_arguments(plan, &mut windows)?;
        window_nodes(plan, windows)
    }

    /// What the window of an aggregate function takes, as columns: its node evaluates without our checks.
    fn compute_arguments(
        &self,
        plan: LogicalPlan,
        windows: &mut [Extracted],
    ) -> Result<LogicalPlan> {
        let mut computed = Vec::new();
        for window in windows {
            let Expr::WindowFunction(function) = &mut window.expr else {
                continue;
            };
            if !matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_)) {
                continue;
            }
            let filter = function.params.filter.as_deref_mut();
            for expr in function.params.args.iter_mut().chain(filter) {
                if matches!(expr, Expr::Column(_) | Expr::Literal(..)) {
                    continue;
                }
                let id = self.fresh("argument");
                let column = Expr::Column(Column::new_unqualified(id.as_ref()));
                computed.push((std::mem::replace(expr, column), id));
            }
        }
        match computed.is_empty() {
            true => Ok(plan),
            false => compute(plan, computed),
        }
    }
}

/// Puts Window nodes over the plan, one for each partitioning and order, the longest order first.
fn window_nodes(mut plan: LogicalPlan, windows: Vec<Extracted>) -> Result<LogicalPlan> {
    type Key = (Vec<Expr>, Vec<SortKey>);
    let mut groups: Vec<(Key, Vec<Expr>)> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for window in windows {
        let Expr::WindowFunction(function) = &window.expr else {
            return Err(Error::bug("an extracted window function is none"));
        };
        let params = &function.params;
        let key = (params.partition_by.clone(), params.order_by.clone());
        let expr = window.expr.alias(window.column.id.as_ref());
        match known.get(&key) {
            Some(group) => groups[*group].1.push(expr),
            None => {
                known.insert(key.clone(), groups.len());
                groups.push((key, vec![expr]));
            }
        }
    }
    groups.sort_by_key(|((partition, order), _)| std::cmp::Reverse(partition.len() + order.len()));
    for (_, exprs) in groups {
        plan = LogicalPlan::Window(Window::try_new(exprs, shared(plan))?);
    }
    Ok(plan)
}
