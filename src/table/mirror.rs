//! Copies of a table's files in its replicas.
//!
//! A replica gets segments first and the log's files behind them, in order: of what its log says it has, everything is there. So
//! its directory is a table by itself, as it was some versions ago, which every reader of the protocol can open when the first
//! directory is lost. A file has its own name there only when it is whole, synced and found to be what the log says; a copy that
//! was stopped leaves a temporary name behind.
//!
//! A mark in the directory says whose replica it is. Nothing is copied where it is missing: the place of a disk that is not there
//! must not fill with files. DROP REPLICA and DROP TABLE leave the directory as it is.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use super::action::{Add, Commit};
use super::doctor::Severity;
use super::log::TableLog;
use super::projection;
use super::promote::absolute;
use super::replica::{Mode, Replica};
use super::schema::Columns;
use super::snapshot::{CHECKSUM_TAG, Segment, Snapshot};
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::store::{failed, temporary_name};

/// The file that says whose replica a directory is. Other readers pass over names that begin so.
pub(super) const MARK: &str = "_tidemill_replica.json";

/// Names in the log's directory that go with it.
const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// The code of a segment that is missing or not what was written.
const LOST: &str = "TM0748";

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// What the mark says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The table's identifier.
    pub(super) table: String,
    /// How often another directory was made the one that takes commits, as far as this one knows.
    #[serde(default)]
    pub(super) epoch: u64,
    /// It is that directory.
    #[serde(default)]
    pub(super) is_primary: bool,
}

/// What became of a file that should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Whole,
    Missing,
    Damaged,
}

/// Makes the directory of a new replica, which may hold nothing but files of this table's replica.
pub(crate) fn prepare(table: &TableLog, snapshot: &Snapshot, replica: &Replica) -> Result<()> {
    let log = replica.log(table);
    let (own, there) = (
        log.store.resolve(&absolute(&table.directory)),
        log.store.resolve(&log.directory),
    );
    if there.starts_with(&own) || own.starts_with(&there) {
        return Err(unsuitable(
            replica,
            "lies inside of the table, or the table in it",
        ));
    }
    // A table that was promoted lies among what is no table.
    if there.parent() == own.parent() && snapshot.home.epoch == 0 {
        return Err(unsuitable(
            replica,
            "would be a table beside the table, of the same database",
        ));
    }
    let mut others = snapshot.replicas.iter();
    if let Some(same) = others.find(|other| log.store.resolve(&other.path) == there) {
        let message = format!(
            "{} is the replica {} by another name",
            replica.name(),
            same.name()
        );
        return Err(Error::new(ErrorKind::Input, "TM0752", message));
    }
    match mark(&log)? {
        Some(mark) if mark.table == snapshot.metadata.id => Ok(()),
        Some(_) => Err(unsuitable(replica, "is the replica of another table")),
        None if holds_files(&log)? => Err(unsuitable(replica, "is not empty")),
        None => {
            log.store.make_directory(&log.directory)?;
            let mark = Mark {
                table: snapshot.metadata.id.clone(),
                epoch: snapshot.home.epoch,
                is_primary: false,
            };
            set_mark(&log, &mark)
        }
    }
}

/// Whether there is anything but marks that were begun.
fn holds_files(log: &TableLog) -> Result<bool> {
    let begun = |name: &str| name.starts_with(&format!(".{MARK}.")) && name.ends_with(".tmp");
    let entries = log.store.list(&log.directory)?;
    Ok(entries.iter().any(|entry| !begun(&entry.name)))
}

fn unsuitable(replica: &Replica, reason: &str) -> Error {
    let message = format!("{} cannot be a replica: it {reason}", replica.name());
    Error::new(ErrorKind::Input, "TM0752", message).hint("name a directory that is new or empty")
}

/// What the mark of a directory says, if it has one.
pub(super) fn mark(log: &TableLog) -> Result<Option<Mark>> {
    let mark = log.store.read(&log.directory.join(MARK))?;
    Ok(mark.and_then(|mark| serde_json::from_slice(&mark).ok()))
}

