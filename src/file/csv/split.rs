//! Bytes into records and fields.
//!
//! A quote counts at the very start of a field only; anywhere else in a field without quotes it is text. Inside quotes everything
//! is text up to the closing quote, which a doubled quote is not.

mod by_marks;

use memchr::{memchr, memchr2};

/// Where a field lies in the text, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    start: u32,
    /// The end, and in its highest bits whether the field is quoted and whether it needs unescaping.
    end_and_flags: u32,
}

const QUOTED: u32 = 1 << 31;
const ESCAPED: u32 = 1 << 30;

impl Field {
    fn new(start: usize, end: usize, flags: u32) -> Field {
        // A window never has more than MAX_RECORD and a piece: far from the flags.
        Field {
            start: start as u32,
            end_and_flags: end as u32 | flags,
        }
    }

    #[inline]
    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(super) fn end(self) -> usize {
        (self.end_and_flags & !(QUOTED | ESCAPED)) as usize
    }

    /// With its quotes.
    pub(super) fn outer_start(self) -> usize {
        self.start() - usize::from(self.is_quoted())
    }

    /// With its quotes.
    pub(super) fn outer_end(self) -> usize {
        self.end() + usize::from(self.is_quoted())
    }

    #[inline]
    pub(super) fn is_quoted(self) -> bool {
        self.end_and_flags & QUOTED != 0
    }

    #[inline]
    pub(super) fn is_escaped(self) -> bool {
        self.end_and_flags & ESCAPED != 0
    }
}

/// Records found so far: the wanted fields, row by row.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// `wanted` fields for each record, in the order of the file.
    pub(super) fields: Vec<Field>,
    pub(super) rows: usize,
    /// Where the next record starts.
    pub(super) end: usize,
    /// Where fields end in the piece of text at hand, see [`by_marks`].
    borders: Vec<u32>,
}

impl Records {
    /// Forgets what was kept of a record behind the last whole one of `columns` fields.
    pub(super) fn forget_half(&mut self, columns: usize) {
        self.fields.truncate(self.rows * columns);
    }

    /// Takes a record that has too few fields: those that it lacks are empty.
    pub(super) fn push_short(&mut self, found: &[Field], columns: usize, next: usize) {
        let end = found.last().map_or(next, |field| field.end());
        self.fields.extend(found);
        let lacking = columns.saturating_sub(found.len());
        self.fields
            .extend((0..lacking).map(|_| Field::new(end, end, 0)));
        self.rows += 1;
        self.end = next;
    }

    /// Forgets the records; the next one starts at the beginning of the text.
    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.rows = 0;
        self.end = 0;
    }
}

/// The part of a text that is to be split.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) text: &'a [u8],
    /// Records that start here or later belong to the next unit.
    pub(super) limit: usize,
    /// Nothing follows the text.
    pub(super) at_end: bool,
}

/// Why splitting stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// As many rows as asked for.
    Full,
    /// The last record goes on behind the text.
    More,
    /// No record of this unit is left.
    End,
}

/// What is wrong with a record, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    FieldCount { at: usize, found: usize },
    UnclosedQuote { at: usize },
    TextAfterQuote { at: usize },
}

/// The characters that make the structure of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
}

/// One field and what follows it.
pub(super) struct Found {
    field: Field,
    pub(super) next: usize,
    pub(super) ends_record: bool,
}

impl Dialect {
    /// Splits whole records, each of `wanted.len()` fields, and keeps the wanted fields.
    pub(super) fn split(
        &self,
        window: Window<'_>,
        wanted: &[bool],
        max_rows: usize,
        records: &mut Records,
    ) -> Result<Stop, Fault> {
        while records.rows < max_rows {
            self.split_by_marks(window, wanted, max_rows, records);
            if records.rows >= max_rows {
                break;
            }
            let start = records.end;
            if start >= window.limit {
                return Ok(Stop::End);
            }
            if start >= window.text.len() {
                return Ok(if window.at_end { Stop::End } else { Stop::More });
            }
            if self.may_skip(window.text[start], wanted.len()) {
                match self.skipped_line(window, start, wanted.len()) {
                    Skip::To(next) => {
                        records.end = next;
                        continue;
                    }
                    Skip::Incomplete => return Ok(Stop::More),
                    Skip::Nothing => {}
                }
            }
            let kept = records.fields.len();
            let split = self.split_record(window, start, wanted, &mut records.fields)?;
            let Some((count, next)) = split else {
                records.fields.truncate(kept);
                return Ok(Stop::More);
            };
            if count != wanted.len() {
                return Err(Fault::FieldCount {
                    at: start,
                    found: count,
                });
            }
            records.rows += 1;
            records.end = next;
        }
        Ok(Stop::Full)
    }

