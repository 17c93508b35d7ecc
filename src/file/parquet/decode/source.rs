//! The bytes of a column chunk: read by pieces, each once.

use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};

use super::super::blocks::Blocks;
use super::super::checksums::Checksums;
use crate::store::ReadAt;

/// Bytes read at once, where most of a chunk is wanted: a piece should still be in a processor's cache when it is decompressed.
const PIECE: u64 = 512 * 1024;

/// Of a file on another machine so much of a chunk is read at once, whatever is wanted of it: one question is faster than many.
const REMOTE_PIECE: u64 = 64 * 1024 * 1024;

/// Where a file's bytes come from.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    pub(super) bytes_of: Arc<dyn ReadAt>,
    /// What its bytes are held to, where that is known.
    pub(super) blocks: Option<Arc<Blocks>>,
}

impl Bodies {
    /// Bytes that are as they were written, where the file says what that is; fewer at the end of the file.
    fn read(&self, start: u64, length: u64) -> Result<Bytes> {
        let read = |start, length| Ok(self.bytes_of.read_at(start, length)?);
        match &self.blocks {
            Some(blocks) => blocks.read(start, length, read),
            None => read(start, length),
        }
    }
}

/// A column chunk in a file.
#[derive(Debug)]
pub(super) struct Source {
    bodies: Bodies,
    /// What its pages are held to, where they have checksums.
    checksums: Option<Arc<Checksums>>,
    end: u64,
    /// Most of the chunk is wanted.
    all: bool,
    is_remote: bool,
    /// What was read last, and where that starts in the file.
    held: (u64, Bytes),
}

impl Source {
    /// The chunk at `start`; `all` if most of it is wanted.
    pub(super) fn new(bodies: &Bodies, (start, length): (u64, u64), all: bool) -> Self {
        Source {
            is_remote: bodies.bytes_of.is_remote(),
            bodies: bodies.clone(),
            checksums: None,
            end: start.saturating_add(length),
            all,
            held: (start, Bytes::new()),
        }
    }

    /// From now on pages are held to these.
    pub(super) fn expect(&mut self, checksums: Option<Arc<Checksums>>) {
        self.checksums = checksums;
    }

    /// At most `length` bytes from `start` on, before anything is known of pages.
    pub(super) fn peek(&mut self, start: u64, length: usize) -> Result<Bytes> {
        let length = (length as u64).min(self.end.saturating_sub(start));
        let rest = self.end.saturating_sub(start);
        let at_once = match self.is_remote {
            true => rest <= REMOTE_PIECE,
            false => self.all && rest <= PIECE,
        };
        match at_once {
            true => self.piece(start, length, rest),
            false => match self.held(start, length) {
                Some(bytes) => Ok(bytes),
                None => self.bodies.read(start, length),
            },
        }
    }

    /// A page: `length` bytes from `start` on. `ends` are where the pages behind it end, which are read with it where that pays.
    pub(super) fn page(
        &mut self,
        start: u64,
        length: usize,
        ends: impl Iterator<Item = u64>,
    ) -> Result<Bytes> {
        let ahead = match self.all {
            _ if self.is_remote => Some(self.end.min(start.saturating_add(REMOTE_PIECE))),
            false => None,
            true => ends.take_while(|end| end - start <= PIECE).last(),
        };
        let most = ahead.map_or(length as u64, |end| end - start);
        let bytes = self.piece(start, length as u64, most.max(length as u64))?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("a page is cut off".to_string()));
        }
        if let Some(checksums) = &self.checksums {
            checksums.check(start, &bytes)?;
        }
        Ok(bytes)
    }

    /// At most `length` bytes from `start` on; if they must be read, then `most` with them.
    fn piece(&mut self, start: u64, length: u64, most: u64) -> Result<Bytes> {
        if let Some(bytes) = self.held(start, length) {
            return Ok(bytes);
        }
        // The memory of the last piece serves the next.
        self.held = (start, Bytes::new());
        let bytes = self.bodies.read(start, most)?;
        let wanted = bytes.slice(..bytes.len().min(length as usize));
        self.held = (start, bytes);
        Ok(wanted)
    }

    fn held(&self, start: u64, length: u64) -> Option<Bytes> {
        let (from, bytes) = &self.held;
        let skip = usize::try_from(start.checked_sub(*from)?).ok()?;
        let end = skip.checked_add(usize::try_from(length).ok()?)?;
        (end <= bytes.len()).then(|| bytes.slice(skip..end))
    }
}
