//! Workers of a graph on the pool: who starts when, who is last, and the first error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::graph::{After, PipelineGraph, PipelineId, SinkId};
use super::memory::Share;
use super::metrics::{ExecutionProgress, PipelineMetrics, PipelineSize};
use super::worker::{Turn, Worker};
use super::{BatchStream, RunContext};
use crate::error::{Error, Result};
use crate::file::panic_text;

/// A graph that runs. Whoever holds it can ask for the first error and the metrics.
#[derive(Debug)]
pub(crate) struct Execution {
    graph: PipelineGraph,
    context: Arc<RunContext>,
    /// Of each sink that has one: asked for before anything runs, so that no operator comes too late.
    shares: Vec<Option<Arc<Share>>>,
    pipelines: Vec<PipelineState>,
    sinks: Vec<SinkState>,
    sinks_left: AtomicUsize,
    first_error: OnceLock<Error>,
    /// Taken away when the last sink is finished or the first error is known.
    going: Mutex<Option<Going>>,
    ended: crossbeam_channel::Receiver<()>,
}

/// Who waits for the end: threads for `ended` to disconnect, tasks for their wakers.
#[derive(Debug)]
struct Going {
    _ended: crossbeam_channel::Sender<()>,
    wakers: Vec<Waker>,
}

struct PipelineState {
    waits: AtomicUsize,
    workers_left: AtomicUsize,
    next_unit: AtomicUsize,
    units: OnceLock<usize>,
    metrics: Arc<PipelineMetrics>,
}

struct SinkState {
    feeders_left: AtomicUsize,
    locals: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl std::fmt::Debug for PipelineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.metrics)
    }
}

impl std::fmt::Debug for SinkState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} feeders left",
            self.feeders_left.load(Ordering::Relaxed)
        )
    }
}

/// Starts a graph. It goes on by itself on the context's pool; this returns at once.
pub(crate) fn run(graph: PipelineGraph, context: &Arc<RunContext>) -> Arc<Execution> {
    let pipelines: Vec<PipelineState> = graph
        .pipelines
        .iter()
        .map(|pipeline| PipelineState {
            // One more than it waits for: the start below takes it away.
            waits: AtomicUsize::new(pipeline.after.len() + 1),
            workers_left: AtomicUsize::new(0),
            next_unit: AtomicUsize::new(0),
            units: OnceLock::new(),
            metrics: PipelineMetrics::new(pipeline.operators.len()),
        })
        .collect();
    let sinks: Vec<SinkState> = (0..graph.sinks.len())
        .map(|sink| SinkState {
            feeders_left: AtomicUsize::new(
                graph
                    .pipelines
                    .iter()
                    .filter(|pipeline| pipeline.sink == SinkId(sink))
                    .count(),
            ),
            locals: Mutex::new(Vec::new()),
        })
        .collect();
    let shares = (graph.sinks.iter().map(|sink| sink.share(context))).collect();
    let (going, ended) = crossbeam_channel::bounded(1);
    let execution = Arc::new(Execution {
        sinks_left: AtomicUsize::new(sinks.len()),
        graph,
        context: Arc::clone(context),
        shares,
        pipelines,
        sinks,
        first_error: OnceLock::new(),
        going: Mutex::new(Some(Going {
            _ended: going,
            wakers: Vec::new(),
        })),
        ended,
    });
    for position in 0..execution.pipelines.len() {
        let execution = Arc::clone(&execution);
        context
            .pool
            .spawn_fifo(move || execution.released(PipelineId(position)));
    }
    execution
}

impl Execution {
    /// The first thing that went wrong, in any worker. The query is over when there is one.
    pub(crate) fn error(&self) -> Option<&Error> {
        self.first_error.get()
    }

    /// The graph that runs.
    pub(crate) fn graph(&self) -> &PipelineGraph {
        &self.graph
    }

