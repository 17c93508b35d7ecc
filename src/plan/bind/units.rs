//! Rows about the parts of durable tables: `SHOW SHARDS t` and `FROM system.units`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::datasource::MemTable;

use super::Binder;
use super::relation::Relation;
use crate::catalog::Entry;
use crate::catalog::durable::SnapshotTable;
use crate::error::Result;
use crate::table::database::DurableTable;
use crate::table::layout::partition_directory;
use crate::table::snapshot::{CHECKSUM_TAG, Segment};

/// Columns that are filled row by row.
#[derive(Default)]
struct Counts {
    segments: i64,
    rows: i64,
    bytes: i64,
}

impl Binder<'_> {
    /// A row for every segment of every durable table.
    pub(super) fn units(&self) -> Result<Relation> {
        let mut units: Vec<(DurableTable, Arc<Segment>)> = Vec::new();
        for name in self.catalog.names() {
            if let Some(Entry::Table(provider)) = self.entry(&name)?
                && let Some(table) = provider.downcast_ref::<SnapshotTable>()
            {
                let segments = table.table.snapshot.segments();
                units.extend(segments.map(|one| (table.table.clone(), Arc::clone(one))));
            }
        }
        let text = |of: &dyn Fn(&DurableTable, &Segment) -> Option<String>| -> ArrayRef {
            let values = units.iter().map(|(table, segment)| of(table, segment));
            Arc::new(StringArray::from_iter(values))
        };
        let number = |of: &dyn Fn(&DurableTable, &Segment) -> Option<i64>| -> ArrayRef {
            let values = units.iter().map(|(table, segment)| of(table, segment));
            Arc::new(Int64Array::from_iter(values))
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("table_name", text(&|table, _| Some(table.name.clone()))),
            (
                "version",
                number(&|table, _| Some(table.snapshot.version as i64)),
            ),
            (
                "segment",
                text(&|_, segment| Some(segment.add.path.clone())),
            ),
            (
                "partition_path",
                text(&|table, segment| partition(table, segment)),
            ),
            ("shard", number(&shard)),
            ("row_count", number(&|_, segment| rows(segment))),
            ("bytes", number(&|_, segment| Some(segment.add.size))),
            (
                "checksum",
                text(&|_, segment| segment.tag(CHECKSUM_TAG).map(str::to_string)),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        self.scan("units", None, Arc::new(table))
    }
}

/// The values of the partition as directories name them.
fn partition(table: &DurableTable, segment: &Segment) -> Option<String> {
    let keys = &table.snapshot.layout.partition_by;
    let values = keys.iter().map(|key| {
        let value = segment.add.partition_values.get(&key.name);
        (key.name.clone(), value.cloned().flatten())
    });
    let values: Vec<_> = values.collect();
    let directory = partition_directory(&values);
    (!keys.is_empty()).then(|| directory.trim_end_matches('/').to_string())
}

fn rows(segment: &Segment) -> Option<i64> {
    segment.rows().map(|rows| rows as i64)
}

/// The shard that the segment lies in; none where another writer wrote it.
fn shard(table: &DurableTable, segment: &Segment) -> Option<i64> {
    let layout = &table.snapshot.layout;
    let (first, _) = segment.buckets().filter(|_| layout.shards > 0)?;
    Some(layout.shard_of(first) as i64)
}

/// A row for every shard, and one for segments that lie in none.
pub(super) fn shards(table: &DurableTable) -> Vec<(&'static str, ArrayRef)> {
    let layout = &table.snapshot.layout;
    let numbers = (0..layout.shards).map(|number| Some(number as i64));
    let mut found: BTreeMap<Option<i64>, Counts> =
        numbers.map(|number| (number, Counts::default())).collect();
    for segment in table.snapshot.segments() {
        let counts = found.entry(shard(table, segment)).or_default();
        counts.segments += 1;
        counts.rows += rows(segment).unwrap_or_default();
        counts.bytes += segment.add.size;
    }
    let buckets = |shard: &Option<i64>| shard.map(|shard| layout.buckets_of(shard as u64));
    let optional = |of: &dyn Fn(&Option<i64>) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(found.keys().map(of)))
    };
    let counted = |of: &dyn Fn(&Counts) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(found.values().map(of)))
    };
    vec![
        ("shard", optional(&|shard| *shard)),
        (
            "first_bucket",
            optional(&|shard| buckets(shard).map(|buckets| *buckets.start() as i64)),
        ),
        (
            "last_bucket",
            optional(&|shard| buckets(shard).map(|buckets| *buckets.end() as i64)),
        ),
        ("segments", counted(&|counts| counts.segments)),
        ("row_count", counted(&|counts| counts.rows)),
        ("bytes", counted(&|counts| counts.bytes)),
    ]
}
