//! Pipelines of morsels on rayon.
//!
//! A [`graph::PipelineGraph`] holds pipelines. Each is a [`Source`] cut into units, a chain of [`Operator`]s and a [`Sink`].
//! Workers claim units, read batches from them and drive each batch through the operators into the sink
//! ([`worker`] is the one hot loop). A sink that holds everything back (a hash table, a sort) is a *breaker*: its result lies in
//! a slot, and a pipeline that reads the slot starts when the sink is finished ([`run`]).
//!
//! No worker ever waits: where a batch is not there yet, or the caller's queue is full, the worker is parked as a future is and
//! the waker puts it back on the pool.

mod cancel;
mod context;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod expr;
pub(crate) mod graph;
mod like;
pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod narrow;
mod notes;
pub(crate) mod operators;
pub(crate) mod output;
pub(crate) mod placed;
pub(crate) mod repeated;
mod run;
pub(crate) mod spill;
mod worker;

use std::any::Any;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::record_batch::RecordBatch;
use futures::Stream;

pub(crate) use cancel::{CancelToken, WeakToken};
pub(crate) use context::{RunContext, task_within};
pub(crate) use notes::Notes;
pub(crate) use output::{Receiver, output};
pub(crate) use run::{Execution, run};

use self::memory::Share;
use crate::error::Result;
use crate::file::{Pruned, RuntimeFilter};

/// Batches, as they come.
pub(crate) type BatchStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// A stream of what an iterator gives: for sources that never wait.
pub(crate) fn stream_of(
    batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
) -> BatchStream {
    Box::pin(futures::stream::iter(batches))
}

/// Whether more input is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    More,
    /// Whatever comes now changes nothing: stop reading.
    Done,
}

/// Where a pipeline's batches come from.
pub(crate) trait Source: Send + Sync + Debug {
    /// How many units the workers may claim. Called once, when every slot the source reads from is filled.
    fn units(&self, context: &Arc<RunContext>) -> Result<usize>;

    /// Whether its rows come from outside the query: from files or tables.
    fn reads_input(&self) -> bool {
        false
    }

    /// What it leaves out of what it could read, as far as that is known now. For EXPLAIN.
    fn pruned(&self) -> Vec<Pruned> {
        Vec::new()
    }

    /// About how many bytes there are to read, for the share that is done: 0 where nobody knows.
    fn input_bytes(&self) -> u64 {
        0
    }

    /// Offers a filter whose keys are these columns of the source. It may be used to leave out rows; whether it was taken is
    /// answered, so that nobody makes one in vain. Called before the run.
    fn offer(&self, _keys: &[usize], _filter: &Arc<dyn RuntimeFilter>) -> bool {
        false
    }

    /// The batches of one unit.
    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream>;

    /// One line for EXPLAIN.
    fn describe(&self) -> String;
}

/// A step from batches to batches that holds no more than a few of them.
pub(crate) trait Operator: Send + Sync + Debug {
    /// The state of one worker. Called when every slot the operator reads from is filled.
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>>;

    /// One line for EXPLAIN.
    fn describe(&self) -> String;
}

/// One worker's side of an operator. The worker pulls until there is nothing, then pushes the next batch.
pub(crate) trait OperatorState: Send {
    /// Takes a batch. Only called when the last `pull` gave `None`.
    fn push(&mut self, batch: RecordBatch) -> Result<()>;

    /// The next output, `None` until more is pushed. One call makes one batch of about the context's batch size, so that an
    /// operator that multiplies rows holds one output at a time.
    fn pull(&mut self) -> Result<Option<RecordBatch>>;

    /// There is no more input for this worker: later pulls give what was held back.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    /// No output can follow, whatever is pushed.
    fn flow(&self) -> Flow {
        Flow::More
    }
}

/// Where a pipeline's batches end.
pub(crate) trait Sink: Send + Sync + Debug {
    /// What one worker holds.
    type Local: Send + 'static;

    /// Called once before anything of the graph runs. A sink that holds much and can write it out gives its share of memory.
    fn share(&self, _context: &RunContext) -> Option<Arc<Share>> {
        None
    }

    fn start(&self, context: &Arc<RunContext>) -> Result<Self::Local>;

    fn push(&self, local: &mut Self::Local, batch: RecordBatch) -> Result<Flow>;

    /// Whether the sink can take a batch now; a sink that cannot wakes the worker when it can.
    fn poll_ready(&self, _local: &mut Self::Local, _waker: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Every worker of every pipeline that feeds this sink is done: fill the slots. Work worth sharing belongs into the units of
    /// the source that reads them.
    fn finish(&self, locals: Vec<Self::Local>, context: &Arc<RunContext>) -> Result<()>;

    /// One line for EXPLAIN.
    fn describe(&self) -> String;
}

/// [`Sink`] with the type of its local state hidden, so that a graph can hold any.
pub(crate) trait AnySink: Send + Sync + Debug {
    fn share(&self, context: &RunContext) -> Option<Arc<Share>>;
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn Any + Send>>;
    fn push(&self, local: &mut (dyn Any + Send), batch: RecordBatch) -> Result<Flow>;
    fn poll_ready(&self, local: &mut (dyn Any + Send), waker: &mut Context<'_>)
    -> Poll<Result<()>>;
    fn finish(&self, locals: Vec<Box<dyn Any + Send>>, context: &Arc<RunContext>) -> Result<()>;
    fn describe(&self) -> String;
}

fn local_of<S: Sink>(local: &mut (dyn Any + Send)) -> Result<&mut S::Local> {
    local
        .downcast_mut()
        .ok_or_else(|| crate::error::Error::bug("a sink met another sink's state"))
}

impl<S: Sink> AnySink for S {
    fn share(&self, context: &RunContext) -> Option<Arc<Share>> {
        Sink::share(self, context)
    }

    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn Any + Send>> {
        Ok(Box::new(Sink::start(self, context)?))
    }

    fn push(&self, local: &mut (dyn Any + Send), batch: RecordBatch) -> Result<Flow> {
        Sink::push(self, local_of::<S>(local)?, batch)
    }

    fn poll_ready(
        &self,
        local: &mut (dyn Any + Send),
        waker: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        Sink::poll_ready(self, local_of::<S>(local)?, waker)
    }

    fn finish(&self, locals: Vec<Box<dyn Any + Send>>, context: &Arc<RunContext>) -> Result<()> {
        let locals = locals
            .into_iter()
            .filter_map(|local| local.downcast().ok().map(|local| *local))
            .collect();
        Sink::finish(self, locals, context)
    }

    fn describe(&self) -> String {
        Sink::describe(self)
    }
}
