//! Rows of segments that versions added or took away, beside the version and its time.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::open_segment;
use crate::catalog::files::{FileTable, pushdown};
use crate::catalog::scan::{Planned, external};
use crate::error::{Error, ErrorKind, Result};
use crate::table::database::DurableTable;
use crate::table::snapshot::Segment;

const VERSION: &str = "_version";
const COMMIT_TIME: &str = "_commit_time";

/// A segment, its version and the time of that, in milliseconds since 1970.
pub(crate) type Changed = (Arc<Segment>, u64, i64);

/// Segments that are read as they came or went.
#[derive(Debug)]
pub(crate) struct ChangedRows {
    /// At the version whose columns the rows have.
    table: DurableTable,
    schema: SchemaRef,
    segments: Vec<Changed>,
}

impl ChangedRows {
    pub(crate) fn table(&self) -> &DurableTable {
        &self.table
    }

    /// TM0305 where the table has columns that are called as those of the version and its time.
    pub(crate) fn new(table: DurableTable, segments: Vec<Changed>) -> Result<Self> {
        let mut fields: Vec<Arc<Field>> = table.snapshot.columns.seen.fields().to_vec();
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (name, kind) in [(VERSION, DataType::Int64), (COMMIT_TIME, time)] {
            if fields
                .iter()
                .any(|field| field.name().eq_ignore_ascii_case(name))
            {
                let message = format!("the table has a column `{name}` of its own");
                return Err(Error::new(ErrorKind::Input, "TM0305", message)
                    .hint("changes are shown beside a column of this name"));
            }
            fields.push(Arc::new(Field::new(name, kind, false)));
        }
        Ok(ChangedRows {
            schema: Arc::new(Schema::new(fields)),
            table,
            segments,
        })
    }

    fn plan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let files = self.segments.iter().map(|(segment, version, time)| {
            let said = |field: &Field, _: &str| -> Option<ArrayRef> {
                match field.name().as_str() {
                    VERSION => Some(Arc::new(Int64Array::from(vec![*version as i64]))),
                    COMMIT_TIME => {
                        let micros = time.saturating_mul(1000);
                        let array = TimestampMicrosecondArray::from(vec![micros]);
                        Some(Arc::new(array.with_timezone("UTC")))
                    }
                    _ => None,
                }
            };
            open_segment(&self.table, segment, &self.schema, &said)
        });
        let files = files.collect::<Result<Vec<_>>>().map_err(external)?;
        let name = format!("changes of {} ({} segments)", self.table.name, files.len());
        FileTable::of_files(name, Arc::clone(&self.schema), files).plan(state, projection, filters)
    }
}

impl TableProvider for ChangedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
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
}
