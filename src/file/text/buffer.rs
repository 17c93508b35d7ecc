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
    bytes: Vec<u8>,
    /// Where `bytes` starts in the decompressed file.
    base: u64,
    /// Behind this place of the file only small pieces are read.
    unit_end: u64,
    at_end: bool,
}

impl TextBuffer {
    pub(in crate::file) fn open(input: &Input, start: u64, unit_end: u64) -> Result<TextBuffer> {
        Ok(TextBuffer {
            input: input.clone(),
            reader: input.reader(start)?,
            bytes: Vec::new(),
            base: start,
            unit_end,
            at_end: false,
        })
    }

    pub(in crate::file) fn bytes(&self) -> &[u8] {
        &self.bytes
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
        if count == 0 {
            return;
        }
        let rest = self.bytes.len() - count;
        self.bytes.copy_within(count.., 0);
        self.bytes.truncate(rest);
        self.base += count as u64;
    }

    /// Reads another piece. The pieces grow with what is held, so that a long record costs no more than its length.
    pub(in crate::file) fn more(&mut self) -> Result<()> {
        let filled = self.base + self.bytes.len() as u64;
        let piece = match self.unit_end.saturating_sub(filled) {
            0 => TAIL_PIECE.max(self.bytes.len() / 2),
            rest => usize::try_from(rest)
                .unwrap_or(PIECE)
                .min(PIECE.max(self.bytes.len() / 2)),
        };
        self.bytes.reserve(piece);
        let mut left = piece;
        while left > 0 {
            let mut limited = self.reader.by_ref().take(left as u64);
            match limited.read_to_end(&mut self.bytes) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(count) => left -= count,
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) => return Err(self.input.io_error(&error)),
            }
        }
        Ok(())
    }
}
