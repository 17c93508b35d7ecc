//! What every part of one running query shares.

use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;

use super::Notes;
use super::cancel::CancelToken;
use super::memory::QueryMemory;
use super::spill::SpillSpace;
use crate::file::ReadTally;

/// What every part of one running query shares.
#[derive(Debug)]
pub(crate) struct RunContext {
    /// Rows an operator aims at in one batch.
    pub(crate) batch_rows: usize,
    /// Whether the bytes of every step are measured, not only those of sources.
    pub(crate) analyze: bool,
    /// Workers a pipeline may have.
    pub(crate) threads: usize,
    pub(crate) pool: Arc<rayon::ThreadPool>,
    pub(crate) cancel: CancelToken,
    /// DataFusion's session view: its memory pool is the query's memory.
    pub(crate) task: Arc<TaskContext>,
    /// What is reserved counts against this, where it is not the query's memory.
    pub(crate) charged: Option<Arc<dyn MemoryPool>>,
    /// What the query holds.
    pub(crate) memory: Arc<QueryMemory>,
    /// Where it writes what does not fit.
    pub(crate) spill: Arc<SpillSpace>,
    /// Where a bridged DataFusion plan finds tokio.
    pub(crate) runtime: Arc<crate::exec::operators::bridge::LazyRuntime>,
    /// Rounds after which a recursion is taken for an endless one.
    pub(crate) max_recursion: usize,
    /// What the query's author should know of the rows it met.
    pub(crate) notes: Arc<Notes>,
    /// Rows of text files that it read.
    pub(crate) tally: Arc<ReadTally>,
}

impl RunContext {
    /// A part of the memory budget; `name` is the operator, named in the error when the budget ends.
    pub(crate) fn reserve(&self, name: &str) -> MemoryReservation {
        let pool = self.charged.as_ref();
        MemoryConsumer::new(name).register(pool.unwrap_or_else(|| self.task.memory_pool()))
    }

    /// The same query; what is reserved counts against `pool`.
    pub(crate) fn charging(&self, pool: Arc<dyn MemoryPool>) -> Arc<RunContext> {
        Arc::new(RunContext {
            cancel: self.cancel.clone(),
            charged: Some(pool),
            ..self.parts()
        })
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
        Arc::new(self.parts())
    }

    /// What it consists of, to be cancelled by itself.
    fn parts(&self) -> RunContext {
        RunContext {
            batch_rows: self.batch_rows,
            analyze: self.analyze,
            threads: self.threads,
            pool: Arc::clone(&self.pool),
            cancel: CancelToken::default(),
            task: Arc::clone(&self.task),
            charged: None,
            memory: Arc::clone(&self.memory),
            spill: Arc::clone(&self.spill),
            runtime: Arc::clone(&self.runtime),
            max_recursion: self.max_recursion,
            notes: Arc::clone(&self.notes),
            tally: Arc::clone(&self.tally),
        }
    }

    /// A query of its own on a pool of its own, without a memory limit.
    #[cfg(test)]
    pub(crate) fn for_tests(threads: usize, batch_rows: usize) -> Arc<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Arc::new(RunContext {
            batch_rows,
            analyze: false,
            threads,
            pool: Arc::new(pool.unwrap()),
            cancel: CancelToken::default(),
            task: Arc::default(),
            charged: None,
            memory: Arc::default(),
            spill: Arc::default(),
            runtime: Arc::default(),
            max_recursion: 10_000,
            notes: Arc::default(),
            tally: Arc::default(),
        })
    }

    /// The same with a memory limit for operators that can write out what they hold.
    #[cfg(test)]
    pub(crate) fn for_tests_within(
        threads: usize,
        batch_rows: usize,
        memory_bytes: usize,
    ) -> Arc<Self> {
        let context = Arc::into_inner(Self::for_tests(threads, batch_rows)).unwrap();
        let memory = QueryMemory::new(&super::memory::Budget::new(Some(memory_bytes)));
        Arc::new(RunContext { memory, ..context })
    }
}

/// `task` with the query's memory as its memory pool, and its tally where plans that DataFusion runs find it.
pub(crate) fn task_within(
    task: TaskContext,
    memory: &Arc<QueryMemory>,
    tally: &Arc<ReadTally>,
) -> Arc<TaskContext> {
    let config = task.session_config().clone();
    let task = task.with_session_config(config.with_extension(Arc::clone(tally)));
    let runtime = task.runtime_env();
    let pool: Arc<dyn MemoryPool> = Arc::clone(memory) as _;
    Arc::new(task.with_runtime(Arc::new(RuntimeEnv {
        memory_pool: pool,
        disk_manager: Arc::clone(&runtime.disk_manager),
        cache_manager: Arc::clone(&runtime.cache_manager),
        object_store_registry: Arc::clone(&runtime.object_store_registry),
    })))
}
