//! VALUES: rows that are written out.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Values};

use super::Binder;
use super::operators::unify;
use super::relation::Relation;
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
    let LogicalPlan::Values(values) = plan else {
        return Err(Error::bug("VALUES made another node"));
    };
    let columns = (1..=width).map(|column| format!("column{column}"));
    name_values(binder, values, columns)
}

/// The rows of VALUES with their columns called so, in the plan too: EXPLAIN and errors show these names.
pub(super) fn name_values(
    binder: &Binder,
    values: Values,
    names: impl Iterator<Item = String>,
) -> Result<Relation> {
    let mut fields = Vec::with_capacity(values.schema.fields().len());
    let mut columns = Vec::with_capacity(values.schema.fields().len());
    for (field, name) in values.schema.fields().iter().zip(names) {
        let name: Arc<str> = name.into();
        let id = binder.fresh(&name);
        fields.push(field.as_ref().clone().with_name(id.as_ref()));
        columns.push(ScopeColumn {
            name: Some(Arc::clone(&name)),
            id,
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            text: name,
            constant: None,
        });
    }
    let schema = DFSchema::from_unqualified_fields(fields.into(), HashMap::new())?;
    let plan = LogicalPlan::Values(Values {
        schema: Arc::new(schema),
        ..values
    });
    Ok(Relation::new(plan, Scope::new(columns)))
}
