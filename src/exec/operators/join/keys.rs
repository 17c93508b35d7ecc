//! Join keys in a form that is hashed and compared without looking at types.
//!
//! Equal keys are equal here: [`encode`](super::encode) sees to it.

use std::hash::BuildHasher;

use arrow::array::NullBufferBuilder;
use arrow::buffer::NullBuffer;
use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::encode::KeyShape;
use crate::error::{Error, Result};

/// Keys of several rows.
pub(super) trait KeyColumn: Send + Sync {
    fn len(&self) -> usize;
    fn hash(&self, row: usize, state: &RandomState) -> u64;
    fn same(&self, row: usize, other: &Self, other_row: usize) -> bool;
}

impl KeyColumn for Vec<u64> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn hash(&self, row: usize, state: &RandomState) -> u64 {
        state.hash_one(self[row])
    }

    fn same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        self[row] == other[other_row]
    }
}

impl KeyColumn for Vec<u128> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn hash(&self, row: usize, state: &RandomState) -> u64 {
        state.hash_one(self[row])
    }

    fn same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        self[row] == other[other_row]
    }
}

/// Keys of any length, one after the other.
#[derive(Debug, Default)]
pub(super) struct ByteKeys {
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
}

impl ByteKeys {
    pub(super) fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    fn get(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[row]]
    }

    fn append(&mut self, other: &ByteKeys) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| before + end));
    }
}

impl KeyColumn for ByteKeys {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn hash(&self, row: usize, state: &RandomState) -> u64 {
        state.hash_one(self.get(row))
    }

    fn same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        self.get(row) == other.get(other_row)
    }
}

/// Keys in the narrowest form that holds their types.
#[derive(Debug)]
pub(super) enum Keys {
    Narrow(Vec<u64>),
    Wide(Vec<u128>),
    Bytes(ByteKeys),
}

/// The keys of a batch.
#[derive(Debug)]
pub(super) struct EncodedKeys {
    pub(super) keys: Keys,
    /// Rows that can have a partner: under SQL's equality those without NULL.
    pub(super) valid: Option<NullBuffer>,
}

impl EncodedKeys {
    pub(super) fn len(&self) -> usize {
        match &self.keys {
            Keys::Narrow(keys) => keys.len(),
            Keys::Wide(keys) => keys.len(),
            Keys::Bytes(keys) => keys.len(),
        }
    }

    pub(super) fn memory_size(&self) -> usize {
        let bytes = match &self.keys {
            Keys::Narrow(keys) => size_of_val(keys.as_slice()),
            Keys::Wide(keys) => size_of_val(keys.as_slice()),
            Keys::Bytes(keys) => keys.bytes.len() + size_of_val(keys.ends.as_slice()),
        };
        bytes + self.valid.as_ref().map_or(0, |valid| valid.len() / 8)
    }

    /// The keys of several batches in one piece.
    pub(super) fn concat(parts: Vec<EncodedKeys>, shape: &KeyShape) -> Result<EncodedKeys> {
        let rows = parts.iter().map(EncodedKeys::len).sum();
        let mut valid = NullBufferBuilder::new(rows);
        for part in &parts {
            match &part.valid {
                Some(part) => valid.append_buffer(part),
                None => valid.append_n_non_nulls(part.len()),
            }
        }
        let changed = || Error::bug("join keys changed their form");
        let keys = match shape {
            KeyShape::Narrow => {
                let narrow = |part: EncodedKeys| match part.keys {
                    Keys::Narrow(keys) => Ok(keys),
                    _ => Err(changed()),
                };
                let parts = parts.into_iter().map(narrow);
                Keys::Narrow(one_after_the_other(&parts.collect::<Result<Vec<_>>>()?))
            }
            KeyShape::Wide => {
                let wide = |part: EncodedKeys| match part.keys {
                    Keys::Wide(keys) => Ok(keys),
                    _ => Err(changed()),
                };
                let parts = parts.into_iter().map(wide);
                Keys::Wide(one_after_the_other(&parts.collect::<Result<Vec<_>>>()?))
            }
            KeyShape::Text | KeyShape::Rows(_) => {
                let mut all = ByteKeys::default();
                for part in parts {
                    let Keys::Bytes(part) = part.keys else {
                        return Err(changed());
                    };
                    all.append(&part);
                }
                Keys::Bytes(all)
            }
        };
        Ok(EncodedKeys {
            keys,
            valid: valid.finish(),
        })
    }
}

/// Numbers in one piece, copied by several threads: the memory is seen for the first time there, and that takes longest.
fn one_after_the_other<K: Copy + Default + Send + Sync>(parts: &[Vec<K>]) -> Vec<K> {
    let mut all = vec![K::default(); parts.iter().map(Vec::len).sum()];
    let mut rest = all.as_mut_slice();
    let mut places = Vec::with_capacity(parts.len());
    for part in parts {
        let (here, behind) = rest.split_at_mut(part.len());
        places.push((here, part));
        rest = behind;
    }
    places
        .into_par_iter()
        .for_each(|(here, part)| here.copy_from_slice(part));
    all
}
