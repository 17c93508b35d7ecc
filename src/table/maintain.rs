//! What keeps a table in order: small segments made large, files of old versions taken away, an older version brought back,
//! checksums compared, columns added.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow::datatypes::{Field, Schema};

use super::action::{Add, Commit, hash};
use super::ingest;
use super::layout::Layout;
use super::log::{TableLog, now};
use super::mirror;
use super::protocol;
use super::replica;
use super::schema::{ARROW_SCHEMA, Columns};
use super::snapshot::{CHECKSUM_TAG, Segment, Snapshot};
use crate::error::{Error, ErrorKind, FilePlace, Result};

/// Segments of fewer bytes are put together with others.
const SMALL_BYTES: i64 = 128 << 20;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// A file that is in no version may be on its way into one: it is left for a day, whatever is asked for.
const UNFINISHED_MS: i64 = 24 * HOUR_MS;

/// The segments that are worth writing again: small ones beside each other, and those that another writer put into no shard.
pub(crate) fn worth_rewriting(snapshot: &Snapshot) -> Vec<Arc<Segment>> {
    let mut groups: BTreeMap<_, Vec<&Arc<Segment>>> = BTreeMap::new();
    for segment in snapshot.segments() {
        let place = (&segment.add.partition_values, segment.buckets());
        groups.entry(place).or_default().push(segment);
    }
    let sharded = !snapshot.layout.shard_key.is_empty();
    let mut chosen = Vec::new();
    for ((_, buckets), segments) in groups {
        if sharded && buckets.is_none() {
            chosen.extend(segments.into_iter().cloned());
            continue;
        }
        let small = segments
            .into_iter()
            .filter(|segment| segment.add.size < SMALL_BYTES);
        let small: Vec<_> = small.cloned().collect();
        if small.len() > 1 {
            chosen.extend(small);
        }
    }
    chosen
}

/// The segments that hold rows of several shards of a layout; all others lie in one of its shards already.
pub(crate) fn to_be_cut(snapshot: &Snapshot, layout: &Layout) -> Vec<Arc<Segment>> {
    let cut = |segment: &&Arc<Segment>| {
        let buckets = segment.buckets();
        buckets.is_none_or(|(first, last)| layout.shard_of(first) != layout.shard_of(last))
    };
    snapshot.segments().filter(cut).cloned().collect()
}

/// The commit that makes the table what it was in `older`.
pub(crate) fn restore(log: &TableLog, newest: &Snapshot, older: &Snapshot) -> Result<Commit> {
    let missing = |segments: &Snapshot, segment: &&Arc<Segment>| {
        !segments.state.segments.contains_key(&segment.add.path)
    };
    let back = older.segments().filter(|segment| missing(newest, segment));
    let mut adds = Vec::new();
    for segment in back {
        let path = log.directory.join(segment.file()?);
        if log.store.about(&path)?.is_none() {
            let message = format!("a segment of version {} is missing", older.version);
            return Err(Error::new(ErrorKind::Data, "TM0748", message)
                .in_file(FilePlace {
                    path,
                    ..FilePlace::default()
                })
                .hint("VACUUM took it away: restore a newer version"));
        }
        adds.push(Add {
            data_change: true,
            ..segment.add.clone()
        });
    }
    let gone = newest.segments().filter(|segment| missing(older, segment));
    let metadata = replica::keep(&older.metadata, &newest.metadata);
    Ok(Commit {
        metadata: (newest.metadata != metadata).then_some(metadata),
        removes: gone.map(|segment| segment.removed(true, now())).collect(),
        adds,
        ..Commit::default()
    })
}

/// The time so many hours ago.
fn retained_from(retain_hours: u64) -> i64 {
    let hours = i64::try_from(retain_hours).unwrap_or(i64::MAX / HOUR_MS);
    now().saturating_sub(hours.saturating_mul(HOUR_MS))
}

/// A file that no version names may be one that is being written, unless it was written before this.
pub(crate) fn written_before(retain_hours: u64) -> i64 {
    now()
        .saturating_sub(UNFINISHED_MS)
        .min(retained_from(retain_hours))
}

