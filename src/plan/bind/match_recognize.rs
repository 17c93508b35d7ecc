//! MATCH_RECOGNIZE: conditions become columns, a node of our own labels the rows of the matches, and an ordinary aggregate makes
//! one row of each match.

use std::cell::Cell;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::expr::Sort as SortKey;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};

use super::Binder;
use super::group::Grouping;
use super::matched::{MatchClause, Matched, Measures};
use super::order::{alike, sortable};
use super::relation::{NewColumn, Relation};
use super::row_pattern::Symbols;
use super::scope::{RangeVariable, Scope, ScopeColumn};
use super::stage::{Calls, Env, Stage};
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::exec::operators::matching::{Labels, MatchRule, label_fields};
use crate::lang::ast::{self, ExprKind, Ident, MatchRecognize, OrderItem};
use crate::plan::matching::MatchNode;

/// What rows are sorted by.
struct Keys {
    partition_by: Vec<ScopeColumn>,
    order_by: Vec<SortKey>,
}

impl Keys {
    fn partition_exprs(&self) -> Vec<Expr> {
        self.partition_by.iter().map(ScopeColumn::expr).collect()
    }
}

impl Binder<'_> {
    pub(super) fn match_recognize(
        &self,
        mut relation: Relation,
        matching: &MatchRecognize,
        keyword: Span,
        env: &Env,
    ) -> Result<Relation> {
        relation.forget_order();
        let before = relation.scope.clone();
        let mut keys = Keys {
            partition_by: self.match_partitions(&mut relation, &matching.partition_by, env)?,
            order_by: self.match_order(&mut relation, &matching.order_by, env)?,
        };
        let (symbols, rule) = self.match_rule(matching, env)?;
        let scope = names_of_match(&before, &keys.partition_by, &symbols);
        let mut matched = Matched {
            symbols,
            clause: MatchClause::Define {
                partition_by: keys.partition_exprs(),
                order_by: keys.order_by.clone(),
            },
        };
        let conditions = self.conditions(
            &mut relation,
            &matching.define,
            &scope,
            &matched,
            &mut keys,
            env,
        )?;
        let labels = self.label_rows(&mut relation, &keys, conditions, rule, &mut matched)?;
        let mut relation = self.measures(relation, matching, &scope, &matched, &labels, env)?;
        relation.scope = relation.scope.after(&before, keyword);
        if let Some(alias) = &matching.alias {
            relation.scope = relation.scope.under(&alias.text);
        }
        Ok(relation)
    }

    fn match_partitions(
        &self,
        relation: &mut Relation,
        exprs: &[ast::Expr],
        env: &Env,
    ) -> Result<Vec<ScopeColumn>> {
        let scope = relation.scope.clone();
        let mut stage = Stage::plain(&scope, env, "PARTITION BY");
        let mut columns = Vec::with_capacity(exprs.len());
        for expr in exprs {
            refuse_literal(expr, "partitioned")?;
            let column = self.item(expr, None, &mut stage)?;
            columns.push(NewColumn {
                value: alike(sortable(column.value)?),
                ..column
            });
        }
        self.add_columns(relation, columns)
    }

    fn match_order(
        &self,
        relation: &mut Relation,
        items: &[OrderItem],
        env: &Env,
    ) -> Result<Vec<SortKey>> {
        let scope = relation.scope.clone();
        let mut stage = Stage::plain(&scope, env, "ORDER BY of MATCH_RECOGNIZE");
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            refuse_literal(&item.expr, "ordered")?;
            let value = alike(sortable(self.expr(&item.expr, &mut stage)?)?);
            let column = self.add_hidden(relation, "key", value)?;
            keys.push(self.sort_key(column.expr(), item.order));
        }
        Ok(keys)
    }

    /// The conditions of DEFINE as columns. Where one looks at other rows, these see the order that the matches will follow.
    fn conditions(
        &self,
        relation: &mut Relation,
        define: &[(Ident, ast::Expr)],
        scope: &Scope,
        matched: &Matched,
        keys: &mut Keys,
        env: &Env,
    ) -> Result<Vec<Expr>> {
        let mut stage = Stage::plain(scope, env, "DEFINE").with_windows(&[]);
        stage.matched = Some(matched);
        let mut conditions = Vec::with_capacity(define.len());
        for (name, condition) in define {
            let condition = self.condition(condition, &mut stage)?;
            conditions.push(NewColumn {
                name: Some(name.text.as_str().into()),
                text: name.text.as_str().into(),
                value: Typed::bool(condition, name.span),
            });
        }
        if let Calls::Taken(mut windows) = stage.windows
            && !windows.calls().is_empty()
        {
            let partition_by = keys.partition_exprs();
            let order = (partition_by.as_slice(), keys.order_by.as_slice());
            let place = self.place_in_partition(order, &mut windows, Span::default())?;
            let plan = std::mem::take(&mut relation.plan);
            relation.plan = self.window_plan(plan, windows.into_calls())?;
            keys.order_by = vec![SortKey::new(place.expr, true, true)];
        }
        let columns = self.add_columns(relation, conditions)?;
        Ok(columns.iter().map(ScopeColumn::expr).collect())
    }

    /// Puts the node over the plan that gives the rows of all matches. `matched` goes on to MEASURES. Gives the column of ids, and
    /// the partitions' columns.
    fn label_rows(
        &self,
        relation: &mut Relation,
        keys: &Keys,
        conditions: Vec<Expr>,
        rule: MatchRule,
        matched: &mut Matched,
    ) -> Result<Vec<ScopeColumn>> {
        let names = ["match", "match_number", "match_row_number", "symbol"];
        let [id, number, row_number, symbol] = names.map(|name| self.fresh(name));
        let labels = Labels {
            id: id.to_string(),
            number: number.to_string(),
            row_number: row_number.to_string(),
            symbol: symbol.to_string(),
        };
        let [id, number, row_number, symbol] = label_fields(&labels).map(|field| ScopeColumn {
            name: None,
            id: field.name().as_str().into(),
            data_type: DataType::Int64,
            nullable: field.is_nullable(),
            text: field.name().as_str().into(),
            constant: None,
            unknown: false,
        });
        matched.clause = MatchClause::Measures(Box::new(Measures {
            number,
            row_number,
            symbol,
            can_be_empty: rule.automaton.can_be_empty(),
            needs_number: Cell::new(false),
        }));
        let node = MatchNode::new(
            std::mem::take(&mut relation.plan),
            keys.partition_exprs(),
            keys.order_by.clone(),
            conditions,
            rule,
            labels,
        )?;
        let node = Arc::new(node);
        relation.plan = LogicalPlan::Extension(Extension { node });
        Ok([id].into_iter().chain(keys.partition_by.clone()).collect())
    }

    /// A row for each match: the columns of its partition, then what is asked of its rows.
    fn measures(
        &self,
        relation: Relation,
        matching: &MatchRecognize,
        scope: &Scope,
        matched: &Matched,
        group: &[ScopeColumn],
        env: &Env,
    ) -> Result<Relation> {
        let mut stage = Stage::plain(scope, env, "MEASURES").with_aggregates();
        stage.matched = Some(matched);
        let mut columns: Vec<NewColumn> = Vec::with_capacity(matching.measures.len());
        for (expr, name) in &matching.measures {
            let same = |other: &NewColumn| {
                let other = other.name.as_deref();
                other.is_some_and(|other| other.eq_ignore_ascii_case(&name.text))
            };
            if columns.iter().any(same) {
                let message = format!("`{}` stands twice in MEASURES", name.text);
                return Err(Error::input("TM0301", message, name.span));
            }
            columns.push(NewColumn {
                value: self.expr(expr, &mut stage)?,
                name: Some(name.text.as_str().into()),
                text: name.text.as_str().into(),
            });
        }
        check_uses(&stage, scope, group)?;
        let mut keys = group.to_vec();
        if let MatchClause::Measures(measures) = &matched.clause
            && measures.needs_number.get()
        {
            keys.push(measures.number.clone());
        }
        let aggregates = stage.take_aggregates();
        let mut grouping = Grouping::of_columns(keys);
        let plan = self.grouped(&mut grouping, relation.plan, aggregates)?;
        let mut result = Relation::new(plan, Scope::default());
        let measured = self.add_columns(&mut result, columns)?;
        let partitions = grouping.keys.iter().take(group.len()).skip(1);
        let partitions = partitions.map(|key| key.column.clone());
        result.scope = Scope::new(partitions.chain(measured).collect());
        Ok(result)
    }
}

