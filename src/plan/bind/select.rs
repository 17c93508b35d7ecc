//! Standard SELECT: the clauses in the order in which they are computed, not in which they are written.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Expr;

use super::Binder;
use super::group::{GroupKey, GroupRules, Grouping};
use super::nested::inferred_name;
use super::order::{no_position, position};
use super::query::one_row;
use super::relation::{NewColumn, Relation};
use super::scope::Scope;
use super::stage::{Calls, Env, Extracted, Stage, Use};
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ExprKind, OrderItem, Select, SelectItem};

/// What an ORDER BY item stands for.
enum Target {
    /// A column of the result, by position or name.
    Output(usize),
    /// An expression over the input.
    Input(Box<Typed>),
    /// An expression that only makes sense over the result's names.
    OverOutput,
}

/// The expressions of a SELECT, bound over its input.
struct Parts {
    columns: Vec<NewColumn>,
    having: Option<Expr>,
    qualify: Option<Expr>,
    order: Vec<Target>,
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
            let check = Regroup {
                keys: &grouping.keys,
                scope: &scope,
                uses: &stage.uses,
            };
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
        let mut hidden = Vec::with_capacity(parts.order.len());
        for target in &parts.order {
            hidden.push(match target {
                Target::Input(value) => {
                    Some(self.add_hidden(&mut relation, "key", value.as_ref().clone())?)
                }
                Target::Output(_) | Target::OverOutput => None,
            });
        }
        self.select_columns(&mut relation, parts.columns, select.span)?;
        let mut keys = Vec::with_capacity(order_by.len());
        for ((item, target), hidden) in order_by.iter().zip(&parts.order).zip(hidden) {
            let column = match (target, hidden) {
                (Target::Output(index), _) => relation.scope.columns[*index].clone(),
                (_, Some(column)) => column,
                (_, None) => {
                    let scope = relation.scope.clone();
                    let mut stage = Stage::plain(&scope, env, "ORDER BY");
                    let value = self.expr(&item.expr, &mut stage)?;
                    self.add_hidden(&mut relation, "key", value)?
                }
            };
            let outside = !relation.scope.columns.iter().any(|own| own.id == column.id);
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

/// Puts grouped values in the place of what they were computed from, and finds what is neither grouped nor aggregated.
struct Regroup<'r> {
    keys: &'r [GroupKey],
    scope: &'r Scope,
    uses: &'r [Use],
}

impl Regroup<'_> {
    fn parts(&self, parts: &mut Parts, windows: &mut [Extracted]) -> Result<()> {
        for column in &mut parts.columns {
            self.typed(&mut column.value)?;
        }
        for condition in [&mut parts.having, &mut parts.qualify]
            .into_iter()
            .flatten()
        {
            *condition = self.expr(std::mem::take(condition))?;
        }
        for target in &mut parts.order {
            if let Target::Input(value) = target {
                self.typed(value)?;
            }
        }
        for window in windows {
            window.expr = self.expr(std::mem::take(&mut window.expr))?;
        }
        Ok(())
    }

    fn typed(&self, value: &mut Typed) -> Result<()> {
        value.expr = self.expr(std::mem::take(&mut value.expr))?;
        Ok(())
    }

