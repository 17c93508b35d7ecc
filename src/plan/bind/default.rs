//! DEFAULT: what a column has in rows that do not give it. A table keeps the text, which knows nothing of the session that wrote it,
//! so that it says the same to everyone; where rows are stored it is bound like any other expression.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::Expr;

use super::Binder;
use super::relation::project;
use super::scope::Scope;
use super::script::assign;
use super::stage::{Env, Stage};
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ColumnDefinition, ExprKind, QueryBody, SetExpr, StatementKind};
use crate::lang::{self, unparse};
use crate::plan::{BoundQuery, OutputColumn, Parameters};
use crate::table::schema::Columns;

/// What a table that is to be made knows of its columns' defaults.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    /// For each column.
    pub(super) texts: Vec<Option<String>>,
    pub(super) values: HashMap<String, Expr>,
}

impl Binder<'_> {
    /// The defaults of a table that is being made; TM0330 for one that would not mean the same later.
    pub(super) fn declared_defaults(
        &self,
        columns: &[ColumnDefinition],
        schema: &Schema,
    ) -> Result<Defaults> {
        let mut defaults = Defaults::default();
        for (column, field) in columns.iter().zip(schema.fields()) {
            let text = match &column.default {
                None => None,
                Some(written) => {
                    let text = unparse::expression(written);
                    let value = self.default_of(&text, field, written.span)?;
                    defaults.values.insert(field.name().clone(), value.expr);
                    Some(text)
                }
            };
            defaults.texts.push(text);
        }
        Ok(defaults)
    }

    /// The defaults of a durable table's columns.
    pub(super) fn kept_defaults(
        &self,
        columns: &Columns,
        place: Span,
    ) -> Result<Vec<Option<Typed>>> {
        let fields = columns.seen.fields().iter().zip(&columns.defaults);
        let bound = fields.map(|(field, text)| {
            let text = text.as_ref();
            text.map(|text| self.default_of(text, field, place))
                .transpose()
        });
        bound.collect()
    }

    /// The defaults of the columns of a table in memory.
    pub(super) fn defaults_in_memory(
        &self,
        table: &Arc<dyn TableProvider>,
        schema: &SchemaRef,
        place: Span,
    ) -> Vec<Option<Typed>> {
        let fields = schema.fields().iter();
        let default = |field: &Arc<Field>| {
            let value = table.get_column_default(field.name())?.clone();
            Some(self.noted(Typed::new(value, field.data_type().clone(), place)))
        };
        fields.map(default).collect()
    }

    /// The default that a text stands for, as the column has it. Errors are at `place`.
    fn default_of(&self, text: &str, field: &Field, place: Span) -> Result<Typed> {
        let what = format!("the default of `{}`", field.name());
        let statement = format!("SELECT {text}");
        let parameters = Parameters::default();
        let mut binder = Binder::new(&statement, self.catalog, self.files, &parameters);
        binder.session = Arc::default();
        // The expression will stand among those of a statement: its ids must not be theirs.
        *binder.realm.borrow_mut() = "default_".to_string();
        let bound = parsed(&statement).and_then(|written| {
            let (scope, env) = (Scope::default(), Env::default());
            let mut stage = Stage::plain(&scope, &env, "DEFAULT");
            let value = binder.expr(&written, &mut stage);
            let value = binder.outcome(value)?;
            if value.expr.exists(|part| Ok(is_query(part)))? {
                let message = "a DEFAULT is made of constants and functions, not of queries";
                return Err(Error::input("TM0330", message, written.span));
            }
            assign(value, field.data_type())
        });
        let value = bound.map_err(|error| {
            let error = match error.code() {
                "TM0204" | "TM0601" => error.hint(
                    "a DEFAULT stays with the table: it knows no functions and parameters of a session",
                ),
                _ => error,
            };
            error.inside(&what, place)
        })?;
        Ok(self.noted(Typed {
            span: place,
            ..value
        }))
    }

    /// The values of columns with defaults, once for each row of `rows`.
    pub(super) fn defaults_for(&self, columns: &Columns, rows: MemTable) -> Result<BoundQuery> {
        let relation = self.scan("rows", None, Arc::new(rows))?;
        let defaults = self.kept_defaults(columns, Span::default())?;
        let (mut exprs, mut output) = (Vec::new(), Vec::new());
        for (field, default) in columns.seen.fields().iter().zip(defaults) {
            let Some(default) = default else { continue };
            exprs.push(default.expr.alias(self.fresh(field.name()).as_ref()));
            output.push(OutputColumn {
                name: field.name().clone(),
                anonymous: false,
            });
        }
        Ok(BoundQuery {
            plan: project(relation.plan, exprs)?,
            columns: output,
            places: self.places.borrow().clone(),
            sources: self.sources.borrow().clone(),
            chart: None,
        })
    }
}

fn is_query(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
    )
}

/// The expression of `SELECT expression`.
fn parsed(statement: &str) -> Result<ast::Expr> {
    let script = lang::parse_with(statement, lang::Options::default());
    let script = script.map_err(Error::together)?;
    let mut statements = script.statements.into_iter();
    if let (Some(only), None) = (statements.next(), statements.next())
        && let StatementKind::Query(query) = only.kind
        && query.pipes.is_empty()
        && let QueryBody::Standard {
            set: SetExpr::Select(select),
            ..
        } = query.body
        && let [ast::SelectItem::Expr { expr, .. }] = select.items.as_slice()
        && *expr.kind != ExprKind::Default
    {
        return Ok(expr.clone());
    }
    Err(Error::input(
        "TM0330",
        "a DEFAULT is one expression",
        Span::new(0, statement.len()),
    ))
}
