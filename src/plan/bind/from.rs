//! FROM: tables, views, files, table functions and subqueries.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder};

use super::bounds::relations;
use super::macros::joined;
use super::relation::{Relation, project, with_plan_type};
use super::scope::{Scope, ScopeColumn};
use super::stage::{Env, Outer};
use super::{Binder, names};
use crate::catalog::{Entry, Macro, View};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    self, Argument, ArgumentValue, ExprKind, FromItem, StringLiteral, TableAlias, TableFactor,
    TableKind,
};

/// A field with this metadata can be read by name and is not in `*`.
const PSEUDO: &str = "tidemill.pseudo";

impl Binder<'_> {
    /// `FROM a, b`: every item beside every other.
    pub(super) fn bind_from(&self, items: &[FromItem], env: &Env) -> Result<Relation> {
        let mut joined: Option<Relation> = None;
        for item in items {
            joined = Some(match joined {
                None => self.joined_tables(item, env)?,
                Some(left) => {
                    let left = self.cross(left, &item.table, env)?;
                    self.joins(left, item, env)?
                }
            });
        }
        joined.ok_or_else(|| Error::bug("FROM without a table"))
    }

    /// A table and its joins.
    pub(super) fn joined_tables(&self, item: &FromItem, env: &Env) -> Result<Relation> {
        let first = self.factor(&item.table, env)?;
        self.joins(first, item, env)
    }

    fn joins(&self, mut left: Relation, item: &FromItem, env: &Env) -> Result<Relation> {
        for join in &item.joins {
            left = self.join(left, join, env)?;
        }
        Ok(left)
    }

    fn cross(&self, left: Relation, right: &TableFactor, env: &Env) -> Result<Relation> {
        if let TableKind::Unnest(array) = &right.kind {
            return self.unnest(left, array, right, false, env);
        }
        let lateral = is_lateral(right);
        let bound = self.right_side(&left, right, lateral, env)?;
        self.join_plans(left, bound, JoinType::Inner, None, lateral, right.span)
    }

    /// The right input of a join, which sees the left one if it is LATERAL.
    pub(super) fn right_side(
        &self,
        left: &Relation,
        right: &TableFactor,
        lateral: bool,
        env: &Env,
    ) -> Result<Relation> {
        if !lateral {
            return self.factor(right, env);
        }
        let around = Outer {
            scope: &left.scope,
            outer: env.outer,
        };
        let inner = Env {
            ctes: env.ctes.clone(),
            outer: Some(&around),
            arguments: env.arguments.clone(),
        };
        self.factor(right, &inner)
    }

    /// One table with its alias.
    pub(super) fn factor(&self, factor: &TableFactor, env: &Env) -> Result<Relation> {
        self.hints(&factor.hints)?;
        if let Some(span) = (factor.sample.as_ref().map(|sample| sample.span))
            .or(factor.pivot.as_ref().map(|pivot| pivot.span))
        {
            return Err(Error::not_implemented("this", span));
        }
        let relation = match &factor.kind {
            TableKind::Table(path) => self.table(path, env)?,
            TableKind::TableAt { path, as_of } => self.table_at(path, as_of)?,
            TableKind::File(path) => self.file(path)?,
            TableKind::Function { path, args, .. } => {
                self.table_function(path, args, factor.span, env)?
            }
            TableKind::Unnest(array) => {
                return self.unnest(super::query::one_row(), array, factor, false, env);
            }
            TableKind::Subquery { query, .. } => {
                let mut relation = self.query(query, env)?;
                relation.forget_order();
                relation
            }
            TableKind::Nested(item) => self.joined_tables(item, env)?,
        };
        match &factor.alias {
            None => Ok(relation),
            Some(alias) => with_alias(relation, alias),
        }
    }

    /// A name: a common table expression, a table or view of the session, or a file in double quotes.
    pub(super) fn table(&self, path: &ast::Path, env: &Env) -> Result<Relation> {
        let name = path
            .parts
            .iter()
            .map(|part| part.text.as_str())
            .collect::<Vec<_>>()
            .join(".");
        let mut relation = if let Some(relation) = self.common_table(path, env)? {
            relation
        } else {
            let in_module = match self.in_module(&name, env) {
                Some(name) => self.entry(&name)?,
                None => None,
            };
            let found = match in_module {
                Some(found) => Some(found),
                None => self.entry(&name).map_err(|error| error.at(path.span))?,
            };
            match found {
                Some(Entry::Table(provider)) => self.scan(&name, provider)?,
                Some(Entry::View(view)) => {
                    self.expand(relations(&view.plan)?, &name, path.span)?;
                    self.view(&view)?
                }
                None => {
                    let quoted = path.parts.len() == 1 && path.parts[0].quoted;
                    if quoted && looks_like_path(&name) {
                        let text = StringLiteral {
                            value: name,
                            span: path.span,
                        };
                        return self.file(&text);
                    }
                    return Err(self.unknown_table(&name, path.span, env));
                }
            }
        };
        let alias = path.parts.last().map_or(name.as_str(), |part| &part.text);
        relation.scope = relation.scope.under(alias);
        Ok(relation)
    }

    pub(super) fn unknown_table(&self, name: &str, span: Span, env: &Env) -> Error {
        let mut known = self.catalog.names();
        let mut cte = env.ctes.as_ref();
        while let Some(table) = cte {
            known.push(table.name.clone());
            cte = table.before.as_ref();
        }
        let error = Error::input("TM0203", format!("no table named `{name}`"), span);
        if looks_like_path(name) {
            return error.hint(format!("to read a file write FROM '{name}'"));
        }
        if let Some(near) = names::nearest(name, known.iter().map(String::as_str)) {
            return error.label(format!("did you mean `{near}`?"));
        }
        let error = error.hint("to read a file write its path as text: FROM 'data.csv'");
        if known.is_empty() {
            return error;
        }
        error.available(names::shorten(known))
    }

    fn view(&self, view: &View) -> Result<Relation> {
        let columns: Vec<ScopeColumn> = view
            .plan
            .schema()
            .fields()
            .iter()
            .zip(&view.names)
            .map(|(field, name)| ScopeColumn {
                name: Some(name.as_str().into()),
                id: field.name().as_str().into(),
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                text: name.as_str().into(),
                constant: None,
            })
            .collect();
        let plan = self.with_newest_versions(view.plan.clone())?;
        let (plan, columns) = self.renew(plan, &columns)?;
        Ok(Relation::new(plan, Scope::new(columns)))
    }

    fn file(&self, path: &StringLiteral) -> Result<Relation> {
        let provider = self.files.open(&path.value, None, &[], None);
        let provider = provider.map_err(|error| error.at(path.span))?;
        let name = file_stem(&path.value);
        let mut relation = self.scan(&name, provider)?;
        relation.scope = relation.scope.under(&name);
        Ok(relation)
    }

    /// A scan whose columns get ids.
    pub(super) fn scan(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<Relation> {
        let reference = TableReference::bare(self.fresh(name));
        let schema = provider.schema();
        let source = provider_as_source(provider);
        let scan = LogicalPlanBuilder::scan(reference.clone(), source, None)?.build()?;
        let mut exprs = Vec::with_capacity(schema.fields().len());
        let mut scope = Scope::default();
        for field in schema.fields() {
            let id = self.fresh(field.name());
            let column = Column::new(Some(reference.clone()), field.name());
            exprs.push(Expr::Column(column).alias(id.as_ref()));
            let column = ScopeColumn {
                name: Some(field.name().as_str().into()),
                id,
                data_type: field.data_type().clone(),
                nullable: field.is_nullable(),
                text: field.name().as_str().into(),
                constant: None,
            };
            if field
                .metadata()
                .get(PSEUDO)
                .is_some_and(|value| value == "1")
            {
                scope.pseudo.push(column);
            } else {
                scope.columns.push(column);
            }
        }
        if exprs.is_empty() {
            return Ok(Relation::new(scan, scope));
        }
        let plan = project(scan, exprs)?;
        for column in scope.columns.iter_mut().chain(&mut scope.pseudo) {
            *column = with_plan_type(column.clone(), &plan);
        }
        Ok(Relation::new(plan, scope))
    }

    /// `read_csv('path', header => TRUE)` and its kin.
    fn table_function(
        &self,
        path: &ast::Path,
        args: &[Argument],
        span: Span,
        env: &Env,
    ) -> Result<Relation> {
        if let Some(function) = self.session_table_function(path, env) {
            let mut relation = self.table_macro(&function, args, None, span, env)?;
            let alias = path.parts.last().map_or("", |part| part.text.as_str());
            relation.scope = relation.scope.under(alias);
            return Ok(relation);
        }
        let name = path.parts.last().map_or("", |part| part.text.as_str());
        let format = match name.to_ascii_lowercase().as_str() {
            "read_csv" => "csv",
            "read_parquet" => "parquet",
            "read_json" => "json",
            "read_arrow" => "arrow",
            "changes" => return Err(Error::not_implemented("FROM CHANGES(…)", path.span)),
            "table_history" => return self.table_history(path, args),
            "generate_series" | "range" => {
                return Err(Error::not_implemented(format!("FROM {name}(…)"), path.span)
                    .hint(format!("write FROM UNNEST({name}(…)) AS x")));
            }
            _ => {
                let known = ["read_csv", "read_parquet", "read_json", "read_arrow"];
                let message = format!("no table function named `{name}`");
                let error = Error::input("TM0204", message, path.span);
                return Err(match names::nearest(name, known) {
                    Some(near) => error.label(format!("did you mean `{near}`?")),
                    None => error.available(known.join(", ")),
                });
            }
        };
        let mut arguments = args.iter();
        let file = match arguments.next() {
            Some(Argument {
                name: None,
                value: ArgumentValue::Expr(expr),
            }) => self.path_text(expr)?,
            _ => {
                return Err(Error::input(
                    "TM0402",
                    format!("{name} needs the path first"),
                    path.span,
                )
                .hint(format!("write {name}('data.{format}')")));
            }
        };
        let mut options = Vec::new();
        let mut columns = None;
        for argument in arguments {
            match argument {
                Argument {
                    name: Some(option),
                    value: ArgumentValue::Expr(expr),
                } if option.text.eq_ignore_ascii_case("columns") => {
                    columns = Some(declared_columns(expr)?);
                }
                Argument {
                    name: Some(option),
                    value: ArgumentValue::Expr(expr),
                } if option.text.eq_ignore_ascii_case("types") => {
                    options.push(("types".to_string(), declared_types(expr)?));
                }
                Argument {
                    name: Some(option),
                    value: ArgumentValue::Expr(expr),
                } => {
                    let value = self.constant_value(expr, "an option")?;
                    options.push((option.text.to_ascii_lowercase(), value));
                }
                _ => {
                    return Err(Error::input(
                        "TM0402",
                        format!("the options of {name} have names"),
                        path.span,
                    )
                    .hint("write header => TRUE"));
                }
            }
        }
        let provider = self.files.open(&file, Some(format), &options, columns);
        let provider = provider.map_err(|error| error.at(path.span))?;
        let name = file_stem(&file);
        let mut relation = self.scan(&name, provider)?;
        relation.scope = relation.scope.under(&name);
        Ok(relation)
    }

    fn session_table_function(
        &self,
        path: &ast::Path,
        env: &Env,
    ) -> Option<Arc<Macro<ast::Query>>> {
        let name = joined(path);
        let in_module = self.in_module(&name, env);
        let found = in_module.and_then(|name| self.session.table_function(&name));
        found
            .or_else(|| self.session.table_function(&name))
            .cloned()
    }

    /// `|> CALL f(…)`
    pub(super) fn call_table(
        &self,
        mut relation: Relation,
        function: &ast::Path,
        args: &[Argument],
        env: &Env,
    ) -> Result<Relation> {
        let Some(found) = self.session_table_function(function, env) else {
            let name = joined(function);
            let known = self.session.table_functions();
            let known: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            let message = format!("no table function named `{name}` takes a table");
            let error = Error::input("TM0204", message, function.span);
            return Err(match names::nearest(&name, known.iter().copied()) {
                Some(near) => error.label(format!("did you mean `{near}`?")),
                None => error.hint("create one with CREATE TEMP TABLE FUNCTION"),
            });
        };
        relation.forget_order();
        let before = relation.scope.clone();
        let mut called = self.table_macro(&found, args, Some(relation), function.span, env)?;
        called.scope = called.scope.after(&before, function.span);
        Ok(called)
    }

    fn path_text(&self, expr: &ast::Expr) -> Result<String> {
        let value = self.constant_value(expr, "a path")?;
        let text = value.try_as_str().flatten().map(str::to_string);
        text.ok_or_else(|| Error::input("TM0402", "a path is a STRING", expr.span))
    }
}

