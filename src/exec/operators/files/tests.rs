use std::fs::File;
use std::path::Path;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::exec::CancelToken;
use crate::file::Bounds;
use crate::file::filter::overlap;
use crate::file::parquet::ParquetFile;
use crate::file::table::Origin;

fn context() -> Arc<RunContext> {
    Arc::new(RunContext {
        batch_rows: 100,
        analyze: false,
        threads: 2,
        pool: Arc::new(
            rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .build()
                .unwrap(),
        ),
        cancel: CancelToken::default(),
        task: Arc::default(),
        charged: None,
        memory: Arc::default(),
        spill: Arc::default(),
        runtime: Arc::default(),
        max_recursion: 10_000,
        notes: Arc::default(),
        tally: Arc::default(),
    })
}

/// One file of the numbers from 0, in row groups of 100.
fn numbers(folder: &Path, name: &str, count: i64) -> ScanFile {
    let path = folder.join(name);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    let batch = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    let file = File::create(&path).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100));
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    ScanFile {
        path: name.to_string(),
        data: Arc::new(ParquetFile::open(&path).unwrap()),
        origins: Arc::new([Origin::Stored(0)]),
    }
}

fn source_of(files: &[ScanFile]) -> FileSource {
    let request = TableRequest {
        table: Arc::clone(files[0].data.schema()),
        projection: vec![0],
        filters: Vec::new(),
        narrow: Vec::new(),
        batch_rows: 1,
        tally: Arc::default(),
    };
    FileSource::new("*.parquet", files, request, None)
}

/// The ids of a unit.
fn ids_of(source: &FileSource, unit: usize, context: &Arc<RunContext>) -> Vec<i64> {
    let mut batches = source.open(unit, context).unwrap();
    let mut ids = Vec::new();
    while let Some(batch) = futures::executor::block_on(batches.next()) {
        let batch = batch.unwrap();
        assert!(batch.num_rows() <= 100);
        ids.extend(batch.column(0).as_primitive::<Int64Type>().values());
    }
    ids
}

#[test]
fn every_file_is_read_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        numbers(folder.path(), "a.parquet", 250),
        numbers(folder.path(), "b.parquet", 250),
    ];
    let source = source_of(&files);
    let context = context();
    let units = source.units(&context).unwrap();
    assert_eq!(units, 6);
    let ids: Vec<i64> = (0..units)
        .flat_map(|unit| ids_of(&source, unit, &context))
        .collect();
    assert_eq!(ids.len(), 500);
    assert_eq!(
        source.describe(),
        "scan *.parquet (2 files) [6 parts] columns id"
    );
}

/// Ids in a range that is learned later.
#[derive(Debug, Default)]
struct Learned(OnceLock<(i64, i64)>);

impl RuntimeFilter for Learned {
    fn is_ready(&self) -> bool {
        self.0.get().is_some()
    }

    fn keep(&self, keys: &[ArrayRef]) -> Result<BooleanArray> {
        let (low, high) = self.0.get().unwrap();
        let ids = keys[0].as_primitive::<Int64Type>();
        Ok(BooleanArray::from_unary(ids, |id| {
            (*low..=*high).contains(&id)
        }))
    }

    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>> {
        let (low, high) = self.0.get()?;
        let (low, high) = (Int64Array::new_scalar(*low), Int64Array::new_scalar(*high));
        overlap(bounds, 0, Some(&low), Some(&high))
    }
}

#[test]
fn what_is_learned_before_the_start_leaves_out_units_and_rows() {
    let folder = tempfile::tempdir().unwrap();
    let source = source_of(&[numbers(folder.path(), "a.parquet", 1000)]);
    let learned = Arc::new(Learned::default());
    let filter: Arc<dyn RuntimeFilter> = Arc::clone(&learned) as _;
    assert!(source.offer(&[0], &filter));
    assert!(!source.offer(&[1], &filter), "there is no such column");
    learned.0.set((350, 420)).unwrap();
    let context = context();
    assert_eq!(source.units(&context).unwrap(), 2);
    let ids: Vec<i64> = (0..2)
        .flat_map(|unit| ids_of(&source, unit, &context))
        .collect();
    assert_eq!(ids, (350..=420).collect::<Vec<_>>());
}

#[test]
fn what_is_learned_while_units_are_read_leaves_out_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let source = source_of(&[numbers(folder.path(), "a.parquet", 300)]);
    let learned = Arc::new(Learned::default());
    source.offer(&[0], &(Arc::clone(&learned) as _));
    let context = context();
    assert_eq!(source.units(&context).unwrap(), 3);
    assert_eq!(ids_of(&source, 0, &context).len(), 100);
    learned.0.set((250, 900)).unwrap();
    assert!(ids_of(&source, 1, &context).is_empty());
    assert_eq!(ids_of(&source, 2, &context), (250..300).collect::<Vec<_>>());
}
