//! A shared table in the plans of its readers: a provider while they are planned, then a leaf of their physical plans.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, collect,
};
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::{StreamExt, TryFutureExt};

use super::node::SharedKey;
use super::taken::is_harmless;

type Planned<'future> =
    Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'future>>;

/// Its rows, where DataFusion's executor runs the plan.
type Rows = Shared<BoxFuture<'static, std::result::Result<Vec<RecordBatch>, Arc<DataFusionError>>>>;

/// A table that runs once and is read in several places. Known to its readers before it is planned itself.
#[derive(Debug, Clone)]
pub(crate) struct SharedTable(Arc<Inner>);

struct Inner {
    key: SharedKey,
    /// What it stands for, all columns.
    plan: LogicalPlan,
    schema: SchemaRef,
    planned: OnceLock<PlannedTable>,
    rows: OnceLock<Rows>,
}

/// What of a table is made, and how.
#[derive(Debug)]
struct PlannedTable {
    plan: Arc<dyn ExecutionPlan>,
    /// The columns of the table that the plan gives, in order.
    columns: Vec<usize>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key.id)
    }
}

impl SharedTable {
    pub(super) fn new(key: SharedKey, plan: LogicalPlan) -> Self {
        let schema = Arc::clone(plan.schema().inner());
        SharedTable(Arc::new(Inner {
            key,
            plan,
            schema,
            planned: OnceLock::new(),
            rows: OnceLock::new(),
        }))
    }

    pub(crate) fn key(&self) -> &SharedKey {
        &self.0.key
    }

    pub(crate) fn plan(&self) -> &LogicalPlan {
        &self.0.plan
    }

    /// Says how the table is made. Its readers are planned after this.
    pub(crate) fn set_planned(&self, plan: Arc<dyn ExecutionPlan>, columns: Vec<usize>) {
        self.0
            .planned
            .get_or_init(|| PlannedTable { plan, columns });
    }
}

impl TableProvider for SharedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
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
        let scan = SharedScanExec::new(self.clone(), projection);
        Box::pin(std::future::ready(scan.map(|scan| Arc::new(scan) as _)))
    }

    /// What every reader leaves out need not be kept; each reader looks at the rows again.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let answer = |filter: &&Expr| match is_harmless(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }
}

/// Reads some columns of a shared table. Lowering makes its rows come from the place where the table's pipelines leave them.
#[derive(Debug)]
pub(crate) struct SharedScanExec {
    table: SharedTable,
    plan: Arc<dyn ExecutionPlan>,
    /// By position in what `plan` gives.
    projection: Vec<usize>,
    properties: Arc<PlanProperties>,
}

impl SharedScanExec {
    fn new(table: SharedTable, projection: Option<&Vec<usize>>) -> Result<Self> {
        let unplanned = || DataFusionError::Internal("a reader came before its table".to_string());
        let planned = table.0.planned.get().ok_or_else(unplanned)?;
        let place = |column: &usize| planned.columns.iter().position(|kept| kept == column);
        let all: Vec<usize> = (0..table.0.schema.fields().len()).collect();
        let projection: Option<Vec<usize>> = projection.unwrap_or(&all).iter().map(place).collect();
        let projection = projection.ok_or_else(|| {
            DataFusionError::Internal("a reader takes a column that was left out".to_string())
        })?;
        let plan = Arc::clone(&planned.plan);
        let schema = Arc::new(plan.schema().project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(SharedScanExec {
            table,
            plan,
            projection,
            properties: Arc::new(properties),
        })
    }

    pub(crate) fn key(&self) -> &SharedKey {
        self.table.key()
    }

    /// How the table is made.
    pub(crate) fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    /// The same scan of a table that is made otherwise, but of the same columns.
    pub(crate) fn over(&self, plan: Arc<dyn ExecutionPlan>) -> Self {
        SharedScanExec {
            table: self.table.clone(),
            plan,
            projection: self.projection.clone(),
            properties: Arc::clone(&self.properties),
        }
    }

    /// The columns given, by position in what [`SharedScanExec::plan`] gives.
    pub(crate) fn projection(&self) -> &[usize] {
        &self.projection
    }
}

impl DisplayAs for SharedScanExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedScanExec: {}", self.key().id)
    }
}

impl ExecutionPlan for SharedScanExec {
    fn name(&self) -> &str {
        "SharedScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// None: what rules do to one reader's plan must not happen to the table of all.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mode = ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(mode))
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let plan = Arc::clone(&self.plan);
        let rows = self.table.0.rows.get_or_init(|| {
            let rows = async move { collect(plan, context).await };
            rows.map_err(Arc::new).boxed().shared()
        });
        let projection = self.projection.clone();
        let batches = rows.clone().map(move |rows| {
            let batches: Vec<Result<RecordBatch>> = match rows {
                Ok(rows) => (rows.iter())
                    .map(|batch| Ok(batch.project(&projection)?))
                    .collect(),
                Err(error) => vec![Err(DataFusionError::Shared(error))],
            };
            futures::stream::iter(batches)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            futures::stream::once(batches).flatten(),
        )))
    }
}
