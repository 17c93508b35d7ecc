//! Rows to segments: each goes to the file of its partition and shard, and every file is one Parquet writer.
//!
//! Workers share the writers of a table with shards or partitions; where there are none each worker has a segment of its own.
//! Segments have temporary names until they are whole and synced, and a commit is the caller's business: a writer that is dropped
//! leaves nothing behind that anybody reads.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::hash::Hasher;
use twox_hash::XxHash64;

use super::action::{Add, Tags};
use super::layout::{Layout, buckets, encode_path, partition_directory, partition_texts};
use super::log::{TableLog, now};
use super::schema::Columns;
use super::snapshot::{BUCKETS_TAG, CHECKSUM_TAG, TAIL_TAG};
use super::stats::Gather;
use crate::error::{Error, Result};
use crate::file::parquet::blocks::BlockHasher;
use crate::store::{NewFile, Store, failed, temporary_name, unique};

/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 20;

/// Bytes of a segment after which another is begun.
const SEGMENT_BYTES: u64 = 512 << 20;

/// Bytes that all writers of a table may hold back together before row groups are cut short.
const HELD_BYTES: usize = 512 << 20;

/// Rows that are sorted together into one segment of a clustered table.
const SORTED_ROWS: usize = 1 << 20;

/// Writers that are open at once: more partitions than these give more, smaller segments.
const OPEN_MAX: usize = 1024;

/// Which file a row belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Place {
    partition: Vec<(String, Option<String>)>,
    shard: Option<u64>,
    /// Where nothing else keeps them apart: the worker.
    worker: usize,
}

/// A writer that workers share; empty before the first row and after the last.
type Slot = Arc<Mutex<Option<Writing>>>;

/// The rows of one statement on their way into a table.
#[derive(Debug)]
pub(crate) struct TableWriter {
    log: TableLog,
    columns: Columns,
    layout: Layout,
    /// Positions of the columns that segments store: all but those of the partition.
    stored: Vec<usize>,
    schema: SchemaRef,
    open: Mutex<HashMap<Place, Slot>>,
    done: Mutex<Vec<Add>>,
    rows: AtomicUsize,
}

impl TableWriter {
    pub(crate) fn new(log: TableLog, columns: Columns, layout: Layout) -> Self {
        let all = 0..columns.stored.fields().len();
        let stored: Vec<usize> = all
            .filter(|column| !layout.is_of_partition(*column))
            .collect();
        let schema = crate::file::schema_of(&columns.stored, &stored);
        TableWriter {
            log,
            columns,
            layout,
            stored,
            schema,
            open: Mutex::default(),
            done: Mutex::default(),
            rows: AtomicUsize::new(0),
        }
    }

