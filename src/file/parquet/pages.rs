//! Page headers, read before a decoder allocates what they promise.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ColumnChunkMetaData;

use super::checksums::Checksums;
use super::footer::read_at;
use super::{ParquetFile, thrift};
use crate::error::Result;
use crate::file::guard::Suspect;

/// Bytes that hold most page headers; a longer one is read again with more.
const HEADER: usize = 256;
const HEADER_MAX: usize = 16 * 1024 * 1024;

/// By so much a writer may have miscounted its bytes.
const SLACK: i64 = 1 << 20;

impl ParquetFile {
    /// Checks the pages of the columns (by position in the schema) in a row group, once. `read` gives bytes of a leaf's chunk, from
    /// a place in the file on, fewer than asked for at its end.
    pub(super) fn check_pages(
        &self,
        group: usize,
        columns: &[usize],
        suspect: &Suspect,
        mut read: impl FnMut(usize, u64, usize) -> Result<Bytes>,
    ) -> Result<()> {
        let metadata = &self.footer.metadata;
        let parquet = metadata.parquet_schema();
        let chunks = metadata.metadata().row_group(group).columns();
        for (leaf, chunk) in chunks.iter().enumerate() {
            if columns
                .binary_search(&parquet.get_column_root_idx(leaf))
                .is_err()
            {
                continue;
            }
            let key = (group, leaf);
            let known = self.checked().contains_key(&key);
            if !known {
                let read = &mut |start, length| read(leaf, start, length);
                let checked = check_chunk(read, chunk, suspect)?;
                self.checked().insert(key, checked);
            }
        }
        Ok(())
    }

    fn checked(&self) -> MutexGuard<'_, HashMap<(usize, usize), CheckedChunk>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The checksums of a chunk that was checked, where it has some.
    pub(super) fn checksums(&self, group: usize, leaf: usize) -> Option<Arc<Checksums>> {
        let checked = self.checked();
        let checksums = &checked.get(&(group, leaf))?.checksums;
        (!checksums.is_empty()).then(|| Arc::clone(checksums))
    }

    /// Whether every data page of a chunk that was checked holds numbers into its dictionary.
    pub(super) fn has_only_indices(&self, group: usize, leaf: usize) -> bool {
        let checked = self.checked();
        let chunk = checked.get(&(group, leaf));
        chunk.is_some_and(|chunk| chunk.has_only_indices)
    }
}

impl ParquetFile {
    /// How many values the dictionary of a column (by position in the schema) has in the first row group, and the rows of that
    /// group. Damage is for the reader to find.
    pub(super) fn first_dictionary(&self, column: usize) -> Option<(u64, u64)> {
        if self.suspect.source.is_remote() {
            // A guess is not worth a question to another machine.
            return None;
        }
        let metadata = &self.footer.metadata;
        let group = metadata.metadata().row_groups().first()?;
        let parquet = metadata.parquet_schema();
        let is_of = |leaf: &usize| parquet.get_column_root_idx(*leaf) == column;
        let mut leaves = (0..group.num_columns()).filter(is_of);
        let (leaf, None) = (leaves.next()?, leaves.next()) else {
            return None;
        };
        let chunk = group.column(leaf);
        let position = u64::try_from(chunk.dictionary_page_offset()?).ok()?;
        let (start, length) = chunk.byte_range();
        let mut file = self.suspect.open().ok()?;
        let mut read =
            |start, length| read_at(&mut file, start, length, &self.suspect).map(Bytes::from);
        let (header, _) = header_at(&mut read, position, start + length, &self.suspect).ok()?;
        let values = u64::try_from(header.dictionary_values).ok()?;
        Some((values, u64::try_from(group.num_rows()).ok()?))
    }
}

/// What the page headers of a column chunk say.
#[derive(Debug)]
pub(super) struct CheckedChunk {
    /// Every data page holds numbers into the dictionary.
    has_only_indices: bool,
    checksums: Arc<Checksums>,
}

/// What a page header says.
#[derive(Default)]
struct Header {
    uncompressed: i64,
    compressed: i64,
    checksum: Option<i64>,
    dictionary_values: i64,
    /// That of a data page's values.
    encoding: Option<i64>,
}

/// The encodings of numbers into a dictionary, as headers have them.
const INDICES: [i64; 2] = [2, 8];

/// Walks from page to page: each lies inside its chunk and promises no more than the chunk does.
fn check_chunk(
    read: &mut dyn FnMut(u64, usize) -> Result<Bytes>,
    chunk: &ColumnChunkMetaData,
    suspect: &Suspect,
) -> Result<CheckedChunk> {
    let (start, length) = chunk.byte_range();
    let end = start + length;
    let column = chunk.column_path();
    let mut position = start;
    let mut promised = 0_i64;
    let mut has_only_indices = true;
    let mut checksums = Checksums::new(column.string());
    while position < end {
        let (header, length) = header_at(read, position, end, suspect)?;
        promised = promised.saturating_add(header.uncompressed);
        has_only_indices &= header
            .encoding
            .is_none_or(|encoding| INDICES.contains(&encoding));
        let after = u64::try_from(header.compressed)
            .ok()
            .and_then(|bytes| (position + length as u64).checked_add(bytes))
            .filter(|after| *after <= end);
        let Some(after) = after else {
            return Err(suspect.damaged(format!("a page of column {column} is cut off")));
        };
        let least = least_bytes(chunk.column_type());
        if header.uncompressed < 0
            || promised > chunk.uncompressed_size().saturating_add(SLACK)
            || header.dictionary_values.saturating_mul(least) > header.uncompressed
        {
            return Err(suspect.damaged(format!("a page of column {column} promises too much")));
        }
        if let Some(checksum) = header.checksum {
            let start = position + length as u64;
            checksums.add((start, after - start), checksum);
        }
        position = after;
    }
    Ok(CheckedChunk {
        has_only_indices,
        checksums: Arc::new(checksums),
    })
}

fn header_at(
    read: &mut dyn FnMut(u64, usize) -> Result<Bytes>,
    position: u64,
    end: u64,
    suspect: &Suspect,
) -> Result<(Header, usize)> {
    let mut window = HEADER;
    loop {
        let most = end.saturating_sub(position) as usize;
        let bytes = read(position, window.min(most))?;
        let mut header = Header::default();
        let length = thrift::walk(&bytes, &mut |parent, field, value| match (parent, field) {
            (0, 2) => header.uncompressed = value,
            (0, 3) => header.compressed = value,
            (0, 4) => header.checksum = Some(value),
            (7, 1) => header.dictionary_values = value,
            // Of the first version, and of the second. (What comes later under the same numbers is of its statistics.)
            (5, 2) | (8, 4) => _ = header.encoding.get_or_insert(value),
            _ => {}
        });
        match length {
            Ok(length) => return Ok((header, length)),
            Err(thrift::Broken::Short) if bytes.len() == window && window < HEADER_MAX => {
                window *= 16;
            }
            Err(_) => return Err(suspect.damaged("a page header cannot be read")),
        }
    }
}

/// Bytes that a value in a dictionary takes at least.
fn least_bytes(kind: PhysicalType) -> i64 {
    match kind {
        PhysicalType::BOOLEAN | PhysicalType::FIXED_LEN_BYTE_ARRAY => 0,
        PhysicalType::INT32 | PhysicalType::FLOAT | PhysicalType::BYTE_ARRAY => 4,
        PhysicalType::INT64 | PhysicalType::DOUBLE => 8,
        PhysicalType::INT96 => 12,
    }
}
