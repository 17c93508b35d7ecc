//! A file as the parquet crate's decoder reads it: by pieces from the place where it is, held to what the file says its bytes are.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::blocks::Blocks;
use super::checksums::Checksums;
use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::file::source::Handle;
use crate::store::ReadAt;

/// Bytes read at once at least.
const PIECE: u64 = 64 * 1024;
/// The same of a file on another machine: few questions are faster than many.
const REMOTE_PIECE: u64 = 1024 * 1024;

/// A part of a file.
#[derive(Debug)]
pub(super) struct Chunk {
    file: Arc<dyn ReadAt>,
    /// What its bytes are held to, where that is known.
    blocks: Option<Arc<Blocks>>,
    /// What its pages are held to, once they are known.
    checksums: OnceLock<Vec<Arc<Checksums>>>,
    end: u64,
    piece: u64,
    /// What was read last, and where that starts in the file.
    held: Mutex<(u64, Bytes)>,
}

impl Chunk {
    /// The `length` bytes from `start` on.
    pub(super) fn new(
        file: &Arc<dyn ReadAt>,
        blocks: Option<&Arc<Blocks>>,
        (start, length): (u64, u64),
    ) -> Self {
        Chunk {
            file: Arc::clone(file),
            blocks: blocks.cloned(),
            checksums: OnceLock::new(),
            end: start + length,
            piece: match file.is_remote() {
                true => REMOTE_PIECE,
                false => PIECE,
            },
            held: Mutex::new((start, Bytes::new())),
        }
    }

    /// A whole file, of which parts are wanted.
    pub(super) fn of_file(file: Handle, bytes: u64) -> Self {
        Chunk {
            // What is asked for is near its end, and lies apart.
            piece: PIECE,
            ..Chunk::new(
                &(Arc::new(Mutex::new(file)) as Arc<dyn ReadAt>),
                None,
                (0, bytes),
            )
        }
    }

    /// From now on pages are held to these.
    pub(super) fn expect(&self, checksums: impl IntoIterator<Item = Arc<Checksums>>) {
        self.checksums
            .get_or_init(|| checksums.into_iter().collect());
    }

    /// Bytes from `start` on: `length` at least, unless the chunk ends before.
    fn from(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut held = lock(&self.held);
        let skipped = start.checked_sub(held.0).unwrap_or(u64::MAX);
        let wanted = (length as u64).min(self.end.saturating_sub(start));
        if skipped.saturating_add(wanted) > held.1.len() as u64 {
            let rest = self.end.saturating_sub(start);
            let length = wanted.max(self.piece).min(rest);
            let bytes = checked(self.file.as_ref(), self.blocks.as_deref(), start, length)?;
            *held = (start, bytes);
            return Ok(held.1.clone());
        }
        Ok(held.1.slice(skipped as usize..))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are as they were written, where the file says what that is.
fn checked(file: &dyn ReadAt, blocks: Option<&Blocks>, start: u64, length: u64) -> Result<Bytes> {
    let read = |start, length| Ok(file.read_at(start, length)?);
    match blocks {
        Some(blocks) => blocks.read(start, length, read),
        None => read(start, length),
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.end
    }
}

impl ChunkReader for Chunk {
    type T = Header;

    fn get_read(&self, start: u64) -> Result<Header> {
        Ok(Header {
            bytes: self.from(start, HEADER)?,
            file: Arc::clone(&self.file),
            blocks: self.blocks.clone(),
            after: start,
            end: self.end,
        }
        .placed())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.from(start, length)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("a page is cut off".to_string()));
        }
        let bytes = bytes.slice(..length);
        let checksums = self.checksums.get().into_iter().flatten();
        for checksums in checksums {
            checksums.check(start, &bytes)?;
        }
        Ok(bytes)
    }
}

/// Most page headers have fewer bytes.
const HEADER: usize = 1024;

/// Reads a page header.
#[derive(Debug)]
pub(super) struct Header {
    bytes: Bytes,
    file: Arc<dyn ReadAt>,
    blocks: Option<Arc<Blocks>>,
    /// Where `bytes` end in the file.
    after: u64,
    end: u64,
}

impl Header {
    fn placed(mut self) -> Self {
        self.after += self.bytes.len() as u64;
        self
    }
}

impl Read for Header {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() && self.after < self.end {
            let length = PIECE.min(self.end - self.after);
            let bytes = checked(
                self.file.as_ref(),
                self.blocks.as_deref(),
                self.after,
                length,
            );
            self.bytes = bytes.map_err(io::Error::other)?;
            self.after += self.bytes.len() as u64;
        }
        let count = into.len().min(self.bytes.len());
        into[..count].copy_from_slice(&self.bytes.split_to(count));
        Ok(count)
    }
}
