//! The build side's rows, and how some of them are gathered.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::{concat, interleave, take};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use rayon::prelude::*;

use super::index::Link;
use crate::error::{Error, ErrorKind, Result};

/// Columns are put together up to this size: 32-bit offsets of strings end at twice as much.
const WHOLE_BYTES: usize = 1 << 30;
/// Up to so many rows every column is put together: a copy is soon made, and one piece is faster to read. (In tests small tables
/// stay in pieces.)
const FEW_ROWS: usize = if cfg!(test) { 4 } else { 1 << 16 };
/// Batches of fewer rows on average are put together: many pieces cost each gathering a look at all of them.
const PIECE_ROWS: usize = if cfg!(test) { 1 } else { 1 << 12 };
/// Buffers of text that a column may keep.
const FEW_BUFFERS: usize = 8;
/// Rows of which one number tells near which piece they are, as a power of two.
const BLOCK_BITS: u32 = 12;

/// Rows numbered through, column by column.
#[derive(Debug)]
pub(super) struct BuildRows {
    columns: Vec<BuildColumn>,
    pieces: Pieces,
    rows: u32,
}

#[derive(Debug)]
enum BuildColumn {
    Whole(ArrayRef),
    /// As the batches came, and NULL.
    Pieces(Vec<ArrayRef>, ArrayRef),
}

/// Where each row lies in columns that are in pieces.
#[derive(Debug, Default)]
struct Pieces {
    /// The number of each piece's first row, and of all rows.
    starts: Vec<usize>,
    /// The piece of each block's first row.
    blocks: Vec<usize>,
}

impl BuildRows {
    /// Rows in the order of `batches`; `join` allows to put columns into one piece, which is faster to read but needs room for a
    /// copy of [`copied_size`] bytes.
    pub(super) fn new(schema: &SchemaRef, batches: Vec<RecordBatch>, join: bool) -> Result<Self> {
        let pieces = Pieces::of(&batches);
        let rows = pieces.rows();
        let columns = (0..schema.fields().len())
            .into_par_iter()
            .map(|column| {
                let data_type = schema.field(column).data_type();
                let parts: Vec<ArrayRef> = batches
                    .iter()
                    .map(|batch| Arc::clone(batch.column(column)))
                    .collect();
                Ok(match parts.as_slice() {
                    [] => BuildColumn::Whole(new_null_array(data_type, 0)),
                    [only] => BuildColumn::Whole(Arc::clone(only)),
                    many if join && is_copied(many, rows) => {
                        let many: Vec<&dyn Array> = many.iter().map(AsRef::as_ref).collect();
                        BuildColumn::Whole(gather_text(concat(&many)?))
                    }
                    _ => BuildColumn::Pieces(parts, new_null_array(data_type, 1)),
                })
            })
            .collect::<Result<_>>()?;
        // One number stays free: links count from one.
        let rows = u32::try_from(rows)
            .ok()
            .filter(|rows| *rows < u32::MAX)
            .ok_or_else(too_many)?;
        Ok(BuildRows {
            columns,
            pieces,
            rows,
        })
    }

    pub(super) fn len(&self) -> u32 {
        self.rows
    }

    /// One column of the rows that `links` name; NULL where a link is zero.
    pub(super) fn column(&self, column: usize, links: &Links) -> Result<ArrayRef> {
        match &self.columns[column] {
            BuildColumn::Whole(all) if self.rows == 0 => {
                Ok(new_null_array(all.data_type(), links.len()))
            }
            BuildColumn::Whole(all) => Ok(take(all, &links.rows, None)?),
            BuildColumn::Pieces(pieces, null) => {
                let mut arrays: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
                if links.some_absent() {
                    arrays.push(null);
                }
                let places = links.places.get_or_init(|| self.pieces.places(links));
                Ok(interleave(&arrays, places)?)
            }
        }
    }
}

impl Pieces {
    fn of(batches: &[RecordBatch]) -> Self {
        let mut pieces = Pieces::default();
        let mut rows = 0;
        for (piece, batch) in batches.iter().enumerate() {
            pieces.starts.push(rows);
            rows += batch.num_rows();
            let blocks = rows.div_ceil(1 << BLOCK_BITS);
            pieces.blocks.resize(blocks.max(pieces.blocks.len()), piece);
        }
        pieces.starts.push(rows);
        pieces
    }

    fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Piece and row in it; a link of zero leads to what follows the last piece.
    fn places(&self, links: &Links) -> Vec<(usize, usize)> {
        let place = |row: u32| {
            let row = row as usize;
            let mut piece = self.blocks[row >> BLOCK_BITS];
            while self.starts[piece + 1] <= row {
                piece += 1;
            }
            (piece, row - self.starts[piece])
        };
        match links.some_absent() {
            false => links.rows.values().iter().copied().map(place).collect(),
            true => {
                let absent = (self.starts.len() - 1, 0);
                let rows = links.rows.iter();
                rows.map(|row| row.map_or(absent, place)).collect()
            }
        }
    }
}

