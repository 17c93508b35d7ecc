//! Our own decoder, for flat columns in the encodings that nearly all files have. Everything else is read by the parquet crate's.
//!
//! What it is for: a filter over one column is asked for the values of that column's dictionary, not for every row; of the other
//! columns only those values are touched that passed, with no more work for scattered rows than for neighbours; decimals and dates
//! come in the type that the pipeline wants.
//!
//! [`source`] reads a column's bytes, [`pages`] takes them apart and has each page decompressed ([`decompress`]), [`levels`] says
//! which rows have a value, [`hybrid`] reads small numbers, and [`values`] gathers what they stand for. [`column`] puts these
//! together, with [`answers`] of filters that ask for no values, and [`batches`] all columns of a unit.

mod answers;
mod batches;
mod column;
mod decompress;
mod hybrid;
mod levels;
mod pages;
mod source;
#[cfg(test)]
mod tests;
mod values;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{BinaryViewType, DataType, SchemaRef, StringViewType, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection};
use parquet::basic::{ConvertedType, Encoding, LogicalType, TimeUnit as StoredUnit, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescriptor;

use super::ParquetFile;
use super::narrow::narrowed;
use crate::error::{Error, Result};
use crate::file::ReadRequest;
use crate::file::guard::{Suspect, guard};
use crate::store::ReadAt;
use batches::Batches;
use column::Column;
use decompress::Codec;
use pages::Pages;
use source::{Bodies, Source};
use values::{BigEndian, Bits, Codes, Fixed, Text, Values};

/// Whether this decoder can read `columns` of a row group.
pub(super) fn knows(metadata: &ArrowReaderMetadata, group: usize, columns: &[usize]) -> bool {
    let chunks = metadata.metadata().row_group(group);
    columns.iter().all(|column| {
        let Some(leaf) = leaf_of(metadata, *column) else {
            return false;
        };
        let data_type = metadata.schema().field(*column).data_type();
        let chunk = chunks.column(leaf);
        has_known_encodings(chunk)
            && Codec::of(chunk.compression()).is_some()
            && values_of(&metadata.parquet_schema().column(leaf), data_type).is_some()
    })
}

/// The leaf that a flat column is.
fn leaf_of(metadata: &ArrowReaderMetadata, column: usize) -> Option<usize> {
    let parquet = metadata.parquet_schema();
    let is_primitive = parquet
        .root_schema()
        .get_fields()
        .get(column)?
        .is_primitive();
    let leaf =
        (0..parquet.num_columns()).find(|leaf| parquet.get_column_root_idx(*leaf) == column)?;
    let stored = parquet.column(leaf);
    let is_flat = stored.max_rep_level() == 0 && stored.max_def_level() <= 1;
    (is_primitive && is_flat).then_some(leaf)
}

fn has_known_encodings(chunk: &ColumnChunkMetaData) -> bool {
    #[expect(deprecated, reason = "old writers used it")]
    chunk.encodings().all(|encoding| {
        matches!(
            encoding,
            Encoding::PLAIN
                | Encoding::RLE
                | Encoding::BIT_PACKED
                | Encoding::PLAIN_DICTIONARY
                | Encoding::RLE_DICTIONARY
        )
    })
}

/// How stored values become those of the type.
fn values_of(stored: &ColumnDescriptor, data_type: &DataType) -> Option<Box<dyn Values>> {
    use DataType::{
        BinaryView, Boolean, Date32, Decimal64, Decimal128, Dictionary, Float32, Float64, Int8,
        Int16, Int32, Int64, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8View,
    };
    macro_rules! fixed {
        ($stored:ty => $native:ty, $width:expr) => {
            Some(Box::new(Fixed::<$stored, $native>::new(data_type, $width)))
        };
    }
    let same_unit = |unit: &TimeUnit| stored_unit(stored).as_ref() == Some(unit);
    match (stored.physical_type(), data_type) {
        (Type::BOOLEAN, Boolean) => Some(Box::new(Bits::default())),
        (Type::INT32, Int8) => fixed!(i32 => i8, 4),
        (Type::INT32, Int16) => fixed!(i32 => i16, 4),
        (Type::INT32, UInt8) => fixed!(i32 => u8, 4),
        (Type::INT32, UInt16) => fixed!(i32 => u16, 4),
        (Type::INT32, Int32 | UInt32 | Date32) => fixed!(i32 => i32, 4),
        (Type::INT32, Time32(unit)) if same_unit(unit) => fixed!(i32 => i32, 4),
        (Type::INT32, Decimal64(..)) => fixed!(i32 => i64, 4),
        (Type::INT32, Decimal128(..)) => fixed!(i32 => i128, 4),
        (Type::INT64, Int64 | UInt64 | Decimal64(..)) => fixed!(i64 => i64, 8),
        (Type::INT64, Timestamp(unit, _) | Time64(unit)) if same_unit(unit) => {
            fixed!(i64 => i64, 8)
        }
        (Type::INT64, Decimal128(..)) => fixed!(i64 => i128, 8),
        (Type::FLOAT, Float32) => fixed!(f32 => f32, 4),
        (Type::DOUBLE, Float64) => fixed!(f64 => f64, 8),
        (Type::FIXED_LEN_BYTE_ARRAY, Decimal64(..) | Decimal128(..)) => {
            let width = usize::try_from(stored.type_length()).ok();
            let width = width.filter(|width| (1..=16).contains(width))?;
            match data_type {
                Decimal64(..) => fixed!(BigEndian => i64, width),
                _ => fixed!(BigEndian => i128, width),
            }
        }
        (Type::BYTE_ARRAY, Utf8View | BinaryView) => Some(match *data_type == Utf8View {
            true => Box::new(Text::<StringViewType>::new()),
            false => Box::new(Text::<BinaryViewType>::new()),
        }),
        (Type::BYTE_ARRAY, Dictionary(..)) => Some(Box::new(Codes::default())),
        _ => None,
    }
}

/// The unit of a time as it is stored.
fn stored_unit(stored: &ColumnDescriptor) -> Option<TimeUnit> {
    let unit = match stored.logical_type_ref() {
        Some(LogicalType::Timestamp(time) | LogicalType::Time(time)) => &time.unit,
        _ => {
            return match stored.converted_type() {
                ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIME_MILLIS => {
                    Some(TimeUnit::Millisecond)
                }
                ConvertedType::TIMESTAMP_MICROS | ConvertedType::TIME_MICROS => {
                    Some(TimeUnit::Microsecond)
                }
                _ => None,
            };
        }
    };
    Some(match unit {
        StoredUnit::MILLIS => TimeUnit::Millisecond,
        StoredUnit::MICROS => TimeUnit::Microsecond,
        StoredUnit::NANOS => TimeUnit::Nanosecond,
    })
}

/// Rows of a row group.
pub(super) struct Part<'a> {
    pub(super) file: &'a ParquetFile,
    pub(super) group: usize,
    /// Which rows; all without it.
    pub(super) selection: Option<RowSelection>,
    /// Columns by position in the schema.
    pub(super) columns: &'a [usize],
}

