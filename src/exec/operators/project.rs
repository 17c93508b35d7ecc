//! Columns computed from columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;

use super::memory::slices;
use crate::error::Result;
use crate::exec::narrow::NarrowBatch;
use crate::exec::repeated::rows_at_once;
use crate::exec::{Operator, OperatorState, RunContext};
use crate::file::types::with_types;

/// One output column for each expression.
#[derive(Debug)]
pub(crate) struct ProjectOperator {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    /// The planned schema of the input, where columns may stay narrower than planned.
    narrow_input: Option<SchemaRef>,
}

impl ProjectOperator {
    pub(crate) fn new(exprs: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Self {
        ProjectOperator {
            exprs,
            schema,
            narrow_input: None,
        }
    }

    /// Takes and gives columns that are narrower than planned, see [`NarrowBatch`]; `input` is how the input is planned.
    #[must_use]
    pub(crate) fn narrow(mut self, input: SchemaRef) -> Self {
        self.narrow_input = Some(input);
        self
    }
}

impl Operator for ProjectOperator {
    fn start(&self, _context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(ProjectState {
            exprs: self.exprs.clone(),
            schema: Arc::clone(&self.schema),
            narrow_input: self.narrow_input.clone(),
            at_once: rows_at_once(&self.exprs),
            pieces: None,
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
    narrow_input: Option<SchemaRef>,
    /// Rows that the expressions can be computed for at once.
    at_once: usize,
    /// The rest of a batch that has more.
    pieces: Option<Box<dyn Iterator<Item = RecordBatch> + Send>>,
    output: Option<RecordBatch>,
}

impl ProjectState {
    fn compute(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let columns = match &self.narrow_input {
            None => evaluate_all(&self.exprs, &batch)?,
            Some(planned) => {
                let batch = NarrowBatch::new(&batch, planned);
                let columns = self
                    .exprs
                    .iter()
                    .map(|expr| batch.evaluate_narrow(expr))
                    .collect::<Result<Vec<_>>>()?;
                self.schema = with_types(&self.schema, &columns);
                columns
            }
        };
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
        )?)
    }
}

impl OperatorState for ProjectState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() <= self.at_once {
            self.output = Some(self.compute(batch)?);
        } else {
            self.pieces = Some(Box::new(slices(&batch, self.at_once)));
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(piece) = self.pieces.as_mut().and_then(Iterator::next) {
            return self.compute(piece).map(Some);
        }
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
