//! Columns computed from columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use crate::error::Result;
use crate::exec::{Operator, OperatorState, RunContext};

/// One output column for each expression.
#[derive(Debug)]
pub(crate) struct ProjectOperator {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
}

impl ProjectOperator {
    pub(crate) fn new(exprs: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Self {
        ProjectOperator { exprs, schema }
    }
}

impl Operator for ProjectOperator {
    fn input_column(&self, output: usize) -> Option<usize> {
        let column = self.exprs.get(output)?.downcast_ref::<Column>()?;
        Some(column.index())
    }

    fn start(&self, _context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(ProjectState {
            exprs: self.exprs.clone(),
            schema: Arc::clone(&self.schema),
            output: None,
        }))
    }

    fn describe(&self) -> String {
        let exprs: Vec<String> = self.exprs.iter().map(ToString::to_string).collect();
        format!("project: {}", exprs.join(", "))
    }
}

struct ProjectState {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    output: Option<RecordBatch>,
}

impl OperatorState for ProjectState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let columns = evaluate_all(&self.exprs, &batch)?;
        self.output = Some(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
        )?);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.output.take())
    }
}

/// One column for each expression, each as long as the batch.
pub(crate) fn evaluate_all(
    exprs: &[Arc<dyn PhysicalExpr>],
    batch: &RecordBatch,
) -> Result<Vec<ArrayRef>> {
    exprs
        .iter()
        .map(|expr| Ok(expr.evaluate(batch)?.into_array(batch.num_rows())?))
        .collect()
}
