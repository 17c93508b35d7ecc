//! The structure of a text, 64 bytes at once: where fields and lines end outside quotes.
//!
//! A quote that does not stand at the border of a field is for a reader that looks at one byte after the other: [`Marks`] stop
//! before the block that has one.

/// Bytes looked at at once.
const BLOCK: usize = 64;

/// A bit for each byte of a block, the first in the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// Where the block starts in the text.
    pub(super) start: usize,
    /// Delimiters outside quotes.
    pub(super) delimiters: u64,
    /// Line ends outside quotes.
    pub(super) line_ends: u64,
    /// Doubled quotes, by their second half.
    pub(super) doubled: u64,
    /// Carriage returns anywhere.
    pub(super) carriage_returns: u64,
}

/// The blocks of a text from the start of a record on. What is left at the end of the text is no block.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    text: &'a [u8],
    at: usize,
    delimiter: u8,
    quote: Option<u8>,
    /// All bits set inside quotes.
    inside: u64,
    /// Whether the byte before the block ends a field, or closes a quote: in the lowest bit.
    after_border: u64,
    after_closing: u64,
}

impl<'a> Marks<'a> {
    pub(super) fn new(text: &'a [u8], start: usize, delimiter: u8, quote: Option<u8>) -> Self {
        Marks {
            text,
            at: start,
            delimiter,
            quote,
            inside: 0,
            after_border: 1,
            after_closing: 0,
        }
    }

    /// Where the next block starts.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether the text before the next block ends inside quotes, or with a quote that closes.
    pub(super) fn is_inside(&self) -> bool {
        self.inside != 0
    }

    pub(super) fn is_behind_closing(&self) -> bool {
        self.after_closing != 0
    }

    /// The next block, without its delimiters, if there are no quotes in it and it is not inside of any; None otherwise.
    #[inline]
    pub(super) fn next_without_quotes(&mut self) -> Option<Block> {
        let bytes: &[u8; BLOCK] = self.text.get(self.at..)?.first_chunk()?;
        let quote = self.quote.unwrap_or(b'\n');
        let [line_ends, carriage_returns, quotes] = marks(bytes, [b'\n', b'\r', quote]);
        if self.quote.is_some() && quotes | self.inside | self.after_closing != 0 {
            return None;
        }
        let block = Block {
            start: self.at,
            delimiters: 0,
            line_ends,
            doubled: 0,
            carriage_returns,
        };
        let last = bytes[BLOCK - 1];
        self.after_border = u64::from(last == self.delimiter || last == b'\n');
        self.at += BLOCK;
        Some(block)
    }

    /// The next block; None at the end of the text and before a quote in an unusual place.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Block> {
        let bytes: &[u8; BLOCK] = self.text.get(self.at..)?.first_chunk()?;
        let [delimiters, line_ends, carriage_returns, quotes] = marks(
            bytes,
            [
                self.delimiter,
                b'\n',
                b'\r',
                self.quote.unwrap_or(self.delimiter),
            ],
        );
        let mut block = Block {
            start: self.at,
            delimiters,
            line_ends,
            doubled: 0,
            carriage_returns,
        };
        if self.quote.is_none() {
            self.at += BLOCK;
            return Some(block);
        }
        let inside = before_each(quotes) ^ self.inside;
        let (opening, closing) = (quotes & inside, quotes & !inside);
        block.delimiters &= !inside;
        block.line_ends &= !inside;
        let borders = block.delimiters | block.line_ends;
        // A quote opens behind a border, or it is the second half of a doubled one.
        let behind_closing = closing << 1 | self.after_closing;
        block.doubled = opening & behind_closing;
        let may_open = borders << 1 | self.after_border | behind_closing;
        // Behind a closing quote the field ends.
        let astray = behind_closing & !(borders | opening);
        let line_ends_after = astray & carriage_returns & (block.line_ends >> 1);
        if opening & !may_open != 0 || astray != line_ends_after {
            return None;
        }
        self.at += BLOCK;
        self.inside = match inside >> (BLOCK - 1) {
            0 => 0,
            _ => u64::MAX,
        };
        self.after_border = borders >> (BLOCK - 1);
        self.after_closing = closing >> (BLOCK - 1);
        Some(block)
    }
}

/// For each byte whether an odd number of the bits up to it is set.
#[inline]
fn before_each(bits: u64) -> u64 {
    let mut odd = bits;
    for shift in [1, 2, 4, 8, 16, 32] {
        odd ^= odd << shift;
    }
    odd
}

