//! A durable table as DataFusion plans with it: one version, of which a query opens only the segments it may need.
//!
//! A condition leaves out partitions by their values, then shards by the hash of their key, then segments by what the log says of
//! their values. Footers are read of what is left. The scan is then one of files, as any other.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, StringViewArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::files::{FileTable, PSEUDO, pushdown};
use super::filter::PhysicalFilter;
use super::scan::{Planned, external};
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::file::parquet::ParquetFile;
use crate::file::table::{Origin, ScanFile};
use crate::file::{Bounds, DataFile, RowFilter};
use crate::table::action::Add;
use crate::table::database::DurableTable;
use crate::table::layout::buckets;
use crate::table::schema::exactly;
use crate::table::snapshot::{Segment, Snapshot};
use crate::table::stats::{self, Statistics as LogStatistics};

/// The name of the column that tells each row's segment.
const FILE_NAME: &str = "_file_name";

/// Keys that a condition may name before shards are no longer told apart.
const KEYS_MAX: usize = 4096;

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

/// How much a condition left, of how much.
#[derive(Debug, Default)]
struct Pruned(Vec<(&'static str, usize, usize)>);

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

    fn snapshot(&self) -> &Snapshot {
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
            let left = self.prune(vec![segment], filters, &filter, &mut Pruned::default());
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
        let mut pruned = Pruned::default();
        if let Some(filter) = conjunction(filters.iter().cloned()) {
            let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
            let condition = state.create_physical_expr(filter, &schema)?;
            let filter = PhysicalFilter::new(&condition, true, &self.schema).map_err(external)?;
            segments = self.prune(segments, filters, &filter, &mut pruned);
        } else {
            let all = segments.len();
            pruned.0.push(("segments", all, all));
        }
        let files = segments.iter().map(|segment| self.file(segment));
        let files = files.collect::<Result<Vec<_>>>().map_err(external)?;
        let name = format!(
            "{} version {} ({pruned})",
            self.table.name, self.table.snapshot.version
        );
        FileTable::of_files(name, Arc::clone(&self.schema), files).plan(state, projection, filters)
    }

    /// The segments that a condition may need.
    fn prune(
        &self,
        mut segments: Vec<Arc<Segment>>,
        filters: &[Expr],
        filter: &PhysicalFilter,
        pruned: &mut Pruned,
    ) -> Vec<Arc<Segment>> {
        let layout = &self.snapshot().layout;
        if !layout.partition_by.is_empty() {
            let before = partitions(&segments);
            segments = self.may_match(segments, filter, true);
            pruned.0.push(("partitions", partitions(&segments), before));
        }
        if !layout.shard_key.is_empty() {
            let before = shards(&segments);
            if let Some(wanted) = self.wanted_buckets(filters) {
                segments.retain(|segment| match segment.buckets() {
                    Some((first, last)) => wanted.range(first..=last).next().is_some(),
                    // Rows of another writer may be anywhere.
                    None => true,
                });
            }
            pruned.0.push(("shards", shards(&segments), before));
        }
        let segments = self.may_match(segments, filter, false);
        pruned
            .0
            .push(("segments", segments.len(), self.segments.len()));
        segments
    }

    fn may_match(
        &self,
        segments: Vec<Arc<Segment>>,
        filter: &PhysicalFilter,
        partitions_only: bool,
    ) -> Vec<Arc<Segment>> {
        let bounds = LogBounds {
            table: self,
            segments: &segments,
            statistics: segments
                .iter()
                .map(|segment| segment.statistics())
                .collect(),
            partitions_only,
        };
        let Some(keep) = filter.may_match(&bounds) else {
            return segments;
        };
        let mut keep = keep.into_iter();
        let kept = segments.iter().filter(|_| keep.next() != Some(false));
        kept.cloned().collect()
    }

    /// The buckets that the condition's keys hash to; `None` where it does not name them.
    fn wanted_buckets(&self, filters: &[Expr]) -> Option<BTreeSet<u64>> {
        let snapshot = self.snapshot();
        let conjuncts: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
        let mut combinations: Vec<Vec<ArrayRef>> = vec![Vec::new()];
        for column in &snapshot.layout.shard_key {
            let name = snapshot.columns.seen.field(*column).name();
            let mut named = conjuncts.iter().filter_map(|part| values_of(part, name));
            let values = self.stored_values(*column, named.next()?);
            if combinations.len() * values.len() > KEYS_MAX {
                return None;
            }
            combinations = combinations
                .iter()
                .flat_map(|before| {
                    values.iter().map(|value| {
                        let mut key = before.clone();
                        key.push(Arc::clone(value));
                        key
                    })
                })
                .collect();
        }
        let found = combinations.iter().map(|key| buckets(key).ok());
        let found: Option<Vec<Vec<u64>>> = found.collect();
        Some(found?.into_iter().flatten().collect())
    }

    /// Values as the column stores them; those that it cannot store equal nothing in it.
    fn stored_values(&self, column: usize, values: Vec<ScalarValue>) -> Vec<ArrayRef> {
        let columns = &self.snapshot().columns;
        let stored = |value: ScalarValue| {
            let value = value
                .to_array()
                .ok()
                .filter(|value| value.null_count() == 0)?;
            let seen = exactly(&value, columns.seen.field(column).data_type()).ok()?;
            exactly(&seen, columns.stored.field(column).data_type()).ok()
        };
        values.into_iter().filter_map(stored).collect()
    }

    /// A segment's file, opened, with where its columns come from.
    fn file(&self, segment: &Segment) -> Result<ScanFile> {
        let path = self.table.log.directory.join(segment.file()?);
        let place = || FilePlace {
            path: path.clone(),
            ..FilePlace::default()
        };
        let data = ParquetFile::open(&path).map_err(|error| {
            if path.exists() {
                return error;
            }
            let version = self.table.snapshot.version;
            let message = format!("a segment of version {version} of the table is missing");
            Error::new(ErrorKind::Data, "TM0748", message)
                .in_file(place())
                .hint("VACUUM takes segments of old versions away; read a newer version")
        })?;
        if data.byte_count() as i64 != segment.add.size {
            let message = format!(
                "a segment has {} bytes and was written with {}",
                data.byte_count(),
                segment.add.size
            );
            return Err(Error::new(ErrorKind::Data, "TM0748", message)
                .in_file(place())
                .hint("restore this file from a copy"));
        }
        let stored = Arc::clone(data.schema());
        let origin = |field: &Arc<Field>| {
            if field.metadata().contains_key(PSEUDO) {
                let name = path.display().to_string();
                return Ok(Origin::Constant(Arc::new(StringViewArray::from(vec![
                    name,
                ]))));
            }
            if let Some(value) = segment.add.partition_values.get(field.name()) {
                let value = value.as_deref().filter(|text| !text.is_empty());
                let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
                return Ok(Origin::Constant(cast(&text, field.data_type())?));
            }
            Ok(match stored.index_of(field.name()) {
                Ok(position) => Origin::Stored(position),
                Err(_) => Origin::Missing,
            })
        };
        Ok(ScanFile {
            origins: self
                .schema
                .fields()
                .iter()
                .map(origin)
                .collect::<Result<_>>()?,
            path: path.display().to_string(),
            data: Arc::new(data),
        })
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

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (what, left, all)) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{what} {left} of {all}")?;
        }
        Ok(())
    }
}

