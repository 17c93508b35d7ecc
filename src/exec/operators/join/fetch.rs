//! The first so many rows of a join whose plan carries a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::record_batch::RecordBatch;

use crate::error::Result;
use crate::exec::{Flow, Operator, OperatorState, RunContext};

/// Lets `limit` rows through, over all workers and branches.
#[derive(Debug)]
pub(crate) struct Fetch {
    limit: usize,
    left: Arc<AtomicUsize>,
}

impl Fetch {
    pub(crate) fn new(limit: usize) -> Self {
        Fetch {
            limit,
            left: Arc::new(AtomicUsize::new(limit)),
        }
    }
}

impl Operator for Fetch {
    fn start(&self, _context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        Ok(Box::new(FetchState {
            left: Arc::clone(&self.left),
            current: None,
        }))
    }

    fn describe(&self) -> String {
        format!("first {} rows", self.limit)
    }
}

struct FetchState {
    left: Arc<AtomicUsize>,
    current: Option<RecordBatch>,
}

impl OperatorState for FetchState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let before = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(rows))
            });
        let (Ok(left) | Err(left)) = before;
        self.current = (left > 0).then(|| batch.slice(0, rows.min(left)));
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.current.take())
    }

    fn flow(&self) -> Flow {
        if self.left.load(Ordering::Relaxed) == 0 {
            Flow::Done
        } else {
            Flow::More
        }
    }
}
