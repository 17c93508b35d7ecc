//! Rows that are safe and seen before they are in a segment: a log of small batches beside the table.
//!
//! A batch is one [`frame`]. It is acknowledged when the file is synced. Who looks at the table reads these files first and its log
//! then: rows whose number the log has (as the `txn` of the writer) are in segments by now, all others are added to what the
//! segments hold. So a row is seen once whenever it moves. Moving rows into segments is one commit that says so; two who move the
//! same rows meet in the log, and the second leaves it.
//!
//! A file belongs to its writer ([`log`]), who takes it away after its rows have moved; those of a writer that was stopped go when
//! somebody moves rows. Nobody writes on in a file of another, so whatever follows a frame that is cut short was never
//! acknowledged. A [`buffer`] gathers the rows of a process, and moves them when its [`policy`] says so.

mod buffer;
mod frame;
mod log;
mod policy;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;

use super::action::{Add, Commit, CommitInfo, Txn};
use super::conflict::nothing;
use super::damaged;
use super::log::{TableLog, now};
use super::mirror;
use super::schema::Columns;
use super::snapshot::Snapshot;
use super::writer::TableWriter;
use crate::error::{Error, ErrorKind, Result};
pub(crate) use buffer::Buffer;
use frame::frames;
pub(crate) use log::sweep;
pub use policy::FlushPolicy;
pub(crate) use policy::IngestOptions;

/// The directory of the files, below the table's. Other readers pass over names that begin so.
pub(crate) const DIRECTORY: &str = "_tidemill_ingest";

const ENDING: &str = ".frames";

/// Looks at a table whose waiting rows others move as well.
const TRIES: usize = 10;

/// Batches that move together: a writer of segments takes large ones.
const TOGETHER: usize = 4096;

/// What stands before a writer's name in the log.
const APPLICATION: &str = "tidemill-ingest-";

/// Rows that wait, of one writer.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    writer: String,
    /// Number and rows of each batch, ascending.
    batches: Vec<(i64, RecordBatch)>,
}

impl Waiting {
    pub(crate) fn batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.batches.iter().map(|(_, batch)| batch)
    }

    /// Without those that a version has in segments.
    fn after(mut self, snapshot: &Snapshot) -> Option<Self> {
        let moved = moved(snapshot, &self.writer);
        self.batches.retain(|(number, _)| *number > moved);
        (!self.batches.is_empty()).then_some(self)
    }
}

/// The number of a writer's last batch that is in segments.
fn moved(snapshot: &Snapshot, writer: &str) -> i64 {
    let txn = snapshot.state.txns.get(&format!("{APPLICATION}{writer}"));
    txn.map_or(0, |txn| txn.version)
}

/// Everything that lies beside the table. To be read before the table's log.
pub(crate) fn read(log: &TableLog) -> Result<Vec<Waiting>> {
    let directory = log.directory.join(DIRECTORY);
    let mut found: Vec<Waiting> = Vec::new();
    for entry in log.store.list(&directory)? {
        let Some(writer) = writer_of(&entry.name) else {
            continue;
        };
        let path = directory.join(&entry.name);
        // A file that is gone by now had its rows moved before.
        let bytes = log.store.read(&path)?.unwrap_or_default();
        let batches = frames(&bytes).map_err(|reason| damaged(&path, reason))?;
        match found.iter_mut().find(|other| other.writer == writer) {
            Some(other) => other.batches.extend(batches),
            None => found.push(Waiting {
                writer: writer.to_string(),
                batches,
            }),
        }
    }
    found
        .iter_mut()
        .for_each(|waiting| waiting.batches.sort_by_key(|(number, _)| *number));
    Ok(found)
}

/// Of what was read, the rows that the version does not have.
pub(crate) fn waiting(read: Vec<Waiting>, snapshot: &Snapshot) -> Vec<Waiting> {
    read.into_iter()
        .filter_map(|one| one.after(snapshot))
        .collect()
}

/// Whose file it is.
fn writer_of(name: &str) -> Option<&str> {
    let (writer, _) = name.strip_suffix(ENDING)?.split_once('-')?;
    Some(writer)
}

/// The rows that wait under the columns of a table, as one batch.
pub(crate) fn rows(waiting: &[Waiting], columns: &Columns) -> Result<Option<RecordBatch>> {
    let batches = waiting.iter().flat_map(Waiting::batches);
    let batches = batches.map(|batch| with_all_columns(batch, columns));
    let batches = batches.collect::<Result<Vec<_>>>()?;
    if batches.is_empty() {
        return Ok(None);
    }
    Ok(Some(concat_batches(&columns.stored, &batches)?))
}

