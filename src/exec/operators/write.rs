//! Rows into the segments of a durable table: the sink of every statement that writes. What is written is in no version before it
//! is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::new_null_array;
use arrow::datatypes::{Schema, SchemaRef};
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
    /// The table's columns.
    columns: SchemaRef,
    /// For each of them the query's column; without one it is NULL.
    from: Vec<Option<usize>>,
    /// Workers share one segment for each place.
    one_segment: bool,
    workers: AtomicUsize,
}

impl WriteSink {
    pub(crate) fn new(
        name: &str,
        writer: Arc<TableWriter>,
        columns: SchemaRef,
        from: Vec<Option<usize>>,
        one_segment: bool,
    ) -> Self {
        WriteSink {
            name: name.to_string(),
            writer,
            columns,
            from,
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
        let mut fields = Vec::with_capacity(self.from.len());
        let mut columns = Vec::with_capacity(self.from.len());
        for (field, from) in self.columns.fields().iter().zip(&self.from) {
            let field = field.as_ref().clone().with_nullable(true);
            match from {
                Some(from) => {
                    fields.push(field.with_data_type(given.field(*from).data_type().clone()));
                    columns.push(Arc::clone(batch.column(*from)));
                }
                None => {
                    columns.push(new_null_array(field.data_type(), batch.num_rows()));
                    fields.push(field);
                }
            }
        }
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
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