    /// Rows written so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed) as u64
    }

    /// Writes a batch of the table's columns. `worker` keeps those apart who write at the same time.
    pub(crate) fn write(&self, batch: &RecordBatch, worker: usize) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = self.columns.store(batch)?;
        self.rows.fetch_add(batch.num_rows(), Ordering::Relaxed);
        let data = batch.project(&self.stored).map_err(Error::from)?;
        for (place, rows) in self.places(&batch, worker)? {
            match rows {
                None => self.write_to(place, &data)?,
                Some(rows) => {
                    let rows = take_record_batch(&data, &UInt32Array::from(rows))?;
                    self.write_to(place, &rows)?;
                }
            }
        }
        Ok(())
    }

    /// The rows of a batch by the file they belong to; `None` stands for all of them.
    fn places(&self, batch: &RecordBatch, worker: usize) -> Result<Vec<(Place, Option<Vec<u32>>)>> {
        let plain = self.layout.partition_by.is_empty() && self.layout.shard_key.is_empty();
        if plain {
            let place = Place {
                worker,
                ..Place::default()
            };
            return Ok(vec![(place, None)]);
        }
        let mut partitions = Vec::new();
        for key in &self.layout.partition_by {
            partitions.push((&key.name, partition_texts(&key.values(batch)?, &key.name)?));
        }
        let keys: Vec<ArrayRef> = (self.layout.shard_key.iter())
            .map(|column| Arc::clone(batch.column(*column)))
            .collect();
        let buckets = buckets(&keys)?;
        let mut places: HashMap<Place, Vec<u32>> = HashMap::new();
        for row in 0..batch.num_rows() {
            let partition = partitions.iter();
            let partition = partition.map(|(name, values)| (name.to_string(), values[row].clone()));
            let place = Place {
                partition: partition.collect(),
                shard: buckets.get(row).map(|bucket| self.layout.shard_of(*bucket)),
                worker: 0,
            };
            places.entry(place).or_default().push(row as u32);
        }
        Ok(places
            .into_iter()
            .map(|(place, rows)| (place, Some(rows)))
            .collect())
    }

    fn write_to(&self, place: Place, rows: &RecordBatch) -> Result<()> {
        loop {
            let (writer, share) = self.writer_of(&place)?;
            let mut slot = lock(&writer);
            // Somebody may have closed it to make room before we had it.
            let ours = lock(&self.open).get(&place).map(Arc::as_ptr) == Some(Arc::as_ptr(&writer));
            if !ours {
                continue;
            }
            let mut writing = match slot.take() {
                Some(writing) => writing,
                None => self.begin(&place)?,
            };
            writing.write(rows, &self.sort_columns(), share)?;
            if writing.is_full(share) {
                return self.close(&place, Some(writing));
            }
            *slot = Some(writing);
            return Ok(());
        }
    }

    /// The writer of a place, and the bytes it may hold back.
    fn writer_of(&self, place: &Place) -> Result<(Slot, usize)> {
        let mut open = lock(&self.open);
        let full = open.len() >= OPEN_MAX && !open.contains_key(place);
        let other = open.keys().next().filter(|_| full).cloned();
        let closed = other.and_then(|other| open.remove(&other).map(|writer| (other, writer)));
        let writer = Arc::clone(open.entry(place.clone()).or_default());
        let share = HELD_BYTES / open.len();
        drop(open);
        if let Some((place, writer)) = closed {
            let writing = lock(&writer).take();
            self.close(&place, writing)?;
        }
        Ok((writer, share))
    }

    /// Positions of the order columns among the stored ones.
    fn sort_columns(&self) -> Vec<usize> {
        let position = |column: &usize| self.stored.iter().position(|stored| stored == column);
        self.layout.cluster_by.iter().filter_map(position).collect()
    }

    fn begin(&self, place: &Place) -> Result<Writing> {
        let shard = place
            .shard
            .map_or(String::new(), |shard| format!("s{shard:04}-"));
        let directory = partition_directory(&place.partition);
        let below = format!("{directory}{shard}{}.parquet", unique());
        let path = self.log.directory.join(&below);
        if let Some(parent) = path.parent() {
            self.log.store.make_directory(parent)?;
        }
        Writing::new(&self.log.store, path, below, &self.schema)
    }

    fn close(&self, place: &Place, writing: Option<Writing>) -> Result<()> {
        let Some(writing) = writing else {
            return Ok(());
        };
        let mut tags = Tags::new();
        if let Some(shard) = place.shard {
            let buckets = self.layout.buckets_of(shard);
            let range = format!("{}-{}", buckets.start(), buckets.end());
            tags.insert(BUCKETS_TAG.to_string(), Some(range));
        }
        let partition = place.partition.iter().cloned().collect();
        let add = writing.finish(&self.sort_columns(), partition, tags)?;
        lock(&self.done).push(add);
        Ok(())
    }

    /// How many writers are open: [`TableWriter::finish_one`] is to be called for each.
    pub(crate) fn unfinished(&self) -> usize {
        lock(&self.open).len()
    }

    /// Makes one segment whole and synced. Several threads may do so at the same time.
    pub(crate) fn finish_one(&self) -> Result<()> {
        let (place, writer) = {
            let mut open = lock(&self.open);
            let Some(place) = open.keys().next().cloned() else {
                return Ok(());
            };
            let writer = open.remove(&place);
            (place, writer)
        };
        match writer {
            Some(writer) => self.close(&place, lock(&writer).take()),
            None => Ok(()),
        }
    }

    /// The segments that were written. Their names stay: what is left is to commit them.
    pub(crate) fn finish(&self) -> Result<Vec<Add>> {
        while self.unfinished() > 0 {
            self.finish_one()?;
        }
        let mut adds = std::mem::take(&mut *lock(&self.done));
        adds.sort_by(|one, other| one.path.cmp(&other.path));
        let mut directories: Vec<PathBuf> = Vec::new();
        for add in &adds {
            let below = super::layout::decode(&add.path).unwrap_or_default();
            let path = self.log.directory.join(below);
            directories.extend(path.parent().map(PathBuf::from));
        }
        directories.dedup();
        for directory in directories {
            self.log.store.sync_directory(&directory)?;
        }
        Ok(adds)
    }

    /// Takes away segments that were not committed.
    pub(crate) fn discard(log: &TableLog, adds: &[Add]) {
        for add in adds {
            let below = super::layout::decode(&add.path).unwrap_or_default();
            // What stays behind is in no version: VACUUM takes it away.
            let _ = log.store.remove(&log.directory.join(below));
        }
    }
}

