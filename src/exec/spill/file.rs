//! One file of batches: written once, read in order, gone when dropped. Arrow's stream format, compressed with lz4.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::Schema;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, MetadataVersion};
use arrow::record_batch::RecordBatch;

use super::directory::Directory;
use super::rows::own_rows;
use super::{SpillSpace, io_error};
use crate::error::{Error, Result};
use crate::exec::CancelToken;
use crate::exec::memory::Share;

/// Bytes between the file and the reader or writer.
const BUFFER_BYTES: usize = 16 * 1024;

/// Writes batches.
pub(crate) struct SpillWriter {
    writer: StreamWriter<BufWriter<Counted>>,
    file: SpillFile,
    cancel: CancelToken,
}

impl fmt::Debug for SpillWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.file)
    }
}

impl SpillWriter {
    pub(super) fn new(
        directory: Arc<Directory>,
        number: u64,
        schema: &Schema,
        query: Arc<SpillSpace>,
        share: Arc<Share>,
        cancel: CancelToken,
    ) -> Result<Self> {
        let path = directory.path().join(format!("{number}.arrow"));
        let created =
            File::create_new(&path).map_err(|error| io_error(&error, &path, Some(share.name())))?;
        let space = Arc::new(Space {
            path,
            _directory: directory,
            query,
            share,
            bytes: AtomicU64::new(0),
        });
        let counted = Counted {
            file: created,
            space: Arc::clone(&space),
        };
        let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?
            .try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let writer = BufWriter::with_capacity(BUFFER_BYTES, counted);
        Ok(SpillWriter {
            writer: StreamWriter::try_new_with_options(writer, schema, options)
                .map_err(|error| space.error(error))?,
            file: SpillFile {
                space,
                rows: 0,
                memory_bytes: 0,
            },
            cancel,
        })
    }

    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.cancel.check()?;
        let batch = own_rows(batch)?;
        self.file.rows += batch.num_rows();
        self.file.memory_bytes += super::batch_bytes(&batch);
        self.writer
            .write(&batch)
            .map_err(|error| self.file.space.error(error))
    }

    pub(crate) fn finish(mut self) -> Result<SpillFile> {
        let space = &self.file.space;
        self.writer.finish().map_err(|error| space.error(error))?;
        self.writer
            .get_mut()
            .flush()
            .map_err(|error| space.error(error.into()))?;
        Ok(self.file)
    }
}

/// Batches that were written. The file is there until this and its readers are dropped.
#[derive(Debug, Clone)]
pub(crate) struct SpillFile {
    space: Arc<Space>,
    rows: usize,
    memory_bytes: usize,
}

impl SpillFile {
    /// Rows in it.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes that all its rows take in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The batches, as they were written.
    pub(crate) fn read(&self, cancel: &CancelToken) -> Result<SpillReader> {
        let file = File::open(&self.space.path).map_err(|error| self.space.error(error.into()))?;
        let reader = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(SpillReader {
            reader: StreamReader::try_new(reader, None).map_err(|error| self.space.error(error))?,
            space: Arc::clone(&self.space),
            cancel: cancel.clone(),
        })
    }
}

/// Reads what was written.
#[derive(Debug)]
pub(crate) struct SpillReader {
    reader: StreamReader<BufReader<File>>,
    space: Arc<Space>,
    cancel: CancelToken,
}

impl Iterator for SpillReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(cancelled) = self.cancel.check() {
            return Some(Err(cancelled));
        }
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| self.space.error(error)))
    }
}

/// A file's place on the disk, given back when it is dropped.
#[derive(Debug)]
struct Space {
    path: PathBuf,
    /// Outlives its files.
    _directory: Arc<Directory>,
    query: Arc<SpillSpace>,
    share: Arc<Share>,
    bytes: AtomicU64,
}

impl Space {
    fn error(&self, error: arrow::error::ArrowError) -> Error {
        match error {
            arrow::error::ArrowError::IoError(_, inner) => {
                ours(inner, &self.path, self.share.name())
            }
            other => Error::from(other),
        }
    }
}

/// Our own error where it only travelled through the writer.
fn ours(error: io::Error, path: &Path, operator: &str) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => io_error(&error, path, Some(operator)),
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.query
            .disk
            .give_back(self.bytes.load(Ordering::Relaxed));
        // Where it cannot be removed, the directory takes it along.
        let _ = fs::remove_file(&self.path);
    }
}

/// A file whose bytes are counted before they are written.
#[derive(Debug)]
struct Counted {
    file: File,
    space: Arc<Space>,
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let bytes = buffer.len() as u64;
        self.space
            .query
            .disk
            .take(bytes, self.space.share.name())
            .map_err(io::Error::other)?;
        self.space.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.space.query.written.fetch_add(bytes, Ordering::Relaxed);
        self.space.share.count_spilled(bytes);
        self.file.write_all(buffer)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