/// Moves rows that wait into segments, in one commit. The version that has them: another one if somebody else was faster.
pub(super) fn flush(
    log: &TableLog,
    snapshot: &Arc<Snapshot>,
    waiting: &[Waiting],
) -> Result<Arc<Snapshot>> {
    if waiting.is_empty() {
        return Ok(Arc::clone(snapshot));
    }
    snapshot.check_write()?;
    let columns = &snapshot.columns;
    let writer = TableWriter::new(log.clone(), columns.clone(), snapshot.layout.clone());
    let mut txns = Vec::with_capacity(waiting.len());
    for one in waiting {
        for batches in one.batches.chunks(TOGETHER) {
            let rows = batches.iter();
            let rows = rows.map(|(_, batch)| with_all_columns(batch, columns));
            let rows = rows.collect::<Result<Vec<_>>>()?;
            writer.write(&concat_batches(&columns.stored, &rows)?, 0)?;
        }
        let last = one.batches.last().map(|(number, _)| *number);
        txns.extend(last.map(|version| Txn {
            app_id: format!("{APPLICATION}{}", one.writer),
            version,
            last_updated: Some(now()),
        }));
    }
    let adds = writer.finish()?;
    let mut info = CommitInfo::of(
        "WRITE",
        serde_json::json!({"mode": "Append", "buffered": "true"}),
    );
    info.is_blind_append = Some(true);
    let commit = Commit {
        info,
        txns,
        adds: adds.clone(),
        ..Commit::default()
    };
    match log.append(snapshot, commit, &nothing) {
        Ok(after) => Ok(after),
        Err(error) => {
            use ErrorKind::{Busy, Input, Unavailable};
            if matches!(error.kind(), Busy | Input | Unavailable) {
                TableWriter::discard(log, &adds);
            }
            Err(error)
        }
    }
}

/// Moves all rows that wait, whoever wrote them, whatever others move meanwhile. The version that has them, and what went wrong
/// beside it.
pub(crate) fn move_all(
    log: &TableLog,
    known: &Arc<Snapshot>,
) -> Result<(Arc<Snapshot>, Vec<Error>)> {
    let mut tries = 0;
    loop {
        let read = read(log)?;
        let newest = log.newest_after(Arc::clone(known))?;
        match flush(log, &newest, &waiting(read, &newest)) {
            Ok(moved) if moved.version == newest.version => return Ok((moved, Vec::new())),
            Ok(moved) => {
                let mut warnings: Vec<Error> =
                    log.checkpoint_if_due(&moved).err().into_iter().collect();
                warnings.extend(mirror::after_commit(
                    log,
                    &moved,
                    &new_segments(&newest, &moved),
                ));
                warnings.extend(sweep(log, &moved).err());
                return Ok((moved, warnings));
            }
            // Somebody else has moved them, or the table has other columns by now: the next look tells.
            Err(error) if error.kind() == ErrorKind::Busy && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The segments that a version has and one before it had not.
fn new_segments(before: &Snapshot, after: &Snapshot) -> Vec<Add> {
    let segments = after.state.segments.iter();
    let new = segments.filter(|(path, _)| !before.state.segments.contains_key(*path));
    new.map(|(_, segment)| segment.add.clone()).collect()
}

/// The batch under the columns that the table has now: those that it did not have then are NULL.
fn with_all_columns(batch: &RecordBatch, columns: &Columns) -> Result<RecordBatch> {
    if !fits(&batch.schema(), columns) {
        let message = "rows that wait for a segment have a column that the table lacks by now";
        return Err(Error::new(ErrorKind::Data, "TM0742", message)
            .hint("add the column again, or take the file below _tidemill_ingest away"));
    }
    let fields = columns.stored.fields();
    let values = fields.iter().map(|field| -> ArrayRef {
        match batch.column_by_name(field.name()) {
            Some(values) => Arc::clone(values),
            None => new_null_array(field.data_type(), batch.num_rows()),
        }
    });
    RecordBatch::try_new(Arc::clone(&columns.stored), values.collect())
        .map_err(|error| Error::bug(error.to_string()))
}

/// Whether the table has every column of a batch.
fn fits(schema: &Schema, columns: &Columns) -> bool {
    let mut given = schema.fields().iter();
    given.all(|field| {
        let own = columns.stored.field_with_name(field.name());
        own.is_ok_and(|own| own.data_type() == field.data_type())
    })
}

#[cfg(test)]
mod tests;
