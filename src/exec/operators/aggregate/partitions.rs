//! Groups cut by hash: where the states of all workers meet.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;

use super::plan::Aggregation;
use super::spilled::Spilled;
use super::table::{Cargo, GroupTable};
use crate::error::{Error, Result};
use crate::exec::RunContext;
use crate::exec::exchange::Scatter;

/// Rows that a worker collects for a partition before it hands them over.
const PARCEL_ROWS: usize = if cfg!(test) { 16 } else { 4 * 1024 };
/// Bytes at which it hands them over, where states are large.
const PARCEL_BYTES: usize = 1024 * 1024;

/// Rows that wait with a partition before they are merged into its table. Not less than half of the groups it has: the table has
/// to come back into the cache each time.
const MERGE_ROWS: usize = if cfg!(test) { 32 } else { 16 * 1024 };
/// Bytes at which they are merged.
const MERGE_BYTES: usize = 4 * 1024 * 1024;

/// How many partitions for each that an exchange has: the tables of most aggregates then fit a core's cache one by one.
const FINER: usize = if cfg!(test) { 1 } else { 8 };

/// Into how many partitions groups are cut.
pub(super) fn partitions_of(context: &RunContext) -> usize {
    match context.partitions() {
        1 => 1,
        many => many * FINER,
    }
}

/// The partitions of one aggregate. How many there are is known when the first worker overflows, or else at the end.
#[derive(Debug)]
pub(super) struct Partitions {
    plan: Arc<Aggregation>,
    all: OnceLock<Vec<Mutex<Partition>>>,
    /// Where groups go that do not fit; none where they must stay.
    spilled: Option<Spilled>,
}

/// One part of the groups: a table, and what is not in it yet.
#[derive(Debug, Default)]
pub(super) struct Partition {
    table: Option<GroupTable>,
    waiting: Parcel,
    memory: Option<MemoryReservation>,
}

impl Partitions {
    /// With `spilled` for groups that do not fit.
    pub(super) fn new(plan: Arc<Aggregation>, spilled: Option<Spilled>) -> Self {
        Partitions {
            plan,
            all: OnceLock::new(),
            spilled,
        }
    }

    pub(super) fn spilled(&self) -> Option<&Spilled> {
        self.spilled.as_ref()
    }

    /// Writes out what all partitions hold, and what lies in `outbox`.
    pub(super) fn write_out(
        &self,
        spilled: &Spilled,
        outbox: Option<Outbox>,
        splitter: &mut Option<Scatter>,
        context: &RunContext,
    ) -> Result<()> {
        let parcels = outbox.into_iter().flat_map(|outbox| outbox.parcels);
        let mut write = |mut partition: Partition| {
            partition.merge(&self.plan, context)?;
            match &mut partition.table {
                Some(table) => spilled.write(table, splitter, &self.plan, context),
                None => Ok(()),
            }
        };
        for waiting in parcels {
            write(Partition {
                waiting,
                ..Partition::default()
            })?;
        }
        for partition in self.all.get().into_iter().flatten() {
            let partition = std::mem::take(&mut *lock(partition));
            write(partition)?;
        }
        Ok(())
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
        states: Vec<Cargo>,
        memory: MemoryReservation,
    ) -> Result<()> {
        let only = Partition {
            table: Some(table),
            waiting: Parcel {
                cargo: states,
                ..Parcel::default()
            },
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
        partition.merge(&self.plan, context)?;
        Ok((partition.table, partition.memory))
    }
}

impl Partition {
    /// Adds a parcel, which is counted already, to what waits.
    fn take_in(&mut self, parcel: Parcel) {
        self.waiting.rows += parcel.rows;
        self.waiting.bytes += parcel.bytes;
        self.waiting.cargo.extend(parcel.cargo);
    }

    fn is_merge_due(&self) -> bool {
        let groups = self.table.as_ref().map_or(0, GroupTable::len);
        self.waiting.rows >= MERGE_ROWS.max(groups / 2)
            || self.waiting.bytes >= MERGE_BYTES && self.waiting.rows >= groups / 2
    }

    /// Merges what waits into the table, which is made where there is none.
    fn merge(&mut self, plan: &Arc<Aggregation>, context: &RunContext) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.cargo.is_empty() {
            return Ok(());
        }
        let table = match &mut self.table {
            Some(table) => table,
            None => self.table.insert(GroupTable::new(plan)?),
        };
        for cargo in &waiting.cargo {
            context.cancel.check()?;
            table.absorb(cargo)?;
        }
        drop(waiting);
        let size = table.size();
        let memory = self.memory(context);
        // It is there already; whoever adds more is told that there is no room.
        memory.resize(size);
        Ok(())
    }

    fn memory(&mut self, context: &RunContext) -> &mut MemoryReservation {
        self.memory
            .get_or_insert_with(|| context.reserve("aggregate"))
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

/// What one worker has for one partition, or a partition for its table.
#[derive(Debug, Default)]
struct Parcel {
    cargo: Vec<Cargo>,
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

    /// Cuts `cargo` by its keys.
    pub(super) fn add(&mut self, cargo: &Cargo, plan: &Aggregation) -> Result<()> {
        let batch = cargo.batch();
        let bytes_per_row = used_bytes(batch)? / batch.num_rows().max(1);
        let keys = &batch.columns()[..plan.key_columns()];
        for (number, part) in self.scatter.split(batch, keys)? {
            let parcel = &mut self.parcels[number];
            parcel.rows += part.num_rows();
            parcel.bytes += part.num_rows() * bytes_per_row;
            parcel.cargo.push(cargo.part(part));
        }
        Ok(())
    }

    /// Hands over large parcels, and merges where enough is waiting, so that memory grows with the groups and not with the rows. A
    /// partition that another worker is merging has to wait: nobody stands in line for it.
    pub(super) fn send_large(&mut self, to: &Partitions, context: &RunContext) -> Result<()> {
        for (partition, parcel) in to
            .get_or_make(self.partitions)
            .iter()
            .zip(&mut self.parcels)
        {
            if parcel.rows < PARCEL_ROWS && parcel.bytes < PARCEL_BYTES {
                continue;
            }
            let mut partition = match partition.try_lock() {
                Ok(partition) => partition,
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Poisoned(partition)) => partition.into_inner(),
            };
            partition.memory(context).try_grow(parcel.bytes)?;
            partition.take_in(std::mem::take(parcel));
            if partition.is_merge_due() {
                partition.merge(to.plan(), context)?;
            }
        }
        Ok(())
    }

    /// Leaves the rest with the partitions, to be merged when they are taken.
    pub(super) fn leave(self, with: &Partitions, context: &RunContext) {
        for (partition, parcel) in with.get_or_make(self.partitions).iter().zip(self.parcels) {
            let mut partition = lock(partition);
            // The worker that hands it over no longer holds it.
            partition.memory(context).grow(parcel.bytes);
            partition.take_in(parcel);
        }
    }
}
