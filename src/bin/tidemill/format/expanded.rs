//! Rows one below the other, each value on a line of its own: for rows that are wider than the screen.

use unicode_width::UnicodeWidthStr;

use super::cells::{Cell, Head, cut, wrapped};
use super::paint::Paint;

/// Columns of a name that are shown.
const NAME_MAX: usize = 40;
/// Lines of one value.
const LINES_MAX: usize = 40;
/// A value has so much room at least.
const VALUE_LEAST: usize = 10;
/// Where no terminal says how wide it is.
const ROOM: usize = 100;

/// The lines of each row.
pub(super) fn draw(
    heads: &[Head],
    rows: &[Vec<Cell>],
    room: Option<usize>,
    paint: Paint,
) -> Vec<Vec<String>> {
    let widest = |width: fn(&Head) -> usize| heads.iter().map(width).max().unwrap_or(0);
    let name = widest(|head| head.name.width()).min(NAME_MAX);
    let kind = widest(|head| head.type_name.width()).min(NAME_MAX);
    let before = name + kind + 6;
    let room = room.unwrap_or(ROOM);
    let value = room.saturating_sub(before).max(VALUE_LEAST);
    let draw_row = |(number, row): (usize, &Vec<Cell>)| {
        let title = format!("─ row {} ", number + 1);
        let rest = room.saturating_sub(title.width());
        let mut lines = vec![paint.faint(title + &"─".repeat(rest))];
        for (head, cell) in heads.iter().zip(row) {
            let pieces = cell.lines.iter().flat_map(|line| wrapped(line, value));
            let mut pieces: Vec<String> = pieces.take(LINES_MAX + 1).collect();
            if pieces.len() > LINES_MAX {
                pieces.truncate(LINES_MAX - 1);
                pieces.push("…".to_string());
            }
            for (line, piece) in pieces.into_iter().enumerate() {
                let (own, type_name) = match line {
                    0 => (cut(&head.name, name), cut(&head.type_name, kind)),
                    _ => (String::new(), String::new()),
                };
                let padding = |text: &str, width: usize| " ".repeat(width - text.width());
                let (after_name, after_type) = (padding(&own, name), padding(&type_name, kind));
                let piece = match cell.is_null {
                    true => paint.faint(piece),
                    false => piece,
                };
                lines.push(format!(
                    " {}{after_name}  {}{after_type} │ {piece}",
                    paint.strong(own),
                    paint.faint(type_name),
                ));
            }
        }
        lines
    };
    rows.iter().enumerate().map(draw_row).collect()
}
