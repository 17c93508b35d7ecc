//! A window that slides over the bytes of a file.

use std::io::{ErrorKind as IoErrorKind, Read};

use crate::error::Result;
use crate::file::input::Input;

/// Bytes read at once.
const PIECE: usize = 256 * 1024;

/// A batch is not held back for more rows when its text is this long.
pub(in crate::file) const LONG_BATCH: usize = 16 * PIECE;

/// The longest record: a longer one is a quote that was never closed rather than data.
pub(in crate::file) const MAX_RECORD: usize = 256 * 1024 * 1024;

/// Bytes read at once behind the end of a unit, where only the rest of one record is wanted.
const TAIL_PIECE: usize = 4 * 1024;

/// Bytes of a file from some place on: what was read and not yet consumed.
pub(in crate::file) struct TextBuffer {
    input: Input,
    reader: Box<dyn Read + Send>,
    /// Of these, `start..filled` are the file's; the rest is room. Memory that was touched once is used again.
    memory: Vec<u8>,
    start: usize,
    filled: usize,
    /// Where [`TextBuffer::bytes`] starts in the decompressed file.
    base: u64,
    /// Behind this place of the file only small pieces are read.
    unit_end: u64,
    at_end: bool,
}

impl TextBuffer {
    pub(in crate::file) fn open(input: &Input, start: u64, unit_end: u64) -> Result<TextBuffer> {
        Ok(TextBuffer {
            input: input.clone(),
            reader: input.reader_until(start, unit_end.saturating_add(TAIL_PIECE as u64))?,
            memory: input.spare(),
            start: 0,
            filled: 0,
            base: start,
            unit_end,
            at_end: false,
        })
    }

    pub(in crate::file) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.filled]
    }

    /// Where [`TextBuffer::bytes`] starts in the decompressed file.
    pub(in crate::file) fn base(&self) -> u64 {
        self.base
    }

    /// Whether the file has nothing behind [`TextBuffer::bytes`].
    pub(in crate::file) fn at_end(&self) -> bool {
        self.at_end
    }

    pub(in crate::file) fn input(&self) -> &Input {
        &self.input
    }

    /// Forgets the first `count` bytes.
    pub(in crate::file) fn consume(&mut self, count: usize) {
        self.start += count;
        self.base += count as u64;
    }

    /// Reads up to `end` of the file.
    pub(in crate::file) fn load(&mut self, end: u64) -> Result<()> {
        let held = self.base + self.bytes().len() as u64;
        self.read(usize::try_from(end.saturating_sub(held)).unwrap_or(usize::MAX))
    }

    /// Reads another piece. The pieces grow with what is held, so that a long record costs no more than its length.
    pub(in crate::file) fn more(&mut self) -> Result<()> {
        let held = self.bytes().len();
        let piece = match self.unit_end.saturating_sub(self.base + held as u64) {
            0 => TAIL_PIECE.max(held / 2),
            rest => usize::try_from(rest)
                .unwrap_or(PIECE)
                .min(PIECE.max(held / 2)),
        };
        self.read(piece)
    }

    fn read(&mut self, count: usize) -> Result<()> {
        if self.filled + count > self.memory.len() {
            self.memory.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
            if self.filled + count > self.memory.len() {
                self.memory.resize(self.filled + count, 0);
            }
        }
        let end = self.filled + count;
        while self.filled < end && !self.at_end {
            match self.reader.read(&mut self.memory[self.filled..end]) {
                Ok(0) => self.at_end = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) => return Err(self.input.io_error(&error)),
            }
        }
        Ok(())
    }
}

impl Drop for TextBuffer {
    fn drop(&mut self) {
        self.input.give_back(std::mem::take(&mut self.memory));
    }
}