    /// Splits the record at `start` and gives its number of fields and where the next one starts; `None` if it goes on behind the
    /// text. A word of eight bytes is looked at at once; near the end of the text, field by field.
    #[inline]
    fn split_record(
        &self,
        window: Window<'_>,
        start: usize,
        wanted: &[bool],
        fields: &mut Vec<Field>,
    ) -> Result<Option<(usize, usize)>, Fault> {
        let text = window.text;
        // Without a quote the delimiter stands in for it.
        let quote = self.quote.unwrap_or(self.delimiter);
        let keep = |count: usize| wanted.get(count) == Some(&true);
        // Where the field starts, the flags of one in quotes, and the first byte that was not looked at.
        let (mut count, mut field, mut flags, mut seen) = (0, start, 0, start);
        let mut word_at = start;
        while let Some(word) = text.get(word_at..).and_then(|rest| rest.first_chunk()) {
            let mut found = Matches::of(u64::from_le_bytes(*word), [self.delimiter, b'\n', quote]);
            while let Some(offset) = found.next() {
                let at = word_at + offset;
                let byte = text[at];
                if at < seen || flags != 0 && byte != quote {
                    continue;
                }
                if byte == self.delimiter {
                    if keep(count) {
                        fields.push(Field::new(field, at, 0));
                    }
                    count += 1;
                    field = at + 1;
                } else if byte == b'\n' {
                    let carriage_return = at > field && text[at - 1] == b'\r';
                    if keep(count) {
                        fields.push(Field::new(field, at - usize::from(carriage_return), 0));
                    }
                    return Ok(Some((count + 1, at + 1)));
                } else if flags == 0 && at == field && self.escape.is_none() {
                    flags = QUOTED;
                } else if flags == 0 && at != field {
                    // A quote within a field is text.
                } else if flags != 0 && text.get(at + 1) == Some(&quote) {
                    flags |= ESCAPED;
                    seen = at + 2;
                } else if flags != 0 && text.get(at + 1) == Some(&self.delimiter) {
                    if keep(count) {
                        fields.push(Field::new(field + 1, at, flags));
                    }
                    count += 1;
                    field = at + 2;
                    seen = field;
                    flags = 0;
                } else if flags != 0 && text.get(at + 1) == Some(&b'\n') {
                    if keep(count) {
                        fields.push(Field::new(field + 1, at, flags));
                    }
                    return Ok(Some((count + 1, at + 2)));
                } else {
                    let Some(quoted) = self.quoted_field(window, field, quote)? else {
                        return Ok(None);
                    };
                    if keep(count) {
                        fields.push(quoted.field);
                    }
                    count += 1;
                    field = quoted.next;
                    seen = field;
                    flags = 0;
                    if quoted.ends_record {
                        return Ok(Some((count, field)));
                    }
                }
            }
            word_at = (word_at + 8).max(seen);
        }
        loop {
            let Some(found) = self.field(window, field)? else {
                return Ok(None);
            };
            if wanted.get(count) == Some(&true) {
                fields.push(found.field);
            }
            count += 1;
            field = found.next;
            if found.ends_record {
                return Ok(Some((count, field)));
            }
        }
    }

