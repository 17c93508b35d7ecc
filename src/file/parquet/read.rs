//! One unit of a Parquet file, decoded.
//!
//! Mostly by [`decode`]. Units with columns that it does not know are read by the parquet crate, in one of two ways, chosen for
//! each unit: the filters' columns first and of the others only the pages and values of rows that pass; or
//! everything, and the filters on each batch. The first wins where few rows pass and there are other columns.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowFilter as First, RowSelection, RowSelector,
};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use super::bounds::pages_left;
use super::chunk::Chunk;
use super::narrow::narrowed;
use super::{ParquetFile, decode};
use crate::error::{Error, Result};
use crate::file::filter::{in_order, refine};
use crate::file::guard::{Suspect, guard, panic_text};
use crate::file::source::Handle;
use crate::file::{BatchIterator, PooledFile, ReadRequest, RowFilter, Tally, Unit, projected};
use crate::store::ReadAt;

/// A file of which there are copies.
pub(crate) struct Copied {
    /// Where its bytes come from; the footer is known.
    pub(crate) bytes_of: Arc<dyn ReadAt>,
    /// Told the row of the row group before which everything was given: where it fails, another copy can go on from there.
    pub(crate) done: Arc<AtomicU64>,
}

pub(super) fn read(
    file: &ParquetFile,
    unit: &Unit,
    request: &ReadRequest,
    copied: Option<Copied>,
) -> Result<BatchIterator> {
    let group = unit.start as usize;
    let suspect = file.suspect.part(format!("row group {group}"));
    if file.is_left_out(group, &request.filters)? {
        return Ok(Box::new(std::iter::empty()));
    }
    let filtered = request.filters.iter().flat_map(|filter| filter.columns());
    let columns: BTreeSet<usize> = request.projection.iter().chain(filtered).copied().collect();
    let columns: Vec<usize> = columns.into_iter().collect();
    let best = file.footer.best();
    let rows = best.metadata().row_group(group).num_rows() as u64;
    let mut selection = unit.rows.map(|(first, length)| {
        RowSelection::from(vec![
            RowSelector::skip(first as usize),
            RowSelector::select(length as usize),
        ])
    });
    if !request.filters.is_empty() {
        let left = guard(&suspect, || {
            Ok::<_, String>(pages_left(best, group, &request.filters))
        })?;
        selection = match (selection, left) {
            (Some(piece), Some(left)) => Some(whole(piece, rows).intersection(&left)),
            (piece, left) => piece.or(left),
        };
    }
    let expected = selection
        .as_ref()
        .map_or(rows, |selection| selection.row_count() as u64);
    if expected == 0 {
        return Ok(Box::new(std::iter::empty()));
    }

    let (bytes_of, done) = match copied {
        Some(Copied { bytes_of, done }) => (bytes_of, Some(done)),
        None => {
            let own: Arc<dyn ReadAt> = Arc::new(PooledFile::new(suspect.open()?, &request.pool));
            (own, None)
        }
    };
    if decode::knows(best, group, &columns) {
        let part = decode::Part {
            file,
            group,
            selection,
            columns: &columns,
        };
        let mut batches = decode::open(part, &suspect, bytes_of, request)?;
        batches.note(done);
        return Ok(Box::new(batches));
    }
    file.check_pages(group, &columns, &suspect, |_, start, length| {
        let bytes = bytes_of.read_at(start, length as u64);
        bytes.map_err(|error| suspect.io(&error))
    })?;
    let leaves = 0..best.parquet_schema().num_columns();
    let checksums: Vec<_> = leaves
        .filter_map(|leaf| file.checksums(group, leaf))
        .collect();
    let mut metadata = Cow::Borrowed(best);
    if !request.narrow.is_empty() {
        let narrow = guard(&suspect, || {
            let has_only_indices = |leaf| file.has_only_indices(group, leaf);
            narrowed(best, group, &request.narrow, has_only_indices)
        })?;
        metadata = Cow::Owned(narrow);
    }
    let columns = metadata.metadata().row_group(group);
    let parquet = metadata.parquet_schema();
    let plan = Plan::new(request, |column| {
        let chunks = columns.columns().iter().enumerate();
        let own = chunks.filter(|(leaf, _)| parquet.get_column_root_idx(*leaf) == column);
        own.map(|(_, chunk)| chunk.uncompressed_size() as f64).sum()
    });
    let trouble = Trouble::default();
    let blocks = file.footer.blocks.as_ref();
    let metadata = metadata.as_ref().clone();
    let plain = match done.is_none() && blocks.is_none() && checksums.is_empty() {
        true => match suspect.open()? {
            Handle::File(file) => Some(file),
            Handle::Object(_) => None,
        },
        false => None,
    };
    let reader = guard(&suspect, || {
        if let Some(handle) = plain {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, metadata);
            return build(builder, group, request, &plan, selection, &trouble);
        }
        let all = Chunk::new(&bytes_of, blocks, (0, file.footer.bytes));
        all.expect(checksums);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(all, metadata);
        build(builder, group, request, &plan, selection, &trouble)
    })
    .map_err(|error| trouble.or(error))?;
    let reader = UnitReader {
        reader: Some(reader),
        suspect,
        // The decoder's own row filters make the number of rows unknown.
        missing: plan.first.is_empty().then_some(expected),
        plan,
        projection: request.projection.clone(),
    };
    Ok(match done {
        // How far the crate's decoder has come it does not say: its rows are given when all of them are there.
        Some(_) => Box::new(Whole::Unread(Box::new(reader))),
        None => Box::new(reader),
    })
}

