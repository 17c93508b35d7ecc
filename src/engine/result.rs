//! What comes out: rows and a summary.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use serde::de::DeserializeOwned;

use super::metrics::Counters;
use super::{Engine, QueryHandle};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::{Execution, Notes, Receiver, RunContext};
use crate::file::{ReadCounts, ReadTally};
use crate::plan::{Chart, OutputColumn};

/// What a statement gave.
///
/// ```
/// use tidemill::{Engine, Outcome, ParamMap};
/// let engine = Engine::in_memory()?;
/// let statement = engine.statements("CREATE TABLE t AS SELECT 1 AS a").unwrap().remove(0);
/// match engine.run(&statement, &ParamMap::new())? {
///     Outcome::Done(summary) => assert_eq!(summary.rows, 1),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A query's rows, still to be read.
    Rows(Rows),
    /// A statement without rows is done.
    Done(Summary),
    /// FORK, TEE and IF give several, in order.
    Several(Vec<Outcome>),
}

impl Outcome {
    pub(super) fn with_warnings(mut self, warnings: Vec<Error>) -> Self {
        match &mut self {
            Outcome::Rows(rows) => rows.warnings.extend(warnings),
            Outcome::Done(summary) => summary.warnings.extend(warnings),
            Outcome::Several(outcomes) => {
                if let Some(first) = outcomes.first_mut() {
                    let outcome = std::mem::replace(first, Outcome::Done(Summary::new(0)));
                    *first = outcome.with_warnings(warnings);
                }
            }
        }
        self
    }

    /// One outcome is itself, none is done.
    pub(super) fn several(mut outcomes: Vec<Outcome>) -> Self {
        match (outcomes.len(), outcomes.pop()) {
            (1, Some(only)) => only,
            (_, Some(last)) => {
                outcomes.push(last);
                Outcome::Several(outcomes)
            }
            (_, None) => Outcome::Done(Summary::new(0)),
        }
    }

    /// Reads all rows now, so that what fails fails here.
    pub(super) fn in_memory(self) -> Result<Self> {
        match self {
            Outcome::Rows(mut rows) => {
                let batches = rows.by_ref().collect::<Result<Vec<_>>>()?;
                rows.ready = batches.into_iter();
                Ok(Outcome::Rows(rows))
            }
            Outcome::Done(summary) => Ok(Outcome::Done(summary)),
            Outcome::Several(outcomes) => {
                let outcomes = outcomes.into_iter().map(Outcome::in_memory);
                Ok(Outcome::Several(outcomes.collect::<Result<_>>()?))
            }
        }
    }

    /// The rows of every result.
    pub(super) fn into_rows(self) -> Vec<Rows> {
        match self {
            Outcome::Rows(rows) => vec![rows],
            Outcome::Done(_) => Vec::new(),
            Outcome::Several(outcomes) => {
                outcomes.into_iter().flat_map(Outcome::into_rows).collect()
            }
        }
    }

    /// The rows of the last result; those before it are read to their end.
    pub(super) fn into_last_rows(self) -> Result<Rows> {
        let mut all = self.into_rows();
        let last = all.pop();
        for rows in all {
            super::finish(rows)?;
        }
        Ok(last.unwrap_or_else(Rows::empty))
    }
}

/// What a finished statement did.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let summary = engine.execute("FROM (VALUES (1), (2)) AS t (n)", ())?;
/// assert_eq!((summary.rows, summary.warnings.len()), (2, 0));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// Rows given or stored.
    pub rows: u64,
    /// What its author should know; the statement ran all the same.
    pub warnings: Vec<Error>,
    /// Rows of CSV and JSON files that the query read, and what became of them.
    pub read: ReadCounts,
}

impl Summary {
    pub(super) fn new(rows: u64) -> Self {
        Summary {
            rows,
            warnings: Vec::new(),
            read: ReadCounts::default(),
        }
    }
}

