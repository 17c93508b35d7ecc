//! How many records a part of the file has, for a query that needs no column: line ends are counted, fields are not looked at.
//!
//! Every record counts that a full read gives. What only reading fields can find (another number of fields, bytes that are no
//! UTF-8) is not looked for; quotes are followed, since they decide where records end, and their faults are told.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use memchr::{memchr, memchr2};

use super::Table;
use super::marks::Marks;
use super::split::{Dialect, Fault, Skip, Stop, Window};
use crate::error::Result;
use crate::file::text::{MAX_RECORD, TextBuffer};
use crate::file::{ReadRequest, ReadTally, batch_of, schema_of};

/// Batches without columns, of as many rows as the unit has records.
pub(super) struct Counts {
    table: Arc<Table>,
    text: TextBuffer,
    /// Records that start here or later belong to another unit.
    end: u64,
    batch_rows: usize,
    tally: Arc<ReadTally>,
    /// Counted and not handed out.
    rows: usize,
    over: bool,
}

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
            tally: Arc::clone(&request.tally),
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
        self.tally.passed(rows, rows);
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
            self.count_by_marks(window, fields, counted);
            if counted.end > start {
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

    /// Counts records up to the limit, and stops before what is not simple.
    fn count_by_marks(&self, window: Window<'_>, fields: usize, counted: &mut Counted) {
        if self.escape.is_some() || self.comment.is_some() {
            return;
        }
        let skip_empty = fields != 1;
        let mut marks = Marks::new(window.text, counted.end, self.delimiter, self.quote);
        // Whether a line starts with the block, or at the carriage return before it: in the lowest bit.
        let (mut at_start, mut behind_return) = (1, 0);
        // Where there was one quote there are more.
        let mut no_quotes = true;
        let mut next = || {
            let block = no_quotes.then(|| marks.next_without_quotes()).flatten();
            no_quotes = block.is_some();
            block.or_else(|| marks.next())
        };
        while counted.end < window.limit
            && let Some(block) = next()
        {
            let starts = block.line_ends << 1 | at_start;
            let returns = block.carriage_returns & starts;
            let empty = block.line_ends & (starts | returns << 1 | behind_return);
            at_start = block.line_ends >> 63;
            behind_return = returns >> 63;
            let mut ends = block.line_ends;
            // Records that start behind the limit are not ours.
            let from = (window.limit - 1).saturating_sub(block.start);
            if from < 64 {
                let behind = ends & u64::MAX << from;
                ends &= !(u64::MAX << from) | behind & behind.wrapping_neg();
            }
            if ends != 0 {
                counted.end = block.start + 64 - ends.leading_zeros() as usize;
            }
            let records = if skip_empty { ends & !empty } else { ends };
            counted.rows += records.count_ones() as usize;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_many_records_as_splitting_gives(
            text in "([a,\"\r]{0,3}\n|[a,]{0,20}\r?\n|\"[a\n]{0,30}\",|#|,){0,30}",
            limit in 0..300_usize, at_end: bool, quoted: bool, comments: bool,
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
