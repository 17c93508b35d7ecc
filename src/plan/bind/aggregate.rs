//! Pipe AGGREGATE: grouping items in order, then aggregates in order.

use datafusion::logical_expr::expr::Sort as SortKey;

use super::Binder;
use super::group::{GroupRules, Grouping};
use super::relation::Relation;
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Stage};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{AggregateItem, GroupBy, GroupKind, Pipe, SortOrder};

impl Binder<'_> {
    pub(super) fn aggregate(
        &self,
        mut relation: Relation,
        items: &[AggregateItem],
        group_by: Option<&GroupBy>,
        pipe: &Pipe,
        env: &Env,
    ) -> Result<Relation> {
        if items.is_empty() && group_by.is_none() {
            return Err(Error::input(
                "TM0313",
                "AGGREGATE needs an aggregate function or GROUP BY",
                pipe.keyword,
            )
            .hint("for the number of rows: `|> AGGREGATE COUNT(*)`"));
        }
        relation.forget_order();
        let rules = GroupRules {
            strict: true,
            lookup: &|_| Ok(None),
        };
        let mut grouping = match group_by {
            Some(group_by) => self.grouping_items(&mut relation, group_by, &rules, env)?,
            None => Grouping::default(),
        };
        check_sorts(&grouping, items, group_by)?;
        if items.is_empty() && grouping.keys.is_empty() {
            return Err(Error::input(
                "TM0313",
                "AGGREGATE GROUP BY () needs an aggregate function",
                pipe.keyword,
            ));
        }

        let scope = relation.scope.clone();
        let keys = grouping.keys.clone();
        let mut stage = Stage::plain(&scope, env, "AGGREGATE").with_aggregates();
        stage.only_aggregates = true;
        stage.group_keys = &keys;
        stage.siblings = aliases(items);
        let mut columns = Vec::with_capacity(items.len());
        for item in items {
            let (before, moment) = (stage.aggregate_calls, self.moment());
            columns.push(self.item(&item.expr, item.alias.as_ref(), &mut stage)?);
            if stage.aggregate_calls == before {
                let error = Error::input(
                    "TM0312",
                    "an item of AGGREGATE needs an aggregate function",
                    item.expr.span,
                )
                .hint("compute it in an EXTEND after the AGGREGATE");
                self.keep(error, moment)?;
            }
        }
        let aggregates = stage.take_aggregates();
        let plan = self.grouped(
            &mut grouping,
            std::mem::take(&mut relation.plan),
            aggregates,
        )?;

        let mut result = Relation::new(plan, Scope::default());
        let aggregated = self.add_columns(&mut result, columns)?;
        let order = self.order_of(&grouping, items, &aggregated, group_by);
        let keys = grouping.outputs.iter();
        let mut all: Vec<ScopeColumn> = keys
            .map(|(key, _)| grouping.keys[*key].column.clone())
            .collect();
        all.extend(aggregated);
        result.scope = Scope::new(all).after(&scope, pipe.keyword);
        result.order = order;
        Ok(result)
    }
}

fn aliases(items: &[AggregateItem]) -> Vec<String> {
    items
        .iter()
        .filter_map(|item| item.alias.as_ref().map(|alias| alias.text.clone()))
        .collect()
}

/// Order suffixes: none beside grouping sets, and NULLS FIRST or LAST alone only under GROUP AND ORDER BY.
fn check_sorts(
    grouping: &Grouping,
    items: &[AggregateItem],
    group_by: Option<&GroupBy>,
) -> Result<()> {
    let suffixes = || {
        let items = items.iter().filter_map(|item| item.sort);
        let keys = grouping.outputs.iter().filter_map(|(_, sort)| *sort);
        items.chain(keys)
    };
    let ordered = group_by.filter(|group_by| group_by.ordered);
    if !grouping.is_plain() {
        let place: Option<Span> = ordered
            .map(|group_by| group_by.span)
            .or_else(|| suffixes().next().map(|sort| sort.span));
        if let Some(span) = place {
            return Err(Error::input(
                "TM0321",
                "an order cannot be written beside ROLLUP, CUBE or GROUPING SETS",
                span,
            )
            .hint("add `|> ORDER BY …`"));
        }
    }
    if let Some(group_by) = ordered
        && let Some(empty) = group_by
            .items
            .iter()
            .find(|item| matches!(item.kind, GroupKind::Empty))
    {
        return Err(Error::input("TM0321", "`()` has no order", empty.span));
    }
    let bare_nulls = suffixes().find(|sort| sort.descending.is_none() && ordered.is_none());
    match bare_nulls {
        Some(sort) => Err(Error::input(
            "TM0321",
            "NULLS FIRST or LAST needs ASC or DESC before it here",
            sort.span,
        )),
        None => Ok(()),
    }
}

impl Binder<'_> {
    /// Suffixed grouping items first, then suffixed aggregates; GROUP AND ORDER BY suffixes every grouping item.
    fn order_of(
        &self,
        grouping: &Grouping,
        items: &[AggregateItem],
        aggregated: &[ScopeColumn],
        group_by: Option<&GroupBy>,
    ) -> Vec<SortKey> {
        let ordered = group_by.is_some_and(|group_by| group_by.ordered);
        let ascending = SortOrder {
            descending: None,
            nulls_first: None,
            span: Span::default(),
        };
        let mut keys = Vec::new();
        for (key, sort) in &grouping.outputs {
            if let Some(sort) = sort.or(ordered.then_some(ascending)) {
                keys.push(self.sort_key(grouping.keys[*key].column.expr(), sort));
            }
        }
        for (item, column) in items.iter().zip(aggregated) {
            if let Some(sort) = item.sort {
                keys.push(self.sort_key(column.expr(), sort));
            }
        }
        keys
    }
}