/// The rows of a query as Arrow batches, made while they are read. Dropping it stops the query.
///
/// At most a few batches lie between the query and its reader: a reader that stops reading stops the query's work.
///
/// ```
/// # let engine = tidemill::Engine::in_memory()?;
/// let rows = engine.query("FROM (VALUES (1), (2)) |> AGGREGATE SUM(column1) AS total", ())?;
/// assert_eq!(rows.schema().field(0).name(), "total");
/// for batch in rows {
///     assert_eq!(batch?.num_rows(), 1);
/// }
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    running: Option<Box<Running>>,
    ready: std::vec::IntoIter<RecordBatch>,
    handle: QueryHandle,
    warnings: Vec<Error>,
    notes: Arc<Notes>,
    tally: Arc<ReadTally>,
    chart: Option<Chart>,
}

/// The query behind some rows. When this is dropped, it is over.
#[derive(Debug)]
pub(super) struct Running {
    receiver: Receiver,
    execution: Arc<Execution>,
    handle: QueryHandle,
    counters: Arc<Counters>,
    since: Instant,
    /// All rows were given.
    read_whole: bool,
}

impl Running {
    pub(super) fn new(
        engine: &Engine,
        receiver: Receiver,
        execution: &Arc<Execution>,
        handle: QueryHandle,
    ) -> Self {
        Running {
            handle,
            receiver,
            execution: Arc::clone(execution),
            counters: Arc::clone(&engine.0.counters),
            since: engine.0.counters.started(),
            read_whole: false,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.progress();
        self.counters
            .ended(&self.execution, self.since, self.read_whole);
    }
}

impl Rows {
    pub(super) fn new(schema: SchemaRef, running: Running, context: &RunContext) -> Self {
        Rows {
            schema,
            handle: running.handle.clone(),
            running: Some(Box::new(running)),
            ready: Vec::new().into_iter(),
            warnings: Vec::new(),
            notes: Arc::clone(&context.notes),
            tally: Arc::clone(&context.tally),
            chart: None,
        }
    }

    /// Rows that are there already.
    pub(super) fn ready(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Rows {
            schema,
            running: None,
            handle: QueryHandle::of_ready(&batches),
            ready: batches.into_iter(),
            warnings: Vec::new(),
            notes: Arc::default(),
            tally: Arc::default(),
            chart: None,
        }
    }

    pub(super) fn empty() -> Self {
        Rows::ready(Arc::new(Schema::empty()), Vec::new())
    }

    /// The columns. Names may be empty of meaning or repeated where the query left them so.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How the query asks for its rows to be drawn, by `|> CALL PLOT(…)` at its end. The rows are here all the same: a program
    /// draws them with what it has, and `tidemill` on a terminal does.
    ///
    /// ```
    /// use tidemill::ChartKind;
    /// let engine = tidemill::Engine::in_memory()?;
    /// let rows = engine.query("SELECT 'north' AS region, 3 AS sales |> CALL PLOT('bar', x => region)", ())?;
    /// let chart = rows.chart().expect("it ends with PLOT");
    /// assert_eq!((chart.kind, chart.x), (ChartKind::Bar, Some(0)));
    /// assert_eq!(rows.one::<(String, i64)>()?.1, 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn chart(&self) -> Option<&Chart> {
        self.chart.as_ref()
    }

    /// The same rows, to be drawn so.
    pub(super) fn drawn_as(mut self, chart: Option<Chart>) -> Self {
        self.chart = chart;
        self
    }

    /// What the query's author should know; it runs all the same.
    pub fn warnings(&self) -> &[Error] {
        &self.warnings
    }

    /// What the query noted of the rows it met so far: everything, once the last row is read. An `ASSERT … ON VIOLATION WARN`
    /// or `DROP` says here how many rows it did not hold for.
    pub fn notes(&self) -> Vec<Error> {
        let mut notes = self.notes.warnings();
        notes.extend(self.tally.warnings());
        notes
    }

    /// Rows of CSV and JSON files that the query read so far, and what became of them: `read = returned + filtered + rejected`.
    pub fn read_counts(&self) -> ReadCounts {
        self.tally.counts()
    }

    /// A handle that can stop this query from another thread, and says how far it is.
    pub fn handle(&self) -> QueryHandle {
        self.handle.clone()
    }

