//! Rows that one query makes and several others read: the input of TEE and FORK, computed once.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};

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
        let schema = Arc::clone(&self.schema);
        let scan = match self.rows.get() {
            Some(rows) => {
                let rows = [rows.clone()];
                MemorySourceConfig::try_new_exec(&rows, schema, projection.cloned())
                    .map(|scan| scan as _)
            }
            None => LaterExec::new(&schema, projection.map(Vec::as_slice)).map(|scan| scan as _),
        };
        Box::pin(std::future::ready(scan))
    }
}

/// Stands for rows that are not there yet, where a plan is only shown: of their number nothing is known.
#[derive(Debug)]
pub(crate) struct LaterExec {
    properties: Arc<PlanProperties>,
}

impl LaterExec {
    fn new(schema: &SchemaRef, projection: Option<&[usize]>) -> DataFusionResult<Arc<Self>> {
        let schema = match projection {
            Some(columns) => Arc::new(schema.project(columns)?),
            None => Arc::clone(schema),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(LaterExec {
            properties: Arc::new(properties),
        }))
    }
}

impl DisplayAs for LaterExec {
    fn fmt_as(&self, _format: DisplayFormatType, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("rows of a step before")
    }
}

impl ExecutionPlan for LaterExec {
    fn name(&self) -> &str {
        "LaterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _each: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mode = ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(mode))
    }

    fn execute(
        &self,
        _partition: usize,
        _context: Arc<TaskContext>,
    ) -> DataFusionResult<SendableRecordBatchStream> {
        let message = "rows are read before they are made";
        Err(DataFusionError::Internal(message.to_string()))
    }
}
