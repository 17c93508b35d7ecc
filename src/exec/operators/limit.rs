//! The first rows, or all but the first. The workers share one count, so it is the first rows to arrive, and the first of the
//! order where the stream has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::exec::{Flow, Operator, OperatorState, RunContext};

/// Leaves out `skip` rows, then lets `fetch` pass, or all without it.
#[derive(Debug)]
pub(crate) struct LimitOperator {
    skip: usize,
    fetch: Option<usize>,
    /// Rows that came to any worker so far.
    seen: Arc<AtomicUsize>,
}

impl LimitOperator {
    pub(crate) fn new(skip: usize, fetch: Option<usize>) -> Self {
        LimitOperator {
            skip,
            fetch,
            seen: Arc::default(),
        }
    }
}

impl Operator for LimitOperator {
    fn start(&self, _context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(LimitState {
            skip: self.skip,
            end: self.skip.saturating_add(self.fetch.unwrap_or(usize::MAX)),
            seen: Arc::clone(&self.seen),
            output: None,
        }))
    }

    fn describe(&self) -> String {
        match (self.fetch, self.skip) {
            (Some(fetch), 0) => format!("limit: {fetch}"),
            (Some(fetch), skip) => format!("limit: {fetch}, skip {skip}"),
            (None, skip) => format!("limit: skip {skip}"),
        }
    }
}

struct LimitState {
    /// The rows from `skip` up to `end` pass, counted over all workers.
    skip: usize,
    end: usize,
    seen: Arc<AtomicUsize>,
    output: Option<RecordBatch>,
}

impl OperatorState for LimitState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let first = self.seen.fetch_add(rows, Ordering::Relaxed);
        let from = self.skip.clamp(first, first + rows);
        let to = self.end.clamp(first, first + rows);
        if from < to {
            self.output = Some(batch.slice(from - first, to - from));
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.output.take())
    }

    fn flow(&self) -> Flow {
        if self.seen.load(Ordering::Relaxed) >= self.end {
            Flow::Done
        } else {
            Flow::More
        }
    }
}
