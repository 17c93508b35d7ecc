//! What Enter does: run the text, or begin another line of it.
//!
//! - A command is one line.
//! - What ends with `;` runs.
//! - One line runs where it is a whole query, or wrong in its middle: its error is said at once.
//! - What must go on goes on, and so does a SELECT without FROM whose names nothing gives.
//! - A text of several lines runs at `;` or at an empty line, for any of its lines might be a whole query.

use tidemill::{Ending, Engine};

use super::{is_command, whole_text};

/// Whether the text runs.
pub(super) fn runs(engine: &Engine, text: &str, last: Option<&str>) -> bool {
    if is_command(text) {
        return true;
    }
    let (whole, _) = whole_text(text, last);
    let is_one_line = !text.contains('\n');
    let ends_empty = text
        .rsplit_once('\n')
        .is_some_and(|(_, line)| line.trim().is_empty());
    match engine.syntax().ending(&whole) {
        Ending::Empty | Ending::Ended => true,
        Ending::Quoted => false,
        Ending::Inside | Ending::Early => ends_empty,
        Ending::WithoutFrom if is_one_line => engine.check(&whole, ()).is_ok(),
        _ => is_one_line || ends_empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enter_runs_what_is_whole() {
        let engine = Engine::in_memory().expect("an engine");
        let runs = |text: &str| runs(&engine, text, Some("FROM t"));
        for text in [
            "FROM t",
            "FROM t |> WHERE x",
            "SELECT 1 + 1",
            "FROM t |> WHERE\nx > 1;",
            "SELECT a\nFROM t\n",
            "FROM t |> FILTER x",
            "SELECT (1\n",
            "|> WHERE x",
            "\\d",
            "",
            "-- nothing",
        ] {
            assert!(runs(text), "{text}");
        }
        for text in [
            "FROM t |>",
            "FROM t |> WHERE\nx > 1",
            "SELECT a, b",
            "SELECT 1,",
            "SELECT a, b\nFROM t",
            "SELECT (1",
            "FROM 'a.csv",
            "SELECT 'a\n",
            "|> WHERE",
            "IF TRUE THEN SELECT 1;",
        ] {
            assert!(!runs(text), "{text}");
        }
    }
}
