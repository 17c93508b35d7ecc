//! Which rows of a page have a value.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use bytes::Bytes;
use parquet::basic::Encoding;

use super::hybrid::{Broken, Hybrid, Piece};

/// The definition levels of a flat column: 1 where there is a value.
#[derive(Debug)]
pub(super) enum Levels {
    /// The column has no NULL.
    Required,
    Optional(Hybrid),
}

/// Of some rows those that have a value.
#[derive(Debug)]
pub(super) enum Present {
    All,
    Some { rows: BooleanBuffer, count: usize },
}

impl Levels {
    /// The levels at the beginning of a page of the first version, and what follows them.
    pub(super) fn of_first_version(
        page: &Bytes,
        encoding: Encoding,
        rows: usize,
    ) -> Result<(Levels, Bytes), Broken> {
        const CUT_OFF: Broken = "its levels are cut off";
        match encoding {
            Encoding::RLE => {
                let length = *page.first_chunk::<4>().ok_or(CUT_OFF)?;
                let end = u32::from_le_bytes(length) as usize + 4;
                if end > page.len() {
                    return Err(CUT_OFF);
                }
                let levels = Hybrid::new(page.slice(4..end), 1)?;
                Ok((Levels::Optional(levels), page.slice(end..)))
            }
            #[expect(deprecated, reason = "old writers used it")]
            Encoding::BIT_PACKED => {
                let bytes = rows.div_ceil(8);
                let packed = page.get(..bytes).ok_or(CUT_OFF)?;
                // The first row is in the highest bit; a run of packed numbers has it in the lowest.
                let mut run = vec![];
                let mut header = (bytes as u64) << 1 | 1;
                while header > 0x7f {
                    run.push(header as u8 | 0x80);
                    header >>= 7;
                }
                run.push(header as u8);
                run.extend(packed.iter().map(|byte| byte.reverse_bits()));
                let levels = Hybrid::new(run.into(), 1)?;
                Ok((Levels::Optional(levels), page.slice(bytes..)))
            }
            _ => Err("its levels have an encoding that levels cannot have"),
        }
    }

    /// The next `rows` rows.
    pub(super) fn next(&mut self, rows: usize) -> Result<Present, Broken> {
        let Levels::Optional(levels) = self else {
            return Ok(Present::All);
        };
        // Mostly there is one long run in which all are there.
        let mut bits: Option<BooleanBufferBuilder> = None;
        let mut before = 0;
        levels.pieces(rows, |piece| match piece {
            Piece::Same { value: 1, count } if bits.is_none() => before += count,
            piece => {
                let bits = bits.get_or_insert_with(|| {
                    let mut bits = BooleanBufferBuilder::new(rows);
                    bits.append_n(before, true);
                    bits
                });
                match piece {
                    Piece::Same { value, count } => bits.append_n(count, value == 1),
                    Piece::Packed {
                        bytes,
                        first,
                        count,
                    } => bits.append_packed_range(first..first + count, bytes),
                }
            }
        })?;
        let Some(mut bits) = bits else {
            return Ok(Present::All);
        };
        let rows = bits.finish();
        Ok(match rows.count_set_bits() {
            count if count == rows.len() => Present::All,
            count => Present::Some { rows, count },
        })
    }

    /// Passes over `rows` rows, of which so many have a value.
    pub(super) fn skip(&mut self, rows: usize) -> Result<usize, Broken> {
        let Levels::Optional(levels) = self else {
            return Ok(rows);
        };
        let mut present = 0;
        levels.pieces(rows, |piece| {
            present += match piece {
                Piece::Same { value, count } => count * usize::from(value == 1),
                Piece::Packed {
                    bytes,
                    first,
                    count,
                } => ones(bytes, first, count),
            };
        })?;
        Ok(present)
    }
}

/// Bits that are set among `count` from bit `first` on.
fn ones(bytes: &[u8], first: usize, count: usize) -> usize {
    let end = first + count;
    let bit = |place: usize| usize::from(bytes[place / 8] >> (place % 8) & 1);
    let (from, to) = (first.next_multiple_of(8).min(end), end / 8 * 8);
    if from >= to {
        return (first..end).map(bit).sum();
    }
    let whole = bytes[from / 8..to / 8].iter();
    let whole: usize = whole.map(|byte| byte.count_ones() as usize).sum();
    (first..from).map(bit).sum::<usize>() + whole + (to..end).map(bit).sum::<usize>()
}

impl Present {
    /// `picks` (ascending, counted from `base`) among the values that are there, each by its number; which of the picks have a
    /// value is added to `valid`.
    pub(super) fn picked(
        &self,
        picks: &[u32],
        base: usize,
        valid: &mut Validity,
        numbers: &mut Vec<u32>,
    ) {
        numbers.clear();
        match self {
            Present::All => {
                numbers.extend(picks.iter().map(|pick| pick.wrapping_sub(base as u32)));
                valid.append_n(picks.len(), true);
            }
            Present::Some { rows, .. } => {
                let words: Vec<u64> = rows.bit_chunks().iter_padded().collect();
                let before: Vec<u32> = words
                    .iter()
                    .scan(0, |before, word| {
                        let here = *before;
                        *before += word.count_ones();
                        Some(here)
                    })
                    .collect();
                for pick in picks {
                    let row = *pick as usize - base;
                    let (word, bit) = (row / 64, row % 64);
                    let is_there = words[word] >> bit & 1 == 1;
                    if is_there {
                        let below = words[word] & ((1 << bit) - 1);
                        numbers.push(before[word] + below.count_ones());
                    }
                    valid.append_n(1, is_there);
                }
            }
        }
    }

    pub(super) fn append_to(&self, rows: usize, valid: &mut Validity) {
        match self {
            Present::All => valid.append_n(rows, true),
            Present::Some { rows, .. } => valid.append(rows),
        }
    }
}

/// Which rows of a batch have a value, made while it is read.
#[derive(Debug, Default)]
pub(super) struct Validity {
    length: usize,
    /// From the first NULL on.
    bits: Option<BooleanBufferBuilder>,
}

impl Validity {
    fn append_n(&mut self, count: usize, valid: bool) {
        if !valid && count > 0 {
            self.bits();
        }
        if let Some(bits) = &mut self.bits {
            bits.append_n(count, valid);
        }
        self.length += count;
    }

    fn append(&mut self, rows: &BooleanBuffer) {
        self.bits().append_buffer(rows);
        self.length += rows.len();
    }

    fn bits(&mut self) -> &mut BooleanBufferBuilder {
        let length = self.length;
        self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(length);
            bits.append_n(length, true);
            bits
        })
    }

    /// None if every row has a value.
    pub(super) fn finish(self) -> Option<BooleanBuffer> {
        self.bits.map(|mut bits| bits.finish())
    }
}
