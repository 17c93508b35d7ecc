//! The line of a statement that takes its time, as much of it as there is room for.

use std::time::Duration;

use tidemill::Progress;
use unicode_width::UnicodeWidthStr;

/// Columns of the bar.
const BAR: usize = 20;

/// The line in at most `width` columns. What matters least stands last and is left out first.
pub(super) fn text(now: &Progress, queries: usize, elapsed: Duration, width: usize) -> String {
    let mut parts = Vec::new();
    if queries > 1 {
        // A statement may run several, each from its beginning to its end.
        parts.push(format!("query {queries}"));
    }
    // All is done when the rows are there: until then there is something left.
    let percent = (now.fraction * 100.0).min(99.0) as u64;
    parts.push(format!("{percent:3}% {}", bar(now.fraction)));
    parts.push(duration(elapsed));
    if let Some(remaining) = now.remaining().filter(|remaining| !remaining.is_zero()) {
        parts.push(format!("{} left", duration(remaining)));
    }
    parts.push(format!("{} rows", count(now.rows)));
    parts.push(format!("{} rows/s", count(now.rows_per_second() as u64)));
    parts.push(format!("memory {}", bytes(now.memory_bytes)));
    if now.spilled_bytes > 0 {
        parts.push(format!("spilled {}", bytes(now.spilled_bytes)));
    }
    parts.push(format!("read {}", bytes(now.bytes)));
    parts.push(format!("{}/s", bytes(now.bytes_per_second() as u64)));
    let mut line = String::new();
    for part in parts {
        let longer = if line.is_empty() {
            part
        } else {
            format!("{line}  {part}")
        };
        if columns(&longer) > width {
            break;
        }
        line = longer;
    }
    line
}

pub(super) fn columns(text: &str) -> usize {
    text.width()
}

fn bar(fraction: f64) -> String {
    let eighths = (fraction.clamp(0.0, 1.0) * (BAR * 8) as f64) as usize;
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    let full = "█".repeat(eighths / 8) + part;
    format!("▕{full:<BAR$}▏")
}

/// `1.2M`
fn count(number: u64) -> String {
    scaled(number as f64, 1000.0, &["", "k", "M", "G", "T", "P"])
}

/// `1.5 GiB`
fn bytes(number: u64) -> String {
    scaled(
        number as f64,
        1024.0,
        &[" B", " KiB", " MiB", " GiB", " TiB", " PiB"],
    )
}

fn scaled(number: f64, step: f64, units: &[&str]) -> String {
    let (mut number, mut unit) = (number, 0);
    while number >= step && unit + 1 < units.len() {
        number /= step;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && number < 100.0);
    format!("{number:.digits$}{}", units[unit])
}

/// `4s`, `2m 05s`, `1h 02m`
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        let mut progress = Progress::default();
        (progress.fraction, progress.rows, progress.bytes) = (0.43, 1_234_567, 512 << 20);
        (progress.elapsed, progress.memory_bytes) = (Duration::from_secs(10), 5 << 30);
        progress.grown = progress.elapsed;
        progress
    }

    #[test]
    fn the_line_says_all_where_there_is_room() {
        let line = text(&progress(), 1, Duration::from_secs(10), 200);
        assert_eq!(
            line,
            " 43% ▕████████▌           ▏  10s  13s left  1.2M rows  123k rows/s  memory 5.0 GiB  read 512 MiB  51.2 MiB/s"
        );
    }

    #[test]
    fn the_line_never_is_wider_than_the_terminal() {
        for width in 0..200 {
            let line = text(&progress(), 12, Duration::from_secs(7000), width);
            assert!(columns(&line) <= width, "{line}");
        }
    }

    #[test]
    fn times_and_counts_are_short() {
        let seconds = [0, 59, 65, 3600 + 125];
        let shown = seconds.map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(shown, ["0s", "59s", "1m 05s", "1h 02m"]);
        assert_eq!(
            (count(999), count(1500), bytes(10)),
            ("999".into(), "1.5k".into(), "10 B".into())
        );
    }
}
