//! The build side as the probe side sees it: rows, index, and which rows found a partner.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arrow::buffer::NullBuffer;
use datafusion::execution::memory_pool::MemoryReservation;

use super::index::{Index, Link};
use super::members::Members;
use super::rows::BuildRows;

/// Filled by the build sink, read by every probe worker, and at the end by the source of unmatched rows.
#[derive(Debug)]
pub(crate) struct JoinTable {
    pub(super) rows: BuildRows,
    pub(super) index: Index,
    /// Values of single keys, of those that are asked for.
    parts: Vec<(usize, Members)>,
    /// Build rows that found a partner, where someone asks later.
    visited: Option<Vec<AtomicU64>>,
    /// For `NOT IN`: build rows whose key is not NULL.
    pub(super) known_keys: Option<NullBuffer>,
    /// For `NOT IN`: whether there was any probe row, and one whose key was NULL.
    pub(super) probe_seen: AtomicBool,
    pub(super) probe_null: AtomicBool,
    /// Probe workers that have not seen the end of their input.
    pub(super) probing: AtomicUsize,
    /// Held as long as the data.
    _memory: Vec<MemoryReservation>,
}

impl JoinTable {
    pub(super) fn new(
        rows: BuildRows,
        index: Index,
        parts: Vec<(usize, Members)>,
        track_visits: bool,
        known_keys: Option<NullBuffer>,
        memory: Vec<MemoryReservation>,
    ) -> Self {
        let words = (rows.len() as usize).div_ceil(64);
        JoinTable {
            visited: track_visits.then(|| (0..words).map(|_| AtomicU64::new(0)).collect()),
            rows,
            index,
            parts,
            known_keys,
            probe_seen: AtomicBool::new(false),
            probe_null: AtomicBool::new(false),
            probing: AtomicUsize::new(0),
            _memory: memory,
        }
    }

    /// The values of one key.
    pub(super) fn part(&self, key: usize) -> Option<&Members> {
        let mut parts = self.parts.iter();
        parts
            .find(|(part, _)| *part == key)
            .map(|(_, values)| values)
    }

    /// Whether what the build rows lack is known. It is not where someone downstream had enough before the last probe row;
    /// then nobody waits for the build rows either.
    pub(super) fn is_settled(&self) -> bool {
        self.probing.load(Ordering::Acquire) == 0
    }

    /// Notes that the row found a partner. Not for link zero.
    pub(super) fn visit(&self, link: Link) {
        let row = link as usize - 1;
        if let Some(visited) = &self.visited {
            let (word, bit) = (&visited[row / 64], 1 << (row % 64));
            // Reading first keeps the cache line shared: most rows are visited many times.
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn is_visited(&self, link: Link) -> bool {
        let row = link as usize - 1;
        self.visited
            .as_ref()
            .is_some_and(|visited| visited[row / 64].load(Ordering::Relaxed) >> (row % 64) & 1 == 1)
    }

    /// Notes that every row with the key of `head` found a partner.
    pub(super) fn visit_chain(&self, head: Link) {
        // Whoever marked the head marks the others before its pipeline is done.
        if head == 0 || self.is_visited(head) {
            return;
        }
        let mut link = head;
        while link != 0 {
            self.visit(link);
            link = self.index.after(link);
        }
    }
}
