//! From a key to its number: an array over all keys there can be, or a hash table.

use std::mem::size_of;

/// Numbers by hash, open addressing. A slot holds 32 bits of the hash and a number, plus one; the keys lie with the caller.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<u64>,
    used: usize,
}

/// What a first table has room for.
const FIRST_SLOTS: usize = 256;

impl Slots {
    /// Makes room, so that `more` keys may be added.
    pub(super) fn reserve(&mut self, more: usize) {
        // Half of the slots are free at least: runs stay short.
        let wanted = ((self.used + more) * 2).max(FIRST_SLOTS);
        if wanted <= self.slots.len() {
            return;
        }
        let mut slots = vec![0; wanted.next_power_of_two()];
        let mask = slots.len() - 1;
        for slot in self.slots.iter().filter(|slot| **slot != 0) {
            let mut place = (slot >> 32) as usize & mask;
            while slots[place] != 0 {
                place = (place + 1) & mask;
            }
            slots[place] = *slot;
        }
        self.slots = slots;
    }

    /// The number for which `is_same` holds, or else `next`, which is then in the table: the second of the answer says so.
    /// There must be room.
    #[inline]
    pub(super) fn find_or_add(
        &mut self,
        hash: u64,
        next: u32,
        is_same: impl Fn(u32) -> bool,
    ) -> (u32, bool) {
        let mask = self.slots.len().wrapping_sub(1);
        let tag = hash >> 32;
        let mut place = tag as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                self.slots[place] = tag << 32 | u64::from(next.wrapping_add(1));
                self.used += 1;
                return (next, true);
            }
            if slot >> 32 == tag {
                let number = (slot as u32).wrapping_sub(1);
                if is_same(number) {
                    return (number, false);
                }
            }
            place = place.wrapping_add(1) & mask;
        }
    }

    pub(super) fn size(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }
}

/// A hash of 64 bits, good in all of them.
#[inline]
pub(super) fn mix(key: u64) -> u64 {
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product as u64) ^ (product >> 64) as u64
}

/// A packed key: 64 or 128 bits.
pub(super) trait Key: Copy + Eq + Default + Send + std::fmt::Debug {
    fn from_code(code: u64, shift: u32) -> Self;
    fn join(self, other: Self) -> Self;
    /// The code of `width` bits (63 at most) at `shift`.
    fn code(self, shift: u32, width: u32) -> u64;
    fn hash(self) -> u64;
}

impl Key for u64 {
    #[inline]
    fn from_code(code: u64, shift: u32) -> Self {
        code.unbounded_shl(shift)
    }

    #[inline]
    fn join(self, other: Self) -> Self {
        self | other
    }

    #[inline]
    fn code(self, shift: u32, width: u32) -> u64 {
        self.unbounded_shr(shift) & !u64::MAX.unbounded_shl(width)
    }

    #[inline]
    fn hash(self) -> u64 {
        mix(self)
    }
}

impl Key for u128 {
    #[inline]
    fn from_code(code: u64, shift: u32) -> Self {
        u128::from(code).unbounded_shl(shift)
    }

    #[inline]
    fn join(self, other: Self) -> Self {
        self | other
    }

    #[inline]
    fn code(self, shift: u32, width: u32) -> u64 {
        self.unbounded_shr(shift) as u64 & !u64::MAX.unbounded_shl(width)
    }

    #[inline]
    fn hash(self) -> u64 {
        mix(mix(self as u64) ^ (self >> 64) as u64)
    }
}

/// Groups by packed key.
#[derive(Debug)]
pub(super) struct Lookup<K> {
    /// The key of each group.
    keys: Vec<K>,
    index: Index,
}

#[derive(Debug)]
enum Index {
    /// A group, plus one, for each key that there can be.
    Direct(Vec<u32>),
    Hashed(Slots),
}

/// Keys of more bits never get an array.
const DIRECT_BITS: u32 = 25;
/// Keys of so few always do.
const SMALL_BITS: u32 = 12;
/// An array has at most so many places for each group: then it is no larger than a hash table.
const DIRECT_SPARSE: usize = 8;

impl<K: Key> Default for Lookup<K> {
    fn default() -> Self {
        Lookup {
            keys: Vec::new(),
            index: Index::Hashed(Slots::default()),
        }
    }
}

impl<K: Key> Lookup<K> {
    /// The groups `keys`, whose keys have at most `bits`.
    pub(super) fn new(keys: Vec<K>, bits: u32) -> Self {
        let mut lookup = Lookup {
            keys,
            index: Index::Hashed(Slots::default()),
        };
        if !lookup.make_direct(bits) {
            let mut slots = Slots::default();
            slots.reserve(lookup.keys.len());
            for (group, key) in lookup.keys.iter().enumerate() {
                slots.find_or_add(key.hash(), group as u32, |_| false);
            }
            lookup.index = Index::Hashed(slots);
        }
        lookup
    }

    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    pub(super) fn is_direct(&self) -> bool {
        matches!(self.index, Index::Direct(_))
    }

    pub(super) fn size(&self) -> usize {
        let index = match &self.index {
            Index::Direct(groups) => groups.capacity() * size_of::<u32>(),
            Index::Hashed(slots) => slots.size(),
        };
        index + self.keys.capacity() * size_of::<K>()
    }

    /// Adds the group of each of `keys`, which have at most `bits`, to `row_groups`.
    pub(super) fn intern(&mut self, keys: &[K], bits: u32, row_groups: &mut Vec<usize>) {
        if !self.is_direct() {
            self.make_direct(bits);
        }
        let known = &mut self.keys;
        match &mut self.index {
            Index::Direct(groups) => row_groups.extend(keys.iter().map(|key| {
                let group = &mut groups[key.code(0, DIRECT_BITS) as usize];
                if *group == 0 {
                    known.push(*key);
                    *group = known.len() as u32;
                }
                group.wrapping_sub(1) as usize
            })),
            Index::Hashed(slots) => {
                slots.reserve(keys.len());
                // Rows often come ordered by their key, or nearly so.
                let mut last = None;
                row_groups.extend(keys.iter().map(|key| {
                    if let Some((same, group)) = last
                        && same == *key
                    {
                        return group;
                    }
                    let next = known.len() as u32;
                    let (group, is_new) =
                        slots.find_or_add(key.hash(), next, |group| known[group as usize] == *key);
                    if is_new {
                        known.push(*key);
                    }
                    last = Some((*key, group as usize));
                    group as usize
                }));
            }
        }
    }

    /// Changes to an array where keys are few or dense.
    fn make_direct(&mut self, bits: u32) -> bool {
        let room = self.keys.len().saturating_mul(DIRECT_SPARSE);
        if bits > SMALL_BITS && (bits > DIRECT_BITS || room < 1_usize << bits) {
            return false;
        }
        let mut groups = vec![0; 1 << bits];
        for (group, key) in self.keys.iter().enumerate() {
            groups[key.code(0, DIRECT_BITS) as usize] = group as u32 + 1;
        }
        self.index = Index::Direct(groups);
        true
    }
}
