//! The life of a query, on one screen: parse, bind, optimize, lower, run.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::ExecutionPlan;

use super::planning::{on_planner_stack, while_wanted};
use super::{Engine, Outcome, Rows, Summary, dry, explain, result, script, steps, tables};
use crate::catalog::{Entry, View, files};
use crate::error::{Error, Result, Span};
use crate::exec::{self, CancelToken, Execution};
use crate::file::{remote, standard_input};
use crate::lang::ast;
use crate::plan::bind::{Binding, Bound, Files};
use crate::plan::{self, BoundQuery, Parameters};

/// Runs one statement of a parsed text.
pub(super) fn run_statement(
    engine: &Engine,
    statement: &ast::Statement,
    text: &Arc<str>,
    parameters: &Parameters,
) -> Result<Outcome> {
    let engine = &engine.within(plan::bind::bounds_of(&statement.hints));
    if let Some(outcome) = script::run(engine, statement, text, parameters)? {
        return Ok(outcome);
    }
    let binding = on_planner_stack(|| bind(engine, statement, text, parameters))?;
    engine.see(&binding.bound)?;
    let outcome = match engine.is_dry() {
        true => dry::note(engine, binding.bound),
        false => carry_out(engine, binding.bound, text),
    };
    let outcome = outcome.map_err(|error| match created(statement) {
        Some(place) if error.code() == "TM0702" => error.at(place),
        _ => error,
    })?;
    Ok(outcome.with_warnings(binding.warnings))
}

/// The name of what a statement creates.
fn created(statement: &ast::Statement) -> Option<Span> {
    match &statement.kind {
        ast::StatementKind::CreateTable(create) => Some(create.target.name.span),
        ast::StatementKind::CreateView(create) => Some(create.name.span),
        ast::StatementKind::CreateExternalTable(create) => Some(create.name.span),
        _ => None,
    }
}

/// Syntax tree to logical plan.
pub(super) fn bind(
    engine: &Engine,
    statement: &ast::Statement,
    text: &str,
    parameters: &Parameters,
) -> Result<Binding> {
    plan::bind::bind(statement, text, engine.catalog(), engine, parameters)
}

/// Logical plan to physical plan, for as long as `cancel` says that it is wanted.
pub(super) fn optimize(
    engine: &Engine,
    query: &BoundQuery,
    cancel: &CancelToken,
) -> Result<Arc<dyn ExecutionPlan>> {
    let (planning, query) = (engine.clone(), query.clone());
    let plan = while_wanted(cancel, move || {
        let engine = planning;
        let mut state = engine.0.state.clone();
        state.mark_start_execution();
        // Tables of the program's own may ask for tokio while they plan; ours never do, and a runtime costs a thread.
        let foreign = engine.0.foreign_tables.load(Ordering::Relaxed);
        let runtime = foreign.then(|| engine.0.runtime.get()).transpose()?;
        let _guard = runtime.as_ref().map(|runtime| runtime.enter());
        futures::executor::block_on(plan::optimize::optimize(&query, &state))
    });
    plan.inspect_err(|error| engine.0.counters.stopped_while_planned(error))
}

/// Logical plan to running pipelines.
fn start(engine: &Engine, query: &BoundQuery, analyze: bool) -> Result<(Rows, Arc<Execution>)> {
    let (context, handle) = engine.context_for(analyze)?;
    let physical = optimize(engine, query, &context.cancel)?;
    let schema = result::named_schema(&physical.schema(), &query.columns);
    let (sink, receiver) = exec::output(&context);
    let (limited, bound) = (engine.is_limited(), query.clone());
    let lower = move || plan::lower::lower(&bound, &physical, Arc::new(sink), limited);
    let graph = while_wanted(&context.cancel, lower)?;
    let execution = exec::run(graph, &context);
    handle.shows(&execution);
    let running = result::Running::new(engine, receiver, &execution, handle);
    let rows = Rows::new(schema, running, &context).drawn_as(query.chart.clone());
    Ok((rows, execution))
}

fn carry_out(engine: &Engine, bound: Bound, text: &str) -> Result<Outcome> {
    match bound {
        Bound::Query(query) => answer(engine, &query).map(Outcome::Rows),
        Bound::Steps(steps) => steps::run(engine, steps),
        Bound::CreateView { .. } | Bound::CreateExternalTable { .. } => name(engine, bound),
        Bound::Table(change) => tables::run(engine, *change),
        Bound::Explain { .. }
        | Bound::ExplainSteps { .. }
        | Bound::ExplainRoute { .. }
        | Bound::ExplainLineage { .. } => explain::run(engine, bound, text),
    }
}

/// Puts a view or a table of files under its name.
pub(super) fn name(engine: &Engine, bound: Bound) -> Result<Outcome> {
    let (name, or_replace, if_not_exists, entry) = match bound {
        Bound::CreateView {
            name,
            or_replace,
            if_not_exists,
            query,
        } => {
            let columns = query.columns.into_iter();
            let view = View {
                plan: query.plan,
                names: columns.map(|column| column.name).collect(),
                sources: query.sources,
            };
            let entry = Entry::View(Arc::new(view));
            (name, or_replace, if_not_exists, entry)
        }
        Bound::CreateExternalTable {
            name,
            or_replace,
            if_not_exists,
            provider,
        } => (name, or_replace, if_not_exists, Entry::Table(provider)),
        _ => return Err(Error::bug("a statement that names nothing")),
    };
    if !(if_not_exists && engine.catalog().find(&name)?.is_some()) {
        engine.catalog().insert(&name, entry, or_replace)?;
    }
    Ok(Outcome::Done(Summary::new(0)))
}

/// The rows of a bound query.
pub(super) fn answer(engine: &Engine, query: &BoundQuery) -> Result<Rows> {
    answer_with_execution(engine, query, false).map(|(rows, _)| rows)
}

/// The rows of a bound query, and what makes them.
pub(super) fn answer_with_execution(
    engine: &Engine,
    query: &BoundQuery,
    analyze: bool,
) -> Result<(Rows, Arc<Execution>)> {
    start(engine, query, analyze)
}

/// Where the bytes of a path lie on disk that are not there already: standard input, if the path means it.
pub(super) fn kept(engine: &Engine, path: &str) -> Result<files::Kept> {
    let disk = &engine.0.disk;
    let (folder, limit) = (disk.folder(), disk.limit());
    let input = &engine.0.settings.input;
    let is_meant = standard_input::is_meant(path);
    let input = is_meant.then(|| input.file(&folder, limit)).transpose()?;
    Ok(files::Kept {
        input,
        folder,
        limit,
    })
}

/// Paths in FROM are files, read as the session says.
impl Files for Engine {
    fn open(
        &self,
        path: &str,
        format: Option<&str>,
        options: &[(String, datafusion::common::ScalarValue)],
        columns: Option<SchemaRef>,
    ) -> Result<Arc<dyn datafusion::catalog::TableProvider>> {
        let bad_rows = self.catalog().session().settings.bad_rows.clone();
        let kept = kept(self, path)?;
        if !remote::is_address(path) {
            return Ok(files::open(
                path, &kept, format, options, columns, &bad_rows,
            )?);
        }
        // Another machine may take its time, which nobody waits for who wants no answer any more.
        let (context, _running) = self.context()?;
        let (path, format) = (path.to_string(), format.map(str::to_string));
        let options = options.to_vec();
        let open = move || {
            files::open(
                &path,
                &kept,
                format.as_deref(),
                &options,
                columns,
                &bad_rows,
            )
        };
        Ok(while_wanted(&context.cancel, open)?)
    }
}
