//! Replicas under power loss and faults, on a disk that forgets what was not synced.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::action::{Commit, CommitInfo, hash};
use super::super::conflict::nothing;
use super::super::log::TableLog;
use super::super::replica::{Mode, Replica, with_replicas};
use super::super::snapshot::{CHECKSUM_TAG, Snapshot};
use super::super::tests::{append, check_whole, create, latest, log};
use super::{Held, after_commit, catch_up, check, held, prepare, repair, version};
use crate::error::{ErrorKind, Result};
use crate::store::sim::{Fault, FaultKind, SimDisk};

fn replica(mode: Mode) -> Replica {
    Replica {
        path: PathBuf::from("/copies/t"),
        mode,
        weight: 1,
        projection: None,
    }
}

/// As ALTER TABLE … ADD REPLICA does it.
fn add(log: &TableLog, base: &Arc<Snapshot>, replica: &Replica) -> Result<Arc<Snapshot>> {
    prepare(log, base, replica)?;
    catch_up(log, base, replica)?;
    let commit = Commit {
        metadata: Some(with_replicas(
            &base.metadata,
            std::slice::from_ref(replica),
        )?),
        info: CommitInfo::of("ADD REPLICA", serde_json::json!({})),
        ..Commit::default()
    };
    let snapshot = log.append(base, commit, &nothing)?;
    after_commit(log, &snapshot, &[]);
    Ok(snapshot)
}

/// As an INSERT does it.
fn insert(log: &TableLog, base: &Arc<Snapshot>, key: i64) -> Result<Arc<Snapshot>> {
    let snapshot = append(log, base, key)?;
    let before = base.segments().map(|one| one.add.path.clone());
    let before: Vec<String> = before.collect();
    let new = snapshot
        .segments()
        .filter(|one| !before.contains(&one.add.path));
    let adds: Vec<_> = new.map(|one| one.add.clone()).collect();
    after_commit(log, &snapshot, &adds);
    Ok(snapshot)
}

/// What holds whenever anybody looks: a file with the name of a segment is that segment, a SYNC replica has all of them, and of
/// what a replica's log says everything is there.
fn check_copies(disk: &SimDisk, table: &TableLog, snapshot: &Snapshot) {
    let other = TableLog::new(table.store.apart(), PathBuf::from("/copies/t"));
    for (path, bytes) in disk.contents() {
        let named = path.starts_with("/copies") && path.extension().is_some_and(|e| e == "parquet");
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !named || path.starts_with("/copies/t/_delta_log") {
            continue;
        }
        for segment in snapshot.segments().filter(|one| one.add.path == name) {
            let checksum = format!("{:016x}", hash(&bytes));
            assert_eq!(
                segment.tag(CHECKSUM_TAG),
                Some(checksum.as_str()),
                "{path:?}"
            );
        }
    }
    for replica in snapshot
        .replicas
        .iter()
        .filter(|one| one.mode == Mode::Sync)
    {
        let copy = check(table, snapshot, replica).unwrap();
        for segment in snapshot.segments() {
            assert_eq!(held(&copy, segment, true).unwrap(), Held::Whole);
        }
    }
    if let Some(newest) = version(&other).unwrap() {
        assert!(newest <= snapshot.version);
        let snapshot = other.at(newest).unwrap();
        for segment in snapshot.segments() {
            assert_eq!(
                held(&other, segment, true).unwrap(),
                Held::Whole,
                "version {newest}"
            );
        }
    }
}

/// Runs `script` with the power going off before each of its operations; what is left is looked at, written on and mended.
fn power_loss(
    start: &SimDisk,
    script: impl Fn(&TableLog, &Arc<Snapshot>) -> Result<Arc<Snapshot>>,
) -> usize {
    let mut images = 0;
    let before = latest(&log(start)).unwrap().version;
    for at in 0.. {
        let disk = start.copy().with_fault(Fault {
            at,
            kind: FaultKind::PowerLoss,
        });
        let table = log(&disk);
        let base = table.latest().ok().flatten();
        let acknowledged = base.and_then(|base| script(&table, &base).ok());
        for image in disk.images(at) {
            images += 1;
            let table = log(&image);
            let snapshot = latest(&table).expect("the table was there before");
            assert!(snapshot.version == before + 1 || acknowledged.is_none());
            assert!(snapshot.version <= before + 1);
            check_whole(&table, &snapshot);
            check_copies(&image, &table, &snapshot);
            // Life goes on, with the replica that was begun too.
            let snapshot = insert(&table, &snapshot, 99).unwrap();
            let snapshot = match snapshot.replicas.is_empty() {
                true => add(&table, &snapshot, &replica(Mode::Sync)).unwrap(),
                false => snapshot,
            };
            let repaired = repair(&table, &snapshot, None);
            assert!(repaired.failures.is_empty(), "{:?}", repaired.failures);
            check_copies(&image, &table, &snapshot);
            let copy = snapshot.replicas[0].log(&table);
            assert_eq!(version(&copy).unwrap(), Some(snapshot.version));
        }
        if disk.operations() <= at {
            return images;
        }
    }
    images
}

