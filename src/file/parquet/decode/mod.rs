//! Our own decoder, for flat columns in the encodings that nearly all files have. Everything else is read by the parquet crate's.
//!
//! What it is for: a filter over one column is asked for the values of that column's dictionary, not for every row; of the other
//! columns only those values are touched that passed, with no more work for scattered rows than for neighbours; decimals and dates
//! come in the type that the pipeline wants.
//!
//! [`chunk`] reads a column's bytes, the parquet crate takes its pages apart and decompresses them, [`levels`] says which rows
//! have a value, [`hybrid`] reads small numbers, and [`values`] gathers what they stand for. [`column`] puts these together and
//! [`batches`] all columns of a unit.

mod batches;
mod chunk;
mod column;
mod hybrid;
mod levels;
#[cfg(test)]
mod tests;
mod values;

use std::fs::File;
use std::sync::{Arc, Mutex};

use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{ConvertedType, Encoding, LogicalType, TimeUnit as StoredUnit, Type};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use super::narrow::is_dictionary;
pub(super) use batches::Batches;
use chunk::Chunk;
use column::Column;
use values::{BigEndian, Bits, Codes, Fixed, Text, Values};

/// The column of a row group that is to be read.
pub(super) struct Wanted {
    /// By position in the file's schema.
    column: usize,
    leaf: usize,
    values: Box<dyn Values>,
    is_optional: bool,
}

/// How `columns` of a row group become the types of `metadata`'s schema; None if one of them is not for this decoder.
pub(super) fn wanted(
    metadata: &ArrowReaderMetadata,
    group: usize,
    columns: &[usize],
) -> Option<Vec<Wanted>> {
    let parquet = metadata.parquet_schema();
    let chunks = metadata.metadata().row_group(group);
    columns
        .iter()
        .map(|column| {
            let mut leaves = (0..parquet.num_columns())
                .filter(|leaf| parquet.get_column_root_idx(*leaf) == *column);
            let (Some(leaf), None) = (leaves.next(), leaves.next()) else {
                return None;
            };
            let stored = parquet.column(leaf);
            let is_flat = stored.max_rep_level() == 0
                && stored.max_def_level() <= 1
                && parquet
                    .root_schema()
                    .get_fields()
                    .get(*column)?
                    .is_primitive();
            if !is_flat || !has_known_encodings(chunks.column(leaf)) {
                return None;
            }
            let data_type = metadata.schema().field(*column).data_type();
            Some(Wanted {
                column: *column,
                leaf,
                values: values_of(&stored, data_type)?,
                is_optional: stored.max_def_level() == 1,
            })
        })
        .collect()
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
        (Type::BYTE_ARRAY, Utf8View | BinaryView) => {
            Some(Box::new(Text::new(*data_type == Utf8View)))
        }
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

/// A column ready to be read.
struct Reader {
    column: usize,
    /// Bytes of the chunk when it is decompressed.
    bytes: f64,
    /// Every page holds indices into the dictionary.
    has_only_indices: bool,
    values: Column,
}

/// Readers of `wanted`; `all` if most of the row group is asked for.
fn readers(
    wanted: Vec<Wanted>,
    metadata: &ArrowReaderMetadata,
    group: usize,
    file: File,
    all: bool,
) -> parquet::errors::Result<Vec<Reader>> {
    let file = Arc::new(Mutex::new(file));
    let group = metadata.metadata().row_group(group);
    let rows = usize::try_from(group.num_rows())?;
    wanted
        .into_iter()
        .map(|wanted| {
            let chunk = group.column(wanted.leaf);
            let (start, length) = chunk.byte_range();
            let bytes = Arc::new(Chunk::new(&file, start, length, all));
            let pages = SerializedPageReader::new(bytes, chunk, rows, None)?;
            let is_bool = chunk.column_type() == Type::BOOLEAN;
            Ok(Reader {
                column: wanted.column,
                bytes: chunk.uncompressed_size() as f64,
                has_only_indices: is_dictionary(chunk),
                values: Column::new(pages, wanted.is_optional, is_bool, wanted.values),
            })
        })
        .collect()
}
