//! The first rows of an order, without sorting the rest: every worker keeps a few candidates and knows the key that a row must
//! be before to become one. The scan below knows it too, and leaves out what cannot be early enough.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Scalar, UInt32Array};
use arrow::compute::kernels::boolean::{is_null, or_kleene};
use arrow::compute::kernels::cmp::{gt_eq, lt_eq};
use arrow::compute::{
    SortOptions, filter, filter_record_batch, prep_null_mask_filter, take_record_batch,
};
use arrow::datatypes::{DataType, SchemaRef, UInt64Type};
use arrow::record_batch::RecordBatch;
use arrow::row::Rows;
use datafusion::execution::memory_pool::MemoryReservation;

use super::sort::{Sorted, SortedSlot, fill};
use super::sort_keys::{SortKeys, SortRun};
use crate::error::{Error, Result};
use crate::exec::spill::own_rows;
use crate::exec::{CancelToken, Flow, RunContext, Sink};
use crate::file::filter::overlap;
use crate::file::{Bounds, RuntimeFilter};

/// Candidates a worker gathers before it sorts them and forgets those that are too late.
const SLACK: usize = 1024;

/// Keeps the first `fetch` rows.
#[derive(Debug)]
pub(crate) struct TopKSink {
    keys: SortKeys,
    fetch: usize,
    schema: SchemaRef,
    slot: SortedSlot,
    threshold: Arc<Threshold>,
}

impl TopKSink {
    pub(crate) fn new(keys: SortKeys, fetch: usize, schema: SchemaRef, slot: SortedSlot) -> Self {
        TopKSink {
            threshold: Arc::new(Threshold {
                bound: Mutex::default(),
                options: keys.first_options(),
            }),
            keys,
            fetch,
            schema,
            slot,
        }
    }

    /// What the sink learns of the first sort key: rows that cannot be among the first are of no use.
    pub(crate) fn threshold(&self) -> Arc<dyn RuntimeFilter> {
        Arc::clone(&self.threshold) as Arc<dyn RuntimeFilter>
    }

    /// Sorts the candidates, keeps the first, and sets the bound for those to come.
    fn shrink(&self, local: &mut Candidates) -> Result<()> {
        local.run.sort(&local.cancel)?;
        local.run.truncate(self.fetch);
        let kept = local.run.len();
        let batch = local.run.gather(0, kept, &self.schema)?;
        let columns = self.keys.columns(&batch)?;
        let keys = self.keys.rows(&columns)?;
        if let (true, Some(first)) = (kept == self.fetch, columns.first()) {
            self.threshold.tighten(Bound {
                key: keys.row(kept - 1).data().into(),
                first: first.slice(kept - 1, 1),
            });
        }
        let cost = SortRun::cost(&batch, Some(&keys));
        local.run = SortRun::default();
        local.run.push(batch, Some(keys));
        Ok(local.memory.try_resize(cost)?)
    }
}

/// What one worker holds.
#[derive(Debug)]
pub(crate) struct Candidates {
    run: SortRun,
    memory: MemoryReservation,
    cancel: CancelToken,
}

/// The key of the last candidate that counts.
#[derive(Debug)]
struct Bound {
    key: Box<[u8]>,
    /// The value of its first key column, in an array of one.
    first: ArrayRef,
}

/// The earliest bound that any worker found. As many rows as are wanted are not behind it.
#[derive(Debug)]
struct Threshold {
    bound: Mutex<Option<Arc<Bound>>>,
    /// Of the first key.
    options: SortOptions,
}

impl Threshold {
    fn bound(&self) -> Option<Arc<Bound>> {
        let bound = self.bound.lock();
        bound.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tighten(&self, bound: Bound) {
        let mut known = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_none_or(|known| bound.key < known.key) {
            *known = Some(Arc::new(bound));
        }
    }
}

impl RuntimeFilter for Threshold {
    fn is_ready(&self) -> bool {
        self.bound().is_some()
    }

