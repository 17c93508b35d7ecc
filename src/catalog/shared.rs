//! Rows that one query makes and several others read: the input of TEE and FORK, computed once.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableType};

use super::scan::Planned;

/// A table that is filled after it was planned with, and before what reads it runs.
#[derive(Debug)]
pub(crate) struct SharedRows {
    schema: SchemaRef,
    rows: OnceLock<Vec<RecordBatch>>,
}

impl SharedRows {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        SharedRows {
            schema,
            rows: OnceLock::new(),
        }
    }

    /// Fills the table. What it is filled with first stays.
    pub(crate) fn fill(&self, rows: Vec<RecordBatch>) {
        self.rows.get_or_init(|| rows);
    }
}

impl TableProvider for SharedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    fn scan<'table, 'state, 'projection, 'filters, 'future>(
        &'table self,
        _state: &'state dyn Session,
        projection: Option<&'projection Vec<usize>>,
        _filters: &'filters [Expr],
        _limit: Option<usize>,
    ) -> Planned<'future>
    where
        'table: 'future,
        'state: 'future,
        'projection: 'future,
        'filters: 'future,
    {
        let rows = self.rows.get().cloned().unwrap_or_default();
        let schema = Arc::clone(&self.schema);
        let scan = MemorySourceConfig::try_new_exec(&[rows], schema, projection.cloned());
        Box::pin(std::future::ready(scan.map(|scan| scan as _)))
    }
}
