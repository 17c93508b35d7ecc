//! Rows from a program into a durable table, batch by batch, without a statement for each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, NullArray, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::MemTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Engine;
use super::planning::on_planner_stack;
use super::query::answer;
use super::register::batch_of;
use super::table_write::{change_of, commit_over};
use crate::catalog::Entry;
use crate::catalog::durable::SnapshotTable;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::spill::own_rows;
use crate::file::type_name;
use crate::plan::bind::bind_defaults;
use crate::table::action::Commit;
use crate::table::conflict::nothing;
use crate::table::database::DurableTable;
use crate::table::ingest::Buffer;
pub use crate::table::ingest::FlushPolicy;
use crate::table::schema::Columns;
use crate::table::writer::TableWriter;

/// When rows of an [`Appender`] are safe, and when they are seen.
///
/// ```
/// use tidemill::{AppendMode, FlushPolicy};
/// let mode = AppendMode::WriteBehind(FlushPolicy::default());
/// assert_ne!(mode, AppendMode::WriteThrough);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AppendMode {
    /// [`Appender::commit`] puts them on disk as one version; from then on everybody sees them.
    #[default]
    WriteThrough,
    /// Each [`Appender::append`] puts its rows into a log of their own; when it returns they are safe and everybody sees them. They
    /// move into segments when so many wait or they have waited so long, or with [`Appender::commit`].
    WriteBehind(FlushPolicy),
}

/// Rows on their way into a durable table, from [`Engine::appender`]. When it is dropped, those that were not committed are gone, or
/// wait on where they were written behind.
///
/// ```
/// use tidemill::{AppendMode, Engine};
/// # let folder = tempfile::tempdir().unwrap();
/// # let directory = folder.path();
/// let engine = Engine::open(directory)?;
/// engine.execute("CREATE TABLE t (n INT64)", ())?;
/// let mut appender = engine.appender("t", AppendMode::default())?;
/// for batch in engine.query("SELECT 1 AS n", ())? {
///     appender.append(&batch?)?;
/// }
/// assert_eq!(appender.pending_rows(), 1);
/// assert_eq!(appender.commit()?, 1);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug)]
pub struct Appender {
    engine: Engine,
    name: String,
    mode: AppendMode,
    /// Since the last commit.
    pending: Option<Pending>,
    /// Rows that wait, where they do.
    behind: Option<Buffer>,
    warnings: Vec<Error>,
}

#[derive(Debug)]
struct Pending {
    table: DurableTable,
    writer: TableWriter,
}

impl Engine {
    /// Adds rows to a table that is kept in a database.
    ///
    /// ```
    /// use tidemill::{AppendMode, Engine};
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Reading { sensor: i64, value: f64 }
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let directory = folder.path();
    /// let engine = Engine::open(directory)?;
    /// engine.execute("CREATE TABLE readings (sensor INT64, value FLOAT64)", ())?;
    /// let mut appender = engine.appender("readings", AppendMode::WriteThrough)?;
    /// for sensor in 0..10 {
    ///     appender.append_rows(&[Reading { sensor, value: 1.5 }])?;
    /// }
    /// assert_eq!(appender.commit()?, 10);
    /// let sum: (f64,) = engine.query("FROM readings |> AGGREGATE SUM(value)", ())?.one()?;
    /// assert_eq!(sum.0, 15.0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0203 where there is no such table, TM0319 where the table is not kept in a database.
    pub fn appender(&self, table: &str, mode: AppendMode) -> Result<Appender> {
        let mut appender = Appender {
            engine: self.clone(),
            name: table.to_string(),
            mode,
            pending: None,
            behind: None,
            warnings: Vec::new(),
        };
        // An error that is known now is told now.
        let table = appender.pending()?.table.clone();
        if let AppendMode::WriteBehind(policy) = mode {
            appender.pending = None;
            let known = Arc::clone(&table.snapshot);
            let buffer = Buffer::new(&table.name, table.log, known, Some(policy))?;
            appender.behind = Some(buffer);
        }
        Ok(appender)
    }
}

