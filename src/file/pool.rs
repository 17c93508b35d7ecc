//! Memory that is used again: what is read or decompressed piece by piece goes into memory that an earlier piece has left.
//!
//! A buffer that was just used is in a cache of the processor and needs no page of the operating system, which would have to be
//! filled with zeros first: measured, that was an eighth of the time of a scan.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::source::Handle;
use crate::store::ReadAt;

/// Bytes that are kept at most while nobody uses them.
const KEPT_BYTES: usize = 6 << 20;

/// Smaller buffers are not worth keeping: the allocator does.
const LEAST: usize = 16 << 10;

/// Buffers that are free, shared by those who work on one scan.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// Exactly `length` bytes, whatever they are.
    pub(crate) fn take(self: &Arc<Self>, length: usize) -> Pooled {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = free.buffers.iter().enumerate();
        let fitting = fitting.filter(|(_, buffer)| buffer.len() >= length);
        let best = fitting.min_by_key(|(_, buffer)| buffer.len());
        // One that is far too large would be missed elsewhere.
        let best = best.filter(|(_, buffer)| length >= LEAST && buffer.len() / 2 <= length);
        let buffer = match best.map(|(place, _)| place) {
            Some(place) => {
                let buffer = free.buffers.swap_remove(place);
                free.bytes -= buffer.len();
                buffer
            }
            None => {
                drop(free);
                let rounded = match length < LEAST {
                    true => length,
                    // So that the next piece, a little longer, fits.
                    false => length.checked_next_multiple_of(64 << 10).unwrap_or(length),
                };
                vec![0; rounded]
            }
        };
        Pooled {
            buffer,
            length,
            pool: Arc::clone(self),
        }
    }
}

/// Bytes that go back into their pool.
#[derive(Debug)]
pub(crate) struct Pooled {
    buffer: Vec<u8>,
    length: usize,
    pool: Arc<Pool>,
}

impl Pooled {
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.length]
    }

    /// Only the first `length` of them.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// To be read only, by whoever has a part of them; the last one gives the memory back.
    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let mut free = self
            .pool
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if buffer.len() >= LEAST && free.bytes + buffer.len() <= KEPT_BYTES {
            free.bytes += buffer.len();
            free.buffers.push(buffer);
        }
    }
}

/// A file that is read into memory of a pool; who reads sets its place first.
#[derive(Debug)]
pub(crate) struct PooledFile {
    file: Mutex<Handle>,
    pool: Arc<Pool>,
}

impl PooledFile {
    pub(crate) fn new(file: Handle, pool: &Arc<Pool>) -> Self {
        PooledFile {
            file: Mutex::new(file),
            pool: Arc::clone(pool),
        }
    }
}

impl ReadAt for PooledFile {
    fn read_at(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut buffer = self.pool.take(length);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek_for(start, start.saturating_add(length as u64))?;
        let mut filled = 0;
        while filled < length {
            match file.read(&mut buffer.bytes_mut()[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        buffer.truncate(filled);
        Ok(buffer.freeze())
    }

    fn is_remote(&self) -> bool {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.is_remote()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_its_last_reader_is_gone() {
        let pool = Arc::new(Pool::default());
        let mut taken = pool.take(100_000);
        taken.bytes_mut().fill(7);
        let address = taken.bytes_mut().as_ptr();
        let bytes = taken.freeze();
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_ne!(pool.take(100_000).as_ref().as_ptr(), address);
        assert_eq!(part.as_ref(), [7; 10]);
        drop(part);
        let mut again = pool.take(90_000);
        assert_eq!(again.as_ref().len(), 90_000);
        again.truncate(5);
        assert_eq!(again.as_ref().len(), 5);
        assert_eq!(pool.take(0).freeze().len(), 0);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = Arc::new(Pool::default());
        let many: Vec<Pooled> = (0..40).map(|_| pool.take(1 << 20)).collect();
        drop(many);
        let kept = pool.free.lock().unwrap();
        assert_eq!(kept.bytes, KEPT_BYTES);
        assert_eq!(kept.bytes, kept.buffers.iter().map(Vec::len).sum::<usize>());
    }
}
