//! Aggregates over all rows: one state for each worker, merged when the last one is done. There is a row even without input.
//!
//! Where memory has a limit, different values are counted [`apart`](super::apart).

use std::borrow::Cow;
use std::iter::zip;
use std::sync::{Arc, OnceLock};

use arrow::array::ArrayRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::Accumulator;
use datafusion::physical_plan::filter::batch_filter;

use super::apart::{Apart, Counted};
use super::partial::WorkerGroups;
use super::plan::{Aggregation, Function};
use crate::error::{Error, Result};
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::memory::{Share, ShareSlot};
use crate::exec::narrow::NarrowBatch;
use crate::exec::{BatchStream, Flow, RunContext, Sink, Source, stream_of};

/// Ends `input` in the aggregate and gives the stream of its one row.
pub(super) fn ungrouped(
    plan: Arc<Aggregation>,
    input: Stream,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let share = ShareSlot::default();
    let apart = plan.functions.iter().map(|function| {
        let values = function.distinct_count().filter(|_| graph.limited);
        let apart = |values| Apart::new(function, values, &share);
        values.map(apart).transpose()
    });
    let apart: Vec<Option<Apart>> = apart.collect::<Result<_>>()?;
    let counted: Vec<Option<Counted>> = apart
        .iter()
        .map(|apart| apart.as_ref().map(Apart::counted))
        .collect();
    let values: Vec<_> = apart.iter().flatten().map(Apart::values).collect();
    let result = Arc::new(OnceLock::new());
    let sink = UngroupedSink {
        plan: Arc::clone(&plan),
        apart,
        result: Arc::clone(&result),
    };
    let sink = input.into_sink(graph, Arc::new(sink));
    let mut after = vec![sink];
    for (source, counted) in zip(values, counted.iter().flatten()) {
        let values = Stream::from_source(Arc::new(source), vec![sink]);
        after.push(values.into_sink(graph, Arc::new(counted.sink())));
    }
    let source = UngroupedSource {
        plan,
        counted,
        result,
    };
    Ok(Stream::from_source(Arc::new(source), after))
}

#[derive(Debug)]
struct UngroupedSink {
    plan: Arc<Aggregation>,
    /// Where a function's values go that are counted apart.
    apart: Vec<Option<Apart>>,
    /// What the functions gave, nothing for those apart.
    result: Arc<OnceLock<Vec<Option<ArrayRef>>>>,
}

/// One worker's state.
struct Totals {
    states: Vec<State>,
    memory: MemoryReservation,
}

/// That of one function.
enum State {
    One(Box<dyn Accumulator>),
    Apart(Box<WorkerGroups>),
}

impl State {
    /// Bytes, but for those that are accounted for elsewhere.
    fn size(&self) -> usize {
        match self {
            State::One(state) => state.size(),
            State::Apart(_) => 0,
        }
    }
}

impl Totals {
    fn reserve(&mut self) -> Result<()> {
        let size = self.states.iter().map(State::size).sum();
        Ok(self.memory.try_resize(size)?)
    }
}

impl Sink for UngroupedSink {
    type Local = Totals;

    /// One for all values that are counted apart.
    fn share(&self, context: &RunContext) -> Option<Arc<Share>> {
        self.apart.iter().flatten().next()?.share(context)
    }

    fn start(&self, context: &Arc<RunContext>) -> Result<Totals> {
        let start = |(function, apart): (&Function, &Option<Apart>)| {
            Ok(match apart {
                Some(apart) => State::Apart(Box::new(apart.start(context)?)),
                None => State::One(function.start_one()?),
            })
        };
        Ok(Totals {
            states: zip(&self.plan.functions, &self.apart)
                .map(start)
                .collect::<Result<_>>()?,
            memory: context.reserve("aggregate"),
        })
    }

