//! The keys of a build side as a set to ask one by one or by range, where keys are numbers.

use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use rayon::prelude::*;

use super::index::{PARALLEL_ROWS, is_valid, span};
use super::keys::{EncodedKeys, Keys};
use crate::error::{Error, Result};

/// Up to this many keys are kept in order.
const FEW: usize = 1 << 14;
/// Numbers so close together have a bit each, whatever their number: the bits fit into the second cache.
const CLOSE: u64 = 1 << 22;
/// A set of bits may have this many for each key.
const PLACES_PER_KEY: u64 = 64;

#[derive(Debug)]
pub(super) enum Members {
    /// A bit for each number from `least` on.
    Places { least: u64, bits: BooleanBuffer },
    /// Few keys, in order.
    Few(Vec<u64>),
    /// The smallest and the largest key.
    Span(u64, u64),
}

impl Members {
    /// `heads` has a place for each key from `least` on.
    pub(super) fn of_places(least: u64, heads: &[AtomicU32]) -> Self {
        let word = |heads: &[AtomicU32]| {
            let taken = heads
                .iter()
                .map(|head| head.load(Ordering::Relaxed) != 0)
                .enumerate();
            let bits = taken.fold(0, |bits, (place, taken)| bits | u64::from(taken) << place);
            bits.to_le()
        };
        let words: Vec<u64> = heads
            .par_chunks(64)
            .with_min_len(PARALLEL_ROWS / 64)
            .map(word)
            .collect();
        Members::Places {
            least,
            bits: BooleanBuffer::new(Buffer::from_vec(words), 0, heads.len()),
        }
    }

    /// From keys that are numbers.
    pub(super) fn of_encoded(keys: &EncodedKeys) -> Result<Self> {
        let Keys::Narrow(numbers) = &keys.keys else {
            return Err(Error::bug("keys to be asked one by one are no numbers"));
        };
        let valid = keys.valid.as_ref();
        Ok(Members::of_keys(numbers, valid, span(numbers, valid)))
    }

    /// `span` is that of the valid keys.
    pub(super) fn of_keys(
        keys: &[u64],
        valid: Option<&NullBuffer>,
        span: Option<(u64, u64)>,
    ) -> Self {
        let Some((least, most)) = span else {
            return Members::Few(Vec::new());
        };
        let range = most - least;
        if range < CLOSE || range / PLACES_PER_KEY < keys.len() as u64 {
            return Members::of_close_keys(keys, valid, least, range);
        }
        if keys.len() > FEW {
            return Members::Span(least, most);
        }
        let rows = (0..keys.len()).filter(|row| is_valid(valid, *row));
        let mut few: Vec<u64> = rows.map(|row| keys[row]).collect();
        few.sort_unstable();
        few.dedup();
        Members::Few(few)
    }

    fn of_close_keys(keys: &[u64], valid: Option<&NullBuffer>, least: u64, range: u64) -> Self {
        // Far fewer than there are addresses.
        let places = range as usize + 1;
        let mut bits = BooleanBufferBuilder::new(places);
        bits.append_n(places, false);
        for row in (0..keys.len()).filter(|row| is_valid(valid, *row)) {
            // In range: `least` and `range` are those of the valid keys.
            bits.set_bit((keys[row] - least) as usize, true);
        }
        Members::Places {
            least,
            bits: bits.finish(),
        }
    }

    /// Whether [`Members::contains`] takes no other key for one of the set, and is fast.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Members::Places { .. })
    }

    /// Which keys may be in the set.
    pub(super) fn contains(&self, keys: &[u64]) -> BooleanBuffer {
        let rows = keys.len();
        match self {
            Members::Places { least, bits } => BooleanBuffer::collect_bool(rows, |row| {
                let place = keys[row].wrapping_sub(*least);
                place < bits.len() as u64 && bits.value(place as usize)
            }),
            Members::Few(few) => {
                BooleanBuffer::collect_bool(rows, |row| few.binary_search(&keys[row]).is_ok())
            }
            Members::Span(least, most) => {
                BooleanBuffer::collect_bool(rows, |row| (*least..=*most).contains(&keys[row]))
            }
        }
    }

    /// All keys in order, if they are no more than `most`.
    pub(super) fn few(&self, most: usize) -> Option<Vec<u64>> {
        match self {
            Members::Places { least, bits } => (bits.count_set_bits() <= most).then(|| {
                let places = bits.set_indices();
                places.map(|place| least + place as u64).collect()
            }),
            Members::Few(few) => (few.len() <= most).then(|| few.clone()),
            Members::Span(..) => None,
        }
    }

    /// Whether a key from `low` to `high` may be in the set.
    pub(super) fn any_between(&self, low: u64, high: u64) -> bool {
        match self {
            Members::Places { least, bits } => {
                let Some(last) = high.checked_sub(*least) else {
                    return false;
                };
                let first = low.saturating_sub(*least);
                let end = last.saturating_add(1).min(bits.len() as u64);
                first < end && {
                    let part = bits.slice(first as usize, (end - first) as usize);
                    part.has_true()
                }
            }
            Members::Few(few) => {
                let next = few.partition_point(|key| *key < low);
                few.get(next).is_some_and(|key| *key <= high)
            }
            Members::Span(least, most) => low <= *most && *least <= high,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Vec<Members> {
        let keys = [12, 10, 17, 12];
        let heads: Vec<AtomicU32> = (10..=17)
            .map(|key| AtomicU32::new(u32::from(keys.contains(&key))))
            .collect();
        let encoded = EncodedKeys {
            keys: Keys::Narrow(keys.to_vec()),
            valid: None,
        };
        vec![
            Members::of_places(10, &heads),
            Members::Few(vec![10, 12, 17]),
            Members::of_encoded(&encoded).unwrap(),
        ]
    }

    #[test]
    fn keys_are_found_one_by_one_and_by_range() {
        for set in sets() {
            let asked = [0, 9, 10, 11, 12, 16, 17, 18, u64::MAX];
            let found = set.contains(&asked);
            let found: Vec<u64> = found.set_indices().map(|row| asked[row]).collect();
            assert_eq!(found, [10, 12, 17], "{set:?}");
            let ranges = [
                (0, 9),
                (0, 10),
                (11, 11),
                (11, 12),
                (13, 16),
                (13, 40),
                (18, u64::MAX),
            ];
            let may = ranges.map(|(low, high)| set.any_between(low, high));
            assert_eq!(
                may,
                [false, true, false, true, false, true, false],
                "{set:?}"
            );
        }
    }

    #[test]
    fn keys_far_apart_are_kept_in_order_or_not_at_all() {
        let far = |key: u64| key << 40;
        let few: Vec<u64> = (0..9).rev().map(far).collect();
        let many: Vec<u64> = (0..=FEW as u64).map(far).collect();
        let set = |keys: &[u64]| Members::of_keys(keys, None, span(keys, None));
        assert!(matches!(set(&few), Members::Few(few) if few.is_sorted() && few.len() == 9));
        assert!(matches!(set(&many), Members::Span(0, _)));
        let nulls = NullBuffer::from(vec![true, false, true]);
        let keys = [7, far(9), 5];
        let close = Members::of_keys(&keys, Some(&nulls), span(&keys, Some(&nulls)));
        assert!(close.is_exact());
        let found = close.contains(&[4, 5, 6, 7, far(9)]);
        assert_eq!(found.set_indices().collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_set_without_keys_has_none() {
        let nulls = NullBuffer::from(vec![false]);
        let set = Members::of_keys(&[5], Some(&nulls), None);
        assert!(!set.any_between(0, u64::MAX));
    }
}
