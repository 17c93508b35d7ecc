//! Syntax tree to logical plan: names are resolved, types are checked, and every error has its place in the text.
//!
//! A [`relation::Relation`] is a plan and the [`scope::Scope`] of names over it. Inside the plan every column has a unique name
//! (`price#7`); the user's names live in the scope alone, so that a step that only names things ([`pipe`]: RENAME, DROP, AS) changes
//! no plan, and one that computes adds columns and never takes any away until [`relation`] finishes the query.
//!
//! [`query`] binds a query: a source ([`from`], [`select`], [`set`]) and its pipe operators. [`expr`] binds expressions against a
//! [`stage::Stage`], which says what may stand there and takes aggregate and window calls out of them. [`call`] finds functions.

mod aggregate;
mod aggregate_call;
mod bounds;
mod call;
mod constant;
mod convert;
mod durable;
mod expr;
mod extract;
mod from;
mod group;
mod join;
mod list;
mod literal;
mod membership;
mod names;
mod nested;
mod operators;
mod order;
mod pipe;
mod predicate;
mod project;
mod query;
mod relation;
mod rewrite;
mod rewrites;
mod scope;
mod select;
mod set;
mod signature;
mod stage;
mod statement;
mod subquery;
#[cfg(test)]
mod tests;
mod translate;
mod typed;
mod types;
mod unnest;
mod versions;
mod window;
mod with;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;

use super::{BoundQuery, Parameters};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::lang::ast;

pub(crate) use durable::DurableChange;
pub(crate) use versions::restricted;

/// Tables made of files. The binder adds the place in the text to its errors.
pub(crate) trait Files {
    /// The table of a path. Without `format` the name's ending decides; `columns` are declared instead of inferred.
    fn open(
        &self,
        path: &str,
        format: Option<&str>,
        options: &[(String, ScalarValue)],
        columns: Option<SchemaRef>,
    ) -> Result<Arc<dyn TableProvider>>;
}

/// A statement whose names are resolved, and what its author should know about it.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) bound: Bound,
    /// `TWxx`: the statement runs all the same.
    pub(crate) warnings: Vec<Error>,
}

/// A statement whose names are resolved.
#[derive(Debug)]
pub(crate) enum Bound {
    Query(BoundQuery),
    CreateTable {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        query: BoundQuery,
    },
    CreateView {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        query: BoundQuery,
    },
    CreateExternalTable {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        provider: Arc<dyn TableProvider>,
    },
    /// A durable table is made or changed.
    Table(DurableChange),
    Explain {
        analyze: bool,
        statement: Box<Bound>,
    },
}

/// Binds one statement of `text`.
pub(crate) fn bind(
    statement: &ast::Statement,
    text: &str,
    catalog: &Catalog,
    files: &dyn Files,
    parameters: &Parameters,
) -> Result<Binding> {
    let binder = Binder {
        text,
        catalog,
        files,
        parameters,
        next_id: Cell::new(0),
        realm: RefCell::default(),
        expanded: Cell::new(0),
        warnings: RefCell::default(),
        pinned: RefCell::default(),
    };
    let bound = binder.statement(statement).map_err(planned)?;
    Ok(Binding {
        bound,
        warnings: binder.warnings.into_inner(),
    })
}

/// An error without a place came from DataFusion while a node was made, for a reason that should have been found before.
fn planned(error: Error) -> Error {
    match (error.code(), error.span()) {
        ("TM0508", None) => Error::bug("this query could not be planned")
            .hint("write it in smaller steps, and report it"),
        _ => error,
    }
}

/// What is the same for the whole statement.
struct Binder<'a> {
    text: &'a str,
    catalog: &'a Catalog,
    files: &'a dyn Files,
    parameters: &'a Parameters,
    next_id: Cell<usize>,
    /// Stands in the ids of a view's columns, which will meet those of other statements.
    realm: RefCell<String>,
    /// Tables read so far through the names of this query or of the common table expression that is being defined.
    expanded: Cell<usize>,
    warnings: RefCell<Vec<Error>>,
    pinned: versions::Pinned,
}

impl Binder<'_> {
    /// A name that no other column of the plan has. DataFusion parses such names in places, so it is one plain word.
    fn fresh(&self, name: &str) -> Arc<str> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let word: String = name
            .chars()
            .take(32)
            .map(|c| match c.to_ascii_lowercase() {
                c @ ('a'..='z' | '0'..='9' | '_') => c,
                _ => '_',
            })
            .collect();
        let start = if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
            ""
        } else {
            "c"
        };
        let realm = self.realm.borrow();
        format!("{start}{word}#{realm}{id}").into()
    }

    /// The source text of a place, on one line.
    fn source(&self, span: crate::error::Span) -> String {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn warn(&self, warning: Error) {
        self.warnings.borrow_mut().push(warning);
    }
}

/// A plan's nodes are shared in many places; this one is not yet.
fn shared(plan: LogicalPlan) -> Arc<LogicalPlan> {
    Arc::new(plan)
}
