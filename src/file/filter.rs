//! Which rows a reader is asked for, and what readers know of values before they decode them.
//!
//! A condition of the query is a [`RowFilter`] over a file's columns, made with the plan. What only the running query learns (the
//! keys of a join's build side, the last key of a top-k so far) is a [`RuntimeFilter`]; [`Late`] makes a row filter of it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder, Datum, RecordBatch};
use arrow::compute::kernels::cmp::{gt_eq, lt_eq};
use arrow::compute::{and, filter_record_batch, prep_null_mask_filter};
use arrow::error::ArrowError;

use crate::error::{Error, Result};

/// A condition on rows, over the file's columns.
pub(crate) trait RowFilter: Send + Sync + Debug {
    /// The columns it reads, by position in the file's schema, ascending.
    fn columns(&self) -> &[usize];

    /// One answer for each row of a batch that has exactly [`RowFilter::columns`], in that order. NULL counts as false.
    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray>;

    /// For each container of `bounds`, whether a row in it may pass. `None`: nothing can be said.
    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>>;

    /// Whether `keep` could end in an error for some row: then it is asked after those before it, and only of rows they let
    /// through.
    fn can_fail(&self) -> bool {
        true
    }

    /// How it comes to its answers.
    fn stage(&self) -> Stage {
        Stage::Planned
    }

    /// What readers saw pass so far, where that is counted: it decides when the filter's columns are decoded.
    fn tally(&self) -> Option<&Tally> {
        None
    }
}

/// When a filter knows its condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Since the plan was made: every row that does not pass has to go.
    Planned,
    /// Learned while the query runs, and known by now. A row that would not pass does no harm; answers may become stricter.
    Learned,
    /// To be learned, and not known yet: it must not be asked.
    Waiting,
}

/// What a running query learns of some columns, its *keys*: a row that does not pass cannot be part of the answer. It may learn
/// more at any time and forgets nothing. Readers look at it whenever they open a unit.
pub(crate) trait RuntimeFilter: Send + Sync + Debug {
    /// Whether it knows anything yet. The other methods are called only then.
    fn is_ready(&self) -> bool;

    /// One answer for each row of the key columns. NULL counts as false.
    fn keep(&self, keys: &[ArrayRef]) -> Result<BooleanArray>;

    /// For each container whether a row in it may pass; the columns of `bounds` are the keys by number. `None`: nothing can be
    /// said. See [`overlap`].
    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>>;

    /// The only values that its one key may have, where it is a whole number and these are no more than `most`.
    fn numbers(&self, _most: usize) -> Option<Vec<i64>> {
        None
    }
}

/// A filter of the running query, at its places in a table.
#[derive(Debug)]
pub(crate) struct Late {
    filter: Arc<dyn RuntimeFilter>,
    /// Ascending.
    columns: Vec<usize>,
    /// For each key its place in `columns`.
    keys: Vec<usize>,
}

impl Late {
    /// `keys` are the positions of the filter's key columns.
    pub(crate) fn new(filter: Arc<dyn RuntimeFilter>, keys: &[usize]) -> Self {
        let mut columns = keys.to_vec();
        columns.sort_unstable();
        columns.dedup();
        let keys = keys
            .iter()
            .map(|key| columns.partition_point(|column| column < key))
            .collect();
        Late {
            filter,
            columns,
            keys,
        }
    }
}

impl RowFilter for Late {
    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let keys: Vec<ArrayRef> = self
            .keys
            .iter()
            .map(|key| Arc::clone(batch.column(*key)))
            .collect();
        self.filter.keep(&keys)
    }

    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>> {
        self.filter.may_match(&KeyBounds { bounds, late: self })
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn stage(&self) -> Stage {
        match self.filter.is_ready() {
            true => Stage::Learned,
            false => Stage::Waiting,
        }
    }
}

/// Bounds of columns as bounds of keys.
struct KeyBounds<'a> {
    bounds: &'a dyn Bounds,
    late: &'a Late,
}

impl KeyBounds<'_> {
    fn column(&self, key: usize) -> Option<usize> {
        self.late.columns.get(*self.late.keys.get(key)?).copied()
    }
}

impl Bounds for KeyBounds<'_> {
    fn containers(&self) -> usize {
        self.bounds.containers()
    }

    fn min(&self, key: usize) -> Option<ArrayRef> {
        self.bounds.min(self.column(key)?)
    }

    fn max(&self, key: usize) -> Option<ArrayRef> {
        self.bounds.max(self.column(key)?)
    }

    fn null_counts(&self, key: usize) -> Option<ArrayRef> {
        self.bounds.null_counts(self.column(key)?)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        self.bounds.row_counts()
    }
}

/// How many rows of one query met a filter and how many passed.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: AtomicU64,
    passed: AtomicU64,
}

impl Tally {
    pub(crate) fn add(&self, seen: usize, passed: usize) {
        self.seen.fetch_add(seen as u64, Ordering::Relaxed);
        self.passed.fetch_add(passed as u64, Ordering::Relaxed);
    }

    /// The share of rows that passed, when any was seen.
    pub(crate) fn share(&self) -> Option<f64> {
        let seen = self.seen.load(Ordering::Relaxed);
        (seen > 0).then(|| self.passed.load(Ordering::Relaxed) as f64 / seen as f64)
    }
}