/// The crate's reader of a row group.
fn build<R: ChunkReader + 'static>(
    mut builder: ParquetRecordBatchReaderBuilder<R>,
    group: usize,
    request: &ReadRequest,
    plan: &Plan,
    selection: Option<RowSelection>,
    trouble: &Trouble,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let parquet = builder.parquet_schema();
    let columns = ProjectionMask::roots(parquet, plan.columns.iter().copied());
    let predicates = plan.first.iter().map(|step| {
        let mask = ProjectionMask::roots(parquet, step.columns.iter().copied());
        let keep = predicate(step.clone(), trouble.clone());
        Box::new(ArrowPredicateFn::new(mask, keep)) as Box<dyn ArrowPredicate>
    });
    let predicates: Vec<_> = predicates.collect();
    builder = builder
        .with_row_groups(vec![group])
        .with_batch_size(request.batch_rows)
        .with_projection(columns);
    if let Some(selection) = selection {
        builder = builder.with_row_selection(selection);
    }
    if !predicates.is_empty() {
        builder = builder.with_row_filter(First::new(predicates));
    }
    builder.build()
}

/// The batches of a unit, none of them before all are read.
enum Whole {
    Unread(Box<UnitReader>),
    Read(std::vec::IntoIter<RecordBatch>),
}

