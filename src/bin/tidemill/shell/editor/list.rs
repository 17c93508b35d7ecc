//! The list of choices below a text. The line editor, when it draws the text again below the list, takes away as many lines above
//! it as the text has beyond its first: empty ones are put there for it, so that no choice goes.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between two columns of the list, as the editor has them.
const PAD: usize = 2;

/// The choice behind which the editor writes nothing more, of choices so wide, on a screen of `columns`.
pub(super) fn last_written(widths: &[usize], columns: usize) -> usize {
    let widest = widths.iter().max().copied().unwrap_or(0) + PAD;
    let per_row = (columns / widest.min(columns).max(1)).max(1);
    let rows = widths.len().div_ceil(per_row).max(1);
    // Column by column, from the top down.
    let last_row = (rows - 1..widths.len()).step_by(rows);
    last_row.last().unwrap_or(0)
}

/// Lines of the screen beyond the first that a text takes behind a prompt of `prompt` columns.
pub(super) fn further_lines(text: &str, prompt: usize, columns: usize) -> usize {
    let (mut lines, mut column) = (0, prompt);
    for character in text.chars() {
        if character == '\n' {
            (lines, column) = (lines + 1, 0);
            continue;
        }
        let width = character.width().unwrap_or(0);
        column += width;
        if column > columns {
            (lines, column) = (lines + 1, width);
        }
    }
    lines + usize::from(column == columns)
}

/// What all texts begin with.
pub(super) fn common_beginning<'t>(mut texts: impl Iterator<Item = &'t str>) -> &'t str {
    let first = texts.next().unwrap_or_default();
    texts.fold(first, |common, text| {
        let same = common.char_indices().zip(text.chars());
        let differs = same.into_iter().find(|((_, one), other)| one != other);
        let end = differs.map_or(common.len().min(text.len()), |((at, _), _)| at);
        common.get(..end).unwrap_or_default()
    })
}

/// Columns of a text.
pub(super) fn columns_of(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_written_choice_ends_the_last_row() {
        // One row.
        assert_eq!(last_written(&[5, 5, 5], 80), 2);
        // Two columns of two: 0 2 / 1 3.
        assert_eq!(last_written(&[30, 30, 30, 30], 80), 3);
        // 0 2 / 1: the last row is the shorter one.
        assert_eq!(last_written(&[30, 30, 30], 80), 1);
        assert_eq!(last_written(&[200, 1, 1], 80), 2);
    }

    #[test]
    fn a_text_takes_lines_where_it_breaks_and_where_it_wraps() {
        assert_eq!(further_lines("abc", 10, 80), 0);
        assert_eq!(further_lines("a\nb\n", 10, 80), 2);
        assert_eq!(further_lines(&"x".repeat(70), 10, 80), 1);
        assert_eq!(further_lines(&"x".repeat(71), 10, 80), 1);
        assert_eq!(further_lines(&"日".repeat(36), 9, 80), 1);
    }

    #[test]
    fn what_is_common_ends_between_characters() {
        assert_eq!(
            common_beginning(["total", "to_date", "today"].into_iter()),
            "to"
        );
        assert_eq!(common_beginning(["é", "è"].into_iter()), "");
        assert_eq!(common_beginning(["a", "ab"].into_iter()), "a");
    }
}
