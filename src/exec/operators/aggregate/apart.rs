//! COUNT(DISTINCT x) over all rows, where memory has a limit: the values are the groups of an aggregate of their own, which can be
//! written out, and are counted when all of them are known.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::compute::{filter, is_not_null};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::aggregates::PhysicalGroupBy;

use super::merge::GroupSource;
use super::partial::{GroupSink, WorkerGroups};
use super::partitions::Partitions;
use super::plan::{Aggregation, Function};
use super::spilled::Spilled;
use crate::error::{Error, Result};
use crate::exec::memory::{Share, ShareSlot};
use crate::exec::{Flow, RunContext, Sink};

/// Where the values of one function go.
#[derive(Debug)]
pub(super) struct Apart {
    plan: Arc<Aggregation>,
    sink: GroupSink,
    partitions: Arc<Partitions>,
    counted: Counted,
}

impl Apart {
    /// For values of this type.
    pub(super) fn new(function: &Function, values: &DataType, share: &ShareSlot) -> Result<Self> {
        let schema = Arc::new(Schema::new(vec![Field::new("value", values.clone(), true)]));
        let value: Arc<dyn PhysicalExpr> = Arc::new(Column::new("value", 0));
        let keys = PhysicalGroupBy::new_single(vec![(value, "value".to_string())]);
        let plan = Aggregation::new(&keys, Vec::new(), Arc::clone(&schema), schema)?;
        let plan = Arc::new(plan);
        let spilled = Some(Spilled::new(share.clone()));
        let partitions = Arc::new(Partitions::new(Arc::clone(&plan), spilled));
        Ok(Apart {
            sink: GroupSink::new(Arc::clone(&plan), Arc::clone(&partitions)),
            plan,
            partitions,
            counted: Counted {
                function: function.name().to_string(),
                values: Arc::default(),
            },
        })
    }

    pub(super) fn counted(&self) -> Counted {
        self.counted.clone()
    }

    /// All values, each once.
    pub(super) fn values(&self) -> GroupSource {
        GroupSource::new(Arc::clone(&self.partitions))
    }

    pub(super) fn share(&self, context: &RunContext) -> Option<Arc<Share>> {
        Sink::share(&self.sink, context)
    }

    pub(super) fn start(&self, context: &Arc<RunContext>) -> Result<WorkerGroups> {
        self.sink.start(context)
    }

    /// Adds what a function took. NULL does not count.
    pub(super) fn push(&self, worker: &mut WorkerGroups, arguments: &[ArrayRef]) -> Result<()> {
        let [values] = arguments else {
            return Err(Error::bug("different values are counted of one column"));
        };
        let mut values = Arc::clone(values);
        if values.logical_null_count() > 0 {
            values = filter(&values, &is_not_null(&values)?)?;
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.plan.input_schema), vec![values])?;
        self.sink.push(worker, batch)?;
        Ok(())
    }

    pub(super) fn finish(
        &self,
        workers: Vec<WorkerGroups>,
        context: &Arc<RunContext>,
    ) -> Result<()> {
        self.sink.finish(workers, context)
    }
}

/// How many values there were.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    function: String,
    values: Arc<AtomicI64>,
}

impl Counted {
    /// Counts what comes.
    pub(super) fn sink(&self) -> CountSink {
        CountSink(self.clone())
    }

    /// The count, as the function's column of the one row.
    pub(super) fn column(&self) -> ArrayRef {
        let count = self.values.load(Ordering::Acquire);
        Arc::new(Int64Array::from(vec![count]))
    }
}

#[derive(Debug)]
pub(super) struct CountSink(Counted);

impl Sink for CountSink {
    type Local = i64;

    fn start(&self, _context: &Arc<RunContext>) -> Result<i64> {
        Ok(0)
    }

    fn push(&self, count: &mut i64, batch: RecordBatch) -> Result<Flow> {
        *count += batch.num_rows() as i64;
        Ok(Flow::More)
    }

    fn finish(&self, counts: Vec<i64>, _context: &Arc<RunContext>) -> Result<()> {
        self.0.values.store(counts.iter().sum(), Ordering::Release);
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{} of different values", self.0.function)
    }
}
