use std::fs::File;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::exec::CancelToken;
use crate::file::parquet::ParquetFile;
use crate::file::table::Origin;

fn context() -> Arc<RunContext> {
    Arc::new(RunContext {
        batch_rows: 100,
        threads: 2,
        pool: Arc::new(
            rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .build()
                .unwrap(),
        ),
        cancel: CancelToken::default(),
        task: Arc::default(),
        runtime: Arc::default(),
        max_recursion: 10_000,
        notes: Arc::default(),
    })
}

#[test]
fn every_file_is_read_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        let path = folder.path().join(name);
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..250));
        let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        ScanFile {
            path: name.to_string(),
            data: Arc::new(ParquetFile::open(&path).unwrap()),
            origins: Arc::new([Origin::Stored(0)]),
        }
    };
    let files = [file("a.parquet"), file("b.parquet")];
    let request = TableRequest {
        table: Arc::clone(files[0].data.schema()),
        projection: vec![0],
        filter: None,
        batch_rows: 1,
    };
    let source = FileSource::new("*.parquet", &files, request, None);
    let context = context();
    let units = source.units(&context).unwrap();
    assert_eq!(units, 2);
    let mut rows = 0;
    for unit in 0..units {
        let mut batches = source.open(unit, &context).unwrap();
        while let Some(batch) = futures::executor::block_on(batches.next()) {
            let batch = batch.unwrap();
            assert!(batch.num_rows() <= 100);
            rows += batch.num_rows();
        }
    }
    assert_eq!(rows, 500);
    assert_eq!(
        source.describe(),
        "scan *.parquet (2 files) [2 parts] columns id"
    );
}
