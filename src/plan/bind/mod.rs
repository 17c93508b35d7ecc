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
pub(crate) mod around;
mod assert;
mod bounds;
mod call;
mod catalog_rows;
mod chain;
mod change;
mod changes;
mod constant;
mod convert;
mod default;
mod durable;
mod export;
mod expr;
mod extract;
mod flow;
mod from;
mod function_rows;
mod googlesql;
mod group;
mod hints;
mod insert;
mod interval;
mod join;
mod join_condition;
mod list;
mod literal;
mod macros;
mod match_recognize;
mod matched;
mod membership;
mod merge;
mod names;
mod nested;
mod operators;
mod order;
mod overwrite;
mod pipe;
mod pivot;
mod plot;
mod predicate;
mod project;
mod query;
mod recover;
mod regroup;
mod relation;
mod replicas;
mod rewrites;
mod row;
mod row_pattern;
mod sample;
mod scope;
mod script;
mod select;
mod select_names;
mod set;
mod signature;
mod special;
mod spellings;
mod stage;
mod statement;
mod subquery;
mod summarize;
mod table_function;
mod table_macro;
mod table_options;
#[cfg(test)]
mod tests;
mod translate;
mod typed;
mod types;
mod unify;
mod units;
mod unnest;
mod versions;
mod walk;
mod window;
mod window_plan;
mod window_spec;
mod with;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::lineage::ColumnLineage;
use super::places::Places;
use super::{BoundQuery, Parameters};
use crate::catalog::shared::SharedRows;
use crate::catalog::{Catalog, Macro, Session, Sources, View};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::file::write::WriteRequest;
use crate::lang::ast::{self, ExplainFormat};
use crate::plan::shared::SharedKey;
use crate::table::action::Tags;
use crate::table::database::DurableTable;
use crate::table::layout::{Layout, Overwritten};
use crate::table::schema::Columns;
use typed::Typed;

pub(crate) use change::Rewrite;
pub(crate) use durable::DurableChange;
pub(crate) use hints::{Bounds, bounds_of};
pub(crate) use literal::{as_declared, unknown_setting};
pub(crate) use versions::restricted;
pub(crate) use walk::BoundStep;

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
    /// A durable table is changed.
    Table(Box<DurableChange>),
    /// Several results, or effects: carried out in order. Effects become visible together.
    Steps(Vec<Step>),
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
    Explain {
        analyze: bool,
        format: ExplainFormat,
        statement: Box<Bound>,
    },
    ExplainSteps {
        /// With their queries where they are to be measured.
        steps: Vec<BoundStep>,
        format: ExplainFormat,
    },
    ExplainRoute {
        query: BoundQuery,
        format: ExplainFormat,
    },
    ExplainLineage {
        columns: Vec<ColumnLineage>,
        format: ExplainFormat,
    },
}

/// A part of a statement.
#[derive(Debug)]
pub(crate) enum Step {
    /// Rows that the steps after this one read.
    Share {
        rows: Arc<SharedRows>,
        query: BoundQuery,
    },
    Answer(BoundQuery),
    /// Rows for the log.
    Log(BoundQuery),
    Write {
        target: WriteTarget,
        query: BoundQuery,
        /// Where the target is named.
        place: Span,
    },
}

impl Step {
    fn query_mut(&mut self) -> &mut BoundQuery {
        match self {
            Step::Share { query, .. }
            | Step::Answer(query)
            | Step::Log(query)
            | Step::Write { query, .. } => query,
        }
    }
}

/// Where rows are stored.
#[derive(Debug)]
pub(crate) enum WriteTarget {
    CreateTable {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        /// The query's rows, which have these types already.
        schema: SchemaRef,
        /// Of the columns that have one.
        defaults: HashMap<String, Expr>,
    },
    Insert {
        name: String,
        schema: SchemaRef,
    },
    CreateDurable(Box<NewTable>),
    InsertDurable(DurableTable),
    OverwriteDurable(DurableTable, Overwritten),
    Export(WriteRequest),
}

/// A durable table to be.
#[derive(Debug)]
pub(crate) struct NewTable {
    pub(crate) name: String,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Columns,
    pub(crate) layout: Layout,
    /// What OPTIONS say, as the log keeps it.
    pub(crate) settings: Tags,
}

impl WriteTarget {
    /// The table's name, or the file's path.
    pub(crate) fn name(&self) -> &str {
        match self {
            WriteTarget::CreateTable { name, .. }
            | WriteTarget::Insert { name, .. }
            | WriteTarget::InsertDurable(DurableTable { name, .. })
            | WriteTarget::OverwriteDurable(DurableTable { name, .. }, _) => name,
            WriteTarget::CreateDurable(new) => &new.name,
            WriteTarget::Export(request) => &request.path,
        }
    }

