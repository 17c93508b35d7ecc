//! Lines for a terminal, in dots of braille characters. Several columns are drawn one below the other: there is no colour to
//! tell them apart where the output is a file.

use std::fmt::Write;

use super::data::{Chart, Series};
use super::number::{place, range, short};

/// Rows of characters of one chart, and of each where there are several.
const HEIGHT: usize = 16;
const HEIGHT_OF_SEVERAL: usize = 8;

pub(super) fn draw(chart: &Chart, width: usize) -> String {
    let drawn = chart.series.iter().flat_map(|series| &series.points);
    let drawn = drawn.filter(|point| point.value.is_some());
    let x_range = chart.x_range();
    let mut out = String::new();
    let (Some(first), Some(last)) = (
        drawn.clone().min_by(|a, b| a.x.total_cmp(&b.x)),
        drawn.max_by(|a, b| a.x.total_cmp(&b.x)),
    ) else {
        return "no points to draw\n".to_string();
    };
    let height = match chart.series.len() {
        0 | 1 => HEIGHT,
        _ => HEIGHT_OF_SEVERAL,
    };
    // One scale for all, so that they can be compared.
    let y_range = range(chart.values());
    let scale = [y_range.1, y_range.0 / 2.0 + y_range.1 / 2.0, y_range.0].map(short);
    let lead = scale.iter().map(String::len).max().unwrap_or(0);
    let cells = width.saturating_sub(lead + 2).max(8);
    for series in &chart.series {
        let _ = writeln!(out, "{}", series.name);
        let mut canvas = Canvas::new(cells, height);
        put(&mut canvas, series, x_range, y_range);
        for (row, line) in canvas.lines().enumerate() {
            let number = match row {
                0 => &scale[0],
                row if row == height / 2 => &scale[1],
                row if row + 1 == height => &scale[2],
                _ => "",
            };
            let mark = if number.is_empty() { '│' } else { '┤' };
            let _ = writeln!(
                out,
                "{}",
                format!("{number:>lead$} {mark}{line}").trim_end()
            );
        }
    }
    let _ = writeln!(out, "{:lead$} └{}", "", "─".repeat(cells));
    let label = |row: usize| chart.labels.get(row).map_or("", String::as_str);
    let (left, right) = (label(first.row), label(last.row));
    let (left, right) = (
        shortened(&format!("{}: {left}", chart.x_name), cells),
        shortened(right, cells),
    );
    let taken = left.chars().count() + right.chars().count();
    let _ = match (cells + 1).saturating_sub(taken) {
        // One below the other where both do not fit.
        0 => writeln!(
            out,
            "{:lead$} {left}\n{:lead$} {right:>width$}",
            "",
            "",
            width = cells + 1
        ),
        gap => writeln!(out, "{:lead$} {left}{}{right}", "", " ".repeat(gap)),
    };
    if let Some(note) = chart.note() {
        let _ = writeln!(out, "{note}");
    }
    out
}

fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some(_) => text.chars().take(characters - 1).chain(['…']).collect(),
        None => text.to_string(),
    }
}

/// A point after the other, joined where none is missing between.
fn put(canvas: &mut Canvas, series: &Series, x_range: (f64, f64), y_range: (f64, f64)) {
    let mut before: Option<(usize, usize)> = None;
    for point in &series.points {
        before = point.value.map(|value| {
            let x = (place(point.x, x_range) * (canvas.width - 1) as f64).round() as usize;
            let y = (place(value, y_range) * (canvas.height - 1) as f64).round() as usize;
            let here = (x, canvas.height - 1 - y);
            canvas.line(before.unwrap_or(here), here);
            here
        });
    }
}

/// Dots: two in the width and four in the height of a character.
struct Canvas {
    width: usize,
    height: usize,
    dots: Vec<bool>,
}

impl Canvas {
    fn new(cells: usize, rows: usize) -> Self {
        let (width, height) = (cells * 2, rows * 4);
        Canvas {
            width,
            height,
            dots: vec![false; width * height],
        }
    }

    fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        let between = |a: usize, b: usize, step: usize| {
            let share = step as f64 / steps as f64;
            (a as f64 + (b as f64 - a as f64) * share).round() as usize
        };
        for step in 0..=steps {
            let (x, y) = (between(from.0, to.0, step), between(from.1, to.1, step));
            if let Some(dot) = self.dots.get_mut(y * self.width + x) {
                *dot = true;
            }
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.height / 4).map(|row| {
            let cells = (0..self.width / 2).map(|cell| self.cell(cell, row));
            cells.collect()
        })
    }

    /// The character of eight dots.
    fn cell(&self, cell: usize, row: usize) -> char {
        const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let mut bits = 0;
        for (y, pair) in BITS.iter().enumerate() {
            for (x, bit) in pair.iter().enumerate() {
                let at = (row * 4 + y) * self.width + cell * 2 + x;
                if self.dots.get(at).copied().unwrap_or(false) {
                    bits |= bit;
                }
            }
        }
        match bits {
            0 => ' ',
            bits => char::from_u32(0x2800 + bits).unwrap_or(' '),
        }
    }
}
