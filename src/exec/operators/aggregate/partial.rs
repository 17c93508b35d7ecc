//! Phase 1: each worker groups what it reads.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::partitions::{Outbox, Partitions, partitions_of, used_bytes};
use super::plan::Aggregation;
use super::spilled::Spilled;
use super::table::{Cargo, GroupTable};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::exchange::Scatter;
use crate::exec::memory::{Room, Share, limit_reached};
use crate::exec::{Flow, RunContext, Sink};

/// Groups at which a worker's table overflows: what stays in a core's cache. (In tests small ones overflow, too.)
const TABLE_GROUPS: usize = if cfg!(test) { 24 } else { 64 * 1024 };
/// The same where keys are dense integers: one large table is then better than several.
const DENSE_TABLE_GROUPS: usize = if cfg!(test) { 48 } else { 4 * 1024 * 1024 };
/// Bytes at which it overflows, where groups are large...
const TABLE_BYTES: usize = 16 * 1024 * 1024;
const DENSE_TABLE_BYTES: usize = 16 * TABLE_BYTES;
/// ... and so many that it is not the size of each that counts: a few huge ones would only grow again.
const TABLE_GROUPS_AT_LEAST: usize = if cfg!(test) { 12 } else { 4 * 1024 };
/// A table that has met most groups there are may have so many times as many as another before it overflows.
const SETTLED: usize = 4;
/// Of 10 rows, so many or more were new groups: grouping here is a waste, the partitions do it once.
const POOR_REDUCTION: usize = 6;
/// Groups of all workers that one unit merges faster than several.
const FEW_GROUPS: usize = if cfg!(test) { 8 } else { 16 * 1024 };

/// The sink of phase 1.
#[derive(Debug)]
pub(super) struct GroupSink {
    plan: Arc<Aggregation>,
    partitions: Arc<Partitions>,
}

/// One worker's side.
pub(super) struct WorkerGroups {
    context: Arc<RunContext>,
    table: GroupTable,
    /// Rows that went into the table since it was empty, once for each grouping set.
    rows: usize,
    /// Whether the last batch had mostly groups that were there.
    is_settled: bool,
    /// The table's size, and the rows to come before it is looked at again.
    size: usize,
    rows_until_size: usize,
    /// Rows go to the partitions ungrouped.
    scatters: bool,
    /// There from the first overflow on.
    outbox: Option<Outbox>,
    memory: MemoryReservation,
    /// There where groups can be written out: decides when.
    room: Option<Room>,
    splitter: Option<Scatter>,
}

impl GroupSink {
    pub(super) fn new(plan: Arc<Aggregation>, partitions: Arc<Partitions>) -> Self {
        GroupSink { plan, partitions }
    }
}

impl Sink for GroupSink {
    type Local = WorkerGroups;

    fn share(&self, context: &RunContext) -> Option<Arc<Share>> {
        let spilled = self.partitions.spilled()?;
        Some(Arc::clone(spilled.share(context)))
    }

    fn start(&self, context: &Arc<RunContext>) -> Result<WorkerGroups> {
        let share = Sink::share(self, context);
        let context = match &share {
            Some(share) => &context.charging(share.as_pool()),
            None => context,
        };
        Ok(WorkerGroups {
            room: share.as_ref().map(Room::new),
            splitter: None,
            context: Arc::clone(context),
            table: GroupTable::new(&self.plan)?,
            rows: 0,
            is_settled: false,
            size: 0,
            rows_until_size: 0,
            scatters: false,
            outbox: None,
            memory: context.reserve("aggregate"),
        })
    }

    fn push(&self, worker: &mut WorkerGroups, batch: RecordBatch) -> Result<Flow> {
        let grouped = self.group(worker, &batch);
        match (grouped, self.partitions.spilled()) {
            // The rows are in a table or on their way to one; there is no room for more of them.
            (Err(error), Some(spilled)) if error.kind() == ErrorKind::Limit => {
                worker.write_out(spilled, &self.partitions)?;
            }
            (grouped, _) => grouped?,
        }
        Ok(match self.plan.limit {
            Some(limit) if worker.table.len() >= limit => Flow::Done,
            _ => Flow::More,
        })
    }

    fn finish(&self, mut workers: Vec<WorkerGroups>, context: &Arc<RunContext>) -> Result<()> {
        if let Some(spilled) = self
            .partitions
            .spilled()
            .filter(|spilled| spilled.is_used())
        {
            for worker in &mut workers {
                worker.write_out(spilled, &self.partitions)?;
            }
            drop(workers);
            return spilled.finish(context);
        }
        let filled = workers.iter().filter(|worker| !worker.table.is_empty());
        let groups: usize = workers.iter().map(|worker| worker.table.len()).sum();
        let in_one = self.plan.in_order || filled.count() <= 1 || groups <= FEW_GROUPS;
        if in_one && !self.partitions.are_used() {
            return self.finish_in_one(workers);
        }
        workers
            .into_par_iter()
            .map(|worker| worker.leave(&self.partitions))
            .collect()
    }

    fn describe(&self) -> String {
        self.plan.describe()
    }
}