    fn keep(&self, keys: &[ArrayRef]) -> Result<BooleanArray> {
        let column = keys
            .first()
            .ok_or_else(|| Error::bug("a top-k's filter without its key"))?;
        let early = match self.bound() {
            Some(bound) => early_by_first_key(column, &bound, self.options)?,
            None => None,
        };
        Ok(early.unwrap_or_else(|| BooleanArray::from(vec![true; column.len()])))
    }

    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>> {
        let bound = self.bound()?;
        let SortOptions {
            descending,
            nulls_first,
        } = self.options;
        let mut early = if bound.first.is_null(0) {
            // Nothing but NULL is as early as NULL, where that is first.
            nulls_first.then(|| vec![false; bounds.containers()])?
        } else {
            let last = Scalar::new(Arc::clone(&bound.first));
            match descending {
                true => overlap(bounds, 0, Some(&last), None)?,
                false => overlap(bounds, 0, None, Some(&last))?,
            }
        };
        if nulls_first {
            let nulls = bounds.null_counts(0);
            let nulls = nulls
                .as_ref()
                .and_then(|n| n.as_primitive_opt::<UInt64Type>());
            for (place, early) in early.iter_mut().enumerate() {
                let none = nulls.is_some_and(|n| n.is_valid(place) && n.value(place) == 0);
                *early |= !none;
            }
        }
        Some(early)
    }
}

impl Sink for TopKSink {
    type Local = Candidates;

    fn start(&self, context: &Arc<RunContext>) -> Result<Candidates> {
        Ok(Candidates {
            run: SortRun::default(),
            memory: context.reserve("top-k"),
            cancel: context.cancel.clone(),
        })
    }

    fn push(&self, local: &mut Candidates, mut batch: RecordBatch) -> Result<Flow> {
        if self.fetch == 0 {
            return Ok(Flow::Done);
        }
        let mut columns = self.keys.columns(&batch)?;
        let bound = self.threshold.bound();
        if let Some(bound) = &bound
            && let Some(early) = early_by_first_key(&columns[0], bound, self.keys.first_options())?
        {
            match early.true_count() {
                0 => return Ok(Flow::More),
                count if count < batch.num_rows() => {
                    batch = filter_record_batch(&batch, &early)?;
                    columns = columns
                        .iter()
                        .map(|column| filter(column, &early))
                        .collect::<Result<_, _>>()?;
                }
                _ => {}
            }
        }
        let mut keys = self.keys.rows(&columns)?;
        if let Some(bound) = &bound {
            let early = rows_before(&keys, &bound.key);
            if early.is_empty() {
                return Ok(Flow::More);
            }
            if early.len() < batch.num_rows() {
                batch = take_record_batch(&batch, &UInt32Array::from(early.clone()))?;
                keys = self.keys.pick(&keys, &early);
            }
        }
        // A few rows of a batch must not keep the text of all others.
        batch = own_rows(batch)?;
        local.memory.try_grow(SortRun::cost(&batch, Some(&keys)))?;
        local.run.push(batch, Some(keys));
        if local.run.len()
            > self
                .fetch
                .saturating_mul(2)
                .max(self.fetch.saturating_add(SLACK))
        {
            self.shrink(local)?;
        }
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<Candidates>, context: &Arc<RunContext>) -> Result<()> {
        let mut all = SortRun::default();
        for local in locals {
            all.absorb(local.run);
            all.hold(local.memory);
        }
        all.sort(&context.cancel)?;
        all.truncate(self.fetch);
        fill(&self.slot, Sorted::InMemory(all))
    }

