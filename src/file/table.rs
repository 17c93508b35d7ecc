//! Files as parts of a table: the file's columns become the table's.
//!
//! A table has columns that a file lacks (NULL there), has in another type (cast), or has once for the whole file (a partition's
//! value in the path, the file's name). The filter is over the table's columns; [`FileFilter`] asks it with a file's.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast_with_options, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;

use super::filter::Stage;
use super::types::with_types;
use super::{
    BatchIterator, Bounds, DataFile, Pruned, ReadRequest, ReadTally, RowFilter, Tally, Unit,
    batch_of, schema_of,
};
use crate::error::{Error, ErrorKind, FilePlace, Result};

/// Where a column of the table comes from in one file.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// The file's column at this position.
    Stored(usize),
    /// The same value in every row: an array of length one, of the table's type.
    Constant(ArrayRef),
    /// NULL in every row.
    Missing,
}

/// One file of a table.
#[derive(Debug, Clone)]
pub(crate) struct ScanFile {
    /// As the user sees it.
    pub(crate) path: String,
    pub(crate) data: Arc<dyn DataFile>,
    /// One for each column of the table.
    pub(crate) origins: Arc<[Origin]>,
}

/// What is wanted of a table that consists of files. Positions are the table's.
#[derive(Debug, Clone)]
pub(crate) struct TableRequest {
    /// Every column of the table.
    pub(crate) table: SchemaRef,
    /// Columns wanted, in the order wanted.
    pub(crate) projection: Vec<usize>,
    /// Those that can fail come last.
    pub(crate) filters: Vec<Arc<dyn RowFilter>>,
    /// Columns that may come narrower than the table has them, see [`ReadRequest::narrow`].
    pub(crate) narrow: Vec<usize>,
    pub(crate) batch_rows: usize,
    /// Of the query that reads.
    pub(crate) tally: Arc<ReadTally>,
}

impl TableRequest {
    /// The columns wanted.
    pub(crate) fn schema(&self) -> SchemaRef {
        schema_of(&self.table, &self.projection)
    }
}

/// One file of a table with what is wanted of it.
#[derive(Debug)]
pub(crate) struct FilePart {
    file: ScanFile,
    table: SchemaRef,
    projection: Vec<usize>,
    /// The same in the file's positions.
    request: ReadRequest,
}

impl FilePart {
    /// None if no row of the file can be wanted.
    pub(crate) fn new(file: &ScanFile, wanted: &TableRequest) -> Result<Option<Self>> {
        let stored = stored_positions(file, &wanted.projection);
        let Some(filters) = filters_of(file, wanted)? else {
            return Ok(None);
        };
        Ok(Some(FilePart {
            file: file.clone(),
            table: Arc::clone(&wanted.table),
            projection: wanted.projection.clone(),
            request: ReadRequest {
                projection: stored,
                filters,
                narrow: stored_positions(file, &wanted.narrow),
                batch_rows: wanted.batch_rows,
                tally: Arc::clone(&wanted.tally),
                pool: Arc::default(),
            },
        }))
    }

    /// How many of the file's row groups are read, where it has any.
    pub(crate) fn pruned(&self) -> Result<Option<Pruned>> {
        self.file.data.pruned(&self.request)
    }

    /// About how many bytes of the file are read, where that is known.
    pub(crate) fn bytes_wanted(&self) -> Result<Option<u64>> {
        self.file.data.bytes_wanted(&self.request)
    }

    pub(crate) fn units(&self, threads: usize) -> Result<Vec<Unit>> {
        self.file.data.units(&self.request, threads)
    }

    /// The rows of a unit, with the table's columns that are wanted.
    pub(crate) fn read(&self, unit: &Unit) -> Result<BatchIterator> {
        let batches = self.file.data.read(unit, &self.request)?;
        let adapt = Adapt {
            path: self.file.path.clone(),
            origins: Arc::clone(&self.file.origins),
            table: schema_of(&self.table, &self.projection),
            wanted: self.projection.clone(),
            stored: self.request.projection.clone(),
            narrow: self.request.narrow.clone(),
        };
        Ok(Box::new(batches.map(move |batch| adapt.batch(&batch?))))
    }
}

/// The columns of the file that are behind `columns` of the table, each once.
fn stored_positions(file: &ScanFile, columns: &[usize]) -> Vec<usize> {
    let mut stored = Vec::new();
    for column in columns {
        if let Some(Origin::Stored(position)) = file.origins.get(*column)
            && !stored.contains(position)
        {
            stored.push(*position);
        }
    }
    stored
}

