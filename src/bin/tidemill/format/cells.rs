//! Values as a person reads them, one by one: what tables and expanded rows are made of.

use std::io;

use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::{DataType, SchemaRef};
use tidemill::{ColumnText, type_name};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Characters of one value that are kept.
const CHARACTERS_MAX: usize = 4000;

/// A column's name and type.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) type_name: String,
    /// Digits stand below digits.
    pub(super) is_number: bool,
    /// Half of the value would be another value.
    pub(super) is_whole: bool,
}

pub(super) fn heads(schema: &SchemaRef) -> Vec<Head> {
    let fields = schema.fields().iter();
    let head = |field: &tidemill::arrow::datatypes::FieldRef| {
        let data_type = field.data_type();
        Head {
            name: visible(field.name()),
            type_name: type_name(data_type),
            is_number: is_number(data_type),
            is_whole: data_type.is_numeric() || data_type.is_temporal(),
        }
    };
    fields.map(head).collect()
}

pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// A value, line by line.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) lines: Vec<String>,
    pub(super) is_null: bool,
}

impl Cell {
    pub(super) fn width(&self) -> usize {
        self.lines
            .iter()
            .map(|line| line.width())
            .max()
            .unwrap_or(0)
    }
}

/// The first `count` rows of a batch.
pub(super) fn rows(batch: &RecordBatch, count: usize) -> io::Result<Vec<Vec<Cell>>> {
    let columns = batch.columns().iter().map(ColumnText::new);
    let columns = columns.collect::<io::Result<Vec<_>>>()?;
    let row = |row| columns.iter().map(|column| cell(column, row)).collect();
    (0..batch.num_rows().min(count)).map(row).collect()
}

fn cell(column: &ColumnText<'_>, row: usize) -> io::Result<Cell> {
    let (mut text, is_null) = shown(column, row)?;
    if let Some((end, _)) = text.char_indices().nth(CHARACTERS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    Ok(Cell {
        lines: text.split('\n').map(visible).collect(),
        is_null,
    })
}

/// The value as a person reads it: NULL bare, and text that could be taken for NULL or nothing in quotes. Whether it is NULL.
pub(super) fn shown(column: &ColumnText<'_>, row: usize) -> io::Result<(String, bool)> {
    let mut text = String::new();
    if !column.write(row, &mut text)? {
        return Ok(("NULL".to_string(), true));
    }
    if text.is_empty() || text == "NULL" || text.starts_with('\'') {
        text = format!("'{text}'");
    }
    Ok((text, false))
}

/// The text with nothing in it that a terminal would obey.
pub(super) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => visible.push_str("    "),
            '\r' => visible.push('␍'),
            // Also those that turn the direction of writing.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                visible.extend(character.escape_unicode());
            }
            character if character.is_control() => visible.extend(character.escape_unicode()),
            character => visible.push(character),
        }
    }
    visible
}

/// The beginning of a line that is `width` columns wide at most, with a mark where something is left out.
pub(super) fn cut(line: &str, width: usize) -> String {
    if line.width() <= width {
        return line.to_string();
    }
    let mut shown = String::new();
    let mut used = 1;
    for character in line.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

/// A line in pieces of at most `width` columns.
pub(super) fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for character in line.chars() {
        let own = character.width().unwrap_or(0);
        if used + own > width.max(2) {
            pieces.push(String::new());
            used = 0;
        }
        used += own;
        if let Some(last) = pieces.last_mut() {
            last.push(character);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_value_reaches_the_terminal_as_a_command() {
        assert_eq!(visible("a\u{1b}[31mb\u{7}\r"), "a\\u{1b}[31mb\\u{7}␍");
        assert_eq!(visible("\u{202e}é"), "\\u{202e}é");
    }

    #[test]
    fn wide_characters_are_cut_and_wrapped_whole() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(wrapped("日本語", 5), ["日本", "語"]);
        assert_eq!(wrapped("abc", 5), ["abc"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