/// The batches of `part`, whose columns this decoder [`knows`].
pub(super) fn open(
    part: Part<'_>,
    suspect: &Suspect,
    bytes_of: Arc<dyn ReadAt>,
    request: &ReadRequest,
) -> Result<Batches> {
    let (file, group, columns) = (part.file, part.group, part.columns);
    let best = file.footer.best();
    let chunks = best.metadata().row_group(group);
    let rows = chunks.num_rows() as u64;
    let selected = part.selection.as_ref();
    let selected = selected.map_or(rows, |selection| selection.row_count() as u64);
    let bodies = Bodies {
        bytes_of,
        blocks: file.footer.blocks.clone(),
    };
    let mut sources: HashMap<usize, Source> = columns
        .iter()
        .filter_map(|column| leaf_of(best, *column))
        .map(|leaf| {
            let range = chunks.column(leaf).byte_range();
            (leaf, Source::new(&bodies, range, selected * 2 > rows))
        })
        .collect();
    file.check_pages(group, columns, suspect, |leaf, start, length| {
        let source = sources.get_mut(&leaf);
        let source = source.ok_or_else(|| Error::bug("a column chunk is missing"))?;
        guard(suspect, || source.peek(start, length))
    })?;
    let has_only_indices = |leaf| file.has_only_indices(group, leaf);
    let metadata = match request.narrow.is_empty() {
        true => Cow::Borrowed(best),
        false => {
            let narrow = || narrowed(best, group, &request.narrow, has_only_indices);
            Cow::Owned(guard(suspect, narrow)?)
        }
    };
    let readers = guard(suspect, || {
        columns
            .iter()
            .map(|column| {
                let unknown = || ParquetError::General(format!("column {column} is not flat"));
                let leaf = leaf_of(&metadata, *column).ok_or_else(unknown)?;
                let stored = metadata.parquet_schema().column(leaf);
                let data_type = metadata.schema().field(*column).data_type();
                let values = values_of(&stored, data_type).ok_or_else(unknown)?;
                let chunk = metadata.metadata().row_group(group).column(leaf);
                let codec = Codec::of(chunk.compression()).ok_or_else(unknown)?;
                let mut source = sources.remove(&leaf).ok_or_else(unknown)?;
                source.expect(file.checksums(group, leaf));
                let pages = file.stored_pages(group, leaf);
                let pages = Pages::new(source, codec, &request.pool, pages);
                let is_optional = stored.max_def_level() == 1;
                let is_bool = chunk.column_type() == Type::BOOLEAN;
                Ok(Reader {
                    column: *column,
                    bytes: chunk.uncompressed_size() as f64,
                    has_only_indices: has_only_indices(leaf),
                    values: Column::new(pages, is_optional, is_bool, values),
                })
            })
            .collect::<Result<Vec<_>, ParquetError>>()
    })?;
    let schema = SchemaRef::clone(metadata.schema());
    Ok(Batches::new(
        suspect.clone(),
        readers,
        schema,
        part.selection,
        rows,
        request,
    ))
}

/// A column ready to be read.
struct Reader {
    column: usize,
    /// Bytes of the chunk when it is decompressed.
    bytes: f64,
    /// Every page holds numbers into the dictionary.
    has_only_indices: bool,
    values: Column,
}
