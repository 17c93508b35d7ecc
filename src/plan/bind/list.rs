//! VALUES: rows that are written out.

use std::sync::Arc;

use datafusion::logical_expr::{Expr, LogicalPlanBuilder};

use super::Binder;
use super::operators::unify;
use super::relation::{Relation, project, with_plan_type};
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Stage};
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast;

/// The table of `VALUES (1, 'a'), (2, 'b')`: its columns are `column1`, `column2` …
pub(super) fn values_plan(
    binder: &Binder,
    rows: &[Vec<ast::Expr>],
    span: Span,
    env: &Env,
) -> Result<Relation> {
    let scope = Scope::default();
    let mut stage = Stage::plain(&scope, env, "VALUES");
    let width = rows.first().map_or(0, Vec::len);
    let mut columns: Vec<Vec<Typed>> = vec![Vec::with_capacity(rows.len()); width];
    for row in rows {
        if row.len() != width {
            let place = row.first().map_or(span, |expr| expr.span);
            return Err(Error::input(
                "TM0302",
                format!(
                    "this row has {} values, the first one has {width}",
                    row.len()
                ),
                place,
            ));
        }
        for (column, expr) in columns.iter_mut().zip(row) {
            column.push(binder.expr(expr, &mut stage)?);
        }
    }
    let mut data_types = Vec::with_capacity(width);
    for column in &mut columns {
        data_types.push(unify(column, "the rows of VALUES", span)?);
    }
    let mut columns: Vec<_> = columns
        .into_iter()
        .zip(&data_types)
        .map(|(column, data_type)| column.into_iter().map(|value| value.cast(data_type).expr))
        .collect();
    let rows: Vec<Vec<Expr>> = rows
        .iter()
        .map(|_| columns.iter_mut().filter_map(Iterator::next).collect())
        .collect();
    let plan = LogicalPlanBuilder::values(rows)?.build()?;
    let mut exprs = Vec::with_capacity(width);
    let mut named = Vec::with_capacity(width);
    for (index, (field, data_type)) in plan.schema().fields().iter().zip(data_types).enumerate() {
        let name: Arc<str> = format!("column{}", index + 1).into();
        let id = binder.fresh(&name);
        let column = datafusion::common::Column::new_unqualified(field.name());
        exprs.push(Expr::Column(column).alias(id.as_ref()));
        named.push(ScopeColumn {
            name: Some(Arc::clone(&name)),
            id,
            data_type,
            nullable: true,
            text: name,
            constant: None,
        });
    }
    let plan = project(plan, exprs)?;
    let named = named
        .into_iter()
        .map(|column| with_plan_type(column, &plan))
        .collect();
    Ok(Relation::new(plan, Scope::new(named)))
}
