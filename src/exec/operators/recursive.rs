//! Recursive queries: rounds of a query inside the query. Each round runs as pipelines of its own over the rows that the last
//! one found; the worker that drives the rounds is parked while one runs.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use futures::Stream;

use super::collect::Slot;
use super::memory::slices;
use crate::error::{Error, Result, Span};
use crate::exec::graph::PipelineGraph;
use crate::exec::{BatchStream, Execution, RunContext, Source, run};

/// Makes the pipelines of one round over the rows that the last one found, and says where they leave theirs.
pub(crate) type Round = dyn Fn(Vec<RecordBatch>) -> Result<(PipelineGraph, Slot)> + Send + Sync;

/// The rows of the first term, then those of every round, until one finds none.
#[derive(Clone)]
pub(crate) struct RecursiveSource {
    name: String,
    schema: SchemaRef,
    /// UNION DISTINCT: a row counts only when it comes first.
    distinct: bool,
    /// The rows of the term that does not recur.
    first: Slot,
    round: Arc<Round>,
    /// Where it stands in the text.
    place: Option<Span>,
}

impl fmt::Debug for RecursiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl RecursiveSource {
    pub(crate) fn new(
        name: String,
        schema: SchemaRef,
        distinct: bool,
        first: Slot,
        round: Arc<Round>,
    ) -> Self {
        RecursiveSource {
            name,
            schema,
            distinct,
            first,
            round,
            place: None,
        }
    }

    pub(crate) fn at(self, place: Option<Span>) -> Self {
        RecursiveSource { place, ..self }
    }
}

impl Source for RecursiveSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(1)
    }

    fn open(&self, _unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let seen = match self.distinct {
            false => None,
            true => Some(Seen::new(&self.schema, context)?),
        };
        let mut rounds = Rounds {
            source: self.clone(),
            context: Arc::clone(context),
            seen,
            found: Vec::new(),
            output: VecDeque::new(),
            running: None,
            last: None,
            rounds: 0,
        };
        let first = self
            .first
            .get()
            .ok_or_else(|| Error::bug("a recursion began before its first rows were there"))?;
        rounds.take_in(first)?;
        Ok(Box::pin(rounds))
    }

    fn describe(&self) -> String {
        let union = if self.distinct {
            "distinct rows"
        } else {
            "rows"
        };
        format!("recursion {}: {union} of rounds", self.name)
    }
}

struct Rounds {
    source: RecursiveSource,
    context: Arc<RunContext>,
    seen: Option<Seen>,
    /// The rows of the last round, for the next.
    found: Vec<RecordBatch>,
    /// Those of them that have not been handed on.
    output: VecDeque<RecordBatch>,
    running: Option<Running>,
    /// The round that made `found`: its memory stays counted while they are in use.
    last: Option<Running>,
    rounds: usize,
}

impl Stream for Rounds {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(batch) = self.output.pop_front() {
                return Poll::Ready(Some(Ok(batch)));
            }
            if let Some(running) = &self.running {
                ready!(running.execution.poll_ended(waker))?;
                self.end_round()?;
            } else if self.found.is_empty() {
                return Poll::Ready(None);
            } else {
                self.start_round()?;
            }
        }
    }
}

impl Rounds {
    fn start_round(&mut self) -> Result<()> {
        let max_rounds = self.context.max_recursion;
        if self.rounds == max_rounds {
            let message = format!("the recursion did not end after {max_rounds} rounds");
            let error = Error::run("TM0504", message)
                .hint("add a condition that ends it, such as WHERE depth < 100");
            return Err(match self.source.place {
                Some(place) => error.at(place),
                None => error,
            });
        }
        self.rounds += 1;
        let (graph, slot) = (self.source.round)(std::mem::take(&mut self.found))?;
        let context = self.context.inner();
        self.running = Some(Running {
            execution: run(graph, &context),
            context,
            slot,
        });
        Ok(())
    }

    fn end_round(&mut self) -> Result<()> {
        self.last = self.running.take();
        let slot = self.last.as_ref().map(|round| Arc::clone(&round.slot));
        let found = slot.as_ref().and_then(|slot| slot.get());
        self.take_in(found.ok_or_else(|| Error::bug("a round left no rows, not even none"))?)
    }

    /// Makes rows the input of the next round and the next output.
    fn take_in(&mut self, batches: &[RecordBatch]) -> Result<()> {
        for batch in batches {
            let batch = match &mut self.seen {
                None => batch.clone(),
                Some(seen) => seen.only_new(batch)?,
            };
            if batch.num_rows() > 0 {
                self.output.extend(slices(&batch, self.context.batch_rows));
                self.found.push(batch);
            }
        }
        Ok(())
    }
}

/// A round at work, or the last one.
struct Running {
    execution: Arc<Execution>,
    context: Arc<RunContext>,
    slot: Slot,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nobody waits for the rows any more: a LIMIT is reached, or the query around is cancelled.
        self.context.cancel.cancel();
    }
}

/// Every row there was.
struct Seen {
    rows: Box<dyn GroupValues>,
    memory: MemoryReservation,
    numbers: Vec<usize>,
}

impl Seen {
    fn new(schema: &SchemaRef, context: &RunContext) -> Result<Self> {
        Ok(Seen {
            rows: new_group_values(Arc::clone(schema), &GroupOrdering::None)?,
            memory: context.reserve("recursion"),
            numbers: Vec::new(),
        })
    }

    /// The rows of `batch` that have not been seen, each once.
    fn only_new(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut next = self.rows.len();
        self.numbers.clear();
        self.rows.intern(batch.columns(), &mut self.numbers)?;
        self.memory.try_resize(self.rows.size())?;
        // Numbers are given in the order in which rows are first seen.
        let new: BooleanArray = self
            .numbers
            .iter()
            .map(|number| {
                let is_new = *number >= next;
                next = next.max(number + 1);
                Some(is_new)
            })
            .collect();
        Ok(filter_record_batch(batch, &new)?)
    }
}
