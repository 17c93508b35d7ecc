//! Files in formats: batches from CSV, NDJSON, Parquet and Arrow, by byte range or row group.
//!
//! A [`DataFile`] is one file whose format and columns are known. It is cut into units that workers read independently; the rows
//! of all units together are the rows of the file, none lost and none twice. This floor knows Arrow and no query: a filter comes
//! in as a [`RowFilter`].

mod bad_rows;
pub(crate) mod csv;
pub(crate) mod filter;
mod filtered;
pub(crate) mod format;
mod guard;
pub(crate) mod input;
pub(crate) mod ipc;
mod kept;
pub(crate) mod memory;
pub(crate) mod ndjson;
pub(crate) mod parquet;
pub(crate) mod pattern;
mod pool;
pub(crate) mod remote;
pub(crate) mod source;
pub(crate) mod standard_input;
pub(crate) mod table;
mod text;
mod type_name;
pub(crate) mod types;
pub(crate) mod write;

pub(crate) use bad_rows::{BadRow, ReadTally, ReadTotal};
pub use bad_rows::{BadRows, ReadCounts};
pub(crate) use filter::{Bounds, RowFilter, RuntimeFilter, Tally};
pub(crate) use guard::panic_text;
pub(crate) use pool::{Pool, PooledFile};
pub use remote::on_this_machine;
pub use type_name::type_name;
pub use write::{ColumnText, CsvWriter, json_writer, times_have_text};

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef};

use crate::error::{Error, Result};

/// How many of the things that a table's rows lie in are read: what is known to hold no row that is wanted is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// `partitions`, `shards`, `segments`, `files`, `row groups`.
    pub(crate) what: &'static str,
    pub(crate) left: usize,
    pub(crate) all: usize,
}

/// Batches of one unit.
pub(crate) type BatchIterator = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// One file whose format and columns are known.
pub(crate) trait DataFile: Any + Send + Sync + Debug {
    /// The columns stored in the file.
    fn schema(&self) -> &SchemaRef;

    /// Cuts the file into units for `threads` workers; units that no row of can pass `request`'s filters are left out. The
    /// returned units are passed to `read` as they are.
    fn units(&self, request: &ReadRequest, threads: usize) -> Result<Vec<Unit>>;

    /// The rows of one unit that pass the filters, with the columns of the projection.
    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator>;

    /// Rows in the file, where the format says so without reading it.
    fn row_count(&self) -> Option<u64>;

    /// Bytes on disk.
    fn byte_count(&self) -> u64;

    /// About how many bytes of the file are read for a request, as far as that is known before; `None` where nothing is.
    fn bytes_wanted(&self, _request: &ReadRequest) -> Result<Option<u64>> {
        Ok(None)
    }

    /// About how many different values a column (by position in the schema) has, where few values come often and the file says so.
    fn distinct_values(&self, _column: usize) -> Option<u64> {
        None
    }

    /// Whether the file does not say what type a column (by position in the schema) has: no value was seen.
    fn is_unknown(&self, _column: usize) -> bool {
        false
    }

    /// The same file with these types for columns that are unknown in it.
    fn with_types(&self, _types: &[(usize, DataType)]) -> Option<Arc<dyn DataFile>> {
        None
    }

    /// How many of its row groups may have a row that passes the filters, as far as that is known now; `None` where it has none.
    fn pruned(&self, _request: &ReadRequest) -> Result<Option<Pruned>> {
        Ok(None)
    }

    /// What tells one state of a file of another machine from the next.
    fn version(&self) -> Option<String> {
        None
    }

    /// What a text is packed with.
    fn compression(&self) -> Option<&'static str> {
        None
    }

    /// How the file is read, as names and values of options: what was found out, and what was given.
    fn reading(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Shows what the file says of its values, if it does: its row groups as containers.
    fn with_bounds(&self, _look: &mut dyn FnMut(&dyn Bounds)) {}
}

/// A part of a file: a range of bytes, or of row groups or record batches by number, as the format has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Within a row group, the rows to read, where it is cut finer: `(first row, number of rows)`.
    pub(crate) rows: Option<(u64, u64)>,
}

/// What a reader is asked for.
#[derive(Debug, Clone)]
pub(crate) struct ReadRequest {
    /// Columns by position in the file's schema, in the order wanted.
    pub(crate) projection: Vec<usize>,
    /// Rows wanted are those that pass all of them.
    pub(crate) filters: Vec<Arc<dyn RowFilter>>,
    /// Columns wanted, by position in the file's schema, that may come in a narrower type than that has: decimals in 64 bits, text
    /// as dictionaries. Filters are given them as they come.
    pub(crate) narrow: Vec<usize>,
    /// Rows a batch should have.
    pub(crate) batch_rows: usize,
    /// Where rows are counted, bad ones too.
    pub(crate) tally: Arc<ReadTally>,
    /// Memory for what is read piece by piece.
    pub(crate) pool: Arc<Pool>,
}

/// Columns of a batch that has the file's `columns` (ascending), as `wanted` names them.
pub(crate) fn projected(
    batch: &RecordBatch,
    columns: &[usize],
    wanted: &[usize],
) -> Result<RecordBatch> {
    let positions = wanted
        .iter()
        .map(|column| columns.binary_search(column))
        .collect::<Result<Vec<usize>, usize>>()
        .map_err(|_| Error::bug("a column is asked for that was not read"))?;
    batch
        .project(&positions)
        .map_err(|error| Error::bug(error.to_string()))
}

/// A batch of these columns, also of none: then it has only a number of rows.
pub(crate) fn batch_of(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::bug(error.to_string()))
}

/// The fields of `schema` at these positions.
pub(crate) fn schema_of(schema: &SchemaRef, columns: &[usize]) -> SchemaRef {
    let fields: Vec<_> = columns
        .iter()
        .map(|column| Arc::clone(&schema.fields()[*column]))
        .collect();
    Arc::new(Schema::new(fields))
}
