//! What EXPLAIN knows of a statement, before it is said in any form: [`Plan`].

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::exec::Execution;
use crate::exec::graph::{After, Pipeline, PipelineGraph};
use crate::exec::metrics::{PipelineMetrics, StepMetrics, WorkerMetrics};
use crate::file::Pruned;

/// The pipelines of a statement and, where it ran, what each of their steps did.
///
/// Printed it is a tree for people, the output first; [`Plan::to_json`] is for programs and [`Plan::to_html`] a page of its own.
///
/// ```
/// use tidemill::{Engine, Explain};
/// let engine = Engine::in_memory()?;
/// let plan = engine.explain("FROM (VALUES (1), (2)) AS t (n) |> WHERE n > 1", Explain::Analyze)?;
/// assert!(plan.to_string().contains("filter: n > 1"));
/// assert_eq!(plan.to_json()["pipelines"][0]["source"]["rows"], 2);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    /// The statement as written.
    pub(super) text: String,
    /// One, or one for each step of a statement that has several.
    pub(super) parts: Vec<Part>,
}

/// The pipelines of one query.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// What a statement of several does with the rows.
    pub(super) heading: Option<String>,
    pub(super) pipelines: Vec<PlanPipeline>,
    pub(super) ran: Option<Ran>,
}

/// What a query took as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran {
    pub(super) elapsed: Duration,
    pub(super) rows: u64,
    pub(super) memory_bytes: u64,
    pub(super) spilled_bytes: u64,
}

/// One pipeline; others are named by their position.
#[derive(Debug, Clone)]
pub(super) struct PlanPipeline {
    /// Pipelines that must be over before it starts.
    pub(super) after: Vec<usize>,
    /// Source, operators, sink: the way that rows go.
    pub(super) steps: Vec<PlanStep>,
    pub(super) sink: usize,
    /// Sinks whose rows a step reads, with the step's position.
    pub(super) reads: Vec<(usize, usize)>,
    pub(super) did: Option<Did>,
}

/// What a pipeline did.
#[derive(Debug, Clone)]
pub(super) struct Did {
    pub(super) morsels: u64,
    pub(super) workers: Vec<WorkerMetrics>,
    /// Of its sink, where that holds much: at most in memory, and written to disk.
    pub(super) held: Option<(u64, u64)>,
}

/// A source, an operator or a sink.
#[derive(Debug, Clone)]
pub(super) struct PlanStep {
    pub(super) what: String,
    pub(super) pruned: Vec<Pruned>,
    pub(super) did: Option<StepDid>,
}

/// What a step did, all workers together.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepDid {
    pub(super) rows: u64,
    pub(super) batches: u64,
    pub(super) bytes: u64,
    pub(super) time: Duration,
}

impl Part {
    pub(super) fn of_graph(graph: &PipelineGraph) -> Self {
        Part::new(graph, None, None)
    }

    /// `rows` came out of it, `elapsed` after it began.
    pub(super) fn of_execution(execution: &Execution, rows: u64, elapsed: Duration) -> Self {
        let context = execution.context();
        let ran = Ran {
            elapsed,
            rows,
            memory_bytes: context.memory.peak() as u64,
            spilled_bytes: context.spill.written(),
        };
        Part::new(execution.graph(), Some(execution), Some(ran))
    }

    fn new(graph: &PipelineGraph, execution: Option<&Execution>, ran: Option<Ran>) -> Self {
        let pipelines = graph.pipelines.iter().enumerate();
        Part {
            heading: None,
            pipelines: pipelines
                .map(|(position, pipeline)| described(graph, execution, position, pipeline))
                .collect(),
            ran,
        }
    }

    /// Time in all steps, over all workers.
    pub(super) fn time(&self) -> Duration {
        let steps = self.pipelines.iter().flat_map(|pipeline| &pipeline.steps);
        steps.filter_map(|step| Some(step.did?.time)).sum()
    }
}

impl Did {
    /// How many times as long as the average the busiest worker worked; nothing to say of one.
    pub(super) fn skew(&self) -> Option<f64> {
        let busy = self.workers.iter().map(|worker| worker.busy.as_secs_f64());
        let average = busy.clone().sum::<f64>() / self.workers.len() as f64;
        let most = busy.fold(0.0, f64::max);
        (self.workers.len() > 1 && average > 0.0).then(|| most / average)
    }
}

fn described(
    graph: &PipelineGraph,
    execution: Option<&Execution>,
    position: usize,
    pipeline: &Pipeline,
) -> PlanPipeline {
    let metrics = execution.map(|execution| execution.metrics(position));
    let operators = pipeline.operators.iter().enumerate();
    let mut steps = vec![PlanStep {
        pruned: pipeline.source.pruned(),
        ..step(&pipeline.source.describe(), metrics.map(|m| &m.source))
    }];
    steps.extend(operators.map(|(place, operator)| {
        let metrics = metrics.and_then(|metrics| metrics.operators.get(place));
        step(&operator.describe(), metrics)
    }));
    let sink = &graph.sinks[pipeline.sink.0];
    steps.push(step(&sink.describe(), metrics.map(|m| &m.sink)));
    let of_operators = pipeline.reads.iter();
    let of_operators = of_operators.map(|(operator, sink)| (operator + 1, sink.0));
    let mut reads: Vec<(usize, usize)> = of_operators.collect();
    for after in &pipeline.after {
        if let After::Sink(sink) = after
            && !reads.iter().any(|(_, read)| *read == sink.0)
        {
            reads.push((0, sink.0));
        }
    }
    let waits = pipeline.after.iter();
    let mut after: Vec<usize> = waits.flat_map(|after| awaited(graph, *after)).collect();
    after.sort_unstable();
    after.dedup();
    PlanPipeline {
        after,
        steps,
        sink: pipeline.sink.0,
        reads,
        did: metrics.map(|metrics| did(metrics, execution, pipeline)),
    }
}

fn did(metrics: &PipelineMetrics, execution: Option<&Execution>, pipeline: &Pipeline) -> Did {
    let share = execution.and_then(|execution| execution.share(pipeline.sink));
    Did {
        morsels: metrics.units.load(Ordering::Relaxed),
        workers: metrics.workers(),
        held: share.map(|share| (share.peak() as u64, share.spilled())),
    }
}

fn step(what: &str, metrics: Option<&StepMetrics>) -> PlanStep {
    PlanStep {
        what: without_ids(what),
        pruned: Vec::new(),
        did: metrics.map(|metrics| StepDid {
            rows: metrics.rows(),
            batches: metrics.batches(),
            bytes: metrics.bytes(),
            time: metrics.time(),
        }),
    }
}

/// The pipelines whose end `after` is.
fn awaited(graph: &PipelineGraph, after: After) -> Vec<usize> {
    match after {
        After::Pipeline(id) => vec![id.0],
        After::Sink(sink) => (graph.pipelines.iter().enumerate())
            .filter(|(_, pipeline)| pipeline.sink == sink)
            .map(|(position, _)| position)
            .collect(),
    }
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
