//! A durable table as DataFusion plans with it: one version, of which a query opens only the segments it may need.
//!
//! A condition leaves out partitions by their values, then shards by the hash of their key, then segments by what the log says of
//! their values. Footers are read of what is left. The scan is then one of files, as any other.

mod bounds;
mod changes;
mod hedged;
mod keys;
mod projected;
mod replicated;
mod segment;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Statistics};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::files::{FileTable, PSEUDO, Shards, pushdown};
use super::filter::PhysicalFilter;
use super::scan::{Planned, external};
use crate::error::{Error, Result};
use crate::file::memory::MemoryFile;
use crate::file::table::{Origin, ScanFile, TableRequest};
use crate::file::{Pruned, RowFilter};
use crate::table::action::Add;
use crate::table::database::DurableTable;
use crate::table::ingest;
use crate::table::snapshot::{Segment, Snapshot};
use bounds::LogBounds;
pub(crate) use changes::ChangedRows;
pub(crate) use projected::ConsideredFile;
pub(crate) use replicated::{ReplicatedFile, SegmentRoute};
use segment::open_segment;

/// The name of the column that tells each row's segment.
const FILE_NAME: &str = "_file_name";

/// What it says of rows that are in no segment yet.
const WAITING: &str = "(waiting)";

/// Rows of a projection that are looked at together before it is chosen.
const PROJECTED_ROWS: usize = 64 << 10;

/// One version of a durable table.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotTable {
    pub(crate) table: DurableTable,
    /// An AS OF names the version: a later statement means the same.
    pub(crate) fixed: bool,
    /// The table that the statement changes, and not another look at it.
    pub(crate) is_target: bool,
    schema: SchemaRef,
    segments: Vec<Arc<Segment>>,
}

impl SnapshotTable {
    pub(crate) fn new(table: DurableTable, fixed: bool) -> Self {
        let seen = &table.snapshot.columns.seen;
        let file_column = Some(FILE_NAME).filter(|name| seen.index_of(name).is_err());
        SnapshotTable {
            segments: table.snapshot.segments().cloned().collect(),
            schema: with_file_column(seen, file_column),
            table,
            fixed,
            is_target: false,
        }
    }

    /// The table that a statement changes. Its last column tells each row's segment, whatever its other columns are called.
    pub(crate) fn target(table: DurableTable) -> Self {
        let seen = &table.snapshot.columns.seen;
        let mut name = FILE_NAME.to_string();
        while seen.index_of(&name).is_ok() {
            name.push('_');
        }
        SnapshotTable {
            schema: with_file_column(seen, Some(&name)),
            is_target: true,
            ..SnapshotTable::new(table, false)
        }
    }