pub(super) fn set_mark(log: &TableLog, mark: &Mark) -> Result<()> {
    let mark = serde_json::to_vec(mark).map_err(|error| Error::bug(error.to_string()))?;
    log.store.replace(&log.directory.join(MARK), &mark)
}

/// The table of which a directory has copies. One that took commits before has no mark if it was not reached when that changed: its
/// log says it.
fn owner(log: &TableLog) -> Result<Option<String>> {
    if let Some(mark) = mark(log)? {
        return Ok(Some(mark.table));
    }
    let latest = log.latest()?;
    Ok(latest.map(|snapshot| snapshot.metadata.id.clone()))
}

/// TM0505 where the directory is not there, or is no replica of the table.
pub(crate) fn check(table: &TableLog, snapshot: &Snapshot, replica: &Replica) -> Result<TableLog> {
    let log = replica.log(table);
    if owner(&log)?.as_ref() == Some(&snapshot.metadata.id) {
        return Ok(log);
    }
    let message = format!("the replica {} is not there", replica.name());
    Err(Error::new(ErrorKind::Unavailable, "TM0505", message)
        .hint("see that its disk is there; or take it out: ALTER TABLE … DROP REPLICA"))
}

/// The newest version that the replica has everything of.
pub(crate) fn version(log: &TableLog) -> Result<Option<u64>> {
    let listing = log.list()?;
    let lost = listing.gaps().into_iter();
    let lost = lost.filter(|(_, severity)| *severity == Severity::Broken);
    let first_lost = lost.map(|(version, _)| version).min();
    let newest = listing.range().map(|(_, newest)| newest);
    Ok(match (newest, first_lost) {
        (Some(_), Some(lost)) => lost.checked_sub(1),
        (newest, _) => newest,
    })
}

/// Whether a copy is there, judged by its size; with `read` by all of its bytes.
pub(crate) fn held(log: &TableLog, segment: &Segment, read: bool) -> Result<Held> {
    let path = log.directory.join(segment.file()?);
    let Some(about) = log.store.about(&path)? else {
        return Ok(Held::Missing);
    };
    if about.is_directory || about.bytes != segment.add.size as u64 {
        return Ok(Held::Damaged);
    }
    let Some(checksum) = segment.tag(CHECKSUM_TAG).filter(|_| read) else {
        return Ok(Held::Whole);
    };
    let Some(mut file) = log.store.open(&path)? else {
        return Ok(Held::Missing);
    };
    let (mut hash, mut bytes) = (XxHash64::with_seed(0), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => hash.write(&bytes[..count]),
            // A sector that cannot be read is damage to be mended.
            Err(_) => return Ok(Held::Damaged),
        }
    }
    Ok(match format!("{:016x}", hash.finish()) == checksum {
        true => Held::Whole,
        false => Held::Damaged,
    })
}

