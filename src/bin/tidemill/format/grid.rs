//! Rows as a table with lines around them, as wide as there is room for.

use unicode_width::UnicodeWidthStr;

use super::cells::{Cell, Head, cut, wrapped};
use super::paint::Paint;

/// A column of text is not made narrower than this.
const TEXT_LEAST: usize = 12;
/// A column is not made wider than this where nobody says how much room there is.
const WIDEST: usize = 200;
/// Lines of one value, where there are other rows.
const LINES_MAX: usize = 6;

/// A table, drawn.
pub(super) struct Drawn {
    pub(super) lines: Vec<String>,
    /// Rows in it: fewer than there are where values of several lines took the room.
    pub(super) rows: usize,
    /// Parts of values are left out.
    pub(super) is_cut: bool,
}

/// The table in at most `room` columns and about `height` lines; `None` where its columns would be too narrow to read.
pub(super) fn draw(
    heads: &[Head],
    rows: &[Vec<Cell>],
    room: Option<usize>,
    height: Option<usize>,
    paint: Paint,
) -> Option<Drawn> {
    let natural: Vec<usize> = (0..heads.len())
        .map(|column| natural_width(heads, rows, column))
        .collect();
    let widths = match room {
        Some(room) => fitted(heads, &natural, room)?,
        None => natural.into_iter().map(|width| width.min(WIDEST)).collect(),
    };
    let mut grid = Grid {
        widths,
        // A single column has nothing beside it that would be torn apart.
        wraps: heads.len() == 1 && room.is_some(),
        heads,
        paint,
        is_cut: false,
        lines: Vec::new(),
    };
    grid.head();
    let lines_max = if rows.len() > 1 {
        LINES_MAX
    } else {
        usize::MAX
    };
    // The last line is the frame's.
    let height = height.map_or(usize::MAX, |height| height.saturating_sub(1));
    let mut drawn = 0;
    for row in rows {
        let (lines, is_cut) = (grid.lines.len(), grid.is_cut);
        grid.row(row, lines_max);
        if drawn > 0 && grid.lines.len() > height {
            grid.lines.truncate(lines);
            grid.is_cut = is_cut;
            break;
        }
        drawn += 1;
    }
    grid.rule('└', '─', '┴', '┘');
    Some(Drawn {
        lines: grid.lines,
        rows: drawn,
        is_cut: grid.is_cut,
    })
}

fn head_width(head: &Head) -> usize {
    head.name.width().max(head.type_name.width())
}

fn natural_width(heads: &[Head], rows: &[Vec<Cell>], column: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(column));
    let values = cells.map(Cell::width).max().unwrap_or(0);
    values.max(heads.get(column).map_or(0, head_width))
}

/// Widths that fit into `room`: the widest columns give away most.
fn fitted(heads: &[Head], natural: &[usize], room: usize) -> Option<Vec<usize>> {
    let room = room.checked_sub(3 * natural.len() + 1)?;
    let least = |column: usize| match heads.get(column) {
        Some(head) if !head.is_whole => natural[column].min(TEXT_LEAST),
        _ => natural[column],
    };
    let mut widths = natural.to_vec();
    let mut total: usize = widths.iter().sum();
    while total > room {
        let shrinkable = (0..widths.len()).filter(|column| widths[*column] > least(*column));
        let widest = shrinkable.max_by_key(|column| widths[*column])?;
        widths[widest] -= 1;
        total -= 1;
    }
    Some(widths)
}

struct Grid<'a> {
    widths: Vec<usize>,
    wraps: bool,
    heads: &'a [Head],
    paint: Paint,
    is_cut: bool,
    lines: Vec<String>,
}

impl Grid<'_> {
    fn head(&mut self) {
        self.rule('┌', '─', '┬', '┐');
        let paint = self.paint;
        let names = self.heads.iter().map(|head| head.name.as_str());
        self.line(&names.collect::<Vec<_>>(), '┆', |_, text| {
            paint.strong(text)
        });
        let types = self.heads.iter().map(|head| head.type_name.as_str());
        self.line(&types.collect::<Vec<_>>(), '┆', |_, text| {
            paint.faint(text)
        });
        self.rule('╞', '═', '╪', '╡');
    }

    fn row(&mut self, row: &[Cell], lines_max: usize) {
        let mut cells: Vec<Vec<String>> = Vec::with_capacity(row.len());
        for (cell, width) in row.iter().zip(&self.widths) {
            let lines = cell.lines.iter();
            let mut lines: Vec<String> = match self.wraps {
                true => lines.flat_map(|line| wrapped(line, *width)).collect(),
                false => lines.map(|line| cut(line, *width)).collect(),
            };
            self.is_cut |= !self.wraps && cell.width() > *width;
            if lines.len() > lines_max {
                lines.truncate(lines_max - 1);
                lines.push("…".to_string());
                self.is_cut = true;
            }
            cells.push(lines);
        }
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        let paint = self.paint;
        for line in 0..height {
            let parts = cells
                .iter()
                .map(|lines| lines.get(line).map_or("", String::as_str));
            self.line(
                &parts.collect::<Vec<_>>(),
                '┆',
                |column, text| match row[column].is_null {
                    true => paint.faint(text),
                    false => text,
                },
            );
        }
    }

    fn line(&mut self, parts: &[&str], between: char, style: impl Fn(usize, String) -> String) {
        let mut line = String::from("│");
        for (column, (part, width)) in parts.iter().zip(&self.widths).enumerate() {
            if column > 0 {
                line.push(between);
            }
            let part = cut(part, *width);
            let blank = " ".repeat(width.saturating_sub(part.width()));
            let text = style(column, part);
            match self.heads[column].is_number {
                true => line += &format!(" {blank}{text} "),
                false => line += &format!(" {text}{blank} "),
            }
        }
        line.push('│');
        self.lines.push(line);
    }

    fn rule(&mut self, left: char, line: char, cross: char, right: char) {
        let parts = self
            .widths
            .iter()
            .map(|width| line.to_string().repeat(width + 2));
        let middle = parts.collect::<Vec<_>>().join(&cross.to_string());
        self.lines.push(format!("{left}{middle}{right}"));
    }
}