/// `columns => STRUCT<a INT64, b STRING>`, written as a typed struct without values.
fn declared_columns(expr: &ast::Expr) -> Result<SchemaRef> {
    let written = match expr.kind.as_ref() {
        ExprKind::Struct { types, .. } => types.as_slice(),
        _ => &[],
    };
    let mut fields = Vec::with_capacity(written.len());
    for (name, written) in written {
        let Some(name) = name else {
            return Err(Error::input(
                "TM0402",
                "a declared column needs a name",
                expr.span,
            ));
        };
        fields.push(Field::new(
            &name.text,
            super::types::data_type(written)?,
            true,
        ));
    }
    if fields.is_empty() {
        return Err(
            Error::input("TM0402", "this option declares names and types", expr.span)
                .hint("write STRUCT<id INT64, name STRING>"),
        );
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// `types => STRUCT<price STRING>`: a value of that type, which says no more than the type.
fn declared_types(expr: &ast::Expr) -> Result<ScalarValue> {
    let fields = declared_columns(expr)?.fields().clone();
    ScalarValue::try_from(&DataType::Struct(fields))
        .map_err(|_| Error::input("TM0402", "`types` declares names and types", expr.span))
}

/// The relation under its alias; what it was called before is hidden.
pub(super) fn with_alias(mut relation: Relation, alias: &TableAlias) -> Result<Relation> {
    if alias.columns.len() > relation.scope.columns.len() {
        return Err(Error::input(
            "TM0302",
            format!(
                "`{}` has {} columns, {} names are given",
                alias.name.text,
                relation.scope.columns.len(),
                alias.columns.len()
            ),
            alias.name.span,
        ));
    }
    for (column, name) in relation.scope.columns.iter_mut().zip(&alias.columns) {
        column.name = Some(name.text.as_str().into());
    }
    relation.scope = relation.scope.under(&alias.name.text);
    Ok(relation)
}

pub(super) fn is_lateral(factor: &TableFactor) -> bool {
    match &factor.kind {
        TableKind::Function { lateral, .. } | TableKind::Subquery { lateral, .. } => *lateral,
        _ => false,
    }
}

fn looks_like_path(name: &str) -> bool {
    let has_ending = name.rsplit_once('.').is_some_and(|(_, ending)| {
        let first = ending.to_ascii_lowercase();
        matches!(
            first.as_str(),
            "csv"
                | "tsv"
                | "parquet"
                | "json"
                | "ndjson"
                | "jsonl"
                | "arrow"
                | "ipc"
                | "feather"
                | "gz"
                | "zst"
                | "txt"
        )
    });
    has_ending || name.contains(['/', '*', '?'])
}

/// `data/orders.csv.gz` is called `orders`.
fn file_stem(path: &str) -> String {
    let last = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(path);
    last.split('.').next().unwrap_or(last).to_string()
}

/// The value of a type that means nothing: for columns that an input does not have.
pub(super) fn null_of(data_type: &DataType) -> Result<Expr> {
    Ok(Expr::Literal(ScalarValue::try_from(data_type)?, None))
}
