//! Page headers, read once and before a decoder allocates what they promise; from then on it is known where each page lies.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::basic::{Encoding, Type as PhysicalType};
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

    /// The pages of a chunk that was checked, in order.
    pub(super) fn stored_pages(&self, group: usize, leaf: usize) -> Arc<[StoredPage]> {
        let checked = self.checked();
        let chunk = checked.get(&(group, leaf));
        chunk.map_or_else(|| Arc::from([]), |chunk| Arc::clone(&chunk.pages))
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
    pages: Arc<[StoredPage]>,
    checksums: Arc<Checksums>,
}

/// A page as it lies in the file.
#[derive(Debug, Clone)]
pub(super) struct StoredPage {
    /// Where its bytes begin, behind its header.
    pub(super) start: u64,
    pub(super) bytes: usize,
    /// Bytes when it is decompressed.
    pub(super) uncompressed: usize,
    /// Values of a dictionary; rows of a flat column's data page.
    pub(super) values: usize,
    pub(super) kind: PageKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    Dictionary,
    /// A data page of the first version.
    First {
        encoding: Encoding,
        levels: Encoding,
    },
    /// A data page of the second version, whose levels come first and are not compressed.
    Second {
        encoding: Encoding,
        /// Bytes of the repetition and of the definition levels.
        repetition: usize,
        definition: usize,
        is_compressed: bool,
    },
}

/// What a page header says.
#[derive(Default)]
struct Header {
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    checksum: Option<i64>,
    /// Of a dictionary, or of a data page.
    dictionary_values: i64,
    values: i64,
    /// Those of a data page's values and definition levels.
    encoding: Option<i64>,
    level_encoding: Option<i64>,
    /// Bytes of the second version's levels.
    definition: i64,
    repetition: i64,
    is_uncompressed: bool,
}

/// The encodings of numbers into a dictionary, as headers have them.
const INDICES: [i64; 2] = [2, 8];

/// The kinds of pages, as headers have them.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_OF_SECOND_VERSION: i64 = 3;

impl Header {
    fn take(&mut self, path: &[i64], value: i64) {
        match path {
            [1] => self.kind = value,
            [2] => self.uncompressed = value,
            [3] => self.compressed = value,
            [4] => self.checksum = Some(value),
            [5 | 8, 1] => self.values = value,
            [5, 2] | [8, 4] => self.encoding = Some(value),
            [5, 3] => self.level_encoding = Some(value),
            [7, 1] => self.dictionary_values = value,
            [8, 5] => self.definition = value,
            [8, 6] => self.repetition = value,
            [8, 7] => self.is_uncompressed = value == 0,
            _ => {}
        }
    }

    /// The page whose bytes begin at `start`; nothing where it is of a kind that readers pass over.
    fn page(&self, start: u64) -> Option<Result<StoredPage, &'static str>> {
        const IMPLAUSIBLE: &str = "has a header that cannot be";
        let size = |value: i64| usize::try_from(value).map_err(|_| IMPLAUSIBLE);
        let known = |value: Option<i64>| value.and_then(encoding).ok_or(IMPLAUSIBLE);
        let kind = match self.kind {
            DICTIONARY => Ok(PageKind::Dictionary),
            DATA => known(self.encoding).and_then(|encoding| {
                let levels = known(self.level_encoding)?;
                Ok(PageKind::First { encoding, levels })
            }),
            DATA_OF_SECOND_VERSION => known(self.encoding).and_then(|encoding| {
                Ok(PageKind::Second {
                    encoding,
                    repetition: size(self.repetition)?,
                    definition: size(self.definition)?,
                    is_compressed: !self.is_uncompressed,
                })
            }),
            _ => return None,
        };
        Some(kind.and_then(|kind| {
            Ok(StoredPage {
                start,
                bytes: size(self.compressed)?,
                uncompressed: size(self.uncompressed)?,
                values: size(match kind {
                    PageKind::Dictionary => self.dictionary_values,
                    _ => self.values,
                })?,
                kind,
            })
        }))
    }
}

/// The encoding of this number, as headers have it.
fn encoding(number: i64) -> Option<Encoding> {
    #[expect(deprecated, reason = "old writers used it")]
    let bit_packed = Encoding::BIT_PACKED;
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        4 => bit_packed,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

/// Walks from page to page: each lies inside its chunk and promises no more than the chunk does.
fn check_chunk(
    read: &mut dyn FnMut(u64, usize) -> Result<Bytes>,
    chunk: &ColumnChunkMetaData,
    suspect: &Suspect,
) -> Result<CheckedChunk> {
    let (start, length) = chunk.byte_range();
    let end = start + length;
    let column = chunk.column_path();
    let damaged = |what: &str| suspect.damaged(format!("a page of column {column} {what}"));
    let mut position = start;
    let mut promised = 0_i64;
    let mut has_only_indices = true;
    let mut pages = Vec::new();
    let mut checksums = Checksums::new(column.string());
    while position < end {
        let (header, length) = header_at(read, position, end, suspect)?;
        promised = promised.saturating_add(header.uncompressed);
        has_only_indices &= header
            .encoding
            .is_none_or(|encoding| INDICES.contains(&encoding));
        let start = position + length as u64;
        let after = u64::try_from(header.compressed)
            .ok()
            .and_then(|bytes| start.checked_add(bytes))
            .filter(|after| *after <= end);
        let after = after.ok_or_else(|| damaged("is cut off"))?;
        let least = least_bytes(chunk.column_type());
        if header.uncompressed < 0
            || promised > chunk.uncompressed_size().saturating_add(SLACK)
            || header.dictionary_values.saturating_mul(least) > header.uncompressed
        {
            return Err(damaged("promises too much"));
        }
        if let Some(page) = header.page(start) {
            pages.push(page.map_err(damaged)?);
        }
        if let Some(checksum) = header.checksum {
            checksums.add((start, after - start), checksum);
        }
        position = after;
    }
    Ok(CheckedChunk {
        has_only_indices,
        pages: pages.into(),
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
        match thrift::walk(&bytes, &mut |path, value| header.take(path, value)) {
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
