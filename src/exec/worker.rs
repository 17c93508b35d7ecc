//! The one hot loop: a worker claims units of a pipeline's source and drives their batches through the operators into the sink.
//!
//! The order of one step follows Velox's driver: the last operator that has output is served first, so every operator holds at
//! most what one push made.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use futures::StreamExt;

use super::metrics::{PipelineMetrics, WorkerMetrics};
use super::spill::batch_bytes;
use super::{AnySink, BatchStream, Flow, OperatorState, RunContext};
use crate::error::{Error, Result};

/// How long a worker goes on before others on the pool have a turn.
const TURN: Duration = Duration::from_millis(20);

/// Why a worker's turn ended.
pub(super) enum Turn {
    /// It woke itself: put it at the end of the pool's queue.
    Again,
    /// It has no more to do; its sink state is `local`.
    Finished(Box<dyn Any + Send>),
}

/// One worker of one pipeline.
pub(super) struct Worker {
    reader: Option<BatchStream>,
    operators: Vec<Box<dyn OperatorState>>,
    sink: Arc<dyn AnySink>,
    local: Option<Box<dyn Any + Send>>,
    /// A batch on its way into operator `.0` (or the sink, where that is the number of operators).
    in_hand: Option<(usize, RecordBatch)>,
    source_ended: bool,
    /// How many operators have been told that their input is over.
    finished: usize,
    /// All of them have, and nothing more came out of any.
    drained: bool,
    sink_done: bool,
    metrics: Arc<PipelineMetrics>,
    did: WorkerMetrics,
    /// Measure the bytes of every step.
    analyze: bool,
}

impl Worker {
    pub(super) fn new(
        operators: Vec<Box<dyn OperatorState>>,
        sink: Arc<dyn AnySink>,
        local: Box<dyn Any + Send>,
        metrics: Arc<PipelineMetrics>,
        analyze: bool,
    ) -> Self {
        Worker {
            reader: None,
            operators,
            sink,
            local: Some(local),
            in_hand: None,
            source_ended: false,
            finished: 0,
            drained: false,
            sink_done: false,
            metrics,
            did: WorkerMetrics::default(),
            analyze,
        }
    }

    /// Runs until the work is done, the turn is over, or there is something to wait for.
    pub(super) fn run(
        &mut self,
        waker: &mut Context<'_>,
        context: &RunContext,
        mut claim: impl FnMut() -> Result<Option<BatchStream>>,
    ) -> Poll<Result<Turn>> {
        let started = Instant::now();
        let turn = self.turn(started, waker, context, &mut claim);
        self.did.busy += started.elapsed();
        if let Poll::Ready(Ok(Turn::Finished(_))) = &turn {
            self.metrics.worker_ended(self.did);
        }
        turn
    }

    fn turn(
        &mut self,
        started: Instant,
        waker: &mut Context<'_>,
        context: &RunContext,
        claim: &mut impl FnMut() -> Result<Option<BatchStream>>,
    ) -> Poll<Result<Turn>> {
        loop {
            context.cancel.check()?;
            if self.is_over() {
                let local = self
                    .local
                    .take()
                    .ok_or_else(|| Error::bug("a worker ended twice"))?;
                return Poll::Ready(Ok(Turn::Finished(local)));
            }
            ready!(self.step(waker, claim))?;
            if started.elapsed() > TURN {
                return Poll::Ready(Ok(Turn::Again));
            }
        }
    }

    fn is_over(&self) -> bool {
        self.sink_done || self.drained
    }

    /// Moves one batch one operator on.
    fn step(
        &mut self,
        waker: &mut Context<'_>,
        claim: &mut impl FnMut() -> Result<Option<BatchStream>>,
    ) -> Poll<Result<()>> {
        if let Some((position, batch)) = self.in_hand.take() {
            return self.deliver(position, batch, waker);
        }
        for position in (0..self.operators.len()).rev() {
            let clock = self.metrics.operator(position).start();
            let output = self.operators[position].pull()?;
            if let Some(batch) = output {
                self.metrics
                    .operator(position)
                    .stop(clock, batch.num_rows());
                if self.analyze {
                    let bytes = batch_bytes(&batch);
                    self.metrics.operator(position).count_bytes(bytes);
                }
                self.in_hand = Some((position + 1, batch));
                return Poll::Ready(Ok(()));
            }
            self.metrics.operator(position).stop(clock, 0);
            if self.operators[position].flow() == Flow::Done {
                // What lies before this operator is of no more use.
                self.source_ended = true;
                self.reader = None;
                self.finished = self.finished.max(position + 1);
                break;
            }
        }
        if self.source_ended {
            if self.finished < self.operators.len() {
                self.operators[self.finished].finish()?;
                self.finished += 1;
            } else {
                self.drained = true;
            }
            return Poll::Ready(Ok(()));
        }
        self.read(waker, claim)
    }

    fn deliver(
        &mut self,
        position: usize,
        batch: RecordBatch,
        waker: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        if position < self.operators.len() {
            let clock = self.metrics.operator(position).start();
            self.operators[position].push(batch)?;
            self.metrics.operator(position).stop(clock, 0);
            return Poll::Ready(Ok(()));
        }
        let local = self
            .local
            .as_deref_mut()
            .ok_or_else(|| Error::bug("a worker without a sink state"))?;
        if self.sink.poll_ready(local, waker)?.is_pending() {
            self.in_hand = Some((position, batch));
            return Poll::Pending;
        }
        let clock = self.metrics.sink.start();
        let rows = batch.num_rows();
        if self.analyze {
            self.metrics.sink.count_bytes(batch_bytes(&batch));
        }
        self.sink_done = self.sink.push(local, batch)? == Flow::Done;
        self.metrics.sink.stop(clock, rows);
        Poll::Ready(Ok(()))
    }

    fn read(
        &mut self,
        waker: &mut Context<'_>,
        claim: &mut impl FnMut() -> Result<Option<BatchStream>>,
    ) -> Poll<Result<()>> {
        let clock = self.metrics.source.start();
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => match claim()? {
                Some(reader) => self.reader.insert(reader),
                None => {
                    self.source_ended = true;
                    return Poll::Ready(Ok(()));
                }
            },
        };
        match ready!(reader.poll_next_unpin(waker)) {
            None => {
                self.reader = None;
                self.metrics.units_done.fetch_add(1, Ordering::Relaxed);
            }
            Some(batch) => {
                let batch = batch?;
                self.metrics.source.stop(clock, batch.num_rows());
                self.metrics.source.count_bytes(batch_bytes(&batch));
                self.did.rows += batch.num_rows() as u64;
                if batch.num_rows() > 0 {
                    self.in_hand = Some((0, batch));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
