//! Files in formats: batches from CSV, NDJSON, Parquet and Arrow, by byte range or row group.
//!
//! A [`DataFile`] is one file whose format and columns are known. It is cut into units that workers read independently; the rows
//! of all units together are the rows of the file, none lost and none twice. This floor knows Arrow and no query: a filter comes
//! in as a [`RowFilter`].

pub(crate) mod csv;
pub(crate) mod input;
pub(crate) mod ndjson;
mod text;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;

use crate::error::Result;

/// Batches of one unit.
pub(crate) type BatchIterator = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// One file whose format and columns are known.
pub(crate) trait DataFile: Send + Sync + Debug {
    /// The columns stored in the file.
    fn schema(&self) -> &SchemaRef;

    /// Cuts the file into units for `threads` workers; units that no row of can pass `request`'s filter are left out. The
    /// returned units are passed to `read` as they are.
    fn units(&self, request: &ReadRequest, threads: usize) -> Result<Vec<Unit>>;

    /// The rows of one unit that pass the filter, with the columns of the projection.
    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator>;

    /// Rows in the file, where the format says so without reading it.
    fn row_count(&self) -> Option<u64>;

    /// Bytes on disk.
    fn byte_count(&self) -> u64;
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
    /// Rows wanted; all without it.
    pub(crate) filter: Option<Arc<dyn RowFilter>>,
    /// Rows a batch should have.
    pub(crate) batch_rows: usize,
}

/// Which rows are wanted, over the file's columns.
pub(crate) trait RowFilter: Send + Sync + Debug {
    /// The columns it reads, by position in the file's schema, ascending.
    fn columns(&self) -> &[usize];

    /// One answer for each row of a batch that has exactly [`RowFilter::columns`], in that order. NULL counts as false.
    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray>;

    /// For each container of `bounds`, whether a row in it may pass. `None`: nothing can be said.
    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>>;
}

/// What is known of the values in some containers (row groups, pages), each answer with one entry for each container.
pub(crate) trait Bounds {
    /// How many containers.
    fn containers(&self) -> usize;
    /// Smallest value of the file's column, NULL where unknown.
    fn min(&self, column: usize) -> Option<ArrayRef>;
    /// Largest value of the file's column, NULL where unknown.
    fn max(&self, column: usize) -> Option<ArrayRef>;
    /// NULLs of the file's column, as UInt64.
    fn null_counts(&self, column: usize) -> Option<ArrayRef>;
    /// Rows, as UInt64.
    fn row_counts(&self) -> Option<ArrayRef>;
}
