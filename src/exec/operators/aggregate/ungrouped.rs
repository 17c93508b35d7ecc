//! Aggregates over all rows: one state for each worker, merged when the last one is done. There is a row even without input.

use std::borrow::Cow;
use std::iter::zip;
use std::sync::{Arc, OnceLock};

use arrow::array::ArrayRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::Accumulator;
use datafusion::physical_plan::filter::batch_filter;

use super::plan::Aggregation;
use crate::error::{Error, Result};
use crate::exec::narrow::NarrowBatch;
use crate::exec::{BatchStream, Flow, RunContext, Sink, Source, stream_of};

/// Both ends.
pub(super) fn ungrouped(plan: Arc<Aggregation>) -> (UngroupedSink, UngroupedSource) {
    let result = Arc::new(OnceLock::new());
    let sink = UngroupedSink {
        plan,
        result: Arc::clone(&result),
    };
    (sink, UngroupedSource { result })
}

#[derive(Debug)]
pub(super) struct UngroupedSink {
    plan: Arc<Aggregation>,
    result: Arc<OnceLock<RecordBatch>>,
}

/// One worker's state.
pub(super) struct Totals {
    states: Vec<Box<dyn Accumulator>>,
    memory: MemoryReservation,
}

impl Sink for UngroupedSink {
    type Local = Totals;

    fn start(&self, context: &Arc<RunContext>) -> Result<Totals> {
        Ok(Totals {
            states: self
                .plan
                .functions
                .iter()
                .map(super::Function::start_one)
                .collect::<Result<_>>()?,
            memory: context.reserve("aggregate"),
        })
    }

    fn push(&self, totals: &mut Totals, batch: RecordBatch) -> Result<Flow> {
        for (state, function) in zip(&mut totals.states, &self.plan.functions) {
            let rows = match function.filter() {
                Some(filter) => {
                    let planned = NarrowBatch::new(&batch, &self.plan.input_schema);
                    Cow::Owned(batch_filter(planned.planned()?, filter)?)
                }
                None => Cow::Borrowed(&batch),
            };
            if rows.num_rows() > 0 {
                let rows = NarrowBatch::new(&rows, &self.plan.input_schema);
                state.update_batch(&function.arguments(&rows)?)?;
            }
        }
        let size = totals.states.iter().map(|state| state.size()).sum();
        totals.memory.try_resize(size)?;
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<Totals>, _context: &Arc<RunContext>) -> Result<()> {
        let mut locals = locals.into_iter();
        let mut totals = locals
            .next()
            .ok_or_else(|| Error::bug("an aggregate without a worker"))?;
        for mut other in locals {
            for (state, other) in zip(&mut totals.states, &mut other.states) {
                let columns = other
                    .state()?
                    .iter()
                    .map(|value| Ok(value.to_array()?))
                    .collect::<Result<Vec<ArrayRef>>>()?;
                state.merge_batch(&columns)?;
            }
            let size = totals.states.iter().map(|state| state.size()).sum();
            totals.memory.try_resize(size)?;
        }
        let columns = totals
            .states
            .iter_mut()
            .map(|state| Ok(state.evaluate()?.to_array()?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let schema = Arc::clone(&self.plan.output_schema);
        let one = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(schema, columns, &one)?;
        self.result
            .set(row)
            .map_err(|_| Error::bug("an aggregate was finished twice"))
    }

    fn describe(&self) -> String {
        self.plan.describe()
    }
}

/// The one row.
#[derive(Debug)]
pub(super) struct UngroupedSource {
    result: Arc<OnceLock<RecordBatch>>,
}

impl Source for UngroupedSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(1)
    }

    fn open(&self, _unit: usize, _context: &Arc<RunContext>) -> Result<BatchStream> {
        let row = self
            .result
            .get()
            .cloned()
            .ok_or_else(|| Error::bug("an aggregate was read before it was finished"))?;
        Ok(stream_of(std::iter::once(Ok(row))))
    }

    fn describe(&self) -> String {
        "aggregated row".to_string()
    }
}
