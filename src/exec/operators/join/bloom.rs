//! A small set of hashes that forgets none and takes a few others for its own.

use std::sync::atomic::{AtomicU64, Ordering};

/// Keys of one 64-bit word; with three bits each, one foreign key in forty is taken for one of them.
const KEYS_PER_WORD: usize = 6;
/// Small sets are more exact for next to nothing.
const FEWEST_WORDS: usize = 64;

/// Each hash sets three bits of one word, so that asking costs one access.
#[derive(Debug)]
pub(super) struct Bloom(Vec<AtomicU64>);

impl Bloom {
    pub(super) fn with_room_for(keys: usize) -> Self {
        let words = (keys / KEYS_PER_WORD).max(FEWEST_WORDS);
        Bloom((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn add(&self, hash: u64) {
        self.0[self.word(hash)].fetch_or(bits(hash), Ordering::Relaxed);
    }

    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let bits = bits(hash);
        self.0[self.word(hash)].load(Ordering::Relaxed) & bits == bits
    }

    /// The upper bits choose the word, the lower ones its bits.
    fn word(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.0.len() as u128) >> 64) as usize
    }
}

fn bits(hash: u64) -> u64 {
    1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63)
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn it_forgets_none_and_takes_few_others() {
        let state = foldhash::fast::RandomState::default();
        let bloom = Bloom::with_room_for(10_000);
        (0..10_000u64).for_each(|key| bloom.add(state.hash_one(key)));
        let taken = |key: &u64| bloom.may_contain(state.hash_one(*key));
        assert_eq!((0..10_000).filter(taken).count(), 10_000);
        assert!((10_000..20_000).filter(taken).count() < 1_000);
    }
}
