//! From a key to the build rows that have it.
//!
//! An index gives the first row of each key; the others with the same key follow through `next`, so probing compares keys once.
//! Rows are named by their number plus one: zero means there is none. Keys that are dense numbers need no hashing at all:
//! the key, less the smallest one, is the place.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::buffer::NullBuffer;
use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::keys::{ByteKeys, EncodedKeys, KeyColumn, Keys};
use crate::error::{Error, Result};

/// Build rows from which on several threads share the work.
const PARALLEL_ROWS: usize = 1 << 16;
/// A direct index may have this many places for each key: then it is still smaller than a hash table.
const DIRECT_PLACES: u64 = 8;

/// A row number plus one, or zero for none.
pub(super) type Link = u32;

/// Finds the first row of a key.
#[derive(Debug)]
enum Finder {
    /// There are no keys: every row follows the one before it.
    All,
    /// The key less `least` is the place.
    Direct {
        least: u64,
        heads: Vec<AtomicU32>,
    },
    Narrow(HashFinder<Vec<u64>>),
    Wide(HashFinder<Vec<u128>>),
    Bytes(HashFinder<ByteKeys>),
}

/// The rows of the build side by key.
#[derive(Debug)]
pub(super) struct Index {
    finder: Finder,
    rows: u32,
    /// Row to the next one with the same key; absent while no key comes twice.
    next: OnceLock<Vec<AtomicU32>>,
}

impl Index {
    /// Bytes that an index over so many rows may take beside the keys.
    pub(super) fn memory_size(rows: usize) -> usize {
        // Hashes, scattered row numbers, `next`, and slots at a load of at least three eighths.
        rows * (8 + 4 + 4 + 24)
    }

    /// Every row is a candidate for every probe row.
    pub(super) fn all(rows: u32) -> Self {
        Index {
            finder: Finder::All,
            rows,
            next: OnceLock::new(),
        }
    }

    pub(super) fn over(keys: EncodedKeys, rows: u32, threads: usize) -> Result<Self> {
        if keys.len() != rows as usize {
            return Err(Error::bug("as many join keys as rows are needed"));
        }
        let next = OnceLock::new();
        let valid = keys.valid.as_ref();
        let finder = match keys.keys {
            Keys::Narrow(keys) => match direct_range(&keys, valid) {
                Some((least, places)) => Finder::Direct {
                    least,
                    heads: direct_heads(&keys, valid, least, places, &next),
                },
                None => Finder::Narrow(HashFinder::new(keys, valid, threads, &next)),
            },
            Keys::Wide(keys) => Finder::Wide(HashFinder::new(keys, valid, threads, &next)),
            Keys::Bytes(keys) => Finder::Bytes(HashFinder::new(keys, valid, threads, &next)),
        };
        Ok(Index { finder, rows, next })
    }

    /// For each probe row the first build row with its key. `keys` is absent where the join has none.
    pub(super) fn heads(&self, keys: Option<&EncodedKeys>, probe_rows: usize) -> Result<Vec<Link>> {
        let mut heads = match (&self.finder, keys.map(|keys| &keys.keys)) {
            (Finder::All, None) => vec![self.rows.min(1); probe_rows],
            (Finder::Direct { least, heads }, Some(Keys::Narrow(keys))) => keys
                .iter()
                .map(|key| {
                    usize::try_from(key.wrapping_sub(*least))
                        .ok()
                        .and_then(|place| heads.get(place))
                        .map_or(0, |head| head.load(Ordering::Relaxed))
                })
                .collect(),
            (Finder::Narrow(finder), Some(Keys::Narrow(keys))) => finder.heads(keys),
            (Finder::Wide(finder), Some(Keys::Wide(keys))) => finder.heads(keys),
            (Finder::Bytes(finder), Some(Keys::Bytes(keys))) => finder.heads(keys),
            _ => {
                return Err(Error::bug(
                    "the sides of a join encode their keys differently",
                ));
            }
        };
        if let Some(valid) = keys.and_then(|keys| keys.valid.as_ref()) {
            for (row, head) in heads.iter_mut().enumerate() {
                if valid.is_null(row) {
                    *head = 0;
                }
            }
        }
        Ok(heads)
    }

