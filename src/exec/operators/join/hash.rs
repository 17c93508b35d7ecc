//! The hash table from a key to its first row.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

use arrow::buffer::{BooleanBuffer, NullBuffer};
use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::bloom::Bloom;
use super::index::{Link, PARALLEL_ROWS, is_valid, link, link_of};
use super::keys::KeyColumn;

/// Open addressing in partitions by the upper bits of the hash. A slot holds 32 bits of the hash above a [`Link`].
#[derive(Debug)]
pub(super) struct HashFinder<K> {
    keys: K,
    state: RandomState,
    partitions: Vec<Vec<u64>>,
    /// How far a hash is shifted for its partition.
    shift: u32,
    bloom: Option<Bloom>,
}

impl<K: KeyColumn> HashFinder<K> {
    pub(super) fn new(
        keys: K,
        valid: Option<&NullBuffer>,
        threads: usize,
        next: &OnceLock<Vec<AtomicU32>>,
        with_bloom: bool,
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
            bloom: None,
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
        finder.bloom = with_bloom.then(|| {
            let bloom = Bloom::with_room_for(finder.keys.len());
            let rows = scattered.par_iter().flatten().flatten();
            rows.for_each(|row| bloom.add(hashes[*row as usize]));
            bloom
        });
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

    pub(super) fn heads(&self, keys: &K) -> Vec<Link> {
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

    /// Whether each key may be among those of the table; without a bloom filter it is certain.
    pub(super) fn may_contain(&self, keys: &K) -> BooleanBuffer {
        match &self.bloom {
            Some(bloom) => BooleanBuffer::collect_bool(keys.len(), |row| {
                bloom.may_contain(keys.hash(row, &self.state))
            }),
            None => {
                let heads = self.heads(keys);
                BooleanBuffer::collect_bool(heads.len(), |row| heads[row] != 0)
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that all collide.
    struct Colliding(Vec<u8>);

    impl KeyColumn for Colliding {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn hash(&self, _row: usize, _state: &RandomState) -> u64 {
            u64::MAX
        }

        fn same(&self, row: usize, other: &Self, other_row: usize) -> bool {
            self.0[row] == other.0[other_row]
        }
    }

    #[test]
    fn colliding_keys_are_told_apart() {
        let next = OnceLock::new();
        let finder = HashFinder::new(Colliding(vec![5, 6, 5, 7, 6]), None, 4, &next, false);
        assert_eq!(finder.heads(&Colliding(vec![7, 6, 5, 4])), [4, 2, 1, 0]);
        let next: Vec<Link> = next
            .into_inner()
            .unwrap()
            .into_iter()
            .map(AtomicU32::into_inner)
            .collect();
        assert_eq!(next, [3, 5, 0, 0, 0]);
    }
}
