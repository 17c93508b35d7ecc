//! How many records a part of the file has, for a query that needs no column: line ends are counted, fields are not looked at.
//!
//! Every record counts that a full read gives. What only reading fields can find (another number of fields, bytes that are no
//! UTF-8) is not looked for; quotes are followed, since they decide where records end, and their faults are told.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use memchr::{memchr, memchr_iter, memchr2, memrchr};

use super::Table;
use super::split::{Dialect, Fault, Matches, Skip, Stop, Window};
use crate::error::Result;
use crate::file::text::{MAX_RECORD, TextBuffer};
use crate::file::{ReadRequest, batch_of, schema_of};

/// Batches without columns, of as many rows as the unit has records.
pub(super) struct Counts {
    table: Arc<Table>,
    text: TextBuffer,
    /// Records that start here or later belong to another unit.
    end: u64,
    batch_rows: usize,
    /// Counted and not handed out.
    rows: usize,
    over: bool,
}

/// So many bytes without a quote are worth counting all line ends at once.
const FEW_QUOTES: usize = 1024;

/// After so many bytes it is looked at again whether there are few.
const STRETCH: usize = 64 * 1024;

/// Records counted so far, and where the next one starts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counted {
    rows: usize,
    end: usize,
}

impl Counts {
    pub(super) fn new(
        table: &Arc<Table>,
        text: TextBuffer,
        end: u64,
        request: &ReadRequest,
    ) -> Counts {
        Counts {
            table: Arc::clone(table),
            text,
            end,
            batch_rows: request.batch_rows.max(1),
            rows: 0,
            over: false,
        }
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        while self.rows < self.batch_rows && !self.over {
            self.count()?;
        }
        let rows = self.rows.min(self.batch_rows);
        self.rows -= rows;
        if rows == 0 {
            return Ok(None);
        }
        let no_columns = schema_of(&Arc::new(Schema::empty()), &[]);
        batch_of(&no_columns, Vec::new(), rows).map(Some)
    }

    /// Counts in what is held, and reads more where that is needed.
    fn count(&mut self) -> Result<()> {
        let base = self.text.base();
        let window = Window {
            text: self.text.bytes(),
            limit: usize::try_from(self.end.saturating_sub(base)).unwrap_or(usize::MAX),
            at_end: self.text.at_end(),
        };
        let mut counted = Counted::default();
        let stop = self
            .table
            .dialect
            .count(window, self.table.fields, &mut counted)
            .map_err(|fault| self.table.fault(fault, base))?;
        self.rows += counted.rows;
        self.text.consume(counted.end);
        if stop == Stop::End {
            self.over = true;
            return Ok(());
        }
        if self.text.bytes().len() > MAX_RECORD {
            return Err(self.table.too_long(self.text.base()));
        }
        self.text.more()
    }
}

impl Iterator for Counts {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.batch().transpose();
        if matches!(next, Some(Err(_))) {
            self.over = true;
            self.rows = 0;
        }
        next
    }
}

impl Dialect {
    /// Counts whole records up to the limit of the window, in a file of so many fields.
    fn count(
        &self,
        window: Window<'_>,
        fields: usize,
        counted: &mut Counted,
    ) -> Result<Stop, Fault> {
        loop {
            let start = counted.end;
            if start >= window.limit {
                return Ok(Stop::End);
            }
            if start >= window.text.len() {
                return Ok(if window.at_end { Stop::End } else { Stop::More });
            }
            let plain = self.plain_lines(window, start);
            if plain >= start + FEW_QUOTES {
                counted.rows += lines(&window.text[start..plain], fields != 1);
                counted.end = plain;
                continue;
            }
            let before = counted.end;
            self.count_by_words(window, fields, counted);
            if counted.end > before {
                continue;
            }
            if self.may_skip(window.text[start], fields) {
                match self.skipped_line(window, start, fields) {
                    Skip::To(next) => {
                        counted.end = next;
                        continue;
                    }
                    Skip::Incomplete => return Ok(Stop::More),
                    Skip::Nothing => {}
                }
            }
            match self.record_end(window, start)? {
                Some(end) => counted.end = end,
                None => return Ok(Stop::More),
            }
            counted.rows += 1;
        }
    }

