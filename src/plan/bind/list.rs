//! Lists that are written out: the rows of VALUES, the items of IN.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Values};

use super::Binder;
use super::relation::{Relation, project};
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Stage};
use super::typed::Typed;
use super::unify::unify;
use crate::catalog::functions::in_set;
use crate::error::{Error, Result, Span};
use crate::lang::ast;

/// Items from which on a list is kept as one array.
const MANY: usize = 1000;

/// The table of `VALUES (1, 'a'), (2, 'b')`: its columns are `column1`, `column2` …
pub(super) fn values_plan(
    binder: &Binder,
    rows: &[Vec<ast::Expr>],
    span: Span,
    env: &Env,
) -> Result<Relation> {
    let defaults = binder.row_defaults.take().unwrap_or_default();
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
        for (place, (column, expr)) in columns.iter_mut().zip(row).enumerate() {
            let value = match (expr.kind.as_ref(), defaults.get(place)) {
                (ast::ExprKind::Default, Some(default)) => default.clone(),
                _ => binder.expr(expr, &mut stage)?,
            };
            column.push(value);
        }
    }
    let mut data_types = Vec::with_capacity(width);
    for column in &mut columns {
        data_types.push(unify(column, "the rows of VALUES", span)?);
    }
    let columns: Vec<Vec<Typed>> = columns
        .into_iter()
        .zip(&data_types)
        .map(|(column, data_type)| {
            column
                .into_iter()
                .map(|value| value.cast(data_type))
                .collect()
        })
        .collect();
    let names = (1..=width).map(|column| format!("column{column}"));
    match in_memory(&columns)? {
        Some(plan) => name_columns(binder, plan, names),
        None => name_values(binder, as_expressions(columns, rows.len())?, names),
    }
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
            unknown: false,
        });
    }
    let schema = DFSchema::from_unqualified_fields(fields.into(), HashMap::new())?;
    let plan = LogicalPlan::Values(Values {
        schema: Arc::new(schema),
        ..values
    });
    Ok(Relation::new(plan, Scope::new(columns)))
}

/// A node with an expression for each value.
fn as_expressions(columns: Vec<Vec<Typed>>, rows: usize) -> Result<Values> {
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let rows: Vec<Vec<Expr>> = (0..rows)
        .map(|_| {
            let row = columns.iter_mut().filter_map(Iterator::next);
            row.map(|value| value.expr).collect()
        })
        .collect();
    match LogicalPlanBuilder::values(rows)?.build()? {
        LogicalPlan::Values(values) => Ok(values),
        _ => Err(Error::bug("VALUES made another node")),
    }
}

/// Many rows of constants as a table, which costs the planner the same whatever its length.
fn in_memory(columns: &[Vec<Typed>]) -> Result<Option<LogicalPlan>> {
    let mut arrays = Vec::with_capacity(columns.len());
    for column in columns {
        match constants(column)? {
            Some(array) => arrays.push(array),
            None => return Ok(None),
        }
    }
    let fields: Vec<Field> = arrays
        .iter()
        .enumerate()
        .map(|(index, array)| {
            Field::new(
                format!("column{}", index + 1),
                array.data_type().clone(),
                true,
            )
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
    let table = MemTable::try_new(schema, vec![vec![batch]])?;
    let source = provider_as_source(Arc::new(table));
    Ok(Some(
        LogicalPlanBuilder::scan("values", source, None)?.build()?,
    ))
}

/// The columns of a table under these names.
fn name_columns(
    binder: &Binder,
    plan: LogicalPlan,
    names: impl Iterator<Item = String>,
) -> Result<Relation> {
    let mut exprs = Vec::new();
    let mut columns = Vec::new();
    for ((column, field), name) in plan
        .schema()
        .columns()
        .into_iter()
        .zip(plan.schema().fields())
        .zip(names)
    {
        let name: Arc<str> = name.into();
        let id = binder.fresh(&name);
        exprs.push(Expr::Column(column).alias(id.as_ref()));
        columns.push(ScopeColumn {
            name: Some(Arc::clone(&name)),
            id,
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            text: name,
            constant: None,
            unknown: false,
        });
    }
    Ok(Relation::new(project(plan, exprs)?, Scope::new(columns)))
}

/// The values of a long list of constants of one type, beside NULLs; `None` for a short or any other list.
pub(super) fn constants(list: &[Typed]) -> Result<Option<ArrayRef>> {
    if list.len() < MANY {
        return Ok(None);
    }
    let data_type = list
        .iter()
        .find(|item| !item.is_null())
        .map(|item| &item.data_type);
    let Some(data_type) = data_type else {
        return Ok(None);
    };
    let null = ScalarValue::try_from(data_type)?;
    let mut values = Vec::with_capacity(list.len());
    for item in list {
        match &item.expr {
            _ if item.is_null() => values.push(null.clone()),
            Expr::Literal(value, _) if item.data_type == *data_type => values.push(value.clone()),
            _ => return Ok(None),
        }
    }
    Ok(Some(ScalarValue::iter_to_array(values)?))
}

/// A zero of the type in which `operand IN (…)` compares, if that is a floating-point one.
pub(super) fn floating_zero(operand: &Typed, list: &[Typed]) -> Option<ScalarValue> {
    let mut types = list.iter().chain([operand]).map(|value| &value.data_type);
    let floating = types.find(|data_type| data_type.is_floating())?;
    ScalarValue::new_zero(floating).ok()
}

/// Puts the other zero beside one that is in the list: the two are equal, but a list is looked up by bits.
pub(super) fn add_both_zeros(list: &mut Vec<Typed>, zero: &ScalarValue, span: Span) {
    let is_zero = |item: &Typed| {
        let number = item
            .value()
            .and_then(|value| value.cast_to(&DataType::Float64).ok());
        matches!(number, Some(ScalarValue::Float64(Some(number))) if number == 0.0)
    };
    if !list.iter().any(is_zero) {
        return;
    }
    let negative = zero.arithmetic_negate().ok();
    let both = [Some(zero.clone()), negative];
    list.extend(
        both.into_iter()
            .flatten()
            .map(|value| Typed::literal(value, span)),
    );
}

/// `operand IN (…)` over the values of [`constants`].
pub(super) fn in_constants(
    operand: Typed,
    values: ArrayRef,
    negated: bool,
    span: Span,
) -> Result<Typed> {
    let common = comparison_coercion(&operand.data_type, values.data_type())
        .ok_or_else(|| Error::bug("a list that is not comparable was not refused"))?;
    let values = cast(&values, &common).map_err(|error| Error::from(error).at(span))?;
    let function = in_set(values, negated)?;
    let call = function.call(vec![operand.cast(&common).expr]);
    Ok(Typed::bool(call, span))
}
