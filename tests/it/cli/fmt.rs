//! `tidemill fmt`: files in place, standard input to standard output, --check.

use super::{Place, piped, run};

const WRITTEN: &str = "from t|>limit 1 -- one\n";
const LAID_OUT: &str = "FROM t\n|> LIMIT 1 -- one\n";

#[test]
fn files_are_written_anew_and_standard_input_goes_to_standard_output() {
    let place = Place::new();
    place.file("a.tide", WRITTEN).file("b.sql", LAID_OUT);
    let before = std::fs::metadata(place.path("b.sql"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(place.answer(["fmt", "a.tide", "b.sql"]), "");
    assert_eq!(place.read("a.tide"), LAID_OUT);
    let after = std::fs::metadata(place.path("b.sql"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after, "nothing to change, nothing written");
    assert_eq!(
        place.names(),
        ["a.tide", "b.sql"],
        "nothing is left beside them"
    );
    for args in [&["fmt"][..], &["fmt", "-"]] {
        assert_eq!(piped(&place, args, WRITTEN.as_bytes()).text(), LAID_OUT);
    }
}

#[test]
fn check_lists_what_would_change_and_writes_nothing() {
    let place = Place::new();
    let text = "FROM t;\nfrom u|>limit 1;\nFROM v;";
    place.file("a.tide", text).file("b.tide", LAID_OUT);
    let ended = place.run(["fmt", "--check", "a.tide", "b.tide"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    let expected = "--- a.tide\n+++ a.tide\n@@ -2,2 +2,3 @@\n-from u|>limit 1;\n-FROM v;\n\\ No newline at end of file\n+FROM u\n+|> LIMIT 1;\n+FROM v;\n";
    assert_eq!(ended.text(), expected);
    assert_eq!(place.read("a.tide"), text);
    assert_eq!(place.answer(["fmt", "--check", "b.tide"]), "");
}

#[test]
fn a_file_that_does_not_parse_is_left_alone_and_the_others_are_done() {
    let place = Place::new();
    place
        .file("bad.tide", "from t\n|> filter a")
        .file("good.tide", WRITTEN);
    place
        .run(["fmt", "bad.tide", "good.tide"])
        .fails(2, &["bad.tide:2:4", "TM0102"]);
    assert_eq!(place.read("bad.tide"), "from t\n|> filter a");
    assert_eq!(place.read("good.tide"), LAID_OUT);
    place
        .run(["fmt", "nowhere.tide"])
        .fails(3, &["TM0703", "nowhere.tide"]);
}

#[test]
fn the_width_and_the_meaning_of_double_quotes_are_flags() {
    let place = Place::new();
    let out = |args: &[&str], text: &str| piped(&place, args, text.as_bytes()).text();
    let list = "select first_name, second_name";
    assert_eq!(out(&["fmt"], list), "SELECT first_name, second_name\n");
    assert_eq!(
        out(&["fmt", "--width", "20"], list),
        "SELECT\n    first_name,\n    second_name\n"
    );
    let text = "select \"a\\\"b\"";
    assert_eq!(
        out(&["fmt", "--double-quotes", "string"], text),
        "SELECT \"a\\\"b\"\n"
    );
    run(["fmt", "--width", "3"]).fails(2, &["--width", "20"]);
}