impl GroupSink {
    fn group(&self, worker: &mut WorkerGroups, batch: &RecordBatch) -> Result<()> {
        let is_spilled = self.partitions.spilled().is_some_and(Spilled::is_used);
        if worker.scatters && !is_spilled {
            let inputs = Cargo::Inputs(worker.table.ungrouped(batch)?);
            worker.send(&inputs, &self.partitions)?;
        } else {
            let before = worker.table.len();
            worker.table.update(batch)?;
            let rows = batch.num_rows() * self.plan.group_by.groups().len().max(1);
            worker.rows += rows;
            worker.is_settled = worker.settles(before, rows);
            worker.look_at_size(batch.num_rows());
            if !is_spilled && self.overflows(worker) {
                worker.overflow(&self.partitions)?;
            }
        }
        worker.reserve()
    }

    /// One worker, or one partition, has nothing to gain from partitions.
    fn overflows(&self, worker: &WorkerGroups) -> bool {
        let groups = worker.table.len();
        let (most, bytes) = match worker.table.is_dense() {
            true => (DENSE_TABLE_GROUPS, DENSE_TABLE_BYTES),
            false if worker.is_settled => (SETTLED * TABLE_GROUPS, SETTLED * TABLE_BYTES),
            false => (TABLE_GROUPS, TABLE_BYTES),
        };
        (groups > most || groups > TABLE_GROUPS_AT_LEAST && worker.size > bytes)
            && worker.context.partitions() > 1
            && !self.plan.in_order
    }

    /// All workers' groups into the first table that has any.
    fn finish_in_one(&self, mut workers: Vec<WorkerGroups>) -> Result<()> {
        let first = workers
            .iter()
            .position(|worker| !worker.table.is_empty())
            .unwrap_or(0);
        if workers.is_empty() {
            return Err(Error::bug("an aggregate without a worker"));
        }
        let mut first = workers.swap_remove(first);
        if first.table.is_empty() {
            first.table.add_empty_sets()?;
        }
        let mut states = Vec::new();
        for mut worker in workers {
            if let Some(cargo) = worker.table.take_states()? {
                first.memory.grow(used_bytes(cargo.batch())?);
                states.push(cargo);
            }
        }
        if first.room.is_some() {
            first.memory.grow(first.size);
        }
        self.partitions.set_only(first.table, states, first.memory)
    }
}

impl WorkerGroups {
    /// Whether the table has met most groups there are, by the last `rows`, before which it had `before`. Of keys that are spread
    /// evenly there are no more than `SETTLED` times as many as groups where of four rows at most three are new ones, and they
    /// become fewer; keys that come in order bring as many as ever.
    fn settles(&self, before: usize, rows: usize) -> bool {
        let groups = self.table.len();
        let new = groups.saturating_sub(before);
        new * SETTLED <= rows * (SETTLED - 1) && new * self.rows * 10 <= groups * rows * 9
    }

    /// Measures the table after as many rows as it has groups: the measure may look at each group.
    fn look_at_size(&mut self, rows: usize) {
        if rows < self.rows_until_size {
            self.rows_until_size -= rows;
            return;
        }
        self.size = self.table.size();
        self.rows_until_size = self.table.len();
    }

    fn reserve(&mut self) -> Result<()> {
        let outbox = self.outbox.as_ref().map_or(0, Outbox::size);
        match &self.room {
            None => Ok(self.memory.try_resize(self.size + outbox)?),
            // States lie beside the table when they are written out.
            Some(room) if room.has_room_in_all((self.size + outbox) * 3 / 2) => Ok(()),
            Some(room) => Err(limit_reached(room.share().name(), room.share().limit())),
        }
    }

    /// Writes out all that this worker and the partitions hold.
    fn write_out(&mut self, spilled: &Spilled, partitions: &Partitions) -> Result<()> {
        let plan = partitions.plan();
        spilled.write(&mut self.table, &mut self.splitter, plan, &self.context)?;
        let outbox = self.outbox.take();
        partitions.write_out(spilled, outbox, &mut self.splitter, &self.context)?;
        self.rows = 0;
        self.size = self.table.size();
        self.rows_until_size = 0;
        if let Some(room) = &self.room {
            room.resize(self.size);
        }
        Ok(())
    }

    /// Empties the table into the partitions, and stops grouping if that did not pay.
    fn overflow(&mut self, partitions: &Partitions) -> Result<()> {
        let is_poor = self.table.len() * 10 >= self.rows * POOR_REDUCTION;
        // (With several grouping sets each row is several, and nowhere near new groups only.)
        self.scatters = is_poor && partitions.plan().group_by.groups().len() == 1;
        if let Some(states) = self.table.take_states()? {
            self.send(&states, partitions)?;
        }
        self.rows = 0;
        self.size = self.table.size();
        Ok(())
    }

    fn send(&mut self, cargo: &Cargo, partitions: &Partitions) -> Result<()> {
        let outbox = self
            .outbox
            .get_or_insert_with(|| Outbox::new(partitions_of(&self.context)));
        outbox.add(cargo, partitions.plan())?;
        outbox.send_large(partitions, &self.context)
    }

    /// Hands over all that is left.
    fn leave(mut self, partitions: &Partitions) -> Result<()> {
        let mut outbox = self
            .outbox
            .take()
            .unwrap_or_else(|| Outbox::new(partitions_of(&self.context)));
        if let Some(states) = self.table.take_states()? {
            outbox.add(&states, partitions.plan())?;
        }
        // The partitions reserve what they get.
        self.memory.free();
        outbox.leave(partitions, &self.context);
        Ok(())
    }
}
