//! A join whose build side does not fit into memory: rows of both sides go to files by the hash of their keys, and each pair of
//! files is joined by itself.
//!
//! [`SpillingBuild`] takes the place of the build sink. It holds back the rows until all are there; if there is room for them,
//! they go to the [`BuildSink`] and all is as ever. If not, [`SpillingProbe`] writes its rows out instead of looking them up, and
//! the [`SpilledSource`] joins the [`pairs`]. A pair that does not fit is split again; one that cannot be split, because most of
//! its rows have one key or because the join has none, is joined in [`blocks`].

mod blocks;
mod pairs;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::build::{Collected, evaluate};
use super::{BuildSink, JoinSpec, Probe, TableSlot, UnmatchedSource};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::exchange::Scatter;
use crate::exec::memory::{Room, Share, ShareSlot};
use crate::exec::spill::{PARTS, Scattered, SpillFile, batch_bytes, own_rows};
use crate::exec::{
    BatchStream, Flow, Operator, OperatorState, RunContext, Sink, Source, stream_of,
};

/// Bytes that the key and the index of a build row take beside the row.
const KEY_BYTES: usize = 48;

/// What the parts of one join share.
#[derive(Debug)]
pub(crate) struct SpillJoin {
    spec: Arc<JoinSpec>,
    build_schema: SchemaRef,
    probe_schema: SchemaRef,
    share: ShareSlot,
    /// Build rows on their way to files: there from the moment on at which they do not fit.
    build: OnceLock<Scattered>,
    build_files: OnceLock<Files>,
    probe: OnceLock<Scattered>,
    probe_files: OnceLock<Files>,
    /// Probe workers that have not seen the end of their input.
    probing: AtomicUsize,
    /// For `NOT IN`: whether there was any probe row, and one whose key was NULL.
    probe_seen: AtomicBool,
    probe_null: AtomicBool,
}

/// One for each part that has rows.
type Files = Vec<Option<SpillFile>>;

const NAME: &str = "hash join";

impl SpillJoin {
    pub(crate) fn new(
        spec: &Arc<JoinSpec>,
        build_schema: &SchemaRef,
        probe_schema: &SchemaRef,
    ) -> Arc<Self> {
        Arc::new(SpillJoin {
            spec: Arc::clone(spec),
            build_schema: Arc::clone(build_schema),
            probe_schema: Arc::clone(probe_schema),
            share: ShareSlot::default(),
            build: OnceLock::new(),
            build_files: OnceLock::new(),
            probe: OnceLock::new(),
            probe_files: OnceLock::new(),
            probing: AtomicUsize::new(0),
            probe_seen: AtomicBool::new(false),
            probe_null: AtomicBool::new(false),
        })
    }

    fn share(&self, context: &RunContext) -> &Arc<Share> {
        self.share.get(context, NAME)
    }

    /// Writes build rows out.
    fn scatter_build(
        &self,
        batch: &RecordBatch,
        splitter: &mut Option<Scatter>,
        context: &RunContext,
    ) -> Result<()> {
        let to = self
            .build
            .get_or_init(|| Scattered::new(Arc::clone(&self.build_schema), 0, self.share(context)));
        let splitter = splitter.get_or_insert_with(|| to.splitter());
        to.add(
            splitter,
            batch,
            &evaluate(&self.spec.build_keys, batch)?,
            context,
        )
    }

    /// Whether the rows of both sides lie in files, and none is of no more use.
    fn is_settled(&self) -> bool {
        self.probing.load(Ordering::Acquire) == 0 && !self.probe_null.load(Ordering::Relaxed)
    }
}

/// The build side's sink where memory has a limit.
#[derive(Debug)]
pub(crate) struct SpillingBuild {
    join: Arc<SpillJoin>,
    inner: BuildSink,
}

impl SpillingBuild {
    pub(crate) fn new(join: &Arc<SpillJoin>, inner: BuildSink) -> Self {
        SpillingBuild {
            join: Arc::clone(join),
            inner,
        }
    }

    /// The join table, if there is room for it. The rows stay with the workers.
    fn build_in_memory(&self, workers: &[Held], context: &Arc<RunContext>) -> Result<()> {
        let context = context.charging(self.join.share(context).as_pool());
        let locals = workers
            .par_iter()
            .map(|worker| {
                // What the table holds is counted by its own reservations.
                worker.room.empty();
                let mut local = Sink::start(&self.inner, &context)?;
                for batch in &worker.batches {
                    Sink::push(&self.inner, &mut local, batch.clone())?;
                }
                Ok(local)
            })
            .collect::<Result<Vec<Collected>>>()?;
        Sink::finish(&self.inner, locals, &context)
    }
}

/// Build rows of one worker.
#[derive(Debug)]
pub(crate) struct Held {
    context: Arc<RunContext>,
    batches: Vec<RecordBatch>,
    room: Room,
    splitter: Option<Scatter>,
}

impl Held {
    fn write_out(&mut self, join: &SpillJoin) -> Result<()> {
        for batch in std::mem::take(&mut self.batches) {
            join.scatter_build(&batch, &mut self.splitter, &self.context)?;
        }
        self.room.empty();
        Ok(())
    }
}

impl Sink for SpillingBuild {
    type Local = Held;

    fn share(&self, context: &RunContext) -> Option<Arc<Share>> {
        Some(Arc::clone(self.join.share(context)))
    }

