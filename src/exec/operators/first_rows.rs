//! The first rows of each partition of a window, where a filter above the window asks for no others: a row behind as many as are
//! wanted, all seen by the same worker, leaves before anything is sorted. What stays is still sorted, numbered and filtered, so a
//! worker may stop looking whenever that does not pay.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::row::Rows;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr};

use super::aggregate::{GroupKeys, has_codes};
use super::project::evaluate_all;
use super::sort_keys::SortKeys;
use crate::error::Result;
use crate::exec::expr::checked;
use crate::exec::{Operator, OperatorState, RunContext};

/// More rows of each partition are not worth keeping apart.
const MOST: usize = 64;
/// After so many rows a worker looks whether enough of them left.
const LOOK_AFTER: usize = if cfg!(test) { 64 } else { 1 << 20 };
/// Of ten rows at most so many may stay.
const MOST_STAY: usize = 7;
/// Bytes of a key that are compared: of longer ones the first decide, or none does.
const HEAD: usize = 16;

/// Leaves out rows that cannot be among the first of their partition.
#[derive(Debug)]
pub(crate) struct FirstRows {
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    /// Of the partition keys.
    schema: SchemaRef,
    order_by: Arc<SortKeys>,
    first: usize,
    /// Rows equal to the last of the first ones are wanted, too.
    with_ties: bool,
}

impl FirstRows {
    /// None where telling partitions apart, or keeping as many rows, would cost more than it brings.
    pub(crate) fn new(
        partition_by: &[Arc<dyn PhysicalExpr>],
        order_by: &LexOrdering,
        (first, with_ties): (usize, bool),
        input: &Schema,
    ) -> Result<Option<Self>> {
        let types = partition_by
            .iter()
            .map(|key| Ok(key.data_type(input)?))
            .collect::<Result<Vec<DataType>>>()?;
        if first > MOST || types.is_empty() || !types.iter().all(has_codes) {
            return Ok(None);
        }
        let fields = types.into_iter().map(|kind| Field::new("", kind, true));
        Ok(Some(FirstRows {
            partition_by: partition_by.iter().map(checked).collect::<Result<_>>()?,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            order_by: Arc::new(SortKeys::new(order_by, input)?),
            // Whoever wants none gets none from the filter above.
            first: first.max(1),
            with_ties,
        }))
    }
}

impl Operator for FirstRows {
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(WorkerRows {
            partition_by: self.partition_by.clone(),
            order_by: Arc::clone(&self.order_by),
            partitions: Some(Partitions {
                keys: GroupKeys::new(&self.schema, false)?,
                keys_size: 0,
                keys_measured: 0,
                groups: Vec::new(),
                heads: Heads::new(self.first, self.with_ties),
            }),
            memory: context.reserve("window"),
            seen: 0,
            stayed: 0,
            output: None,
        }))
    }

    fn describe(&self) -> String {
        let ties = if self.with_ties { " with ties" } else { "" };
        let order = self.order_by.ordering();
        format!("first {}{ties} of each partition: {order}", self.first)
    }
}

struct WorkerRows {
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    order_by: Arc<SortKeys>,
    /// None once the worker stopped looking.
    partitions: Option<Partitions>,
    memory: MemoryReservation,
    /// Rows since the last look, and those of them that stayed.
    seen: usize,
    stayed: usize,
    output: Option<RecordBatch>,
}

/// The partitions that a worker has seen.
struct Partitions {
    keys: GroupKeys,
    /// Bytes of the keys when there were `keys_measured` of them.
    keys_size: usize,
    keys_measured: usize,
    /// The partition of each row of a batch.
    groups: Vec<usize>,
    heads: Heads,
}

impl OperatorState for WorkerRows {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let Some(partitions) = &mut self.partitions else {
            self.output = Some(batch);
            return Ok(());
        };
        let keys = evaluate_all(&self.partition_by, &batch)?;
        let order = self.order_by.columns(&batch)?;
        let stay = partitions.stay(&keys, &self.order_by.rows(&order)?)?;
        self.seen += batch.num_rows();
        self.stayed += stay.true_count();
        let pays = self.seen < LOOK_AFTER || self.stayed * 10 <= self.seen * MOST_STAY;
        if self.seen >= LOOK_AFTER {
            (self.seen, self.stayed) = (0, 0);
        }
        // What finds no room is no more than a help.
        if !pays || self.memory.try_resize(partitions.size()).is_err() {
            self.partitions = None;
            self.memory.free();
        }
        let left = match stay.true_count() == batch.num_rows() {
            true => batch,
            false => filter_record_batch(&batch, &stay)?,
        };
        self.output = (left.num_rows() > 0).then_some(left);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.output.take())
    }

    fn finish(&mut self) -> Result<()> {
        self.partitions = None;
        self.memory.free();
        Ok(())
    }
}

