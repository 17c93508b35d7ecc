//! Pairs of files with the same part of the keys: joined in memory, or split once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::record_batch::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;
use futures::executor::block_on_stream;

use super::super::build::evaluate;
use super::super::{BuildSink, JoinSpec, Probe, TableSlot, UnmatchedSource};
use super::{SpillJoin, blocks, build_cost};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::memory::Room;
use crate::exec::spill::{PARTS, Scattered, SpillFile};
use crate::exec::{Flow, Operator, OperatorState, RunContext, Sink, Source};

/// How often rows are split. A pair that is still too large then is one of a kind.
const LEVELS: u32 = 6;

pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Rows of both sides whose keys may be equal.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) build: Option<SpillFile>,
    pub(super) probe: Option<SpillFile>,
    /// How often they were split.
    pub(super) level: u32,
}

impl Pair {
    fn build_rows(&self) -> usize {
        self.build.as_ref().map_or(0, SpillFile::rows)
    }

    pub(super) fn build_batches(&self, context: &RunContext) -> Result<Batches> {
        batches_of(self.build.as_ref(), context)
    }

    pub(super) fn probe_batches(&self, context: &RunContext) -> Result<Batches> {
        batches_of(self.probe.as_ref(), context)
    }
}

fn batches_of(file: Option<&SpillFile>, context: &RunContext) -> Result<Batches> {
    let rows = context.batch_rows;
    let reader = file.map(|file| file.read(&context.cancel)).transpose()?;
    Ok(Box::new(reader.into_iter().flatten().flat_map(
        move |batch| -> Batches {
            match batch {
                Ok(batch) => Box::new(super::super::super::memory::slices(&batch, rows).map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        },
    )))
}

/// The rows that a pair gives.
pub(super) struct Pairs {
    join: Arc<SpillJoin>,
    context: Arc<RunContext>,
    todo: Vec<Pair>,
    current: Option<Batches>,
    /// Counts as one of those who divide the share.
    room: Room,
}

impl Pairs {
    pub(super) fn new(join: &Arc<SpillJoin>, pair: Pair, context: &Arc<RunContext>) -> Self {
        Pairs {
            room: Room::new(join.share(context)),
            join: Arc::clone(join),
            context: Arc::clone(context),
            todo: vec![pair],
            current: None,
        }
    }

    fn begin(&mut self, pair: Pair) -> Result<()> {
        self.context.cancel.check()?;
        let spec = &self.join.spec;
        let no_probe = pair.probe.is_none() && !spec.ends_with_build_rows();
        let no_build = pair.build.is_none() && spec.needs_build_rows();
        if no_probe || no_build {
            return Ok(());
        }
        let bytes = pair.build.as_ref().map_or(0, SpillFile::memory_bytes);
        // A table's rows lie in one piece, which is made from the pieces.
        let cost = build_cost(2 * bytes, pair.build_rows());
        if cost <= self.room.share().fair_part() {
            match self.in_memory(&pair) {
                Err(error) if error.kind() == ErrorKind::Limit => {}
                rows => {
                    self.current = Some(rows?);
                    return Ok(());
                }
            }
        }
        if pair.level < LEVELS && !spec.build_keys.is_empty() {
            let parts = self.split(&pair)?;
            let largest = parts.iter().map(Pair::build_rows).max().unwrap_or(0);
            if largest <= pair.build_rows() - pair.build_rows() / 8 {
                self.todo.extend(parts);
                return Ok(());
            }
        }
        self.current = Some(Box::new(blocks::Blocks::new(
            &self.join,
            pair,
            &self.context,
        )?));
        Ok(())
    }

    fn in_memory(&self, pair: &Pair) -> Result<Batches> {
        let charged = self.context.charging(self.room.share().as_pool());
        let batches = pair.build_batches(&self.context)?;
        let slot = table_of(&self.join, &self.join.spec, batches, &charged)?;
        let probe = pair.probe_batches(&self.context)?;
        joined(&self.join, &self.join.spec, &slot, probe, &self.context)
    }

    fn split(&self, pair: &Pair) -> Result<Vec<Pair>> {
        let spec = &self.join.spec;
        let build = self.split_file(pair.build.as_ref(), pair.level, &spec.build_keys)?;
        let probe = self.split_file(pair.probe.as_ref(), pair.level, &spec.probe_keys)?;
        Ok(build
            .into_iter()
            .zip(probe)
            .map(|(build, probe)| Pair {
                build,
                probe,
                level: pair.level + 1,
            })
            .collect())
    }

    fn split_file(
        &self,
        file: Option<&SpillFile>,
        level: u32,
        keys: &[Arc<dyn PhysicalExpr>],
    ) -> Result<Vec<Option<SpillFile>>> {
        let Some(file) = file else {
            return Ok(vec![None; PARTS]);
        };
        let mut scattered = None;
        for batch in file.read(&self.context.cancel)? {
            let batch = batch?;
            let (to, splitter) = scattered.get_or_insert_with(|| {
                let to = Scattered::new(batch.schema(), level, self.room.share());
                let splitter = to.splitter();
                (to, splitter)
            });
            to.add(splitter, &batch, &evaluate(keys, &batch)?, &self.context)?;
        }
        match scattered {
            Some((to, _)) => to.finish(&self.context),
            None => Ok(vec![None; PARTS]),
        }
    }
}

impl Iterator for Pairs {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            self.current = None;
            let pair = self.todo.pop()?;
            if let Err(error) = self.begin(pair) {
                self.todo.clear();
                return Some(Err(error));
            }
        }
    }
}

