//! Rows into the segments of a durable table: the sink of every statement that writes. What is written is in no version before it
//! is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::error::{Error, Result};
use crate::exec::{Flow, RunContext, Sink};
use crate::table::writer::TableWriter;

/// Writes batches of a query's columns as rows of a table.
#[derive(Debug)]
pub(crate) struct WriteSink {
    name: String,
    writer: Arc<TableWriter>,
    /// The table's columns, in which order the query gives them.
    columns: SchemaRef,
    /// Workers share one segment for each place.
    one_segment: bool,
    workers: AtomicUsize,
}

impl WriteSink {
    pub(crate) fn new(
        name: &str,
        writer: Arc<TableWriter>,
        columns: SchemaRef,
        one_segment: bool,
    ) -> Self {
        WriteSink {
            name: name.to_string(),
            writer,
            columns,
            one_segment,
            workers: AtomicUsize::new(0),
        }
    }
}

impl Sink for WriteSink {
    /// The worker's number.
    type Local = usize;

    fn start(&self, _context: &Arc<RunContext>) -> Result<usize> {
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        Ok(if self.one_segment { 0 } else { number })
    }

    fn push(&self, worker: &mut usize, batch: RecordBatch) -> Result<Flow> {
        let given = batch.schema();
        let fields = self.columns.fields().iter().zip(given.fields());
        let fields =
            fields.map(|(field, given)| Field::new(field.name(), given.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let rows = RecordBatch::try_new(schema, batch.columns().to_vec());
        let rows = rows.map_err(|error| Error::bug(error.to_string()))?;
        self.writer.write(&rows, *worker)?;
        Ok(Flow::More)
    }

    fn finish(&self, _locals: Vec<usize>, context: &Arc<RunContext>) -> Result<()> {
        let writers = self.writer.unfinished();
        context.pool.install(|| {
            (0..writers)
                .into_par_iter()
                .try_for_each(|_| self.writer.finish_one())
        })
    }

    fn describe(&self) -> String {
        format!("write into {}", self.name)
    }
}