impl Appender {
    /// When its rows are safe and seen.
    pub fn mode(&self) -> AppendMode {
        self.mode
    }

    /// Adds rows. Columns find those of the table by name; a column that is not given has its DEFAULT, or is NULL.
    ///
    /// # Errors
    /// TM0201 for a column that the table lacks, TM0403 for one of another kind, TM0510 for a NULL where there is none, TM0747 for
    /// a value that does not fit: then none of these rows is added. TM07xx where the disk fails: then all that were not committed
    /// are gone.
    ///
    /// Behind: TM0750 where too much waits and cannot move.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        if let Some(behind) = &self.behind {
            let appended = append_behind(&self.engine, behind, batch);
            self.warnings.extend(behind.warnings());
            return appended;
        }
        let engine = self.engine.clone();
        let pending = self.pending()?;
        let rows = with_defaults(&engine, batch, &pending.table.snapshot.columns)?;
        let written = pending.writer.write(&rows, 0);
        if written
            .as_ref()
            .is_err_and(|error| error.kind() != ErrorKind::Run)
        {
            self.pending = None;
        }
        written
    }

    /// Adds Rust values; columns are the type's fields.
    ///
    /// # Errors
    /// TM0604 where the type cannot be a table, and those of [`Appender::append`].
    pub fn append_rows<T: Serialize + DeserializeOwned>(&mut self, rows: &[T]) -> Result<()> {
        self.append(&batch_of(rows)?)
    }

    /// Rows that wait for the next commit.
    pub fn pending_rows(&self) -> u64 {
        let pending = self.pending.as_ref();
        let waiting = self.behind.as_ref().map_or(0, Buffer::rows);
        pending.map_or(waiting, |pending| pending.writer.rows())
    }

    /// Makes the rows since the last commit one version of the table; how many there were. Without any there is no version.
    ///
    /// # Errors
    /// TM0740 where the table's columns were changed meanwhile, TM07xx where the disk fails: then the rows are gone, and the
    /// appender can go on with new ones.
    pub fn commit(&mut self) -> Result<u64> {
        if let Some(behind) = &self.behind {
            let moved = behind.flush();
            self.warnings.extend(behind.warnings());
            return moved;
        }
        let Some(pending) = self.pending.take() else {
            return Ok(0);
        };
        let rows = pending.writer.rows();
        let adds = pending.writer.finish()?;
        if adds.is_empty() {
            return Ok(0);
        }
        let mut commit = change_of("WRITE", json!({"mode": "Append"}));
        commit.info.is_blind_append = Some(true);
        let commit = Commit { adds, ..commit };
        commit_over(&pending.table, commit, &nothing, &mut self.warnings)?;
        Ok(rows)
    }

    /// What went wrong beside commits that stand: a checkpoint that could not be written, which the next one makes good.
    pub fn warnings(&self) -> &[Error] {
        &self.warnings
    }

    /// The table as it is now, with a writer for it.
    fn pending(&mut self) -> Result<&mut Pending> {
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => {
                let table = durable(&self.engine, &self.name)?;
                table.snapshot.check_write()?;
                let (columns, layout) = (&table.snapshot.columns, &table.snapshot.layout);
                let writer = TableWriter::new(table.log.clone(), columns.clone(), layout.clone());
                Pending { table, writer }
            }
        };
        Ok(self.pending.insert(pending))
    }
}

/// Nothing of the batch is seen where this fails.
fn append_behind(engine: &Engine, behind: &Buffer, batch: &RecordBatch) -> Result<()> {
    let snapshot = behind.snapshot()?;
    snapshot.check_write()?;
    let rows = with_defaults(engine, batch, &snapshot.columns)?;
    if rows.num_rows() == 0 {
        return Ok(());
    }
    behind.append(&[own_rows(snapshot.columns.store(&rows)?)?])
}

