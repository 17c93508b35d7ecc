//! Pipelines as lines for people.

use std::fmt::{self, Write};
use std::sync::Arc;

use crate::exec::Execution;
use crate::exec::graph::{After, Pipeline, PipelineGraph};
use crate::exec::memory::{Share, size_text};
use crate::exec::metrics::{PipelineMetrics, StepMetrics};

pub(super) fn graph_text(graph: &PipelineGraph, execution: Option<&Execution>) -> String {
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
        .flat_map(|after| awaited(graph, *after))
        .map(|number| number.to_string())
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
pub(super) fn awaited(graph: &PipelineGraph, after: After) -> Vec<usize> {
    match after {
        After::Pipeline(id) => vec![id.0 + 1],
        After::Sink(sink) => (graph.pipelines.iter().enumerate())
            .filter(|(_, pipeline)| pipeline.sink == sink)
            .map(|(position, _)| position + 1)
            .collect(),
    }
}

/// Takes the `#12` from `name#12`: the number keeps columns apart inside a plan and says nothing to a reader. DataFusion's
/// `@3` behind it, a column's position, goes too.
pub(super) fn without_ids(text: &str) -> String {
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
