//! ORDER BY and LIMIT. NULLs are the smallest values everywhere.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{ScalarFunction, Sort as SortKey};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};

use super::Binder;
use super::relation::{NewColumn, Relation};
use super::scope::ScopeColumn;
use super::stage::{Env, Stage};
use super::typed::Typed;
use crate::catalog::functions::one_zero;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ExprKind, Literal, OrderItem, SortOrder};

impl Binder<'_> {
    /// Sort keys inside of a call: expressions only.
    pub(super) fn sort_keys(&self, items: &[OrderItem], stage: &mut Stage) -> Result<Vec<SortKey>> {
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let value = self.expr(&item.expr, stage)?;
            let value = self.by_length(alike(sortable(value)?))?;
            keys.push(self.sort_key(value.expr, item.order));
        }
        Ok(keys)
    }

    /// `ORDER BY` over a table: positions, columns and expressions, which become hidden columns.
    pub(super) fn order_by(
        &self,
        relation: &mut Relation,
        items: &[OrderItem],
        env: &Env,
    ) -> Result<()> {
        let values = self.with_windows(relation, env, "ORDER BY", &[], |stage| {
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(match position(&item.expr) {
                    Some(position) => {
                        let column = at_position(&stage.scope.columns, position, item.expr.span)?;
                        Typed::column(column, item.expr.span)
                    }
                    None => self.expr(&item.expr, stage)?,
                });
            }
            Ok(values)
        })?;
        // All in one step: a projection for each key would name every column as often as there are keys.
        let keys = values.into_iter().map(|value| {
            let value = self.by_length(alike(sortable(value)?))?;
            Ok(NewColumn::hidden("key", value))
        });
        let columns = self.add_columns(relation, keys.collect::<Result<_>>()?)?;
        let targets = columns.iter().zip(items);
        let targets = targets
            .map(|(column, item)| self.sort_key(column.expr(), item.order))
            .collect();
        relation.forget_order();
        relation.order = targets;
        Ok(())
    }

    pub(super) fn limit(
        &self,
        relation: &mut Relation,
        limit: &ast::Limit,
        env: &Env,
    ) -> Result<()> {
        let fetch = match &limit.limit {
            None => None,
            Some(limit) => self.row_count(limit, "LIMIT", env)?,
        };
        let skip = match &limit.offset {
            None => 0,
            Some(offset) => self.row_count(offset, "OFFSET", env)?.unwrap_or(0),
        };
        if fetch.is_none() && skip == 0 {
            return Ok(());
        }
        relation.apply_order();
        let plan = std::mem::take(&mut relation.plan);
        relation.plan = LogicalPlanBuilder::from(plan).limit(skip, fetch)?.build()?;
        Ok(())
    }

    /// NULLs first when ascending, last when descending, unless it is written or set otherwise.
    pub(super) fn sort_key(&self, expr: Expr, order: SortOrder) -> SortKey {
        let ascending = !order.descending.unwrap_or(false);
        let nulls_first = ascending != self.session.settings.nulls_are_largest;
        SortKey::new(expr, ascending, order.nulls_first.unwrap_or(nulls_first))
    }

    /// A number of rows; `None` for NULL, which means all.
    pub(super) fn row_count(
        &self,
        expr: &ast::Expr,
        clause: &str,
        env: &Env,
    ) -> Result<Option<usize>> {
        let invalid = || {
            Error::input(
                "TM0404",
                format!("{clause} takes a number of rows: 0, 1, 2 …"),
                expr.span,
            )
        };
        let value = self.constant_in(expr, clause, env)?;
        if value.is_null() {
            return Ok(None);
        }
        if !value.data_type().is_integer() {
            return Err(invalid());
        }
        match value.cast_to(&arrow::datatypes::DataType::Int64) {
            Ok(ScalarValue::Int64(Some(count))) => {
                usize::try_from(count).map(Some).map_err(|_| invalid())
            }
            _ => Err(invalid()),
        }
    }
}

/// The number of `ORDER BY 2`.
pub(super) fn position(expr: &ast::Expr) -> Option<&str> {
    match expr.kind.as_ref() {
        ExprKind::Literal(Literal::Integer(digits)) => Some(digits),
        _ => None,
    }
}

/// The column at a position from 1.
pub(super) fn at_position<'c>(
    columns: &'c [ScopeColumn],
    position: &str,
    span: Span,
) -> Result<&'c ScopeColumn> {
    let index: usize = position.parse().unwrap_or(0);
    index
        .checked_sub(1)
        .and_then(|index| columns.get(index))
        .ok_or_else(|| no_position(position, columns.len(), span))
}

/// TM0317
pub(super) fn no_position(position: &str, columns: usize, span: Span) -> Error {
    let message = format!("there is no column {position} to sort by");
    let columns = match columns {
        1 => "there is 1 column".to_string(),
        columns => format!("there are {columns} columns"),
    };
    Error::input("TM0317", message, span).label(columns)
}

/// TM0403 for values that have no order.
pub(super) fn sortable(value: Typed) -> Result<Typed> {
    if let arrow::datatypes::DataType::Map(_, _) = value.data_type {
        return Err(Error::input(
            "TM0403",
            format!("{} cannot be sorted", value.type_name()),
            value.span,
        ));
    }
    Ok(value)
}

/// The value where rows are sorted or told apart by it: numbers that are equal become the same, -0.0 as 0.0.
pub(super) fn alike(value: Typed) -> Typed {
    if !value.data_type.is_floating() {
        return value;
    }
    let call = ScalarFunction::new_udf(one_zero(), vec![value.expr]);
    Typed {
        expr: Expr::ScalarFunction(call),
        ..value
    }
}
