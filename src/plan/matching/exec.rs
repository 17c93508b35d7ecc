//! The physical node. `lower` turns it into a source; it can also run by itself, which is what DataFusion's executor does.

use std::fmt;
use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexOrdering, OrderingRequirements, Partitioning,
    PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{
    ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{TryStreamExt, stream};

use crate::error::Error;
use crate::exec::CancelToken;
use crate::exec::operators::matching::{Labels, MatchPlan, MatchRule, MatchedRows, label_fields};
use crate::exec::operators::sort_keys::SortKeys;

/// The rows of all matches: the input's columns, then the labels.
#[derive(Debug)]
pub(crate) struct MatchExec {
    input: Arc<dyn ExecutionPlan>,
    keys: MatchKeys,
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    rule: MatchRule,
    labels: Labels,
    properties: Arc<PlanProperties>,
}

/// What rows are sorted by.
#[derive(Debug, Clone)]
pub(super) struct MatchKeys {
    pub(super) partition_by: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) order_by: Vec<PhysicalSortExpr>,
}

impl MatchExec {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        keys: MatchKeys,
        conditions: Vec<Arc<dyn PhysicalExpr>>,
        rule: MatchRule,
        labels: Labels,
    ) -> Self {
        let fields = input.schema();
        let fields = fields.fields().iter().map(|field| field.as_ref().clone());
        let fields: Vec<Field> = fields.chain(label_fields(&labels)).collect();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(Schema::new(fields))),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            input.properties().boundedness,
        );
        MatchExec {
            input,
            keys,
            conditions,
            rule,
            labels,
            properties: Arc::new(properties),
        }
    }

    pub(crate) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// The condition of each symbol.
    pub(crate) fn conditions(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.conditions
    }

    /// Partitions together, each in its order.
    pub(crate) fn ordering(&self) -> Option<LexOrdering> {
        LexOrdering::new(self.partitions().chain(self.keys.order_by.iter().cloned()))
    }

    fn partitions(&self) -> impl Iterator<Item = PhysicalSortExpr> {
        let exprs = self.keys.partition_by.iter();
        exprs.map(|expr| PhysicalSortExpr::new(Arc::clone(expr), SortOptions::default()))
    }

    /// What is looked for in the sorted rows. `conditions` are the node's own, as they are to be evaluated.
    pub(crate) fn match_plan(
        &self,
        conditions: Vec<Arc<dyn PhysicalExpr>>,
    ) -> crate::error::Result<MatchPlan> {
        let partition_by = LexOrdering::new(self.partitions());
        let partition_by =
            partition_by.map(|ordering| SortKeys::new(&ordering, &self.input.schema()));
        Ok(MatchPlan {
            rule: self.rule.clone(),
            partition_by: partition_by.transpose()?.map(Arc::new),
            conditions,
            schema: self.schema(),
        })
    }
}

impl DisplayAs for MatchExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MatchExec: {}", self.rule.text)
    }
}

impl ExecutionPlan for MatchExec {
    fn name(&self) -> &str {
        "MatchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.ordering().map(OrderingRequirements::from)]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let order_by = self.keys.order_by.iter().map(|key| &key.expr);
        let keys = self.keys.partition_by.iter().chain(order_by);
        for expr in keys.chain(&self.conditions) {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children
            .pop()
            .ok_or_else(|| DataFusionError::Internal("a match has one input".to_string()))?;
        Ok(Arc::new(MatchExec::new(
            input,
            self.keys.clone(),
            self.conditions.clone(),
            self.rule.clone(),
            self.labels.clone(),
        )))
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
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let plan = self.match_plan(self.conditions.clone()).map_err(external)?;
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let batch_rows = context.session_config().batch_size();
        let memory = MemoryConsumer::new(self.name()).register(context.memory_pool());
        let matches = async move {
            let batches: Vec<RecordBatch> = input.try_collect().await?;
            let cancel = CancelToken::default();
            let plan = Arc::new(plan);
            let rows = MatchedRows::new(&plan, batches, 0, batch_rows, &cancel, memory);
            let rows = rows.map_err(external)?;
            let batches = stream::iter(rows.map(|batch| batch.map_err(external)));
            Ok::<_, DataFusionError>(batches)
        };
        let schema: SchemaRef = self.schema();
        let batches = stream::once(matches).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