    /// The end of the lines from `start` on in which every line end ends a record, no further than the first record behind the
    /// limit.
    fn plain_lines(&self, window: Window<'_>, start: usize) -> usize {
        let text = &window.text[start..];
        let special = match (self.quote, self.comment) {
            (Some(quote), Some(comment)) => memchr2(quote, comment, text),
            (Some(byte), None) | (None, Some(byte)) => memchr(byte, text),
            (None, None) => None,
        };
        let text = &text[..special.unwrap_or(text.len())];
        let Some(last) = memrchr(b'\n', text) else {
            return start;
        };
        let limit = window.limit - start;
        if last < limit {
            return start + last + 1;
        }
        let first_behind = memchr(b'\n', &text[limit - 1..]);
        start + first_behind.map_or(last, |at| limit - 1 + at) + 1
    }

    /// Counts records for the next stretch, quoted ones too, and stops before what is not simple.
    fn count_by_words(&self, window: Window<'_>, fields: usize, counted: &mut Counted) {
        let (Some(quote), None, None) = (self.quote, self.escape, self.comment) else {
            return;
        };
        let text = window.text;
        let skip_empty = fields != 1;
        let start = counted.end;
        let stop = (start + STRETCH).min(window.limit);
        // Whether a quote is open, and the first byte that was not looked at.
        let (mut open, mut seen, mut word_at) = (false, start, start);
        while let Some(word) = text.get(word_at..).and_then(|rest| rest.first_chunk()) {
            let mut found = Matches::of(u64::from_le_bytes(*word), [b'\n', quote]);
            while let Some(offset) = found.next() {
                let at = word_at + offset;
                let is_quote = text[at] == quote;
                if at < seen || open && !is_quote {
                    continue;
                }
                if !is_quote {
                    let line = &text[counted.end..at];
                    counted.rows += usize::from(!(skip_empty && matches!(line, [] | [b'\r'])));
                    counted.end = at + 1;
                    if counted.end >= stop {
                        return;
                    }
                } else if !open {
                    open = at == counted.end || text[at - 1] == self.delimiter;
                } else if text.get(at + 1) == Some(&quote) {
                    seen = at + 2;
                } else {
                    match &text[at + 1..] {
                        [byte, ..] if *byte == self.delimiter => {}
                        [b'\n', ..] | [b'\r', b'\n', ..] => {}
                        _ => return,
                    }
                    open = false;
                }
            }
            word_at += 8;
        }
    }

    /// The end of the record at `start`; `None` if it is behind the text.
    fn record_end(&self, window: Window<'_>, start: usize) -> Result<Option<usize>, Fault> {
        let text = window.text;
        let Some(quote) = self.quote else {
            return Ok(line_end(window, start));
        };
        let mut field = start;
        let mut from = start;
        loop {
            if from == field && text.get(field) == Some(&quote) {
                let Some(found) = self.quoted_field(window, field, quote)? else {
                    return Ok(None);
                };
                if found.ends_record {
                    return Ok(Some(found.next));
                }
                (field, from) = (found.next, found.next);
                continue;
            }
            match memchr2(quote, b'\n', &text[from..]) {
                None => return Ok(line_end(window, from)),
                Some(at) if text[from + at] == b'\n' => return Ok(Some(from + at + 1)),
                Some(at) => {
                    let at = from + at;
                    let starts_field = text[at - 1] == self.delimiter;
                    (field, from) = if starts_field {
                        (at, at)
                    } else {
                        (field, at + 1)
                    };
                }
            }
        }
    }
}

