//! What the log says of segments, as bounds that a condition can be compared with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::SnapshotTable;
use super::keys::is_ours;
use crate::file::Bounds;
use crate::table::layout::PartitionKey;
use crate::table::snapshot::Segment;
use crate::table::stats::ColumnStatistics;

/// What the log says of some segments, each as a container.
pub(super) struct LogBounds<'a> {
    pub(super) table: &'a SnapshotTable,
    pub(super) segments: &'a [Arc<Segment>],
    pub(super) partitions_only: bool,
    /// What was read of columns that were asked for.
    columns: Mutex<HashMap<usize, Arc<ColumnStatistics>>>,
}

impl<'a> LogBounds<'a> {
    pub(super) fn new(
        table: &'a SnapshotTable,
        segments: &'a [Arc<Segment>],
        partitions_only: bool,
    ) -> Self {
        LogBounds {
            table,
            segments,
            partitions_only,
            columns: Mutex::default(),
        }
    }

    fn statistics(&self, column: usize) -> Arc<ColumnStatistics> {
        let mut known = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || {
            let name = self.table.snapshot().columns.seen.field(column).name();
            let texts = self.segments.iter().map(|segment| segment.statistics());
            Arc::new(ColumnStatistics::of(name, &texts.collect::<Vec<_>>()))
        };
        Arc::clone(known.entry(column).or_insert_with(read))
    }

    /// The partitions that are named by the column, or by what is computed of it.
    fn keys(&self, column: usize) -> impl Iterator<Item = &PartitionKey> {
        let keys = self.table.snapshot().layout.partition_by.iter();
        keys.filter(move |key| key.column == column)
    }

    fn bound(&self, column: usize, largest: bool) -> Option<ArrayRef> {
        let columns = &self.table.snapshot().columns;
        let seen = columns.seen.fields().get(column)?;
        let stored = columns.stored.field(column).data_type();
        let as_seen = |bound: ArrayRef| {
            if stored == seen.data_type() {
                return Some(bound);
            }
            keeps_order(seen.data_type()).then(|| cast(&bound, seen.data_type()).ok())?
        };
        for key in self.keys(column) {
            let values = self.segments.iter().map(|one| value_of(key, one).flatten());
            let texts: ArrayRef = Arc::new(StringArray::from_iter(values));
            match key.transform {
                None => return cast(&texts, seen.data_type()).ok(),
                Some(transform) if self.partitions_only => {
                    let values = cast(&texts, &transform.kind(stored)?).ok()?;
                    if let Some(bound) = transform.bound(&values, stored, largest) {
                        return as_seen(bound);
                    }
                }
                Some(_) => {}
            }
        }
        if self.partitions_only {
            return None;
        }
        as_seen(self.statistics(column).bounds(stored, largest)?)
    }
}

/// The value of a segment's partition; nothing where another writer may have computed it in another way.
fn value_of<'s>(key: &PartitionKey, segment: &'s Segment) -> Option<Option<&'s str>> {
    if key.transform.is_some() && !is_ours(segment) {
        return None;
    }
    let value = segment.add.partition_values.get(&key.name);
    // To every reader of the protocol an empty text is NULL.
    let value = value.and_then(|value| value.as_deref());
    Some(value.filter(|text| !text.is_empty()))
}

/// Stored values become these without changing their order.
fn keeps_order(seen: &DataType) -> bool {
    use DataType::{Duration, Time32, Time64, Timestamp};
    seen.is_integer() || matches!(seen, Timestamp(..) | Time32(_) | Time64(_) | Duration(_))
}

impl Bounds for LogBounds<'_> {
    fn containers(&self) -> usize {
        self.segments.len()
    }

    fn min(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, false)
    }

    fn max(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, true)
    }

    fn null_counts(&self, column: usize) -> Option<ArrayRef> {
        self.table.snapshot().columns.seen.fields().get(column)?;
        let truncates = |key: &&PartitionKey| {
            let computed = key.transform.map(|transform| transform.bound_is_known());
            computed.unwrap_or(true) && (key.transform.is_none() || self.partitions_only)
        };
        if let Some(key) = self.keys(column).find(truncates) {
            let counts = self
                .segments
                .iter()
                .map(|segment| match value_of(key, segment)? {
                    Some(_) => Some(0),
                    None => segment.rows(),
                });
            return Some(Arc::new(UInt64Array::from_iter(counts)));
        }
        if self.partitions_only {
            return None;
        }
        Some(self.statistics(column).null_counts())
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.segments.iter().map(|segment| segment.rows());
        Some(Arc::new(UInt64Array::from_iter(rows)))
    }
}
