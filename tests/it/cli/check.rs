//! `tidemill check`, and runs of a prefix: --until and --step.

use serde_json::Value;

use super::{Place, piped};

const SCRIPT: &str = "DECLARE PARAMETER @least INT64;
CREATE TABLE t AS FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) AS v(id, name);
FROM t
|> WHERE id >= @least
|> EXTEND id * 2
   AS twice
|> SELECT twice |> LIMIT 1;
";

#[test]
fn a_right_script_says_nothing() {
    let place = Place::new();
    place.file("a.tide", SCRIPT).file("b.sql", "SELECT 1");
    assert_eq!(place.answer(["check", "a.tide", "b.sql"]), "");
    assert_eq!(place.answer(["check", "a.tide", "-p", "least=2"]), "");
    assert_eq!(place.names(), ["a.tide", "b.sql"]);
    let ended = piped(
        &place,
        &["check", "-"],
        b"FROM (VALUES (1)) AS t (a) |> WHERE b",
    );
    ended.fails(
        2,
        &["standard input:1:37: error[TM0201]: no column named `b` here"],
    );
}

#[test]
fn every_error_has_its_file_line_and_column() {
    let place = Place::new();
    place.file("a.tide", "SELECT 1 AS \u{e9};\nFROM nowhere;\n  SELECT y;\nFROM (VALUES (1)) AS t (a) |> EXTEND 2 AS a");
    place.file("b.tide", "SELECT 'x");
    let ended = place.run(["check", "a.tide", "b.tide"]);
    ended.fails(
        2,
        &[
            "a.tide:1:13: error[TM0103]",
            "a.tide:2:6: error[TM0203]: no table named `nowhere`",
            "a.tide:3:10: error[TM0201]",
            "a.tide:4:38: warning[TW03]",
            "b.tide:1:8: error[TM0101]: string is not closed",
        ],
    );
    let ended = place.run(["check", "--error-format", "json", "b.tide"]);
    let line: Value = serde_json::from_str(ended.err.trim_end()).expect("JSON");
    assert_eq!(line["column"], 8);
    place
        .run(["check", "missing.tide"])
        .fails(3, &["TM0703", "missing.tide"]);
}

#[test]
fn values_must_fit_and_be_asked_for() {
    let place = Place::new();
    place.file("a.tide", SCRIPT);
    place
        .run(["check", "a.tide", "--param", "least=many"])
        .fails(2, &["a.tide:1:19: error[TM0601]"]);
    place
        .run(["check", "a.tide", "--param", "lest=1"])
        .fails(2, &["no statement asks for @lest"]);
}

#[test]
fn a_database_is_known_and_left_as_it_is() {
    let place = Place::new();
    place.answer(["--db", "kept", "CREATE TABLE t AS SELECT 1 AS x"]);
    place.file(
        "a.tide",
        "DROP TABLE t; CREATE TABLE t AS SELECT 'a' AS y; FROM t |> SELECT y",
    );
    assert_eq!(place.answer(["check", "--db", "kept", "a.tide"]), "");
    assert_eq!(place.answer(["--db", "kept", "FROM t"]), "x\n1\n");
    place
        .run(["check", "--db", "none", "a.tide"])
        .fails(2, &["no database in none"]);
    assert_eq!(place.names(), ["a.tide", "kept"]);
}

#[test]
fn a_run_stops_after_a_step() {
    let place = Place::new();
    place.file("a.tide", SCRIPT);
    let step = |n: &str| place.answer(["a.tide", "-p", "least=2", "--step", n]);
    assert_eq!(step("1"), "id,name\n1,a\n2,b\n3,c\n");
    assert_eq!(step("2"), "id,name\n2,b\n3,c\n");
    assert_eq!(step("3"), "id,name,twice\n2,b,4\n3,c,6\n");
    assert_eq!(step("5"), "twice\n4\n");
    place
        .run(["a.tide", "-p", "least=2", "--step", "6"])
        .fails(2, &["error[TM0315]", "there is no step 6: the query has 5"]);
    place
        .run(["SELECT 1", "--step", "0"])
        .fails(2, &["the first step has the number 1"]);
    place
        .run(["SELECT 1 AS a; SET @@log_rows = 3", "--step", "1"])
        .fails(2, &["only a query has steps"]);
}

#[test]
fn a_run_stops_after_a_line() {
    let place = Place::new();
    place.file("a.tide", SCRIPT);
    let until = |line: &str| place.answer(["a.tide", "-p", "least=2", "--until", line]);
    assert_eq!(until("2"), "");
    assert_eq!(until("3"), "id,name\n1,a\n2,b\n3,c\n");
    assert_eq!(until("4"), "id,name\n2,b\n3,c\n");
    assert_eq!(until("5"), "id,name,twice\n2,b,4\n3,c,6\n");
    assert_eq!(until("6"), until("5"));
    assert_eq!(until("7"), "twice\n4\n");
    assert_eq!(until("99"), "twice\n4\n");
    // A query that stores its rows gives them where it is cut, and stores nothing.
    let text =
        "CREATE TABLE t AS FROM (VALUES (1), (2)) AS v(a)\n|> WHERE a > 1\n|> SELECT nothing";
    assert_eq!(place.answer([text, "--until", "2"]), "a\n2\n");
    place
        .run(["\n\nSELECT 1", "--until", "1"])
        .fails(2, &["no statement begins up to line 1"]);
    place
        .run(["SELECT 1", "--until", "1", "--step", "1"])
        .fails(2, &["cannot be used with"]);
}

#[test]
fn tables_of_a_database_are_known_and_left_alone() {
    let place = Place::new();
    place.answer([
        "--db",
        "shop",
        "CREATE TABLE sales AS SELECT 1 AS id, 2.5 AS price",
    ]);
    place.file(
        "job.tide",
        "UPDATE sales SET price = price * 2 WHERE id = 1;\nDELETE FROM sales WHERE price > 100;\nFROM sales |> SELECT prise;\nMERGE INTO sales USING sails AS s ON sales.id = s.id WHEN MATCHED THEN DELETE;\n",
    );
    let ended = place.run(["check", "--db", "shop", "job.tide"]);
    ended.fails(
        2,
        &[
            "job.tide:3:22: error[TM0201]",
            "did you mean `price`?",
            "job.tide:4:24: error[TM0203]",
            "did you mean `sales`?",
        ],
    );
    assert_eq!(ended.err.matches("error[").count(), 2, "{}", ended.err);
    assert_eq!(
        place.answer(["--db", "shop", "FROM sales"]),
        "id,price\n1,2.5\n"
    );
    // Without the database the tables are not there.
    place
        .run(["check", "job.tide"])
        .fails(2, &["job.tide:1:8", "TM0203"]);
}
