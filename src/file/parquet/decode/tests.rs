//! Files of many shapes, read by our decoder and by the parquet crate's.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, SchemaRef, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;

use super::super::ParquetFile;
use super::knows;
use crate::error::Result;
use crate::file::{Bounds, DataFile, ReadRequest, RowFilter, Tally, Unit};

/// How a file is written and read.
#[derive(Debug, Clone)]
struct Shape {
    rows: usize,
    /// One of so many rows is NULL; none for 0.
    nulls: usize,
    /// So many different values.
    distinct: usize,
    page: usize,
    dictionary: bool,
    /// Bytes at which the dictionary is given up.
    dictionary_bytes: usize,
    second_version: bool,
    compression: Compression,
    batch_rows: usize,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let sizes = (1..700_usize, 0..6_usize, 1..400_usize, 1..200_usize);
    let writing = (
        any::<bool>(),
        prop::sample::select(vec![40_usize, 400, 1 << 20]),
        any::<bool>(),
        prop::sample::select(vec![
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(Default::default()),
        ]),
    );
    (sizes, writing, 1..300_usize).prop_map(
        |((rows, nulls, distinct, page), writing, batch_rows)| Shape {
            rows,
            nulls,
            distinct,
            page,
            dictionary: writing.0,
            dictionary_bytes: writing.1,
            second_version: writing.2,
            compression: writing.3,
            batch_rows,
        },
    )
}

impl Shape {
    /// A number for each row that repeats, in no order.
    fn number(&self, row: usize) -> Option<i64> {
        let mixed = (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17;
        let is_null = self.nulls > 0 && mixed.is_multiple_of(self.nulls as u64);
        (!is_null).then(|| (mixed / 7 % self.distinct as u64) as i64 - 20)
    }

    fn numbers(&self) -> impl Iterator<Item = Option<i64>> + '_ {
        (0..self.rows).map(|row| self.number(row))
    }

    fn batch(&self) -> RecordBatch {
        let ints: Int64Array = self.numbers().collect();
        let of = |kind: &DataType| cast(&ints, kind).unwrap();
        let text = |number: i64| match number % 3 {
            0 => String::new(),
            1 => format!("{number}"),
            _ => format!("the number {number}, written as one that is long: ä"),
        };
        let texts: StringArray = self.numbers().map(|n| n.map(text)).collect();
        let bits: BooleanArray = self.numbers().map(|n| n.map(|n| n % 2 == 0)).collect();
        let unsigned: UInt32Array = self.numbers().map(|n| n.map(|n| n as u32)).collect();
        let unsigned: ArrayRef = Arc::new(unsigned);
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "row",
                Arc::new(Int64Array::from_iter_values(0..self.rows as i64)),
            ),
            ("int64", Arc::new(ints.clone())),
            ("int16", of(&DataType::Int16)),
            ("uint32", unsigned),
            ("date", of(&DataType::Int32)),
            ("narrow", of(&DataType::Decimal128(9, 2))),
            ("decimal", of(&DataType::Decimal128(15, 2))),
            ("wide", of(&DataType::Decimal128(38, 4))),
            ("float", of(&DataType::Float32)),
            ("double", of(&DataType::Float64)),
            (
                "stamp",
                of(&DataType::Timestamp(TimeUnit::Microsecond, None)),
            ),
            ("text", Arc::new(texts.clone())),
            ("bytes", cast(&texts, &DataType::Binary).unwrap()),
            ("bits", Arc::new(bits)),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| {
            let nullable = self.nulls > 0 && name != "row";
            let column = match name {
                "date" => cast(&column, &DataType::Date32).unwrap(),
                _ => column,
            };
            (name, column, nullable || column_has_nulls(&ints))
        }))
        .unwrap()
    }

    fn write(&self, path: &Path) -> RecordBatch {
        let batch = self.batch();
        let version = match self.second_version {
            true => WriterVersion::PARQUET_2_0,
            false => WriterVersion::PARQUET_1_0,
        };
        let mut properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_data_page_row_count_limit(self.page)
            .set_write_batch_size(self.page)
            .set_dictionary_enabled(self.dictionary)
            .set_dictionary_page_size_limit(self.dictionary_bytes)
            .set_compression(self.compression);
        for field in batch.schema().fields() {
            // The second version would choose encodings that are not for us.
            if field.name() != "bits" {
                properties =
                    properties.set_column_encoding(field.name().as_str().into(), Encoding::PLAIN);
            }
        }
        let file = File::create(path).unwrap();
        let mut writer =
            ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        batch
    }
}

fn column_has_nulls(column: &dyn Array) -> bool {
    column.null_count() > 0
}

/// `low <= value < high` of a whole number.
#[derive(Debug)]
struct Within {
    columns: Vec<usize>,
    low: i64,
    high: i64,
    tally: Tally,
}

