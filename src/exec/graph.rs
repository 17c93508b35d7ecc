//! Which pipelines there are and which waits for which.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;

use super::operators::kept::KeptSlot;
use super::{AnySink, Operator, Source};
use crate::error::Span;

/// A sink's place in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SinkId(pub(crate) usize);

/// A pipeline's place in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PipelineId(pub(crate) usize);

/// What must be over before a pipeline starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum After {
    /// The sink is finished: its slots are filled.
    Sink(SinkId),
    /// Every worker of the pipeline is done (its sink may still wait for others).
    Pipeline(PipelineId),
}

/// Source, operators, sink.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) operators: Vec<Arc<dyn Operator>>,
    pub(crate) sink: SinkId,
    pub(crate) after: Vec<After>,
    /// Sinks whose slots its operators read, each with the operator's position.
    pub(crate) reads: Vec<(usize, SinkId)>,
    /// One worker only, so that rows stay in order.
    pub(crate) ordered: bool,
}

/// All pipelines of a query. The output sink is the one the caller reads.
#[derive(Debug, Default)]
pub(crate) struct PipelineGraph {
    /// Memory has a limit: operators must be able to write out what they hold.
    pub(crate) limited: bool,
    /// Parts of the plan whose rows may come in any order, where that is asked.
    pub(crate) in_any_order: Vec<Arc<dyn ExecutionPlan>>,
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) sinks: Vec<Arc<dyn AnySink>>,
    /// Parts of the plan whose rows are kept for all who read them.
    pub(crate) repeated: Vec<RepeatedRows>,
    /// Where the rows lie that several pipelines read, by the name of their table, and the sinks that leave them there.
    pub(crate) kept: HashMap<Arc<str>, (KeptSlot, Vec<SinkId>)>,
    /// Where in the text each recursion is asked for, by its name in the plan.
    pub(crate) recursions: HashMap<Arc<str>, Span>,
}

/// Where the rows of a part of the plan lie once `sink` is finished.
#[derive(Debug, Clone)]
pub(crate) struct RepeatedRows {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    pub(crate) sink: SinkId,
    pub(crate) slot: KeptSlot,
    /// They lie in an order that someone can observe.
    pub(crate) ordered: bool,
}

impl PipelineGraph {
    /// A graph that runs while this one does, and finds there what this one keeps.
    pub(crate) fn inner(&self) -> PipelineGraph {
        let filled = self.kept.iter();
        PipelineGraph {
            limited: self.limited,
            recursions: self.recursions.clone(),
            kept: filled
                .map(|(table, (slot, _))| (Arc::clone(table), (Arc::clone(slot), Vec::new())))
                .collect(),
            ..PipelineGraph::default()
        }
    }

    /// Whether nobody sees in which order the rows of `plan` come, as far as that is known.
    pub(crate) fn is_in_any_order(&self, plan: &Arc<dyn ExecutionPlan>) -> bool {
        let mut known = self.in_any_order.iter();
        known.any(|known| Arc::ptr_eq(known, plan))
    }

    pub(crate) fn add_sink(&mut self, sink: Arc<dyn AnySink>) -> SinkId {
        self.sinks.push(sink);
        SinkId(self.sinks.len() - 1)
    }

    pub(crate) fn add_pipeline(&mut self, pipeline: Pipeline) -> PipelineId {
        self.pipelines.push(pipeline);
        PipelineId(self.pipelines.len() - 1)
    }
}

/// Rows on their way through a pipeline that has no sink yet: what lowering a plan node gives.
///
/// A stream has several branches where inputs are united, or where an outer join adds the rows that found no partner.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) branches: Vec<Branch>,
    /// Rows come in an order that someone above can observe.
    pub(crate) ordered: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) operators: Vec<Arc<dyn Operator>>,
    /// Sinks that must be finished first.
    pub(crate) after: Vec<SinkId>,
    /// Which of them an operator reads, by its position.
    pub(crate) reads: Vec<(usize, SinkId)>,
    /// Branches of the same stream, by position, whose pipelines must be done first.
    pub(crate) after_branches: Vec<usize>,
}

impl Stream {
    /// A stream from one source that reads what `after` filled.
    pub(crate) fn from_source(source: Arc<dyn Source>, after: Vec<SinkId>) -> Self {
        Stream {
            branches: vec![Branch {
                source,
                operators: Vec::new(),
                after,
                reads: Vec::new(),
                after_branches: Vec::new(),
            }],
            ordered: false,
        }
    }

    /// Adds an operator to every branch; it may start when `after` is finished.
    #[must_use]
    pub(crate) fn then(mut self, operator: Arc<dyn Operator>, after: &[SinkId]) -> Self {
        for branch in &mut self.branches {
            let position = branch.operators.len();
            let reads = after.iter().map(|sink| (position, *sink));
            branch.reads.extend(reads);
            branch.operators.push(Arc::clone(&operator));
            branch.after.extend_from_slice(after);
        }
        self
    }

    /// Rows of several streams, in no order.
    pub(crate) fn union(streams: Vec<Stream>) -> Self {
        let mut branches = Vec::new();
        for stream in streams {
            let first = branches.len();
            branches.extend(stream.branches.into_iter().map(|mut branch| {
                branch
                    .after_branches
                    .iter_mut()
                    .for_each(|position| *position += first);
                branch
            }));
        }
        Stream {
            branches,
            ordered: false,
        }
    }

    /// Ends the stream in a sink: every branch becomes a pipeline.
    pub(crate) fn into_sink(self, graph: &mut PipelineGraph, sink: Arc<dyn AnySink>) -> SinkId {
        let sink = graph.add_sink(sink);
        let first = graph.pipelines.len();
        for branch in self.branches {
            let mut after: Vec<After> = Vec::new();
            for sink in branch.after {
                // A filter and the join it comes from wait for the same sink.
                if !after.contains(&After::Sink(sink)) {
                    after.push(After::Sink(sink));
                }
            }
            after.extend(
                branch
                    .after_branches
                    .iter()
                    .map(|position| After::Pipeline(PipelineId(first + position))),
            );
            graph.add_pipeline(Pipeline {
                source: branch.source,
                operators: branch.operators,
                sink,
                after,
                reads: branch.reads,
                ordered: self.ordered,
            });
        }
        sink
    }
}