    /// Whether one would undo or hide what the other stores: files in each other's place, or one table that not both add rows to.
    fn meets(&self, other: &WriteTarget) -> bool {
        let adds = |target: &WriteTarget| {
            matches!(
                target,
                WriteTarget::Insert { .. } | WriteTarget::InsertDurable(_)
            )
        };
        match (self, other) {
            (WriteTarget::Export(own), WriteTarget::Export(other)) => own.meets(other),
            (WriteTarget::Export(_), _) | (_, WriteTarget::Export(_)) => false,
            _ => !(adds(self) && adds(other)) && self.name().eq_ignore_ascii_case(other.name()),
        }
    }

    /// For EXPLAIN.
    pub(crate) fn describe(&self) -> String {
        match self {
            WriteTarget::CreateTable { name, .. } => format!("create table {name}:"),
            WriteTarget::CreateDurable(new) => format!("create table {}:", new.name),
            WriteTarget::Insert { name, .. }
            | WriteTarget::InsertDurable(DurableTable { name, .. }) => {
                format!("insert into {name}:")
            }
            WriteTarget::OverwriteDurable(DurableTable { name, .. }, _) => {
                format!("insert overwrite {name}:")
            }
            WriteTarget::Export(request) => format!("export to {}:", request.path),
        }
    }
}

/// Binds one statement of `text`. The error knows everything that is wrong with it: [`Error::all`].
pub(crate) fn bind(
    statement: &ast::Statement,
    text: &str,
    catalog: &Catalog,
    files: &dyn Files,
    parameters: &Parameters,
) -> Result<Binding> {
    let binder = Binder::new(text, catalog, files, parameters);
    binder.statement_start.set(statement.span.start);
    let bound = binder.outcome(binder.statement(statement))?;
    Ok(Binding {
        bound,
        warnings: binder.warnings.into_inner(),
    })
}

/// The steps of a statement's query, for a program; `to_run`: with the query up to each.
pub(crate) fn bind_steps(
    statement: &ast::Statement,
    text: &str,
    catalog: &Catalog,
    files: &dyn Files,
    parameters: &Parameters,
    to_run: bool,
) -> Result<Vec<BoundStep>> {
    let binder = Binder::new(text, catalog, files, parameters);
    binder.steps(statement, to_run).map_err(planned)
}

/// Where the columns of a statement's query come from, for a program.
pub(crate) fn bind_lineage(
    statement: &ast::Statement,
    text: &str,
    catalog: &Catalog,
    files: &dyn Files,
    parameters: &Parameters,
) -> Result<Vec<ColumnLineage>> {
    let binder = Binder::new(text, catalog, files, parameters);
    binder.lineage(statement).map_err(planned)
}

/// The default of each column that has one, once for each row of `rows`.
pub(crate) fn bind_defaults(
    columns: &Columns,
    rows: MemTable,
    catalog: &Catalog,
    files: &dyn Files,
) -> Result<BoundQuery> {
    let parameters = Parameters::default();
    let binder = Binder::new("", catalog, files, &parameters);
    binder.outcome(binder.defaults_for(columns, rows))
}

/// One row of values: the expressions of a SET, of an IF or of a DEFAULT, each as the type that it must have.
pub(crate) fn bind_values(
    values: &[(&ast::Expr, Option<DataType>)],
    text: &str,
    catalog: &Catalog,
    files: &dyn Files,
    parameters: &Parameters,
) -> Result<BoundQuery> {
    let binder = Binder::new(text, catalog, files, parameters);
    binder.outcome(binder.one_row_of(values))
}

/// The type that is written so.
pub(crate) fn declared_type(written: &ast::TypeName) -> Result<DataType> {
    types::data_type(written)
}

/// Binds the body of a function as far as it can be without arguments.
pub(crate) fn check_function(
    function: &Macro<ast::Expr>,
    catalog: &Catalog,
    files: &dyn Files,
) -> Result<()> {
    let parameters = Parameters::default();
    let binder = Binder::new(&function.text, catalog, files, &parameters);
    binder.outcome(binder.check_macro(function))
}

