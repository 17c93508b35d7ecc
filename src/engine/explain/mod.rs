//! EXPLAIN: the pipelines of a query, with what they did after EXPLAIN ANALYZE; its steps; where its columns come from.

mod graph;
mod html;
mod json;
mod plan;
mod route;
mod steps;
mod tree;

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde_json::Value;

use super::{Engine, Outcome, ParamMap, Rows, Statement, planning, query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec;
use crate::lang::ast::ExplainFormat;
use crate::plan::BoundQuery;
use crate::plan::bind::{Bound, Step};
use plan::Part;

pub use crate::plan::lineage::{ColumnLineage, SourceColumn};
pub use plan::Plan;
pub use steps::{Measured, QueryStep};

/// What to say of a query.
///
/// ```
/// use tidemill::{Engine, Explain};
/// let engine = Engine::in_memory()?;
/// let planned = engine.explain("SELECT 1 AS a", Explain::Pipelines)?;
/// let measured = engine.explain("SELECT 1 AS a", Explain::Analyze)?;
/// assert!(!planned.to_string().contains(" ms") && measured.to_string().contains(" ms"));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explain {
    /// The pipelines it would run as.
    Pipelines,
    /// Runs it, and says what each step did.
    Analyze,
}

impl Engine {
    /// The pipelines of a query.
    ///
    /// ```
    /// use tidemill::{Engine, Explain};
    /// let engine = Engine::in_memory()?;
    /// let plan = engine.explain("FROM (VALUES (1), (2)) |> WHERE column1 > 1", Explain::Pipelines)?;
    /// assert!(plan.to_string().contains("pipeline 1"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::query`].
    pub fn explain(&self, text: &str, what: Explain) -> Result<Plan> {
        self.explain_statement(&self.only_statement(text)?, &ParamMap::new(), what)
    }

    /// The pipelines of one parsed statement, with values for its parameters.
    ///
    /// ```
    /// use tidemill::{Engine, Explain, params};
    /// # use tidemill::{ParamMap, Params};
    /// let engine = Engine::in_memory()?;
    /// let statement = engine.statements("SELECT @a + 1 AS b").unwrap().remove(0);
    /// let mut values = ParamMap::new();
    /// params! { a: 41 }.bind(&mut values);
    /// let page = engine.explain_statement(&statement, &values, Explain::Analyze)?.to_html();
    /// assert!(page.starts_with("<!DOCTYPE html>"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::run`]; TM0315 for a statement that is no query and stores none.
    pub fn explain_statement(
        &self,
        statement: &Statement,
        params: &ParamMap,
        what: Explain,
    ) -> Result<Plan> {
        let analyze = what == Explain::Analyze;
        let bound = planning::on_planner_stack(|| {
            let parsed = &statement.parsed;
            query::bind(self, parsed, &statement.text, params.parameters())
        })?;
        let (bound, analyze) = match bound.bound {
            Bound::Explain {
                analyze: asked,
                statement,
                ..
            } => (*statement, analyze || asked),
            bound => (bound, analyze),
        };
        let plan = plan_of(self, bound, statement.text(), analyze);
        plan.map_err(|error| error.at(statement.span()))
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
        } => {
            let plan = plan_of(engine, *statement, text, analyze)?;
            match format {
                ExplainFormat::Tree => lines(&plan.to_string()),
                ExplainFormat::Json => document(&plan.to_json()),
            }
        }
        Bound::ExplainSteps { steps, format } => {
            let steps = steps::measured(engine, text, steps)?;
            match format {
                ExplainFormat::Tree => lines(&steps::steps_text(text, &steps)),
                ExplainFormat::Json => document(&json::steps(text, &steps)),
            }
        }
        Bound::ExplainRoute { query, format } => {
            let routes = route::routes(engine, &query)?;
            match format {
                ExplainFormat::Tree => lines(&route::text(&routes)),
                ExplainFormat::Json => document(&route::json(&routes)),
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
        Step::Write { target, query, .. } => (target.describe(), query),
    }
}

/// What follows reads the rows that are shared, where something runs.
fn share(engine: &Engine, step: &Step, analyze: bool) -> Result<()> {
    if analyze && let Step::Share { rows, query } = step {
        rows.fill(query::answer(engine, query)?.collect::<Result<_>>()?);
    }
    Ok(())
}

/// ANALYZE runs the queries and stores nothing.
fn plan_of(engine: &Engine, bound: Bound, text: &str, analyze: bool) -> Result<Plan> {
    let parts = match bound {
        Bound::Query(query) | Bound::CreateView { query, .. } => {
            vec![part(engine, &query, analyze)?]
        }
        Bound::Steps(steps) => {
            let parts = steps.iter().map(|step| {
                let (heading, query) = heading(step);
                let part = part(engine, query, analyze)?;
                share(engine, step, analyze)?;
                Ok(Part {
                    heading: Some(heading),
                    ..part
                })
            });
            parts.collect::<Result<_>>()?
        }
        _ => return Err(takes_a_query()),
    };
    Ok(Plan {
        text: text.to_string(),
        parts,
    })
}

/// The pipelines of a query, after they ran where they are analyzed.
fn part(engine: &Engine, query: &BoundQuery, analyze: bool) -> Result<Part> {
    if analyze {
        let started = Instant::now();
        let (rows, execution) = query::answer_with_execution(engine, query, true)?;
        let mut count = 0;
        for batch in rows {
            count += batch?.num_rows() as u64;
        }
        return Ok(Part::of_execution(&execution, count, started.elapsed()));
    }
    let (context, _handle) = engine.context()?;
    let physical = query::optimize(engine, query, &context.cancel)?;
    let (sink, _receiver) = exec::output(&context);
    let graph = planning::on_planner_stack(|| {
        crate::plan::lower::lower(&physical, Arc::new(sink), engine.is_limited())
    })?;
    Ok(Part::of_graph(&graph))
}

/// A key in the metadata of a result's schema: its one column is text whose rows are lines, to be shown as they are and in no table.
///
/// ```
/// use tidemill::{Engine, LINES_KEY};
/// let engine = Engine::in_memory()?;
/// let lines = engine.query("EXPLAIN SELECT 1 AS a", ())?;
/// assert!(lines.schema().metadata().contains_key(LINES_KEY));
/// # Ok::<(), tidemill::Error>(())
/// ```
pub const LINES_KEY: &str = "tidemill.lines";

/// The columns of an EXPLAIN statement's rows.
fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]))
}

fn lines(text: &str) -> Result<Rows> {
    let metadata = [(LINES_KEY.to_string(), String::new())];
    let schema = schema().as_ref().clone().with_metadata(metadata.into());
    rows_of(Arc::new(schema), text.lines().collect())
}

fn document(value: &Value) -> Result<Rows> {
    rows_of(schema(), vec![&value.to_string()])
}

fn rows_of(schema: SchemaRef, lines: Vec<&str>) -> Result<Rows> {
    let lines = StringArray::from(lines);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lines)])?;
    Ok(Rows::ready(schema, vec![batch]))
}