/// A join table of `batches`.
pub(super) fn table_of(
    join: &SpillJoin,
    spec: &Arc<JoinSpec>,
    batches: impl Iterator<Item = Result<RecordBatch>>,
    context: &Arc<RunContext>,
) -> Result<TableSlot> {
    let slot = TableSlot::default();
    let sink = BuildSink::new(
        Arc::clone(spec),
        Arc::clone(&join.build_schema),
        Arc::clone(&slot),
        Arc::default(),
    );
    let mut local = Sink::start(&sink, context)?;
    for batch in batches {
        Sink::push(&sink, &mut local, batch?)?;
    }
    Sink::finish(&sink, vec![local], context)?;
    let table = slot
        .get()
        .ok_or_else(|| Error::bug("a join was built without a table"))?;
    // What NULL among the keys means is decided by all rows, not by those of the pair.
    table
        .probe_seen
        .store(join.probe_seen.load(Ordering::Relaxed), Ordering::Relaxed);
    Ok(slot)
}

/// All that a join gives of the table in `slot` and the rows of `probe`.
pub(super) fn joined(
    join: &SpillJoin,
    spec: &Arc<JoinSpec>,
    slot: &TableSlot,
    probe: Batches,
    context: &Arc<RunContext>,
) -> Result<Batches> {
    let operator = Probe::new(
        Arc::clone(spec),
        Arc::clone(&join.probe_schema),
        Arc::clone(slot),
    );
    let is_probed = Arc::new(AtomicBool::new(false));
    let pairs = Probed {
        state: operator.start(context)?,
        probe,
        is_probed: Arc::clone(&is_probed),
    };
    if !spec.ends_with_build_rows() {
        return Ok(Box::new(pairs));
    }
    let source = UnmatchedSource::new(Arc::clone(spec), Arc::clone(slot));
    let context = Arc::clone(context);
    let rest = std::iter::once_with(move || unmatched(&source, &context)).flatten();
    Ok(Box::new(pairs.chain(rest)))
}

fn unmatched(source: &UnmatchedSource, context: &Arc<RunContext>) -> Batches {
    let units = match source.units(context) {
        Ok(units) => units,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    let streams: Result<Vec<_>> = (0..units).map(|unit| source.open(unit, context)).collect();
    match streams {
        // Rows in memory do not keep anyone waiting.
        Ok(streams) => Box::new(streams.into_iter().flat_map(block_on_stream)),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

/// Drives rows through a probe.
struct Probed {
    state: Box<dyn OperatorState>,
    probe: Batches,
    is_probed: Arc<AtomicBool>,
}

impl Probed {
    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.state.pull()? {
                return Ok(Some(batch));
            }
            if self.is_probed.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let next = match self.state.flow() {
                Flow::More => self.probe.next(),
                Flow::Done => None,
            };
            match next {
                Some(batch) => self.state.push(batch?)?,
                None => {
                    self.is_probed.store(true, Ordering::Relaxed);
                    self.state.finish()?;
                }
            }
        }
    }
}

impl Iterator for Probed {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