    /// The row after `link` with the same key.
    pub(super) fn after(&self, link: Link) -> Link {
        match (&self.finder, self.next.get()) {
            (Finder::All, _) => {
                if link < self.rows {
                    link + 1
                } else {
                    0
                }
            }
            (_, Some(next)) => next[link as usize - 1].load(Ordering::Relaxed),
            (_, None) => 0,
        }
    }

    /// No key comes twice.
    pub(super) fn is_unique(&self) -> bool {
        match self.finder {
            Finder::All => self.rows <= 1,
            _ => self.next.get().is_none(),
        }
    }
}

/// Notes that `after` has the same key as `row` and comes after it.
fn link(next: &OnceLock<Vec<AtomicU32>>, rows: usize, row: usize, after: Link) {
    let next = next.get_or_init(|| (0..rows).map(|_| AtomicU32::new(0)).collect());
    next[row].store(after, Ordering::Relaxed);
}

fn link_of(row: usize) -> Link {
    // The table checked that its rows are fewer than `u32::MAX`.
    row as u32 + 1
}

fn is_valid(valid: Option<&NullBuffer>, row: usize) -> bool {
    valid.is_none_or(|valid| valid.is_valid(row))
}

/// The smallest key and the number of places up to the largest, if few of them stay empty.
fn direct_range(keys: &[u64], valid: Option<&NullBuffer>) -> Option<(u64, usize)> {
    let (mut least, mut most) = (u64::MAX, 0);
    for (row, key) in keys.iter().enumerate() {
        if is_valid(valid, row) {
            least = least.min(*key);
            most = most.max(*key);
        }
    }
    let range = most.checked_sub(least)?;
    let dense = range / DIRECT_PLACES < keys.len() as u64;
    dense.then(|| Some((least, usize::try_from(range).ok()? + 1)))?
}

fn direct_heads(
    keys: &[u64],
    valid: Option<&NullBuffer>,
    least: u64,
    places: usize,
    next: &OnceLock<Vec<AtomicU32>>,
) -> Vec<AtomicU32> {
    let heads: Vec<AtomicU32> = (0..places).map(|_| AtomicU32::new(0)).collect();
    let add = |row: usize| {
        if is_valid(valid, row) {
            // In range by the choice of `least` and `places`.
            let place = (keys[row] - least) as usize;
            let after = heads[place].swap(link_of(row), Ordering::Relaxed);
            if after != 0 {
                link(next, keys.len(), row, after);
            }
        }
    };
    if keys.len() < PARALLEL_ROWS {
        (0..keys.len()).rev().for_each(add);
    } else {
        (0..keys.len()).into_par_iter().rev().for_each(add);
    }
    heads
}

/// Open addressing in partitions by the upper bits of the hash. A slot holds 32 bits of the hash above a [`Link`].
#[derive(Debug)]
struct HashFinder<K> {
    keys: K,
    state: RandomState,
    partitions: Vec<Vec<u64>>,
    /// How far a hash is shifted for its partition.
    shift: u32,
}

impl<K: KeyColumn> HashFinder<K> {
    fn new(
        keys: K,
        valid: Option<&NullBuffer>,
        threads: usize,
        next: &OnceLock<Vec<AtomicU32>>,
    ) -> Self {
        let state = RandomState::default();
        let partitions = if threads > 1 && keys.len() >= PARALLEL_ROWS {
            (threads * 4).next_power_of_two()
        } else {
            1
        };
        let mut finder = HashFinder {
            keys,
            state,
            partitions: Vec::new(),
            shift: 64 - partitions.trailing_zeros(),
        };
        let hashes = finder.hashes(&finder.keys);
        let scattered = finder.scatter(&hashes, valid, partitions);
        finder.partitions = (0..partitions)
            .into_par_iter()
            .map(|partition| {
                let rows = || scattered.iter().map(|chunk| chunk[partition].as_slice());
                let count = rows().map(<[u32]>::len).sum();
                // From the last to the first, so that the first row of a key ends as its head.
                let rows = rows().rev().flat_map(|rows| rows.iter().rev());
                finder.fill(count, rows.map(|row| *row as usize), &hashes, next)
            })
            .collect();
        finder
    }

