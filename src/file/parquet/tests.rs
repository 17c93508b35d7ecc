use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::file::RowFilter;

/// Integers in order, text with repeats and NULLs, decimals, a list, a dictionary, floats.
fn sample(rows: i64) -> RecordBatch {
    let text = |row: i64| (row % 7 != 0).then(|| format!("word {} of some length", row % 50));
    let list = (0..rows).map(|row| {
        (row % 5 != 0).then(|| {
            (0..row % 4)
                .map(|item| Some(item as i32))
                .collect::<Vec<_>>()
        })
    });
    let dictionary: DictionaryArray<Int32Type> = (0..rows)
        .map(|row| ["red", "green", "blue"][row as usize % 3])
        .collect();
    let decimal = Decimal128Array::from_iter_values((0..rows).map(|row| i128::from(row) * 7))
        .with_precision_and_scale(15, 2)
        .unwrap();
    RecordBatch::try_from_iter_with_nullable([
        (
            "id",
            Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef,
            false,
        ),
        (
            "word",
            Arc::new((0..rows).map(text).collect::<StringArray>()),
            true,
        ),
        ("price", Arc::new(decimal), true),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(list)),
            true,
        ),
        ("color", Arc::new(dictionary), true),
        (
            "real",
            Arc::new(
                (0..rows)
                    .map(|row| Some(row as f64 / 3.0))
                    .collect::<Float64Array>(),
            ),
            true,
        ),
    ])
    .unwrap()
}

fn write(path: &Path, batch: &RecordBatch, group: usize, page: usize, packed: Compression) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(page)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_compression(packed)
        .build();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn saved(rows: i64, group: usize, page: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.parquet");
    write(&path, &sample(rows), group, page, Compression::SNAPPY);
    (folder, path)
}

/// `low <= id < high`, and it counts what it is asked.
#[derive(Debug)]
struct Between {
    low: i64,
    high: i64,
    tally: crate::file::Tally,
}

pub(super) fn between(low: i64, high: i64) -> Arc<dyn RowFilter> {
    Arc::new(Between {
        low,
        high,
        tally: Default::default(),
    })
}

impl RowFilter for Between {
    fn columns(&self) -> &[usize] {
        &[0]
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        Ok(ids
            .iter()
            .map(|id| id.map(|id| self.low <= id && id < self.high))
            .collect())
    }

    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>> {
        let (min, max) = (bounds.min(0)?, bounds.max(0)?);
        let (min, max) = (
            min.as_primitive::<Int64Type>(),
            max.as_primitive::<Int64Type>(),
        );
        Some(
            min.iter()
                .zip(max)
                .map(|(min, max)| {
                    max.is_none_or(|max| max >= self.low) && min.is_none_or(|min| min < self.high)
                })
                .collect(),
        )
    }

    fn tally(&self) -> Option<&crate::file::Tally> {
        Some(&self.tally)
    }
}

fn all_of(file: &ParquetFile, request: &ReadRequest, threads: usize) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    for unit in file.units(request, threads)? {
        for batch in file.read(&unit, request)? {
            let batch = batch?;
            assert!(batch.num_rows() > 0 && batch.num_rows() <= request.batch_rows);
            batches.push(batch);
        }
    }
    Ok(batches)
}

fn request(projection: &[usize], filter: Option<Arc<dyn RowFilter>>) -> ReadRequest {
    ReadRequest {
        projection: projection.to_vec(),
        filters: filter.into_iter().collect(),
        narrow: Vec::new(),
        batch_rows: 100,
        tally: Arc::default(),
        pool: Arc::default(),
    }
}

fn ids(batches: &[RecordBatch], column: usize) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|batch| {
            batch
                .column(column)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect()
}