    /// What the query shares.
    pub(crate) fn context(&self) -> &RunContext {
        &self.context
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> ExecutionProgress {
        let sources = self.graph.pipelines.iter();
        let pipelines = self.pipelines.iter().zip(sources);
        ExecutionProgress::of(pipelines.map(|(state, pipeline)| {
            let size = match pipeline.source.reads_input() {
                true => PipelineSize::Input(pipeline.source.input_bytes()),
                false => PipelineSize::Inner,
            };
            (state.metrics.as_ref(), size)
        }))
    }

    /// Nothing of it runs any more, or an error ended it.
    pub(crate) fn is_over(&self) -> bool {
        let going = self.going.lock();
        going.unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The memory that a sink asked for.
    pub(crate) fn share(&self, sink: SinkId) -> Option<&Arc<Share>> {
        self.shares.get(sink.0).and_then(Option::as_ref)
    }

    /// What pipeline `position` of the graph did so far.
    pub(crate) fn metrics(&self, position: usize) -> &PipelineMetrics {
        &self.pipelines[position].metrics
    }

    /// Disconnects when the query is over, for whatever reason.
    pub(crate) fn ended(&self) -> &crossbeam_channel::Receiver<()> {
        &self.ended
    }

    /// Waits until the query is over.
    pub(crate) fn wait(&self) -> Result<()> {
        // Nothing is ever sent: this returns when the sender is gone.
        let _ = self.ended.recv();
        self.error().cloned().map_or(Ok(()), Err)
    }

    /// Whether the query is over, and how; if not, wakes the task when it is.
    pub(super) fn poll_ended(&self, waker: &Context<'_>) -> Poll<Result<()>> {
        let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(going) = going.as_mut() {
            going.wakers.push(waker.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.error().cloned().map_or(Ok(()), Err))
    }

    fn end(&self) {
        let going = self
            .going
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(going) = going {
            going.wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Ends it for whoever waits; its workers stop at their next batch.
    pub(super) fn fail(&self, error: Error) {
        // Cancelling is how the others are told; the first error is the one reported.
        if self.first_error.set(error).is_ok() {
            self.context.cancel.fail();
            self.end();
        }
    }

    /// One of the things that `pipeline` waits for is over.
    fn released(self: Arc<Self>, pipeline: PipelineId) {
        if self.pipelines[pipeline.0]
            .waits
            .fetch_sub(1, Ordering::AcqRel)
            != 1
        {
            return;
        }
        if let Err(error) = guarded(|| self.start(pipeline)) {
            self.fail(error);
        }
    }

    fn start(self: &Arc<Self>, id: PipelineId) -> Result<()> {
        self.context.cancel.check()?;
        let pipeline = &self.graph.pipelines[id.0];
        let state = &self.pipelines[id.0];
        let units = pipeline.source.units(&self.context)?;
        state.metrics.units.store(units as u64, Ordering::Relaxed);
        state.units.get_or_init(|| units);
        // One worker even without units: operators and sinks may owe an answer to no input at all.
        let workers = if pipeline.ordered {
            1
        } else {
            units.clamp(1, self.context.threads)
        };
        state.workers_left.store(workers, Ordering::Release);
        for _ in 0..workers {
            let operators = pipeline
                .operators
                .iter()
                .map(|operator| operator.start(&self.context))
                .collect::<Result<_>>()?;
            let sink = Arc::clone(&self.graph.sinks[pipeline.sink.0]);
            let local = sink.start(&self.context)?;
            let worker = Worker::new(
                operators,
                sink,
                local,
                Arc::clone(&state.metrics),
                self.context.analyze,
            );
            let task = Arc::new(Task {
                execution: Arc::clone(self),
                pipeline: id,
                worker: Mutex::new(Some(worker)),
                state: AtomicU8::new(IDLE),
                registered: AtomicBool::new(false),
            });
            task.wake();
        }
        Ok(())
    }

    fn claim(&self, id: PipelineId) -> Result<Option<BatchStream>> {
        let state = &self.pipelines[id.0];
        let unit = state.next_unit.fetch_add(1, Ordering::Relaxed);
        if unit >= state.units.get().copied().unwrap_or(0) {
            return Ok(None);
        }
        self.graph.pipelines[id.0]
            .source
            .open(unit, &self.context)
            .map(Some)
    }

    /// A worker of pipeline `id` is done; the last one may finish the sink and release others.
    fn worker_done(self: &Arc<Self>, id: PipelineId, local: Box<dyn Any + Send>) -> Result<()> {
        let sink_id = self.graph.pipelines[id.0].sink;
        let sink = &self.sinks[sink_id.0];
        sink.locals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(local);
        if self.pipelines[id.0]
            .workers_left
            .fetch_sub(1, Ordering::AcqRel)
            != 1
        {
            return Ok(());
        }
        self.pipelines[id.0]
            .metrics
            .over
            .store(true, Ordering::Relaxed);
        self.release_those_after(After::Pipeline(id));
        if sink.feeders_left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return Ok(());
        }
        let locals =
            std::mem::take(&mut *sink.locals.lock().unwrap_or_else(PoisonError::into_inner));
        self.graph.sinks[sink_id.0].finish(locals, &self.context)?;
        self.release_those_after(After::Sink(sink_id));
        if self.sinks_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end();
        }
        Ok(())
    }

    fn release_those_after(self: &Arc<Self>, event: After) {
        for (position, pipeline) in self.graph.pipelines.iter().enumerate() {
            for _ in pipeline.after.iter().filter(|after| **after == event) {
                let execution = Arc::clone(self);
                self.context
                    .pool
                    .spawn_fifo(move || execution.released(PipelineId(position)));
            }
        }
    }
}

/// Runs `work`; a panic in it is an error of this query alone.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic_text(panic.as_ref());
        let first = text.lines().next().unwrap_or_default();
        Err(Error::bug(format!("a worker panicked: {first}")))
    })
}