    fn start(&self, context: &Arc<RunContext>) -> Result<Held> {
        Ok(Held {
            context: Arc::clone(context),
            batches: Vec::new(),
            room: Room::new(self.join.share(context)),
            splitter: None,
        })
    }

    fn push(&self, worker: &mut Held, batch: RecordBatch) -> Result<Flow> {
        let batch = own_rows(batch)?;
        let cost = build_cost(batch_bytes(&batch), batch.num_rows());
        if self.join.build.get().is_none() && worker.room.has_room(cost) {
            worker.batches.push(batch);
            return Ok(Flow::More);
        }
        worker.write_out(&self.join)?;
        let context = Arc::clone(&worker.context);
        self.join
            .scatter_build(&batch, &mut worker.splitter, &context)?;
        Ok(Flow::More)
    }

    fn finish(&self, mut workers: Vec<Held>, context: &Arc<RunContext>) -> Result<()> {
        if self.join.build.get().is_none() {
            match self.build_in_memory(&workers, context) {
                Err(error) if error.kind() == ErrorKind::Limit => {}
                done => return done,
            }
        }
        for worker in &mut workers {
            worker.write_out(&self.join)?;
        }
        drop(workers);
        let files = match self.join.build.get() {
            Some(build) => build.finish(context)?,
            None => vec![None; PARTS],
        };
        let probe = Scattered::new(
            Arc::clone(&self.join.probe_schema),
            0,
            self.join.share(context),
        );
        self.join.probe.get_or_init(|| probe);
        self.join
            .build_files
            .set(files)
            .map_err(|_| Error::bug("a join was built twice"))
    }

    fn describe(&self) -> String {
        Sink::describe(&self.inner)
    }
}

/// What rows of `bytes` cost on the build side.
fn build_cost(bytes: usize, rows: usize) -> usize {
    bytes + rows * KEY_BYTES
}

/// Looks rows up, or writes them out where the build side was.
#[derive(Debug)]
pub(crate) struct SpillingProbe {
    join: Arc<SpillJoin>,
    inner: Probe,
}

impl SpillingProbe {
    pub(crate) fn new(join: &Arc<SpillJoin>, inner: Probe) -> Self {
        SpillingProbe {
            join: Arc::clone(join),
            inner,
        }
    }
}

impl Operator for SpillingProbe {
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        let Some(probe) = self.join.probe.get() else {
            return self.inner.start(context);
        };
        self.join.probing.fetch_add(1, Ordering::AcqRel);
        Ok(Box::new(WriteOut {
            join: Arc::clone(&self.join),
            splitter: probe.splitter(),
            context: Arc::clone(context),
        }))
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

/// A worker that writes probe rows out.
struct WriteOut {
    join: Arc<SpillJoin>,
    splitter: Scatter,
    context: Arc<RunContext>,
}

impl OperatorState for WriteOut {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let join = &self.join;
        let keys = evaluate(&join.spec.probe_keys, &batch)?;
        if join.spec.null_aware {
            join.probe_seen.store(true, Ordering::Relaxed);
            if keys.iter().any(|key| key.logical_null_count() > 0) {
                join.probe_null.store(true, Ordering::Relaxed);
            }
        }
        let to = join
            .probe
            .get()
            .ok_or_else(|| Error::bug("probe rows are written out before build rows are"))?;
        to.add(&mut self.splitter, &batch, &keys, &self.context)
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        Ok(None)
    }

    fn finish(&mut self) -> Result<()> {
        self.join.probing.fetch_sub(1, Ordering::AcqRel);
        Ok(())
    }

    fn flow(&self) -> Flow {
        match self.join.probe_null.load(Ordering::Relaxed) {
            true => Flow::Done,
            false => Flow::More,
        }
    }
}

/// What is known when the last probe row was seen: build rows without partner, or all rows of a join in files.
#[derive(Debug)]
pub(crate) struct SpilledSource {
    join: Arc<SpillJoin>,
    unmatched: Option<UnmatchedSource>,
}

impl SpilledSource {
    pub(crate) fn new(join: &Arc<SpillJoin>, slot: &TableSlot) -> Self {
        let spec = &join.spec;
        SpilledSource {
            unmatched: spec
                .ends_with_build_rows()
                .then(|| UnmatchedSource::new(Arc::clone(spec), Arc::clone(slot))),
            join: Arc::clone(join),
        }
    }
}

impl Source for SpilledSource {
    fn units(&self, context: &Arc<RunContext>) -> Result<usize> {
        let Some(probe) = self.join.probe.get() else {
            return self
                .unmatched
                .as_ref()
                .map_or(Ok(0), |unmatched| unmatched.units(context));
        };
        if !self.join.is_settled() {
            return Ok(0);
        }
        let files = probe.finish(context)?;
        self.join.probe_files.get_or_init(|| files);
        Ok(PARTS)
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        if let (None, Some(unmatched)) = (self.join.probe.get(), &self.unmatched) {
            return unmatched.open(unit, context);
        }
        let file = |files: &OnceLock<Files>| files.get()?.get(unit)?.clone();
        let pair = pairs::Pair {
            build: file(&self.join.build_files),
            probe: file(&self.join.probe_files),
            level: 1,
        };
        Ok(stream_of(pairs::Pairs::new(&self.join, pair, context)))
    }

    fn describe(&self) -> String {
        match &self.unmatched {
            Some(unmatched) => unmatched.describe(),
            None => format!("rows written out by {}", self.join.spec.describe()),
        }
    }
}
