//! Small numbers in runs: the same number many times, or numbers of a few bits side by side. Parquet stores indices into
//! dictionaries and definition levels so.

use bytes::Bytes;

/// Numbers that are read one after the other.
#[derive(Debug)]
pub(super) struct Hybrid {
    bytes: Bytes,
    /// Where the next run starts.
    at: usize,
    /// Bits of a number.
    width: usize,
    run: Run,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    Same {
        value: u32,
        left: usize,
    },
    /// From byte `start` on, of which numbers before `next` are read.
    Packed {
        start: usize,
        next: usize,
        left: usize,
    },
}

/// Some numbers of one run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'a> {
    Same {
        value: u32,
        count: usize,
    },
    /// From number `first` on of those in `bytes`.
    Packed {
        bytes: &'a [u8],
        first: usize,
        count: usize,
    },
}

/// The widest number.
const WIDTH_MAX: usize = 32;

pub(super) type Broken = &'static str;

const CUT_OFF: Broken = "numbers are cut off";

impl Hybrid {
    pub(super) fn new(bytes: Bytes, width: u8) -> Result<Self, Broken> {
        let width = usize::from(width);
        if width > WIDTH_MAX {
            return Err("numbers have more than 32 bits");
        }
        Ok(Hybrid {
            bytes,
            at: 0,
            width,
            run: Run::Same { value: 0, left: 0 },
        })
    }