/// Drops a worker. A source of the program's own may panic when it is dropped.
fn let_go(worker: &mut Option<Worker>) -> Result<()> {
    guarded(|| {
        *worker = None;
        Ok(())
    })
}

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2;
/// Woken while running: to be scheduled again.
const WOKEN: u8 = 3;

/// A worker that can be parked: a future with rayon as its executor.
struct Task {
    execution: Arc<Execution>,
    pipeline: PipelineId,
    worker: Mutex<Option<Worker>>,
    state: AtomicU8,
    registered: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let before = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| match state {
                IDLE => Some(SCHEDULED),
                RUNNING => Some(WOKEN),
                _ => None,
            });
        if before == Ok(IDLE) {
            let pool = Arc::clone(&self.execution.context.pool);
            pool.spawn_fifo(move || self.turn());
        }
    }
}

impl Task {
    fn turn(self: Arc<Self>) {
        self.state.store(RUNNING, Ordering::Release);
        let waker = Waker::from(Arc::clone(&self));
        if !self.registered.swap(true, Ordering::Relaxed) {
            let task = Arc::downgrade(&self);
            self.execution
                .context
                .cancel
                .on_cancel(move || task.upgrade().into_iter().for_each(Wake::wake));
        }
        // Nobody else runs this task, so the lock is free.
        let mut slot = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(worker) = slot.as_mut() else { return };
        let execution = &self.execution;
        let outcome = guarded(|| {
            match worker.run(&mut Context::from_waker(&waker), &execution.context, || {
                execution.claim(self.pipeline)
            }) {
                Poll::Pending => Ok(None),
                Poll::Ready(turn) => turn.map(Some),
            }
        });
        match outcome {
            Ok(None) => {
                drop(slot);
                if self
                    .state
                    .compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire)
                    .is_err()
                {
                    self.schedule();
                }
            }
            Ok(Some(Turn::Again)) => {
                drop(slot);
                self.schedule();
            }
            Ok(Some(Turn::Finished(local))) => {
                let done = let_go(&mut slot);
                drop(slot);
                let done =
                    done.and_then(|()| guarded(|| execution.worker_done(self.pipeline, local)));
                if let Err(error) = done {
                    execution.fail(error);
                }
            }
            Err(error) => {
                // What else goes wrong on the way out is not what was wrong first.
                let _ = let_go(&mut slot);
                drop(slot);
                execution.fail(error);
            }
        }
    }

    fn schedule(self: Arc<Self>) {
        self.state.store(SCHEDULED, Ordering::Release);
        let pool = Arc::clone(&self.execution.context.pool);
        pool.spawn_fifo(move || self.turn());
    }
}
