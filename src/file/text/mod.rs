//! What CSV and NDJSON have in common: bytes that arrive in pieces, and text that becomes typed columns.
//!
//! [`TextBuffer`] reads ahead, [`guess::Guess`] finds the type a column's texts have in common, [`parse`] reads one value
//! and [`column::build`] a whole column.

mod buffer;
pub(super) mod column;
pub(super) mod guess;
pub(super) mod parse;

pub(super) use buffer::{LONG_BATCH, MAX_RECORD, TextBuffer};

/// The beginning of a value, short enough for a message.
pub(super) fn cut(value: &str) -> String {
    const LONGEST: usize = 60;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_string(),
    }
}
