//! Rows for which a predicate is true. What is left of several batches is put together, so that a filter that keeps little does
//! not make crumbs.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray, BooleanBufferBuilder, RecordBatchOptions};
use arrow::compute::{BatchCoalescer, filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::cast::as_boolean_array;
use datafusion::physical_expr::PhysicalExpr;

use super::memory::slices;
use crate::error::{Error, Result};
use crate::exec::repeated::rows_at_once;
use crate::exec::{Operator, OperatorState, RunContext};

/// Batches a worker reads before it hands on what it has, however little: a LIMIT above waits for it.
const PATIENCE: usize = 16;

/// Keeps the rows for which `predicate` is true, and of them the columns in `projection`.
#[derive(Debug)]
pub(crate) struct FilterOperator {
    predicate: Arc<dyn PhysicalExpr>,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
}

impl FilterOperator {
    /// `schema` is that of the output, after the projection.
    pub(crate) fn new(
        predicate: Arc<dyn PhysicalExpr>,
        projection: Option<Vec<usize>>,
        schema: SchemaRef,
    ) -> Self {
        FilterOperator {
            predicate,
            projection,
            schema,
        }
    }
}

impl Operator for FilterOperator {
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(FilterState {
            predicate: Arc::clone(&self.predicate),
            projection: self.projection.clone(),
            schema: Arc::clone(&self.schema),
            enough: (context.batch_rows / 2).max(1),
            small: BatchCoalescer::new(Arc::clone(&self.schema), context.batch_rows.max(1)),
            waited: 0,
            whole: None,
        }))
    }

    fn describe(&self) -> String {
        format!("filter: {}", self.predicate)
    }
}

struct FilterState {
    predicate: Arc<dyn PhysicalExpr>,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    /// Rows that make a batch worth handing on as it is.
    enough: usize,
    /// What small outputs are gathered in.
    small: BatchCoalescer,
    /// Batches read since something was handed on.
    waited: usize,
    /// A large output on its way.
    whole: Option<RecordBatch>,
}

impl OperatorState for FilterState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let keep = evaluate_predicate(&self.predicate, &batch)?;
        let kept = keep.true_count();
        let batch = self.project(&batch)?;
        self.waited += 1;
        if kept == batch.num_rows() && (kept >= self.enough || self.small.is_empty()) {
            self.emit(batch)?;
        } else if kept >= self.enough || batch.num_columns() == 0 {
            self.emit(filter_record_batch(&batch, &keep)?)?;
        } else if kept > 0 {
            self.small.push_batch_with_filter(batch, &keep)?;
        }
        if self.waited >= PATIENCE {
            self.flush()?;
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        let output = self
            .small
            .next_completed_batch()
            .or_else(|| self.whole.take());
        if output.is_some() {
            self.waited = 0;
        }
        Ok(output)
    }

    fn finish(&mut self) -> Result<()> {
        self.flush()
    }
}

impl FilterState {
    /// Hands a batch on as it is, after what waits, so that rows stay in order.
    fn emit(&mut self, batch: RecordBatch) -> Result<()> {
        self.flush()?;
        self.whole = (batch.num_rows() > 0).then_some(batch);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.small.finish_buffered_batch()?)
    }

    fn project(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = match &self.projection {
            None => batch.columns().to_vec(),
            Some(projection) => projection
                .iter()
                .map(|column| Arc::clone(batch.column(*column)))
                .collect(),
        };
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
        )?)
    }
}

/// One answer for each row, NULL counting as false.
pub(crate) fn evaluate_predicate(
    predicate: &Arc<dyn PhysicalExpr>,
    batch: &RecordBatch,
) -> Result<BooleanArray> {
    let at_once = rows_at_once([predicate]);
    if batch.num_rows() <= at_once {
        return answers_of(predicate, batch);
    }
    let mut answers = BooleanBufferBuilder::new(batch.num_rows());
    for piece in slices(batch, at_once) {
        answers.append_buffer(answers_of(predicate, &piece)?.values());
    }
    Ok(BooleanArray::new(answers.finish(), None))
}

fn answers_of(predicate: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let answers = predicate.evaluate(batch)?.into_array(batch.num_rows())?;
    if *answers.data_type() == DataType::Null {
        return Ok(BooleanArray::from(vec![false; batch.num_rows()]));
    }
    let answers = as_boolean_array(&answers)
        .map_err(|_| Error::bug("a filter's condition is not true or false"))?;
    Ok(match answers.null_count() {
        0 => answers.clone(),
        _ => prep_null_mask_filter(answers),
    })
}
