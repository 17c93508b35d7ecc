//! The first rows of an order, without sorting the rest: every worker keeps a few candidates and knows the key that a row must
//! be before to become one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Scalar, UInt32Array};
use arrow::compute::kernels::boolean::{is_null, or_kleene};
use arrow::compute::kernels::cmp::{gt_eq, lt_eq};
use arrow::compute::{
    SortOptions, filter, filter_record_batch, prep_null_mask_filter, take_record_batch,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::Rows;
use datafusion::execution::memory_pool::MemoryReservation;

use super::sort::{Sorted, SortedSlot, fill};
use super::sort_keys::{SortKeys, SortRun};
use crate::error::Result;
use crate::exec::spill::own_rows;
use crate::exec::{CancelToken, Flow, RunContext, Sink};

/// Candidates a worker gathers before it sorts them and forgets those that are too late.
const SLACK: usize = 1024;

/// Keeps the first `fetch` rows.
#[derive(Debug)]
pub(crate) struct TopKSink {
    keys: SortKeys,
    fetch: usize,
    schema: SchemaRef,
    slot: SortedSlot,
}

impl TopKSink {
    pub(crate) fn new(keys: SortKeys, fetch: usize, schema: SchemaRef, slot: SortedSlot) -> Self {
        TopKSink {
            keys,
            fetch,
            schema,
            slot,
        }
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
            local.bound = Some(Bound {
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
    bound: Option<Bound>,
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

impl Sink for TopKSink {
    type Local = Candidates;

    fn start(&self, context: &Arc<RunContext>) -> Result<Candidates> {
        Ok(Candidates {
            run: SortRun::default(),
            bound: None,
            memory: context.reserve("top-k"),
            cancel: context.cancel.clone(),
        })
    }

    fn push(&self, local: &mut Candidates, mut batch: RecordBatch) -> Result<Flow> {
        if self.fetch == 0 {
            return Ok(Flow::Done);
        }
        let mut columns = self.keys.columns(&batch)?;
        if let Some(bound) = &local.bound
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
        if let Some(bound) = &local.bound {
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