    /// The same version with only these segments, by path as the log has it.
    pub(crate) fn restricted(&self, paths: &BTreeSet<String>) -> Self {
        let inside = |segment: &&Arc<Segment>| paths.contains(&segment.add.path);
        SnapshotTable {
            segments: self.segments.iter().filter(inside).cloned().collect(),
            ..self.clone()
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.table.snapshot
    }

    /// Whether a scan with these conditions would read a segment, if the table had it. What cannot be said is read.
    pub(crate) fn would_read(&self, state: &dyn Session, filters: &[Expr], add: &Add) -> bool {
        let Some(condition) = conjunction(filters.iter().cloned()) else {
            return true;
        };
        let filter = DFSchema::try_from(Arc::clone(&self.schema))
            .and_then(|schema| state.create_physical_expr(condition, &schema))
            .map_err(Error::from)
            .and_then(|condition| PhysicalFilter::new(&condition, true, &self.schema));
        let segment = Arc::new(Segment::new(add.clone()));
        filter.map_or(true, |filter| {
            let left = self.prune(vec![segment], filters, &filter, &mut Vec::new());
            !left.is_empty()
        })
    }

    fn plan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut segments = self.segments.clone();
        let mut pruned = Vec::new();
        let mut conditions: Vec<Arc<dyn RowFilter>> = Vec::new();
        if let Some(filter) = conjunction(filters.iter().cloned()) {
            let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
            let condition = state.create_physical_expr(filter, &schema)?;
            let filter = PhysicalFilter::new(&condition, true, &self.schema).map_err(external)?;
            segments = self.prune(segments, filters, &filter, &mut pruned);
            conditions.push(Arc::new(filter));
        } else {
            let all = segments.len();
            pruned.push(left_of("segments", all, all));
        }
        let file_name = |field: &Field, path: &str| -> Option<ArrayRef> {
            let pseudo = field.metadata().contains_key(PSEUDO);
            pseudo.then(|| Arc::new(StringViewArray::from(vec![path])) as ArrayRef)
        };
        // Each with the position of its segment.
        let mut files: Vec<(usize, ScanFile)> = Vec::with_capacity(segments.len());
        let wanted = self.wanted(projection, conditions);
        for (place, one) in segments.iter().enumerate() {
            let file =
                open_segment(&self.table, one, &self.schema, &file_name).map_err(external)?;
            match &wanted {
                None => files.push((place, file)),
                Some((request, columns)) => {
                    let wanted = projected::Wanted {
                        request,
                        columns,
                        said: &file_name,
                    };
                    let found = projected::considered(&self.table, one, file, &wanted);
                    let found = found.map_err(external)?.into_iter();
                    files.extend(found.map(|file| (place, file)));
                }
            }
        }
        let (places, mut files): (Vec<usize>, Vec<ScanFile>) = files.into_iter().unzip();
        files.extend(self.waiting().map_err(external)?);
        let name = format!(
            "{} version {} ({})",
            self.table.name,
            self.table.snapshot.version,
            Listed(&pruned)
        );
        let table = FileTable::of_files(name, Arc::clone(&self.schema), files);
        let mut table = table.with_pruned(pruned);
        if let Some(mut shards) = self.shards_of(&segments) {
            shards.of_files = places.iter().map(|place| shards.of_files[*place]).collect();
            table = table.with_shards(shards);
        }
        table.plan(state, projection, filters)
    }

    /// What projections are judged by, where there are any and a condition: the request, and the columns that are read.
    fn wanted(
        &self,
        projection: Option<&Vec<usize>>,
        filters: Vec<Arc<dyn RowFilter>>,
    ) -> Option<(TableRequest, BTreeSet<usize>)> {
        // Of a statement that changes rows, their order in the segment may matter.
        if !self.table.has_projections() || filters.is_empty() || self.is_target {
            return None;
        }
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.cloned().unwrap_or(all);
        let filtered = filters.iter().flat_map(|filter| filter.columns());
        let columns = projection.iter().chain(filtered).copied().collect();
        let request = TableRequest {
            table: Arc::clone(&self.schema),
            projection,
            filters,
            narrow: Vec::new(),
            batch_rows: PROJECTED_ROWS,
            tally: Arc::default(),
        };
        Some((request, columns))
    }

