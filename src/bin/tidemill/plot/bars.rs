//! Bars for a terminal: a line for each, to the eighth of a character, on both sides of zero.

use std::fmt::Write;

use super::data::{Chart, Point};
use super::number::{place, range, short};

/// Characters of a label; a longer one is cut.
const LABEL: usize = 24;

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

pub(super) fn draw(chart: &Chart, width: usize) -> String {
    let several = chart.series.len() > 1;
    let (labels, names) = (widths(chart, false), widths(chart, true));
    let lead = labels + if several { names + 1 } else { 0 } + 1;
    let numbers = chart.values().map(|value| short(value).len()).max();
    let cells = width.saturating_sub(lead + numbers.unwrap_or(0) + 2).max(8);
    // Zero is always in the picture: a bar's length is its value.
    let range = range(chart.values().chain([0.0]));
    let mut out = format!("{}\n", chart.title);
    if chart.labels.is_empty() {
        out.push_str("no rows to draw\n");
    }
    let mut rows: Vec<(&Point, &str)> = (chart.series.iter())
        .flat_map(|series| {
            series
                .points
                .iter()
                .map(|point| (point, series.name.as_str()))
        })
        .collect();
    rows.sort_by_key(|(point, _)| point.row);
    let mut last = None;
    for (point, name) in rows {
        let label = match last == Some(point.row) {
            true => "",
            false => chart.labels.get(point.row).map_or("", String::as_str),
        };
        last = Some(point.row);
        let _ = write!(out, "{:<labels$} ", cut(label));
        if several {
            let _ = write!(out, "{:<names$} ", cut(name));
        }
        let line = match point.value {
            Some(value) => format!("{} {}", bar(value, range, cells), short(value)),
            None => format!("{} -", " ".repeat(zero(range, cells))),
        };
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if let Some(note) = chart.note() {
        let _ = writeln!(out, "{note}");
    }
    out
}

fn widths(chart: &Chart, names: bool) -> usize {
    let series = chart.series.iter().map(|series| &series.name);
    let all: Vec<&String> = match names {
        true => series.collect(),
        false => chart.labels.iter().collect(),
    };
    let widths = all.into_iter().map(|text| cut(text).chars().count());
    widths.max().unwrap_or(0)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LABEL) {
        Some(_) => text.chars().take(LABEL - 1).chain(['…']).collect(),
        None => text.to_string(),
    }
}

/// The cell at whose left edge zero lies.
fn zero(range: (f64, f64), cells: usize) -> usize {
    (place(0.0, range) * cells as f64).round() as usize
}

/// From zero to the value. What lies left of zero ends on a whole cell: there are no blocks that grow from the right.
fn bar(value: f64, range: (f64, f64), cells: usize) -> String {
    let zero = zero(range, cells);
    let at = place(value, range) * cells as f64;
    if value < 0.0 {
        let from = (at.round() as usize).min(zero.saturating_sub(1));
        return format!("{}{}", " ".repeat(from), "█".repeat(zero - from));
    }
    let eighths = ((at - zero as f64).max(0.0) * 8.0).round() as usize;
    // Something is seen of whatever is not nothing.
    let eighths = if value > 0.0 { eighths.max(1) } else { eighths };
    format!(
        "{}{}{}",
        " ".repeat(zero),
        "█".repeat(eighths / 8),
        EIGHTHS[eighths % 8]
    )
}
