//! What a program puts in under a name: batches, rows, files, DataFusion tables.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use super::{Engine, Value};
use crate::catalog::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::bind::Files;

/// A file, directory or glob, with how to read it.
///
/// ```no_run
/// use tidemill::{Engine, FileSource};
/// let engine = Engine::in_memory()?;
/// engine.register_file("sales", FileSource::new("sales/*.csv").option("delim", ";"))?;
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct FileSource {
    pub(super) path: String,
    pub(super) format: Option<String>,
    pub(super) options: Vec<(String, ScalarValue)>,
    pub(super) columns: Option<SchemaRef>,
}

impl FileSource {
    /// A file by path, glob or directory; the format is found by its content, then its name.
    pub fn new(path: impl AsRef<Path>) -> Self {
        FileSource {
            path: path.as_ref().display().to_string(),
            format: None,
            options: Vec::new(),
            columns: None,
        }
    }

    /// Says the format: `csv`, `json`, `parquet` or `arrow`.
    pub fn format(mut self, format: &str) -> Self {
        self.format = Some(format.to_string());
        self
    }

    /// An option of the format, as in `read_csv('x.csv', header => TRUE)`.
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options
            .push((name.to_string(), value.into().into_scalar()));
        self
    }

    /// Says the columns instead of finding them in the file.
    pub fn columns(mut self, columns: SchemaRef) -> Self {
        self.columns = Some(columns);
        self
    }
}

impl Engine {
    /// Gives batches a name. An older table of that name is replaced.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tidemill::Engine;
    /// use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    /// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    /// let engine = Engine::in_memory()?;
    /// engine.register_batches("numbers", vec![RecordBatch::try_from_iter([("n", numbers)]).unwrap()])?;
    /// let sum: (i64,) = engine.query("FROM numbers |> AGGREGATE SUM(n)", ())?.one()?;
    /// assert_eq!(sum.0, 6);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0703 without a batch (its schema would be unknown), TM0306 if the batches' schemas differ.
    pub fn register_batches(&self, name: &str, batches: Vec<RecordBatch>) -> Result<()> {
        let schema = batches.first().map(RecordBatch::schema).ok_or_else(|| {
            Error::new(
                ErrorKind::Input,
                "TM0305",
                "a table needs at least one batch to know its columns",
            )
            .hint("register an empty batch: RecordBatch::new_empty(schema)")
        })?;
        let columns_of = |schema: &Schema| -> Vec<(String, arrow::datatypes::DataType)> {
            schema
                .fields()
                .iter()
                .map(|field| (field.name().clone(), field.data_type().clone()))
                .collect()
        };
        if batches
            .iter()
            .any(|batch| columns_of(&batch.schema()) != columns_of(&schema))
        {
            return Err(Error::new(
                ErrorKind::Input,
                "TM0306",
                "the batches do not have the same columns",
            ));
        }
        // Batches may differ in whether NULL can occur: the table's answer must hold for all.
        let nullable = Schema::new(
            schema
                .fields()
                .iter()
                .map(|field| field.as_ref().clone().with_nullable(true))
                .collect::<Vec<_>>(),
        );
        let nullable = Arc::new(nullable);
        let batches = batches
            .into_iter()
            .map(|batch| Ok(batch.with_schema(Arc::clone(&nullable))?))
            .collect::<Result<Vec<_>>>()?;
        let table = MemTable::try_new(nullable, vec![batches])?;
        self.catalog()
            .insert(name, Entry::Table(Arc::new(table)), true)
    }

    /// Gives Rust values a name; columns are the type's fields.
    ///
    /// ```
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct City { name: String, people: i64 }
    /// let engine = tidemill::Engine::in_memory()?;
    /// engine.register_rows("cities", &[City { name: "Ulm".into(), people: 126_000 }])?;
    /// let name: (String,) = engine.query("FROM cities |> WHERE people > 100000 |> SELECT name", ())?.one()?;
    /// assert_eq!(name.0, "Ulm");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0604 where the type cannot be a table.
    pub fn register_rows<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        rows: &[T],
    ) -> Result<()> {
        self.register_batches(name, vec![batch_of(rows)?])
    }

    /// Gives a file, directory or glob a name. An older table of that name is replaced.
    ///
    /// # Errors
    /// As a query that names the path in FROM.
    pub fn register_file(&self, name: &str, file: FileSource) -> Result<()> {
        let format = file.format.as_deref();
        let table = Files::open(self, &file.path, format, &file.options, file.columns)?;
        self.catalog().insert(name, Entry::Table(table), true)
    }

    /// Gives a DataFusion table a name. Its plan is polled by our workers.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    /// use tidemill::datafusion::datasource::MemTable;
    /// let engine = tidemill::Engine::in_memory()?;
    /// let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    /// let batch = RecordBatch::try_from_iter([("n", numbers)])?;
    /// let theirs = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
    /// engine.register_provider("numbers", Arc::new(theirs))?;
    /// let (sum,): (i64,) = engine.query("FROM numbers |> AGGREGATE SUM(n)", ())?.one()?;
    /// assert_eq!(sum, 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// None now; the name is checked when it is used.
    pub fn register_provider(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.0
            .foreign_tables
            .store(true, std::sync::atomic::Ordering::Relaxed);
        self.catalog().insert(name, Entry::Table(table), true)
    }
}

/// Rust values as a batch; columns are the type's fields.
pub(super) fn batch_of<T: Serialize + DeserializeOwned>(rows: &[T]) -> Result<RecordBatch> {
    let unfit = |error: serde_arrow::Error| {
        let text = error.to_string();
        let reason = text.lines().next().unwrap_or_default().to_string();
        Error::new(
            ErrorKind::Input,
            "TM0604",
            format!("the rows cannot become a table: {reason}"),
        )
    };
    let options = TracingOptions::default().allow_null_fields(true);
    let fields = Vec::<FieldRef>::from_type::<T>(options.clone())
        .or_else(|_| Vec::<FieldRef>::from_samples(rows, options))
        .map_err(unfit)?;
    serde_arrow::to_record_batch(&fields, &rows).map_err(unfit)
}