impl Iterator for Whole {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Whole::Unread(reader) = self {
            let batches = reader.collect::<Result<Vec<_>>>();
            let (batches, error) = match batches {
                Ok(batches) => (batches, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            *self = Whole::Read(batches.into_iter());
            if error.is_some() {
                return error;
            }
        }
        match self {
            Whole::Read(batches) => batches.next().map(Ok),
            Whole::Unread(_) => None,
        }
    }
}

/// The selection with the rows after its end said to be skipped.
fn whole(piece: RowSelection, rows: u64) -> RowSelection {
    let mut selectors: Vec<RowSelector> = piece.into();
    let said: usize = selectors.iter().map(|selector| selector.row_count).sum();
    selectors.push(RowSelector::skip((rows as usize).saturating_sub(said)));
    selectors.into()
}

/// Which columns are decoded and where the filters run.
struct Plan {
    /// Columns that come out of the decoder, by position in the schema, ascending.
    columns: Vec<usize>,
    /// Run in the decoder, one after the other, before `columns` are decoded.
    first: Vec<Step>,
    /// Run on each batch.
    later: Vec<Arc<dyn RowFilter>>,
}

/// Filters whose columns are decoded together, of the rows that the steps before let through.
#[derive(Clone)]
struct Step {
    /// Ascending.
    columns: Vec<usize>,
    filters: Vec<Arc<dyn RowFilter>>,
}

/// Where fewer pass than this share, columns are decoded of these alone, even though picking rows costs much for each.
const FEW: f64 = 1.0 / 3.0;

/// The same for the columns of further filters, of which values are mostly narrow.
const VERY_FEW: f64 = 1.0 / 20.0;

impl Plan {
    fn new(request: &ReadRequest, cost: impl Fn(usize) -> f64) -> Self {
        let mut columns: BTreeSet<usize> = request.projection.iter().copied().collect();
        let filters = in_order(&request.filters, cost);
        let others = columns
            .iter()
            .any(|column| !filters.iter().any(|f| f.columns().contains(column)));
        let shares: Vec<Option<f64>> = filters
            .iter()
            .map(|filter| filter.tally().and_then(Tally::share))
            .collect();
        let passing: Option<f64> = shares.iter().copied().product();
        if others && passing.is_none_or(|passing| passing < FEW) {
            return Plan {
                columns: columns.into_iter().collect(),
                first: steps(filters, &shares),
                later: Vec::new(),
            };
        }
        columns.extend(filters.iter().flat_map(|filter| filter.columns()));
        Plan {
            columns: columns.into_iter().collect(),
            first: Vec::new(),
            later: filters,
        }
    }
}

/// Filters in their order, a new step where very few rows are left for the next.
fn steps(filters: Vec<Arc<dyn RowFilter>>, shares: &[Option<f64>]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut left = 1.0;
    for (filter, share) in filters.into_iter().zip(shares) {
        match steps.last_mut() {
            Some(step) if left >= VERY_FEW => {
                step.columns.extend(filter.columns());
                step.columns.sort_unstable();
                step.columns.dedup();
                step.filters.push(filter);
            }
            _ => steps.push(Step {
                columns: filter.columns().to_vec(),
                filters: vec![filter],
            }),
        }
        left *= share.unwrap_or(1.0);
    }
    steps
}

/// Of the rows of a batch with these columns (ascending) those that pass; all where there is no filter.
fn passing(
    filters: &[Arc<dyn RowFilter>],
    batch: &RecordBatch,
    columns: &[usize],
) -> Result<Option<BooleanArray>> {
    let mut left = None;
    for filter in filters {
        let passed = refine(filter.as_ref(), left.take(), batch.num_rows(), |wanted| {
            projected(batch, columns, wanted)
        })?;
        left = Some(passed);
    }
    Ok(left)
}

/// What went wrong in our filter while it ran inside the decoder, which keeps of an error only its text.
#[derive(Clone, Default)]
struct Trouble(Arc<Mutex<Option<Error>>>);

impl Trouble {
    fn put(&self, error: Error) -> ArrowError {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        ArrowError::ComputeError("the filter failed".to_string())
    }

    fn or(&self, other: Error) -> Error {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .unwrap_or(other)
    }
}

fn predicate(
    step: Step,
    trouble: Trouble,
) -> impl FnMut(RecordBatch) -> Result<BooleanArray, ArrowError> + Send + 'static {
    move |batch| {
        let passed = || passing(&step.filters, &batch, &step.columns);
        match catch_unwind(AssertUnwindSafe(passed)) {
            Ok(Ok(Some(passed))) => Ok(passed),
            Ok(Ok(None)) => Ok(BooleanArray::from(vec![true; batch.num_rows()])),
            Ok(Err(error)) => Err(trouble.put(error)),
            Err(panic) => Err(trouble.put(filter_panicked(panic.as_ref()))),
        }
    }
}

fn filter_panicked(panic: &(dyn Any + Send)) -> Error {
    Error::bug(format!("a filter stopped: {}", panic_text(panic)))
}

struct UnitReader {
    /// None after an error or the end.
    reader: Option<ParquetRecordBatchReader>,
    suspect: Suspect,
    plan: Plan,
    projection: Vec<usize>,
    /// Rows that are still to come, where that is known.
    missing: Option<u64>,
}

impl UnitReader {
    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(reader) = &mut self.reader else {
            return Ok(None);
        };
        let Some(batch) = guard(&self.suspect, || reader.next().transpose())? else {
            return match self.missing {
                Some(missing) if missing > 0 => {
                    Err(self.suspect.damaged(format!("{missing} rows are missing")))
                }
                _ => Ok(None),
            };
        };
        if let Some(missing) = &mut self.missing {
            *missing = missing.saturating_sub(batch.num_rows() as u64);
        }
        let wanted = projected(&batch, &self.plan.columns, &self.projection)?;
        let left = passing(&self.plan.later, &batch, &self.plan.columns)?;
        match left {
            Some(left) if left.true_count() < batch.num_rows() => {
                filter_record_batch(&wanted, &left)
                    .map(Some)
                    .map_err(|error| self.suspect.damaged(error))
            }
            _ => Ok(Some(wanted)),
        }
    }
}

impl Iterator for UnitReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.batch().transpose() {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => return Some(Ok(batch)),
                end => {
                    self.reader = None;
                    return end;
                }
            }
        }
    }
}