/// What is known of the values in some containers (row groups, pages), each answer with one entry for each container.
pub(crate) trait Bounds {
    /// How many containers.
    fn containers(&self) -> usize;
    /// Smallest value of the column, NULL where unknown.
    fn min(&self, column: usize) -> Option<ArrayRef>;
    /// Largest value of the column, NULL where unknown.
    fn max(&self, column: usize) -> Option<ArrayRef>;
    /// NULLs of the column, as UInt64.
    fn null_counts(&self, column: usize) -> Option<ArrayRef>;
    /// Rows, as UInt64.
    fn row_counts(&self) -> Option<ArrayRef>;
}

/// For each container whether a value of the column may lie from `low` to `high` (one value each, of the column's type); without
/// a limit on one side, that side does not count. `None`: nothing can be said. NULLs of the column are not values.
pub(crate) fn overlap(
    bounds: &dyn Bounds,
    column: usize,
    low: Option<&dyn Datum>,
    high: Option<&dyn Datum>,
) -> Option<Vec<bool>> {
    let mut may = vec![true; bounds.containers()];
    let mut said = false;
    let mut judge = |answers: Option<BooleanArray>| {
        let Some(answers) = answers.filter(|answers| answers.len() == may.len()) else {
            return;
        };
        said = true;
        for (row, may) in may.iter_mut().enumerate() {
            // Unknown bounds leave the container in.
            *may &= answers.is_null(row) || answers.value(row);
        }
    };
    if let Some(low) = low {
        judge(bounds.max(column).and_then(|max| gt_eq(&max, low).ok()));
    }
    if let Some(high) = high {
        judge(bounds.min(column).and_then(|min| lt_eq(&min, high).ok()));
    }
    said.then_some(may)
}

/// Which of the containers may hold a row that passes all of the filters that know their condition; `None` where none is left
/// out. A filter's answer of another length is not believed.
pub(crate) fn containers_left(
    filters: &[Arc<dyn RowFilter>],
    bounds: &dyn Bounds,
) -> Option<Vec<bool>> {
    let mut left = vec![true; bounds.containers()];
    for filter in filters {
        if filter.stage() == Stage::Waiting {
            continue;
        }
        let answer = filter.may_match(bounds);
        if let Some(answer) = answer.filter(|answer| answer.len() == left.len()) {
            left.iter_mut()
                .zip(answer)
                .for_each(|(left, may)| *left &= may);
        }
    }
    (!left.iter().all(|left| *left)).then_some(left)
}

/// A learned filter that lets more than this share pass is no longer asked row by row.
const USELESS: f64 = 0.9;

/// What a filter that was not asked yet is taken to let pass.
const UNKNOWN: f64 = 0.5;

/// The filters that rows are to be tested with, in the order that costs least: by what the filter drops for what its columns
/// cost, `cost` giving that of a column. Filters that can fail come last and stay in their order.
pub(crate) fn in_order(
    filters: &[Arc<dyn RowFilter>],
    cost: impl Fn(usize) -> f64,
) -> Vec<Arc<dyn RowFilter>> {
    let share = |filter: &dyn RowFilter| filter.tally().and_then(Tally::share);
    let asked = |filter: &&Arc<dyn RowFilter>| match filter.stage() {
        Stage::Planned => true,
        Stage::Learned => share(filter.as_ref()).is_none_or(|share| share < USELESS),
        Stage::Waiting => false,
    };
    let mut order: Vec<(f64, Arc<dyn RowFilter>)> = filters
        .iter()
        .filter(asked)
        .map(|filter| {
            let columns: f64 = filter.columns().iter().map(|column| cost(*column)).sum();
            let dropped = 1.0 - share(filter.as_ref()).unwrap_or(UNKNOWN);
            let rank = match filter.can_fail() {
                true => f64::INFINITY,
                false => -dropped / columns.max(1.0),
            };
            (rank, Arc::clone(filter))
        })
        .collect();
    order.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    order.into_iter().map(|(_, filter)| filter).collect()
}

/// Of `rows` rows those that are in `left` (all without it) and pass the filter. `columns` gives the columns it reads, of all rows.
pub(crate) fn refine(
    filter: &dyn RowFilter,
    left: Option<BooleanArray>,
    rows: usize,
    columns: impl FnOnce(&[usize]) -> Result<RecordBatch>,
) -> Result<BooleanArray> {
    let batch = columns(filter.columns())?;
    let Some(left) = left else {
        return answers(filter, &batch);
    };
    let count = left.true_count();
    if count < rows && (filter.can_fail() || count * 3 < rows) {
        let some = filter_record_batch(&batch, &left).map_err(bug)?;
        return Ok(spread(&left, &answers(filter, &some)?));
    }
    and(&left, &answers(filter, &batch)?).map_err(bug)
}

/// The filter's answers, counted; none is NULL.
fn answers(filter: &dyn RowFilter, batch: &RecordBatch) -> Result<BooleanArray> {
    let answers = filter.keep(batch)?;
    let answers = match answers.null_count() {
        0 => answers,
        _ => prep_null_mask_filter(&answers),
    };
    if let Some(tally) = filter.tally() {
        tally.add(answers.len(), answers.true_count());
    }
    Ok(answers)
}

/// Answers for the rows in `left`, as answers for all rows.
fn spread(left: &BooleanArray, answers: &BooleanArray) -> BooleanArray {
    let mut all = BooleanBufferBuilder::new(left.len());
    all.append_n(left.len(), false);
    for (row, answer) in left.values().set_indices().zip(answers.values()) {
        all.set_bit(row, answer);
    }
    BooleanArray::new(all.finish(), None)
}

fn bug(error: ArrowError) -> Error {
    Error::bug(error.to_string())
}
