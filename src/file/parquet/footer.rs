//! What a Parquet file says about itself: read once, checked against the file's length before it is believed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::blocks::Blocks;
use super::chunk::Chunk;
use super::thrift;
use crate::error::Result;
use crate::file::guard::{Suspect, guard};
use crate::file::source::Handle;
use crate::file::types::without_dictionaries;

/// Footers of files that are opened again and again stay: this many.
const CACHED: usize = 1024;

/// Bytes that may lie between the parts of a page index.
const SCATTERED: u64 = 16 << 20;

/// A checked footer, with the columns as the engine has them.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) metadata: ArrowReaderMetadata,
    pub(super) bytes: u64,
    /// Checksums of what lies before it, and of itself, where there are some.
    pub(super) blocks: Option<Arc<Blocks>>,
    pub(super) tail: Option<String>,
    /// The page index, read when a filter first asks for it.
    with_pages: OnceLock<ArrowReaderMetadata>,
}

/// A file as it was when its footer was read.
type Key = (PathBuf, u64, SystemTime);

/// Footers, the oldest first.
type Cache = Mutex<VecDeque<(Key, Arc<Footer>)>>;

fn cache() -> &'static Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    CACHE.get_or_init(Mutex::default)
}

impl Footer {
    /// The footer of the file, from the cache if the file is as it was.
    pub(super) fn of(suspect: &Suspect) -> Result<Arc<Footer>> {
        let mut file = suspect.open()?;
        let bytes = file.length().map_err(|error| suspect.io(&error))?;
        let Some((path, modified)) = suspect.source.path().zip(file.modified()) else {
            return Ok(Arc::new(Footer::read(&mut file, bytes, suspect)?));
        };
        let key = (path.to_path_buf(), bytes, modified);
        let mut cached = cache().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, footer)) = cached.iter().find(|(other, _)| *other == key) {
            return Ok(Arc::clone(footer));
        }
        drop(cached);
        let footer = Arc::new(Footer::read(&mut file, bytes, suspect)?);
        cached = cache().lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHED {
            cached.pop_front();
        }
        cached.push_back((key, Arc::clone(&footer)));
        Ok(footer)
    }

    fn read(file: &mut Handle, bytes: u64, suspect: &Suspect) -> Result<Footer> {
        check_footer(file, bytes, suspect)?;
        let footer = suspect.part("its footer");
        let all = Chunk::of_file(suspect.open()?, bytes);
        let metadata = guard(&footer, || {
            ParquetMetaDataReader::new().parse_and_finish(&all)
        })
        .map_err(|error| plain_words(error, suspect))?;
        guard(&footer, || check_chunks(&metadata, bytes))?;
        let blocks = guard(&footer, || Blocks::of(&metadata, bytes))?;
        let tail = match &blocks {
            Some(blocks) => {
                let length = (bytes - blocks.end()) as usize;
                Some(blocks.tail(&read_at(file, blocks.end(), length, suspect)?))
            }
            None => None,
        };
        let metadata = guard(&footer, || with_our_types(Arc::new(metadata)))?;
        Ok(Footer {
            metadata,
            bytes,
            blocks: blocks.map(Arc::new),
            tail,
            with_pages: OnceLock::new(),
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The footer with the page index, if there is one.
    pub(super) fn with_pages(&self, suspect: &Suspect) -> Result<&ArrowReaderMetadata> {
        if let Some(read) = self.with_pages.get() {
            return Ok(read);
        }
        let suspect = suspect.part("its page index");
        let mut file = suspect.open()?;
        if !check_indexes(&mut file, self.bytes, self.metadata.metadata(), &suspect)? {
            return Ok(&self.metadata);
        }
        let read = guard(&suspect, || {
            let plain = ParquetMetaData::clone(self.metadata.metadata());
            let mut reader = ParquetMetaDataReader::new_with_metadata(plain)
                .with_page_index_policy(PageIndexPolicy::Optional);
            reader.read_page_indexes(&Chunk::of_file(file, self.bytes))?;
            let options = ArrowReaderOptions::new().with_schema(Arc::clone(self.schema()));
            ArrowReaderMetadata::try_new(Arc::new(reader.finish()?), options)
        })?;
        Ok(self.with_pages.get_or_init(|| read))
    }

    /// The page index if it has been read, else the footer without it.
    pub(super) fn best(&self) -> &ArrowReaderMetadata {
        self.with_pages.get().unwrap_or(&self.metadata)
    }
}

/// Bytes of the file from `start`; fewer than `length` at its end.
pub(super) fn read_at(
    file: &mut Handle,
    start: u64,
    length: usize,
    suspect: &Suspect,
) -> Result<Vec<u8>> {
    file.read_at(start, length as u64)
        .map_err(|error| suspect.io(&error))
}

/// The footer's length lies inside the file and every list in it inside the footer.
fn check_footer(file: &mut Handle, bytes: u64, suspect: &Suspect) -> Result<()> {
    if bytes < 12 {
        return Err(suspect.damaged(format!("{bytes} bytes are too few for a Parquet file")));
    }
    let tail = read_at(file, bytes - 8, 8, suspect)?;
    let (length, magic) = match tail.as_slice() {
        [a, b, c, d, magic @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), magic),
        _ => return Err(suspect.damaged("it became shorter while it was read")),
    };
    if magic == b"PARE" {
        return Err(encrypted(suspect));
    }
    if magic != b"PAR1" {
        return Err(suspect.damaged("it does not end as a Parquet file does (cut off?)"));
    }
    if u64::from(length) + 12 > bytes {
        return Err(suspect.damaged(format!(
            "its footer has {length} bytes, the file only {bytes}"
        )));
    }
    let footer = read_at(
        file,
        bytes - 8 - u64::from(length),
        length as usize,
        suspect,
    )?;
    thrift::walk(&footer, &mut |_, _| {})
        .map_err(|_| suspect.damaged("its footer cannot be read"))?;
    Ok(())
}

/// The column chunks lie inside the file and the row counts agree.
fn check_chunks(metadata: &ParquetMetaData, bytes: u64) -> Result<(), String> {
    let mut rows = 0_i64;
    let leaves = metadata.file_metadata().schema_descr().num_columns();
    for group in metadata.row_groups() {
        if group.num_rows() < 0 || group.num_columns() != leaves {
            return Err("a row group contradicts the schema".to_string());
        }
        rows = rows.saturating_add(group.num_rows());
        for chunk in group.columns() {
            let (start, length) = chunk.byte_range();
            if start.checked_add(length).is_none_or(|end| end > bytes) {
                return Err(format!(
                    "column {} lies beyond the end of the file",
                    chunk.column_path()
                ));
            }
            if chunk.uncompressed_size() < 0 || chunk.num_values() < 0 {
                return Err(format!(
                    "column {} has a negative size",
                    chunk.column_path()
                ));
            }
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(format!(
            "it promises {} rows, its row groups {rows}",
            metadata.file_metadata().num_rows()
        ));
    }
    Ok(())
}

/// Every list of the page index lies inside it. False where there is no index, or its parts lie so far apart that reading from
/// the first to the last would be reading the file.
fn check_indexes(
    file: &mut Handle,
    bytes: u64,
    metadata: &ParquetMetaData,
    suspect: &Suspect,
) -> Result<bool> {
    let mut parts = Vec::new();
    for chunk in metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
    {
        let places = [
            (chunk.column_index_offset(), chunk.column_index_length()),
            (chunk.offset_index_offset(), chunk.offset_index_length()),
        ];
        for (offset, length) in places {
            let (Some(offset), Some(length)) = (offset, length) else {
                continue;
            };
            let part = u64::try_from(offset).ok().zip(u64::try_from(length).ok());
            let part = part.filter(|(start, length)| start.saturating_add(*length) <= bytes);
            parts.push(part.ok_or_else(|| suspect.damaged("it lies beyond the end of the file"))?);
        }
    }
    let start = parts
        .iter()
        .map(|(start, _)| *start)
        .min()
        .unwrap_or_default();
    let end = parts
        .iter()
        .map(|(start, length)| start + length)
        .max()
        .unwrap_or_default();
    let sum: u64 = parts.iter().map(|(_, length)| *length).sum();
    if parts.is_empty() || end - start > sum.saturating_add(SCATTERED) {
        return Ok(false);
    }
    let index = read_at(file, start, (end - start) as usize, suspect)?;
    for (at, length) in parts {
        let at = (at - start) as usize;
        let part = index.get(at..at + length as usize);
        part.and_then(|part| thrift::walk(part, &mut |_, _| {}).ok())
            .ok_or_else(|| suspect.damaged("it cannot be read"))?;
    }
    Ok(true)
}

/// Names what the reader does not support, rather than calling the file damaged.
fn plain_words(error: crate::error::Error, suspect: &Suspect) -> crate::error::Error {
    if error.message().to_ascii_lowercase().contains("encrypt") {
        return encrypted(suspect);
    }
    error
}

fn encrypted(suspect: &Suspect) -> crate::error::Error {
    suspect
        .error("the file is encrypted, which is not supported")
        .hint("write it without encryption")
}

/// The columns with the types the engine works with: text and bytes as views, dictionaries as their values, and the old 96-bit
/// timestamps in microseconds, since nanoseconds cannot reach all of their years.
fn with_our_types(metadata: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata, ParquetError> {
    let stored = ArrowReaderMetadata::try_new(Arc::clone(&metadata), ArrowReaderOptions::new())?;
    let parquet = metadata.file_metadata().schema_descr();
    let fields: Fields = stored
        .schema()
        .fields()
        .iter()
        .enumerate()
        .map(|(root, field)| {
            let old_timestamp = parquet
                .root_schema()
                .get_fields()
                .get(root)
                .is_some_and(|root| {
                    root.is_primitive() && root.get_physical_type() == PhysicalType::INT96
                });
            let kind = match field.data_type() {
                DataType::Timestamp(TimeUnit::Nanosecond, zone) if old_timestamp => {
                    DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
                }
                kind => our_type(kind),
            };
            Arc::new(Field::clone(field).with_data_type(kind))
        })
        .collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(metadata, options)
}

/// Inside lists and structs text stays as it is: only dictionaries go.
fn our_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, value) => our_type(value),
        kind => without_dictionaries(kind),
    }
}