/// The filters as the file is to be asked them; None if no row of it can pass. What is the same for all of its rows is asked here.
fn filters_of(file: &ScanFile, wanted: &TableRequest) -> Result<Option<Vec<Arc<dyn RowFilter>>>> {
    let mut filters: Vec<Arc<dyn RowFilter>> = Vec::new();
    for filter in &wanted.filters {
        let mut filter = FileFilter::new(file, Arc::clone(filter), &wanted.table);
        let stored = !filter.columns.is_empty();
        if filter.stage() == Stage::Waiting {
            filters.extend(stored.then(|| Arc::new(filter) as _));
            continue;
        }
        match (filter.may_match_file(), filters.first()) {
            (Ok(false), _) => return Ok(None),
            (Ok(true), _) if !stored => {}
            (Ok(true), _) => filters.push(Arc::new(filter)),
            // No row may reach this filter: it is asked behind the others, as if it needed what they need.
            (Err(_), Some(before)) => {
                filter.columns = before.columns().to_vec();
                filters.push(Arc::new(filter));
            }
            (Err(error), None) => return Err(error),
        }
    }
    Ok(Some(filters))
}

/// Makes batches of the table's columns.
#[derive(Debug)]
struct Adapt {
    path: String,
    origins: Arc<[Origin]>,
    /// The columns to make.
    table: SchemaRef,
    /// Their positions in the table.
    wanted: Vec<usize>,
    /// The file's columns in the batches given, by position in the file's schema.
    stored: Vec<usize>,
    /// Those of them that may stay narrower than the table has them.
    narrow: Vec<usize>,
}

impl Adapt {
    fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let columns = self
            .wanted
            .iter()
            .zip(self.table.fields())
            .map(|(column, field)| match self.origins.get(*column) {
                Some(Origin::Stored(position)) => {
                    let given = self.stored.iter().position(|stored| stored == position);
                    let given = given.ok_or_else(|| Error::bug("a stored column was not read"))?;
                    let values = batch.column(given);
                    if self.narrow.contains(position)
                        && is_narrower(values.data_type(), field.data_type())
                    {
                        return Ok(Arc::clone(values));
                    }
                    self.cast(values, field.data_type(), field.name())
                }
                Some(Origin::Constant(value)) => repeat(value, rows),
                Some(Origin::Missing) | None => Ok(new_null_array(field.data_type(), rows)),
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        batch_of(&with_types(&self.table, &columns), columns, rows)
    }

    fn cast(&self, values: &ArrayRef, kind: &DataType, column: &str) -> Result<ArrayRef> {
        cast_exactly(values, kind).map_err(|error| {
            Error::new(ErrorKind::Data, "TM0733", format!("a value does not fit the table's column: {error}"))
                .in_file(FilePlace {
                    path: self.path.clone().into(),
                    column: Some(column.to_string()),
                    ..FilePlace::default()
                })
                .hint("the column's type differs between the files, or from the type it was declared with")
        })
    }
}

/// Whether values of type `given` are those of type `planned` in fewer bytes.
fn is_narrower(given: &DataType, planned: &DataType) -> bool {
    match (given, planned) {
        (DataType::Decimal64(digits, scale), DataType::Decimal128(most, planned)) => {
            digits <= most && scale == planned
        }
        (DataType::Dictionary(_, value), DataType::Utf8View) => **value == DataType::Utf8,
        _ => false,
    }
}

/// A cast in which no value is lost or rounded.
fn cast_exactly(values: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    let cast = cast_strictly(values, kind)?;
    let from = values.data_type();
    let may_round =
        (from.is_integer() && kind.is_floating()) || (from.is_floating() && kind.is_integer());
    if may_round {
        let back = cast_with_options(&cast, from, &CastOptions::default())?;
        let changed = distinct(values, &back)?;
        if let Some(row) = changed.values().set_indices().next() {
            let value = array_value_to_string(values, row)?;
            return Err(ArrowError::CastError(format!("{value} would be rounded")));
        }
    }
    Ok(cast)
}

/// A cast that fails where a value has no place in the other type.
fn cast_strictly(values: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    if values.data_type() == kind {
        return Ok(Arc::clone(values));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(values, kind, &options)
}

fn repeat(value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let zeros = UInt32Array::from_value(0, rows);
    take(value, &zeros, None).map_err(|error| Error::bug(error.to_string()))
}

/// A filter over the table's columns, asked with the columns of one file.
#[derive(Debug)]
struct FileFilter {
    inner: Arc<dyn RowFilter>,
    origins: Arc<[Origin]>,
    /// The file's columns it reads, ascending.
    columns: Vec<usize>,
    adapt: Adapt,
    /// Types that the file stores, by position.
    stored: SchemaRef,
    tally: Tally,
}

impl FileFilter {
    fn new(file: &ScanFile, inner: Arc<dyn RowFilter>, table: &SchemaRef) -> Self {
        let mut columns: Vec<usize> = inner
            .columns()
            .iter()
            .filter_map(|column| match file.origins.get(*column) {
                Some(Origin::Stored(position)) => Some(*position),
                _ => None,
            })
            .collect();
        columns.sort_unstable();
        columns.dedup();
        FileFilter {
            adapt: Adapt {
                path: file.path.clone(),
                origins: Arc::clone(&file.origins),
                table: schema_of(table, inner.columns()),
                wanted: inner.columns().to_vec(),
                stored: columns.clone(),
                narrow: Vec::new(),
            },
            inner,
            origins: Arc::clone(&file.origins),
            columns,
            stored: Arc::clone(file.data.schema()),
            tally: Tally::default(),
        }
    }

    /// Whether any row of the file may pass, judged by what is the same in all of its rows.
    fn may_match_file(&self) -> Result<bool> {
        if !self.columns.is_empty() {
            let answer = self.may_match(&NothingKnown);
            return Ok(answer.is_none_or(|answer| answer.first() != Some(&false)));
        }
        // Every row gets the same answer: ask once.
        let row = batch_of(&schema_of(&self.stored, &[]), Vec::new(), 1)?;
        Ok(self.keep(&row)?.true_count() == 1)
    }
}

impl RowFilter for FileFilter {
    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        self.inner.keep(&self.adapt.batch(batch)?)
    }

    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>> {
        self.inner.may_match(&TableBounds {
            file: bounds,
            filter: self,
        })
    }

    fn can_fail(&self) -> bool {
        self.inner.can_fail()
    }

    fn stage(&self) -> Stage {
        self.inner.stage()
    }

    fn tally(&self) -> Option<&Tally> {
        Some(&self.tally)
    }
}

/// One container, the file, of which nothing is known.
struct NothingKnown;

impl Bounds for NothingKnown {
    fn containers(&self) -> usize {
        1
    }

