use std::fs;
use std::path::Path;

use arrow::array::*;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::*;
use crate::file::parquet::tests::damage;

fn sample(first: i64, rows: i64) -> RecordBatch {
    let color: DictionaryArray<Int32Type> = (0..rows)
        .map(|row| ["red", "green", "blue"][row as usize % 3])
        .collect();
    let word = (0..rows).map(|row| (row % 4 != 0).then(|| format!("word {row}")));
    RecordBatch::try_from_iter([
        (
            "id",
            Arc::new(Int64Array::from_iter_values(first..first + rows)) as ArrayRef,
        ),
        ("color", Arc::new(color)),
        ("word", Arc::new(word.collect::<StringArray>())),
    ])
    .unwrap()
}

fn file_bytes(packed: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default()
        .try_with_compression(packed)
        .unwrap();
    let schema = sample(0, 1).schema();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
    for first in [0, 100, 200] {
        writer.write(&sample(first, 100)).unwrap();
    }
    writer.into_inner().unwrap()
}

fn stream_bytes() -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &sample(0, 1).schema()).unwrap();
    for first in [0, 100, 200] {
        writer.write(&sample(first, 100)).unwrap();
    }
    writer.into_inner().unwrap()
}

fn read(path: &Path) -> Result<Vec<RecordBatch>> {
    let file = IpcFile::open(path)?;
    let request = ReadRequest {
        projection: (0..file.schema().fields().len()).rev().collect(),
        filters: Vec::new(),
        narrow: Vec::new(),
        batch_rows: 30,
        tally: Arc::default(),
        pool: Arc::default(),
    };
    let mut batches = Vec::new();
    for unit in file.units(&request, 2)? {
        for batch in file.read(&unit, &request)? {
            batches.push(batch?);
        }
    }
    Ok(batches)
}

#[test]
fn files_and_streams_give_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.arrow");
    let packed = [
        None,
        Some(CompressionType::LZ4_FRAME),
        Some(CompressionType::ZSTD),
    ];
    for bytes in packed.map(file_bytes).into_iter().chain([stream_bytes()]) {
        fs::write(&path, bytes).unwrap();
        let batches = read(&path).unwrap();
        let ids: Vec<i64> = batches
            .iter()
            .flat_map(|batch| {
                batch
                    .column(2)
                    .as_primitive::<Int64Type>()
                    .values()
                    .to_vec()
            })
            .collect();
        assert_eq!(ids, (0..300).collect::<Vec<_>>());
        assert_eq!(batches[0].schema().field(1).data_type(), &DataType::Utf8);
        let rows = IpcFile::open(&path).unwrap().row_count();
        assert!(rows.is_none_or(|rows| rows == 300));
    }
}

#[test]
fn damaged_files_end_in_rows_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let good = [
        file_bytes(None),
        file_bytes(Some(CompressionType::LZ4_FRAME)),
        file_bytes(Some(CompressionType::ZSTD)),
        stream_bytes(),
    ];
    let mut errors = 0;
    for seed in 0..600 {
        let path = folder.path().join("x.arrow");
        fs::write(&path, damage(&good[seed as usize % good.len()], seed)).unwrap();
        if let Err(error) = read(&path) {
            errors += 1;
            assert_eq!(error.code(), "TM0732", "{seed}: {error}");
        }
    }
    assert!(
        errors > 150,
        "only {errors} of the damaged files were noticed"
    );
}
