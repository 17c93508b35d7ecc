//! Rows that are safe and seen before they are in a segment: a log of small batches beside the table, one file for each writer.
//!
//! A batch is one frame: what it is, with checksums, and the rows in Arrow's stream format. It is acknowledged when the file is synced.
//! Who looks at the table reads these files first and its log then: rows whose number the log has (as the `txn` of the writer) are
//! in segments by now, all others are added to what the segments hold. So a row is seen once whenever it moves. Moving rows into
//! segments is one commit that says so; two who move the same rows meet in the log, and the second leaves it.
//!
//! A file belongs to its writer, who takes it away after its rows have moved. Those of a writer that was stopped are left for
//! VACUUM. Nobody writes on in a file of another, so whatever follows a frame that is cut short was never acknowledged.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::action::{Commit, CommitInfo, Txn, hash};
use super::conflict::nothing;
use super::damaged;
use super::log::{TableLog, milliseconds, now};
use super::schema::Columns;
use super::snapshot::Snapshot;
use super::writer::TableWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{NewFile, failed, unique};

/// The directory of the files, below the table's. Other readers pass over names that begin so.
pub(crate) const DIRECTORY: &str = "_tidemill_ingest";

const ENDING: &str = ".frames";

/// What stands before a writer's name in the log.
const APPLICATION: &str = "tidemill-ingest-";

/// What a frame begins with.
const MAGIC: &[u8] = b"TMframe\n";

const HEAD_BYTES: usize = 40;

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
            None => found.push(Waiting { writer, batches }),
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

fn writer_of(name: &str) -> Option<String> {
    let (writer, _) = name.strip_suffix(ENDING)?.split_once('-')?;
    Some(writer.to_string())
}

/// The batches of a file. Bytes that are no frame end it, unless frames follow: then they were one.
fn frames(bytes: &[u8]) -> Result<Vec<(i64, RecordBatch)>, &'static str> {
    let (mut batches, mut rest) = (Vec::new(), bytes);
    while let Some(head) = Head::of(rest) {
        let end = head.length.saturating_add(HEAD_BYTES);
        let Some(body) = rest
            .get(HEAD_BYTES..end)
            .filter(|body| hash(body) == head.hash)
        else {
            break;
        };
        let reader = StreamReader::try_new(body, None);
        let rows = reader.and_then(|reader| reader.collect::<std::result::Result<Vec<_>, _>>());
        let rows = rows.map_err(|_| "a batch that waits for a segment cannot be read")?;
        batches.extend(rows.into_iter().map(|batch| (head.number, batch)));
        rest = &rest[end..];
    }
    let mut starts = memchr::memmem::find_iter(rest, MAGIC).filter(|start| *start > 0);
    if starts.any(|start| Head::of(&rest[start..]).is_some()) {
        return Err("a batch that waits for a segment is not what was written");
    }
    Ok(batches)
}

/// What stands before a batch: a mark, its length, number and checksum, and a checksum of these.
struct Head {
    length: usize,
    number: i64,
    hash: u64,
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        let word = |place: usize| {
            let bytes = head.get(place * 8..place * 8 + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let whole = head.starts_with(MAGIC) && word(4)? == hash(&head[..32]);
        whole.then_some(Head {
            length: usize::try_from(word(1)?).ok()?,
            number: word(2)?.cast_signed(),
            hash: word(3)?,
        })
    }
}

fn frame(number: i64, batch: &RecordBatch) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut writer = StreamWriter::try_new(&mut body, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    let mut bytes = MAGIC.to_vec();
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend(hash(&body).to_le_bytes());
    bytes.extend(hash(&bytes).to_le_bytes());
    bytes.extend(body);
    Ok(bytes)
}

/// A writer of rows that wait.
#[derive(Debug)]
pub(crate) struct IngestLog {
    log: TableLog,
    writer: String,
    /// The file that is written, and its path.
    open: Option<(NewFile, PathBuf)>,
    last: i64,
}

impl IngestLog {
    pub(crate) fn new(log: TableLog) -> Self {
        IngestLog {
            log,
            writer: unique(),
            open: None,
            last: 0,
        }
    }

    /// Writes a batch of the table's columns. When this returns it is safe, and everybody sees it.
    pub(crate) fn append(&mut self, rows: &RecordBatch, columns: &Columns) -> Result<()> {
        let rows = columns.store(rows)?;
        let bytes = frame(self.last + 1, &rows)?;
        let written = self.write(&bytes);
        if written.is_err() {
            // Nobody knows what the file ends in: nothing is added to it.
            self.open = None;
            self.last += 1;
        }
        written?;
        self.last += 1;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (file, path) = match self.open.take() {
            Some(open) => self.open.insert(open),
            None => {
                let directory = self.log.directory.join(DIRECTORY);
                self.log.store.make_directory(&directory)?;
                let name = format!("{}-{:020}{ENDING}", self.writer, self.last + 1);
                let path = directory.join(name);
                let file = self.log.store.create(&path)?;
                self.log.store.sync_directory(&directory)?;
                self.open.insert((file, path))
            }
        };
        file.write_all(bytes)
            .map_err(|error| failed(path, &error))?;
        file.sync()?;
        if self.log.store.about(path)?.is_none() {
            let message = "the table was dropped while rows were added to it";
            return Err(Error::new(ErrorKind::Busy, "TM0740", message));
        }
        Ok(())
    }

    /// Takes the file away, whose rows are in segments by now.
    pub(crate) fn moved(&mut self, snapshot: &Snapshot) -> Result<()> {
        if moved(snapshot, &self.writer) < self.last {
            return Ok(());
        }
        if let Some((_, path)) = self.open.take() {
            self.log.store.remove(&path)?;
        }
        Ok(())
    }
}

/// Takes away files of which nobody has written since `before`, in milliseconds since 1970, and whose rows have all moved.
pub(crate) fn sweep(log: &TableLog, snapshot: &Snapshot, before: i64) -> Result<u64> {
    let directory = log.directory.join(DIRECTORY);
    let mut removed = 0;
    for entry in log.store.list(&directory)? {
        let path = directory.join(&entry.name);
        let Some(writer) = writer_of(&entry.name) else {
            continue;
        };
        let bytes = log.store.read(&path)?.unwrap_or_default();
        let batches = frames(&bytes).map_err(|reason| damaged(&path, reason))?;
        let last = batches.last().map_or(0, |(number, _)| *number);
        if milliseconds(entry.about.modified) < before && last <= moved(snapshot, &writer) {
            log.store.remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
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
pub(crate) fn flush(
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
        for batch in one.batches() {
            writer.write(&with_all_columns(batch, columns)?, 0)?;
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

/// The batch under the columns that the table has now: those that it did not have then are NULL.
fn with_all_columns(batch: &RecordBatch, columns: &Columns) -> Result<RecordBatch> {
    let schema = batch.schema();
    let mut given = schema.fields().iter();
    if given.any(|field| columns.stored.index_of(field.name()).is_err()) {
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

#[cfg(test)]
mod tests;