    /// The fields of the first record at or behind `start`, however many, with where it starts and where the next one does. `None`: there
    /// is none, or it goes on behind the text.
    pub(super) fn record(
        &self,
        window: Window<'_>,
        start: usize,
        fields: &mut Vec<Field>,
    ) -> Result<Option<(usize, usize)>, Fault> {
        fields.clear();
        let mut start = start;
        while let Some(&first) = window.text.get(start)
            && self.may_skip(first, usize::MAX)
        {
            match self.skipped_line(window, start, usize::MAX) {
                Skip::To(next) => start = next,
                Skip::Incomplete => return Ok(None),
                Skip::Nothing => break,
            }
        }
        if start >= window.text.len() {
            return Ok(None);
        }
        let mut pos = start;
        loop {
            let Some(found) = self.field(window, pos)? else {
                return Ok(None);
            };
            fields.push(found.field);
            pos = found.next;
            if found.ends_record {
                return Ok(Some((start, pos)));
            }
        }
    }

    #[inline]
    pub(super) fn may_skip(&self, first: u8, columns: usize) -> bool {
        Some(first) == self.comment || columns != 1 && matches!(first, b'\n' | b'\r')
    }

    /// A comment, or an empty line in a file of several columns (of a single column it is a NULL).
    pub(super) fn skipped_line(&self, window: Window<'_>, start: usize, columns: usize) -> Skip {
        let text = &window.text[start..];
        if text.first() == self.comment.as_ref() {
            return match memchr(b'\n', text) {
                Some(end) => Skip::To(start + end + 1),
                None if window.at_end => Skip::To(window.text.len()),
                None => Skip::Incomplete,
            };
        }
        match text {
            [b'\n', ..] if columns != 1 => Skip::To(start + 1),
            [b'\r', b'\n', ..] if columns != 1 => Skip::To(start + 2),
            [b'\r'] if !window.at_end => Skip::Incomplete,
            _ => Skip::Nothing,
        }
    }

    /// The field at `start`; `None` if its end is behind the text.
    #[inline]
    fn field(&self, window: Window<'_>, start: usize) -> Result<Option<Found>, Fault> {
        let text = window.text;
        if let Some(quote) = self.quote
            && text.get(start) == Some(&quote)
        {
            return self.quoted_field(window, start, quote);
        }
        let end = find_either(text, start, self.delimiter, b'\n');
        let delimited = match text.get(end) {
            Some(&byte) => byte == self.delimiter,
            None if window.at_end => false,
            None => return Ok(None),
        };
        if delimited {
            return Ok(Some(Found {
                field: Field::new(start, end, 0),
                next: end + 1,
                ends_record: false,
            }));
        }
        let carriage_return = end > start && text[end - 1] == b'\r';
        Ok(Some(Found {
            field: Field::new(start, end - usize::from(carriage_return), 0),
            next: (end + 1).min(text.len()),
            ends_record: true,
        }))
    }

    pub(super) fn quoted_field(
        &self,
        window: Window<'_>,
        start: usize,
        quote: u8,
    ) -> Result<Option<Found>, Fault> {
        let text = window.text;
        let escape = self.escape.unwrap_or(quote);
        let mut flags = QUOTED;
        let mut pos = start + 1;
        let close = loop {
            let special = text
                .get(pos..)
                .and_then(|rest| memchr2(quote, escape, rest));
            let Some(at) = special.map(|offset| pos + offset) else {
                return unfinished(window, Fault::UnclosedQuote { at: start });
            };
            let escapes = text[at] != quote;
            match text.get(at + 1) {
                Some(&next) if escapes || next == quote => {
                    flags |= ESCAPED;
                    pos = at + 2;
                }
                None if escapes => {
                    return unfinished(window, Fault::UnclosedQuote { at: start });
                }
                None if !window.at_end => return Ok(None),
                _ => break at,
            }
        };
        let (next, ends_record) = match &text[close + 1..] {
            [] => (text.len(), true),
            [byte, ..] if *byte == self.delimiter => (close + 2, false),
            [b'\n', ..] => (close + 2, true),
            [b'\r', b'\n', ..] => (close + 3, true),
            [b'\r'] if window.at_end => (close + 2, true),
            [b'\r'] => return Ok(None),
            _ => return Err(Fault::TextAfterQuote { at: close + 1 }),
        };
        Ok(Some(Found {
            field: Field::new(start + 1, close, flags),
            next,
            ends_record,
        }))
    }

