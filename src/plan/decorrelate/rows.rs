//! Steps of an inner query that look at several of its rows: they do so for each row of the domain by itself.

use std::sync::Arc;

use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{Sort as SortKey, WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Case, Expr, FetchType, Filter, GroupingSet, JoinType, Limit, LogicalPlan,
    Projection, SkipType, Window, WindowFrame,
};

use super::domain::{Beside, Domain, column, columns_of};
use super::push::{Matching, Pushed};
use super::{Decorrelator, cut_to, impossible};

impl Decorrelator {
    /// LIMIT: the rows are numbered and the numbers compared.
    pub(super) fn push_limit(
        &self,
        domain: &Domain,
        node: &Limit,
        whole: &LogicalPlan,
    ) -> Result<Pushed> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) =
            (node.get_skip_type()?, node.get_fetch_type()?)
        else {
            return Err(impossible(whole));
        };
        let input = self.push(domain, &node.input)?;
        let kept = columns_of(input.plan.schema());
        let number = self.fresh("row");
        let numbered = numbered(input.plan, &input.keys, &input.order, &number)?;
        let count = |rows: usize| {
            let rows = u64::try_from(rows).unwrap_or(u64::MAX);
            Expr::Literal(ScalarValue::UInt64(Some(rows)), None)
        };
        let after = column(&number).gt(count(skip));
        let predicate = match fetch {
            None => after,
            Some(fetch) => after.and(column(&number).lt_eq(count(skip.saturating_add(fetch)))),
        };
        let filter = Filter::try_new(predicate, Arc::new(numbered))?;
        Ok(Pushed {
            plan: cut_to(LogicalPlan::Filter(filter), kept)?,
            ..input
        })
    }

    pub(super) fn push_window(&self, domain: &Domain, node: &Window) -> Result<Pushed> {
        let input = self.push(domain, &node.input)?;
        let names = NamePreserver::new_for_projection();
        let mut exprs = Vec::with_capacity(node.window_expr.len());
        for expr in &node.window_expr {
            let name = names.save(expr);
            let expr = domain.resolve(expr.clone(), &input.keys)?;
            exprs.push(name.restore(within(expr, &input.keys)));
        }
        let window = Window::try_new(exprs, Arc::new(input.plan))?;
        Ok(Pushed {
            plan: LogicalPlan::Window(window),
            keys: input.keys,
            order: Vec::new(),
        })
    }

    pub(super) fn push_aggregate(
        &self,
        domain: &Domain,
        node: &Aggregate,
        whole: &LogicalPlan,
    ) -> Result<Pushed> {
        if has_empty_set(&node.group_expr) {
            // Its one row is there even where no row belongs to the domain's.
            return Err(impossible(whole));
        }
        let input = self.push(domain, &node.input)?;
        let names = NamePreserver::new_for_projection();
        let resolve = |exprs: &[Expr]| -> Result<Vec<Expr>> {
            let mut resolved = Vec::with_capacity(exprs.len());
            for expr in exprs {
                let name = names.save(expr);
                let expr = domain.resolve(expr.clone(), &input.keys)?;
                resolved.push(name.restore(expr));
            }
            Ok(resolved)
        };
        let mut groups: Vec<Expr> = input.keys.iter().cloned().map(Expr::Column).collect();
        groups.extend(match node.group_expr.as_slice() {
            [sets @ Expr::GroupingSet(_)] => vec![domain.resolve(sets.clone(), &input.keys)?],
            plain => resolve(plain)?,
        });
        let aggregates = resolve(&node.aggr_expr)?;
        let plan = Aggregate::try_new(Arc::new(input.plan), groups, aggregates)?;
        let plan = LogicalPlan::Aggregate(plan);
        if node.group_expr.is_empty() {
            return self.with_empty_groups(domain, node, plan, &input.keys);
        }
        Ok(Pushed {
            plan,
            keys: input.keys,
            order: Vec::new(),
        })
    }

    /// An aggregate without groups has a row for every row of the domain, also where it found none: COUNT is 0 there.
    fn with_empty_groups(
        &self,
        domain: &Domain,
        node: &Aggregate,
        plan: LogicalPlan,
        keys: &[Column],
    ) -> Result<Pushed> {
        let Beside {
            plan: all,
            keys: all_keys,
        } = domain.place(self)?;
        let mut matching = Matching::by(None);
        matching.match_keys(domain.has_nulls(), &all_keys, keys);
        let joined = matching.join(all, plan, JoinType::Left)?;
        let mut exprs = Vec::with_capacity(node.aggr_expr.len() + all_keys.len());
        for (call, field) in node.aggr_expr.iter().zip(node.schema.fields()) {
            let value = column(field.name());
            let empty = value_without_rows(call, field.data_type())?;
            exprs.push(match empty.is_null() {
                true => value,
                false => otherwise(value, empty).alias(field.name().as_str()),
            });
        }
        exprs.extend(all_keys.iter().cloned().map(Expr::Column));
        let plan = Projection::try_new(exprs, Arc::new(joined))?;
        Ok(Pushed {
            plan: LogicalPlan::Projection(plan),
            keys: all_keys,
            order: Vec::new(),
        })
    }
}

/// What an aggregate function gives for no rows.
fn value_without_rows(call: &Expr, data_type: &arrow::datatypes::DataType) -> Result<ScalarValue> {
    match call {
        Expr::Alias(alias) => value_without_rows(&alias.expr, data_type),
        Expr::AggregateFunction(function) => function.func.default_value(data_type),
        _ => ScalarValue::try_from(data_type),
    }
}

fn otherwise(value: Expr, instead: ScalarValue) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(
            Box::new(value.clone().is_null()),
            Box::new(Expr::Literal(instead, None)),
        )],
        else_expr: Some(Box::new(value)),
    })
}

fn has_empty_set(groups: &[Expr]) -> bool {
    groups.iter().any(|group| match group {
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => sets.iter().any(Vec::is_empty),
        Expr::GroupingSet(_) => true,
        _ => false,
    })
}

/// A window function that looks at the rows of one row of the domain alone.
fn within(expr: Expr, keys: &[Column]) -> Expr {
    match expr {
        Expr::Alias(mut alias) => {
            alias.expr = Box::new(within(*alias.expr, keys));
            Expr::Alias(alias)
        }
        Expr::WindowFunction(mut function) => {
            let keys = keys.iter().cloned().map(Expr::Column);
            function.params.partition_by.extend(keys);
            Expr::WindowFunction(function)
        }
        other => other,
    }
}

/// The rows of each row of the domain, numbered from 1.
fn numbered(
    plan: LogicalPlan,
    keys: &[Column],
    order: &[SortKey],
    number: &str,
) -> Result<LogicalPlan> {
    let definition = WindowFunctionDefinition::WindowUDF(row_number_udwf());
    let mut function = WindowFunction::new(definition, Vec::new());
    function.params.partition_by = keys.iter().cloned().map(Expr::Column).collect();
    function.params.order_by = order.to_vec();
    function.params.window_frame = WindowFrame::new((!order.is_empty()).then_some(false));
    let expr = Expr::WindowFunction(Box::new(function)).alias(number);
    let window = Window::try_new(vec![expr], Arc::new(plan))?;
    Ok(LogicalPlan::Window(window))
}