/// Copies a segment to a directory, from the first of these that has it whole.
fn copy_segment(sources: &[&TableLog], to: &TableLog, segment: &Segment) -> Result<()> {
    let below = segment.file()?;
    let mut last = None;
    for source in sources {
        match copy(source, to, &below, Some(segment)) {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    Err(last
        .unwrap_or_else(|| damaged(&to.directory.join(below), "is lost: there is no other copy")))
}

/// Copies one file. It has its name when it is whole, and keeps it.
fn copy(from: &TableLog, to: &TableLog, below: &Path, segment: Option<&Segment>) -> Result<()> {
    let (source, target) = (from.directory.join(below), to.directory.join(below));
    let missing = || damaged(&source, "is missing");
    let mut file = from.store.open(&source)?.ok_or_else(missing)?;
    if let Some(parent) = target.parent() {
        to.store.make_directory(parent)?;
    }
    let temporary = temporary_name(&target);
    let mut copy = to.store.create(&temporary)?;
    let (mut hash, mut bytes) = (XxHash64::with_seed(0), vec![0; PIECE_BYTES]);
    let mut length = 0;
    loop {
        let count = file.read(&mut bytes);
        let count = count.map_err(|error| damaged(&source, &format!("cannot be read: {error}")))?;
        if count == 0 {
            break;
        }
        hash.write(&bytes[..count]);
        length += count as i64;
        let written = copy.write_all(&bytes[..count]);
        written.map_err(|error| failed(&temporary, &error))?;
    }
    if let Some(segment) = segment {
        let found = format!("{:016x}", hash.finish());
        let same = segment.tag(CHECKSUM_TAG).is_none_or(|known| known == found);
        if length != segment.add.size || !same {
            return Err(damaged(&source, "is not what was written"));
        }
    }
    copy.finish()?;
    to.store.rename(&temporary, &target)?;
    target
        .parent()
        .map_or(Ok(()), |parent| to.store.sync_directory(parent))
}

fn damaged(path: &Path, what: &str) -> Error {
    let message = format!("a segment {what}");
    Error::new(ErrorKind::Data, LOST, message)
        .in_file(FilePlace {
            path: path.to_path_buf(),
            ..FilePlace::default()
        })
        .hint("mend it from a replica: ALTER TABLE … REPAIR")
}

/// Puts the segments of a commit to be on every replica that must have them first (TM0751 where one cannot).
pub(super) fn before_commit(table: &TableLog, base: &Snapshot, commit: &Commit) -> Result<()> {
    // Without new rows there is nothing to wait for; above all not where a replica that is away is dropped.
    if commit.adds.is_empty() {
        return Ok(());
    }
    for replica in must_have(base) {
        let put = || -> Result<()> {
            let log = check(table, base, replica)?;
            let new = commit.adds.iter();
            let new = new.map(|add| Arc::new(Segment::new(add.clone())));
            let columns = commit
                .metadata
                .as_ref()
                .map(Snapshot::columns_of)
                .transpose()?;
            let columns = columns.as_ref().unwrap_or(&base.columns);
            copy_missing(table, columns, replica, &log, new).map(drop)
        };
        if let Err(error) = put() {
            take_back(table, base, commit);
            let message = format!(
                "nothing was written: the SYNC replica {} did not take the new rows: {}",
                replica.name(),
                error.message()
            );
            return Err(Error::new(ErrorKind::Unavailable, "TM0751", message).hint(
                "bring it back and run the statement again, or write ALTER TABLE … DROP REPLICA",
            ));
        }
    }
    Ok(())
}

fn must_have(snapshot: &Snapshot) -> impl Iterator<Item = &Replica> {
    let mut replicas = snapshot.replicas.iter();
    std::iter::from_fn(move || replicas.find(|replica| replica.mode == Mode::Sync))
}

/// Takes copies away of a commit that did not happen. What stays is in no version: VACUUM takes it away.
pub(super) fn take_back(table: &TableLog, base: &Snapshot, commit: &Commit) {
    for replica in must_have(base) {
        let log = replica.log(table);
        for add in &commit.adds {
            let segment = Segment::new(add.clone());
            if replica.projection.is_some() {
                let _ = projection::forget(&log, &segment);
            } else if let Ok(file) = segment.file() {
                let _ = log.store.remove(&log.directory.join(file));
            }
        }
    }
}

/// Brings replicas to the version that a commit has made. What they could not take they get with a later commit, or by REPAIR.
pub(crate) fn after_commit(table: &TableLog, snapshot: &Snapshot, adds: &[Add]) -> Vec<Error> {
    let mut warnings = Vec::new();
    for replica in &snapshot.replicas {
        if let Err(error) = follow(table, snapshot, replica, adds) {
            let message = format!(
                "the statement is done, and the replica {} lags behind: {}",
                replica.name(),
                error.message()
            );
            let warning = Error::new(error.kind(), "TW08", message);
            warnings.push(warning.hint("ALTER TABLE … REPAIR brings it up to date"));
        }
    }
    warnings
}

fn follow(table: &TableLog, snapshot: &Snapshot, replica: &Replica, adds: &[Add]) -> Result<()> {
    if replica.projection.is_some() {
        return catch_up(table, snapshot, replica).map(drop);
    }
    let log = check(table, snapshot, replica)?;
    align(table, &log, snapshot)?;
    let has_before = match snapshot.version.checked_sub(1) {
        Some(before) => log.about(before)?.is_some(),
        None => false,
    };
    if !has_before {
        return catch_up(table, snapshot, replica).map(drop);
    }
    let new = adds.iter().map(|add| Arc::new(Segment::new(add.clone())));
    copy_missing(table, &snapshot.columns, replica, &log, new)?;
    copy_log(table, &log, snapshot.version)
}

/// Copies everything that the replica lacks; the number of segments.
pub(crate) fn catch_up(table: &TableLog, snapshot: &Snapshot, replica: &Replica) -> Result<u64> {
    let log = check(table, snapshot, replica)?;
    let segments = snapshot.segments().map(Arc::clone);
    let copied = copy_missing(table, &snapshot.columns, replica, &log, segments)?;
    if replica.projection.is_none() {
        align(table, &log, snapshot)?;
        copy_log(table, &log, snapshot.version)?;
    }
    Ok(copied)
}

fn copy_missing(
    table: &TableLog,
    columns: &Columns,
    replica: &Replica,
    log: &TableLog,
    segments: impl Iterator<Item = Arc<Segment>>,
) -> Result<u64> {
    let mut copied = 0;
    for segment in segments {
        if holds(Some(replica), log, &segment, false)? == Held::Whole {
            continue;
        }
        match &replica.projection {
            None => copy_segment(&[table], log, &segment)?,
            Some(by) => {
                projection::forget(log, &segment)?;
                projection::make(table, log, columns, &segment, by)?;
            }
        }
        copied += 1;
    }
    Ok(copied)
}

/// As [`held`], also of a replica that is no copy; `None` is the table's own directory.
pub(crate) fn holds(
    replica: Option<&Replica>,
    log: &TableLog,
    segment: &Segment,
    read: bool,
) -> Result<Held> {
    match replica.and_then(|replica| replica.projection.as_ref()) {
        Some(by) => projection::holds(log, segment, by, read),
        None => held(log, segment, read),
    }
}

/// Takes versions out of a replica's log that are not the table's: those that the directory made which took commits before, and that
/// were lost when another one was promoted without it.
fn align(table: &TableLog, log: &TableLog, snapshot: &Snapshot) -> Result<()> {
    let Some(known) = mark(log)?.filter(|mark| mark.epoch < snapshot.home.epoch) else {
        return Ok(());
    };
    let listing = log.list()?;
    let mut first_lost = None;
    let mut versions: Vec<u64> = listing.commits().collect();
    versions.reverse();
    for version in versions {
        let theirs = log.store.read(&log.commit_file(version))?;
        if theirs == table.store.read(&table.commit_file(version))? {
            break;
        }
        first_lost = Some(version);
        // Before its commit goes what was made of it.
        for name in listing.checkpoints().get(&version).into_iter().flatten() {
            log.store.remove(&log.log_directory().join(name))?;
        }
        log.store.remove(&log.commit_file(version))?;
    }
    if first_lost.is_some() {
        log.store
            .remove(&log.log_directory().join(LAST_CHECKPOINT))?;
        log.store.sync_directory(&log.log_directory())?;
    }
    let mark = Mark {
        epoch: snapshot.home.epoch,
        ..known
    };
    set_mark(log, &mark)
}

/// Copies the log's files that the replica lacks, up to a version, in their order.
pub(super) fn copy_log(table: &TableLog, log: &TableLog, newest: u64) -> Result<()> {
    let directory = Path::new("_delta_log");
    let names = |log: &TableLog| -> Result<BTreeSet<String>> {
        let entries = log.store.list(&log.log_directory())?.into_iter();
        Ok(entries.map(|entry| entry.name).collect())
    };
    let (ours, theirs) = (names(table)?, names(log)?);
    let goes_along = |name: &&String| {
        let (digits, ending) = name.split_once('.').unwrap_or_default();
        let version = (digits.len() == 20).then(|| digits.parse::<u64>().ok());
        let known = ending == "json" || ending.ends_with("parquet");
        known && version.flatten().is_some_and(|version| version <= newest)
    };
    let missing: Vec<&String> = ours.difference(&theirs).filter(goes_along).collect();
    // Commits first: a reader starts at the newest checkpoint.
    let is_commit = |name: &&&String| name.ends_with(".json");
    for name in missing.iter().filter(is_commit) {
        copy(table, log, &directory.join(name), None)?;
    }
    let checkpoints: Vec<_> = missing.iter().filter(|name| !is_commit(name)).collect();
    for name in &checkpoints {
        copy(table, log, &directory.join(name), None)?;
    }
    if !checkpoints.is_empty() && ours.contains(LAST_CHECKPOINT) {
        copy(table, log, &directory.join(LAST_CHECKPOINT), None)?;
    }
    Ok(())
}

/// What a repair did.
#[derive(Debug, Default)]
pub(crate) struct Repaired {
    /// Copies that were made again.
    pub(crate) segments: u64,
    /// What could not be mended.
    pub(crate) failures: Vec<Error>,
}

/// Reads every copy of every segment and makes those again that are missing or damaged, from one that is whole. `only` names the
/// replica; without it the table's own directory and all replicas are looked after.
pub(crate) fn repair(table: &TableLog, snapshot: &Snapshot, only: Option<&Replica>) -> Repaired {
    let mut repaired = Repaired::default();
    let mut copies = vec![table.clone()];
    let mut projections = Vec::new();
    for replica in &snapshot.replicas {
        match check(table, snapshot, replica) {
            Ok(log) if replica.projection.is_some() => projections.push((replica, log)),
            Ok(log) => copies.push(log),
            Err(error) if only.is_none_or(|only| only == replica) => repaired.failures.push(error),
            Err(_) => {}
        }
    }
    let wanted = |log: &TableLog| only.is_none_or(|only| only.path == log.directory);
    for segment in snapshot.segments() {
        for (place, log) in copies.iter().enumerate().filter(|(_, log)| wanted(log)) {
            match held(log, segment, true) {
                Ok(Held::Whole) => continue,
                Ok(Held::Missing | Held::Damaged) => {}
                Err(error) => {
                    repaired.failures.push(error);
                    continue;
                }
            }
            let others = copies.iter().enumerate();
            let others: Vec<&TableLog> = others
                .filter_map(|(other, log)| (other != place).then_some(log))
                .collect();
            match clear(log, segment).and_then(|()| copy_segment(&others, log, segment)) {
                Ok(()) => repaired.segments += 1,
                Err(error) if error.code() == LOST => {
                    // Nor has any other directory a whole one.
                    repaired.failures.push(lost(segment));
                    break;
                }
                Err(error) => repaired.failures.push(error),
            }
        }
    }
    for log in copies.iter().skip(1).filter(|log| wanted(log)) {
        let copied = align(table, log, snapshot);
        let copied = copied.and_then(|()| copy_log(table, log, snapshot.version));
        repaired.failures.extend(copied.err());
    }
    for (replica, log) in projections.iter().filter(|(_, log)| wanted(log)) {
        repair_projection(table, snapshot, (replica, log), &mut repaired);
    }
    repaired
}

/// Makes again what a projection lacks, of segments that are whole by now.
fn repair_projection(
    table: &TableLog,
    snapshot: &Snapshot,
    (replica, log): (&Replica, &TableLog),
    repaired: &mut Repaired,
) {
    for segment in snapshot.segments() {
        let mend = || -> Result<u64> {
            if holds(Some(replica), log, segment, true)? == Held::Whole {
                return Ok(0);
            }
            projection::forget(log, segment)?;
            let one = std::iter::once(Arc::clone(segment));
            copy_missing(table, &snapshot.columns, replica, log, one)
        };
        match mend() {
            Ok(made) => repaired.segments += made,
            Err(error) => repaired.failures.push(error),
        }
    }
}

fn lost(segment: &Segment) -> Error {
    let message = format!("no copy of the segment {} is whole", segment.add.path);
    Error::new(ErrorKind::Data, LOST, message)
        .hint("put one back from elsewhere; or RESTORE a version that does not need it")
}

/// A directory that has a segment's name makes room.
fn clear(log: &TableLog, segment: &Segment) -> Result<()> {
    let path: PathBuf = log.directory.join(segment.file()?);
    match log.store.about(&path)? {
        Some(about) if about.is_directory => log.store.remove_tree(&path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