    fn expr(&self, expr: Expr) -> Result<Expr> {
        let replaced = expr
            .transform_down(|part| {
                let key = self.keys.iter().find(|key| key.expr == part);
                Ok(match key {
                    Some(key) => Transformed::new(key.column.expr(), true, TreeNodeRecursion::Jump),
                    None => Transformed::no(part),
                })
            })
            .data()?;
        let mut ungrouped: Option<String> = None;
        replaced.apply(|part| {
            let names: Vec<&str> = match part {
                Expr::Column(column) => vec![&column.name],
                Expr::ScalarSubquery(query) => outer_names(&query.outer_ref_columns),
                Expr::Exists(exists) => outer_names(&exists.subquery.outer_ref_columns),
                Expr::InSubquery(query) => outer_names(&query.subquery.outer_ref_columns),
                _ => Vec::new(),
            };
            let found = names.into_iter().find(|name| self.is_ungrouped(name));
            if let Some(found) = found {
                ungrouped = Some(found.to_string());
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        match ungrouped {
            None => Ok(replaced),
            Some(id) => Err(self.refusal(&id)),
        }
    }

    /// A column of the input that is no key.
    fn is_ungrouped(&self, id: &str) -> bool {
        let is_key = self.keys.iter().any(|key| *key.column.id == *id);
        !is_key && self.input_name(id).is_some()
    }

    fn input_name(&self, id: &str) -> Option<&str> {
        let ranges = self.scope.ranges.iter();
        let ranged = ranges.flat_map(|range| range.columns.iter().chain(&range.pseudo));
        let mut columns = self
            .scope
            .columns
            .iter()
            .chain(&self.scope.pseudo)
            .chain(ranged);
        columns
            .find(|column| *column.id == *id)
            .map(|column| column.display())
    }

    fn refusal(&self, id: &str) -> Error {
        let place = self.uses.iter().find(|used| *used.id == *id);
        let span = place.map_or(Span::default(), |used| used.span);
        let name = self.input_name(id).unwrap_or_default();
        Error::input(
            "TM0318",
            format!("`{name}` is neither grouped nor aggregated"),
            span,
        )
        .hint(format!(
            "add `{name}` to GROUP BY, or wrap it: ANY_VALUE({name})"
        ))
    }
}

fn outer_names(references: &[Expr]) -> Vec<&str> {
    references
        .iter()
        .filter_map(|reference| match reference {
            Expr::OuterReferenceColumn(_, column) => Some(column.name.as_str()),
            _ => None,
        })
        .collect()
}

/// The item of the list that a position or an alias in GROUP BY means; columns of the input win over aliases.
fn listed_expression(
    expr: &ast::Expr,
    select: &Select,
    scope: &Scope,
) -> Result<Option<ast::Expr>> {
    if let Some(position) = position(expr) {
        let index: usize = position.parse().unwrap_or(0);
        let item = index
            .checked_sub(1)
            .and_then(|index| select.items.get(index));
        return match item {
            Some(SelectItem::Expr { expr, .. }) => Ok(Some(expr.clone())),
            _ => Err(Error::input(
                "TM0317",
                format!("there is no item {position} in the list"),
                expr.span,
            )),
        };
    }
    Ok(aliased(expr, select, scope).cloned())
}

/// The item that a bare name means as an alias, if it is no column.
fn aliased<'s>(expr: &ast::Expr, select: &'s Select, scope: &Scope) -> Option<&'s ast::Expr> {
    let ExprKind::Path(path) = expr.kind.as_ref() else {
        return None;
    };
    let [name] = path.parts.as_slice() else {
        return None;
    };
    if !matches!(scope.column(name), Ok(None)) {
        return None;
    }
    select.items.iter().find_map(|item| match item {
        SelectItem::Expr {
            expr,
            alias: Some(alias),
        } if alias.text.eq_ignore_ascii_case(&name.text) => Some(expr),
        SelectItem::Expr { expr, alias: None } => {
            let own = inferred_name(expr)?;
            own.text.eq_ignore_ascii_case(&name.text).then_some(expr)
        }
        _ => None,
    })
}

/// A condition of HAVING or QUALIFY with the list's aliases in it replaced by what they stand for.
fn with_aliases(condition: &ast::Expr, select: &Select, scope: &Scope) -> ast::Expr {
    if let Some(meant) = aliased(condition, select, scope) {
        return meant.clone();
    }
    let mut condition = condition.clone();
    let replace = |expr: &mut ast::Expr| *expr = with_aliases(expr, select, scope);
    match condition.kind.as_mut() {
        ExprKind::Unary { operand, .. } | ExprKind::Is { operand, .. } => replace(operand),
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinctFrom { left, right, .. } => {
            replace(left);
            replace(right);
        }
        ExprKind::And(operands) | ExprKind::Or(operands) => operands.iter_mut().for_each(replace),
        ExprKind::Between {
            operand, low, high, ..
        } => {
            replace(operand);
            replace(low);
            replace(high);
        }
        ExprKind::InList { operand, list, .. } => {
            replace(operand);
            list.iter_mut().for_each(replace);
        }
        ExprKind::Like {
            operand, pattern, ..
        } => {
            replace(operand);
            replace(pattern);
        }
        _ => {}
    }
    condition
}
