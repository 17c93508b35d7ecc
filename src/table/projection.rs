//! Projections: replicas with the rows of each segment in another order, some of its columns perhaps.
//!
//! A projection is made segment by segment, as a mirror is: where it lacks one it is incomplete and never wrong. Beside the files of
//! a segment's rows a manifest says of which bytes they were made, and how; whoever reads them compares that with the log. It has no
//! log of its own, and no other reader takes it for a table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use serde::{Deserialize, Serialize};

use super::action::Add;
use super::layout::Layout;
use super::log::TableLog;
use super::maintain;
use super::mirror::{Held, held};
use super::replica::Replica;
use super::schema::Columns;
use super::snapshot::{CHECKSUM_TAG, Segment, Snapshot, TAIL_TAG};
use super::writer::TableWriter;
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::file::parquet::ParquetFile;
use crate::file::{DataFile, ReadRequest, schema_of};

/// Behind the name of a segment, the name of its manifest.
const MANIFEST: &str = ".projection.json";

/// Bytes that a manifest may have.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// Rows that are read at once.
const BATCH_ROWS: usize = 64 << 10;

/// How rows lie in a projection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Projection {
    /// By name; every column without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<Vec<String>>,
    /// By name, the first first.
    pub(crate) sort: Vec<String>,
}

impl Projection {
    pub(crate) fn has(&self, column: &str) -> bool {
        let columns = self.columns.as_ref();
        columns.is_none_or(|columns| columns.iter().any(|one| one == column))
    }

    /// As it was written.
    pub(crate) fn text(&self) -> String {
        let columns = self
            .columns
            .as_ref()
            .map(|columns| format!("COLUMNS ({})", columns.join(", ")));
        let sort = (!self.sort.is_empty()).then(|| format!("SORT BY {}", self.sort.join(", ")));
        let parts: Vec<String> = columns.into_iter().chain(sort).collect();
        parts.join(" ")
    }
}

/// What was made of a segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Made {
    /// What the segment's bytes are: its checksum, or its size where it has none.
    of: String,
    /// How.
    by: Projection,
    /// The files with its rows.
    pub(crate) files: Vec<Add>,
}

fn identity(segment: &Segment) -> String {
    let checksum = segment.tag(CHECKSUM_TAG).map(str::to_string);
    checksum.unwrap_or_else(|| format!("{} bytes", segment.add.size))
}

fn manifest(log: &TableLog, segment: &Segment) -> Result<PathBuf> {
    let mut path = log.directory.join(segment.file()?).into_os_string();
    path.push(MANIFEST);
    Ok(path.into())
}

/// What a projection has of a segment; `None` where it has not everything yet, or of other bytes.
pub(crate) fn made(log: &TableLog, segment: &Segment, by: &Projection) -> Result<Option<Made>> {
    let path = manifest(log, segment)?;
    let about = log.store.about(&path)?;
    if about.is_none_or(|about| about.bytes > MANIFEST_BYTES_MAX || about.is_directory) {
        return Ok(None);
    }
    let bytes = log.store.read(&path)?.unwrap_or_default();
    let made: Option<Made> = serde_json::from_slice(&bytes).ok();
    Ok(made.filter(|made| made.of == identity(segment) && made.by == *by))
}

/// Whether everything that a projection should have of a segment is there, judged by sizes; with `read` by all bytes.
pub(super) fn holds(
    log: &TableLog,
    segment: &Segment,
    by: &Projection,
    read: bool,
) -> Result<Held> {
    let Some(made) = made(log, segment, by)? else {
        return Ok(Held::Missing);
    };
    for add in made.files {
        match held(log, &Segment::new(add), read)? {
            Held::Whole => {}
            Held::Missing | Held::Damaged => return Ok(Held::Damaged),
        }
    }
    Ok(Held::Whole)
}

