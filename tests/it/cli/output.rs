//! --output: a file appears whole or not at all.

use std::os::unix::fs::PermissionsExt;

use super::{Place, run};

/// A CSV file whose last line spoils a column that reads as numbers for a long time.
fn late_trouble(place: &Place) {
    let mut text = String::from("id,price\n");
    for id in 0..60_000 {
        text.push_str(&format!("{id},{id}\n"));
    }
    text.push_str("60000,cheap\n");
    place.file("late.csv", text);
}

#[test]
fn the_extension_says_the_format_and_the_flag_wins() {
    let place = Place::new();
    let expected = [
        ("o.csv", "a,b\n1,x\n"),
        ("o.tsv", "a\tb\n1\tx\n"),
        ("o.json", "[{\"a\":1,\"b\":\"x\"}]\n"),
        ("o.ndjson", "{\"a\":1,\"b\":\"x\"}\n"),
        ("o.jsonl", "{\"a\":1,\"b\":\"x\"}\n"),
        ("o.md", "| a | b |\n|---:|---|\n| 1 | x |\n"),
        ("o.unknown", "a,b\n1,x\n"),
    ];
    for (name, text) in expected {
        assert_eq!(
            place.answer(["-o", name, "SELECT 1 AS a, 'x' AS b"]),
            "",
            "{name}"
        );
        assert_eq!(place.read(name), text, "{name}");
    }
    for name in ["o.parquet", "o.arrow"] {
        place.answer(["--output", name, "SELECT 1 AS a, 'x' AS b"]);
        assert_eq!(
            place.answer([format!("FROM '{name}'")]),
            "a,b\n1,x\n",
            "{name}"
        );
    }
    place.answer(["-o", "o.csv", "--format", "json", "SELECT 2 AS a"]);
    assert_eq!(place.read("o.csv"), "[{\"a\":2}]\n");
    place.answer(["-o", "o.txt", "SELECT 2 AS a"]);
    assert!(place.read("o.txt").ends_with("1 row\n"));
}

#[test]
fn a_failing_query_leaves_nothing_and_keeps_what_was_there() {
    let place = Place::new();
    late_trouble(&place);
    place.file("kept.csv", "old\n");
    let before = place.names();
    // The first fails after rows were written, the others before.
    let failing = [
        ("FROM 'late.csv' |> SELECT price + 1 AS x", 3),
        ("FROM 'late.csv' |> ORDER BY price", 3),
        ("SELECT 1 / 0 AS a", 1),
        ("SELEC", 2),
        ("SELECT x", 2),
    ];
    for (query, code) in failing {
        for name in ["kept.csv", "fresh.csv", "fresh.parquet", "fresh.json"] {
            place.run(["-o", name, query]).fails(code, &["error["]);
            assert_eq!(place.names(), before, "{query} into {name}");
        }
    }
    assert_eq!(place.read("kept.csv"), "old\n");
    place.answer(["-o", "kept.csv", "SELECT 5 AS five"]);
    assert_eq!(place.read("kept.csv"), "five\n5\n");
    assert_eq!(place.names(), before);
}

#[test]
fn the_last_result_is_kept_and_only_if_all_goes_well() {
    let place = Place::new();
    place.answer([
        "-o",
        "last.csv",
        "-c",
        "SELECT 1 AS a",
        "-c",
        "SELECT 2 AS b",
    ]);
    assert_eq!(place.read("last.csv"), "b\n2\n");
    place.answer([
        "-o",
        "last.parquet",
        "-c",
        "SELECT 1 AS a",
        "-c",
        "SELECT 2 AS b",
    ]);
    assert_eq!(place.names(), ["last.csv", "last.parquet"]);
    let ended = place.run([
        "-o",
        "never.csv",
        "-c",
        "SELECT 1 AS a",
        "-c",
        "FROM 'missing.csv'",
    ]);
    ended.fails(3, &["missing.csv"]);
    place.answer(["-o", "never.csv", "CREATE TEMP TABLE t AS SELECT 1 AS a"]);
    assert_eq!(place.names(), ["last.csv", "last.parquet"]);
}

#[test]
fn a_query_may_read_the_file_it_replaces() {
    let place = Place::new();
    place.file("self.csv", "a\n1\n");
    let query = "FROM 'self.csv' |> UNION ALL (SELECT 2 AS a) |> ORDER BY a";
    place.answer(["-o", "self.csv", query]);
    assert_eq!(place.read("self.csv"), "a\n1\n2\n");
}

#[test]
fn the_file_is_readable_as_new_files_are() {
    let place = Place::new();
    place.answer(["-o", "new.csv", "SELECT 1 AS a"]);
    let metadata = std::fs::metadata(place.path("new.csv")).expect("the file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_file_that_cannot_be_written_is_an_error() {
    run(["-o", "nowhere/x.csv", "SELECT 1 AS a"]).fails(3, &["cannot be written", "nowhere"]);
    let place = Place::new();
    place.file("full/inside.csv", "a\n1\n");
    place
        .run(["-o", "full", "SELECT 1 AS a"])
        .fails(3, &["cannot be written"]);
    assert_eq!(place.names(), ["full"]);
    assert_eq!(place.read("full/inside.csv"), "a\n1\n");
}
