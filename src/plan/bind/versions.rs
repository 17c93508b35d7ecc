//! Versions of durable tables: the one that a statement sees, older ones, and a table's history.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::{MemTable, provider_as_source, source_as_provider};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, TableScan};

use super::Binder;
use super::relation::Relation;
use super::types::type_name;
use crate::catalog::durable::SnapshotTable;
use crate::catalog::{Entry, ScanSource};
use crate::error::{Error, ErrorKind, Result};
use crate::lang::ast::{Argument, ArgumentValue, AsOf, Expr, ExprKind, Ident, Path};
use crate::table::database::DurableTable;
use crate::table::log::HistoryEntry;
use crate::table::snapshot::Snapshot;

/// The tables that a statement has read so far: it sees one version of each.
pub(super) type Pinned = RefCell<HashMap<String, Entry>>;

impl Binder<'_> {
    /// The entry of a name, the same for the whole statement.
    pub(super) fn entry(&self, name: &str) -> Result<Option<Entry>> {
        if let Some(entry) = self.pinned.borrow().get(name) {
            return Ok(Some(entry.clone()));
        }
        let entry = self.catalog.find_within(name, self.max_staleness.get())?;
        if let Some(entry) = &entry {
            let mut pinned = self.pinned.borrow_mut();
            pinned.insert(name.to_string(), entry.clone());
        }
        Ok(entry)
    }

    /// `FROM t FOR VERSION AS OF 3`
    pub(super) fn table_at(&self, path: &Path, as_of: &AsOf) -> Result<Relation> {
        let table = self.durable(path)?;
        let snapshot = self.snapshot(&table, as_of)?;
        let name = table.name.clone();
        let older = table.at(snapshot);
        let mut relation = self.scan(
            &name,
            Some(ScanSource::Table(name.clone())),
            Arc::new(SnapshotTable::new(older, true)),
        )?;
        relation.scope = relation.scope.under(&name);
        Ok(relation)
    }

    pub(super) fn snapshot(&self, table: &DurableTable, as_of: &AsOf) -> Result<Arc<Snapshot>> {
        let cast = |expr: &Expr, kind: &DataType, what: &str| {
            let value = self.constant_value(expr, what)?;
            let value = value.cast_to(kind).ok().filter(|value| !value.is_null());
            value.ok_or_else(|| {
                let message = format!("{what} is {}", type_name(kind));
                Error::input("TM0402", message, expr.span)
            })
        };
        let (found, span) = match as_of {
            AsOf::Version(expr) => {
                let value = cast(expr, &DataType::Int64, "a version")?;
                let ScalarValue::Int64(Some(version)) = value else {
                    return Err(Error::bug("a version is no number"));
                };
                // A negative number is a version that no table has.
                let version = u64::try_from(version).unwrap_or(u64::MAX);
                (table.log.at(version), expr.span)
            }
            AsOf::Time(expr) => {
                let kind = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
                let value = cast(expr, &kind, "a time")?;
                let ScalarValue::TimestampMillisecond(Some(time), _) = value else {
                    return Err(Error::bug("a time is no time"));
                };
                (table.log.at_time(time), expr.span)
            }
        };
        found.map_err(|error| error.at(span))
    }

    /// `FROM TABLE_HISTORY('t')`: a row for every version.
    pub(super) fn table_history(&self, path: &Path, args: &[Argument]) -> Result<Relation> {
        let [
            Argument {
                name: None,
                value: ArgumentValue::Expr(expr),
            },
        ] = args
        else {
            let message = "TABLE_HISTORY takes the table's name";
            return Err(
                Error::input("TM0402", message, path.span).hint("write FROM TABLE_HISTORY('t')")
            );
        };
        let name = match expr.kind.as_ref() {
            ExprKind::Path(name) => name.clone(),
            _ => {
                let value = self.constant_value(expr, "a table's name")?;
                let text = value.try_as_str().flatten().unwrap_or_default();
                let part = Ident {
                    text: text.to_string(),
                    quoted: true,
                    span: expr.span,
                };
                Path {
                    parts: vec![part],
                    span: expr.span,
                }
            }
        };
        let table = self.durable(&name)?;
        let batch = history(&table)?;
        let rows = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        let mut relation = self.scan("table_history", None, Arc::new(rows))?;
        relation.scope = relation.scope.under("table_history");
        Ok(relation)
    }

    /// A view's plan over the versions that its tables have now.
    pub(super) fn with_newest_versions(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let newest = |node: LogicalPlan| -> Result<Transformed<LogicalPlan>> {
            let LogicalPlan::TableScan(scan) = &node else {
                return Ok(Transformed::no(node));
            };
            let provider = source_as_provider(&scan.source)?;
            let Some(known) = provider.downcast_ref::<SnapshotTable>() else {
                return Ok(Transformed::no(node));
            };
            let name = &known.table.name;
            if known.fixed {
                return Ok(Transformed::no(node));
            }
            match self.entry(name)? {
                Some(Entry::Table(table)) if table.schema() == provider.schema() => {
                    Ok(Transformed::yes(over(scan, table)))
                }
                _ => {
                    let message = format!("the view's table `{name}` is not what it was");
                    Err(Error::new(ErrorKind::Input, "TM0203", message)
                        .hint("create the view again"))
                }
            }
        };
        let outside = |error: Error| DataFusionError::External(Box::new(error));
        let plan = plan.transform_down_with_subqueries(|node| newest(node).map_err(outside));
        Ok(plan.data()?)
    }
}

/// The same scan over another table.
fn over(scan: &TableScan, table: Arc<dyn TableProvider>) -> LogicalPlan {
    LogicalPlan::TableScan(TableScan {
        source: provider_as_source(table),
        ..scan.clone()
    })
}

/// The plan with only these segments of the table that the statement changes.
pub(crate) fn restricted(plan: LogicalPlan, paths: &BTreeSet<String>) -> Result<LogicalPlan> {
    let plan = plan.transform_down(|node| {
        let LogicalPlan::TableScan(scan) = &node else {
            return Ok(Transformed::no(node));
        };
        let provider = source_as_provider(&scan.source)?;
        match provider.downcast_ref::<SnapshotTable>() {
            Some(known) if known.is_target => {
                let fewer = Arc::new(known.restricted(paths));
                Ok(Transformed::yes(over(scan, fewer)))
            }
            _ => Ok(Transformed::no(node)),
        }
    });
    Ok(plan.data()?)
}

/// A row for every version of a table.
fn history(table: &DurableTable) -> Result<RecordBatch> {
    let entries = table.log.history()?;
    let text = |of: &dyn Fn(&HistoryEntry) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(entries.iter().map(of)))
    };
    let count = |of: &dyn Fn(&HistoryEntry) -> usize| -> ArrayRef {
        let counts = entries.iter().map(|entry| of(entry) as i64);
        Arc::new(Int64Array::from_iter_values(counts))
    };
    let times = entries
        .iter()
        .map(|entry| entry.timestamp.saturating_mul(1000));
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("version", count(&|entry| entry.version as usize)),
        ("timestamp", Arc::new(times)),
        (
            "operation",
            text(&|entry| entry.commit.info.operation.clone()),
        ),
        (
            "parameters",
            text(&|entry| {
                let parameters = entry.commit.info.operation_parameters.as_ref();
                parameters.map(ToString::to_string)
            }),
        ),
        (
            "engine",
            text(&|entry| entry.commit.info.engine_info.clone()),
        ),
        ("segments_added", count(&|entry| entry.commit.adds.len())),
        (
            "segments_removed",
            count(&|entry| entry.commit.removes.len()),
        ),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}