#[test]
fn power_loss_never_leaves_a_wrong_copy() {
    let mut images = 0;
    for mode in [Mode::Sync, Mode::Async] {
        let disk = SimDisk::new();
        let snapshot = create(&log(&disk)).unwrap();
        append(&log(&disk), &snapshot, 10).unwrap();
        images += power_loss(&disk, |log, base| add(log, base, &replica(mode)));
        let base = latest(&log(&disk)).unwrap();
        add(&log(&disk), &base, &replica(mode)).unwrap();
        images += power_loss(&disk, |log, base| insert(log, base, 20));
    }
    println!("{images} images");
    assert!(images > 500, "{images}");
}

#[test]
fn power_loss_in_a_repair_keeps_what_is_whole() {
    let disk = SimDisk::new();
    let base = create(&log(&disk)).unwrap();
    let snapshot = add(&log(&disk), &base, &replica(Mode::Sync)).unwrap();
    let snapshot = insert(&log(&disk), &snapshot, 10).unwrap();
    let files: Vec<PathBuf> = snapshot.segments().map(|one| one.file().unwrap()).collect();
    // One segment is damaged in the table, the other one in the replica.
    disk.overwrite(&PathBuf::from("/db/t").join(&files[0]), b"short".to_vec());
    let copy = PathBuf::from("/copies/t").join(&files[1]);
    let mut bytes = disk.contents()[&copy].clone();
    bytes[40] ^= 1;
    disk.overwrite(&copy, bytes);
    for at in 0.. {
        let faulty = disk.copy().with_fault(Fault {
            at,
            kind: FaultKind::PowerLoss,
        });
        let table = log(&faulty);
        let repaired = table
            .latest()
            .map(|one| repair(&table, &one.unwrap(), None));
        let done = repaired.is_ok_and(|repaired| repaired.failures.is_empty());
        for image in faulty.images(at) {
            let table = log(&image);
            let snapshot = latest(&table).unwrap();
            let again = repair(&table, &snapshot, None);
            assert!(again.failures.is_empty(), "{:?}", again.failures);
            assert!(again.segments == 0 || !done, "what was mended stays so");
            check_whole(&table, &snapshot);
            check_copies(&image, &table, &snapshot);
        }
        if faulty.operations() <= at {
            break;
        }
    }
}

#[test]
fn a_fault_of_a_replica_is_a_typed_error_or_a_warning() {
    for mode in [Mode::Sync, Mode::Async] {
        let table = SimDisk::new();
        let base = create(&log(&table)).unwrap();
        add(&log(&table), &base, &replica(mode)).unwrap();
        for kind in [FaultKind::Once(std::io::ErrorKind::Other), FaultKind::Full] {
            for at in 0.. {
                let disk = table.copy().with_fault(Fault { at, kind });
                let faulty = log(&disk);
                let done = faulty
                    .latest()
                    .and_then(|base| insert(&faulty, &base.unwrap(), 10));
                let used = disk.operations();
                disk.repaired();
                let fresh = log(&disk);
                let snapshot = latest(&fresh).unwrap();
                check_whole(&fresh, &snapshot);
                check_copies(&disk, &fresh, &snapshot);
                match done {
                    Ok(_) => assert_eq!(snapshot.version, 2),
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        assert_eq!((error.code(), snapshot.version), ("TM0751", 1));
                    }
                    Err(error) if snapshot.version == 2 => assert_eq!(error.code(), "TM0743"),
                    Err(error) => assert!(["TM0701", "TM0743"].contains(&error.code()), "{error}"),
                }
                // A failed sync of the replica has not closed the table.
                let after = insert(&fresh, &snapshot, 11).unwrap();
                assert!(repair(&fresh, &after, None).failures.is_empty());
                check_copies(&disk, &fresh, &after);
                if used <= at {
                    break;
                }
            }
        }
    }
}
