//! Checksums of a file's bytes, kept in the file itself: a bit that flipped is found by whoever reads it.
//!
//! Parquet's own checksums are rarely written, and most decoders cannot tell a wrong value from a right one. A file of ours has the
//! checksums of its blocks, up to where its footer begins, in the footer's settings, of which other readers take no notice; the
//! checksum of what comes behind is kept by whoever made the file (a table's log).

use std::hash::Hasher;

use bytes::Bytes;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use twox_hash::XxHash64;

/// The name of the setting: where the blocks end, then 8 digits for each.
const SETTING: &str = "tidemill.blocks";

/// Bytes of a block.
const BLOCK_BYTES: u64 = 64 << 10;

const DIGITS: usize = 8;

/// Checksums while a file is written.
#[derive(Debug)]
pub(crate) struct BlockHasher {
    bytes: u64,
    block: XxHash64,
    digits: String,
    /// Of what is behind the blocks, once they have ended: where that begins.
    tail: Option<(u64, XxHash64)>,
}

impl BlockHasher {
    pub(crate) fn new() -> Self {
        BlockHasher {
            bytes: 0,
            block: XxHash64::with_seed(0),
            digits: String::new(),
            tail: None,
        }
    }

    /// These bytes come next.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) {
        if let Some((_, tail)) = &mut self.tail {
            tail.write(bytes);
            return;
        }
        while !bytes.is_empty() {
            let room = (BLOCK_BYTES - self.bytes % BLOCK_BYTES) as usize;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.write(now);
            self.bytes += now.len() as u64;
            if self.bytes.is_multiple_of(BLOCK_BYTES) {
                self.close();
            }
            bytes = later;
        }
    }

    fn close(&mut self) {
        let block = std::mem::replace(&mut self.block, XxHash64::with_seed(0));
        self.digits.push_str(&digits(block.finish()));
    }

    /// The blocks end here; what the footer is to say of them.
    pub(crate) fn end(&mut self) -> KeyValue {
        if !self.bytes.is_multiple_of(BLOCK_BYTES) {
            self.close();
        }
        self.tail = Some((self.bytes, XxHash64::with_seed(0)));
        let value = format!("{}:{}", self.bytes, self.digits);
        KeyValue::new(SETTING.to_string(), value)
    }

    /// The checksum of everything behind the blocks, as [`Tail`] has it.
    pub(crate) fn tail(&self) -> Option<String> {
        let (start, hash) = self.tail.as_ref()?;
        Some(tail(*start, hash.finish()))
    }
}

fn digits(hash: u64) -> String {
    format!("{:08x}", hash >> 32)
}

fn tail(start: u64, hash: u64) -> String {
    format!("{start}-{hash:016x}")
}

/// The checksums that a file says its blocks have.
#[derive(Debug)]
pub(super) struct Blocks {
    end: u64,
    digits: String,
}

impl Blocks {
    /// What the footer says; `None` where it says nothing, an error where that cannot be.
    pub(super) fn of(metadata: &ParquetMetaData, bytes: u64) -> Result<Option<Self>, String> {
        let settings = metadata.file_metadata().key_value_metadata();
        let mut settings = settings.into_iter().flatten();
        let Some(setting) = settings.find(|setting| setting.key == SETTING) else {
            return Ok(None);
        };
        let value = setting.value.as_deref().unwrap_or_default();
        let blocks = value.split_once(':').and_then(|(end, digits)| {
            let end: u64 = end.parse().ok().filter(|end| *end <= bytes)?;
            let blocks = usize::try_from(end.div_ceil(BLOCK_BYTES)).ok()?;
            let fits = digits.is_ascii() && digits.len() == blocks.checked_mul(DIGITS)?;
            fits.then(|| Blocks {
                end,
                digits: digits.to_string(),
            })
        });
        let blocks = blocks.ok_or("the checksums of its blocks cannot be read")?;
        Ok(Some(blocks))
    }

    /// What is behind the blocks begins here.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// As [`BlockHasher::tail`] said it, of these bytes.
    pub(super) fn tail(&self, bytes: &[u8]) -> String {
        tail(self.end, XxHash64::oneshot(0, bytes))
    }

    /// Bytes of the file that are as they were written; `read` gives bytes from a place on, fewer at the end of the file.
    pub(super) fn read<E: From<Changed>>(
        &self,
        start: u64,
        length: u64,
        read: impl FnOnce(u64, u64) -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let end = start.saturating_add(length).min(self.end);
        if start >= end {
            return read(start, length);
        }
        let first = start / BLOCK_BYTES;
        let from = first * BLOCK_BYTES;
        let to = end.next_multiple_of(BLOCK_BYTES).min(self.end);
        let bytes = read(from, to - from)?;
        for (block, bytes) in bytes.chunks(BLOCK_BYTES as usize).enumerate() {
            let place = (first as usize + block) * DIGITS;
            let known = self.digits.get(place..place + DIGITS);
            if known != Some(digits(XxHash64::oneshot(0, bytes)).as_str()) {
                return Err(Changed.into());
            }
        }
        let skip = (start - from) as usize;
        if bytes.len() as u64 != to - from {
            return Err(Changed.into());
        }
        Ok(bytes.slice(skip..skip + (end - start) as usize))
    }
}

/// Bytes are not those that were written.
#[derive(Debug)]
pub(super) struct Changed;

impl From<Changed> for parquet::errors::ParquetError {
    fn from(_: Changed) -> Self {
        parquet::errors::ParquetError::General(CHANGED.to_string())
    }
}

const CHANGED: &str = "its bytes are not those that were written";