/// The names that can be used: those of partitions before others, and symbols in place of tables that are called the same.
fn names_of_match(before: &Scope, partition_by: &[ScopeColumn], symbols: &Symbols) -> Scope {
    let mut scope = before.clone();
    for column in partition_by {
        let Some(name) = &column.name else {
            continue;
        };
        scope.columns.retain(|other| !other.is_called(name));
        scope.columns.push(column.clone());
    }
    scope
        .ranges
        .retain(|range| symbols.named(&range.name).is_none());
    for symbol in symbols.names() {
        scope.ranges.push(RangeVariable {
            name: symbol.text.as_str().into(),
            columns: scope.columns.clone(),
            pseudo: scope.pseudo.clone(),
        });
    }
    scope
}

/// Outside of aggregates there is one value for all rows of a match: only what the partition has.
fn check_uses(stage: &Stage, scope: &Scope, group: &[ScopeColumn]) -> Result<()> {
    let differs = |used: &&super::stage::Use| !group.iter().any(|column| column.id == used.id);
    let Some(used) = stage.uses.iter().find(differs) else {
        return Ok(());
    };
    let columns = scope.columns.iter().chain(&scope.pseudo);
    let ranges = scope.ranges.iter().flat_map(|range| &range.columns);
    let column = columns.chain(ranges).find(|column| column.id == used.id);
    let name = column.map_or("a column", ScopeColumn::display);
    let message = format!("`{name}` stands outside of an aggregate function");
    Err(Error::input("TM0312", message, used.span).hint(format!(
        "a match has many rows: FIRST({name}), LAST({name}), MAX({name}); or partition by it"
    )))
}

/// A literal does not tell rows apart, and positions are not counted here.
fn refuse_literal(expr: &ast::Expr, what: &str) -> Result<()> {
    match expr.kind.as_ref() {
        ExprKind::Literal(_) => {
            let message = format!("rows cannot be {what} by a literal or a position");
            Err(Error::input("TM0314", message, expr.span).hint("name the column"))
        }
        _ => Ok(()),
    }
}