/// Binds the body of a table function as far as it can be without arguments: whatever its tables hold, this is wrong with it. A
/// table or a file that is missing may be there when the function is called.
pub(crate) fn check_table_function(
    function: &Macro<ast::Query>,
    catalog: &Catalog,
    files: &dyn Files,
    parameters: &Parameters,
) -> Result<()> {
    let parameters = Parameters {
        absent_are_null: true,
        ..parameters.clone()
    };
    let binder = Binder::new(&function.text, catalog, files, &parameters);
    let Err(error) = binder.outcome(binder.check_table_macro(function)) else {
        return Ok(());
    };
    let lasts = |error: &Error| error.kind() == ErrorKind::Input && error.code() != "TM0203";
    let lasting: Vec<Error> = error.into_each().into_iter().filter(lasts).collect();
    match lasting.is_empty() {
        true => Ok(()),
        false => Err(Error::together(lasting)),
    }
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
    /// The text of the function whose body is being bound, instead of `text`.
    macro_text: RefCell<Option<Arc<str>>>,
    /// Functions written in the language that are being expanded inside each other.
    macro_depth: Cell<usize>,
    session: Arc<Session>,
    catalog: &'a Catalog,
    files: &'a dyn Files,
    parameters: &'a Parameters,
    next_id: Cell<usize>,
    /// Stands in the ids of a view's columns, which will meet those of other statements.
    realm: RefCell<String>,
    /// Tables read so far through the names of this query or of the common table expression that is being defined.
    expanded: Cell<usize>,
    /// Columns of the steps so far, each as often as a step has it.
    columns: Cell<usize>,
    /// The subqueries in expressions so far, each of which is joined to the columns of those before.
    subqueries: Cell<usize>,
    /// The tables of WITH that were bound so far.
    tables: RefCell<HashMap<SharedKey, bounds::Facts>>,
    places: RefCell<Places>,
    /// What the scans read.
    sources: RefCell<Sources>,
    warnings: RefCell<Vec<Error>>,
    pinned: versions::Pinned,
    /// How old a version the statement's hint allows, if it has one.
    max_staleness: Cell<Option<Duration>>,
    faults: recover::Faults,
    /// The views that were mentioned so far, under what they are called in the plan.
    views: RefCell<Vec<(Arc<View>, Arc<str>)>>,
    statement_start: Cell<usize>,
    /// Counted when it is asked for.
    statement_number: Cell<Option<usize>>,
    /// Where the operators of the outermost query begin.
    steps: RefCell<Vec<usize>>,
    /// What the word DEFAULT stands for in each column of the VALUES that come next.
    row_defaults: RefCell<Option<Vec<Typed>>>,
}

impl<'a> Binder<'a> {
    fn new(
        text: &'a str,
        catalog: &'a Catalog,
        files: &'a dyn Files,
        parameters: &'a Parameters,
    ) -> Self {
        Binder {
            text,
            macro_text: RefCell::default(),
            macro_depth: Cell::new(0),
            session: catalog.session(),
            catalog,
            files,
            parameters,
            next_id: Cell::new(0),
            columns: Cell::new(0),
            subqueries: Cell::new(0),
            tables: RefCell::default(),
            realm: RefCell::default(),
            expanded: Cell::new(0),
            places: RefCell::default(),
            sources: RefCell::default(),
            warnings: RefCell::default(),
            pinned: RefCell::default(),
            max_staleness: Cell::default(),
            faults: recover::Faults::default(),
            views: RefCell::default(),
            statement_start: Cell::new(0),
            statement_number: Cell::new(None),
            steps: RefCell::default(),
            row_defaults: RefCell::default(),
        }
    }

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
        let macro_text = self.macro_text.borrow();
        let text = macro_text.as_deref().unwrap_or(self.text);
        let text = text.get(span.start..span.end).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Notes where an expression that can fail stands.
    fn noted(&self, value: Typed) -> Typed {
        if let Some(span) = self.in_text(value.span) {
            self.places.borrow_mut().note(&value.expr, span);
        }
        value
    }

    /// Notes where a recursion is asked for.
    fn note_recursion(&self, name: &Arc<str>, span: Span) {
        if let Some(span) = self.in_text(span) {
            self.places.borrow_mut().note_recursion(name, span);
        }
    }

    /// The place, if it is one of the text that will run: that of a view or function is another.
    fn in_text(&self, span: Span) -> Option<Span> {
        let own = self.realm.borrow().is_empty() && self.macro_text.borrow().is_none();
        own.then_some(span)
    }

    fn warn(&self, warning: Error) {
        self.warnings.borrow_mut().push(warning);
    }
}

/// A plan's nodes are shared in many places; this one is not yet.
fn shared(plan: LogicalPlan) -> Arc<LogicalPlan> {
    Arc::new(plan)
}
