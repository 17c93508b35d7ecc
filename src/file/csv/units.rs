//! Where the records of a unit start, without reading what is before it twice.
//!
//! A unit is a *block*: it starts at any byte. Whether that byte is inside quotes mostly shows in its first quotes. Where it does not
//! (there are none, or both ways make sense) it depends on every byte before, so a block is summarised as a function from the state
//! before it to the state behind it: by the worker that reads it, or by one that reads a later block and needs it first. The state
//! before a block is that before an earlier one and these functions, one after the other. A query that stops early never looks
//! further.

use std::sync::OnceLock;

use memchr::{memchr, memchr_iter, memchr2_iter};

use super::marks::Marks;

use crate::error::Result;
use crate::file::input::Input;
use crate::file::text::TextBuffer;

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
    /// For each block: the state before it.
    states: Vec<OnceLock<State>>,
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
            states: (0..count).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The text of a block from the first record on that starts in it. `None`: no record does.
    pub(super) fn open(&self, input: &Input, start: u64, end: u64) -> Result<Option<TextBuffer>> {
        if start == self.first && self.quote.is_none() {
            return TextBuffer::open(input, start, end).map(Some);
        }
        let text = self.load(input, start, end)?;
        let Some(quote) = self.quote else {
            return Ok(behind_line_end(text));
        };
        if start == self.first {
            return Ok(Some(text.text));
        }
        let block = usize::try_from((start - self.first) / self.size).unwrap_or(usize::MAX);
        let state = match self.evident_state(&text, quote) {
            Some(state) => state,
            None => {
                // The text is at hand: whoever reads the blocks behind need not read it for this.
                if let Some(summary) = self.summaries.get(block) {
                    summary.get_or_init(|| self.summarise(&text, quote));
                }
                self.state(input, block, quote)?
            }
        };
        if let Some(known) = self.states.get(block) {
            known.get_or_init(|| state);
        }
        Ok(self.cut_to_first_record(text, state, quote))
    }

    /// The state before a block, from the last block before it of which it is known.
    fn state(&self, input: &Input, block: usize, quote: u8) -> Result<State> {
        let known = self.states[..block].iter().enumerate().rev();
        let known = known.filter_map(|(block, state)| Some((block, *state.get()?)));
        let (first, mut state) = { known }.next().unwrap_or((0, State::Outside));
        for block in first..block {
            let summary = match self.summaries[block].get() {
                Some(summary) => *summary,
                None => {
                    let start = self.first + block as u64 * self.size;
                    let end = (start + self.size).min(self.length);
                    let text = self.load(input, start, end)?;
                    *self.summaries[block].get_or_init(|| self.summarise(&text, quote))
                }
            };
            state = summary[state as usize];
            self.states[block + 1].get_or_init(|| state);
        }
        Ok(state)
    }

    /// The state before a text, where its first quotes tell: one of the states makes text follow a closing quote, which ends the
    /// query with an error when the record is read, in the unit where it starts. So the state is the other.
    fn evident_state(&self, loaded: &Loaded, quote: u8) -> Option<State> {
        if loaded.before == quote {
            return None;
        }
        let outside = self.is_contradicted(loaded, quote, State::Outside);
        let inside = self.is_contradicted(loaded, quote, State::Inside);
        match (outside, inside) {
            (false, true) => Some(State::Outside),
            (true, false) => Some(State::Inside),
            _ => None,
        }
    }

    /// Whether text follows one of the first quotes that close, if the text starts in this state.
    fn is_contradicted(&self, loaded: &Loaded, quote: u8, state: State) -> bool {
        const QUOTES: usize = 64;
        let bytes = loaded.text.bytes();
        let mut inside = state == State::Inside;
        let mut doubled = usize::MAX;
        for at in memchr_iter(quote, bytes).take(QUOTES) {
            if at == doubled {
                continue;
            }
            if !inside {
                let before = at.checked_sub(1).map_or(loaded.before, |at| bytes[at]);
                inside = self.starts_field(before);
                continue;
            }
            match &bytes[at + 1..] {
                [next, ..] if *next == quote => doubled = at + 1,
                [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..] => inside = false,
                [next, ..] if *next == self.delimiter => inside = false,
                _ => return true,
            }
        }
        false
    }

    /// The bytes of a block.
    fn load(&self, input: &Input, start: u64, end: u64) -> Result<Loaded> {
        let is_first = start == self.first;
        let mut text = TextBuffer::open(input, start - u64::from(!is_first), end)?;
        text.load(end)?;
        let mut before = b'\n';
        if !is_first && let Some(&byte) = text.bytes().first() {
            before = byte;
            text.consume(1);
        }
        Ok(Loaded { text, before })
    }

    /// The state behind a text for each of [`STATES`] before it.
    fn summarise(&self, loaded: &Loaded, quote: u8) -> [State; 3] {
        let bytes = loaded.text.bytes();
        let mut states = STATES;
        let mut next_to_last = 0;
        let mut from = 0;
        while let Some(offset) = memchr(quote, &bytes[from..]) {
            let at = from + offset;
            let starts_field =
                self.starts_field(at.checked_sub(1).map_or(loaded.before, |at| bytes[at]));
            let adjacent = at == next_to_last;
            for state in &mut states {
                *state = state.after_quote(starts_field, adjacent);
            }
            next_to_last = at + 1;
            from = at + 1;
            // Mostly the states are soon the same, and the rest is passed over with large steps.
            if states == [State::Closed; 3]
                && bytes.get(from).is_some_and(|byte| self.starts_field(*byte))
            {
                let mut marks = Marks::new(bytes, from + 1, self.delimiter, Some(quote));
                while marks.next().is_some() {}
                from = marks.at();
                states = [match marks.is_inside() {
                    true => State::Inside,
                    false if marks.is_behind_closing() => State::Closed,
                    false => State::Outside,
                }; 3];
                next_to_last = match states {
                    [State::Closed, ..] => from,
                    // No quote is directly behind the last one.
                    _ => usize::MAX,
                };
            }
        }
        if next_to_last != bytes.len() {
            for state in &mut states {
                if *state == State::Closed {
                    *state = State::Outside;
                }
            }
        }
        states
    }

    fn starts_field(&self, before: u8) -> bool {
        before == self.delimiter || before == b'\n'
    }

    /// Behind the first line end that is not quoted.
    fn cut_to_first_record(&self, loaded: Loaded, state: State, quote: u8) -> Option<TextBuffer> {
        let Loaded { mut text, before } = loaded;
        if before == b'\n' && state != State::Inside {
            return Some(text);
        }
        let bytes = text.bytes();
        let mut state = state;
        let mut next_to_last = 0;
        for at in memchr2_iter(quote, b'\n', bytes) {
            if bytes[at] == quote {
                let byte = at.checked_sub(1).map_or(before, |at| bytes[at]);
                state = state.after_quote(self.starts_field(byte), at == next_to_last);
                next_to_last = at + 1;
            } else if state != State::Inside {
                if at + 1 == bytes.len() {
                    return None;
                }
                text.consume(at + 1);
                return Some(text);
            }
        }
        None
    }
}

/// A block's text, and the byte before it.
struct Loaded {
    text: TextBuffer,
    before: u8,
}

/// The text behind the first line end, or all of it where it starts behind one.
fn behind_line_end(loaded: Loaded) -> Option<TextBuffer> {
    let Loaded { mut text, before } = loaded;
    if before != b'\n' {
        let end = memchr(b'\n', text.bytes())?;
        text.consume(end + 1);
    }
    (!text.bytes().is_empty()).then_some(text)
}