/// Build rows to gather.
pub(super) struct Links {
    /// Numbers from zero, NULL for none.
    rows: UInt32Array,
    /// Of columns in pieces, where one was asked for.
    places: OnceCell<Vec<(usize, usize)>>,
}

impl Links {
    pub(super) fn new(links: &[Link], some_absent: bool) -> Self {
        let nulls =
            some_absent.then(|| links.iter().map(|link| *link != 0).collect::<NullBuffer>());
        let rows = links.iter().map(|link| link.saturating_sub(1)).collect();
        Links {
            rows: UInt32Array::new(rows, nulls),
            places: OnceCell::new(),
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn some_absent(&self) -> bool {
        self.rows.null_count() > 0
    }
}

fn too_many() -> Error {
    Error::new(
        ErrorKind::Limit,
        "TM0506",
        "a join holds more than 4,294,967,294 rows on its build side",
    )
    .hint("filter that input first, or join the larger input to the smaller one")
}

/// Bytes that `batch` needs for itself, not what it shares with others.
pub(super) fn memory_size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(column_size).sum()
}

fn column_size(column: &ArrayRef) -> usize {
    let text = match column.data_type() {
        _ if has_no_text(column) => 0,
        DataType::Utf8View => column.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => column.as_binary_view().total_buffer_bytes_used(),
        _ => 0,
    };
    let data = column.to_data();
    let own = data
        .get_slice_memory_size()
        .unwrap_or_else(|_| data.get_array_memory_size());
    text + own
}

/// Lets go of text that a filter left behind: views keep the whole buffers they point into.
pub(super) fn compact(batch: RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(compact_column).collect();
    with_columns(batch.schema(), columns, batch.num_rows())
}

fn compact_column(column: &ArrayRef) -> ArrayRef {
    if has_no_text(column) {
        return Arc::clone(column);
    }
    let wasteful =
        |used: usize, buffers: &[Buffer]| used < buffers.iter().map(Buffer::len).sum::<usize>() / 2;
    if let Some(strings) = column.as_string_view_opt()
        && wasteful(strings.total_buffer_bytes_used(), strings.data_buffers())
    {
        return Arc::new(strings.gc());
    }
    if let Some(binary) = column.as_binary_view_opt()
        && wasteful(binary.total_buffer_bytes_used(), binary.data_buffers())
    {
        return Arc::new(binary.gc());
    }
    Arc::clone(column)
}

/// Puts text that lies in many buffers into few: whatever is gathered from the column refers to all of them.
fn gather_text(column: ArrayRef) -> ArrayRef {
    if let Some(strings) = column.as_string_view_opt()
        && strings.data_buffers().len() > FEW_BUFFERS
    {
        return Arc::new(strings.gc());
    }
    if let Some(binary) = column.as_binary_view_opt()
        && binary.data_buffers().len() > FEW_BUFFERS
    {
        return Arc::new(binary.gc());
    }
    column
}

/// A batch that may have no columns at all.
pub(super) fn with_columns(
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

/// Bytes of the columns that are copied where they are put into one piece.
pub(super) fn copied_size(batches: &[RecordBatch]) -> usize {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let columns = batches.first().map_or(0, RecordBatch::num_columns);
    let copied = |column: &usize| {
        let parts: Vec<ArrayRef> = batches
            .iter()
            .map(|batch| Arc::clone(batch.column(*column)))
            .collect();
        let is_copied = parts.len() > 1 && is_copied(&parts, rows);
        is_copied.then(|| parts.iter().map(column_size).sum::<usize>())
    };
    (0..columns).filter_map(|column| copied(&column)).sum()
}

/// Whether a column of several parts is put together where there is room. Not where that is a long copy and saves little: from
/// many numbers.
fn is_copied(parts: &[ArrayRef], rows: usize) -> bool {
    let soon = rows <= FEW_ROWS || rows < parts.len() * PIECE_ROWS;
    let size = || parts.iter().map(column_size).sum::<usize>();
    (soon || !parts.iter().all(has_no_text)) && size() <= WHOLE_BYTES
}

/// Whether every value lies in its place: a number, or a string in its view.
fn has_no_text(column: &ArrayRef) -> bool {
    match column.data_type() {
        DataType::Utf8View => column.as_string_view().data_buffers().is_empty(),
        DataType::BinaryView => column.as_binary_view().data_buffers().is_empty(),
        other => other.is_primitive(),
    }
}