    /// Hands the next `count` numbers to `take`, piece by piece.
    pub(super) fn pieces(
        &mut self,
        count: usize,
        mut take: impl FnMut(Piece<'_>),
    ) -> Result<(), Broken> {
        let mut missing = count;
        while missing > 0 {
            match &mut self.run {
                Run::Same { left: 0, .. } | Run::Packed { left: 0, .. } => self.next_run()?,
                Run::Same { value, left } => {
                    let count = missing.min(*left);
                    *left -= count;
                    missing -= count;
                    take(Piece::Same {
                        value: *value,
                        count,
                    });
                }
                Run::Packed { start, next, left } => {
                    let count = missing.min(*left);
                    let bytes = self.bytes.get(*start..).unwrap_or_default();
                    if ((*next + count) * self.width).div_ceil(8) > bytes.len() {
                        return Err(CUT_OFF);
                    }
                    take(Piece::Packed {
                        bytes,
                        first: *next,
                        count,
                    });
                    *next += count;
                    *left -= count;
                    missing -= count;
                }
            }
        }
        Ok(())
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Broken> {
        self.pieces(count, |_| {})
    }

    /// Adds the next `count` numbers to `numbers`.
    pub(super) fn read(&mut self, count: usize, numbers: &mut Vec<u32>) -> Result<(), Broken> {
        let width = self.width;
        numbers.reserve(count);
        self.pieces(count, |piece| match piece {
            Piece::Same { value, count } => numbers.resize(numbers.len() + count, value),
            Piece::Packed {
                bytes,
                first,
                count,
            } => unpack(bytes, width, first, count, numbers),
        })
    }

    /// The header of the next run: its length, and in the lowest bit which kind it is.
    fn next_run(&mut self) -> Result<(), Broken> {
        let mut header = 0_u64;
        for shift in (0..).step_by(7) {
            let byte = *self.bytes.get(self.at).ok_or(CUT_OFF)?;
            self.at += 1;
            if shift > 28 {
                return Err("a run is too long");
            }
            header |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let length = (header >> 1) as usize;
        if header & 1 == 1 {
            self.run = Run::Packed {
                start: self.at,
                next: 0,
                left: length * 8,
            };
            // The last run may be shorter than it says.
            self.at = (self.at + length * self.width).min(self.bytes.len());
            return Ok(());
        }
        let bytes = self.width.div_ceil(8);
        let stored = self.bytes.get(self.at..self.at + bytes).ok_or(CUT_OFF)?;
        let mut value = [0; 4];
        value[..bytes].copy_from_slice(stored);
        self.at += bytes;
        self.run = Run::Same {
            value: u32::from_le_bytes(value),
            left: length,
        };
        Ok(())
    }
}

/// Adds `count` numbers of `width` bits, from number `first` of `bytes` on, to `numbers`. They are all there.
fn unpack(bytes: &[u8], width: usize, first: usize, count: usize, numbers: &mut Vec<u32>) {
    // Eight numbers fill whole bytes.
    let end = first + count;
    let aligned = first.next_multiple_of(8).min(end);
    one_by_one(bytes, width, first..aligned, numbers);
    let packed = &bytes[aligned / 8 * width..];
    let groups = (end - aligned) / 8;
    macro_rules! by_width {
        ($($width:literal)+) => {
            match width {
                $($width => eight_at_once::<$width>(packed, groups, numbers),)+
                _ => 0,
            }
        };
    }
    let done = by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24);
    one_by_one(bytes, width, aligned + done * 8..end, numbers);
}

/// Bytes that a group of eight numbers is looked for in: those of the widest, and what is read beyond its last.
const WINDOW: usize = 24 + 8;

/// As many of the groups of eight numbers as have a whole window before them; how many these are.
fn eight_at_once<const WIDTH: usize>(
    packed: &[u8],
    groups: usize,
    numbers: &mut Vec<u32>,
) -> usize {
    let mask = ((1_u64 << WIDTH) - 1) as u32;
    let groups = match packed.len().checked_sub(WINDOW) {
        Some(rest) => groups.min(rest / WIDTH + 1),
        None => 0,
    };
    let start = numbers.len();
    numbers.resize(start + groups * 8, 0);
    let eights = numbers[start..].as_chunks_mut::<8>().0;
    for (group, eight) in eights.iter_mut().enumerate() {
        let Some(window) = packed[group * WIDTH..].first_chunk::<WINDOW>() else {
            break;
        };
        for (place, number) in eight.iter_mut().enumerate() {
            let bit = place * WIDTH;
            let mut word = [0; 8];
            word.copy_from_slice(&window[bit / 8..bit / 8 + 8]);
            *number = (u64::from_le_bytes(word) >> (bit % 8)) as u32 & mask;
        }
    }
    groups
}

fn one_by_one(bytes: &[u8], width: usize, places: std::ops::Range<usize>, numbers: &mut Vec<u32>) {
    let mask = ((1_u64 << width) - 1) as u32;
    numbers.extend(places.map(|place| number_at(bytes, width, place) & mask));
}

/// The number at `place`, with bits of its neighbours above it.
#[inline]
fn number_at(bytes: &[u8], width: usize, place: usize) -> u32 {
    let bit = place * width;
    let rest = &bytes[bit / 8..];
    let word = match rest.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(word)
        }
    };
    (word >> (bit % 8)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As a writer would: runs of eight or more of the same, the rest packed.
    fn written(runs: &[(u32, usize, bool)], width: usize) -> (Vec<u8>, Vec<u32>) {
        let mask = ((1_u64 << width) - 1) as u32;
        let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
        let varint = |bytes: &mut Vec<u8>, mut value: usize| {
            while value > 0x7f {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        };
        for (seed, length, packed) in runs {
            let value = seed & mask;
            if !packed {
                varint(&mut bytes, length << 1);
                bytes.extend(&value.to_le_bytes()[..width.div_ceil(8)]);
                numbers.resize(numbers.len() + length, value);
                continue;
            }
            let groups = length.div_ceil(8);
            varint(&mut bytes, groups << 1 | 1);
            let start = bytes.len();
            bytes.resize(start + groups * width, 0);
            for place in 0..groups * 8 {
                let value = seed.wrapping_mul(2_654_435_761).rotate_left(place as u32) & mask;
                numbers.push(value);
                for bit in (0..width).filter(|bit| value >> bit & 1 == 1) {
                    let at = place * width + bit;
                    bytes[start + at / 8] |= 1 << (at % 8);
                }
            }
        }
        (bytes, numbers)
    }

    proptest! {
        #[test]
        fn numbers_come_back(
            width in 0..=32_usize,
            runs in prop::collection::vec((any::<u32>(), 1..70_usize, any::<bool>()), 1..8),
            steps in prop::collection::vec((0..40_usize, any::<bool>()), 1..40),
        ) {
            let (bytes, expected) = written(&runs, width);
            let mut hybrid = Hybrid::new(bytes.into(), width as u8).unwrap();
            let mut at = 0;
            for (count, skipped) in steps {
                let count = count.min(expected.len() - at);
                let mut numbers = Vec::new();
                if skipped {
                    hybrid.skip(count).unwrap();
                } else {
                    hybrid.read(count, &mut numbers).unwrap();
                    prop_assert_eq!(&numbers, &expected[at..at + count]);
                }
                at += count;
            }
            let beyond = expected.len() - at + 1;
            prop_assert!(hybrid.read(beyond, &mut Vec::new()).is_err());
        }

        #[test]
        fn no_bytes_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..40), width in 0..=40_u8, count in 0..600_usize,
        ) {
            if let Ok(mut hybrid) = Hybrid::new(bytes.into(), width) {
                let mut numbers = Vec::new();
                let read = hybrid.read(count, &mut numbers);
                prop_assert!(read.is_err() || numbers.len() == count);
            }
        }
    }
}
