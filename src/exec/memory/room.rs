//! What one holder has of its operator's share.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::execution::memory_pool::MemoryReservation;

use super::{Share, limit_reached};
use crate::error::Result;

/// A holder with less than this part of what it may have is not told to write it out: files would be many and small.
const SMALL_PART: usize = 8;

/// What one holder, mostly a worker, has of its operator's share.
#[derive(Debug)]
pub(crate) struct Room {
    share: Arc<Share>,
    memory: MemoryReservation,
}

impl Room {
    pub(crate) fn new(share: &Arc<Share>) -> Self {
        share.holders.fetch_add(1, Ordering::Relaxed);
        Room {
            memory: share.reserve(),
            share: Arc::clone(share),
        }
    }

    pub(crate) fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Room for `bytes` more, if there is any. If not, the holder is to write out what it has and to [`empty`](Self::empty) the
    /// room.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        if self.share.limit().is_none() {
            self.memory.grow(bytes);
            return true;
        }
        let held = self.memory.size();
        let part = self.share.fair_part();
        if held + bytes <= part && self.memory.try_grow(bytes).is_ok() {
            return true;
        }
        let is_small = held + bytes <= part / SMALL_PART;
        if is_small {
            self.memory.grow(bytes);
        }
        is_small
    }

    /// The same for what cannot be written out before it was held: an empty room takes it unless it is beyond the whole budget.
    pub(crate) fn try_grow(&self, bytes: usize) -> Result<bool> {
        if self.has_room(bytes) {
            return Ok(true);
        }
        if self.memory.size() > 0 {
            return Ok(false);
        }
        match self.share.limit() {
            Some(limit) if bytes > limit => Err(limit_reached(self.share.name, Some(limit))),
            _ => {
                self.memory.grow(bytes);
                Ok(true)
            }
        }
    }

    /// Makes the room `bytes` large, if it can be. `false` as for [`has_room`](Self::has_room).
    pub(crate) fn has_room_in_all(&self, bytes: usize) -> bool {
        let held = self.memory.size();
        if bytes > held {
            return self.has_room(bytes - held);
        }
        self.memory.shrink(held - bytes);
        true
    }

    /// Counts what is there, whatever it is.
    pub(crate) fn resize(&self, bytes: usize) {
        self.memory.resize(bytes);
    }

    /// Counts what is needed to go on at all: a few batches.
    pub(crate) fn grow(&self, bytes: usize) {
        self.memory.grow(bytes);
    }

    pub(crate) fn shrink(&self, bytes: usize) {
        self.memory.shrink(bytes.min(self.memory.size()));
    }

    pub(crate) fn empty(&self) {
        self.memory.free();
    }

    /// Hands over what is held, to be counted until it is dropped.
    pub(crate) fn take(&mut self) -> MemoryReservation {
        self.memory.take()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.share.holders.fetch_sub(1, Ordering::Relaxed);
    }
}
