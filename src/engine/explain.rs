//! EXPLAIN: the pipelines of a query, with what they did after EXPLAIN ANALYZE.

use std::fmt::{self, Write};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::{Engine, Rows, query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::graph::{After, Pipeline, PipelineGraph};
use crate::exec::memory::{Share, size_text};
use crate::exec::metrics::{PipelineMetrics, StepMetrics};
use crate::exec::{self, Execution};
use crate::plan::bind::Step;
use crate::plan::{self, BoundQuery};

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
        let mut statements = self.statements(text).map_err(Error::together)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(Error::new(
                ErrorKind::Input,
                "TM0103",
                "exactly one statement can be explained",
            ));
        };
        let bound = query::on_planner_stack(|| {
            query::bind(
                self,
                &statement.parsed,
                &statement.text,
                &plan::Parameters::default(),
            )
        })?;
        match bound.bound {
            plan::bind::Bound::Query(query) => text_of(self, &query, what == Explain::Analyze),
            plan::bind::Bound::Steps(steps) => steps_text(self, &steps, what == Explain::Analyze),
            _ => Err(Error::new(
                ErrorKind::Input,
                "TM0315",
                "EXPLAIN takes a query",
            )),
        }
    }
}

/// The rows of an EXPLAIN statement: one line each.
pub(super) fn rows(engine: &Engine, query: &BoundQuery, analyze: bool) -> Result<Rows> {
    lines(&text_of(engine, query, analyze)?)
}

/// The same for a statement of several steps, each under its heading. ANALYZE runs the queries and stores nothing.
pub(super) fn steps(engine: &Engine, steps: &[Step], analyze: bool) -> Result<Rows> {
    lines(&steps_text(engine, steps, analyze)?)
}

fn steps_text(engine: &Engine, steps: &[Step], analyze: bool) -> Result<String> {
    let mut text = String::new();
    for step in steps {
        let (heading, query) = match step {
            Step::Share { query, .. } => ("rows for the steps below:".to_string(), query),
            Step::Answer(query) => ("result:".to_string(), query),
            Step::Log(query) => ("log:".to_string(), query),
            Step::Write { target, query } => (target.describe(), query),
        };
        let pipelines = text_of(engine, query, analyze)?;
        if analyze && let Step::Share { rows, query } = step {
            rows.fill(query::answer(engine, query)?.collect::<Result<_>>()?);
        }
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

fn lines(text: &str) -> Result<Rows> {
    let schema = Arc::new(Schema::new(vec![Field::new("plan", DataType::Utf8, false)]));
    let lines = StringArray::from(text.lines().collect::<Vec<_>>());
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lines)])?;
    Ok(Rows::ready(schema, vec![batch]))
}

fn text_of(engine: &Engine, query: &BoundQuery, analyze: bool) -> Result<String> {
    if analyze {
        let (rows, execution) = query::answer_with_execution(engine, query, true)?;
        for batch in rows {
            batch?;
        }
        return Ok(graph_text(execution.graph(), Some(&execution)));
    }
    let physical = query::optimize(engine, query)?;
    let (sink, _receiver) = exec::output(&*engine.context()?);
    let graph = query::on_planner_stack(|| {
        plan::lower::lower(&physical, Arc::new(sink), engine.is_limited())
    })?;
    Ok(graph_text(&graph, None))
}

fn graph_text(graph: &PipelineGraph, execution: Option<&Execution>) -> String {
    let mut text = String::new();
    for (position, pipeline) in graph.pipelines.iter().enumerate() {
        let metrics = execution.map(|execution| execution.metrics(position));
        // Writing to a String cannot fail.
        let share = execution.and_then(|execution| execution.share(pipeline.sink));
        let _ = write_pipeline(&mut text, graph, position, pipeline, metrics, share);
    }
    if let Some(execution) = execution {
        let context = execution.context();
        let _ = write!(
            text,
            "query: memory at most {}",
            size_text(context.memory.peak() as u64)
        );
        let _ = match context.spill.written() {
            0 => writeln!(text),
            spilled => writeln!(text, ", {} written to disk", size_text(spilled)),
        };
    }
    without_ids(&text)
}

fn write_pipeline(
    text: &mut String,
    graph: &PipelineGraph,
    position: usize,
    pipeline: &Pipeline,
    metrics: Option<&PipelineMetrics>,
    share: Option<&Arc<Share>>,
) -> fmt::Result {
    write!(text, "pipeline {}", position + 1)?;
    let waits: Vec<String> = pipeline
        .after
        .iter()
        .filter_map(|after| awaited(graph, *after))
        .collect();
    if !waits.is_empty() {
        write!(text, " after {}", waits.join(", "))?;
    }
    if let Some(metrics) = metrics {
        let units = metrics.units.load(std::sync::atomic::Ordering::Relaxed);
        write!(
            text,
            "  ({units} {})",
            if units == 1 { "morsel" } else { "morsels" }
        )?;
    }
    writeln!(text)?;
    write_step(
        text,
        "  ",
        &pipeline.source.describe(),
        metrics.map(|metrics| &metrics.source),
    )?;
    for (place, operator) in pipeline.operators.iter().enumerate() {
        write_step(
            text,
            "  > ",
            &operator.describe(),
            metrics.map(|metrics| &metrics.operators[place]),
        )?;
    }
    write_step(
        text,
        "  > ",
        &graph.sinks[pipeline.sink.0].describe(),
        metrics.map(|metrics| &metrics.sink),
    )?;
    if let Some(share) = share {
        write!(
            text,
            "      memory at most {}",
            size_text(share.peak() as u64)
        )?;
        if share.spilled() > 0 {
            write!(text, ", {} written to disk", size_text(share.spilled()))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn write_step(
    text: &mut String,
    lead: &str,
    what: &str,
    metrics: Option<&StepMetrics>,
) -> fmt::Result {
    write!(text, "{lead}{what}")?;
    if let Some(metrics) = metrics {
        let milliseconds = metrics.time().as_secs_f64() * 1e3;
        write!(
            text,
            "  [{} rows in {} batches, {}, {milliseconds:.1} ms]",
            metrics.rows(),
            metrics.batches(),
            size_text(metrics.bytes())
        )?;
    }
    writeln!(text)
}

/// The pipelines whose end `after` is, by number.
fn awaited(graph: &PipelineGraph, after: After) -> Option<String> {
    let numbers: Vec<String> = match after {
        After::Pipeline(id) => vec![(id.0 + 1).to_string()],
        After::Sink(sink) => (graph.pipelines.iter().enumerate())
            .filter(|(_, pipeline)| pipeline.sink == sink)
            .map(|(position, _)| (position + 1).to_string())
            .collect(),
    };
    (!numbers.is_empty()).then(|| numbers.join(", "))
}

/// Takes the `#12` from `name#12`: the number keeps columns apart inside a plan and says nothing to a reader. DataFusion's
/// `@3` behind it, a column's position, goes too.
fn without_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(mark) = rest.find(['#', '@']) {
        out.push_str(&rest[..mark]);
        let digits = rest[mark + 1..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        if digits == 0 {
            out.push_str(&rest[mark..=mark]);
        }
        rest = &rest[mark + 1 + digits..];
    }
    out.push_str(rest);
    out
}
