//! What EXPLAIN tells, as JSON for programs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::pipelines::{awaited, without_ids};
use super::steps::QueryStep;
use crate::exec::Execution;
use crate::exec::graph::PipelineGraph;
use crate::exec::metrics::StepMetrics;
use crate::file::type_name;
use crate::plan::lineage::ColumnLineage;

/// The pipelines of a query, and what they did if they ran.
pub(super) fn graph(graph: &PipelineGraph, execution: Option<&Execution>) -> Value {
    let pipelines = graph
        .pipelines
        .iter()
        .enumerate()
        .map(|(position, pipeline)| {
            let metrics = execution.map(|execution| execution.metrics(position));
            let after: Vec<usize> = pipeline
                .after
                .iter()
                .flat_map(|after| awaited(graph, *after))
                .collect();
            let operators = pipeline.operators.iter().enumerate();
            let operators = operators.map(|(place, operator)| {
                step(
                    &operator.describe(),
                    metrics.map(|metrics| &metrics.operators[place]),
                )
            });
            let mut object = json!({
                "pipeline": position + 1,
                "after": after,
                "source": step(&pipeline.source.describe(), metrics.map(|m| &m.source)),
                "operators": operators.collect::<Vec<_>>(),
                "sink": step(
                    &graph.sinks[pipeline.sink.0].describe(),
                    metrics.map(|m| &m.sink),
                ),
            });
            if let Some(metrics) = metrics {
                object["morsels"] = json!(metrics.units.load(Ordering::Relaxed));
            }
            let share = execution.and_then(|execution| execution.share(pipeline.sink));
            if let Some(share) = share {
                object["memory_bytes"] = json!(share.peak());
                object["spilled_bytes"] = json!(share.spilled());
            }
            object
        });
    let mut object = json!({ "pipelines": pipelines.collect::<Vec<_>>() });
    if let Some(execution) = execution {
        let context = execution.context();
        object["memory_bytes"] = json!(context.memory.peak());
        object["spilled_bytes"] = json!(context.spill.written());
    }
    object
}

fn step(what: &str, metrics: Option<&StepMetrics>) -> Value {
    let mut object = json!({"step": without_ids(what)});
    if let Some(metrics) = metrics {
        object["rows"] = json!(metrics.rows());
        object["batches"] = json!(metrics.batches());
        object["bytes"] = json!(metrics.bytes());
        object["ms"] = milliseconds(metrics.time());
    }
    object
}

/// To the microsecond.
fn milliseconds(time: Duration) -> Value {
    json!(time.as_micros() as f64 / 1e3)
}

/// The steps of a query.
pub(super) fn steps(text: &str, steps: &[QueryStep]) -> Value {
    let steps = steps.iter().map(|step| {
        let columns = step.columns.fields().iter();
        let columns = columns
            .map(|field| json!({"name": field.name(), "type": type_name(field.data_type())}));
        let (line, column) = step.span.line_and_column(text);
        let mut object = json!({
            "step": step.number,
            "start": step.span.start,
            "end": step.span.end,
            "line": line,
            "column": column,
            "text": step.text,
            "columns": columns.collect::<Vec<_>>(),
        });
        if let Some(measured) = &step.measured {
            object["rows"] = json!(measured.rows);
            object["ms"] = milliseconds(measured.time);
            object["memory_bytes"] = json!(measured.memory_bytes);
        }
        object
    });
    json!({ "steps": steps.collect::<Vec<_>>() })
}

/// Where the columns of a query come from.
pub(super) fn lineage(columns: &[ColumnLineage]) -> Value {
    let columns = columns.iter().map(|column| {
        let sources = column.sources.iter().map(|source| {
            let kind = if source.is_file { "file" } else { "table" };
            json!({kind: source.table, "column": source.column})
        });
        json!({
            "column": column.column,
            "type": type_name(&column.data_type),
            "sources": sources.collect::<Vec<_>>(),
            "steps": column.steps,
        })
    });
    json!({ "columns": columns.collect::<Vec<_>>() })
}