    /// Every batch, in memory.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// let batches = engine.query("SELECT 1 AS a", ())?.collect_batches()?;
    /// assert_eq!(batches[0].num_rows(), 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// Whatever stops the query.
    pub fn collect_batches(self) -> Result<Vec<RecordBatch>> {
        self.collect()
    }

    /// Rows as values of a type: a struct whose fields are named as the columns, or a tuple by position.
    ///
    /// ```
    /// # let engine = tidemill::Engine::in_memory()?;
    /// #[derive(serde::Deserialize)]
    /// struct Sale { region: String, amount: f64 }
    /// let rows = engine.query("SELECT 'north' AS region, 2.5 AS amount", ())?;
    /// for sale in rows.typed::<Sale>() {
    ///     let sale = sale?;
    ///     assert_eq!((sale.region.as_str(), sale.amount), ("north", 2.5));
    /// }
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// Each item: whatever stops the query; TM0604 where a row does not fit the type.
    pub fn typed<T: DeserializeOwned>(self) -> impl Iterator<Item = Result<T>> {
        self.flat_map(
            |batch| match batch.and_then(|batch| from_batch::<T>(&batch)) {
                Ok(values) => values.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            },
        )
    }

    /// The one row of a query that gives exactly one.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// let (one, two): (i64, String) = engine.query("SELECT 1, 'two'", ())?.one()?;
    /// assert_eq!((one, two.as_str()), (1, "two"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0605 for no row or more than one; otherwise as [`Rows::typed`].
    pub fn one<T: DeserializeOwned>(self) -> Result<T> {
        let wrong = |found: &str| {
            Error::new(
                ErrorKind::Run,
                "TM0605",
                format!("one row was asked for and the query gave {found}"),
            )
        };
        let mut rows = self.typed::<T>();
        let row = rows.next().ok_or_else(|| wrong("none"))??;
        match rows.next() {
            None => Ok(row),
            Some(Ok(_)) => Err(wrong("more")),
            Some(Err(error)) => Err(error),
        }
    }
}

impl Rows {
    /// What the query gave: its next batch, its end, or its error.
    fn given(&mut self, received: Result<Option<RecordBatch>>) -> Option<Result<RecordBatch>> {
        let batch = match received {
            Ok(Some(batch)) => {
                self.handle.count_given(batch.num_rows());
                renamed(&self.schema, &batch)
            }
            Ok(None) => {
                let mut running = self.running.take()?;
                running.read_whole = true;
                return self.tally.publish().err().map(Err);
            }
            Err(error) => Err(error),
        };
        if batch.is_err() {
            self.running = None;
        }
        Some(batch)
    }

    /// The next batch for a task, which is woken when it is there.
    pub(super) fn poll_batch(&mut self, waker: &Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        if let Some(batch) = self.ready.next() {
            return Poll::Ready(Some(Ok(batch)));
        }
        let Some(running) = self.running.as_ref() else {
            return Poll::Ready(None);
        };
        let received = ready!(running.receiver.poll_recv(&running.execution, waker));
        Poll::Ready(self.given(received))
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(batch) = self.ready.next() {
            return Some(Ok(batch));
        }
        let running = self.running.as_ref()?;
        let received = running.receiver.recv(&running.execution);
        self.given(received)
    }
}

/// A plan's schema under the names that the user sees.
pub(super) fn named_schema(schema: &Schema, columns: &[OutputColumn]) -> SchemaRef {
    let fields = schema.fields().iter().zip(columns).map(|(field, column)| {
        // Whether NULL can occur is the plan's guess; a reader must be ready for it.
        Field::new(column.name.clone(), field.data_type().clone(), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn renamed(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        batch.columns().to_vec(),
        &options,
    )?)
}

fn from_batch<T: DeserializeOwned>(batch: &RecordBatch) -> Result<Vec<T>> {
    serde_arrow::from_record_batch(batch).map_err(|error| {
        let text = error.to_string();
        let reason = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("Error: ")
            .to_string();
        Error::new(
            ErrorKind::Input,
            "TM0604",
            format!("a row does not fit the type asked for: {reason}"),
        )
        .hint("name the type's fields as the query's columns, and use Option for columns with NULL")
    })
}
