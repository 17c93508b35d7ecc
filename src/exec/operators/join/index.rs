//! From a key to the build rows that have it.
//!
//! An index gives the first row of each key; the others with the same key follow through `next`, so probing compares keys once.
//! Rows are named by their number plus one: zero means there is none. Keys that are dense numbers need no hashing at all:
//! the key, less the smallest one, is the place.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::buffer::{BooleanBuffer, NullBuffer};
use rayon::prelude::*;

use super::hash::HashFinder;
use super::keys::{ByteKeys, EncodedKeys, Keys};
use super::members::Members;
use crate::error::{Error, Result};

/// Build rows from which on several threads share the work.
pub(super) const PARALLEL_ROWS: usize = 1 << 16;
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
    /// What the probe side's scan asks for, where it does.
    members: Option<Members>,
}

impl Index {
    /// Bytes that an index over so many rows may take beside the keys.
    pub(super) fn memory_size(rows: usize) -> usize {
        // Hashes, scattered row numbers, `next`, slots at a load of at least three eighths, and members: at most 64 bits.
        rows * (8 + 4 + 4 + 24 + 8)
    }

    /// Every row is a candidate for every probe row.
    pub(super) fn all(rows: u32) -> Self {
        Index {
            finder: Finder::All,
            rows,
            next: OnceLock::new(),
            members: None,
        }
    }

    /// `ask_members`: whether [`Index::may_contain`] and [`Index::any_between`] are going to be asked.
    pub(super) fn over(
        keys: EncodedKeys,
        rows: u32,
        threads: usize,
        ask_members: bool,
    ) -> Result<Self> {
        if keys.len() != rows as usize {
            return Err(Error::bug("as many join keys as rows are needed"));
        }
        let next = OnceLock::new();
        let valid = keys.valid.as_ref();
        let mut members = None;
        let finder = match keys.keys {
            Keys::Narrow(keys) => {
                let span = span(&keys, valid);
                match span.and_then(|span| direct_places(span, keys.len())) {
                    Some((least, places)) => {
                        let heads = direct_heads(&keys, valid, least, places, &next);
                        members = ask_members.then(|| Members::of_places(least, &heads));
                        Finder::Direct { least, heads }
                    }
                    None => {
                        members = ask_members.then(|| Members::of_keys(&keys, valid, span));
                        let ask = members.as_ref().is_some_and(|members| !members.is_exact());
                        Finder::Narrow(HashFinder::new(keys, valid, threads, &next, ask))
                    }
                }
            }
            Keys::Wide(keys) => {
                Finder::Wide(HashFinder::new(keys, valid, threads, &next, ask_members))
            }
            Keys::Bytes(keys) => {
                Finder::Bytes(HashFinder::new(keys, valid, threads, &next, ask_members))
            }
        };
        Ok(Index {
            finder,
            rows,
            next,
            members,
        })
    }

    /// For each key whether the build side may have it.
    pub(super) fn may_contain(&self, keys: &EncodedKeys) -> Result<BooleanBuffer> {
        let may = match (&self.finder, &keys.keys, &self.members) {
            (Finder::Direct { .. }, Keys::Narrow(keys), Some(members)) => members.contains(keys),
            (Finder::Narrow(_), Keys::Narrow(keys), Some(members)) if members.is_exact() => {
                members.contains(keys)
            }
            (Finder::Narrow(finder), Keys::Narrow(keys), _) => finder.may_contain(keys),
            (Finder::Wide(finder), Keys::Wide(keys), _) => finder.may_contain(keys),
            (Finder::Bytes(finder), Keys::Bytes(keys), _) => finder.may_contain(keys),
            _ => return Err(Error::bug("a join's keys are asked for in another form")),
        };
        Ok(match &keys.valid {
            Some(valid) => &may & valid.inner(),
            None => may,
        })
    }

    /// Whether the build side may have a key from `low` to `high`.
    pub(super) fn any_between(&self, low: u64, high: u64) -> bool {
        self.members
            .as_ref()
            .is_none_or(|members| members.any_between(low, high))
    }

    /// All keys of the build side, if they are numbers and no more than `most`.
    pub(super) fn few_keys(&self, most: usize) -> Option<Vec<u64>> {
        self.members.as_ref()?.few(most)
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
pub(super) fn link(next: &OnceLock<Vec<AtomicU32>>, rows: usize, row: usize, after: Link) {
    let next = next.get_or_init(|| (0..rows).map(|_| AtomicU32::new(0)).collect());
    next[row].store(after, Ordering::Relaxed);
}

pub(super) fn link_of(row: usize) -> Link {
    // The table checked that its rows are fewer than `u32::MAX`.
    row as u32 + 1
}

pub(super) fn is_valid(valid: Option<&NullBuffer>, row: usize) -> bool {
    valid.is_none_or(|valid| valid.is_valid(row))
}

/// The smallest and the largest key.
pub(super) fn span(keys: &[u64], valid: Option<&NullBuffer>) -> Option<(u64, u64)> {
    let wider = |a: (u64, u64), b: (u64, u64)| (a.0.min(b.0), a.1.max(b.1));
    let none = (u64::MAX, 0);
    let of = |keys: &[u64]| {
        keys.iter()
            .fold(none, |span, key| wider(span, (*key, *key)))
    };
    let (least, most) = match valid {
        None => keys
            .par_chunks(PARALLEL_ROWS)
            .map(of)
            .reduce(|| none, wider),
        Some(valid) => {
            let keys = valid.valid_indices().map(|row| keys[row]);
            keys.fold(none, |span, key| wider(span, (key, key)))
        }
    };
    (least <= most).then_some((least, most))
}

/// The smallest key and the number of places up to the largest, if few of them stay empty.
fn direct_places((least, most): (u64, u64), keys: usize) -> Option<(u64, usize)> {
    let range = most - least;
    let dense = range / DIRECT_PLACES < keys as u64;
    dense.then(|| Some((least, usize::try_from(range).ok()? + 1)))?
}

fn direct_heads(
    keys: &[u64],
    valid: Option<&NullBuffer>,
    least: u64,
    places: usize,
    next: &OnceLock<Vec<AtomicU32>>,
) -> Vec<AtomicU32> {
    let heads: Vec<AtomicU32> = if places < PARALLEL_ROWS {
        (0..places).map(|_| AtomicU32::new(0)).collect()
    } else {
        let none = |_| AtomicU32::new(0);
        (0..places).into_par_iter().map(none).collect()
    };
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
