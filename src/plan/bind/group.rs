//! What rows are grouped by: expressions, ROLLUP, CUBE and GROUPING SETS.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::logical_expr::{Aggregate, Expr, GroupingSet, LogicalPlan};

use super::nested::inferred_name;
use super::project::declared_name;
use super::relation::{
    NewColumn, PlanTypes, Relation, all_columns, compute, hoist_subqueries, project,
};
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Extracted, Stage};
use super::typed::Typed;
use super::{Binder, shared};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ExprKind, GroupBy, GroupItem, GroupKind, Ident, SortOrder};

/// More sets than this are refused: a CUBE doubles them with every item.
const MAX_SETS: usize = 4096;

/// An expression that rows are grouped by, and the column that has its values.
#[derive(Debug, Clone)]
pub(super) struct GroupKey {
    pub(super) expr: Expr,
    pub(super) column: ScopeColumn,
}

/// Bound grouping items.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    /// Each key once.
    pub(super) keys: Vec<GroupKey>,
    /// The keys of the output columns, in order, with the `sort` written behind them.
    pub(super) outputs: Vec<(usize, Option<SortOrder>)>,
    /// Which keys each set has; one set of all keys without ROLLUP and the like.
    sets: Vec<Vec<usize>>,
    has_sets: bool,
    /// The expressions so far, and which of the keys have each.
    known: HashMap<Expr, Vec<usize>>,
}

/// Where grouping items stand, which decides what they may be.
pub(super) struct GroupRules<'r> {
    /// Pipe AGGREGATE: no ordinals, no literals, named columns in sets.
    pub(super) strict: bool,
    /// Standard SELECT: the expression that an ordinal or an alias of the list stands for.
    pub(super) lookup: &'r dyn Fn(&ast::Expr) -> Result<Option<ast::Expr>>,
}

