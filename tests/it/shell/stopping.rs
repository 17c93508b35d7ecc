//! Ctrl-C while a query runs: the query ends, the shell does not.

use std::time::{Duration, Instant};

use super::{NUMBERS, started};

/// Ten billion pairs.
const ENDLESS: &str = "FROM n AS a |> CROSS JOIN n AS b |> AGGREGATE MAX(a.n * b.n) AS m";
const ENDLESS_ROWS: &str = "FROM n AS a |> CROSS JOIN n AS b |> SELECT a.n";

/// How soon the prompt must be back: 200 ms are promised, and a loaded machine gets time to show it.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_query_is_cancelled_and_its_progress_leaves_no_trace() {
    let mut terminal = started();
    terminal.line(NUMBERS, &["Done"]);
    terminal.keys(&format!("{ENDLESS}\r"));
    let shown = terminal.until("the progress", |shown| shown.has("% ▕"));
    assert!(shown.has("rows") && shown.has("memory"), "{}", shown.text);
    let pressed = Instant::now();
    terminal.keys("\u{3}");
    let shown = terminal.until("the prompt", |shown| {
        shown.is_at_prompt() && shown.has("cancelled")
    });
    assert!(pressed.elapsed() < SOON, "{:?}", pressed.elapsed());
    assert!(!shown.has("▕") && !shown.has("memory"), "{}", shown.text);
    terminal.line("SELECT 6 * 7 AS answer", &["42"]);
    terminal.leave();
}

#[test]
fn rows_come_at_once_and_the_counting_can_be_stopped() {
    let mut terminal = started();
    terminal.line(NUMBERS, &["Done"]);
    terminal.clear();
    terminal.keys(&format!("{ENDLESS_ROWS}\r"));
    terminal.until("the first rows", |shown| shown.has("└"));
    terminal.keys("\u{3}");
    terminal.until("the count so far", |shown| {
        shown.is_at_prompt() && shown.has("33 of at least ") && shown.has("counting was stopped")
    });
    // The query was shown: a pipe goes on from it.
    terminal.line("|> LIMIT 1", &["1 row"]);
    terminal.leave();
}

#[test]
fn a_watched_query_is_left_by_ctrl_c() {
    let mut terminal = started();
    terminal.line("SELECT 1 AS a", &["1 row"]);
    terminal.clear();
    terminal.keys("\\watch 3600\r");
    terminal.until("the first run", |shown| shown.has("1 row"));
    terminal.keys("\u{3}");
    terminal.until("the prompt", |shown| shown.is_at_prompt());
    terminal.leave();
}