#[test]
fn every_row_once_with_our_types() {
    let (_folder, path) = saved(1000, 300, 50);
    let file = ParquetFile::open(&path).unwrap();
    let kinds: Vec<&DataType> = file
        .schema()
        .fields()
        .iter()
        .map(|f| f.data_type())
        .collect();
    assert_eq!(kinds[1], &DataType::Utf8View);
    assert_eq!(kinds[4], &DataType::Utf8View);
    assert_eq!(file.row_count(), Some(1000));
    let batches = all_of(&file, &request(&[5, 0, 1, 2, 3, 4], None), 2).unwrap();
    assert_eq!(ids(&batches, 1), (0..1000).collect::<Vec<_>>());
    let all = concat_batches(&batches[0].schema(), &batches).unwrap();
    let expected = sample(1000);
    assert_eq!(all.column(3), expected.column(2));
    assert_eq!(all.column(4), expected.column(3));
    let words = arrow::compute::cast(all.column(2), &DataType::Utf8).unwrap();
    assert_eq!(&words, expected.column(1));
    // No column at all: rows only.
    let counted = all_of(&file, &request(&[], None), 2).unwrap();
    assert_eq!(
        counted.iter().map(RecordBatch::num_rows).sum::<usize>(),
        1000
    );
}

#[test]
fn row_groups_and_pages_are_left_out() {
    let (_folder, path) = saved(1000, 100, 10);
    let file = ParquetFile::open(&path).unwrap();
    let filter = between(205, 215);
    let wanted = request(&[1, 0], Some(Arc::clone(&filter)));
    assert_eq!(file.units(&wanted, 1).unwrap().len(), 1);
    assert_eq!(
        ids(&all_of(&file, &wanted, 1).unwrap(), 1),
        (205..215).collect::<Vec<_>>()
    );
    // Two pages of ten rows were looked at.
    assert_eq!(filter.tally().unwrap().share(), Some(0.5));
    let none = request(&[0], Some(between(5000, 6000)));
    assert!(file.units(&none, 1).unwrap().is_empty());
}

#[test]
fn large_row_groups_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.parquet");
    let rows = 400_000;
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let batch = RecordBatch::try_from_iter([("id", column)]).unwrap();
    write(&path, &batch, 1_000_000, 20_000, Compression::UNCOMPRESSED);
    let file = ParquetFile::open(&path).unwrap();
    let wanted = request(&[0], Some(between(100_000, 390_000)));
    assert_eq!(file.units(&wanted, 2).unwrap().len(), 3);
    let found = ids(&all_of(&file, &wanted, 2).unwrap(), 0);
    assert_eq!(found, (100_000..390_000).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_filter_gives_what_reading_all_gives(
        low in 0..900_i64, length in 0..900_i64, group in 20..400_usize, page in 5..80_usize,
        projection in prop::sample::subsequence(vec![0_usize, 1, 3, 4], 0..=4),
    ) {
        let (_folder, path) = saved(800, group, page);
        let file = ParquetFile::open(&path).unwrap();
        let high = low + length;
        let batches = all_of(&file, &request(&projection, Some(between(low, high))), 2).unwrap();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        prop_assert_eq!(rows as i64, (high.min(800) - low).max(0));
        if projection.first() == Some(&0) {
            prop_assert_eq!(ids(&batches, 0), (low..high.min(800)).collect::<Vec<_>>());
        }
    }
}

/// Fails where a row reaches it that is not between.
#[derive(Debug)]
struct Picky(i64, i64);

impl RowFilter for Picky {
    fn columns(&self) -> &[usize] {
        &[0]
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        match ids.values().iter().all(|id| (self.0..self.1).contains(id)) {
            true => Ok(BooleanArray::from_unary(ids, |id| id % 3 == 0)),
            false => Err(crate::error::Error::run("TM0502", "division by zero")),
        }
    }

    fn may_match(&self, _bounds: &dyn Bounds) -> Option<Vec<bool>> {
        None
    }
}

#[test]
fn a_filter_that_can_fail_meets_only_rows_that_passed_before() {
    let (_folder, path) = saved(800, 100, 20);
    let file = ParquetFile::open(&path).unwrap();
    for (low, high) in [(10, 20), (50, 750), (0, 800), (795, 796)] {
        for projection in [&[0_usize][..], &[0, 1, 4]] {
            let mut wanted = request(projection, Some(between(low, high)));
            wanted.filters.push(Arc::new(Picky(low, high)));
            let expected: Vec<i64> = (low..high).filter(|id| id % 3 == 0).collect();
            assert_eq!(ids(&all_of(&file, &wanted, 2).unwrap(), 0), expected);
        }
    }
}