impl RowFilter for Within {
    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = cast(batch.column(0), &DataType::Int64).unwrap();
        let values = values.as_primitive::<Int64Type>().iter();
        Ok(values
            .map(|value| value.map(|value| (self.low..self.high).contains(&value)))
            .collect())
    }

    fn may_match(&self, _bounds: &dyn Bounds) -> Option<Vec<bool>> {
        None
    }

    fn can_fail(&self) -> bool {
        false
    }

    fn tally(&self) -> Option<&Tally> {
        Some(&self.tally)
    }
}

/// The same by the parquet crate, with the types of `schema`.
fn expected(path: &Path, schema: &SchemaRef) -> RecordBatch {
    let file = File::open(path).unwrap();
    let options = ArrowReaderOptions::new().with_schema(SchemaRef::clone(schema));
    let metadata = ArrowReaderMetadata::load(&file, options).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .build()
        .unwrap();
    let batches: Vec<RecordBatch> = reader.map(|batch| batch.unwrap()).collect();
    concat_batches(schema, &batches).unwrap()
}

/// Every row of `batches`, with the file's types.
fn together(batches: &[RecordBatch], schema: &SchemaRef) -> RecordBatch {
    let whole: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| {
            let columns = batch.columns().iter().zip(schema.fields());
            let columns = columns
                .map(|(column, field)| cast(column, field.data_type()).unwrap())
                .collect();
            RecordBatch::try_new(SchemaRef::clone(schema), columns).unwrap()
        })
        .collect();
    concat_batches(schema, &whole).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn both_decoders_agree(
        shape in shapes(), narrow in any::<bool>(), piece in any::<bool>(), at in 0.0..1.0_f64,
        filters in prop::collection::vec((prop::sample::select(vec![1_usize, 2, 3, 4, 5, 6, 11]), -30..200_i64, 0..300_i64), 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        shape.write(&path);
        let file = ParquetFile::open(&path).unwrap();
        let schema = SchemaRef::clone(file.schema());
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        prop_assert!(knows(&file.footer.metadata, 0, &columns));

        let mut left = expected(&path, &schema);
        let mut unit = Unit { start: 0, end: 1, rows: None };
        if piece {
            let first = (shape.rows as f64 * at) as usize;
            let rows = (shape.rows - first).div_ceil(2);
            unit.rows = Some((first as u64, rows as u64));
            left = left.slice(first, rows);
        }
        let mut request = ReadRequest {
            projection: columns.clone(),
            filters: Vec::new(),
            narrow: if narrow { columns } else { Vec::new() },
            batch_rows: shape.batch_rows,
            tally: Arc::default(),
            pool: Arc::default(),
        };
        for (column, low, length) in filters {
            // Decimals and the date are asked as the numbers they are.
            let filter = Within { columns: vec![column], low, high: low + length, tally: Tally::default() };
            let asked = left.project(&[column]).unwrap();
            let keep = filter.keep(&asked).unwrap();
            left = filter_record_batch(&left, &keep).unwrap();
            request.filters.push(Arc::new(filter));
        }
        let batches: Vec<RecordBatch> =
            file.read(&unit, &request).unwrap().collect::<Result<_>>().unwrap();
        prop_assert!(batches.iter().all(|batch| (1..=shape.batch_rows).contains(&batch.num_rows())));
        prop_assert_eq!(together(&batches, &schema), left);
    }
}

#[test]
fn columns_for_the_other_decoder_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)]), None]);
    let delta: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([
        ("plain", Arc::clone(&delta)),
        ("list", Arc::new(list) as ArrayRef),
        ("delta", delta),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_column_dictionary_enabled("delta".into(), false)
        .set_column_encoding("delta".into(), Encoding::DELTA_BINARY_PACKED)
        .build();
    let out = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(out, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let file = ParquetFile::open(&path).unwrap();
    let metadata = &file.footer.metadata;
    assert!(knows(metadata, 0, &[0]));
    assert!(!knows(metadata, 0, &[0, 1]));
    assert!(!knows(metadata, 0, &[2]));
}

#[test]
fn narrow_columns_come_narrow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    for second_version in [false, true] {
        let shape = Shape {
            rows: 500,
            nulls: 3,
            distinct: 20,
            page: 100,
            dictionary: true,
            dictionary_bytes: 1 << 20,
            second_version,
            compression: Compression::SNAPPY,
            batch_rows: 1000,
        };
        shape.write(&path);
        let file = ParquetFile::open(&path).unwrap();
        let request = ReadRequest {
            projection: vec![5, 6, 11],
            filters: Vec::new(),
            narrow: vec![5, 6, 11],
            batch_rows: 1000,
            tally: Arc::default(),
            pool: Arc::default(),
        };
        let unit = Unit {
            start: 0,
            end: 1,
            rows: None,
        };
        let batch = file.read(&unit, &request).unwrap().next().unwrap().unwrap();
        let kinds: Vec<DataType> = batch
            .columns()
            .iter()
            .map(|column| column.data_type().clone())
            .collect();
        let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let decimals = [DataType::Decimal64(9, 2), DataType::Decimal64(15, 2)];
        assert_eq!(kinds, [decimals[0].clone(), decimals[1].clone(), text]);
    }
}
