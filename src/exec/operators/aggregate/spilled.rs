//! Groups that do not fit: states go to files by the hash of their keys, and each file is grouped by itself. One that does not
//! fit either is split again.

use std::sync::{Arc, OnceLock};

use arrow::compute::cast;
use arrow::record_batch::RecordBatch;

use super::plan::Aggregation;
use super::table::{Cargo, GroupTable, batch_of};
use crate::error::{Error, Result};
use crate::exec::RunContext;
use crate::exec::exchange::Scatter;
use crate::exec::memory::{Room, Share, ShareSlot, limit_reached};
use crate::exec::operators::memory::slices;
use crate::exec::spill::{Scattered, SpillFile, batch_bytes};

/// How often states are split: a file that is too large then holds groups that are too large by themselves.
const LEVELS: u32 = 6;

const NAME: &str = "aggregate";

/// What the workers of one aggregate wrote out.
#[derive(Debug)]
pub(super) struct Spilled {
    share: ShareSlot,
    /// There from the moment on at which groups do not fit.
    states: OnceLock<Scattered>,
    files: OnceLock<Vec<Option<SpillFile>>>,
}

impl Spilled {
    /// What is held and written counts for the owner of the share.
    pub(super) fn new(share: ShareSlot) -> Self {
        Spilled {
            share,
            states: OnceLock::new(),
            files: OnceLock::new(),
        }
    }

    pub(super) fn share(&self, context: &RunContext) -> &Arc<Share> {
        self.share.get(context, NAME)
    }

    /// Whether groups go to files.
    pub(super) fn is_used(&self) -> bool {
        self.states.get().is_some()
    }

    /// Writes all groups of a table out; it is empty then.
    pub(super) fn write(
        &self,
        table: &mut GroupTable,
        splitter: &mut Option<Scatter>,
        plan: &Aggregation,
        context: &RunContext,
    ) -> Result<()> {
        let Some(states) = states_of(table, plan)? else {
            return Ok(());
        };
        let to = self
            .states
            .get_or_init(|| Scattered::new(states.schema(), 0, self.share(context)));
        scatter(to, splitter, &states, plan, context)
    }

    /// Every worker has written its last.
    pub(super) fn finish(&self, context: &RunContext) -> Result<()> {
        if let Some(states) = self.states.get() {
            let files = states.finish(context)?;
            self.files.get_or_init(|| files);
        }
        Ok(())
    }

    /// The files, if there are any.
    pub(super) fn files(&self) -> Option<&[Option<SpillFile>]> {
        self.files.get().map(Vec::as_slice)
    }

    /// The groups of file `number`.
    pub(super) fn groups(
        &self,
        number: usize,
        plan: &Arc<Aggregation>,
        context: &Arc<RunContext>,
    ) -> Groups {
        let file = self.files().and_then(|files| files.get(number)?.clone());
        let first = file.map(|file| Part { file, level: 1 });
        Groups {
            room: Room::new(self.share(context)),
            plan: Arc::clone(plan),
            context: Arc::clone(context),
            todo: first.into_iter().collect(),
            ready: Vec::new(),
        }
    }
}

/// The states of a table's groups, keys first and in the planned types, whatever the table made of them.
fn states_of(table: &mut GroupTable, plan: &Aggregation) -> Result<Option<RecordBatch>> {
    let Some(Cargo::States(states)) = table.take_states()? else {
        return Ok(None);
    };
    let mut columns = states.columns().to_vec();
    for (column, field) in columns.iter_mut().zip(plan.group_schema.fields()) {
        if column.data_type() != field.data_type() {
            *column = cast(column, field.data_type())?;
        }
    }
    batch_of(columns, states.num_rows()).map(Some)
}

/// Rows in pieces: a table gives all its groups in one batch.
fn scatter(
    to: &Scattered,
    splitter: &mut Option<Scatter>,
    states: &RecordBatch,
    plan: &Aggregation,
    context: &RunContext,
) -> Result<()> {
    let splitter = splitter.get_or_insert_with(|| to.splitter());
    for piece in slices(states, context.batch_rows) {
        let keys = &piece.columns()[..plan.key_columns()];
        to.add(splitter, &piece, keys, context)?;
    }
    Ok(())
}

/// States with the same part of the keys.
#[derive(Debug)]
struct Part {
    file: SpillFile,
    level: u32,
}

/// The groups of a file, as rows of the result.
pub(super) struct Groups {
    plan: Arc<Aggregation>,
    context: Arc<RunContext>,
    room: Room,
    todo: Vec<Part>,
    /// The last first.
    ready: Vec<RecordBatch>,
}

impl Groups {
    fn group(&mut self, part: Part) -> Result<()> {
        self.room.empty();
        let mut table = GroupTable::new(&self.plan)?;
        let mut reader = part.file.read(&self.context.cancel)?;
        let mut rows_until_size = 0_usize;
        while let Some(states) = reader.next().transpose()? {
            let rows = states.num_rows();
            table.absorb(&Cargo::States(states))?;
            rows_until_size = rows_until_size.saturating_sub(rows);
            if rows_until_size > 0 {
                continue;
            }
            // Measuring may look at every group; the results will lie beside the table.
            let size = table.size() * 3 / 2;
            rows_until_size = table.len() / 4;
            if !self.room.has_room_in_all(size) {
                return self.split(table, reader, &part);
            }
        }
        let groups = table.take_results()?;
        self.room.resize(batch_bytes(&groups));
        self.ready = slices(&groups, self.context.batch_rows).collect();
        self.ready.reverse();
        Ok(())
    }

    /// Spreads what a table has and what it has not seen yet over more files.
    fn split(
        &mut self,
        mut table: GroupTable,
        rest: impl Iterator<Item = Result<RecordBatch>>,
        part: &Part,
    ) -> Result<()> {
        let share = Arc::clone(self.room.share());
        if part.level == LEVELS || table.len() <= 1 {
            return Err(limit_reached(NAME, share.limit()));
        }
        let states = states_of(&mut table, &self.plan)?
            .ok_or_else(|| Error::bug("groups without a state are too large"))?;
        drop(table);
        self.room.empty();
        let to = Scattered::new(states.schema(), part.level, &share);
        let mut splitter = None;
        let (plan, context) = (&self.plan, &self.context);
        scatter(&to, &mut splitter, &states, plan, context)?;
        drop(states);
        for states in rest {
            scatter(&to, &mut splitter, &states?, plan, context)?;
        }
        let files = to.finish(context)?;
        let level = part.level + 1;
        self.todo
            .extend(files.into_iter().flatten().map(|file| Part { file, level }));
        Ok(())
    }
}

impl Iterator for Groups {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.ready.pop() {
                return Some(Ok(batch));
            }
            let part = self.todo.pop()?;
            if let Err(error) = self.group(part) {
                self.todo.clear();
                return Some(Err(error));
            }
        }
    }
}
