//! Where texts come from, and how several statements run.

use super::{Place, answer, piped, run};

const TWO: &str = "FROM (VALUES (1)) AS t (a);\nFROM (VALUES (2)) AS t (b);\n";
const ANSWERS: &str = "a\n1\n\nb\n2\n";

#[test]
fn a_path_with_a_scripts_ending_is_a_script() {
    let place = Place::new();
    for name in ["two.tide", "two.tidemill", "two.sql"] {
        place.file(name, TWO);
        assert_eq!(place.answer([name]), ANSWERS, "{name}");
    }
    place.file("two.txt", TWO);
    assert_eq!(
        place.answer(["-f", "two.txt"]),
        ANSWERS,
        "-f takes any name"
    );
    place.run(["two.txt"]).fails(2, &["TM0102", "query:1:1"]);
}

#[test]
fn standard_input_is_a_script() {
    let place = Place::new();
    let ways: [&[&str]; 3] = [&["-"], &[], &["-f", "-"]];
    for args in ways {
        let ended = piped(&place, args, TWO.as_bytes());
        assert_eq!(
            (ended.code, ended.text().as_str()),
            (Some(0), ANSWERS),
            "{args:?}"
        );
    }
    let empty = piped(&place, &["-"], b"");
    assert_eq!((empty.code, empty.text().as_str()), (Some(0), ""));
    piped(&place, &["-"], b"SELECT x").fails(2, &["TM0201", "standard input:1:8"]);
    piped(&place, &["-"], b"SELECT '\xff\xfe'").fails(3, &["TM0703", "standard input"]);
}

#[test]
fn texts_run_in_order_in_one_session() {
    let place = Place::new();
    place.file("last.tide", "FROM x |> EXTEND z + 1 AS y;");
    let args = [
        "-c",
        "CREATE TEMP TABLE x AS FROM (VALUES (9)) AS t (z)",
        "-c",
        "FROM x",
        "-f",
        "last.tide",
    ];
    assert_eq!(place.answer(args), "z\n9\n\nz,y\n9,10\n");
    assert_eq!(
        place.answer(["SELECT 7 AS q", "-c", "SELECT 8 AS c"]),
        "q\n7\n\nc\n8\n"
    );
}

#[test]
fn a_statement_without_rows_prints_nothing() {
    assert_eq!(answer(["CREATE TEMP TABLE x AS SELECT 1 AS a"]), "");
}

#[test]
fn texts_may_begin_with_a_dash() {
    assert_eq!(answer(["-c", "-- a comment\nSELECT -1 AS a"]), "a\n-1\n");
}

#[test]
fn a_script_stops_at_its_first_error_and_keeps_earlier_results() {
    let place = Place::new();
    let script = "SELECT 1 AS a;\n\nFROM (VALUES (2)) AS t (b)\n|> WHERE c > 1;\nSELECT 3 AS d;";
    let ended = place.file("stops.tide", script).run(["stops.tide"]);
    assert_eq!((ended.code, ended.text().as_str()), (Some(2), "a\n1\n"));
    for part in ["TM0201", "`c`", "stops.tide:4:10", "b (INT64)"] {
        assert!(
            ended.err.contains(part),
            "`{part}` is missing in\n{}",
            ended.err
        );
    }
}

#[test]
fn every_syntax_error_is_told_before_anything_runs() {
    let place = Place::new();
    let script = "SELECT 1 AS a;\nFROM t |> WHRE x;\nFROM u |> |> y;\n";
    let ended = place.file("typos.tide", script).run(["typos.tide"]);
    ended.fails(
        2,
        &[
            "typos.tide:2:11",
            "did you mean WHERE?",
            "typos.tide:3:11",
            "typos.tide:3:14",
        ],
    );
    assert_eq!(
        ended.err.matches("error[TM0102]").count(),
        3,
        "{}",
        ended.err
    );
}