impl Binder<'_> {
    /// Groups the plan and computes the aggregates.
    pub(super) fn grouped(
        &self,
        grouping: &mut Grouping,
        plan: LogicalPlan,
        mut aggregates: Vec<Extracted>,
    ) -> Result<LogicalPlan> {
        let exprs = aggregates.iter_mut().map(|aggregate| &mut aggregate.expr);
        let plan = hoist_subqueries(plan, exprs, || self.fresh("subquery"))?;
        grouping.apply(plan, aggregates)
    }

    /// Binds grouping items; computed ones become columns of the relation.
    pub(super) fn grouping_items(
        &self,
        relation: &mut Relation,
        group_by: &GroupBy,
        rules: &GroupRules,
        env: &Env,
    ) -> Result<Grouping> {
        self.hints(&group_by.hints)?;
        let mut grouping = Grouping {
            sets: vec![Vec::new()],
            ..Grouping::default()
        };
        if group_by.items.iter().any(has_sets) {
            self.tell_copies_apart(relation)?;
        }
        for item in &group_by.items {
            let alternatives = self.group_item(relation, item, rules, &mut grouping, env)?;
            grouping.multiply(&alternatives, item.span)?;
        }
        self.key_columns(relation, &mut grouping)?;
        if group_by.items.len() > 1
            && let Some(empty) = group_by
                .items
                .iter()
                .find(|item| rules.strict && matches!(item.kind, GroupKind::Empty))
        {
            return Err(Error::input("TM0321", "`()` stands alone", empty.span));
        }
        Ok(grouping)
    }

    /// Columns that are copies of others become columns of their own: in a set where one of them is a key, the other may be NULL.
    fn tell_copies_apart(&self, relation: &mut Relation) -> Result<()> {
        let mut seen = HashSet::new();
        let mut copies = Vec::new();
        let Scope {
            columns, ranges, ..
        } = &mut relation.scope;
        for column in columns {
            if seen.insert(Arc::clone(&column.id)) {
                continue;
            }
            let id = self.fresh(column.name.as_deref().unwrap_or("copy"));
            for range in ranges.iter_mut().flat_map(|range| &mut range.columns) {
                if range.id == column.id && range.name == column.name {
                    range.id = Arc::clone(&id);
                }
            }
            copies.push((column.expr(), Arc::clone(&id)));
            column.id = id;
        }
        if !copies.is_empty() {
            relation.plan = compute(std::mem::take(&mut relation.plan), copies)?;
        }
        Ok(())
    }

    /// The sets that an item can be, one after the other.
    fn group_item(
        &self,
        relation: &mut Relation,
        item: &GroupItem,
        rules: &GroupRules,
        grouping: &mut Grouping,
        env: &Env,
    ) -> Result<Vec<Vec<usize>>> {
        match &item.kind {
            GroupKind::Empty => Ok(vec![Vec::new()]),
            GroupKind::Expr { expr, alias, sort } => {
                let key = self.group_key(relation, expr, alias.as_ref(), rules, grouping, env)?;
                grouping.outputs.push((key, *sort));
                Ok(vec![vec![key]])
            }
            GroupKind::Set(exprs) => {
                let keys = self.set_keys(relation, exprs, rules, grouping, env)?;
                Ok(vec![keys])
            }
            GroupKind::Rollup(parts) => {
                grouping.has_sets = true;
                let parts = self.set_parts(relation, parts, rules, grouping, env)?;
                Ok((0..=parts.len())
                    .rev()
                    .map(|length| parts[..length].concat())
                    .collect())
            }
            GroupKind::Cube(parts) => {
                grouping.has_sets = true;
                let parts = self.set_parts(relation, parts, rules, grouping, env)?;
                if parts.len() >= 12 {
                    return Err(too_many_sets(item.span));
                }
                Ok((0..1usize << parts.len())
                    .rev()
                    .map(|mask| {
                        let chosen = parts.iter().enumerate();
                        chosen
                            .filter(|(index, _)| mask & (1 << (parts.len() - 1 - index)) != 0)
                            .flat_map(|(_, keys)| keys.iter().copied())
                            .collect()
                    })
                    .collect())
            }
            GroupKind::Sets(items) => {
                grouping.has_sets = true;
                let mut sets = Vec::new();
                for item in items {
                    let plain = match &item.kind {
                        GroupKind::Expr { expr, .. } => Some(std::slice::from_ref(expr)),
                        _ => None,
                    };
                    match plain {
                        Some(exprs) => {
                            sets.push(self.set_keys(relation, exprs, rules, grouping, env)?);
                        }
                        None => sets.extend(self.group_item(relation, item, rules, grouping, env)?),
                    }
                }
                Ok(sets)
            }
        }
    }

    fn set_parts(
        &self,
        relation: &mut Relation,
        parts: &[Vec<ast::Expr>],
        rules: &GroupRules,
        grouping: &mut Grouping,
        env: &Env,
    ) -> Result<Vec<Vec<usize>>> {
        let mut bound = Vec::with_capacity(parts.len());
        for part in parts {
            bound.push(self.set_keys(relation, part, rules, grouping, env)?);
        }
        Ok(bound)
    }

    /// Items inside ROLLUP and the like: each is an output column once.
    fn set_keys(
        &self,
        relation: &mut Relation,
        exprs: &[ast::Expr],
        rules: &GroupRules,
        grouping: &mut Grouping,
        env: &Env,
    ) -> Result<Vec<usize>> {
        let mut keys = Vec::with_capacity(exprs.len());
        for expr in exprs {
            if rules.strict && inferred_name(expr).is_none() {
                return Err(Error::input(
                    "TM0321",
                    "inside ROLLUP, CUBE and GROUPING SETS only columns may stand",
                    expr.span,
                )
                .hint("compute it in an EXTEND before"));
            }
            let key = self.group_key(relation, expr, None, rules, grouping, env)?;
            if !grouping.outputs.iter().any(|(output, _)| *output == key) {
                grouping.outputs.push((key, None));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    fn group_key(
        &self,
        relation: &mut Relation,
        expr: &ast::Expr,
        alias: Option<&Ident>,
        rules: &GroupRules,
        grouping: &mut Grouping,
        env: &Env,
    ) -> Result<usize> {
        if rules.strict && matches!(expr.kind.as_ref(), ExprKind::Literal(_)) {
            return Err(Error::input(
                "TM0314",
                "rows cannot be grouped by a literal or a position",
                expr.span,
            )
            .hint("name the column"));
        }
        let meant = (rules.lookup)(expr)?;
        let source = meant.as_ref().unwrap_or(expr);
        let scope = relation.scope.clone();
        let mut stage = Stage::plain(&scope, env, "GROUP BY");
        let value = self.expr(source, &mut stage)?;
        let written = value.expr.clone();
        let name: Option<Arc<str>> = match (alias, inferred_name(expr)) {
            (Some(alias), _) => Some(alias.text.as_str().into()),
            (None, Some(written_name)) => Some(declared_name(written_name, &written, &scope)),
            (None, None) => None,
        };
        let alike = grouping.known.entry(written.clone()).or_default();
        let mut named = alike.iter().copied();
        if let Some(index) = named.find(|index| grouping.keys[*index].column.name == name) {
            return Ok(index);
        }
        alike.push(grouping.keys.len());
        grouping.keys.push(GroupKey {
            expr: written,
            column: ScopeColumn {
                name,
                id: "".into(),
                data_type: value.data_type,
                nullable: value.nullable,
                text: self.source(source.span).into(),
                constant: value.constant,
                unknown: value.unknown,
            },
        });
        Ok(grouping.keys.len() - 1)
    }

    /// Computes the keys, all in one step: a projection for each would name every column as often as there are keys. The same
    /// expression under another name shares its column.
    fn key_columns(&self, relation: &mut Relation, grouping: &mut Grouping) -> Result<()> {
        let mut new = Vec::with_capacity(grouping.known.len());
        let mut places: HashMap<&Expr, usize> = HashMap::with_capacity(grouping.known.len());
        for GroupKey { expr, column } in &grouping.keys {
            if places.contains_key(expr) {
                continue;
            }
            places.insert(expr, new.len());
            new.push(NewColumn {
                name: column.name.clone(),
                text: Arc::clone(&column.text),
                value: Typed {
                    expr: expr.clone(),
                    ..Typed::column(column, Span::default())
                },
            });
        }
        let places: Vec<usize> = (grouping.keys.iter())
            .map(|key| places[&key.expr])
            .collect();
        let added = self.add_columns(relation, new)?;
        for (key, place) in grouping.keys.iter_mut().zip(places) {
            let name = key.column.name.take();
            key.column = ScopeColumn {
                name,
                ..added[place].clone()
            };
        }
        Ok(())
    }
}

impl Grouping {
    /// Rows grouped by columns.
    pub(super) fn of_columns(columns: Vec<ScopeColumn>) -> Self {
        let keys: Vec<GroupKey> = columns
            .into_iter()
            .map(|column| GroupKey {
                expr: column.expr(),
                column,
            })
            .collect();
        Grouping {
            outputs: (0..keys.len()).map(|key| (key, None)).collect(),
            sets: vec![(0..keys.len()).collect()],
            has_sets: false,
            known: HashMap::new(),
            keys,
        }
    }

    /// Every set so far with every one of the alternatives.
    fn multiply(&mut self, alternatives: &[Vec<usize>], span: Span) -> Result<()> {
        if self.sets.len().saturating_mul(alternatives.len()) > MAX_SETS {
            return Err(too_many_sets(span));
        }
        let mut sets = Vec::with_capacity(self.sets.len() * alternatives.len());
        for set in &self.sets {
            for alternative in alternatives {
                let mut joined = set.clone();
                let old: HashSet<&usize> = set.iter().collect();
                joined.extend(alternative.iter().filter(|key| !old.contains(key)));
                sets.push(joined);
            }
        }
        self.sets = sets;
        Ok(())
    }

    /// Whether every row falls into exactly one group, so that an order suffix means something.
    pub(super) fn is_plain(&self) -> bool {
        !self.has_sets
    }

    /// Groups the plan and computes the aggregates; only keys and aggregates remain.
    fn apply(&mut self, plan: LogicalPlan, aggregates: Vec<Extracted>) -> Result<LogicalPlan> {
        let mut seen = HashSet::new();
        let ids = self.keys.iter().map(|key| Arc::clone(&key.column.id));
        let ids: Vec<Arc<str>> = ids.filter(|id| seen.insert(Arc::clone(id))).collect();
        let column =
            |id: &Arc<str>| Expr::Column(datafusion::common::Column::new_unqualified(id.as_ref()));
        let group_expr = if self.has_sets && !ids.is_empty() {
            let sets = self.sets.iter().map(|set| {
                let mut exprs: Vec<Expr> = Vec::with_capacity(set.len());
                for key in set {
                    let expr = self.keys[*key].column.expr();
                    if !exprs.contains(&expr) {
                        exprs.push(expr);
                    }
                }
                exprs
            });
            vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets.collect()))]
        } else {
            ids.iter().map(column).collect()
        };
        let aggregates: Vec<Expr> = aggregates
            .into_iter()
            .map(|taken| taken.expr.alias(taken.column.id.as_ref()))
            .collect();
        if group_expr.is_empty() && aggregates.is_empty() {
            return Err(Error::bug("a grouping without keys and aggregates"));
        }
        let mut plan =
            LogicalPlan::Aggregate(Aggregate::try_new(shared(plan), group_expr, aggregates)?);
        if self.has_sets {
            // The node has a column of its own that tells the sets apart. Nobody above may see it.
            let mut visible = all_columns(&plan);
            let internal = Expr::Column(datafusion::common::Column::new_unqualified(
                Aggregate::INTERNAL_GROUPING_ID,
            ));
            visible.retain(|column| *column != internal);
            plan = project(plan, visible)?;
        }
        let types = PlanTypes::of(&plan);
        for key in &mut self.keys {
            let column = types.give(key.column.clone());
            key.column = ScopeColumn {
                constant: column.constant.clone().filter(|_| !self.has_sets),
                ..column
            };
        }
        Ok(plan)
    }
}

fn has_sets(item: &GroupItem) -> bool {
    matches!(
        item.kind,
        GroupKind::Rollup(_) | GroupKind::Cube(_) | GroupKind::Sets(_)
    )
}

fn too_many_sets(span: Span) -> Error {
    Error::input(
        "TM0110",
        format!("more than {MAX_SETS} grouping sets"),
        span,
    )
}
