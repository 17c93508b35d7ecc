//! Sorted runs in files, merged as they are read: a tree of losers says which run gives the next row.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, RecordBatchOptions};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::row::Rows;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::sort_keys::SortKeys;
use crate::error::Result;
use crate::exec::memory::{Room, Share};
use crate::exec::spill::{SpillFile, SpillReader, batch_bytes, own_rows, rows_for};
use crate::exec::{CancelToken, RunContext};

/// Runs merged at once. More are first merged into fewer.
const FAN_IN: usize = if cfg!(test) { 4 } else { 64 };

/// Bounds of a batch in a run.
const BATCH_BYTES_MAX: usize = 1 << 20;
const BATCH_BYTES_MIN: usize = 16 << 10;

/// How large the batches of runs are, so that one of each run that is merged leaves most of the share free.
pub(crate) fn batch_bytes_of_runs(share: &Share) -> usize {
    (share.fair_part() / (4 * FAN_IN)).clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX)
}

/// Sorted runs.
#[derive(Debug)]
pub(crate) struct Runs {
    /// Without any, the runs follow one another.
    keys: Option<Arc<SortKeys>>,
    schema: SchemaRef,
    files: Mutex<Vec<SpillFile>>,
    share: Arc<Share>,
}

impl Runs {
    pub(crate) fn new(
        keys: Option<Arc<SortKeys>>,
        schema: SchemaRef,
        files: Vec<SpillFile>,
        share: &Arc<Share>,
    ) -> Self {
        Runs {
            keys,
            schema,
            files: Mutex::new(files),
            share: Arc::clone(share),
        }
    }

    pub(crate) fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// All rows in order. To be asked once: files go as they are read.
    pub(crate) fn merged(
        &self,
        context: &RunContext,
    ) -> Result<Box<dyn Iterator<Item = Result<RecordBatch>> + Send>> {
        let mut files =
            std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(keys) = &self.keys else {
            let cancel = context.cancel.clone();
            return Ok(Box::new(files.into_iter().flat_map(move |file| {
                let (reader, failed) = match file.read(&cancel) {
                    Ok(reader) => (Some(reader), None),
                    Err(error) => (None, Some(Err(error))),
                };
                reader.into_iter().flatten().chain(failed)
            })));
        };
        while files.len() > FAN_IN {
            files = self.fewer(keys, files, context)?;
        }
        let rows = context.batch_rows.max(1);
        Ok(Box::new(self.merge(keys, files, rows, &context.cancel)?))
    }

    /// The rows of `files` in a part as many.
    fn fewer(
        &self,
        keys: &Arc<SortKeys>,
        mut files: Vec<SpillFile>,
        context: &RunContext,
    ) -> Result<Vec<SpillFile>> {
        // The smallest first, and no more than it takes.
        files.sort_by_key(SpillFile::memory_bytes);
        let most = FAN_IN / context.threads.clamp(1, FAN_IN / 2);
        let groups: Vec<Vec<SpillFile>> = files.chunks(most.max(2)).map(<[_]>::to_vec).collect();
        drop(files);
        groups
            .into_par_iter()
            .map(|group| {
                let rows: usize = group.iter().map(SpillFile::rows).sum();
                let bytes: usize = group.iter().map(SpillFile::memory_bytes).sum();
                let target = batch_bytes_of_runs(&self.share);
                let step = rows_for(bytes, rows, target, context.batch_rows);
                let mut writer = context.spill(&self.schema, &self.share)?;
                for batch in self.merge(keys, group, step, &context.cancel)? {
                    writer.write(batch?)?;
                }
                writer.finish()
            })
            .collect()
    }

    fn merge(
        &self,
        keys: &Arc<SortKeys>,
        files: Vec<SpillFile>,
        rows: usize,
        cancel: &CancelToken,
    ) -> Result<Merge> {
        let room = Room::new(&self.share);
        let mut merge = Merge {
            keys: Arc::clone(keys),
            schema: Arc::clone(&self.schema),
            runs: Vec::with_capacity(files.len()),
            tree: Vec::new(),
            rows,
            room,
        };
        for file in files {
            let mut run = Run {
                reader: file.read(cancel)?,
                _file: file,
                current: None,
                row: 0,
                bytes: 0,
            };
            run.next_batch(keys, &merge.room)?;
            merge.runs.push(run);
        }
        merge.plant();
        Ok(merge)
    }
}

