//! Sorting by any number of keys of any type: every row's keys become bytes that compare as the rows do, and the first of these
//! bytes lie in the entry that is moved about, so that most comparisons touch nothing else.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatchOptions};
use arrow::compute::{SortOptions, interleave};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};
use rayon::slice::ParallelSliceMut;

use super::project::evaluate_all;
use crate::error::Result;
use crate::exec::CancelToken;
use crate::exec::expr::checked;
use crate::exec::spill::batch_bytes;

/// Bytes of a key that an entry holds itself.
const HEAD: usize = 16;

/// What to sort by.
#[derive(Debug)]
pub(crate) struct SortKeys {
    ordering: LexOrdering,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    converter: RowConverter,
}

impl SortKeys {
    pub(crate) fn new(ordering: &LexOrdering, schema: &Schema) -> Result<Self> {
        let exprs = ordering
            .iter()
            .map(|key| checked(&key.expr))
            .collect::<Result<Vec<_>>>()?;
        let fields = ordering
            .iter()
            .map(|key| {
                Ok(SortField::new_with_options(
                    key.expr.data_type(schema)?,
                    key.options,
                ))
            })
            .collect::<Result<_>>()?;
        Ok(SortKeys {
            ordering: ordering.clone(),
            exprs,
            converter: RowConverter::new(fields)?,
        })
    }

    pub(crate) fn ordering(&self) -> &LexOrdering {
        &self.ordering
    }

    /// The key columns of a batch.
    pub(crate) fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        evaluate_all(&self.exprs, batch)
    }

    /// Direction and place of NULLs of the first key.
    pub(crate) fn first_options(&self) -> SortOptions {
        self.ordering[0].options
    }

    /// The keys of a batch's rows as comparable bytes.
    pub(crate) fn rows(&self, columns: &[ArrayRef]) -> Result<Rows> {
        Ok(self.converter.convert_columns(columns)?)
    }

    /// Some of a batch's keys, by row.
    pub(crate) fn pick(&self, keys: &Rows, rows: &[u32]) -> Rows {
        let mut picked = self.converter.empty_rows(rows.len(), 0);
        rows.iter()
            .for_each(|row| picked.push(keys.row(*row as usize)));
        picked
    }
}

/// One row: the first bytes of its key, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    head: [u64; HEAD / 8],
    batch: u32,
    row: u32,
}

impl Entry {
    fn new(key: &[u8], batch: u32, row: u32) -> Self {
        let mut bytes = [0; HEAD];
        let length = key.len().min(HEAD);
        bytes[..length].copy_from_slice(&key[..length]);
        let whole = u128::from_be_bytes(bytes);
        Entry {
            head: [(whole >> 64) as u64, whole as u64],
            batch,
            row,
        }
    }
}

/// Rows to be sorted, with their keys.
#[derive(Debug, Default)]
pub(crate) struct SortRun {
    batches: Vec<RecordBatch>,
    /// The keys of each batch, where any is longer than an entry's head.
    rows: Vec<Option<Rows>>,
    entries: Vec<Entry>,
    memory: Vec<MemoryReservation>,
}

