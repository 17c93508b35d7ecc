//! Files with checksums of their blocks, copies of which are damaged: what is read from one until it fails and from another after
//! that is the whole file, and no changed byte goes unseen.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{
    ArrayRef, AsArray, Int32Builder, Int64Array, ListBuilder, RecordBatch, StringArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::blocks::BlockHasher;
use super::tests::between;
use super::{Copied, DataFile, ParquetFile, ReadRequest, Unit};
use crate::error::{Error, Result};
use crate::store::ReadAt;

/// As the writer of tables' segments does it.
struct Hashed {
    file: File,
    blocks: BlockHasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.blocks.write(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes numbers, long texts and short lists; the checksum of the footer.
fn write(path: &Path, rows: i64, text_bytes: usize) -> String {
    let ids = Int64Array::from_iter_values(0..rows);
    let texts = (0..rows).map(|row| format!("{row:0>text_bytes$}"));
    let mut lists = ListBuilder::new(Int32Builder::new());
    for row in 0..rows {
        lists.append_value((0..row % 3).map(|item| Some(item as i32)));
    }
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(ids)),
        ("text", Arc::new(StringArray::from_iter_values(texts))),
        ("list", Arc::new(lists.finish())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(2000)
        .build();
    let file = Hashed {
        file: File::create(path).unwrap(),
        blocks: BlockHasher::new(),
    };
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.flush().unwrap();
    writer.sync().unwrap();
    let blocks = writer.inner_mut().blocks.end();
    writer.append_key_value_metadata(blocks);
    writer.into_inner().unwrap().blocks.tail().unwrap()
}

fn request(projection: &[usize], filtered: bool) -> ReadRequest {
    ReadRequest {
        projection: projection.to_vec(),
        filters: filtered
            .then(|| between(1_000, 40_000))
            .into_iter()
            .collect(),
        narrow: Vec::new(),
        batch_rows: 1_000,
        tally: Arc::default(),
        pool: Arc::default(),
    }
}

/// What comes before the end or an error, and the row before which everything came.
fn read(
    file: &ParquetFile,
    unit: &Unit,
    request: &ReadRequest,
) -> (Vec<RecordBatch>, u64, Option<Error>) {
    let done = Arc::new(AtomicU64::new(file.rows_of(unit).0));
    let (mut batches, mut error) = (Vec::new(), None);
    let own: Arc<dyn ReadAt> = Arc::new(Mutex::new(file.suspect.open().unwrap()));
    let copied = Copied {
        bytes_of: own,
        done: Arc::clone(&done),
    };
    match file.read_copied(unit, request, copied) {
        Ok(rows) => {
            for batch in rows {
                match batch {
                    Ok(batch) => batches.push(batch),
                    Err(failed) => error = Some(failed),
                }
            }
        }
        Err(failed) => error = Some(failed),
    }
    (batches, done.load(Ordering::Relaxed), error)
}

const WHOLE: Unit = Unit {
    start: 0,
    end: 1,
    rows: None,
};

#[test]
fn another_copy_goes_on_where_one_has_failed() {
    const ROWS: i64 = 50_000;
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    write(&good, ROWS, 200);
    let bytes = fs::read(&good).unwrap();
    assert!(bytes.len() > 9 << 20, "chunks are read piece by piece");
    let whole = ParquetFile::open(&good).unwrap();
    let (mut failed, mut late) = (0, 0);
    for (projection, filtered) in [(vec![0, 1], false), (vec![1], true), (vec![0, 1, 2], false)] {
        let request = request(&projection, filtered);
        let (expected, _, none) = read(&whole, &WHOLE, &request);
        assert!(none.is_none());
        let schema = expected[0].schema();
        let expected = concat_batches(&schema, &expected).unwrap();
        for step in 1..16 {
            let mut damaged = bytes.clone();
            damaged[bytes.len() * step / 16] ^= 8;
            fs::write(&bad, damaged).unwrap();
            let copy = ParquetFile::open(&bad).unwrap();
            for rows in [None, Some((7_777, 30_000))] {
                let unit = Unit { rows, ..WHOLE };
                let (first, count) = copy.rows_of(&unit);
                let (mut got, done, error) = read(&copy, &unit, &request);
                if let Some(error) = error {
                    failed += 1;
                    late += usize::from(done > first);
                    assert_eq!(error.code(), "TM0731", "{error}");
                    let rest = Unit {
                        rows: Some((done, first + count - done)),
                        ..WHOLE
                    };
                    let (more, _, none) = read(&whole, &rest, &request);
                    assert!(none.is_none());
                    got.extend(more);
                }
                let got = concat_batches(&schema, &got).unwrap();
                match rows {
                    None => assert_eq!(got, expected, "{projection:?} {step}"),
                    Some(_) if filtered => {
                        assert_eq!(got.num_rows(), (7_777 + 30_000) - 7_777);
                    }
                    Some(_) => assert_eq!(got, expected.slice(7_777, 30_000)),
                }
            }
        }
    }
    assert!(failed > 40, "{failed}");
    assert!(late > 10, "{late}");
}

#[test]
fn no_changed_byte_is_read_as_another_value() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    let tail = write(&good, 3_000, 40);
    let bytes = fs::read(&good).unwrap();
    let whole = ParquetFile::open(&good)?;
    assert_eq!(whole.tail(), Some(tail.as_str()));
    let mut found = 0;
    for projection in [vec![0, 1], vec![2, 0]] {
        let request = request(&projection, false);
        let (expected, _, _) = read(&whole, &WHOLE, &request);
        let ids: usize = expected.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(ids, 3_000);
        for place in (0..bytes.len())
            .step_by(101)
            .chain(bytes.len() - 40..bytes.len())
        {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << (place % 8);
            fs::write(&bad, damaged).unwrap();
            let Ok(copy) = ParquetFile::open(&bad) else {
                found += 1;
                continue;
            };
            if copy.tail() != Some(tail.as_str()) {
                found += 1;
                continue;
            }
            match read(&copy, &WHOLE, &request) {
                (_, _, Some(_)) => found += 1,
                (rows, ..) => assert_eq!(rows, expected, "byte {place}"),
            }
        }
    }
    assert!(found > 1_000, "{found}");
    let first = whole.read(&WHOLE, &request(&[0], false))?.next();
    let first = first.unwrap()?;
    assert_eq!(first.column(0).as_primitive::<Int64Type>().value(7), 7);
    Ok(())
}