    fn hashes(&self, keys: &K) -> Vec<u64> {
        let hash = |row| keys.hash(row, &self.state);
        if keys.len() < PARALLEL_ROWS {
            (0..keys.len()).map(hash).collect()
        } else {
            (0..keys.len()).into_par_iter().map(hash).collect()
        }
    }

    /// Row numbers by chunk of rows and partition.
    fn scatter(
        &self,
        hashes: &[u64],
        valid: Option<&NullBuffer>,
        partitions: usize,
    ) -> Vec<Vec<Vec<u32>>> {
        hashes
            .par_chunks(PARALLEL_ROWS)
            .enumerate()
            .map(|(chunk, hashes)| {
                let first = chunk * PARALLEL_ROWS;
                let expected = hashes.len() / partitions * 5 / 4;
                let mut rows: Vec<Vec<u32>> = (0..partitions)
                    .map(|_| Vec::with_capacity(expected))
                    .collect();
                for (position, hash) in hashes.iter().enumerate() {
                    let row = first + position;
                    if is_valid(valid, row) {
                        rows[self.partition(*hash)].push(row as u32);
                    }
                }
                rows
            })
            .collect()
    }

    fn partition(&self, hash: u64) -> usize {
        // One partition: the shift is by all 64 bits.
        hash.unbounded_shr(self.shift) as usize
    }

    /// One partition's slots, filled with `rows`.
    fn fill(
        &self,
        count: usize,
        rows: impl Iterator<Item = usize>,
        hashes: &[u64],
        next: &OnceLock<Vec<AtomicU32>>,
    ) -> Vec<u64> {
        let mut slots = vec![0; (count + count / 2 + 1).next_power_of_two()];
        let mask = slots.len() - 1;
        for row in rows {
            let hash = hashes[row];
            let mut place = hash as usize & mask;
            loop {
                let slot = slots[place];
                if slot == 0 {
                    break;
                }
                let head = slot as u32;
                if slot >> 32 == hash >> 32 && self.keys.same(row, &self.keys, head as usize - 1) {
                    link(next, self.keys.len(), row, head);
                    break;
                }
                place = (place + 1) & mask;
            }
            slots[place] = hash >> 32 << 32 | u64::from(link_of(row));
        }
        slots
    }

    fn heads(&self, keys: &K) -> Vec<Link> {
        // First every hash and every home slot, so that the memory accesses overlap; then the comparisons.
        let hashes: Vec<u64> = (0..keys.len())
            .map(|row| keys.hash(row, &self.state))
            .collect();
        let homes: Vec<u64> = hashes
            .iter()
            .map(|hash| {
                let slots = &self.partitions[self.partition(*hash)];
                slots[*hash as usize & (slots.len() - 1)]
            })
            .collect();
        homes
            .iter()
            .zip(&hashes)
            .enumerate()
            .map(|(row, (home, hash))| self.find(keys, row, *hash, *home))
            .collect()
    }

    fn find(&self, keys: &K, row: usize, hash: u64, home: u64) -> Link {
        let mut slot = home;
        let mut place = hash as usize;
        while slot != 0 {
            let head = slot as u32;
            if slot >> 32 == hash >> 32 && self.keys.same(head as usize - 1, keys, row) {
                return head;
            }
            let slots = &self.partitions[self.partition(hash)];
            place = place.wrapping_add(1) & (slots.len() - 1);
            slot = slots[place];
        }
        0
    }
}