/// One run that is read.
#[derive(Debug)]
struct Run {
    reader: SpillReader,
    _file: SpillFile,
    /// The batch in hand with its keys; none at the end.
    current: Option<(RecordBatch, Rows)>,
    row: usize,
    bytes: usize,
}

impl Run {
    fn next_batch(&mut self, keys: &SortKeys, room: &Room) -> Result<()> {
        self.current = None;
        room.shrink(std::mem::take(&mut self.bytes));
        self.row = 0;
        for batch in self.reader.by_ref() {
            let batch = batch?;
            if batch.num_rows() > 0 {
                let rows = keys.rows(&keys.columns(&batch)?)?;
                self.bytes = batch_bytes(&batch) + rows.size();
                room.grow(self.bytes);
                self.current = Some((batch, rows));
                break;
            }
        }
        Ok(())
    }

    /// The key of the row in hand; a run that is over comes after all others.
    fn key(&self) -> Option<&[u8]> {
        let (_, rows) = self.current.as_ref()?;
        Some(rows.row(self.row).data())
    }
}

/// The rows of several runs in order.
#[derive(Debug)]
struct Merge {
    keys: Arc<SortKeys>,
    schema: SchemaRef,
    runs: Vec<Run>,
    /// The winner, then the loser of each match of a tournament among the runs.
    tree: Vec<usize>,
    /// Of an output batch.
    rows: usize,
    room: Room,
}

impl Merge {
    /// Whether run `left` gives its row before run `right` does.
    fn is_before(&self, left: usize, right: usize) -> bool {
        match (self.runs[left].key(), self.runs[right].key()) {
            (Some(a), Some(b)) => (a, left) < (b, right),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => left < right,
        }
    }

    fn plant(&mut self) {
        let runs = self.runs.len();
        self.tree = vec![usize::MAX; runs.max(1)];
        for run in 0..runs {
            self.replay(run);
        }
    }

    /// Lets run `run`, which has a new row in hand, play its way up.
    fn replay(&mut self, run: usize) {
        let mut winner = run;
        let mut place = (run + self.runs.len()) / 2;
        while place > 0 {
            let other = self.tree[place];
            if other == usize::MAX {
                // While the tree is planted: the first to come waits for the second.
                self.tree[place] = winner;
                return;
            }
            if self.is_before(other, winner) {
                self.tree[place] = winner;
                winner = other;
            }
            place /= 2;
        }
        self.tree[0] = winner;
    }

    fn next_output(&mut self) -> Result<Option<RecordBatch>> {
        let mut batches: Vec<RecordBatch> = Vec::new();
        // Where each run's batch in hand lies in `batches`.
        let mut places = vec![None; self.runs.len()];
        let mut picked = Vec::with_capacity(self.rows.min(1 << 16));
        while picked.len() < self.rows {
            let Some(winner) = self
                .tree
                .first()
                .copied()
                .filter(|run| *run < self.runs.len())
            else {
                break;
            };
            let run = &mut self.runs[winner];
            let Some((batch, _)) = &run.current else {
                break;
            };
            let place = *places[winner].get_or_insert_with(|| {
                batches.push(batch.clone());
                batches.len() - 1
            });
            picked.push((place, run.row));
            run.row += 1;
            if run.row == batch.num_rows() {
                places[winner] = None;
                run.next_batch(&self.keys, &self.room)?;
            }
            self.replay(winner);
        }
        if picked.is_empty() {
            return Ok(None);
        }
        gather(&batches, &picked, &self.schema).map(Some)
    }
}

impl Iterator for Merge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_output().transpose()
    }
}

fn gather(
    batches: &[RecordBatch],
    places: &[(usize, usize)],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let columns = (0..schema.fields().len())
        .map(|column| {
            let arrays: Vec<&dyn Array> = batches
                .iter()
                .map(|batch| batch.column(column).as_ref())
                .collect();
            Ok(interleave(&arrays, places)?)
        })
        .collect::<Result<Vec<_>>>()?;
    own_rows(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(places.len())),
    )?)
}