#[test]
fn several_results_stay_apart_in_every_text_format() {
    let place = Place::new();
    place.file("two.tide", TWO);
    let expected = [
        ("tsv", "a\n1\n\nb\n2\n"),
        ("json", "[{\"a\":1}]\n[{\"b\":2}]\n"),
        ("ndjson", "{\"a\":1}\n{\"b\":2}\n"),
        ("markdown", "| a |\n|---:|\n| 1 |\n\n| b |\n|---:|\n| 2 |\n"),
    ];
    for (format, text) in expected {
        assert_eq!(
            place.answer(["--format", format, "two.tide"]),
            text,
            "{format}"
        );
    }
    let table = place.answer(["--format", "table", "two.tide"]);
    assert_eq!(table.matches("1 row\n").count(), 2, "{table}");
    for format in ["arrow", "parquet"] {
        let ended = place.run(["--format", format, "two.tide"]);
        assert_eq!(ended.code, Some(2), "{format} holds one result");
        assert!(ended.err.contains("one result"), "{}", ended.err);
    }
}

#[test]
fn a_script_that_cannot_be_read_is_3() {
    let place = Place::new();
    place.file("bytes.tide", b"SELECT '\xff'");
    place
        .run(["bytes.tide"])
        .fails(3, &["TM0703", "bytes.tide", "UTF-8", "byte 8"]);
    place
        .run(["missing.tide"])
        .fails(3, &["TM0703", "missing.tide"]);
    place
        .run(["-f", "missing.txt"])
        .fails(3, &["TM0703", "missing.txt"]);
}

#[test]
fn nothing_but_space_is_no_statement() {
    let ended = run(["-c", "  ;; -- nothing\n"]);
    assert_eq!(ended.text(), "");
    assert_eq!(answer(["SELECT 1 AS a;;"]), "a\n1\n");
}

#[test]
fn a_script_can_go_on_after_a_failure() {
    let place = Place::new();
    let script = "SELECT 1 AS a;\nSELECT 1 / 0 AS b;\nFROM nowhere;\nASSERT FALSE AS 'no';\nSELECT 5 AS e;\n";
    place.file("goes_on.tide", script);
    let ended = place.run(["--keep-going", "goes_on.tide"]);
    assert_eq!(ended.text(), "a\n1\n\ne\n5\n");
    // The first failure says the exit code, and every one is told.
    assert_eq!(ended.code, Some(1));
    for part in [
        "goes_on.tide:2:8",
        "TM0502",
        "goes_on.tide:3:6",
        "TM0203",
        "goes_on.tide:4:8",
        "TM0500",
    ] {
        assert!(ended.err.contains(part), "{part}\n{}", ended.err);
    }
    let ended = place.run(["goes_on.tide"]);
    assert_eq!((ended.code, ended.text().as_str()), (Some(1), "a\n1\n"));
    let ended = place.run([
        "--keep-going",
        "-c",
        "FROM nowhere",
        "-c",
        "SELECT 1 / 0 AS b",
    ]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(place.answer(["--keep-going", "SELECT 1 AS a"]), "a\n1\n");
}

#[test]
fn a_text_that_cannot_be_read_does_not_run_at_all() {
    let place = Place::new();
    let ended = place.run(["--keep-going", "-c", "SELECT 1 AS a; FROM t |> WHRE x"]);
    assert_eq!((ended.code, ended.text().as_str()), (Some(2), ""));
}

#[test]
fn an_output_file_never_holds_an_earlier_result_than_the_last() {
    let place = Place::new();
    let args = ["--keep-going", "--output", "out.csv", "-c"];
    let run = |text: &str| place.run(args.iter().copied().chain([text]));
    assert_eq!(run("SELECT 1 AS a; SELECT 1 / 0 AS b").code, Some(1));
    assert!(!place.path("out.csv").exists());
    assert_eq!(run("SELECT 1 / 0 AS b; SELECT 2 AS c").code, Some(1));
    let written = std::fs::read_to_string(place.path("out.csv")).expect("the last result");
    assert_eq!(written, "c\n2\n");
}