    fn min(&self, _column: usize) -> Option<ArrayRef> {
        None
    }

    fn max(&self, _column: usize) -> Option<ArrayRef> {
        None
    }

    fn null_counts(&self, _column: usize) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }
}

/// A file's bounds for the table's columns.
struct TableBounds<'a> {
    file: &'a dyn Bounds,
    filter: &'a FileFilter,
}

impl TableBounds<'_> {
    fn bound(
        &self,
        column: usize,
        of_file: impl Fn(usize) -> Option<ArrayRef>,
    ) -> Option<ArrayRef> {
        match self.filter.origins.get(column)? {
            Origin::Stored(position) => {
                let wanted = self.filter.inner.columns().binary_search(&column).ok()?;
                let kind = self.filter.adapt.table.field(wanted).data_type();
                if !keeps_order(self.filter.stored.field(*position).data_type(), kind) {
                    return None;
                }
                cast_strictly(&of_file(*position)?, kind).ok()
            }
            Origin::Constant(value) => repeat(value, self.containers()).ok(),
            Origin::Missing => None,
        }
    }
}

/// Values that are ordered stay so in the other type.
fn keeps_order(from: &DataType, to: &DataType) -> bool {
    from == to || (from.is_integer() && (to.is_numeric()))
}

impl Bounds for TableBounds<'_> {
    fn containers(&self) -> usize {
        self.file.containers()
    }

    fn min(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, |position| self.file.min(position))
    }

    fn max(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, |position| self.file.max(position))
    }

    fn null_counts(&self, column: usize) -> Option<ArrayRef> {
        match self.filter.origins.get(column)? {
            Origin::Stored(position) => self.file.null_counts(*position),
            Origin::Constant(value) if value.is_null(0) => self.row_counts(),
            Origin::Constant(_) => Some(Arc::new(arrow::array::UInt64Array::from_value(
                0,
                self.containers(),
            ))),
            Origin::Missing => self.row_counts(),
        }
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        self.file.row_counts()
    }
}
