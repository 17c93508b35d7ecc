//! Lists to rows and structs to columns, by DataFusion's own operator: it is fed one batch at a time and gives its rows piece
//! by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use futures::{FutureExt, StreamExt};

use super::memory::slices;
use crate::error::{Error, Result};
use crate::exec::{Operator, OperatorState, RunContext};

/// Runs `plan`, whose only child is replaced by each batch in turn.
#[derive(Debug)]
pub(crate) struct UnnestOperator {
    plan: Arc<dyn ExecutionPlan>,
}

impl UnnestOperator {
    pub(crate) fn new(plan: Arc<dyn ExecutionPlan>) -> Self {
        UnnestOperator { plan }
    }
}

impl Operator for UnnestOperator {
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(UnnestState {
            plan: Arc::clone(&self.plan),
            context: Arc::clone(context),
            stream: None,
            pieces: VecDeque::new(),
        }))
    }

    fn describe(&self) -> String {
        "unnest".to_string()
    }
}

struct UnnestState {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<RunContext>,
    /// The rest of the rows that the last batch makes.
    stream: Option<SendableRecordBatchStream>,
    /// An output cut to the size of a batch: one row of the input can make any number.
    pieces: VecDeque<RecordBatch>,
}

impl OperatorState for UnnestState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let input = MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?;
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        let plan = Arc::clone(&self.plan).replace_children(vec![input], options)?;
        self.stream = Some(plan.execute(0, Arc::clone(&self.context.task))?);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            let Some(stream) = &mut self.stream else {
                return Ok(None);
            };
            let next = stream
                .next()
                .now_or_never()
                .ok_or_else(|| Error::bug("unnesting rows in memory had to wait"))?;
            match next {
                None => self.stream = None,
                Some(batch) => self.pieces.extend(slices(&batch?, self.context.batch_rows)),
            }
        }
    }
}
