//! Promotions that are stopped anywhere, writers that do not know of one, and directories that come back.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::mirror::{after_commit, catch_up, prepare};
use super::super::replica::Mode;
use super::super::tests::{append, check_whole, create, latest, log};
use super::*;
use crate::store::sim::{Fault, FaultKind, SimDisk};

fn replica(mode: Mode) -> Replica {
    Replica {
        path: PathBuf::from("/copies/t"),
        mode,
        weight: 1,
        projection: None,
    }
}

/// A table of a few versions with a replica that has them all.
fn mirrored(disk: &SimDisk, mode: Mode) -> Arc<Snapshot> {
    let log = log(disk);
    let base = create(&log).unwrap();
    let base = append(&log, &base, 10).unwrap();
    prepare(&log, &base, &replica(mode)).unwrap();
    catch_up(&log, &base, &replica(mode)).unwrap();
    let commit = Commit {
        metadata: Some(with_replicas(&base.metadata, &[replica(mode)]).unwrap()),
        ..Commit::default()
    };
    let snapshot = log.append(&base, commit, &nothing).unwrap();
    assert!(after_commit(&log, &snapshot, &[]).is_empty());
    snapshot
}

fn copy(disk: &SimDisk) -> TableLog {
    TableLog::new(log(disk).store, PathBuf::from("/copies/t"))
}

/// As whoever opens the table finds it.
fn found(disk: &SimDisk) -> (TableLog, Arc<Snapshot>) {
    let own = log(disk);
    let first = latest(&own).expect("the table was there before");
    follow(own, first, &|log| log.latest()).unwrap()
}

fn refused(result: Result<Arc<Snapshot>>) {
    assert_eq!(
        result.expect_err("a commit in the wrong place").code(),
        "TM0755"
    );
}

#[test]
fn a_promotion_stopped_anywhere_has_happened_or_not() {
    let mut images = 0;
    for mode in [Mode::Sync, Mode::Async] {
        let start = SimDisk::new();
        let before = mirrored(&start, mode).version;
        for at in 0.. {
            let disk = start.copy().with_fault(Fault {
                at,
                kind: FaultKind::PowerLoss,
            });
            let table = log(&disk);
            let base = table.latest().ok().flatten();
            let done = base.and_then(|base| promote(&table, &base, &replica(mode)).ok());
            for image in disk.images(at) {
                images += 1;
                let (home, snapshot) = found(&image);
                let happened = snapshot.version == before + 1;
                assert!(happened || (snapshot.version == before && done.is_none()));
                let directory = if happened { "/copies/t" } else { "/db/t" };
                assert_eq!(home.directory, PathBuf::from(directory));
                check_whole(&home, &snapshot);
                // Rows go on in the one place, and nobody can add any in the other.
                let other = if happened { log(&image) } else { copy(&image) };
                let stale = latest(&other).unwrap();
                refused(append(&other, &stale, 30));
                let next = append(&home, &snapshot, 40).unwrap();
                check_whole(&home, &next);
                assert_eq!(found(&image).1.version, next.version);
            }
            if disk.operations() <= at {
                break;
            }
        }
    }
    println!("{images} images");
    assert!(images > 100, "{images}");
}

#[test]
fn a_writer_that_does_not_know_is_refused() {
    let disk = SimDisk::new();
    let base = mirrored(&disk, Mode::Async);
    let old = log(&disk);
    let (new, snapshot) = promote(&old, &base, &replica(Mode::Async)).unwrap();
    assert_eq!(snapshot.home.epoch, 1);
    // It planned over the version before, or has seen the last one.
    refused(append(&old, &base, 20));
    refused(append(&old, &latest(&old).unwrap(), 20));
    let version = append(&new, &snapshot, 21).unwrap().version;
    assert_eq!(latest(&old).unwrap().version, version - 1);
    // And back again.
    let there = latest(&new).unwrap();
    let back = there.replicas[0].clone();
    assert_eq!(back.path, PathBuf::from("/db/t"));
    let (home, last) = promote(&new, &there, &back).unwrap();
    assert_eq!((last.home.epoch, &home.directory), (2, &old.directory));
    refused(append(&new, &there, 22));
    append(&old, &last, 23).unwrap();
    assert_eq!(found(&disk).1.version, last.version + 1);
    assert_eq!(unfinished(&old), None);
}

#[test]
fn rows_that_come_in_between_make_a_promotion_start_again() {
    let disk = SimDisk::new();
    let base = mirrored(&disk, Mode::Async);
    let newer = append(&log(&disk), &base, 20).unwrap();
    let error = promote(&log(&disk), &base, &replica(Mode::Async)).unwrap_err();
    assert_eq!(error.code(), "TM0740");
    let (home, snapshot) = promote(&log(&disk), &newer, &replica(Mode::Async)).unwrap();
    assert_eq!(snapshot.segments().count(), 3);
    check_whole(&home, &snapshot);
}

#[test]
fn a_directory_that_was_away_takes_no_commits_when_it_comes_back() {
    let disk = SimDisk::new();
    let base = mirrored(&disk, Mode::Async);
    let (new, snapshot) = promote_alone(&log(&disk), &base, &replica(Mode::Async)).unwrap();
    assert_eq!(new.directory, PathBuf::from("/copies/t"));
    append(&new, &snapshot, 30).unwrap();
    // Nobody has told the old directory: its replica does.
    refused(append(&log(&disk), &base, 31));
    assert_eq!(latest(&log(&disk)).unwrap().version, base.version);
}

#[test]
fn a_promotion_that_is_half_done_is_named_and_finished() {
    let disk = SimDisk::new();
    let base = mirrored(&disk, Mode::Sync);
    let (new, snapshot) = promote(&log(&disk), &base, &replica(Mode::Sync)).unwrap();
    // As a process that was killed behind the commit left it.
    new.store
        .remove(&new.commit_file(snapshot.version))
        .unwrap();
    assert_eq!(unfinished(&log(&disk)), Some(new.directory.clone()));
    refused(append(&new, &snapshot, 50));
    let (home, found) = found(&disk);
    assert_eq!(
        (&home.directory, found.version),
        (&new.directory, snapshot.version)
    );
    assert_eq!(unfinished(&log(&disk)), None);
    append(&home, &found, 51).unwrap();
}
