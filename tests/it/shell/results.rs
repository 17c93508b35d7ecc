//! Results on the screen: cut to it and counted, expanded where they are wide, harmless whatever is in them.

use super::terminal::Start;
use super::{NUMBERS, started};

#[test]
fn rows_are_cut_to_the_screen_and_all_counted() {
    let mut terminal = started();
    terminal.line(NUMBERS, &["Done: 100,000 rows"]);
    terminal.line(
        "FROM n |> ORDER BY n",
        &["│     1 │", "│    33 │", "33 of 100,000 rows"],
    );
    terminal.line("\\rows 3", &["Tables show 3 rows."]);
    let shown = terminal.line("FROM n |> ORDER BY n", &["3 of 100,000 rows"]);
    assert!(!shown.has("│     4 │"), "{}", shown.text);
    terminal.line("FROM n |> LIMIT 3", &["\n3 rows"]);
}

#[test]
fn wide_rows_are_expanded_and_x_says_otherwise() {
    let mut terminal = Start::new().size(40, 80).shell();
    let columns: Vec<String> = (0..12)
        .map(|n| format!("'value {n}' AS long_name_{n}"))
        .collect();
    let query = format!("SELECT {}", columns.join(", "));
    terminal.line(
        &query,
        &["─ row 1 ─", "long_name_11", "STRING │ value 11", "1 row"],
    );
    terminal.line("\\x off", &["Rows are expanded never."]);
    let table = terminal.line("\\g", &["│ long_name_0", "more columns: \\x shows them"]);
    assert!(!table.has("long_name_11  "), "{}", table.text);
    terminal.line("\\x on", &["always"]);
    terminal.line("SELECT 1 AS a", &["─ row 1 ─", "a  INT64 │ 1"]);
    terminal.line("\\x auto", &["where they are wider than the screen"]);
    terminal.line("SELECT 1 AS a", &["│     1 │"]);
}

#[test]
fn a_long_value_is_cut_in_a_table_and_whole_when_expanded() {
    let mut terminal = Start::new().size(40, 80).shell();
    let long = "abcdefghij".repeat(12);
    terminal.line(
        &format!("SELECT 1 AS a, '{long}' AS s;"),
        &["…", "long values are cut: \\x shows them"],
    );
    terminal.line("\\x on", &["always"]);
    terminal.clear();
    terminal.keys("\\g\r");
    let shown = terminal.until("the value", |shown| {
        shown.is_at_prompt() && shown.has("1 row")
    });
    let letters: String = shown
        .text
        .chars()
        .filter(char::is_ascii_lowercase)
        .collect();
    assert!(letters.contains(&long), "{}", shown.text);
}

#[test]
fn a_value_commands_no_terminal() {
    let mut terminal = Start::new()
        .file("evil.csv", "s\n\u{1b}[31mred\u{1b}]0;title\u{7}\n")
        .shell();
    terminal.line("FROM 'evil.csv'", &["\\u{1b}[31mred", "1 row"]);
    let bytes = terminal.bytes();
    assert!(
        !bytes.windows(4).any(|four| four == b"\x1b[31"),
        "the value's own colour"
    );
}

#[test]
fn formats_timing_watch_and_scripts() {
    let mut terminal = Start::new()
        .file("two.tide", "SELECT 1 AS a; SELECT 2 AS b;\n")
        .shell();
    terminal.line("\\i two.tide", &["a │", "b │", "1 row"]);
    terminal.line("\\format json", &["Results are written as json."]);
    terminal.line("SELECT 1 AS a", &["[{\"a\":1}]"]);
    terminal.line("\\timing", &["Timing is on."]);
    terminal.line("SELECT 1 AS a", &["Time: ", " ms"]);
    terminal.line("\\watch 0 3", &["run 1, every 0s", "run 2", "run 3"]);
    terminal.line("\\d", &["[]"]);
}

#[test]
fn what_is_longer_than_the_screen_goes_to_the_pager() {
    let mut terminal = Start::new().env("PAGER", "tail -n 4").shell();
    terminal.line(NUMBERS, &["Done"]);
    terminal.line("\\pager on", &["goes to the pager"]);
    let shown = terminal.line(
        "FROM n |> ORDER BY n",
        &["10,000 of 100,000 rows", "│ 10000 │"],
    );
    assert!(
        !shown.has("│  9900 │"),
        "only the pager's lines: {}",
        shown.text
    );
    // What fits stays on the screen.
    terminal.line("SELECT 1 AS a, 2 AS b", &["a ┆", "│ INT64", "1 row"]);
}

#[test]
fn a_database_is_kept_for_the_session() {
    let mut terminal = Start::new().args(&["--db", "shop"]).shell();
    terminal.line("CREATE TABLE t AS SELECT 1 AS x;", &["Done: 1 row"]);
    terminal.line("INSERT INTO t VALUES (2)", &["Done: 1 row"]);
    terminal.line("\\d", &["t", "1 row"]);
    terminal.line("\\d t", &["x", "INT64"]);
    let place = terminal.place();
    terminal.leave();
    assert!(place.path().join("shop").is_dir());
}

#[test]
fn a_query_draws_its_chart_and_a_pipe_goes_on_from_its_rows() {
    let mut terminal = Start::new().size(40, 80).shell();
    let query = "FROM (VALUES ('north', 40), ('south', 10)) AS t (region, sold) |> ORDER BY region";
    let shown = terminal.line(
        &format!("{query} |> CALL PLOT('bar', x => region)"),
        &["sold by region", "north ██", "south ██", " 40"],
    );
    assert!(!shown.has("STRING"), "{}", shown.text);
    terminal.line("|> LIMIT 1", &["│ north", "1 row"]);
    terminal.line("\\format csv", &["Results are written as csv."]);
    terminal.line(
        &format!("{query} |> CALL PLOT('bar')"),
        &["region,sold", "north,40"],
    );
    terminal.line("SELECT 'a' AS a |> CALL PLOT('bar')", &["a\n"]);
    terminal.line("\\format table", &["Results are written as table."]);
    terminal.line(
        "SELECT 'a' AS a |> CALL PLOT('bar')",
        &["no chart: the result has no column of numbers"],
    );
}

#[test]
fn peek_fits_the_screen() {
    let text = "day,region,product,qty\n2026-01-05,north,rope,12\n2026-01-06,south,sail,1\n";
    for (columns, has, has_not) in [(80, "nulls", "mean"), (120, "mean", "row 1")] {
        let start = Start::new().size(40, columns).file("sales.csv", text);
        let terminal = start.args(&["peek", "sales.csv"]).run();
        let shown = terminal.until("the summary", |shown| {
            shown.has("Summary of all 2 rows") && shown.has("4 rows")
        });
        assert!(
            shown.has("distribution") && shown.has(has),
            "{}",
            shown.text
        );
        assert!(!shown.has(has_not) && !shown.has("─ row"), "{}", shown.text);
    }
}
