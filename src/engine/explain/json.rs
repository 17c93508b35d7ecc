//! What EXPLAIN tells, as JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::plan::{Part, Plan, PlanStep};
use super::steps::QueryStep;
use crate::exec::metrics::WorkerMetrics;
use crate::file::type_name;
use crate::plan::lineage::ColumnLineage;

impl Plan {
    /// The plan for programs: `pipelines`, each with its `source`, `operators` and `sink`; of one that ran also what they did.
    /// A statement of several steps has `parts`, each with its pipelines.
    pub fn to_json(&self) -> Value {
        match self.parts.as_slice() {
            [part] if part.heading.is_none() => pipelines(part),
            parts => {
                let parts = parts.iter().map(|part| {
                    let heading = part.heading.as_deref().unwrap_or_default();
                    let mut object = json!({"part": heading.trim_end_matches(':')});
                    if let (Some(object), Value::Object(plan)) =
                        (object.as_object_mut(), pipelines(part))
                    {
                        object.extend(plan);
                    }
                    object
                });
                json!({ "parts": parts.collect::<Vec<_>>() })
            }
        }
    }
}

fn pipelines(part: &Part) -> Value {
    let pipelines = part.pipelines.iter().enumerate();
    let pipelines = pipelines.map(|(position, pipeline)| {
        let mut steps = pipeline.steps.iter().map(step);
        let source = steps.next();
        let sink = steps.next_back();
        let after = pipeline.after.iter().map(|after| after + 1);
        let mut object = json!({
            "pipeline": position + 1,
            "after": after.collect::<Vec<_>>(),
            "source": source,
            "operators": steps.collect::<Vec<_>>(),
            "sink": sink,
        });
        if let Some(did) = &pipeline.did {
            object["morsels"] = json!(did.morsels);
            object["workers"] = did.workers.iter().map(worker).collect();
            if let Some(skew) = did.skew() {
                object["skew"] = json!(skew);
            }
            if let Some((memory, spilled)) = did.held {
                object["memory_bytes"] = json!(memory);
                object["spilled_bytes"] = json!(spilled);
            }
        }
        object
    });
    let mut object = json!({ "pipelines": pipelines.collect::<Vec<_>>() });
    if let Some(ran) = &part.ran {
        object["rows"] = json!(ran.rows);
        object["ms"] = milliseconds(ran.elapsed);
        object["memory_bytes"] = json!(ran.memory_bytes);
        object["spilled_bytes"] = json!(ran.spilled_bytes);
    }
    object
}

fn worker(did: &WorkerMetrics) -> Value {
    json!({"ms": milliseconds(did.busy), "rows": did.rows})
}

fn step(step: &PlanStep) -> Value {
    let mut object = json!({"step": step.what});
    if !step.pruned.is_empty() {
        let pruned = step.pruned.iter();
        let pruned = pruned.map(|one| json!({"what": one.what, "read": one.left, "of": one.all}));
        object["pruned"] = pruned.collect();
    }
    if let Some(did) = &step.did {
        object["rows"] = json!(did.rows);
        object["batches"] = json!(did.batches);
        object["bytes"] = json!(did.bytes);
        object["ms"] = milliseconds(did.time);
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