/// How many partitions the segments lie in.
fn partitions(segments: &[Arc<Segment>]) -> usize {
    let values = segments.iter().map(|segment| &segment.add.partition_values);
    values.collect::<BTreeSet<_>>().len()
}

/// How many shards the segments lie in; those without one count as one.
fn shards(segments: &[Arc<Segment>]) -> usize {
    let shards = segments.iter().map(|segment| segment.buckets());
    shards.collect::<BTreeSet<_>>().len()
}

/// The values that a column must have for the condition to hold; `None` where it does not say.
fn values_of(condition: &Expr, column: &str) -> Option<Vec<ScalarValue>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(found) if found.name == column);
    let literal = |expr: &Expr| match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    match condition {
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::Eq if is_column(&binary.left) => Some(vec![literal(&binary.right)?]),
            Operator::Eq if is_column(&binary.right) => Some(vec![literal(&binary.left)?]),
            Operator::Or => {
                let mut values = values_of(&binary.left, column)?;
                values.extend(values_of(&binary.right, column)?);
                Some(values)
            }
            Operator::And => {
                values_of(&binary.left, column).or_else(|| values_of(&binary.right, column))
            }
            _ => None,
        },
        Expr::InList(list) if !list.negated && is_column(&list.expr) => {
            list.list.iter().map(literal).collect()
        }
        _ => None,
    }
}

/// What the log says of some segments, each as a container.
struct LogBounds<'a> {
    table: &'a SnapshotTable,
    segments: &'a [Arc<Segment>],
    statistics: Vec<&'a LogStatistics>,
    partitions_only: bool,
}

impl LogBounds<'_> {
    fn bound(&self, column: usize, largest: bool) -> Option<ArrayRef> {
        let columns = &self.table.snapshot().columns;
        let seen = columns.seen.fields().get(column)?;
        if self.table.snapshot().layout.partition_by.contains(&column) {
            let values = self.segments.iter().map(|segment| {
                let value = segment.add.partition_values.get(seen.name())?;
                value.as_deref().filter(|text| !text.is_empty())
            });
            let texts: ArrayRef = Arc::new(StringArray::from_iter(values));
            return cast(&texts, seen.data_type()).ok();
        }
        if self.partitions_only {
            return None;
        }
        let stored = columns.stored.field(column).data_type();
        let bound = stats::bounds(&self.statistics, seen.name(), stored, largest)?;
        if stored == seen.data_type() {
            return Some(bound);
        }
        keeps_order(seen.data_type()).then(|| cast(&bound, seen.data_type()).ok())?
    }
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
        let seen = self.table.snapshot().columns.seen.fields().get(column)?;
        if self.table.snapshot().layout.partition_by.contains(&column) {
            let counts = self.segments.iter().map(|segment| {
                let value = segment.add.partition_values.get(seen.name());
                match value {
                    Some(Some(text)) if !text.is_empty() => Some(0),
                    _ => segment.statistics().rows,
                }
            });
            return Some(Arc::new(UInt64Array::from_iter(counts)));
        }
        if self.partitions_only {
            return None;
        }
        Some(stats::null_counts(&self.statistics, seen.name()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(stats::row_counts(&self.statistics))
    }
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
        let rows = self
            .segments
            .iter()
            .map(|segment| segment.statistics().rows);
        let rows: Option<u64> = rows.sum();
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows =
            rows.map_or(Precision::Absent, |rows| Precision::Exact(rows as usize));
        Some(statistics)
    }
}
