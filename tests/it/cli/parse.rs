//! `tidemill parse`: the tree of a text, or what is wrong with it.

use serde_json::{Value, json};

use super::{Place, piped, run};

fn tree(answer: &str) -> Value {
    serde_json::from_str(answer).expect("JSON")
}

#[test]
fn a_tree_comes_from_a_text_a_file_or_standard_input() {
    let place = Place::new();
    place.file("q.tide", "FROM t\n|> LIMIT 1;\nSELECT 'é' AS a");
    let of_file = place.answer(["parse", "--json", "q.tide"]);
    let whole = tree(&of_file);
    assert_eq!(whole["version"], 1);
    assert_eq!(whole["statements"][0]["of"]["pipes"][0]["node"], "limit");
    let span = json!({"start": 19, "end": 35, "line": 3, "column": 1});
    assert_eq!(whole["statements"][1]["span"], span);
    let text = place.read("q.tide");
    assert_eq!(place.answer(["parse", "--json", "-c", &text]), of_file);
    assert_eq!(
        piped(&place, &["parse", "--json", "-"], text.as_bytes()).text(),
        of_file
    );
    assert_eq!(
        piped(&place, &["parse", "--json"], text.as_bytes()).text(),
        of_file
    );
    assert_eq!(of_file.lines().count(), 4, "a statement on each line");
}

#[test]
fn what_does_not_parse_has_its_place() {
    let place = Place::new();
    place.file("bad.tide", "FROM t\n|> FILTER a;\nSELECT");
    place
        .run(["parse", "--json", "bad.tide"])
        .fails(2, &["bad.tide:2:4", "bad.tide:3:1", "error[TM0102]"]);
    run(["parse", "--json", "nowhere.tide"]).fails(3, &["TM0703", "nowhere.tide"]);
    run(["parse", "--json", "-c", "SELECT 1", "x.tide"]).fails(2, &["--command"]);
}

#[test]
fn double_quotes_hold_what_the_flag_says() {
    let literal = |kind: &str| {
        let answer = super::answer([
            "parse",
            "--json",
            "--double-quotes",
            kind,
            "-c",
            "SELECT \"a\"",
        ]);
        let select = &tree(&answer)["statements"][0]["of"]["body"]["of"]["set"]["of"];
        select["items"][0]["of"]["expr"]["node"].clone()
    };
    assert_eq!(literal("string"), "literal");
    assert_eq!(literal("identifier"), "path");
}

#[test]
fn a_word_that_names_a_subcommand_is_one_only_in_front() {
    assert_eq!(super::answer(["SELECT 1 AS parse"]), "parse\n1\n");
    run(["--timing", "parse", "--json", "-c", "SELECT 1"]).fails(2, &["parse"]);
    run(["parser"]).fails(2, &["TM0102", "query:1:1"]);
    run(["help"]).fails(2, &["query:1:1"]);
}

#[test]
fn without_json_the_canonical_text_is_written() {
    let text = "select ((a)) b, \"c d\" from t -- why";
    assert_eq!(
        super::answer(["parse", "-c", text]),
        "SELECT a AS b, `c d` FROM t;\n"
    );
}
