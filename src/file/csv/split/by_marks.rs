//! Splitting where nothing is unusual: the borders of all fields in a piece of text are found first, many bytes at once.

use super::super::marks::Marks;
use super::{Dialect, Field, QUOTED, Records, Window};

/// Set in a border that ends a record.
const LINE_END: u32 = 1 << 31;

/// Bytes whose borders are found at once: they stay in the cache.
const PIECE: usize = 16 * 1024;

impl Dialect {
    /// Splits records as long as nothing is unusual: what is, is left for those who look at every byte.
    pub(super) fn split_by_marks(
        &self,
        window: Window<'_>,
        wanted: &[bool],
        max_rows: usize,
        records: &mut Records,
    ) {
        if self.escape.is_some() || self.comment.is_some() {
            return;
        }
        loop {
            let before = records.end;
            self.find_borders(window.text, before, &mut records.borders);
            self.take_records(window, wanted, max_rows, records);
            if records.end == before {
                return;
            }
        }
    }

    /// Where fields end in the piece from `start` on, up to what is unusual.
    fn find_borders(&self, text: &[u8], start: usize, borders: &mut Vec<u32>) {
        borders.clear();
        let mut marks = Marks::new(text, start, self.delimiter, self.quote);
        while let Some(block) = marks.next() {
            // A field with a doubled quote has to be put together.
            if block.doubled != 0 {
                return;
            }
            let mut left = block.delimiters | block.line_ends;
            let first = block.start as u32;
            let found = (0..left.count_ones()).map(|_| {
                let place = left.trailing_zeros();
                left &= left.wrapping_sub(1);
                let ends_line = (block.line_ends >> place & 1) as u32;
                first.wrapping_add(place) | ends_line << 31
            });
            borders.extend(found);
            if block.start >= start + PIECE {
                return;
            }
        }
    }

    /// Takes the records that lie between the borders found.
    fn take_records(
        &self,
        window: Window<'_>,
        wanted: &[bool],
        max_rows: usize,
        records: &mut Records,
    ) {
        let Records {
            fields,
            rows,
            end: next,
            borders,
        } = records;
        let mut left = borders.as_slice();
        let (count, skip_empty) = (wanted.len(), wanted.len() != 1);
        while *rows < max_rows && *next < window.limit {
            let start = *next;
            if let Some((first, rest)) = left.split_first()
                && skip_empty
                && first & LINE_END != 0
                && matches!(
                    window.text[start..(first & !LINE_END) as usize],
                    [] | [b'\r']
                )
            {
                *next = (first & !LINE_END) as usize + 1;
                left = rest;
                continue;
            }
            let Some((record, rest)) = left.split_at_checked(count) else {
                return;
            };
            let Some((last, inner)) = record.split_last() else {
                return;
            };
            let inner_line_end = inner.iter().fold(0, |all, border| all | border) & LINE_END;
            if last & LINE_END == 0 || inner_line_end != 0 {
                return;
            }
            let line_end = (last & !LINE_END) as usize;
            let mut field = start;
            for (border, wanted) in record.iter().zip(wanted) {
                let end = (border & !LINE_END) as usize;
                if *wanted {
                    fields.push(self.bordered(window.text, field, end, end == line_end));
                }
                field = end.wrapping_add(1);
            }
            left = rest;
            *rows += 1;
            *next = line_end + 1;
        }
    }

    /// The field between two borders. A quote at its start is closed at its end.
    #[inline]
    fn bordered(&self, text: &[u8], start: usize, end: usize, is_last: bool) -> Field {
        let bytes = &text[start..end];
        let carriage_return = is_last && bytes.last() == Some(&b'\r');
        let end = end - usize::from(carriage_return);
        match self.quote {
            Some(quote) if bytes.first() == Some(&quote) => {
                Field::new(start + 1, end.wrapping_sub(1), QUOTED)
            }
            _ => Field::new(start, end, 0),
        }
    }
}
