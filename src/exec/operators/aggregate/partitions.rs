//! Groups cut by hash: where the states of all workers meet.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;

use super::plan::Aggregation;
use super::table::GroupTable;
use crate::error::{Error, Result};
use crate::exec::RunContext;
use crate::exec::exchange::Scatter;

/// Rows of states that a worker collects for a partition before it merges them into the partition's table.
const MERGE_ROWS: usize = if cfg!(test) { 16 } else { 16 * 1024 };

/// Bytes at which it merges them, where states are large.
const MERGE_BYTES: usize = 4 * 1024 * 1024;

/// The partitions of one aggregate. How many there are is known when the first worker overflows, or else at the end.
#[derive(Debug)]
pub(super) struct Partitions {
    plan: Arc<Aggregation>,
    all: OnceLock<Vec<Mutex<Partition>>>,
}

/// One part of the groups: a table, and states that are not in it yet.
#[derive(Debug, Default)]
pub(super) struct Partition {
    table: Option<GroupTable>,
    states: Vec<RecordBatch>,
    memory: Option<MemoryReservation>,
}

impl Partitions {
    pub(super) fn new(plan: Arc<Aggregation>) -> Self {
        Partitions {
            plan,
            all: OnceLock::new(),
        }
    }

    pub(super) fn plan(&self) -> &Arc<Aggregation> {
        &self.plan
    }

    /// Whether a worker has overflowed.
    pub(super) fn are_used(&self) -> bool {
        self.all.get().is_some()
    }

    /// All of them; there are `number` if there were none before.
    fn get_or_make(&self, number: usize) -> &[Mutex<Partition>] {
        self.all.get_or_init(|| {
            std::iter::repeat_with(Mutex::default)
                .take(number)
                .collect()
        })
    }

    pub(super) fn number(&self) -> usize {
        self.all.get().map_or(0, Vec::len)
    }

    /// Makes `table` the only partition; `states` are still to be merged into it.
    pub(super) fn set_only(
        &self,
        table: GroupTable,
        states: Vec<RecordBatch>,
        memory: MemoryReservation,
    ) -> Result<()> {
        let only = Partition {
            table: Some(table),
            states,
            memory: Some(memory),
        };
        self.all
            .set(vec![Mutex::new(only)])
            .map_err(|_| Error::bug("an aggregate was finished twice"))
    }

    /// Takes partition `number` out, with all states merged.
    pub(super) fn take(
        &self,
        number: usize,
        context: &RunContext,
    ) -> Result<(Option<GroupTable>, Option<MemoryReservation>)> {
        let partition = self
            .all
            .get()
            .and_then(|all| all.get(number))
            .ok_or_else(|| Error::bug("an aggregate was read before it was finished"))?;
        let mut partition = std::mem::take(&mut *lock(partition));
        let states = std::mem::take(&mut partition.states);
        partition.merge(states, &self.plan, context)?;
        Ok((partition.table, partition.memory))
    }
}

impl Partition {
    /// Merges `states` into the table, which is made where there is none.
    fn merge(
        &mut self,
        states: Vec<RecordBatch>,
        plan: &Arc<Aggregation>,
        context: &RunContext,
    ) -> Result<()> {
        if states.is_empty() {
            return Ok(());
        }
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(GroupTable::new(plan)?),
        };
        let memory = self
            .memory
            .get_or_insert_with(|| context.reserve("aggregate"));
        for batch in states {
            context.cancel.check()?;
            table.merge(&batch)?;
        }
        Ok(memory.try_resize(table.size())?)
    }
}

fn lock(partition: &Mutex<Partition>) -> MutexGuard<'_, Partition> {
    partition.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that the rows of `batch` take. (Arrays may be slices of much larger ones.)
pub(super) fn used_bytes(batch: &RecordBatch) -> Result<usize> {
    batch.columns().iter().try_fold(0, |bytes, column| {
        let beside_views = match column.data_type() {
            DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
            DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
            _ => 0,
        };
        Ok(bytes + beside_views + column.to_data().get_slice_memory_size()?)
    })
}

/// What one worker has for the partitions.
#[derive(Debug)]
pub(super) struct Outbox {
    scatter: Scatter,
    partitions: usize,
    parcels: Vec<Parcel>,
}

/// What one worker has for one partition.
#[derive(Debug, Default)]
struct Parcel {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(partitions: usize) -> Self {
        Outbox {
            scatter: Scatter::new(partitions),
            partitions,
            parcels: std::iter::repeat_with(Parcel::default)
                .take(partitions)
                .collect(),
        }
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.parcels.iter().map(|parcel| parcel.bytes).sum()
    }

    /// Cuts `states` by their keys.
    pub(super) fn add(&mut self, states: &RecordBatch, plan: &Aggregation) -> Result<()> {
        let bytes_per_row = used_bytes(states)? / states.num_rows().max(1);
        let keys = &states.columns()[..plan.key_columns()];
        for (number, part) in self.scatter.split(states, keys)? {
            let parcel = &mut self.parcels[number];
            parcel.rows += part.num_rows();
            parcel.bytes += part.num_rows() * bytes_per_row;
            parcel.batches.push(part);
        }
        Ok(())
    }

    /// Merges large parcels, so that memory grows with the groups and not with the rows. A partition that another worker is
    /// merging into has to wait: nobody stands in line for it.
    pub(super) fn send_large(&mut self, to: &Partitions, context: &RunContext) -> Result<()> {
        for (partition, parcel) in to
            .get_or_make(self.partitions)
            .iter()
            .zip(&mut self.parcels)
        {
            if parcel.rows < MERGE_ROWS && parcel.bytes < MERGE_BYTES {
                continue;
            }
            let mut partition = match partition.try_lock() {
                Ok(partition) => partition,
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Poisoned(partition)) => partition.into_inner(),
            };
            let parcel = std::mem::take(parcel);
            partition.merge(parcel.batches, to.plan(), context)?;
        }
        Ok(())
    }

    /// Leaves the rest with the partitions, to be merged when they are taken.
    pub(super) fn leave(self, with: &Partitions, context: &RunContext) -> Result<()> {
        for (partition, parcel) in with.get_or_make(self.partitions).iter().zip(self.parcels) {
            let mut partition = lock(partition);
            let memory = partition
                .memory
                .get_or_insert_with(|| context.reserve("aggregate"));
            memory.try_grow(parcel.bytes)?;
            partition.states.extend(parcel.batches);
        }
        Ok(())
    }
}
