//! Rows that wait under power loss and damage: each is seen once, wherever it lies.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::store::sim::{Fault, FaultKind, SimDisk};
use crate::table::tests::{append, check_whole, columns, create, latest, log, rows as rows_of};

fn keys(batch: &RecordBatch) -> Vec<i64> {
    let keys = batch.column_by_name("k").unwrap();
    keys.as_primitive::<Int64Type>().values().to_vec()
}

/// Every key that a reader sees, and the version.
fn seen(log: &TableLog) -> (Vec<i64>, Arc<Snapshot>) {
    let read = read(log).unwrap();
    let snapshot = latest(log).unwrap();
    let mut found = Vec::new();
    for one in waiting(read, &snapshot) {
        found.extend(one.batches().flat_map(keys));
    }
    for segment in snapshot.segments() {
        let path = log.directory.join(segment.file().unwrap());
        let bytes = bytes::Bytes::from(log.store.read(&path).unwrap().unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        found.extend(
            reader
                .build()
                .unwrap()
                .flat_map(|batch| keys(&batch.unwrap())),
        );
    }
    found.sort_unstable();
    (found, snapshot)
}

fn move_all(log: &TableLog) -> Result<Arc<Snapshot>> {
    let read = read(log)?;
    let snapshot = log.latest()?.unwrap();
    flush(log, &snapshot, &waiting(read, &snapshot))
}

/// Appends and moves rows until something fails; the keys that were acknowledged.
fn script(log: &TableLog) -> (Vec<i64>, Result<()>) {
    let mut acknowledged = vec![0, 1, 2];
    let mut ingest = IngestLog::new(log.clone());
    let mut step = |key: i64, acknowledged: &mut Vec<i64>| -> Result<()> {
        ingest.append(&rows_of(key..key + 1), &columns())?;
        acknowledged.push(key);
        if key % 3 == 0 {
            let moved = move_all(log)?;
            ingest.moved(&moved)?;
        }
        Ok(())
    };
    let result = (10..17).try_for_each(|key| step(key, &mut acknowledged));
    (acknowledged, result)
}

#[test]
fn power_loss_loses_no_row_and_shows_none_twice() {
    let start = SimDisk::new();
    create(&log(&start)).unwrap();
    let mut images = 0;
    for at in 0.. {
        let disk = start.copy().with_fault(Fault {
            at,
            kind: FaultKind::PowerLoss,
        });
        let (acknowledged, result) = script(&log(&disk));
        for image in (0..2).flat_map(|seed| disk.images(2 * at + seed)) {
            images += 1;
            let log = log(&image);
            let (found, snapshot) = seen(&log);
            check_whole(&log, &snapshot);
            let different: BTreeSet<i64> = found.iter().copied().collect();
            assert_eq!(different.len(), found.len(), "{found:?}");
            assert!(
                acknowledged.iter().all(|key| different.contains(key)),
                "{found:?}"
            );
            // One may have come to the disk before it was acknowledged.
            assert!(
                found.len() <= acknowledged.len() + 1,
                "{found:?} {acknowledged:?}"
            );
            // Life goes on.
            let moved = move_all(&log).unwrap();
            append(&log, &moved, 99).unwrap();
            assert_eq!(seen(&log).0.len(), found.len() + 1);
        }
        if disk.operations() <= at {
            result.unwrap();
            break;
        }
    }
    println!("{images} images");
    assert!(images > 200, "{images}");
}

#[test]
fn a_fault_is_an_error_and_no_row_is_seen_twice() {
    let start = SimDisk::new();
    create(&log(&start)).unwrap();
    for kind in [FaultKind::Once(std::io::ErrorKind::Other), FaultKind::Full] {
        for at in 0.. {
            let disk = start.copy().with_fault(Fault { at, kind });
            let (acknowledged, _) = script(&log(&disk));
            let used = disk.operations();
            disk.repaired();
            let (found, _) = seen(&log(&disk));
            let different: BTreeSet<i64> = found.iter().copied().collect();
            assert_eq!(different.len(), found.len(), "{found:?}");
            assert!(acknowledged.iter().all(|key| different.contains(key)));
            if used <= at {
                break;
            }
        }
    }
}

#[test]
fn a_changed_byte_is_found_or_was_never_acknowledged() {
    let disk = SimDisk::new();
    let log = log(&disk);
    create(&log).unwrap();
    let mut ingest = IngestLog::new(log.clone());
    let mut ends = Vec::new();
    for key in 10..13 {
        ingest.append(&rows_of(key..key + 1), &columns()).unwrap();
        let (path, _) = ingest
            .open
            .as_ref()
            .map(|(_, path)| (path.clone(), ()))
            .unwrap();
        ends.push(log.store.read(&path).unwrap().unwrap().len());
    }
    let (_, path) = ingest.open.as_ref().unwrap();
    let whole = log.store.read(path).unwrap().unwrap();
    assert_eq!(frames(&whole).unwrap().len(), 3);
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 7);
        match frames(&changed) {
            Err(_) => assert!(place < ends[1], "{place}"),
            Ok(found) => {
                assert!(place >= ends[1], "{place}");
                let found: Vec<_> = found.iter().flat_map(|(_, batch)| keys(batch)).collect();
                assert_eq!(found, [10, 11]);
            }
        }
        // Cut short it is the end of a batch that was never acknowledged.
        let whole_frames = ends.iter().filter(|end| **end <= place).count();
        assert_eq!(frames(&whole[..place]).unwrap().len(), whole_frames);
    }
}

#[test]
fn rows_that_two_move_at_once_move_once() {
    let disk = SimDisk::new();
    let log = log(&disk);
    let base = create(&log).unwrap();
    let mut ingest = IngestLog::new(log.clone());
    ingest.append(&rows_of(10..12), &columns()).unwrap();
    let found = waiting(read(&log).unwrap(), &base);
    flush(&log, &base, &found).unwrap();
    let error = flush(&log, &base, &found).unwrap_err();
    assert_eq!(error.code(), "TM0740");
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11]);
    // Nor does who knows of more rows move the first ones again.
    ingest.append(&rows_of(20..21), &columns()).unwrap();
    let more = waiting(read(&log).unwrap(), &base);
    assert_eq!(flush(&log, &base, &more).unwrap_err().code(), "TM0740");
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 20]);
    let moved = move_all(&log).unwrap();
    // The file stays until its writer takes it away, and VACUUM leaves what is young.
    assert_eq!(sweep(&log, &moved, 0).unwrap(), 0);
    assert_eq!(sweep(&log, &base, i64::MAX).unwrap(), 0);
    ingest.append(&rows_of(12..13), &columns()).unwrap();
    ingest.moved(&moved).unwrap();
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 12, 20]);
    let moved = move_all(&log).unwrap();
    ingest.moved(&moved).unwrap();
    assert_eq!(read(&log).unwrap().len(), 0);
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 12, 20]);
}
