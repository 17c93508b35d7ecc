//! Columns in narrower types than the file's schema has them: what is stored narrow need not be made wide to be read.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;

/// Digits of a decimal that always fit 64 bits.
const DIGITS_64: u8 = 18;

/// `metadata` that gives `columns` narrower where row group `group` stores them so: decimals as 64 bits, text as dictionaries.
/// (Of a chunk in which not all pages hold numbers into one the reader would have to make a dictionary.)
pub(super) fn narrowed(
    metadata: &ArrowReaderMetadata,
    group: usize,
    columns: &[usize],
    has_only_indices: impl Fn(usize) -> bool,
) -> Result<ArrowReaderMetadata, ParquetError> {
    let parquet = metadata.parquet_schema();
    let chunks = metadata.metadata().row_group(group).columns();
    let mut fields: Vec<Arc<Field>> = metadata.schema().fields().to_vec();
    for column in columns {
        let chunk = (0..chunks.len()).find(|leaf| parquet.get_column_root_idx(*leaf) == *column);
        let (Some(field), Some(chunk)) = (fields.get_mut(*column), chunk) else {
            continue;
        };
        let is_dictionary = has_only_indices(chunk);
        if let Some(narrow) = narrow_type(field.data_type(), &chunks[chunk], is_dictionary) {
            *field = Arc::new(Field::clone(field).with_data_type(narrow));
        }
    }
    let schema = Schema::new_with_metadata(fields, metadata.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options)
}

fn narrow_type(
    planned: &DataType,
    chunk: &ColumnChunkMetaData,
    is_dictionary: bool,
) -> Option<DataType> {
    match planned {
        DataType::Decimal128(precision, scale) if *precision <= DIGITS_64 => {
            let is_narrow = matches!(chunk.column_type(), Type::INT32 | Type::INT64);
            is_narrow.then_some(DataType::Decimal64(*precision, *scale))
        }
        DataType::Utf8View => is_dictionary
            .then(|| DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        _ => None,
    }
}