    /// The text of an escaped field.
    pub(super) fn unescape(&self, raw: &str, into: &mut String) {
        into.clear();
        let special = [self.quote, self.escape];
        let mut rest = raw.chars();
        while let Some(character) = rest.next() {
            let escapes = u8::try_from(character).is_ok_and(|byte| special.contains(&Some(byte)));
            // After an escape the next character is meant as it is.
            into.extend(if escapes {
                rest.next()
            } else {
                Some(character)
            });
        }
    }
}

pub(super) enum Skip {
    To(usize),
    Incomplete,
    Nothing,
}

fn unfinished(window: Window<'_>, fault: Fault) -> Result<Option<Found>, Fault> {
    if window.at_end { Err(fault) } else { Ok(None) }
}

/// The first place at or behind `start` that holds `a` or `b`, or the length of the text.
///
/// Most fields are short: two words are looked at at once without a call, and only long fields go on in `memchr`.
#[inline]
fn find_either(text: &[u8], start: usize, a: u8, b: u8) -> usize {
    const NEAR: usize = 32;
    let mut pos = start;
    while pos < start + NEAR {
        let Some(bytes) = text.get(pos..).and_then(|rest| rest.first_chunk::<16>()) else {
            break;
        };
        let both = u128::from_le_bytes(*bytes);
        let low = matches_in(both as u64, a) | matches_in(both as u64, b);
        if low != 0 {
            return pos + low.trailing_zeros() as usize / 8;
        }
        let high = (both >> 64) as u64;
        let high = matches_in(high, a) | matches_in(high, b);
        if high != 0 {
            return pos + 8 + high.trailing_zeros() as usize / 8;
        }
        pos += 16;
    }
    let rest = text.get(pos..).unwrap_or_default();
    if rest.len() < 16 {
        return rest
            .iter()
            .position(|&byte| byte == a || byte == b)
            .map_or(text.len(), |offset| pos + offset);
    }
    memchr2(a, b, rest).map_or(text.len(), |offset| pos + offset)
}

/// The bytes of a word that are one of a few, the first in the text first.
pub(super) struct Matches(u64);

impl Matches {
    #[inline]
    pub(super) fn of<const BYTES: usize>(word: u64, bytes: [u8; BYTES]) -> Matches {
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        const LOWS: u64 = ONES * 0x7f;
        // The highest bit of each byte that differs from all of them.
        let different = bytes.into_iter().fold(u64::MAX, |different, byte| {
            let word = word ^ ONES.wrapping_mul(u64::from(byte));
            different & (((word & LOWS) + LOWS) | word)
        });
        Matches(!different & !LOWS)
    }

    #[inline]
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let offset = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0 - 1;
        Some(offset)
    }
}

/// The highest bit of each byte of `word` that equals `byte`. Bytes above the first match may be marked wrongly.
#[inline]
fn matches_in(word: u64, byte: u8) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let different = word ^ ONES.wrapping_mul(u64::from(byte));
    different.wrapping_sub(ONES) & !different & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_those_of_a_loop() {
        for seed in 0..2000_u64 {
            let word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            let bytes = [word[(seed % 8) as usize], 0x80, b'\n'];
            let mut found = Matches::of(u64::from_le_bytes(word), bytes);
            for offset in (0..8).filter(|offset| bytes.contains(&word[*offset])) {
                assert_eq!(found.next(), Some(offset));
            }
            assert_eq!(found.next(), None);
        }
    }

    #[test]
    fn find_either_agrees_with_a_loop() {
        let text: Vec<u8> = (0..200_u8).map(|byte| byte.wrapping_mul(37)).collect();
        for a in 0..=255_u8 {
            for start in [0, 1, 7, 8, 15, 16, 100, 190, 199, 200] {
                let expected = (start..text.len())
                    .find(|&at| text[at] == a || text[at] == 0x80)
                    .unwrap_or(text.len());
                assert_eq!(find_either(&text, start, a, 0x80), expected);
            }
        }
    }
}
