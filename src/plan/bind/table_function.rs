//! Functions in FROM: readers of files with options, and series of numbers.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use super::from::{file_stem, looks_like_path};
use super::macros::joined;
use super::plot::is_plot;
use super::relation::Relation;
use super::stage::Env;
use super::{Binder, names};
use crate::catalog::{Macro, ScanSource};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    self, Argument, ArgumentValue, Call, ExprKind, Ident, TableAlias, TableFactor,
};

/// Functions that give a table: name, form and sentence.
pub(super) const TABLE_FUNCTIONS: &[(&str, &str, &str)] = &[
    (
        "changes",
        "CHANGES(TABLE t, from_version => INT64, to_version => INT64)",
        "The rows that versions of a durable table added and took away.",
    ),
    (
        "generate_series",
        "GENERATE_SERIES(first, last[, step])",
        "A row for each number or time from the first to the last, which is among them.",
    ),
    (
        "plot",
        "PLOT(kind, x => column, y => column, by => column)",
        "At the end of a query, after CALL: its rows are to be drawn, as 'bar' or 'line'.",
    ),
    (
        "range",
        "RANGE(first, end[, step])",
        "A row for each number or time from the first up to the end, which is not among them.",
    ),
    (
        "read_arrow",
        "READ_ARROW(path)",
        "The rows of Arrow IPC files.",
    ),
    (
        "read_csv",
        "READ_CSV(path, header => TRUE, delim => ';', …)",
        "The rows of CSV files, read as the options say.",
    ),
    (
        "read_json",
        "READ_JSON(path)",
        "The rows of files with one JSON object a line.",
    ),
    (
        "read_parquet",
        "READ_PARQUET(path)",
        "The rows of Parquet files.",
    ),
    (
        "table_at",
        "TABLE_AT(name)",
        "The table, or else the file, that a text or a parameter names.",
    ),
    (
        "table_history",
        "TABLE_HISTORY(name)",
        "The versions of a durable table.",
    ),
];

/// Tables that get the window of each row.
const STREAM_WINDOWS: &[&str] = &["tumble", "hop", "cumulate", "session"];

impl Binder<'_> {
    /// `FROM generate_series(1, 10) AS n`: the elements of the array that the function of this name gives.
    pub(super) fn series(
        &self,
        path: &ast::Path,
        args: &[Argument],
        factor: &TableFactor,
        env: &Env,
    ) -> Result<Relation> {
        let call = Call {
            function: path.clone(),
            args: args.to_vec(),
            distinct: false,
            ignore_nulls: None,
            order_by: Vec::new(),
            limit: None,
            filter: None,
            within_group: Vec::new(),
            over: None,
        };
        let array = ast::Expr {
            kind: Box::new(ExprKind::Call(call)),
            span: factor.span,
        };
        let mut named = factor.clone();
        if let (None, Some(name)) = (&named.alias, path.parts.last()) {
            named.alias = Some(TableAlias {
                name: name.clone(),
                columns: Vec::new(),
            });
        }
        self.unnest(super::query::one_row(), &array, &named, false, env)
    }

    /// `read_csv('path', header => TRUE)` and its kin.
    pub(super) fn table_function(
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
            "changes" => return self.changes_of(path, args),
            "table_at" => return self.table_named_by(path, args, env),
            "table_history" => return self.table_history(path, args),
            "plot" => {
                let message = "PLOT ends a query";
                return Err(Error::input("TM0325", message, path.span)
                    .hint("write FROM … |> CALL PLOT('bar')"));
            }
            _ => {
                let own = self.session.table_functions();
                let own = own.iter().map(|function| function.name.as_str());
                let known: Vec<&str> = (TABLE_FUNCTIONS.iter().map(|(name, ..)| *name))
                    .chain(own)
                    .collect();
                let message = format!("no table function named `{name}`");
                let error = Error::input("TM0204", message, path.span);
                return Err(match names::nearest(name, known.iter().copied()) {
                    Some(near) => error.did_you_mean(near),
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
        let named = args.iter().filter_map(|argument| argument.name.as_ref());
        let provider = provider.map_err(|error| of_option(error, named).at(path.span))?;
        let name = file_stem(&file);
        let mut relation = self.scan(&name, Some(ScanSource::File(file)), provider)?;
        relation.scope = relation.scope.under(&name);
        Ok(relation)
    }

    /// `FROM TABLE_AT(@name)`: a value says which table. It is a name, never text of the query.
    fn table_named_by(&self, path: &ast::Path, args: &[Argument], env: &Env) -> Result<Relation> {
        let [
            Argument {
                name: None,
                value: ArgumentValue::Expr(expr),
            },
        ] = args
        else {
            return Err(Error::input("TM0402", "TABLE_AT takes one name", path.span)
                .hint("write FROM TABLE_AT(@name)"));
        };
        let name = self.path_text(expr)?;
        let part = |text: &str| Ident {
            text: text.to_string(),
            quoted: true,
            span: expr.span,
        };
        let parts = match looks_like_path(&name) {
            true => vec![part(&name)],
            false => name.split('.').map(part).collect(),
        };
        let span = expr.span;
        self.table(&ast::Path { parts, span }, env)
    }

    pub(super) fn session_table_function(
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
            if is_plot(function) {
                let message =
                    "PLOT can stand only at the end of the outermost query of a statement";
                return Err(Error::input("TM0325", message, function.span));
            }
            let name = joined(function);
            if STREAM_WINDOWS
                .iter()
                .any(|window| name.eq_ignore_ascii_case(window))
            {
                let what = format!("the window {}", name.to_uppercase());
                return Err(Error::not_implemented(what, function.span)
                    .hint("group by DATE_TRUNC(time, HOUR), or another part of the time"));
            }
            let known = self.session.table_functions();
            let known: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            let message = format!("no table function named `{name}` takes a table");
            let error = Error::input("TM0204", message, function.span);
            return Err(match names::nearest(&name, known.iter().copied()) {
                Some(near) => error.did_you_mean(near),
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

/// An error about an option of a file at the option's name, with what was meant.
pub(super) fn of_option<'n>(error: Error, mut named: impl Iterator<Item = &'n Ident>) -> Error {
    if !matches!(error.code(), "TM0706" | "TM0707") {
        return error;
    }
    let says = |name: &&Ident| error.message().contains(&format!("`{}`", name.text));
    let Some(name) = named.find(says) else {
        return error;
    };
    let known = error.notes().iter().find(|(kind, _)| *kind == "available");
    let known = known.map_or(String::new(), |(_, known)| known.clone());
    let error = error.at(name.span);
    match names::nearest(&name.text, known.split(", ")) {
        Some(near) => error.did_you_mean(near),
        None => error,
    }
}

/// Whether a table function is an array's elements.
pub(super) fn is_series(path: &ast::Path) -> bool {
    match path.parts.as_slice() {
        [name] => {
            name.text.eq_ignore_ascii_case("generate_series")
                || name.text.eq_ignore_ascii_case("range")
        }
        _ => false,
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
pub(super) fn declared_types(expr: &ast::Expr) -> Result<ScalarValue> {
    let fields = declared_columns(expr)?.fields().clone();
    ScalarValue::try_from(&DataType::Struct(fields))
        .map_err(|_| Error::input("TM0402", "`types` declares names and types", expr.span))
}