/// Takes files away that no version of the last `retain_hours` needs. How many there were.
pub(crate) fn vacuum(log: &TableLog, snapshot: &Snapshot, retain_hours: u64) -> Result<u64> {
    let before = retained_from(retain_hours);
    let mut needed = BTreeSet::new();
    for segment in snapshot.segments() {
        needed.insert(segment.file()?);
    }
    let mut old = BTreeSet::new();
    for remove in snapshot.state.tombstones.values() {
        let Some(path) = super::layout::decode(&remove.path).map(PathBuf::from) else {
            continue;
        };
        match remove.deletion_timestamp {
            Some(time) if time < before => old.insert(path),
            _ => needed.insert(path),
        };
    }
    let mut removed = 0;
    for (below, modified) in files(log, Path::new(""))? {
        let written = modified.duration_since(SystemTime::UNIX_EPOCH);
        let written = written.map_or(0, |since| since.as_millis() as i64);
        let unfinished = now().saturating_sub(UNFINISHED_MS).min(before);
        let unknown = !needed.contains(&below) && written < unfinished;
        if old.contains(&below) || unknown {
            log.store.remove(&log.directory.join(&below))?;
            removed += 1;
        }
    }
    Ok(removed + ingest::sweep(log, snapshot)?)
}

/// Reads every segment and compares it with its checksum. How many rows were found good.
pub(crate) fn verify(log: &TableLog, snapshot: &Snapshot) -> Result<u64> {
    let mut rows = 0;
    for segment in snapshot.segments() {
        let path = log.directory.join(segment.file()?);
        let bytes = log.store.read(&path)?;
        let whole = bytes.is_some_and(|bytes| {
            let checksum = format!("{:016x}", hash(&bytes));
            // Other writers keep no checksum: then the size must do.
            bytes.len() as i64 == segment.add.size
                && segment
                    .tag(CHECKSUM_TAG)
                    .is_none_or(|known| known == checksum)
        });
        if !whole {
            let message = "a segment is not what was written";
            return Err(Error::new(ErrorKind::Data, "TM0748", message)
                .in_file(FilePlace {
                    path,
                    ..FilePlace::default()
                })
                .hint("restore this file from a copy"));
        }
        rows += segment.rows().unwrap_or_default();
    }
    Ok(rows)
}

/// The commit that adds a column; rows that are not written again are NULL in it.
pub(crate) fn add_column(
    snapshot: &Snapshot,
    field: Field,
    default: Option<String>,
) -> Result<Commit> {
    let mut fields: Vec<Arc<Field>> = snapshot.columns.seen.fields().to_vec();
    fields.push(Arc::new(field));
    let columns = Columns::new(Arc::new(Schema::new(fields)))?;
    let columns = columns.with_generated(snapshot.columns.generated.clone());
    let mut defaults = snapshot.columns.defaults.clone();
    defaults.push(default);
    let columns = columns.with_defaults(defaults);
    snapshot.layout.check(&columns)?;
    let mut metadata = snapshot.metadata.clone();
    metadata.schema_string = columns.schema_string();
    let types = columns.arrow_types();
    metadata
        .configuration
        .extend(types.map(|types| (ARROW_SCHEMA.to_string(), Some(types))));
    Ok(Commit {
        protocol: protocol::raised(&snapshot.protocol, protocol::needed(&columns)),
        metadata: Some(metadata),
        ..Commit::default()
    })
}

/// Every file below the table's directory but those of the log that have a name.
pub(super) fn files(log: &TableLog, below: &Path) -> Result<Vec<(PathBuf, SystemTime)>> {
    let mut found = Vec::new();
    let in_log = below.starts_with("_delta_log");
    for entry in log.store.list(&log.directory.join(below))? {
        let path = below.join(&entry.name);
        if path == Path::new(ingest::DIRECTORY) || path == Path::new(mirror::MARK) {
            // Rows of others are theirs until they have moved, and a replica's mark stays.
            continue;
        }
        if entry.about.is_directory {
            found.extend(files(log, &path)?);
        } else if !in_log || entry.name.ends_with(".tmp") {
            found.push((path, entry.about.modified));
        }
    }
    Ok(found)
}