impl Drop for TableWriter {
    /// Segments that were finished and never asked for are in no version.
    fn drop(&mut self) {
        let adds = std::mem::take(&mut *lock(&self.done));
        TableWriter::discard(&self.log, &adds);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One segment being written.
#[derive(Debug)]
struct Writing {
    store: Store,
    temporary: PathBuf,
    path: PathBuf,
    /// Below the table's directory.
    below: String,
    writer: ArrowWriter<Counted>,
    statistics: Gather,
    /// Rows that wait to be sorted.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
}

impl Writing {
    fn new(store: &Store, path: PathBuf, below: String, schema: &SchemaRef) -> Result<Self> {
        let temporary = temporary_name(&path);
        let file = Counted {
            file: store.create(&temporary)?,
            hash: XxHash64::with_seed(0),
            blocks: BlockHasher::new(),
            bytes: 0,
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_created_by(concat!("tidemill ", env!("CARGO_PKG_VERSION")).to_string())
            .build();
        // Readers take the types from Parquet and the table's columns from the log.
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(file, Arc::clone(schema), options);
        Ok(Writing {
            store: store.clone(),
            temporary,
            path,
            below,
            writer: writer.map_err(|error| Error::bug(error.to_string()))?,
            statistics: Gather::new(Schema::fields(schema)),
            waiting: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
        })
    }

    /// `held` are the bytes that this writer may hold back.
    fn write(&mut self, rows: &RecordBatch, sort: &[usize], held: usize) -> Result<()> {
        self.statistics.add(rows);
        if !sort.is_empty() {
            self.waiting_rows += rows.num_rows();
            self.waiting_bytes += rows.get_array_memory_size();
            self.waiting.push(rows.clone());
            return Ok(());
        }
        self.encode(rows)?;
        if self.writer.in_progress_size() > held {
            let flushed = self.writer.flush();
            flushed.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn encode(&mut self, rows: &RecordBatch) -> Result<()> {
        let written = self.writer.write(rows);
        written.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &parquet::errors::ParquetError) -> Error {
        write_failed(&self.temporary, error)
    }

    fn is_full(&self, held: usize) -> bool {
        self.writer.inner().bytes >= SEGMENT_BYTES
            || self.waiting_rows >= SORTED_ROWS
            || self.waiting_bytes > held
    }

    fn finish(mut self, sort: &[usize], partition_values: Tags, mut tags: Tags) -> Result<Add> {
        let waiting = std::mem::take(&mut self.waiting);
        if let Some(first) = waiting.first() {
            let all = concat_batches(&first.schema(), &waiting)?;
            self.encode(&sorted(&all, sort)?)?;
        }
        let Writing {
            store,
            temporary,
            path,
            below,
            mut writer,
            statistics,
            ..
        } = self;
        let flushed = writer.flush().and_then(|()| Ok(writer.sync()?));
        flushed.map_err(|error| write_failed(&temporary, &error))?;
        let blocks = writer.inner_mut().blocks.end();
        writer.append_key_value_metadata(blocks);
        let file = writer.into_inner();
        let file = file.map_err(|error| write_failed(&temporary, &error))?;
        let (hash, tail, bytes) = (file.hash.finish(), file.blocks.tail(), file.bytes);
        file.file.finish()?;
        store.rename(&temporary, &path)?;
        tags.insert(CHECKSUM_TAG.to_string(), Some(format!("{hash:016x}")));
        tags.insert(TAIL_TAG.to_string(), tail);
        debug_assert!(statistics.rows() > 0);
        Ok(Add {
            path: encode_path(&below),
            partition_values,
            size: bytes as i64,
            modification_time: now(),
            data_change: true,
            stats: Some(statistics.text()),
            tags: Some(tags),
        })
    }
}

/// What a writer of Parquet says is nearly always what the disk said.
fn write_failed(path: &Path, error: &parquet::errors::ParquetError) -> Error {
    let text = error.to_string();
    let kind = if text.contains("os error 28") || text.contains("storage space") {
        io::ErrorKind::StorageFull
    } else {
        io::ErrorKind::Other
    };
    failed(path, &io::Error::new(kind, text))
}

/// The rows in the order of these columns, NULLs first as ORDER BY has them.
fn sorted(rows: &RecordBatch, columns: &[usize]) -> Result<RecordBatch> {
    let columns: Vec<SortColumn> = (columns.iter())
        .map(|column| SortColumn {
            values: Arc::clone(rows.column(*column)),
            options: Some(SortOptions::default()),
        })
        .collect();
    Ok(take_record_batch(
        rows,
        &lexsort_to_indices(&columns, None)?,
    )?)
}

/// A file that counts and hashes what is written.
#[derive(Debug)]
struct Counted {
    file: NewFile,
    hash: XxHash64,
    blocks: BlockHasher,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.write(&bytes[..written]);
        self.blocks.write(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