#[test]
fn a_filter_that_fails_keeps_its_error() {
    #[derive(Debug)]
    struct Fails;
    impl RowFilter for Fails {
        fn columns(&self) -> &[usize] {
            &[0]
        }
        fn keep(&self, _batch: &RecordBatch) -> Result<BooleanArray> {
            Err(crate::error::Error::run("TM0502", "division by zero"))
        }
        fn may_match(&self, _bounds: &dyn Bounds) -> Option<Vec<bool>> {
            None
        }
    }
    let (_folder, path) = saved(10, 10, 10);
    let file = ParquetFile::open(&path).unwrap();
    for projection in [&[0_usize][..], &[0, 1]] {
        let error = all_of(&file, &request(projection, Some(Arc::new(Fails))), 1).unwrap_err();
        assert_eq!(error.code(), "TM0502");
    }
}

#[test]
fn what_is_no_parquet_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    for (bytes, part) in [
        (&b"PAR1"[..], "too few"),
        (b"PAR1 and then nothing of it", "does not end"),
        (b"PAR1....\xff\xff\xff\x7fPAR1", "its footer has"),
        (b"PAR1....\x01\0\0\0PARE", "encrypted"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = ParquetFile::open(&path).unwrap_err();
        assert_eq!((error.code(), error.kind()), ("TM0731", ErrorKind::Data));
        assert!(error.message().contains(part), "{error}");
        assert_eq!(error.place().unwrap().path, path);
    }
}

/// A generator that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides.max(1)
    }
}

pub(crate) fn damage(good: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    dice.roll(2);
    let mut bytes = good.to_vec();
    // Half of the damage goes to the end, where the footer is.
    let place = |dice: &mut Dice, length: usize| match dice.roll(2) {
        0 => dice.roll(length),
        _ => length - 1 - dice.roll(length.min(length / 3 + 1)),
    };
    match dice.roll(5) {
        0 => {
            for _ in 0..=dice.roll(4) {
                let at = place(&mut dice, bytes.len());
                bytes[at] ^= 1 << dice.roll(8);
            }
        }
        1 => bytes.truncate(dice.roll(bytes.len())),
        2 => {
            let at = place(&mut dice, bytes.len());
            let end = (at + dice.roll(64)).min(bytes.len());
            bytes[at..end].fill(0);
        }
        3 => {
            let at = place(&mut dice, bytes.len());
            bytes[at] = 0xff;
            for byte in bytes.iter_mut().skip(at).take(dice.roll(6)) {
                *byte = 0xff;
            }
        }
        _ => {
            let at = bytes.len() - 8 + dice.roll(4);
            bytes[at] = dice.roll(256) as u8;
        }
    }
    bytes
}

#[test]
fn a_thousand_damaged_files_end_in_rows_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    let packed = [
        Compression::SNAPPY,
        Compression::UNCOMPRESSED,
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
    ];
    let good: Vec<Vec<u8>> = packed
        .iter()
        .map(|packed| {
            write(&path, &sample(300), 100, 20, *packed);
            fs::read(&path).unwrap()
        })
        .collect();
    let mut errors = 0;
    for seed in 0..1000 {
        let path = folder.path().join(format!("{seed}.parquet"));
        fs::write(&path, damage(&good[seed as usize % good.len()], seed)).unwrap();
        let outcome = ParquetFile::open(&path).and_then(|file| {
            let columns: Vec<usize> = (0..file.schema().fields().len()).collect();
            let filter = (seed % 2 == 0
                && file
                    .schema()
                    .fields()
                    .first()
                    .is_some_and(|id| id.data_type() == &DataType::Int64))
            .then(|| between(50, 250));
            all_of(&file, &request(&columns, filter), 2)
        });
        if let Err(error) = outcome {
            errors += 1;
            assert_eq!(error.code(), "TM0731", "{seed}: {error}");
        }
        fs::remove_file(&path).unwrap();
    }
    assert!(
        errors > 300,
        "only {errors} of the damaged files were noticed"
    );
}

#[test]
fn types_of_fields_stay_when_a_field_is_not_null() {
    let (_folder, path) = saved(10, 10, 10);
    let file = ParquetFile::open(&path).unwrap();
    assert_eq!(
        file.schema().field(0),
        &Field::new("id", DataType::Int64, false)
    );
}
