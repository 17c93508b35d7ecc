//! The last sink: batches to the caller over a bounded channel. A full channel parks the worker; the caller wakes it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use arrow::record_batch::RecordBatch;
use futures::task::AtomicWaker;

use super::{CancelToken, Execution, Flow, RunContext, Sink};
use crate::error::{Error, Result};

/// Batches that may lie between the workers and the caller, for each worker.
const QUEUE_BATCHES: usize = 2;

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

/// A caller that polls: the task to wake when there is a batch, or the end.
#[derive(Debug, Default)]
struct Reader(AtomicWaker);

impl Wake for Reader {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }
}

/// The sink at the end of every query that gives rows.
#[derive(Debug)]
pub(crate) struct OutputSink {
    sender: crossbeam_channel::Sender<RecordBatch>,
    /// Batches in the queue at which workers are parked: below its capacity by one place for each worker.
    full_at: usize,
    waiting: Arc<Waiting>,
    reader: Arc<Reader>,
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
    reader: Arc<Reader>,
    /// The reader is woken when the query is over.
    hears_the_end: AtomicBool,
    /// Disconnects when the query is stopped.
    stopped: crossbeam_channel::Receiver<()>,
}

/// A sink and the end that the caller reads.
pub(crate) fn output(context: &RunContext) -> (OutputSink, Receiver) {
    let (sender, receiver) = crossbeam_channel::bounded((QUEUE_BATCHES + 1) * context.threads);
    let waiting = Arc::new(Waiting::default());
    let reader = Arc::new(Reader::default());
    let sink = OutputSink {
        sender,
        full_at: QUEUE_BATCHES * context.threads,
        waiting: Arc::clone(&waiting),
        reader: Arc::clone(&reader),
    };
    let (going, stopped) = crossbeam_channel::bounded(1);
    context.cancel.on_cancel(move || drop(going));
    (
        sink,
        Receiver {
            receiver,
            waiting,
            cancel: context.cancel.clone(),
            reader,
            hears_the_end: AtomicBool::new(false),
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

    /// The same for a task, which is woken when there is more to say.
    pub(crate) fn poll_recv(
        &self,
        execution: &Execution,
        waker: &Context<'_>,
    ) -> Poll<Result<Option<RecordBatch>>> {
        self.reader.0.register(waker.waker());
        if !self.hears_the_end.swap(true, Ordering::Relaxed) {
            let reader = Waker::from(Arc::clone(&self.reader));
            // Whether it is over already is asked below.
            let _ = execution.poll_ended(&Context::from_waker(&reader));
        }
        let is_over = execution.is_over();
        // What was sent before the end is still in the queue.
        let batch = self.receiver.try_recv().ok();
        if let Some(error) = execution.error() {
            return Poll::Ready(Err(error.clone()));
        }
        if batch.is_none() && !is_over {
            return Poll::Pending;
        }
        self.waiting.wake_all();
        Poll::Ready(Ok(batch))
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
            Ok(()) => {
                self.reader.0.wake();
                Ok(Flow::More)
            }
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
