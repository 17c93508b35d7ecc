//! The first rows of a result as a person looks at them: as a table where they fit, expanded where they do not.

use std::io;

use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;

use super::cells::{Cell, Head, heads, rows};
use super::paint::Paint;
use super::{expanded, grid};

/// Whether each value has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expanded {
    /// Where a row is wider than the screen.
    Auto,
    Always,
    Never,
}

/// Where a picture is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Columns.
    pub(crate) width: Option<usize>,
    /// Lines that the rows may take, headings included.
    pub(crate) height: Option<usize>,
    pub(crate) expanded: Expanded,
    pub(crate) paint: Paint,
}

/// The first rows of a result.
pub(crate) struct Picture {
    heads: Vec<Head>,
    rows: Vec<Vec<Cell>>,
    rows_max: usize,
}

/// A picture as lines of text.
pub(crate) struct Drawn {
    pub(crate) lines: Vec<String>,
    pub(crate) rows: usize,
    /// Columns that are left out.
    pub(crate) columns_left: usize,
    /// Parts of values are left out.
    pub(crate) is_cut: bool,
}

impl Picture {
    pub(crate) fn new(schema: &SchemaRef, rows_max: usize) -> Self {
        Picture {
            heads: heads(schema),
            rows: Vec::new(),
            rows_max,
        }
    }

    /// Takes what there is still room for.
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let room = self.rows_max - self.rows.len();
        self.rows.extend(rows(batch, room)?);
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max
    }

    pub(crate) fn draw(&self, frame: Frame) -> Drawn {
        if self.heads.is_empty() {
            return Drawn {
                lines: Vec::new(),
                rows: self.rows.len(),
                columns_left: 0,
                is_cut: false,
            };
        }
        let table = match frame.expanded {
            Expanded::Always => None,
            _ => grid::draw(
                &self.heads,
                &self.rows,
                frame.width,
                frame.height,
                frame.paint,
            ),
        };
        match table {
            Some(table) => Drawn {
                lines: table.lines,
                rows: table.rows,
                columns_left: 0,
                is_cut: table.is_cut,
            },
            None if frame.expanded == Expanded::Never => self.first_columns(frame),
            None => self.expanded(frame),
        }
    }

    /// As many rows as fit, but one.
    fn expanded(&self, frame: Frame) -> Drawn {
        let mut drawn = Drawn {
            lines: Vec::new(),
            rows: 0,
            columns_left: 0,
            is_cut: false,
        };
        let height = frame.height.unwrap_or(usize::MAX);
        for lines in expanded::draw(&self.heads, &self.rows, frame.width, frame.paint) {
            if drawn.rows > 0 && drawn.lines.len() + lines.len() > height {
                break;
            }
            drawn.lines.extend(lines);
            drawn.rows += 1;
        }
        drawn
    }

    /// A table of the columns that there is room for, and a last one that stands for the others.
    fn first_columns(&self, frame: Frame) -> Drawn {
        let more = Head {
            name: "…".to_string(),
            type_name: String::new(),
            is_number: false,
            is_whole: true,
        };
        let rest = Cell {
            lines: vec!["…".to_string()],
            is_null: false,
        };
        for columns in (0..self.heads.len()).rev() {
            let heads = self.heads[..columns].iter().chain([&more]);
            let heads: Vec<Head> = heads.cloned().collect();
            let rows = self.rows.iter();
            let rows = rows.map(|row| row[..columns].iter().chain([&rest]).cloned().collect());
            let rows: Vec<Vec<Cell>> = rows.collect();
            if let Some(table) = grid::draw(&heads, &rows, frame.width, frame.height, frame.paint) {
                return Drawn {
                    lines: table.lines,
                    rows: table.rows,
                    columns_left: self.heads.len() - columns,
                    is_cut: table.is_cut,
                };
            }
        }
        self.expanded(frame)
    }
}

/// `40 of 1,234,567 rows`
pub(crate) fn count_text(shown: usize, rows: u64) -> String {
    let plural = if rows == 1 { "row" } else { "rows" };
    match rows > shown as u64 {
        true => format!("{} of {} {plural}", grouped(shown as u64), grouped(rows)),
        false => format!("{} {plural}", grouped(rows)),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