impl Partitions {
    /// Which rows may be among the first of their partition.
    fn stay(&mut self, keys: &[ArrayRef], order: &Rows) -> Result<BooleanArray> {
        self.groups.clear();
        self.keys.intern(keys, &mut self.groups)?;
        self.heads.make_room(self.keys.len());
        let all_short = order.lengths().all(|length| length <= HEAD);
        self.heads.all_short &= all_short;
        let stay = BooleanBuffer::collect_bool(self.groups.len(), |row| {
            self.heads
                .stays(self.groups[row], head(order.row(row).data()))
        });
        Ok(BooleanArray::new(stay, None))
    }

    fn size(&mut self) -> usize {
        // The measure may look at every key.
        if self.keys.len() >= self.keys_measured * 2 {
            self.keys_measured = self.keys.len();
            self.keys_size = self.keys.size();
        }
        let most = self.keys_size * 2;
        most + self.heads.size() + self.groups.capacity() * size_of::<usize>()
    }
}

/// The first bytes of a key, which compare as keys do.
fn head(key: &[u8]) -> u128 {
    let mut bytes = [0; HEAD];
    let length = key.len().min(HEAD);
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// Stands where no key was yet. A key that begins like that stays, wherever it is.
const FREE: u128 = u128::MAX;

/// The earliest keys of each partition.
#[derive(Debug)]
struct Heads {
    first: usize,
    with_ties: bool,
    /// `first` places for each partition, ascending; [`FREE`] where no key was there yet.
    places: Vec<u128>,
    /// No key so far was longer than its head.
    all_short: bool,
}

impl Heads {
    fn new(first: usize, with_ties: bool) -> Self {
        Heads {
            first,
            with_ties,
            places: Vec::new(),
            all_short: true,
        }
    }

    fn make_room(&mut self, partitions: usize) {
        let places = partitions * self.first;
        if places > self.places.len() {
            self.places.resize(places, FREE);
        }
    }

    /// Whether a row with this key may be among the first of its partition, as far as this worker saw.
    fn stays(&mut self, partition: usize, head: u128) -> bool {
        let start = partition * self.first;
        let places = &mut self.places[start..start + self.first];
        let kept = self.first - 1;
        let last = places[kept];
        if head > last {
            return false;
        }
        if head == last {
            // Where heads are whole keys, an equal row is behind: the others came before it.
            return last == FREE || self.with_ties || !self.all_short;
        }
        let place = places[..kept].partition_point(|earlier| *earlier <= head);
        places.copy_within(place..kept, place + 1);
        places[place] = head;
        true
    }

    fn size(&self) -> usize {
        self.places.capacity() * size_of::<u128>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of the rows in their order, those that are wanted: by number, or by rank with ties.
    fn wanted(rows: &[(usize, u128)], first: usize, with_ties: bool) -> Vec<bool> {
        let before = |row: usize| {
            let (partition, key) = rows[row];
            let others = rows.iter().enumerate();
            others
                .filter(|(other, (theirs, their_key))| {
                    *theirs == partition
                        && (*their_key < key || !with_ties && *their_key == key && *other < row)
                })
                .count()
        };
        (0..rows.len()).map(|row| before(row) < first).collect()
    }

    proptest! {
        #[test]
        fn no_wanted_row_leaves(
            rows in prop::collection::vec((0usize..4, 0u128..9), 0..120),
            first in 1usize..5,
            with_ties in any::<bool>(),
            all_short in any::<bool>(),
        ) {
            let mut heads = Heads::new(first, with_ties);
            heads.make_room(4);
            heads.all_short = all_short;
            let stay: Vec<bool> = rows
                .iter()
                .map(|(partition, key)| heads.stays(*partition, *key))
                .collect();
            for (row, wanted) in wanted(&rows, first, with_ties).into_iter().enumerate() {
                prop_assert!(stay[row] || !wanted, "row {row} of {rows:?}: {stay:?}");
            }
        }
    }

    #[test]
    fn later_rows_leave() {
        let mut heads = Heads::new(2, false);
        heads.make_room(1);
        let stay = [5, 3, 5, 4, 9, 3, 3].map(|key| heads.stays(0, key));
        assert_eq!(stay, [true, true, false, true, false, true, false]);
        let mut ties = Heads::new(2, true);
        ties.make_room(1);
        let stay = [5, 3, 5, 4, 5, 4, 9].map(|key| ties.stays(0, key));
        assert_eq!(stay, [true, true, true, true, false, true, false]);
    }

    #[test]
    fn long_keys_that_begin_alike_all_stay() {
        let mut heads = Heads::new(1, false);
        heads.make_room(1);
        heads.all_short = false;
        assert!(heads.stays(0, 7) && heads.stays(0, 7) && !heads.stays(0, 8));
        assert_eq!(head(b"0123456789abcdefX"), head(b"0123456789abcdefY"));
        assert!(head(b"a") < head(b"b"));
    }
}
