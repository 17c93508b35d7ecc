//! Where the records of a unit start, without reading what is before it twice.
//!
//! A unit starts at any byte. Whether that byte is inside quotes depends on every byte before it, so the file is looked at in
//! *blocks*: each block is summarised as a function from the state before it to the state behind it, once, by the worker that
//! needs it first. The state before a unit is those functions one after the other. A query that stops early never looks further.

use std::io::Read;
use std::ops::Range;
use std::sync::OnceLock;

use memchr::{memchr_iter, memchr2_iter};

use crate::error::Result;
use crate::file::input::Input;

/// Whether a place of the file is inside quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Outside,
    Inside,
    /// The last byte was a quote that closed, or the first half of a doubled one.
    Closed,
}

const STATES: [State; 3] = [State::Outside, State::Inside, State::Closed];

impl State {
    /// The state behind a quote, given the byte before the quote and whether the quote follows the last one directly.
    fn after_quote(self, starts_field: bool, adjacent: bool) -> State {
        match self {
            State::Inside => State::Closed,
            State::Closed if adjacent => State::Inside,
            State::Outside | State::Closed if starts_field => State::Inside,
            State::Outside | State::Closed => State::Outside,
        }
    }
}

/// The blocks of one file and what is known of them.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Where the first record starts.
    first: u64,
    length: u64,
    size: u64,
    delimiter: u8,
    /// Without it every line end ends a record.
    quote: Option<u8>,
    /// For each block: the state behind it for each of [`STATES`] before it.
    summaries: Vec<OnceLock<[State; 3]>>,
}

impl Blocks {
    pub(super) fn new(
        first: u64,
        length: u64,
        size: u64,
        delimiter: u8,
        quote: Option<u8>,
    ) -> Blocks {
        let count = length.saturating_sub(first).div_ceil(size);
        Blocks {
            first,
            length,
            size,
            delimiter,
            quote,
            summaries: (0..count).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The start of the first record at or behind `start`, a border of blocks, and before `end`. `None`: no record starts there.
    pub(super) fn first_record(&self, input: &Input, start: u64, end: u64) -> Result<Option<u64>> {
        if start == self.first {
            return Ok(Some(start));
        }
        let Some(quote) = self.quote else {
            return input.first_line(start, end);
        };
        let blocks = usize::try_from((start - self.first) / self.size).unwrap_or(usize::MAX);
        let mut state = State::Outside;
        for block in 0..blocks.min(self.summaries.len()) {
            let summary = self.summary(input, block, quote)?;
            state = summary[state as usize];
        }
        self.find_start(input, start..end, state, quote)
    }

    fn summary(&self, input: &Input, block: usize, quote: u8) -> Result<[State; 3]> {
        if let Some(summary) = self.summaries[block].get() {
            return Ok(*summary);
        }
        let start = self.first + block as u64 * self.size;
        let end = (start + self.size).min(self.length);
        let summary = self.summarise(input, start, end, quote)?;
        Ok(*self.summaries[block].get_or_init(|| summary))
    }

    fn summarise(&self, input: &Input, start: u64, end: u64, quote: u8) -> Result<[State; 3]> {
        let (before, bytes) = self.bytes(input, start, end)?;
        let mut states = STATES;
        let mut next_to_last = 0;
        for at in memchr_iter(quote, &bytes) {
            let starts_field = self.starts_field(at.checked_sub(1).map_or(before, |at| bytes[at]));
            let adjacent = at == next_to_last;
            for state in &mut states {
                *state = state.after_quote(starts_field, adjacent);
            }
            next_to_last = at + 1;
        }
        if next_to_last != bytes.len() {
            for state in &mut states {
                if *state == State::Closed {
                    *state = State::Outside;
                }
            }
        }
        Ok(states)
    }

    fn starts_field(&self, before: u8) -> bool {
        before == self.delimiter || before == b'\n'
    }

    /// The byte before `start`, and the bytes up to `end`.
    fn bytes(&self, input: &Input, start: u64, end: u64) -> Result<(u8, Vec<u8>)> {
        let mut before = [b'\n'];
        let mut bytes = Vec::with_capacity(usize::try_from(end - start).unwrap_or(0));
        let is_first = start == self.first;
        let mut reader = input.reader(if is_first { start } else { start - 1 })?;
        if !is_first {
            reader
                .read_exact(&mut before)
                .map_err(|error| input.io_error(&error))?;
        }
        reader
            .take(end - start)
            .read_to_end(&mut bytes)
            .map_err(|error| input.io_error(&error))?;
        Ok((before[0], bytes))
    }

    /// Behind the first line end that is not quoted, block by block.
    fn find_start(
        &self,
        input: &Input,
        unit: Range<u64>,
        state: State,
        quote: u8,
    ) -> Result<Option<u64>> {
        let Range { start, end } = unit;
        let mut state = state;
        let mut block_start = start;
        while block_start < end {
            let block_end = (block_start + self.size).min(end);
            let (before, bytes) = self.bytes(input, block_start, block_end)?;
            if block_start == start && before == b'\n' && state != State::Inside {
                return Ok(Some(start));
            }
            let mut next_to_last = 0;
            for at in memchr2_iter(quote, b'\n', &bytes) {
                if bytes[at] == quote {
                    let byte = at.checked_sub(1).map_or(before, |at| bytes[at]);
                    state = state.after_quote(self.starts_field(byte), at == next_to_last);
                    next_to_last = at + 1;
                } else if state != State::Inside {
                    let found = block_start + at as u64 + 1;
                    return Ok(Some(found).filter(|&found| found < end));
                }
            }
            if next_to_last != bytes.len() && state == State::Closed {
                state = State::Outside;
            }
            block_start = block_end;
        }
        Ok(None)
    }
}
