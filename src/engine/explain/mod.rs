//! EXPLAIN: the pipelines of a query, with what they did after EXPLAIN ANALYZE; its steps; where its columns come from.

mod json;
mod pipelines;
mod steps;

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::{Value, json};

use super::{Engine, Outcome, Rows, Statement, planning, query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::graph::PipelineGraph;
use crate::exec::{self, Execution};
use crate::lang::ast::ExplainFormat;
use crate::plan::bind::{Bound, Step};
use crate::plan::{self, BoundQuery};

pub use crate::plan::lineage::{ColumnLineage, SourceColumn};
pub use steps::{Measured, QueryStep};

/// What to say of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explain {
    /// The pipelines it would run as.
    Pipelines,
    /// Runs it, and says what each step did.
    Analyze,
}

impl Engine {
    /// The pipelines of a query, as text.
    ///
    /// ```
    /// use tidemill::{Engine, Explain};
    /// let engine = Engine::in_memory()?;
    /// let plan = engine.explain("FROM (VALUES (1), (2)) |> WHERE column1 > 1", Explain::Pipelines)?;
    /// assert!(plan.contains("pipeline 1"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::query`].
    pub fn explain(&self, text: &str, what: Explain) -> Result<String> {
        let statement = self.only_statement(text)?;
        let bound = planning::on_planner_stack(|| {
            query::bind(
                self,
                &statement.parsed,
                &statement.text,
                &plan::Parameters::default(),
            )
        })?;
        match bound.bound {
            Bound::Query(query) => text_of(self, &query, what == Explain::Analyze),
            Bound::Steps(steps) => steps_text(self, &steps, what == Explain::Analyze),
            _ => Err(takes_a_query()),
        }
    }

    fn only_statement(&self, text: &str) -> Result<Statement> {
        let mut statements = self.statements(text).map_err(Error::together)?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => Ok(statement),
            _ => Err(Error::new(
                ErrorKind::Input,
                "TM0103",
                "exactly one statement can be explained",
            )),
        }
    }
}

fn takes_a_query() -> Error {
    Error::new(ErrorKind::Input, "TM0315", "EXPLAIN takes a query")
}

/// The rows of an EXPLAIN statement: a line each, or one with everything as JSON.
pub(super) fn run(engine: &Engine, bound: Bound, text: &str) -> Result<Outcome> {
    let rows = match bound {
        Bound::Explain {
            analyze,
            format,
            statement,
        } => match (*statement, format) {
            (Bound::Query(query) | Bound::CreateView { query, .. }, ExplainFormat::Tree) => {
                lines(&text_of(engine, &query, analyze)?)
            }
            (Bound::Query(query) | Bound::CreateView { query, .. }, ExplainFormat::Json) => {
                document(&json_of(engine, &query, analyze)?)
            }
            (Bound::Steps(steps), ExplainFormat::Tree) => {
                lines(&steps_text(engine, &steps, analyze)?)
            }
            (Bound::Steps(steps), ExplainFormat::Json) => {
                document(&steps_json(engine, &steps, analyze)?)
            }
            _ => return Err(takes_a_query()),
        },
        Bound::ExplainSteps { steps, format } => {
            let steps = steps::measured(engine, text, steps)?;
            match format {
                ExplainFormat::Tree => lines(&steps::steps_text(text, &steps)),
                ExplainFormat::Json => document(&json::steps(text, &steps)),
            }
        }
        Bound::ExplainLineage { columns, format } => match format {
            ExplainFormat::Tree => lines(&steps::lineage_text(&columns)),
            ExplainFormat::Json => document(&json::lineage(&columns)),
        },
        _ => return Err(Error::bug("a statement that explains nothing")),
    };
    rows.map(Outcome::Rows)
}

/// What a check gives for EXPLAIN: no lines, or TM0315 where no query stands in it.
pub(super) fn checked(bound: &Bound) -> Result<Rows> {
    if let Bound::Explain { statement, .. } = bound
        && !matches!(
            **statement,
            Bound::Query(_) | Bound::CreateView { .. } | Bound::Steps(_)
        )
    {
        return Err(takes_a_query());
    }
    Ok(Rows::ready(schema(), Vec::new()))
}

fn heading(step: &Step) -> (String, &BoundQuery) {
    match step {
        Step::Share { query, .. } => ("rows for the steps below:".to_string(), query),
        Step::Answer(query) => ("result:".to_string(), query),
        Step::Log(query) => ("log:".to_string(), query),
        Step::Write { target, query } => (target.describe(), query),
    }
}

/// What follows reads the rows that are shared, where something runs.
fn share(engine: &Engine, step: &Step, analyze: bool) -> Result<()> {
    if analyze && let Step::Share { rows, query } = step {
        rows.fill(query::answer(engine, query)?.collect::<Result<_>>()?);
    }
    Ok(())
}

/// A statement of several steps, each under its heading. ANALYZE runs the queries and stores nothing.
fn steps_text(engine: &Engine, steps: &[Step], analyze: bool) -> Result<String> {
    let mut text = String::new();
    for step in steps {
        let (heading, query) = heading(step);
        let pipelines = text_of(engine, query, analyze)?;
        share(engine, step, analyze)?;
        text.push_str(&heading);
        text.push('\n');
        for line in pipelines.lines() {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

fn steps_json(engine: &Engine, steps: &[Step], analyze: bool) -> Result<Value> {
    let mut parts = Vec::with_capacity(steps.len());
    for step in steps {
        let (heading, query) = heading(step);
        let mut part = json!({"part": heading.trim_end_matches(':')});
        let plan = json_of(engine, query, analyze)?;
        share(engine, step, analyze)?;
        if let (Some(part), Value::Object(plan)) = (part.as_object_mut(), plan) {
            part.extend(plan);
        }
        parts.push(part);
    }
    Ok(json!({ "parts": parts }))
}

/// The columns of an EXPLAIN statement's rows.
fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]))
}

fn lines(text: &str) -> Result<Rows> {
    rows_of(text.lines().collect())
}

fn document(value: &Value) -> Result<Rows> {
    rows_of(vec![&value.to_string()])
}

fn rows_of(lines: Vec<&str>) -> Result<Rows> {
    let schema = schema();
    let lines = StringArray::from(lines);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lines)])?;
    Ok(Rows::ready(schema, vec![batch]))
}

fn text_of(engine: &Engine, query: &BoundQuery, analyze: bool) -> Result<String> {
    with_graph(engine, query, analyze, pipelines::graph_text)
}

fn json_of(engine: &Engine, query: &BoundQuery, analyze: bool) -> Result<Value> {
    with_graph(engine, query, analyze, json::graph)
}

/// What `say` says of the pipelines of a query, after they ran where they are analyzed.
fn with_graph<T>(
    engine: &Engine,
    query: &BoundQuery,
    analyze: bool,
    say: impl Fn(&PipelineGraph, Option<&Execution>) -> T,
) -> Result<T> {
    if analyze {
        let (rows, execution) = query::answer_with_execution(engine, query, true)?;
        for batch in rows {
            batch?;
        }
        return Ok(say(execution.graph(), Some(&execution)));
    }
    let (context, _handle) = engine.context()?;
    let physical = query::optimize(engine, query, &context.cancel)?;
    let (sink, _receiver) = exec::output(&context);
    let graph = planning::on_planner_stack(|| {
        plan::lower::lower(&physical, Arc::new(sink), engine.is_limited())
    })?;
    Ok(say(&graph, None))
}
