//! The physical node. `lower` turns it into an operator; it can also run by itself, which is what DataFusion's executor does.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt;

use super::AssertRule;
use crate::error::Error;
use crate::exec::operators::assert::AssertOperator;

/// Rows pass; what is asserted is checked of each.
#[derive(Debug)]
pub(crate) struct AssertExec {
    input: Arc<dyn ExecutionPlan>,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    rule: AssertRule,
}

impl AssertExec {
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        exprs: Vec<Arc<dyn PhysicalExpr>>,
        rule: AssertRule,
    ) -> Self {
        AssertExec { input, exprs, rule }
    }

    pub(crate) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    /// The condition, then the values that a message shows.
    pub(crate) fn exprs(&self) -> &[Arc<dyn PhysicalExpr>] {
        &self.exprs
    }

    pub(crate) fn rule(&self) -> &AssertRule {
        &self.rule
    }
}

impl DisplayAs for AssertExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertExec: {}", self.rule.text)
    }
}

impl ExecutionPlan for AssertExec {
    fn name(&self) -> &str {
        "AssertExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expr in &self.exprs {
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
            .ok_or_else(|| DataFusionError::Internal("an assertion has one input".to_string()))?;
        let (exprs, rule) = (self.exprs.clone(), self.rule.clone());
        Ok(Arc::new(AssertExec::new(input, exprs, rule)))
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
        let operator = AssertOperator::new(
            self.exprs.clone(),
            self.rule.on_violation,
            self.rule.text.clone(),
            self.rule.place,
            self.rule.context.clone(),
            self.rule.names_file,
        );
        let input = self.input.execute(partition, context)?;
        let check = move |batch: Result<RecordBatch>| {
            let (kept, _) = operator.check(batch?).map_err(external)?;
            Ok(kept)
        };
        let batches = input.map(check);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches,
        )))
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
