//! The last sink: batches to the caller over a bounded channel. A full channel parks the worker; the caller wakes it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use arrow::record_batch::RecordBatch;

use super::{CancelToken, Execution, Flow, RunContext, Sink};
use crate::error::{Error, Result};

/// Batches that may lie between the workers and the caller, for each worker.
const QUEUE_BATCHES: usize = 4;

#[derive(Debug, Default)]
struct Waiting(Mutex<Vec<Waker>>);

impl Waiting {
    fn add(&self, waker: &Waker) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(waker.clone());
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The sink at the end of every query that gives rows.
#[derive(Debug)]
pub(crate) struct OutputSink {
    sender: crossbeam_channel::Sender<RecordBatch>,
    /// Batches in the queue at which workers are parked: below its capacity by one place for each worker.
    full_at: usize,
    waiting: Arc<Waiting>,
}

impl OutputSink {
    fn is_full(&self) -> bool {
        self.sender.len() >= self.full_at
    }
}

/// The caller's end. Dropping it cancels the query.
#[derive(Debug)]
pub(crate) struct Receiver {
    receiver: crossbeam_channel::Receiver<RecordBatch>,
    waiting: Arc<Waiting>,
    cancel: CancelToken,
    /// Disconnects when the query is stopped.
    stopped: crossbeam_channel::Receiver<()>,
}

/// A sink and the end that the caller reads.
pub(crate) fn output(context: &RunContext) -> (OutputSink, Receiver) {
    let (sender, receiver) = crossbeam_channel::bounded((QUEUE_BATCHES + 1) * context.threads);
    let waiting = Arc::new(Waiting::default());
    let sink = OutputSink {
        sender,
        full_at: QUEUE_BATCHES * context.threads,
        waiting: Arc::clone(&waiting),
    };
    let (going, stopped) = crossbeam_channel::bounded(1);
    context.cancel.on_cancel(move || drop(going));
    (
        sink,
        Receiver {
            receiver,
            waiting,
            cancel: context.cancel.clone(),
            stopped,
        },
    )
}

impl Receiver {
    /// The next batch of `execution`; `None` when it is over and nothing is left.
    pub(crate) fn recv(&self, execution: &Execution) -> Result<Option<RecordBatch>> {
        let batch = crossbeam_channel::select! {
            recv(self.receiver) -> batch => batch.ok(),
            // Over: what was sent before the end is still in the queue.
            recv(execution.ended()) -> _ => self.receiver.try_recv().ok(),
            // A worker may be deep in a batch: the caller does not wait for it.
            recv(self.stopped) -> _ => {
                if let (false, Err(error)) = (execution.is_over(), self.cancel.check()) {
                    execution.fail(error);
                }
                self.receiver.try_recv().ok()
            }
        };
        if let Some(error) = execution.error() {
            return Err(error.clone());
        }
        self.waiting.wake_all();
        Ok(batch)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.waiting.wake_all();
    }
}

impl Sink for OutputSink {
    type Local = ();

    fn start(&self, _context: &Arc<RunContext>) -> Result<()> {
        Ok(())
    }

    fn poll_ready(&self, (): &mut (), waker: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.is_full() {
            return Poll::Ready(Ok(()));
        }
        self.waiting.add(waker.waker());
        // The caller may have emptied the queue before the waker was there.
        if self.is_full() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn push(&self, (): &mut (), batch: RecordBatch) -> Result<Flow> {
        // Other workers may have sent since `poll_ready`; the places above `full_at` are for them.
        match self.sender.try_send(batch) {
            Ok(()) => Ok(Flow::More),
            Err(crossbeam_channel::TrySendError::Disconnected(_)) => Ok(Flow::Done),
            Err(crossbeam_channel::TrySendError::Full(_)) => {
                Err(Error::bug("the output queue overflowed"))
            }
        }
    }

    fn finish(&self, _locals: Vec<()>, _context: &Arc<RunContext>) -> Result<()> {
        Ok(())
    }

    fn describe(&self) -> String {
        "output".to_string()
    }
}
