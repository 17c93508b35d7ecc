//! Rows for programs that are asynchronous: a [`Stream`], whatever executor polls it.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::Stream;

use super::{QueryHandle, Rows};
use crate::error::Result;

/// The batches of a query as a stream. No thread waits for it and no runtime is needed: the workers that make the batches wake
/// the task. Dropping it stops the query.
///
/// ```
/// use futures::{StreamExt, executor::block_on};
/// let engine = tidemill::Engine::in_memory()?;
/// let rows = engine.query("FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n", ())?;
/// let batches = block_on(rows.into_stream().collect::<Vec<_>>());
/// let count: usize = batches.into_iter().map(|batch| batch.unwrap().num_rows()).sum();
/// assert_eq!(count, 100_000);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug)]
pub struct RowStream(Rows);

impl Rows {
    /// The batches as a stream, for asynchronous code.
    pub fn into_stream(self) -> RowStream {
        RowStream(self)
    }
}

impl RowStream {
    /// The columns, as of [`Rows::schema`].
    pub fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }

    /// A handle that can stop the query from elsewhere, as of [`Rows::handle`].
    pub fn handle(&self) -> QueryHandle {
        self.0.handle()
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_batch(waker)
    }
}
