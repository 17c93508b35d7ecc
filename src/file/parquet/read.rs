//! One unit of a Parquet file, decoded.
//!
//! Two ways, chosen for each unit: the filter's columns first and of the others only the pages and values of rows that pass; or
//! everything, and the filter on each batch. The first wins where few rows pass and there are other columns.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowFilter as First, RowSelection, RowSelector,
};

use super::bounds::pages_left;
use super::{ParquetFile, footer};
use crate::error::{Error, Result};
use crate::file::guard::{Suspect, guard, panic_text};
use crate::file::{BatchIterator, ReadRequest, RowFilter, Unit, projected};

pub(super) fn read(
    file: &ParquetFile,
    unit: &Unit,
    request: &ReadRequest,
) -> Result<BatchIterator> {
    let group = unit.start as usize;
    let suspect = file.suspect.part(format!("row group {group}"));
    let metadata = file.footer.best();
    let rows = metadata.metadata().row_group(group).num_rows() as u64;
    let mut selection = unit.rows.map(|(first, length)| {
        RowSelection::from(vec![
            RowSelector::skip(first as usize),
            RowSelector::select(length as usize),
        ])
    });
    if let Some(filter) = &request.filter {
        let left = guard(&suspect, || {
            Ok::<_, String>(pages_left(metadata, group, filter.as_ref()))
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

    let plan = Plan::new(request);
    let mut handle = footer::open(&suspect)?;
    file.check_pages(&mut handle, group, &plan.touched(request), &suspect)?;
    let trouble = Trouble::default();
    let reader = guard(&suspect, || {
        let parquet = metadata.parquet_schema();
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(handle, metadata.clone())
                .with_row_groups(vec![group])
                .with_batch_size(request.batch_rows)
                .with_projection(ProjectionMask::roots(parquet, plan.columns.iter().copied()));
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        if let Some(filter) = &plan.first {
            let mask = ProjectionMask::roots(parquet, filter.columns().iter().copied());
            let keep = predicate(Arc::clone(filter), trouble.clone());
            let keep = ArrowPredicateFn::new(mask, keep);
            builder = builder.with_row_filter(First::new(vec![Box::new(keep)]));
        }
        builder.build()
    })
    .map_err(|error| trouble.or(error))?;
    Ok(Box::new(UnitReader {
        reader: Some(reader),
        suspect,
        // The decoder's own row filter makes the number of rows unknown.
        missing: plan.first.is_none().then_some(expected),
        plan,
        projection: request.projection.clone(),
    }))
}

/// The selection with the rows after its end said to be skipped.
fn whole(piece: RowSelection, rows: u64) -> RowSelection {
    let mut selectors: Vec<RowSelector> = piece.into();
    let said: usize = selectors.iter().map(|selector| selector.row_count).sum();
    selectors.push(RowSelector::skip((rows as usize).saturating_sub(said)));
    selectors.into()
}

/// Which columns are decoded and where the filter runs.
struct Plan {
    /// Columns that come out of the decoder, by position in the schema, ascending.
    columns: Vec<usize>,
    /// Runs in the decoder, before `columns` are decoded.
    first: Option<Arc<dyn RowFilter>>,
    /// Runs on each batch.
    later: Option<Arc<dyn RowFilter>>,
}

impl Plan {
    fn new(request: &ReadRequest) -> Self {
        let mut columns: BTreeSet<usize> = request.projection.iter().copied().collect();
        let Some(filter) = &request.filter else {
            return Plan {
                columns: columns.into_iter().collect(),
                first: None,
                later: None,
            };
        };
        let others = columns
            .iter()
            .any(|column| !filter.columns().contains(column));
        let few_pass = filter
            .tally()
            .and_then(|tally| tally.share())
            .is_none_or(|share| share < 1.0 / 3.0);
        if others && few_pass {
            return Plan {
                columns: columns.into_iter().collect(),
                first: Some(Arc::clone(filter)),
                later: None,
            };
        }
        columns.extend(filter.columns());
        Plan {
            columns: columns.into_iter().collect(),
            first: None,
            later: Some(Arc::clone(filter)),
        }
    }

    /// Every column that is decoded, ascending.
    fn touched(&self, request: &ReadRequest) -> Vec<usize> {
        let mut touched: BTreeSet<usize> = self.columns.iter().copied().collect();
        touched.extend(request.filter.iter().flat_map(|filter| filter.columns()));
        touched.into_iter().collect()
    }
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
    filter: Arc<dyn RowFilter>,
    trouble: Trouble,
) -> impl FnMut(RecordBatch) -> Result<BooleanArray, ArrowError> + Send + 'static {
    move |batch| match catch_unwind(AssertUnwindSafe(|| keep(filter.as_ref(), &batch))) {
        Ok(answer) => answer.map_err(|error| trouble.put(error)),
        Err(panic) => Err(trouble.put(filter_panicked(panic.as_ref()))),
    }
}

fn filter_panicked(panic: &(dyn Any + Send)) -> Error {
    Error::bug(format!("a filter stopped: {}", panic_text(panic)))
}

/// The filter's answers, counted.
fn keep(filter: &dyn RowFilter, batch: &RecordBatch) -> Result<BooleanArray> {
    let answer = filter.keep(batch)?;
    if let Some(tally) = filter.tally() {
        tally.add(answer.len(), answer.true_count());
    }
    Ok(answer)
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
        let Some(filter) = &self.plan.later else {
            return Ok(Some(wanted));
        };
        let keep = keep(
            filter.as_ref(),
            &projected(&batch, &self.plan.columns, filter.columns())?,
        )?;
        match keep.true_count() {
            passed if passed == batch.num_rows() => Ok(Some(wanted)),
            _ => filter_record_batch(&wanted, &keep)
                .map(Some)
                .map_err(|error| self.suspect.damaged(error)),
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
