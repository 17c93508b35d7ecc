//! Any DataFusion plan as a source: its stream is polled by the worker, inside a tokio runtime that is made at first need.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arrow::record_batch::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{Stream, StreamExt};

use crate::error::{Error, ErrorKind, Result};
use crate::exec::{BatchStream, RunContext, Source};

/// A tokio runtime that starts when a plan first asks for it.
#[derive(Default)]
pub(crate) struct LazyRuntime(Mutex<Option<Arc<tokio::runtime::Runtime>>>);

impl fmt::Debug for LazyRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyRuntime")
    }
}

impl LazyRuntime {
    /// The runtime. One thread: it only serves what foreign plans spawn.
    pub(crate) fn get(&self) -> Result<Arc<tokio::runtime::Runtime>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*slot {
            return Ok(Arc::clone(runtime));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tidemill-bridge")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    "TM0701",
                    format!("no thread could be started: {error}"),
                )
            })?;
        Ok(Arc::clone(slot.insert(Arc::new(runtime))))
    }
}

impl Drop for LazyRuntime {
    fn drop(&mut self) {
        // A runtime must not be dropped by one of its own threads while it waits for them.
        if let Some(runtime) = self
            .0
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .and_then(Arc::into_inner)
        {
            runtime.shutdown_background();
        }
    }
}

/// One unit for each partition of the plan.
#[derive(Debug)]
pub(crate) struct BridgeSource {
    plan: Arc<dyn ExecutionPlan>,
}

impl BridgeSource {
    pub(crate) fn new(plan: Arc<dyn ExecutionPlan>) -> Self {
        BridgeSource { plan }
    }
}

impl Source for BridgeSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.plan.output_partitioning().partition_count())
    }

    fn reads_input(&self) -> bool {
        true
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let runtime = context.runtime.get()?;
        let guard = runtime.enter();
        let stream = self.plan.execute(unit, Arc::clone(&context.task))?;
        drop(guard);
        Ok(Box::pin(Bridged { stream, runtime }))
    }

    fn describe(&self) -> String {
        format!("bridge to {}", self.plan.name())
    }
}

/// A DataFusion stream that finds its runtime whenever it is polled.
struct Bridged {
    stream: SendableRecordBatchStream,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl Stream for Bridged {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let runtime = Arc::clone(&self.runtime);
        let _guard = runtime.enter();
        self.stream
            .poll_next_unpin(context)
            .map(|batch| batch.map(|batch| batch.map_err(Error::from)))
    }
}