impl SortRun {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keeps the rows' memory counted for as long as they are there.
    pub(crate) fn hold(&mut self, memory: MemoryReservation) {
        self.memory.push(memory);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that the rows of a batch with these keys take in a run.
    pub(crate) fn cost(batch: &RecordBatch, keys: Option<&Rows>) -> usize {
        let key_bytes = match keys {
            Some(keys) if has_long(keys) => keys.size(),
            _ => 0,
        };
        // Entries lie in one vector, which grows by doubling.
        batch_bytes(batch) + key_bytes + 2 * batch.num_rows() * size_of::<Entry>()
    }

    /// Adds the rows of a batch, for which there is room. `keys` are the batch's own, from [`SortKeys::rows`]; without them rows
    /// stay as they come.
    pub(crate) fn push(&mut self, batch: RecordBatch, keys: Option<Rows>) {
        let long_keys = keys.as_ref().is_some_and(has_long);
        let number = position(self.batches.len());
        self.entries.extend((0..batch.num_rows()).map(|row| {
            let key = keys.as_ref().map(|keys| keys.row(row));
            let key = key.as_ref().map_or(&[][..], |key| key.data());
            Entry::new(key, number, position(row))
        }));
        self.batches.push(batch);
        self.rows.push(keys.filter(|_| long_keys));
    }

    /// Takes over another run's rows.
    pub(crate) fn absorb(&mut self, other: SortRun) {
        if self.entries.is_empty() {
            let memory = std::mem::replace(self, other).memory;
            self.memory.extend(memory);
            return;
        }
        let first = position(self.batches.len());
        self.entries
            .extend(other.entries.into_iter().map(|entry| Entry {
                batch: entry.batch + first,
                ..entry
            }));
        self.batches.extend(other.batches);
        self.rows.extend(other.rows);
        self.memory.extend(other.memory);
    }

    /// Sorts, on all threads of the pool that it is called on. A cancelled query is told so, not sorted.
    pub(crate) fn sort(&mut self, cancel: &CancelToken) -> Result<()> {
        let rows = &self.rows;
        // A sort cannot be left midway, but where all rows are equal it ends at once.
        if rows.iter().all(Option::is_none) {
            self.entries.par_sort_unstable_by(|left, right| {
                if cancel.is_cancelled() {
                    return Ordering::Equal;
                }
                left.cmp(right)
            });
        } else {
            self.entries.par_sort_unstable_by(|left, right| {
                if cancel.is_cancelled() {
                    return Ordering::Equal;
                }
                compare(rows, left, right)
            });
        }
        cancel.check()
    }

    /// Forgets all but the first `count` rows, which must be sorted.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.entries.truncate(count);
    }

    /// One row of the order, as a batch.
    pub(crate) fn row(&self, place: usize) -> RecordBatch {
        let entry = self.entries[place];
        self.batches[entry.batch as usize].slice(entry.row as usize, 1)
    }

    /// The rows from `start` up to `end` in the order of the entries, as one batch.
    pub(crate) fn gather(
        &self,
        start: usize,
        end: usize,
        schema: &SchemaRef,
    ) -> Result<RecordBatch> {
        let places: Vec<(usize, usize)> = self.entries[start..end]
            .iter()
            .map(|entry| (entry.batch as usize, entry.row as usize))
            .collect();
        let columns = (0..schema.fields().len())
            .map(|column| {
                let arrays: Vec<&dyn Array> = self
                    .batches
                    .iter()
                    .map(|batch| batch.column(column).as_ref())
                    .collect();
                Ok(interleave(&arrays, &places)?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(schema),
            columns,
            &RecordBatchOptions::new().with_row_count(Some(places.len())),
        )?)
    }
}

/// Whether any key is longer than an entry's head.
fn has_long(keys: &Rows) -> bool {
    keys.lengths().any(|length| length > HEAD)
}

/// By key, then by place: the order in which rows came to a worker decides between equal ones.
fn compare(rows: &[Option<Rows>], left: &Entry, right: &Entry) -> Ordering {
    left.head
        .cmp(&right.head)
        .then_with(|| tail(rows, left).cmp(tail(rows, right)))
        .then_with(|| (left.batch, left.row).cmp(&(right.batch, right.row)))
}

/// The part of a key that its entry does not hold.
fn tail<'a>(rows: &'a [Option<Rows>], entry: &Entry) -> &'a [u8] {
    rows[entry.batch as usize]
        .as_ref()
        .and_then(|rows| rows.row(entry.row as usize).data().get(HEAD..))
        .unwrap_or_default()
}

/// A place as an entry holds it. A batch has fewer than 2^32 rows and a run fewer batches: memory ends long before.
fn position(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
