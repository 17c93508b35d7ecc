//! What every part of one running query shares.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};

use super::Notes;
use crate::error::{Error, ErrorKind, Result};

/// Stops a query from any thread. Clones stop the same query.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelToken(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    cancelled: AtomicBool,
    listeners: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for CancelState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cancelled: {:?}", self.cancelled)
    }
}

impl CancelToken {
    pub(crate) fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        let listeners = std::mem::take(
            &mut *self
                .0
                .listeners
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        listeners.into_iter().for_each(|listener| listener());
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Somebody else holds this token: the query still runs or is read.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "TM0507",
                "the query was cancelled",
            ));
        }
        Ok(())
    }

    /// Calls `listener` when the query is cancelled, so that a parked worker sees it.
    pub(crate) fn on_cancel(&self, listener: impl FnOnce() + Send + 'static) {
        self.0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(listener));
    }
}

/// What every part of one running query shares.
#[derive(Debug)]
pub(crate) struct RunContext {
    /// Rows an operator aims at in one batch.
    pub(crate) batch_rows: usize,
    /// Workers a pipeline may have.
    pub(crate) threads: usize,
    pub(crate) pool: Arc<rayon::ThreadPool>,
    pub(crate) cancel: CancelToken,
    /// DataFusion's session view: its memory pool is the query's budget.
    pub(crate) task: Arc<TaskContext>,
    /// Where a bridged DataFusion plan finds tokio.
    pub(crate) runtime: Arc<crate::exec::operators::bridge::LazyRuntime>,
    /// Rounds after which a recursion is taken for an endless one.
    pub(crate) max_recursion: usize,
    /// What the query's author should know of the rows it met.
    pub(crate) notes: Arc<Notes>,
}

impl RunContext {
    /// A part of the memory budget; `name` is the operator, named in the error when the budget ends.
    pub(crate) fn reserve(&self, name: &str) -> MemoryReservation {
        MemoryConsumer::new(name).register(self.task.memory_pool())
    }

    /// Into how many parts an exchange splits rows by hash.
    pub(crate) fn partitions(&self) -> usize {
        if self.threads == 1 {
            1
        } else {
            (self.threads * 4).next_power_of_two()
        }
    }

    /// The same for a query inside this one, which can be cancelled without it.
    pub(crate) fn inner(&self) -> Arc<RunContext> {
        Arc::new(RunContext {
            batch_rows: self.batch_rows,
            threads: self.threads,
            pool: Arc::clone(&self.pool),
            cancel: CancelToken::default(),
            task: Arc::clone(&self.task),
            runtime: Arc::clone(&self.runtime),
            max_recursion: self.max_recursion,
            notes: Arc::clone(&self.notes),
        })
    }

    /// A query of its own on a pool of its own, without a memory limit.
    #[cfg(test)]
    pub(crate) fn for_tests(threads: usize, batch_rows: usize) -> Arc<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Arc::new(RunContext {
            batch_rows,
            threads,
            pool: Arc::new(pool.unwrap()),
            cancel: CancelToken::default(),
            task: Arc::default(),
            runtime: Arc::default(),
            max_recursion: 10_000,
            notes: Arc::default(),
        })
    }
}