/// For each of `wanted` a bit for each byte that equals it.
#[cfg(target_arch = "x86_64")]
#[inline]
#[expect(
    unsafe_code,
    reason = "measured: a quarter of the time that words of eight bytes take"
)]
fn marks<const WANTED: usize>(bytes: &[u8; BLOCK], wanted: [u8; WANTED]) -> [u64; WANTED] {
    // SAFETY: the function asks for SSE2, which every x86-64 processor has.
    unsafe { marks_by_sixteen(bytes, wanted) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn marks_by_sixteen<const WANTED: usize>(
    bytes: &[u8; BLOCK],
    wanted: [u8; WANTED],
) -> [u64; WANTED] {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    let mut marks = [0; WANTED];
    let (pieces, _) = bytes.as_chunks::<16>();
    for (number, piece) in pieces.iter().enumerate() {
        let both = u128::from_le_bytes(*piece);
        let piece = _mm_set_epi64x((both >> 64) as i64, both as i64);
        for (marks, byte) in marks.iter_mut().zip(wanted) {
            let equal = _mm_cmpeq_epi8(piece, _mm_set1_epi8(byte as i8));
            *marks |= u64::from(_mm_movemask_epi8(equal) as u16) << (16 * number);
        }
    }
    marks
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn marks<const WANTED: usize>(bytes: &[u8; BLOCK], wanted: [u8; WANTED]) -> [u64; WANTED] {
    wanted.map(|byte| marks_by_words(bytes, byte))
}

/// The same, eight bytes at once.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn marks_by_words(bytes: &[u8; BLOCK], byte: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const LOWS: u64 = ONES * 0x7f;
    // Brings the lowest bit of each byte together, in the highest byte.
    const TOGETHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().enumerate().fold(0, |marks, (number, word)| {
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let different = ((word & LOWS) + LOWS) | word;
        let equal = (!different >> 7) & ONES;
        marks | (equal.wrapping_mul(TOGETHER) >> 56) << (8 * number)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_are_those_of_a_loop(text in prop::collection::vec(any::<u8>(), BLOCK), at in 0..BLOCK) {
            let bytes: [u8; BLOCK] = text.try_into().unwrap();
            for byte in [bytes[at], b'\n'] {
                let expected = (0..BLOCK).fold(0, |bits, at| bits | u64::from(bytes[at] == byte) << at);
                prop_assert_eq!(marks(&bytes, [b',', byte])[1], expected);
                prop_assert_eq!(marks_by_words(&bytes, byte), expected);
            }
        }

        #[test]
        fn fields_end_where_a_loop_ends_them(text in "([ab\r]{0,9}[,\n]|\"([a,\n]|\"\"){0,40}\"[,\n]|a\"b,){1,60}") {
            let text = text.as_bytes();
            // Byte by byte: inside quotes or not, and whether every quote is where it belongs.
            let (mut inside, mut usual) = (false, true);
            let mut borders = Vec::new();
            let mut doubled = Vec::new();
            let mut at = 0;
            while at < text.len() && usual {
                let starts_field = at == 0 || borders.last() == Some(&(at - 1));
                match text[at] {
                    b'"' if !inside => {
                        usual = starts_field;
                        inside = true;
                    }
                    b'"' if text.get(at + 1) == Some(&b'"') => {
                        at += 1;
                        doubled.push(at);
                    }
                    b'"' => {
                        usual = matches!(text.get(at + 1), None | Some(b',' | b'\n'));
                        inside = false;
                    }
                    b',' | b'\n' if !inside => borders.push(at),
                    _ => {}
                }
                at += usize::from(usual);
            }
            let mut marks = Marks::new(text, 0, b',', Some(b'"'));
            let mut end = 0;
            while let Some(block) = marks.next() {
                let ones = |bits: u64| (0..BLOCK).filter(move |at| bits >> at & 1 == 1);
                let here: Vec<usize> = ones(block.delimiters | block.line_ends).map(|at| block.start + at).collect();
                let within = |all: &[usize]| -> Vec<usize> {
                    all.iter().copied().filter(|at| (block.start..block.start + BLOCK).contains(at)).collect()
                };
                prop_assert_eq!(here, within(&borders));
                prop_assert_eq!(ones(block.doubled).map(|at| block.start + at).collect::<Vec<_>>(), within(&doubled));
                end = block.start + BLOCK;
                prop_assert!(usual || end <= at + 1);
            }
            // Nothing but an unusual quote, or the end, stops the marks.
            prop_assert!(!usual || text.len() - end < BLOCK);
        }
    }
}
