//! Typing: several lines, completion, history, going on from the last query, colours.

use super::terminal::Start;
use super::{Terminal, started};

const SALES: &str = "region,price\nnorth,4.5\nsouth,7.25\nnorth,1.0\n";

fn with_sales() -> Terminal {
    Start::new().file("sales.csv", SALES).shell()
}

#[test]
fn a_text_goes_on_until_it_is_whole() {
    let mut terminal = started();
    terminal.line(
        "SELECT 1 AS one,\r  2 AS two;",
        &["one", "two", "INT64", "1 row"],
    );
    // Names that nothing gives: their FROM is still to come.
    terminal.line("SELECT x\rFROM (VALUES (7)) AS t (x)\r", &["7", "1 row"]);
    terminal.line(
        "FROM (VALUES (1), (2)) AS t (x) |>\rWHERE x > 1;",
        &["1 row"],
    );
    terminal.leave();
}

#[test]
fn a_mistake_is_said_at_once_and_ends_nothing() {
    let mut terminal = started();
    terminal.line("FROM nothing_there", &["error[TM0203]", "nothing_there"]);
    terminal.line("SELECT 1 |> FILTER TRUE", &["FILTER is spelled WHERE"]);
    terminal.line(
        "\\tming",
        &["there is no command \\tming: did you mean \\timing?"],
    );
    terminal.line("\\format jsn", &["did you mean json?"]);
    terminal.line("|> WHERE x", &["there is no query yet"]);
    terminal.line("SELECT 6 * 7 AS answer", &["42"]);
    terminal.leave();
}

#[test]
fn tab_completes_columns_of_the_step_functions_paths_and_commands() {
    let mut terminal = with_sales();
    terminal.keys("FROM 'sal\t");
    terminal.until("the path", |shown| shown.typed() == "FROM 'sales.csv'");
    terminal.keys(" |> AGGREGATE SUM(pr\t");
    terminal.until("the column", |shown| shown.typed().ends_with("SUM(price"));
    terminal.keys(") AS total GROUP BY region |> WHERE tot\t");
    terminal.until("the column of this step", |shown| {
        shown.typed().ends_with("WHERE total")
    });
    terminal.keys(" > rou\t");
    terminal.until("the function", |shown| shown.typed().ends_with("> round("));
    terminal.keys("5) AND \t");
    terminal.until("columns with their types", |shown| {
        shown.has("region  STRING") && shown.has("total  FLOAT64")
    });
    // Also where the text has several lines, and the list as well.
    terminal.keys("\u{3}");
    terminal.until("a new prompt", |shown| shown.is_at_prompt());
    terminal.clear();
    terminal.keys("FROM (VALUES (1, 2, 3)) AS t (first_of_three_columns_with_long_names, second_of_three,\rthird_of_three) |>\rWHERE \t");
    terminal.until("every column", |shown| {
        let columns = [
            "first_of_three_columns_with_long_names  INT64",
            "second_of_three  INT64",
        ];
        columns.iter().all(|column| shown.has(column)) && shown.has("third_of_three  INT64")
    });
    // The line goes.
    terminal.keys("\u{3}");
    terminal.until("a new prompt", |shown| shown.is_at_prompt());
    terminal.line("\\for\t csv", &["Results are written as csv."]);
    terminal.line("\\d sal\t", &["price FLOAT64"]);
}

#[test]
fn a_pipe_goes_on_from_the_last_query() {
    let mut terminal = with_sales();
    terminal.line("FROM 'sales.csv';", &["3 rows"]);
    terminal.line("|> WHERE region = 'north'", &["4.5", "2 rows"]);
    terminal.line("|> AGGREGATE SUM(price) AS total", &["5.5", "1 row"]);
    terminal.line("|> WHERE region = 'north'", &["error[TM02", "region"]);
    // What failed is not gone on from; the columns are those of what did not.
    terminal.clear();
    terminal.keys("|> SELECT tot\t");
    terminal.until("the column", |shown| shown.typed() == "|> SELECT total");
    terminal.keys(" * 2 AS twice\r");
    terminal.until("twice as much", |shown| {
        shown.is_at_prompt() && shown.has("11.0")
    });
    let printed = terminal.line("\\p", &["|> AGGREGATE SUM(price) AS total\n"]);
    assert!(printed.has("FROM 'sales.csv'\n") && !printed.has("region = 'north'\n|> WHERE"));
}

#[test]
fn what_was_typed_is_kept_for_its_owner_alone() {
    let mut terminal = started();
    terminal.line("SELECT 1 AS first_one", &["1 row"]);
    terminal.line(" SELECT 1 AS unkept", &["1 row"]);
    terminal.line("SELECT 1 AS a,\r2 AS second_one;", &["1 row"]);
    let place = terminal.place();
    terminal.leave();
    let file = place.path().join("state/tidemill/history");
    let kept = std::fs::read_to_string(&file).expect("the history");
    assert!(
        kept.contains("first_one") && !kept.contains("unkept"),
        "{kept}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| {
            let metadata = std::fs::metadata(path).expect("it is there");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().expect("its directory")), 0o700);
    }
    let mut again = Start::at(&place).shell();
    // Up
    again.keys("\u{1b}[A");
    again.until("both lines", |shown| shown.has("1 AS a,\n2 AS second_one;"));
}

#[test]
fn ctrl_c_clears_the_line_and_ctrl_d_ends() {
    let mut terminal = started();
    terminal.keys("FROM (\r oops");
    terminal.until("the text", |shown| shown.has("oops"));
    terminal.keys("\u{3}");
    terminal.until("a new prompt", |shown| shown.is_at_prompt());
    terminal.line("SELECT 5 AS five", &["five", "1 row"]);
    terminal.leave();
}

#[test]
fn words_are_coloured_and_no_color_takes_the_colours() {
    let mut terminal = started();
    terminal.line("SELECT 'x' AS t", &["1 row"]);
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(bytes.contains("\u{1b}[1;34mSELECT\u{1b}[0m"), "{bytes:?}");
    assert!(bytes.contains("\u{1b}[32m'x'\u{1b}[0m"), "{bytes:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        // A build machine says `CI`, which some take for a wish for colours.
        let mut terminal = Start::new().env("CI", "1").env(name, value).shell();
        terminal.keys("SELECT 'x' AS t, NULL AS u\r");
        terminal.until("the row", |shown| {
            shown.has("1 row") && shown.is_at_prompt()
        });
        terminal.keys("FROM nowhere\r");
        terminal.until("the error", |shown| {
            shown.has("TM0203") && shown.is_at_prompt()
        });
        assert!(
            !terminal.has_colours(),
            "{name}: {:?}",
            String::from_utf8_lossy(&terminal.bytes())
        );
    }
}

#[test]
fn help_lists_every_command() {
    let mut terminal = started();
    let commands = [
        "\\?", "\\q", "\\d", "\\df", "\\g", "\\p", "\\e", "\\i", "\\watch", "\\x", "\\format",
    ];
    terminal.line("\\?", &commands);
    terminal.keys("\\q\r");
    assert!(terminal.end().success());
}