    fn push(&self, totals: &mut Totals, batch: RecordBatch) -> Result<Flow> {
        let functions = zip(&self.plan.functions, &self.apart);
        for (state, (function, apart)) in zip(&mut totals.states, functions) {
            let rows = match function.filter() {
                Some(filter) => {
                    let planned = NarrowBatch::new(&batch, &self.plan.input_schema);
                    Cow::Owned(batch_filter(planned.planned()?, filter)?)
                }
                None => Cow::Borrowed(&batch),
            };
            if rows.num_rows() == 0 {
                continue;
            }
            let rows = NarrowBatch::new(&rows, &self.plan.input_schema);
            let arguments = function.arguments(&rows)?;
            match (state, apart) {
                (State::One(state), _) => state.update_batch(&arguments)?,
                (State::Apart(worker), Some(apart)) => apart.push(worker, &arguments)?,
                (State::Apart(_), None) => return Err(Error::bug("values counted nowhere")),
            }
        }
        totals.reserve()?;
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<Totals>, context: &Arc<RunContext>) -> Result<()> {
        let mut locals = locals.into_iter();
        let mut totals = locals
            .next()
            .ok_or_else(|| Error::bug("an aggregate without a worker"))?;
        let mut workers: Vec<Vec<WorkerGroups>> = Vec::new();
        workers.resize_with(totals.states.len(), Vec::new);
        for other in locals {
            let into = zip(&mut totals.states, &mut workers);
            for ((state, workers), other) in zip(into, other.states) {
                match (state, other) {
                    (State::One(state), State::One(other)) => merge(state.as_mut(), other)?,
                    (_, State::Apart(worker)) => workers.push(*worker),
                    (State::Apart(_), State::One(_)) => {
                        return Err(Error::bug("one worker counts apart, another does not"));
                    }
                }
            }
            totals.reserve()?;
        }
        let mut columns = Vec::with_capacity(totals.states.len());
        let functions = zip(&self.apart, workers);
        for (state, (apart, mut workers)) in zip(totals.states, functions) {
            columns.push(match state {
                State::One(mut state) => Some(state.evaluate()?.to_array()?),
                State::Apart(first) => {
                    workers.push(*first);
                    let apart = apart.as_ref();
                    let apart = apart.ok_or_else(|| Error::bug("values counted nowhere"))?;
                    apart.finish(workers, context)?;
                    None
                }
            });
        }
        self.result
            .set(columns)
            .map_err(|_| Error::bug("an aggregate was finished twice"))
    }

    fn describe(&self) -> String {
        self.plan.describe()
    }
}

fn merge(state: &mut dyn Accumulator, mut other: Box<dyn Accumulator>) -> Result<()> {
    let columns = other
        .state()?
        .iter()
        .map(|value| Ok(value.to_array()?))
        .collect::<Result<Vec<ArrayRef>>>()?;
    Ok(state.merge_batch(&columns)?)
}

/// The one row.
#[derive(Debug)]
struct UngroupedSource {
    plan: Arc<Aggregation>,
    counted: Vec<Option<Counted>>,
    result: Arc<OnceLock<Vec<Option<ArrayRef>>>>,
}

impl UngroupedSource {
    fn row(&self) -> Result<RecordBatch> {
        let unfinished = || Error::bug("an aggregate was read before it was finished");
        let result = self.result.get().ok_or_else(unfinished)?;
        let columns = zip(result, &self.counted).map(|(column, counted)| match counted {
            Some(counted) => Some(counted.column()),
            None => column.clone(),
        });
        let columns = columns.collect::<Option<_>>().ok_or_else(unfinished)?;
        let schema = Arc::clone(&self.plan.output_schema);
        let one = RecordBatchOptions::new().with_row_count(Some(1));
        Ok(RecordBatch::try_new_with_options(schema, columns, &one)?)
    }
}

impl Source for UngroupedSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(1)
    }

    fn open(&self, _unit: usize, _context: &Arc<RunContext>) -> Result<BatchStream> {
        Ok(stream_of(std::iter::once(Ok(self.row()?))))
    }

    fn describe(&self) -> String {
        "aggregated row".to_string()
    }
}
