//! Rows that a statement keeps in memory, with the memory they are counted with.

use std::fmt;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{Expr, TableType};

use super::files::Planned;

/// A table in memory whose rows count against the engine's memory limit for as long as it is there.
pub(crate) struct KeptTable {
    rows: MemTable,
    _memory: MemoryReservation,
}

impl KeptTable {
    pub(crate) fn new(rows: MemTable, memory: MemoryReservation) -> Self {
        KeptTable {
            rows,
            _memory: memory,
        }
    }
}

impl fmt::Debug for KeptTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.fmt(f)
    }
}

impl TableProvider for KeptTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        self.rows.table_type()
    }

    fn scan<'table, 'state, 'projection, 'filters, 'future>(
        &'table self,
        state: &'state dyn Session,
        projection: Option<&'projection Vec<usize>>,
        filters: &'filters [Expr],
        limit: Option<usize>,
    ) -> Planned<'future>
    where
        'table: 'future,
        'state: 'future,
        'projection: 'future,
        'filters: 'future,
    {
        self.rows.scan(state, projection, filters, limit)
    }
}