/// Makes a projection of a segment, whose file lies in the table's directory.
pub(super) fn make(
    table: &TableLog,
    log: &TableLog,
    columns: &Columns,
    segment: &Segment,
    by: &Projection,
) -> Result<()> {
    let path = table.directory.join(segment.file()?);
    let file = ParquetFile::open(&path)?;
    let is_it = file.byte_count() as i64 == segment.add.size
        && segment
            .tag(TAIL_TAG)
            .is_none_or(|tail| file.tail() == Some(tail));
    if !is_it {
        let place = FilePlace {
            path,
            ..FilePlace::default()
        };
        let message = "a segment is not what was written";
        return Err(Error::new(ErrorKind::Data, "TM0748", message).in_file(place));
    }
    // Columns that came later, and those that only name partitions, are in no file.
    let all = columns.seen.fields().iter().enumerate();
    let wanted = all.filter(|(_, field)| by.has(field.name()));
    let (places, stored): (Vec<usize>, Vec<usize>) = wanted
        .filter_map(|(place, field)| Some((place, file.schema().index_of(field.name()).ok()?)))
        .unzip();
    let seen = schema_of(&columns.seen, &places);
    let sort = by.sort.iter().filter_map(|name| seen.index_of(name).ok());
    let layout = Layout {
        cluster_by: sort.collect(),
        ..Layout::default()
    };
    let writer = TableWriter::new(log.clone(), Columns::new(Arc::clone(&seen))?, layout);
    let request = ReadRequest {
        projection: stored,
        filters: Vec::new(),
        narrow: Vec::new(),
        batch_rows: BATCH_ROWS,
        tally: Arc::default(),
        pool: Arc::default(),
    };
    for unit in file.units(&request, 1)? {
        for batch in file.read(&unit, &request)? {
            let batch = batch?;
            let values = batch.columns().iter().zip(seen.fields());
            let values = values.map(|(values, field)| cast(values, field.data_type()));
            let values = values.collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
            let batch = RecordBatch::try_new(Arc::clone(&seen), values).map_err(Error::from)?;
            writer.write(&batch, 0)?;
        }
    }
    let files = writer.finish()?;
    let made = Made {
        of: identity(segment),
        by: by.clone(),
        files,
    };
    let text = serde_json::to_vec(&made).map_err(|error| Error::bug(error.to_string()))?;
    let path = manifest(log, segment)?;
    let written = path
        .parent()
        .map_or(Ok(()), |parent| log.store.make_directory(parent))
        .and_then(|()| log.store.replace(&path, &text));
    written.inspect_err(|_| TableWriter::discard(log, &made.files))
}

/// Takes away what a projection has of a segment.
pub(super) fn forget(log: &TableLog, segment: &Segment) -> Result<()> {
    let path = manifest(log, segment)?;
    let bytes = log.store.read(&path).ok().flatten().unwrap_or_default();
    let made: Option<Made> = serde_json::from_slice(&bytes).ok();
    if log
        .store
        .about(&path)?
        .is_some_and(|about| about.is_directory)
    {
        log.store.remove_tree(&path)?;
    } else {
        log.store.remove(&path)?;
    }
    TableWriter::discard(log, &made.map(|made| made.files).unwrap_or_default());
    Ok(())
}

/// Takes away files that are of no segment of the version and older than `before_ms`.
pub(crate) fn vacuum(
    log: &TableLog,
    snapshot: &Snapshot,
    replica: &Replica,
    before_ms: i64,
) -> Result<u64> {
    let Some(by) = &replica.projection else {
        return Ok(0);
    };
    let mut needed = BTreeSet::new();
    for segment in snapshot.segments() {
        if let Some(made) = made(log, segment, by)? {
            needed.insert(manifest(log, segment)?);
            for add in made.files {
                needed.insert(log.directory.join(Segment::new(add).file()?));
            }
        }
    }
    let mut removed = 0;
    for (below, modified) in maintain::files(log, Path::new(""))? {
        let path = log.directory.join(&below);
        let is_mark = below == Path::new(super::mirror::MARK);
        if !is_mark && !needed.contains(&path) && super::log::milliseconds(modified) < before_ms {
            log.store.remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}
