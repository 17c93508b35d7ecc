//! Standard SELECT: the clauses in the order in which they are computed, not in which they are written.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::logical_expr::Expr;

use super::Binder;
use super::group::{GroupRules, Grouping};
use super::order::{no_position, position};
use super::query::one_row;
use super::regroup::Regroup;
use super::relation::{NewColumn, Relation};
use super::select_names::{listed_expression, with_aliases};
use super::stage::{Calls, Env, Extracted, Stage};
use super::typed::Typed;
use crate::error::{Error, Result};
use crate::lang::ast::{self, ExprKind, OrderItem, Select};

/// What an ORDER BY item stands for.
pub(super) enum Target {
    /// A column of the result, by position or name.
    Output(usize),
    /// An expression over the input.
    Input(Box<Typed>),
    /// An expression that only makes sense over the result's names.
    OverOutput,
}

/// The expressions of a SELECT, bound over its input.
pub(super) struct Parts {
    pub(super) columns: Vec<NewColumn>,
    pub(super) having: Option<Expr>,
    pub(super) qualify: Option<Expr>,
    pub(super) order: Vec<Target>,
}

impl Binder<'_> {
    pub(super) fn select(
        &self,
        select: &Select,
        order_by: &[OrderItem],
        env: &Env,
    ) -> Result<Relation> {
        let mut relation = if select.from.is_empty() {
            one_row()
        } else {
            self.bind_from(&select.from, env)?
        };
        if let Some(condition) = &select.filter {
            let scope = relation.scope.clone();
            let mut stage = Stage::plain(&scope, env, "WHERE");
            let predicate = self.filter_condition(condition, &mut stage)?;
            relation.filter(predicate)?;
        }
        relation.forget_order();
        let mut grouping = self.select_grouping(&mut relation, select, env)?;

        let scope = relation.scope.clone();
        let group_keys = grouping
            .as_ref()
            .map_or(Vec::new(), |grouping| grouping.keys.clone());
        let mut stage = Stage::plain(&scope, env, "SELECT")
            .with_aggregates()
            .with_windows(&select.windows);
        stage.group_keys = &group_keys;
        let mut parts = self.select_parts(select, order_by, &mut stage)?;
        let mut windows = stage.take_windows();
        let grouped = grouping.is_some() || select.having.is_some() || stage.has_aggregates();
        if grouped {
            let aggregates = stage.take_aggregates();
            let mut grouping = grouping.take().unwrap_or_default();
            if grouping.keys.is_empty() && aggregates.is_empty() {
                return Err(Error::input(
                    "TM0313",
                    "HAVING needs an aggregate function or GROUP BY",
                    select.span,
                ));
            }
            relation.plan = self.grouped(
                &mut grouping,
                std::mem::take(&mut relation.plan),
                aggregates,
            )?;
            let check = Regroup::new(&grouping.keys, &scope, &stage.uses);
            check.parts(&mut parts, &mut windows)?;
        }
        self.finish_select(relation, select, order_by, parts, windows, env)
    }

    fn select_grouping(
        &self,
        relation: &mut Relation,
        select: &Select,
        env: &Env,
    ) -> Result<Option<Grouping>> {
        let Some(group_by) = &select.group_by else {
            return Ok(None);
        };
        let scope = relation.scope.clone();
        let lookup = |expr: &ast::Expr| listed_expression(expr, select, &scope);
        let rules = GroupRules {
            strict: false,
            lookup: &lookup,
        };
        let grouping = self.grouping_items(relation, group_by, &rules, env)?;
        Ok(Some(grouping))
    }

    fn select_parts(
        &self,
        select: &Select,
        order_by: &[OrderItem],
        stage: &mut Stage,
    ) -> Result<Parts> {
        let columns = self.items(&select.items, stage)?;
        let having = match &select.having {
            None => None,
            Some(condition) => {
                let windows = std::mem::replace(&mut stage.windows, Calls::Refused);
                stage.clause = "HAVING";
                let bound =
                    self.filter_condition(&with_aliases(condition, select, stage.scope), stage);
                stage.windows = windows;
                Some(bound?)
            }
        };
        stage.clause = "QUALIFY";
        let qualify = match &select.qualify {
            None => None,
            Some(condition) => {
                let condition = with_aliases(condition, select, stage.scope);
                Some(self.filter_condition(&condition, stage)?)
            }
        };
        stage.clause = "ORDER BY";
        let mut order = Vec::with_capacity(order_by.len());
        for item in order_by {
            order.push(self.order_target(&item.expr, &columns, stage)?);
        }
        Ok(Parts {
            columns,
            having,
            qualify,
            order,
        })
    }

    fn order_target(
        &self,
        expr: &ast::Expr,
        columns: &[NewColumn],
        stage: &mut Stage,
    ) -> Result<Target> {
        if let Some(position) = position(expr) {
            let index: usize = position.parse().unwrap_or(0);
            if index == 0 || index > columns.len() {
                return Err(no_position(position, columns.len(), expr.span));
            }
            return Ok(Target::Output(index - 1));
        }
        if let ExprKind::Path(path) = expr.kind.as_ref()
            && let [name] = path.parts.as_slice()
        {
            let mut named = columns.iter().enumerate().filter(|(_, column)| {
                let own = column.name.as_deref();
                own.is_some_and(|own| own.eq_ignore_ascii_case(&name.text))
            });
            if let Some((index, first)) = named.next() {
                let same = |(_, other): (usize, &NewColumn)| other.value.expr == first.value.expr;
                if named.all(same) {
                    return Ok(Target::Output(index));
                }
                return Err(Error::input(
                    "TM0202",
                    format!(
                        "`{}` is ambiguous: two columns of the list have this name",
                        name.text
                    ),
                    name.span,
                ));
            }
        }
        match self.whole(|| self.expr(expr, stage)) {
            Ok(value) => Ok(Target::Input(Box::new(value))),
            Err(error) if error.code() == "TM0201" => Ok(Target::OverOutput),
            Err(error) => Err(error),
        }
    }

    fn finish_select(
        &self,
        mut relation: Relation,
        select: &Select,
        order_by: &[OrderItem],
        parts: Parts,
        windows: Vec<Extracted>,
        env: &Env,
    ) -> Result<Relation> {
        if let Some(having) = parts.having {
            relation.filter(having)?;
        }
        relation.plan = self.window_plan(std::mem::take(&mut relation.plan), windows)?;
        if let Some(qualify) = parts.qualify {
            relation.filter(qualify)?;
        }
        let inputs = parts.order.iter().filter_map(|target| match target {
            Target::Input(value) => Some(NewColumn::hidden("key", value.as_ref().clone())),
            Target::Output(_) | Target::OverOutput => None,
        });
        let mut inputs = self
            .add_columns(&mut relation, inputs.collect())?
            .into_iter();
        self.select_columns(&mut relation, parts.columns, select.span)?;
        let scope = relation.scope.clone();
        let mut over_output = Vec::new();
        for (item, target) in order_by.iter().zip(&parts.order) {
            if matches!(target, Target::OverOutput) {
                let mut stage = Stage::plain(&scope, env, "ORDER BY");
                let value = self.expr(&item.expr, &mut stage)?;
                over_output.push(NewColumn::hidden("key", value));
            }
        }
        let over_output = self.add_columns(&mut relation, over_output)?;
        let mut over_output = over_output.into_iter();
        let own: HashSet<Arc<str>> = scope.columns.iter().map(|own| own.id.clone()).collect();
        let mut keys = Vec::with_capacity(order_by.len());
        for (item, target) in order_by.iter().zip(&parts.order) {
            let column = match target {
                Target::Output(index) => scope.columns.get(*index).cloned(),
                Target::Input(_) => inputs.next(),
                Target::OverOutput => over_output.next(),
            };
            let column = column.ok_or_else(|| Error::bug("a sort key without its column"))?;
            let outside = !own.contains(&column.id);
            if select.distinct && outside {
                return Err(Error::input(
                    "TM0322",
                    "after SELECT DISTINCT only columns of the list can be sorted by",
                    item.expr.span,
                ));
            }
            keys.push(self.sort_key(column.expr(), item.order));
        }
        if select.distinct {
            relation = self.distinct(relation)?;
        }
        relation.order = keys;
        Ok(relation)
    }
}