fn durable(engine: &Engine, name: &str) -> Result<DurableTable> {
    let Some(entry) = engine.catalog().find(name)? else {
        let message = format!("no table named `{name}`");
        return Err(Error::new(ErrorKind::Input, "TM0203", message));
    };
    if let Entry::Table(provider) = &entry
        && let Some(table) = provider.downcast_ref::<SnapshotTable>()
    {
        return Ok(table.table.clone());
    }
    let message = format!("`{name}` takes no rows this way: it is not kept in a database");
    Err(Error::new(ErrorKind::Input, "TM0319", message)
        .hint("open the engine with Engine::open(directory) and create the table there"))
}

/// The rows under the table's columns, in its order; those that are not given and have a default, with it.
fn with_defaults(engine: &Engine, batch: &RecordBatch, columns: &Columns) -> Result<RecordBatch> {
    let given = batch.schema();
    let is_given = |name: &str| {
        let mut fields = given.fields().iter();
        fields.any(|field| field.name().eq_ignore_ascii_case(name))
    };
    let mut absent = columns.defaults.clone();
    for (default, field) in absent.iter_mut().zip(columns.seen.fields()) {
        *default = default.take().filter(|_| !is_given(field.name()));
    }
    if absent.iter().all(Option::is_none) || batch.num_rows() == 0 {
        return as_given(batch, &columns.seen);
    }
    let rows = Arc::new(NullArray::new(batch.num_rows())) as ArrayRef;
    let rows = RecordBatch::try_from_iter([("row", rows)])?;
    let rows = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
    let wanted = columns.clone().with_defaults(absent);
    let query = on_planner_stack(|| bind_defaults(&wanted, rows, engine.catalog(), engine))?;
    let rows = answer(engine, &query)?;
    let schema = Arc::clone(rows.schema());
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let values = concat_batches(&schema, &rows)?;
    let fields = given.fields().iter().chain(schema.fields());
    let fields: Vec<_> = fields.map(Arc::clone).collect();
    let all = batch.columns().iter().chain(values.columns());
    let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), all.cloned().collect())?;
    as_given(&all, &columns.seen)
}

/// The rows under the table's columns, in its order.
fn as_given(batch: &RecordBatch, columns: &Schema) -> Result<RecordBatch> {
    let given = batch.schema();
    for field in given.fields() {
        let same = |own: &&Arc<Field>| own.name().eq_ignore_ascii_case(field.name());
        if !columns.fields().iter().any(|own| same(&own)) {
            let names: Vec<&str> = columns
                .fields()
                .iter()
                .map(|own| own.name().as_str())
                .collect();
            let message = format!("the table has no column named `{}`", field.name());
            return Err(Error::new(ErrorKind::Input, "TM0201", message).available(names.join(", ")));
        }
    }
    let mut fields = Vec::with_capacity(columns.fields().len());
    let mut values: Vec<ArrayRef> = Vec::with_capacity(columns.fields().len());
    for own in columns.fields() {
        let mut places = (0..given.fields().len())
            .filter(|place| given.field(*place).name().eq_ignore_ascii_case(own.name()));
        let value = match (places.next(), places.next()) {
            (Some(_), Some(_)) => {
                let message = format!("two columns are called `{}`", own.name());
                return Err(Error::new(ErrorKind::Input, "TM0202", message));
            }
            (Some(place), None) => Arc::clone(batch.column(place)),
            (None, _) => new_null_array(own.data_type(), batch.num_rows()),
        };
        check_kind(own, value.data_type())?;
        fields.push(Field::new(own.name(), value.data_type().clone(), true));
        values.push(value);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), values)
        .map_err(|error| Error::bug(error.to_string()))
}

/// Text is never read as something else, and nothing becomes text.
fn check_kind(own: &Field, given: &DataType) -> Result<()> {
    let other = |kind: fn(&DataType) -> bool| kind(own.data_type()) != kind(given);
    let differs = other(DataType::is_string) || other(|kind| *kind == DataType::Boolean);
    if *given == DataType::Null || !differs {
        return Ok(());
    }
    let message = format!(
        "the column `{}` is {}, the rows have {}",
        own.name(),
        type_name(own.data_type()),
        type_name(given)
    );
    Err(Error::new(ErrorKind::Input, "TM0403", message))
}
