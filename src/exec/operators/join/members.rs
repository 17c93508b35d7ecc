//! The keys of a build side as a set to ask one by one or by range, where keys are numbers.

use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::index::{direct_places, is_valid, span};
use super::keys::{EncodedKeys, Keys};
use crate::error::{Error, Result};

/// Up to this many keys are kept in order.
const FEW: usize = 1 << 14;

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
        let taken = |place: usize| heads[place].load(Ordering::Relaxed) != 0;
        Members::Places {
            least,
            bits: BooleanBuffer::collect_bool(heads.len(), taken),
        }
    }

    /// From keys that are numbers.
    pub(super) fn of_encoded(keys: &EncodedKeys) -> Result<Self> {
        let Keys::Narrow(numbers) = &keys.keys else {
            return Err(Error::bug("keys to be asked one by one are no numbers"));
        };
        let valid = keys.valid.as_ref();
        let span = span(numbers, valid);
        let Some((least, places)) = span.and_then(|span| direct_places(span, numbers.len())) else {
            return Ok(Members::of_keys(numbers, valid, span));
        };
        let mut bits = BooleanBufferBuilder::new(places);
        bits.append_n(places, false);
        for row in (0..numbers.len()).filter(|row| is_valid(valid, *row)) {
            // In range by the choice of `least` and `places`.
            bits.set_bit((numbers[row] - least) as usize, true);
        }
        Ok(Members::Places {
            least,
            bits: bits.finish(),
        })
    }

    /// `span` is that of the valid keys.
    pub(super) fn of_keys(
        keys: &[u64],
        valid: Option<&NullBuffer>,
        span: Option<(u64, u64)>,
    ) -> Self {
        match span {
            None => Members::Few(Vec::new()),
            Some((least, most)) if keys.len() > FEW => Members::Span(least, most),
            Some(_) => {
                let rows = (0..keys.len()).filter(|row| is_valid(valid, *row));
                let mut few: Vec<u64> = rows.map(|row| keys[row]).collect();
                few.sort_unstable();
                few.dedup();
                Members::Few(few)
            }
        }
    }

    /// Which keys may be in the set.
    pub(super) fn contains(&self, keys: &[u64]) -> BooleanBuffer {
        BooleanBuffer::collect_bool(keys.len(), |row| match self {
            Members::Places { least, bits } => {
                let place = keys[row].wrapping_sub(*least);
                place < bits.len() as u64 && bits.value(place as usize)
            }
            Members::Few(few) => few.binary_search(&keys[row]).is_ok(),
            Members::Span(least, most) => (*least..=*most).contains(&keys[row]),
        })
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
            Members::of_keys(&keys, None, Some((10, 17))),
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
    fn a_set_without_keys_has_none() {
        let nulls = NullBuffer::from(vec![false]);
        let set = Members::of_keys(&[5], Some(&nulls), None);
        assert!(!set.any_between(0, u64::MAX));
    }
}
