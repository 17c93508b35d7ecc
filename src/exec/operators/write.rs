//! Rows into the segments of a durable table: the sink of every statement that writes. What is written is in no version before it
//! is committed. Where rows may go into the table's buffer instead, a few of them are held until it is known that no more come.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::error::{Error, Result};
use crate::exec::spill::{batch_bytes, own_rows};
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
    /// `None` where rows go into segments, from the start or since there were too many.
    held: Mutex<Option<Held>>,
}

/// Rows that are in no segment.
#[derive(Debug, Default)]
struct Held {
    batches: Vec<RecordBatch>,
    rows: u64,
    bytes: u64,
    rows_max: u64,
    bytes_max: u64,
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
            held: Mutex::default(),
        }
    }

    /// Holds rows as long as there are fewer than so many, in fewer than so many bytes.
    #[must_use]
    pub(crate) fn holding(self, rows_max: u64, bytes_max: u64) -> Self {
        let held = Held {
            rows_max,
            bytes_max,
            ..Held::default()
        };
        WriteSink {
            held: Mutex::new(Some(held)),
            ..self
        }
    }

    /// The rows that are in no segment.
    pub(crate) fn take_held(&self) -> Vec<RecordBatch> {
        let held = self.held().take();
        held.map_or_else(Vec::new, |held| held.batches)
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of the rows is to be written now: nothing where they are held, and with the last that fit all before them.
    fn pass_on(&self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let mut slot = self.held();
        let Some(held) = slot.as_mut() else {
            return Ok(vec![rows]);
        };
        held.rows += rows.num_rows() as u64;
        held.bytes += batch_bytes(&rows) as u64;
        let full = held.rows >= held.rows_max || held.bytes >= held.bytes_max;
        held.batches.push(own_rows(rows)?);
        Ok(match full {
            true => slot.take().map_or_else(Vec::new, |held| held.batches),
            false => Vec::new(),
        })
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
        for rows in self.pass_on(rows)? {
            self.writer.write(&rows, *worker)?;
        }
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
