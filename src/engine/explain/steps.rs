//! A query step by step, and where its columns come from: for programs and for EXPLAIN STEPS and LINEAGE.

use std::fmt::Write;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;

use super::super::{Engine, ParamMap, Params, planning, query};
use crate::error::{Result, Span};
use crate::exec::memory::size_text;
use crate::file::type_name;
use crate::plan::bind::{BoundStep, bind_lineage, bind_steps};
use crate::plan::lineage::ColumnLineage;

/// A step of a query: what stands before the first `|>`, or a pipe operator. See [`Engine::steps`].
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let step = engine.steps("FROM (VALUES (1)) AS t (n) |> LIMIT 1", ())?.remove(1);
/// assert_eq!((step.number, step.text.as_str()), (2, "|> LIMIT 1"));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QueryStep {
    /// From 1, which is what stands before the first `|>`.
    pub number: usize,
    /// Where it stands in the text.
    pub span: Span,
    /// It as written, on one line.
    pub text: String,
    /// The columns after it; none after an operator that ends the query, such as INSERT.
    pub columns: SchemaRef,
    /// What running the query up to here took, if it was run.
    pub measured: Option<Measured>,
}

/// What running a query up to one of its steps took. See [`Engine::measure_steps`].
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let step = engine.measure_steps("FROM (VALUES (1), (2)) AS t (n)", ())?.remove(0);
/// assert_eq!(step.measured.map(|measured| measured.rows), Some(2));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Measured {
    /// Rows after the step.
    pub rows: u64,
    /// From the start to the last row, of the query up to this step run by itself.
    pub time: Duration,
    /// Memory that its operators held at most.
    pub memory_bytes: u64,
}

impl Engine {
    /// The steps of a query, each with its columns. Nothing runs.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// let steps = engine.steps("FROM (VALUES (1), (2)) AS t (n) |> EXTEND n * 2 AS m |> WHERE m > @least", ())?;
    /// assert_eq!(steps[1].text, "|> EXTEND n * 2 AS m");
    /// assert_eq!(steps[1].columns.field(1).name(), "m");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::check`]; TM0315 where the text is no query and stores none.
    pub fn steps(&self, text: &str, params: impl Params) -> Result<Vec<QueryStep>> {
        let steps = self.bound_steps(text, params, false)?;
        measured(self, text, steps)
    }

    /// The steps of a query, each with the rows and the time of the query up to it. Every such query is run by itself, so that
    /// the numbers are those of a query that ends there; nothing is stored.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// let steps = engine.measure_steps("FROM (VALUES (1), (2)) AS t (n) |> WHERE n > 1", ())?;
    /// let rows: Vec<u64> = steps.iter().filter_map(|step| Some(step.measured?.rows)).collect();
    /// assert_eq!(rows, [2, 1]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::query`]; TM0315 where the text is no query and stores none.
    pub fn measure_steps(&self, text: &str, params: impl Params) -> Result<Vec<QueryStep>> {
        let steps = self.bound_steps(text, params, true)?;
        measured(self, text, steps)
    }

    /// Where each column of a query comes from: the columns of tables and files that it is computed from, and the steps that
    /// made it. Conditions that choose rows are no sources. Nothing runs.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// engine.execute("CREATE TABLE sales AS SELECT 'north' AS region, 2.5 AS price, 4 AS qty", ())?;
    /// let query = "FROM sales |> EXTEND price * qty AS revenue |> AGGREGATE SUM(revenue) AS total GROUP BY region";
    /// let total = &engine.lineage(query, ())?[1];
    /// let sources: Vec<&str> = total.sources.iter().map(|source| source.column.as_str()).collect();
    /// assert_eq!((total.column.as_str(), sources), ("total", vec!["price", "qty"]));
    /// assert_eq!(total.steps, [1, 2, 3]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::check`]; TM0315 where the text is no query and stores none.
    pub fn lineage(&self, text: &str, params: impl Params) -> Result<Vec<ColumnLineage>> {
        let (statement, map) = (self.only_statement(text)?, bound_params(params));
        let catalog = self.catalog();
        planning::on_planner_stack(|| {
            let parsed = &statement.parsed;
            bind_lineage(parsed, text, catalog, self, map.parameters())
        })
    }

    fn bound_steps(&self, text: &str, params: impl Params, to_run: bool) -> Result<Vec<BoundStep>> {
        let statement = self.only_statement(text)?;
        let mut parameters = bound_params(params).parameters().clone();
        parameters.absent_are_null = !to_run;
        let catalog = self.catalog();
        planning::on_planner_stack(|| {
            let parsed = &statement.parsed;
            bind_steps(parsed, text, catalog, self, &parameters, to_run)
        })
    }
}

fn bound_params(params: impl Params) -> ParamMap {
    let mut map = ParamMap::new();
    params.bind(&mut map);
    map
}

/// The steps, run up to each where they were bound to be.
pub(super) fn measured(
    engine: &Engine,
    text: &str,
    steps: Vec<BoundStep>,
) -> Result<Vec<QueryStep>> {
    let steps = steps.into_iter().enumerate().map(|(position, step)| {
        let written = text.get(step.span.start..step.span.end).unwrap_or_default();
        let measured = match &step.query {
            None => None,
            Some(query) => {
                let started = Instant::now();
                let (rows, execution) = query::answer_with_execution(engine, query, false)?;
                let mut count = 0;
                for batch in rows {
                    count += batch?.num_rows() as u64;
                }
                Some(Measured {
                    rows: count,
                    time: started.elapsed(),
                    memory_bytes: execution.context().memory.peak() as u64,
                })
            }
        };
        Ok(QueryStep {
            number: position + 1,
            span: step.span,
            text: written.split_whitespace().collect::<Vec<_>>().join(" "),
            columns: step.columns,
            measured,
        })
    });
    steps.collect()
}

/// A step each, with its place, its columns, and what it took.
pub(super) fn steps_text(text: &str, steps: &[QueryStep]) -> String {
    let mut out = String::new();
    for step in steps {
        let (line, column) = step.span.line_and_column(text);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "step {} at {line}:{column}  {}",
            step.number, step.text
        );
        let columns = step.columns.fields().iter();
        let columns: Vec<String> = columns
            .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
            .collect();
        if !columns.is_empty() {
            let _ = writeln!(out, "  columns: {}", columns.join(", "));
        }
        if let Some(measured) = &step.measured {
            let _ = writeln!(
                out,
                "  run up to here: {} rows, {:.1} ms, memory at most {}",
                measured.rows,
                measured.time.as_secs_f64() * 1e3,
                size_text(measured.memory_bytes)
            );
        }
    }
    out
}

/// A column each, with what it is computed from and by which steps.
pub(super) fn lineage_text(columns: &[ColumnLineage]) -> String {
    let mut out = String::new();
    for column in columns {
        let _ = writeln!(out, "{} {}", column.column, type_name(&column.data_type));
        let sources = column.sources.iter().map(|source| match source.is_file {
            true => format!("'{}'.{}", source.table, source.column),
            false => format!("{}.{}", source.table, source.column),
        });
        let sources: Vec<String> = sources.collect();
        let from = match sources.is_empty() {
            true => "nothing that is read".to_string(),
            false => sources.join(", "),
        };
        let steps: Vec<String> = column.steps.iter().map(ToString::to_string).collect();
        let noun = if steps.len() == 1 { "step" } else { "steps" };
        let _ = writeln!(out, "  from {from}; {noun} {}", steps.join(", "));
    }
    out
}