fn line_end(window: Window<'_>, from: usize) -> Option<usize> {
    let text = window.text;
    match memchr(b'\n', &text[from..]) {
        Some(at) => Some(from + at + 1),
        None => window.at_end.then_some(text.len()),
    }
}

/// Lines in `text`, which starts and ends at a line's border; without empty ones if these are no records.
fn lines(text: &[u8], skip_empty: bool) -> usize {
    let all = memchr_iter(b'\n', text).count();
    match skip_empty {
        true => all - empty_lines(text),
        false => all,
    }
}

/// Lines that are empty, but for a carriage return.
fn empty_lines(text: &[u8]) -> usize {
    // As bytes, so that the compiler compares many at once; a piece is too short for the sum to overflow.
    const PIECE: usize = 128;
    let ends_empty = |a: u8, b: u8, c: u8| {
        u8::from(c == b'\n')
            & (u8::from(b == b'\n') | (u8::from(b == b'\r') & u8::from(a == b'\n')))
    };
    let first = text.first().map_or(0, |&c| ends_empty(b'\n', b'\n', c));
    let second = match text {
        [b, c, ..] => ends_empty(b'\n', *b, *c),
        _ => 0,
    };
    let [Some(one_before), Some(here)] = [text.get(1..), text.get(2..)] else {
        return usize::from(first + second);
    };
    let pieces = here
        .chunks(PIECE)
        .zip(one_before.chunks(PIECE))
        .zip(text.chunks(PIECE));
    let rest: usize = pieces
        .map(|((here, one_before), two_before)| {
            let bytes = here.iter().zip(one_before).zip(two_before);
            usize::from(bytes.map(|((&c, &b), &a)| ends_empty(a, b, c)).sum::<u8>())
        })
        .sum();
    rest + usize::from(first + second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_lines_agree_with_a_loop() {
        for text in [
            "",
            "\n",
            "\r\n",
            "\n\n",
            "a\n\nb\n",
            "\r\n\r\na\r\n\n",
            "\ra\n",
        ] {
            let expected = text.lines().filter(|line| line.is_empty()).count();
            assert_eq!(empty_lines(text.as_bytes()), expected, "{text:?}");
        }
        let long = "a,b\n\n".repeat(1000) + &"\r\n".repeat(777);
        assert_eq!(empty_lines(long.as_bytes()), 1777);
    }

    proptest! {
        #[test]
        fn as_many_records_as_splitting_gives(
            text in "([a,\"\r]{0,3}\n|\"[a\n]{0,3}\",|#|,){0,30}",
            limit in 0..80_usize, at_end: bool, quoted: bool, comments: bool,
        ) {
            let dialect = Dialect {
                delimiter: b',',
                quote: quoted.then_some(b'"'),
                escape: None,
                comment: comments.then_some(b'#'),
            };
            let window = Window { text: text.as_bytes(), limit, at_end };
            let mut expected = Counted::default();
            // What reading the fields of one record after the other gives.
            let stop = loop {
                if expected.end >= limit {
                    break Ok(Stop::End);
                }
                if text.len() > expected.end
                    && let Skip::To(next) = dialect.skipped_line(window, expected.end, 2)
                {
                    expected.end = next;
                    continue;
                }
                let mut fields = Vec::new();
                match dialect.record(window, expected.end, &mut fields) {
                    Err(fault) => break Err(fault),
                    Ok(Some((start, _))) if start >= limit => break Ok(Stop::End),
                    Ok(Some((_, next))) => {
                        expected.rows += 1;
                        expected.end = next;
                    }
                    Ok(None) => break Ok(if at_end { Stop::End } else { Stop::More }),
                }
            };
            let mut counted = Counted::default();
            let found = dialect.count(window, 2, &mut counted);
            prop_assert_eq!(counted.rows, expected.rows);
            match (found, stop) {
                (Err(found), Err(expected)) => prop_assert_eq!(found, expected),
                (found, expected) => prop_assert!(found.is_ok() && expected.is_ok()),
            }
        }
    }
}