    fn describe(&self) -> String {
        format!("top {}: {}", self.fetch, self.keys.ordering())
    }
}

/// The numbers of the rows whose keys are before `bound`.
fn rows_before(keys: &Rows, bound: &[u8]) -> Vec<u32> {
    keys.iter()
        .zip(0_u32..)
        .filter(|(key, _)| key.data() < bound)
        .map(|(_, row)| row)
        .collect()
}

/// Which rows can be before the bound as far as the first key tells: one comparison of columns that spares making the keys of
/// all other rows. `None` where it tells nothing.
fn early_by_first_key(
    column: &ArrayRef,
    bound: &Bound,
    options: SortOptions,
) -> Result<Option<BooleanArray>> {
    let data_type = column.data_type();
    let comparable = data_type.is_primitive()
        || matches!(
            data_type,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
    if !comparable {
        return Ok(None);
    }
    if bound.first.is_null(0) {
        return Ok(match options.nulls_first {
            true => Some(is_null(column)?),
            false => None,
        });
    }
    let last = Scalar::new(Arc::clone(&bound.first));
    let early = match options.descending {
        true => gt_eq(column, &last)?,
        false => lt_eq(column, &last)?,
    };
    if column.null_count() == 0 {
        return Ok(Some(early));
    }
    Ok(Some(match options.nulls_first {
        true => or_kleene(&early, &is_null(column)?)?,
        false => prep_null_mask_filter(&early),
    }))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, UInt64Array};

    use super::*;

    /// Three containers: 0 to 9, 10 to 19, and one of which only the NULLs are known.
    struct Three;

    impl Bounds for Three {
        fn containers(&self) -> usize {
            3
        }
        fn min(&self, _column: usize) -> Option<ArrayRef> {
            Some(Arc::new(Int64Array::from(vec![Some(0), Some(10), None])))
        }
        fn max(&self, _column: usize) -> Option<ArrayRef> {
            Some(Arc::new(Int64Array::from(vec![Some(9), Some(19), None])))
        }
        fn null_counts(&self, _column: usize) -> Option<ArrayRef> {
            Some(Arc::new(UInt64Array::from(vec![Some(0), None, Some(0)])))
        }
        fn row_counts(&self) -> Option<ArrayRef> {
            None
        }
    }

    fn threshold(first: ArrayRef, descending: bool, nulls_first: bool) -> Threshold {
        let threshold = Threshold {
            bound: Mutex::default(),
            options: SortOptions {
                descending,
                nulls_first,
            },
        };
        let key = Box::default();
        threshold.tighten(Bound { key, first });
        threshold
    }

    fn three(first: Option<i64>, descending: bool, nulls_first: bool) -> Option<Vec<bool>> {
        let first: ArrayRef = Arc::new(Int64Array::from(vec![first]));
        threshold(first, descending, nulls_first).may_match(&Three)
    }

    #[test]
    fn containers_that_cannot_be_early_are_left_out() {
        assert_eq!(three(Some(5), false, false), Some(vec![true, false, true]));
        assert_eq!(three(Some(12), true, false), Some(vec![false, true, true]));
        // Equal in the first key may be earlier in the next.
        assert_eq!(three(Some(9), true, false), Some(vec![true; 3]));
        // Where NULL is first, a container that may have one stays.
        assert_eq!(three(Some(5), false, true), Some(vec![true, true, true]));
        assert_eq!(three(None, false, true), Some(vec![false, true, false]));
        assert_eq!(three(None, false, false), None);
    }

    #[test]
    fn bounds_only_become_tighter() {
        let threshold = threshold(Arc::new(Int64Array::from(vec![1])), false, false);
        let bound = |key: &[u8], first: i64| Bound {
            key: key.into(),
            first: Arc::new(Int64Array::from(vec![first])),
        };
        threshold.tighten(bound(b"b", 7));
        assert!(
            threshold.bound().unwrap().key.is_empty(),
            "later than it was"
        );
    }

    #[test]
    fn rows_at_the_bound_stay() {
        let first: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY]));
        let column: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(1.0),
            Some(f64::INFINITY),
            Some(f64::NAN),
            None,
        ]));
        let kept = |descending, nulls_first| {
            let filter = threshold(Arc::clone(&first), descending, nulls_first);
            let kept = filter.keep(&[Arc::clone(&column)]).unwrap();
            (0..4)
                .map(|row| kept.is_valid(row) && kept.value(row))
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(false, false), [true, true, false, false]);
        assert_eq!(kept(true, true), [false, true, true, true]);
    }
}
