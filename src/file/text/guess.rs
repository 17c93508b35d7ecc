//! The type that all the texts of a column have in common.

use arrow::datatypes::{DataType, TimeUnit};

use super::parse;

const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 4;
const DATE: u8 = 8;
const TIME: u8 = 16;
const PLAIN: u8 = 32;
const ZONED: u8 = 64;

/// What a column may still be, given the texts seen so far.
#[derive(Debug, Clone, Copy)]
pub(in crate::file) struct Guess {
    candidates: u8,
    /// Whether any text was seen.
    seen: bool,
    /// Whether any was more of a number than `NaN` or `inf`.
    numeral: bool,
}

impl Guess {
    pub(in crate::file) fn new() -> Guess {
        Guess {
            candidates: BOOLEAN | INTEGER | FLOAT | DATE | TIME | PLAIN | ZONED,
            seen: false,
            numeral: false,
        }
    }

    /// The guess after one text.
    pub(in crate::file) fn of(text: &str) -> Guess {
        let mut guess = Guess::new();
        guess.observe(text);
        guess
    }

    /// Takes one text that is not empty.
    pub(in crate::file) fn observe(&mut self, text: &str) {
        let may_be = self.candidates;
        if may_be == 0 {
            self.seen = true;
            return;
        }
        let mut is = 0;
        if may_be & INTEGER != 0 && parse::integer(text, true).is_some() {
            is |= INTEGER | FLOAT;
        } else if may_be & FLOAT != 0 && parse::float(text, true).is_some() {
            is |= FLOAT;
        }
        if may_be & BOOLEAN != 0 && parse::boolean(text, true).is_some() {
            is |= BOOLEAN;
        }
        if may_be & DATE != 0 && parse::date(text, true).is_some() {
            is |= DATE;
        }
        if may_be & TIME != 0 && parse::time_nanos(text, true).is_some() {
            is |= TIME;
        }
        if may_be & (PLAIN | ZONED) != 0
            && let Some(stamp) = parse::stamp(text)
            && stamp.ticks(1_000_000, true).is_some()
        {
            is |= if stamp.zoned { ZONED } else { PLAIN };
        }
        self.numeral |= text.bytes().any(|byte| byte.is_ascii_digit());
        self.candidates &= is;
        self.seen = true;
    }

    /// The narrowest type that holds every text seen; text if none was.
    pub(in crate::file) fn data_type(&self) -> DataType {
        let has = |candidate| self.candidates & candidate != 0;
        if !self.seen {
            DataType::Utf8View
        } else if has(BOOLEAN) {
            DataType::Boolean
        } else if has(INTEGER) {
            DataType::Int64
        } else if has(FLOAT) && self.numeral {
            DataType::Float64
        } else if has(DATE) {
            DataType::Date32
        } else if has(TIME) {
            DataType::Time64(TimeUnit::Nanosecond)
        } else if has(PLAIN) {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        } else if has(ZONED) {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        } else {
            DataType::Utf8View
        }
    }

    /// Whether there was any text.
    pub(in crate::file) fn has_seen(&self) -> bool {
        self.seen
    }

    /// Whether no further text can change the guess.
    pub(in crate::file) fn is_decided(&self) -> bool {
        self.candidates == 0
    }

    /// Whether the texts seen are nothing but text.
    pub(in crate::file) fn is_text(&self) -> bool {
        self.data_type() == DataType::Utf8View
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(texts: &[&str]) -> DataType {
        let mut guess = Guess::new();
        for text in texts {
            guess.observe(text);
        }
        guess.data_type()
    }

    #[test]
    fn the_narrowest_type_wins() {
        let micros = |zone: Option<&str>| {
            DataType::Timestamp(TimeUnit::Microsecond, zone.map(|zone| zone.into()))
        };
        assert_eq!(guess(&["1", "-2"]), DataType::Int64);
        assert_eq!(guess(&["1", "2.5"]), DataType::Float64);
        assert_eq!(guess(&["1", "007"]), DataType::Utf8View);
        assert_eq!(guess(&["99999999999999999999"]), DataType::Utf8View);
        assert_eq!(guess(&["NaN"]), DataType::Utf8View);
        assert_eq!(guess(&["NaN", "1"]), DataType::Float64);
        assert_eq!(guess(&["true", "FALSE"]), DataType::Boolean);
        assert_eq!(guess(&["2024-01-01"]), DataType::Date32);
        assert_eq!(guess(&["2024-01-01", "2024-01-01 10:00"]), micros(None));
        assert_eq!(guess(&["2024-01-01T10:00:00Z"]), micros(Some("UTC")));
        assert_eq!(
            guess(&["2024-01-01T10:00:00Z", "2024-01-01T10:00:00"]),
            DataType::Utf8View
        );
        assert_eq!(
            guess(&["2024-01-01T10:00:00.123456789"]),
            DataType::Utf8View
        );
        assert_eq!(guess(&["10:00:00"]), DataType::Time64(TimeUnit::Nanosecond));
        assert_eq!(guess(&[]), DataType::Utf8View);
    }
}