    /// The rows that wait for a segment, as a file.
    fn waiting(&self) -> Result<Option<ScanFile>> {
        let columns = &self.snapshot().columns;
        let rows = ingest::rows(&self.table.waiting, columns)?;
        let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) else {
            return Ok(None);
        };
        let origin = |field: &Arc<Field>| -> Origin {
            if field.metadata().contains_key(PSEUDO) {
                return Origin::Constant(Arc::new(StringViewArray::from(vec![WAITING])));
            }
            let stored = columns.stored.index_of(field.name());
            stored.map_or(Origin::Missing, Origin::Stored)
        };
        Ok(Some(ScanFile {
            path: WAITING.to_string(),
            origins: self.schema.fields().iter().map(origin).collect(),
            data: Arc::new(MemoryFile::new(rows.schema(), vec![rows])),
        }))
    }

    /// How many shards the segments lie in; those without one count as one.
    fn shard_count(&self, segments: &[Arc<Segment>]) -> usize {
        let layout = &self.snapshot().layout;
        let shard = |segment: &Arc<Segment>| Some(layout.shard_of(segment.buckets()?.0));
        segments.iter().map(shard).collect::<BTreeSet<_>>().len()
    }

    /// The shard of each segment; `None` where another writer has put rows into none.
    fn shards_of(&self, segments: &[Arc<Segment>]) -> Option<Shards> {
        let layout = &self.snapshot().layout;
        let shard = |segment: &Arc<Segment>| {
            let (first, last) = segment.buckets()?;
            let shard = layout.shard_of(first);
            (layout.shard_of(last) == shard).then_some(shard)
        };
        if layout.shard_key.is_empty() || !self.table.waiting.is_empty() {
            return None;
        }
        Some(Shards {
            key: layout.shard_key.clone(),
            count: layout.shards,
            of_files: segments.iter().map(shard).collect::<Option<_>>()?,
        })
    }

    /// The segments that a condition may need.
    fn prune(
        &self,
        mut segments: Vec<Arc<Segment>>,
        filters: &[Expr],
        filter: &PhysicalFilter,
        pruned: &mut Vec<Pruned>,
    ) -> Vec<Arc<Segment>> {
        let layout = &self.snapshot().layout;
        if !layout.partition_by.is_empty() {
            let before = partitions(&segments);
            segments = self.may_match(segments, filter, true);
            self.keep_buckets(&mut segments, filters);
            pruned.push(left_of("partitions", partitions(&segments), before));
        }
        if !layout.shard_key.is_empty() {
            let before = self.shard_count(&segments);
            if let Some(wanted) = self.wanted_buckets(filters) {
                segments.retain(|segment| match segment.buckets() {
                    Some((first, last)) => wanted.range(first..=last).next().is_some(),
                    // Rows of another writer may be anywhere.
                    None => true,
                });
            }
            pruned.push(left_of("shards", self.shard_count(&segments), before));
        }
        let segments = self.may_match(segments, filter, false);
        pruned.push(left_of("segments", segments.len(), self.segments.len()));
        segments
    }

    fn may_match(
        &self,
        segments: Vec<Arc<Segment>>,
        filter: &PhysicalFilter,
        partitions_only: bool,
    ) -> Vec<Arc<Segment>> {
        let bounds = LogBounds::new(self, &segments, partitions_only);
        let Some(keep) = filter.may_match(&bounds) else {
            return segments;
        };
        let mut keep = keep.into_iter();
        let kept = segments.iter().filter(|_| keep.next() != Some(false));
        kept.cloned().collect()
    }
}

/// The table's columns and the one that tells each row's segment.
fn with_file_column(seen: &Schema, name: Option<&str>) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = seen.fields().to_vec();
    fields.extend(name.map(|name| {
        let pseudo = HashMap::from([(PSEUDO.to_string(), "1".to_string())]);
        let field = Field::new(name, DataType::Utf8View, false);
        Arc::new(field.with_metadata(pseudo))
    }));
    Arc::new(Schema::new(fields))
}

fn left_of(what: &'static str, left: usize, all: usize) -> Pruned {
    Pruned { what, left, all }
}

/// How much a condition left, of how much.
struct Listed<'a>(&'a [Pruned]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Pruned { what, left, all }) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{what} {left} of {all}")?;
        }
        Ok(())
    }
}

/// How many partitions the segments lie in.
fn partitions(segments: &[Arc<Segment>]) -> usize {
    let values = segments.iter().map(|segment| &segment.add.partition_values);
    values.collect::<HashSet<_>>().len()
}

impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'table, 'state, 'projection, 'filters, 'future>(
        &'table self,
        state: &'state dyn Session,
        projection: Option<&'projection Vec<usize>>,
        filters: &'filters [Expr],
        _limit: Option<usize>,
    ) -> Planned<'future>
    where
        'table: 'future,
        'state: 'future,
        'projection: 'future,
        'filters: 'future,
    {
        Box::pin(std::future::ready(self.plan(state, projection, filters)))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(pushdown).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let rows = self.segments.iter().map(|segment| segment.rows());
        let rows: Option<u64> = rows.sum();
        let waiting = self.table.waiting.iter().flat_map(ingest::Waiting::batches);
        let waiting: usize = waiting.map(RecordBatch::num_rows).sum();
        let rows = rows.map(|rows| rows + waiting as u64);
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows =
            rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize));
        Some(statistics)
    }
}
