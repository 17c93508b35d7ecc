//! Rows that wait under power loss and damage: each is seen once, wherever it lies.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::frame::Body;
use super::log::IngestLog;
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

fn moved_all(log: &TableLog) -> Result<Arc<Snapshot>> {
    let known = log.latest()?.unwrap();
    Ok(move_all(log, &known)?.0)
}

/// Writes one batch with these keys.
fn put(ingest: &mut IngestLog, log: &TableLog, keys: std::ops::Range<i64>) -> Result<()> {
    let body = Body::of(&columns().store(&rows_of(keys))?)?;
    let known = log.latest()?.unwrap();
    ingest.append(&[body], &known).map(drop)
}

/// Appends and moves rows until something fails; the keys that were acknowledged.
fn script(log: &TableLog) -> (Vec<i64>, Result<()>) {
    let mut acknowledged = vec![0, 1, 2];
    let mut ingest = IngestLog::new(log.clone());
    let mut step = |key: i64, acknowledged: &mut Vec<i64>| -> Result<()> {
        put(&mut ingest, log, key..key + 1)?;
        acknowledged.push(key);
        if key % 3 == 0 {
            let moved = moved_all(log)?;
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
            let moved = moved_all(&log).unwrap();
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
        put(&mut ingest, &log, key..key + 1).unwrap();
        let path = &ingest.open.as_ref().unwrap().path;
        ends.push(log.store.read(path).unwrap().unwrap().len());
    }
    let path = &ingest.open.as_ref().unwrap().path;
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
    put(&mut ingest, &log, 10..12).unwrap();
    let found = waiting(read(&log).unwrap(), &base);
    flush(&log, &base, &found).unwrap();
    let error = flush(&log, &base, &found).unwrap_err();
    assert_eq!(error.code(), "TM0740");
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11]);
    // Nor does who knows of more rows move the first ones again.
    put(&mut ingest, &log, 20..21).unwrap();
    let more = waiting(read(&log).unwrap(), &base);
    assert_eq!(flush(&log, &base, &more).unwrap_err().code(), "TM0740");
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 20]);
    let moved = moved_all(&log).unwrap();
    // The file stays until its writer takes it away: others cannot know that nothing more comes.
    assert_eq!(sweep(&log, &moved).unwrap(), 0);
    assert_eq!(read(&log).unwrap().len(), 1);
    put(&mut ingest, &log, 12..13).unwrap();
    ingest.moved(&moved).unwrap();
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 12, 20]);
    let moved = moved_all(&log).unwrap();
    ingest.moved(&moved).unwrap();
    assert_eq!(read(&log).unwrap().len(), 0);
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 12, 20]);
}

#[test]
fn a_slot_goes_on_where_the_writer_before_stopped() {
    let disk = SimDisk::new();
    let log = log(&disk);
    create(&log).unwrap();
    let mut first = IngestLog::new(log.clone());
    let mut second = IngestLog::new(log.clone());
    put(&mut first, &log, 10..12).unwrap();
    put(&mut second, &log, 20..22).unwrap();
    let writers = |log: &TableLog| read(log).unwrap().len();
    assert_eq!(writers(&log), 2);
    // Writers that are gone leave their rows; those who come take their slots and their numbers.
    drop((first, second));
    let mut third = IngestLog::new(log.clone());
    let known = log.latest().unwrap().unwrap();
    let body = Body::of(&columns().store(&rows_of(30..31)).unwrap()).unwrap();
    let left = third.append(&[body], &known).unwrap().unwrap();
    assert_eq!(left.rows, 2);
    assert_eq!(writers(&log), 2);
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 20, 21, 30]);
    let moved = moved_all(&log).unwrap();
    // Nobody holds the other slot: its file is gone. The third's is its own.
    assert_eq!(writers(&log), 1);
    third.moved(&moved).unwrap();
    assert_eq!(writers(&log), 0);
    assert_eq!(seen(&log).0, [0, 1, 2, 10, 11, 20, 21, 30]);
    // However many writers come one after the other, the log knows of two slots.
    for key in 40..60 {
        let mut writer = IngestLog::new(log.clone());
        put(&mut writer, &log, key..key + 1).unwrap();
        if key % 5 == 0 {
            let moved = moved_all(&log).unwrap();
            writer.moved(&moved).unwrap();
        }
    }
    let (found, snapshot) = seen(&log);
    assert_eq!(found.len(), 28);
    assert_eq!(snapshot.state.txns.len(), 2);
}

#[test]
fn rows_of_many_threads_are_synced_together() {
    let disk = SimDisk::new();
    let log = log(&disk);
    let known = create(&log).unwrap();
    let policy = FlushPolicy {
        rows: 50,
        ..FlushPolicy::default()
    };
    let buffer = Buffer::new("t", log.clone(), known, Some(policy)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let buffer = &buffer;
            scope.spawn(move || {
                for round in 0..20 {
                    let key = 1000 + thread * 100 + round;
                    let rows = columns().store(&rows_of(key..key + 1)).unwrap();
                    buffer.append(&[rows]).unwrap();
                }
            });
        }
    });
    let (found, snapshot) = seen(&log);
    let different: BTreeSet<i64> = found.iter().copied().collect();
    assert_eq!((found.len(), different.len()), (163, 163));
    // Files of at least so many rows, as the policy says.
    assert!(snapshot.version <= 160 / 50, "{}", snapshot.version);
    let left = buffer.rows();
    assert_eq!(buffer.flush().unwrap(), left);
    assert_eq!(seen(&log).0.len(), 163);
    assert!(read(&log).unwrap().is_empty());
}

#[test]
fn what_cannot_move_is_safe_and_what_does_not_fit_is_not_seen() {
    let disk = SimDisk::new();
    let log = log(&disk);
    let known = create(&log).unwrap();
    let policy = FlushPolicy {
        rows: 1,
        bytes_max: 4_000,
        ..FlushPolicy::default()
    };
    let buffer = Buffer::new("t", log.clone(), known, Some(policy)).unwrap();
    let one = |key: i64| columns().store(&rows_of(key..key + 1)).unwrap();
    buffer.append(&[one(10)]).unwrap();
    // A version that is not what it was: nothing moves any more, and there is room for a while.
    let commit = log.commit_file(1);
    disk.overwrite(&commit, Vec::new());
    log.store.replace(&commit, b"no commit").unwrap();
    let mut taken = 0;
    let error = loop {
        match buffer.append(&[one(20 + taken)]) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100);
    };
    assert_eq!(error.code(), "TM0742", "{error}");
    log.store.remove(&commit).unwrap();
    assert_eq!(seen(&log).0.len(), 4 + taken as usize);
}
