//! What goes wrong is said on standard error, with a code, a place and what to do; the exit code says whose fault it is.

use serde_json::{Value, json};

use super::{Ended, Place, run};

#[test]
fn a_query_that_fails_while_it_runs_is_1() {
    run(["SELECT 1 / 0 AS a"]).fails(1, &["error[TM0502]", "division by zero", "NULLIF"]);
    run(["SELECT CAST('x' AS INT64) AS a"]).fails(1, &["error[TM0501]", "'x'", "TRY_CAST"]);
    run(["FROM (VALUES (9223372036854775807)) AS t (a) |> SELECT a + 1 AS b"])
        .fails(1, &["error[TM0502]", "9223372036854775807 + 1"]);
}

#[test]
fn a_wrong_query_is_2_with_its_place() {
    run(["SELECT 'abc"]).fails(2, &["error[TM0101]", "query:1:8", "starts here"]);
    run(["FROM nowhere"]).fails(2, &["error[TM0203]", "`nowhere`", "query:1:6", "hint:"]);
    run(["FROM (VALUES (1)) AS t (abc) |> SELECT abd"]).fails(
        2,
        &["error[TM0201]", "query:1:40", "^^^", "did you mean `abc`?"],
    );
    run(["FROM (VALUES (1)) AS t (a)\n|> WHERE `é` > 1"])
        .fails(2, &["error[TM0201]", "query:2:10"]);
}

#[test]
fn a_statement_that_is_not_built_yet_is_named() {
    run(["REFRESH MATERIALIZED VIEW v"]).fails(2, &["error[TM0900]", "not implemented yet"]);
}

#[test]
fn a_missing_file_is_3_with_the_nearest_name() {
    let place = Place::new();
    place
        .run(["FROM 'sales.csv'"])
        .fails(3, &["error[TM0703]", "sales.csv", "query:1:6"]);
    place.file("sale.csv", "a\n1\n");
    place
        .run(["FROM 'sales.csv'"])
        .fails(3, &["error[TM0703]", "sale.csv"]);
    place
        .run(["FROM 'no/*.csv'"])
        .fails(3, &["error[TM0703]", "no/*.csv"]);
    std::fs::create_dir(place.path("empty")).expect("a directory");
    place
        .run(["FROM 'empty/'"])
        .fails(3, &["error[TM0703]", "empty/"]);
}

/// Reading `contents` as `name` fails with exit code 3 and all `parts`, one by one and all together.
fn unreadable(name: &str, contents: &[u8], parts: &[&str]) {
    let place = Place::new();
    place.file(name, contents);
    let whole = format!("FROM '{name}'");
    let counted = format!("FROM '{name}' |> AGGREGATE COUNT(*) AS c");
    for query in [&whole, &counted] {
        let ended = place.run([query]);
        ended.fails(3, parts);
        assert!(ended.err.contains(name), "{}", ended.err);
    }
}

#[test]
fn a_csv_record_with_a_wrong_number_of_fields() {
    let short = ["TM0712", "1 field instead of 2", "line 3", "hint:"];
    unreadable("short.csv", b"id,price\n1,2.5\n2\n3,4\n", &short);
    let long = ["TM0712", "3 fields instead of 2", "line 3", "hint:"];
    unreadable("long.csv", b"id,price\n1,2.5\n2,3,4\n3,4\n", &long);
}

#[test]
fn csv_lines_are_counted_through_quoted_line_breaks() {
    let text = b"id,note\n1,\"two\nlines\"\n2\n";
    unreadable("breaks.csv", text, &["TM0712", "line 4"]);
}

#[test]
fn a_csv_that_is_not_utf8() {
    unreadable(
        "latin.csv",
        b"id,name\n1,a\n2,b\xff\xfe\n",
        &["TM0713", "UTF-8", "line 3", "byte 15", "iconv"],
    );
}

#[test]
fn a_csv_with_an_unclosed_quote() {
    unreadable(
        "open.csv",
        b"id,name\n1,\"open\n2,b\n",
        &["TM0714", "never closed", "line 2"],
    );
    unreadable(
        "after.csv",
        b"id,name\n1,\"a\"b\n",
        &["TM0716", "closing quote", "line 2"],
    );
}

#[test]
fn an_empty_csv_has_no_columns() {
    unreadable("empty.csv", b"", &["TM0715", "empty"]);
}

/// `rows` good lines, then `last`.
fn long_csv(rows: usize, last: &str) -> String {
    let mut text = String::from("id,price\n");
    for id in 0..rows {
        text.push_str(&format!("{id},{id}\n"));
    }
    text.push_str(last);
    text
}

#[test]
fn a_bad_csv_value_names_line_and_column() {
    let place = Place::new();
    place.file("late.csv", long_csv(60_000, "60000,cheap\n"));
    for query in [
        "FROM 'late.csv'",
        "FROM 'late.csv' |> AGGREGATE SUM(price) AS s",
    ] {
        let ended = place.run([query]);
        assert_eq!(ended.code, Some(3), "{}", ended.err);
        for part in [
            "error[TM0711]",
            "`cheap`",
            "INT64",
            "late.csv",
            "line 60002",
            "column price",
        ] {
            assert!(
                ended.err.contains(part),
                "`{part}` is missing in\n{}",
                ended.err
            );
        }
    }
}

#[test]
fn a_short_record_far_down_is_found() {
    let place = Place::new();
    place.file("far.csv", long_csv(60_000, "60000\n"));
    let query = "FROM 'far.csv' |> AGGREGATE COUNT(price) AS c";
    place
        .run([query])
        .fails(3, &["TM0712", "far.csv", "line 60002"]);
}

#[test]
fn parquet_that_is_none() {
    unreadable(
        "cut.parquet",
        b"PAR1garbagegarbagePAR1",
        &["TM0731", "damaged"],
    );
    unreadable(
        "text.parquet",
        b"not parquet at all",
        &["TM0731", "damaged"],
    );
    let place = Place::new();
    place.answer([
        "-o",
        "whole.parquet",
        "FROM UNNEST(GENERATE_SERIES(1, 1000)) AS n",
    ]);
    let whole = std::fs::read(place.path("whole.parquet")).expect("the file");
    unreadable(
        "half.parquet",
        &whole[..whole.len() / 2],
        &["TM0731", "damaged"],
    );
}

#[test]
fn ndjson_that_is_none() {
    unreadable(
        "object.ndjson",
        b"{\"a\":1}\n{\"a\":2\n{\"a\":3}\n",
        &["TM0721", "line 2", "hint:"],
    );
    unreadable("words.ndjson", b"hello\n", &["TM0722", "line 1", "hint:"]);
}

#[test]
fn files_that_do_not_fit_together_are_both_named() {
    let place = Place::new();
    place
        .file("parts/a.csv", "id\n1\n")
        .file("parts/b.csv", "id\nx\n");
    place
        .run(["FROM 'parts/*.csv'"])
        .fails(3, &["TM0306", "`id`", "parts/a.csv", "parts/b.csv"]);
}

/// The errors of a run with `--error-format json`, one object a line.
fn objects(ended: &Ended) -> Vec<Value> {
    (ended.err.lines())
        .map(|line| serde_json::from_str(line).expect("an error is one JSON object"))
        .collect()
}

#[test]
fn errors_as_json_have_the_place_in_the_text() {
    let place = Place::new();
    place.file(
        "two.tide",
        "SELECT 1 AS a;\nFROM t |> WHRE x;\nFROM u |> |> y;\n",
    );
    let ended = place.run(["--error-format", "json", "two.tide"]);
    assert_eq!(ended.code, Some(2));
    let errors = objects(&ended);
    assert_eq!(errors.len(), 3, "{}", ended.err);
    let first = &errors[0];
    assert_eq!(first["severity"], json!("error"));
    assert_eq!(first["code"], json!("TM0102"));
    assert_eq!(first["message"], json!("`WHRE` is no pipe operator"));
    assert_eq!(first["label"], json!("did you mean WHERE?"));
    let fix = json!({"start": 25, "end": 29, "text": "WHERE"});
    assert_eq!(first["fix"], fix);
    let at = ["source", "line", "column", "start", "end"].map(|key| first[key].clone());
    assert_eq!(
        at,
        [json!("two.tide"), json!(2), json!(11), json!(25), json!(29)]
    );
    assert!(first["notes"].is_array());
    assert_eq!(errors[1]["line"], json!(3));
    assert_eq!(errors[2]["message"], json!("`y` is no pipe operator"));
}

#[test]
fn a_second_place_is_said_in_both_forms() {
    let query = "FROM (VALUES (1, 2)) AS t (region, price)\n|> AGGREGATE SUM(price) AS total GROUP BY region\n|> WHERE price > 10";
    let ended = run([query]);
    let said = [
        "error[TM0201]: no column named `price` here",
        "query:3:10",
        "^^^^^",
        "--------- `price` was last available before this step; after it there are: region, total",
        "hint: move the WHERE above line 2, or filter on `total`",
    ];
    ended.fails(2, &said);
    let ended = run(["--error-format", "json", query]);
    let labels = &objects(&ended)[0]["labels"];
    assert_eq!(labels[0]["line"], json!(2), "{}", ended.err);
    assert_eq!(labels[0]["column"], json!(4));
}

#[test]
fn all_that_is_wrong_with_a_statement_is_said_in_one_run() {
    let text = "FROM (VALUES (1)) AS t (region)\n|> WHERE regoin = 1\n|> SELECT UPER(region)";
    run([text]).fails(
        2,
        &[
            "`regoin`",
            "query:2:10",
            "`region`?",
            "`UPER`",
            "query:3:11",
            "`UPPER`?",
        ],
    );
    let ended = run(["--error-format", "json", text]);
    let codes: Vec<Value> = objects(&ended)
        .iter()
        .map(|error| error["code"].clone())
        .collect();
    assert_eq!(codes, [json!("TM0201"), json!("TM0204")]);
}

#[test]
fn more_errors_than_anybody_reads_are_counted() {
    let names: Vec<String> = (0..30).map(|number| format!("a{number}")).collect();
    let text = format!("SELECT {}", names.join(", "));
    let ended = run([text.as_str()]);
    assert_eq!(ended.err.matches("error[TM0201]").count(), 20);
    assert!(ended.err.contains("and 10 more errors"), "{}", ended.err);
}

#[test]
fn nothing_runs_where_a_later_statement_cannot_be_read() {
    let place = Place::new();
    place.file("one.tide", "SELECT 1 AS a;\nFROM t WHERE x;\n");
    place.file("two.tide", "FROM u |> TAKE 5;\n");
    let ended = place.run(["-f", "one.tide", "-f", "two.tide"]);
    ended.fails(
        2,
        &[
            "one.tide:2:8",
            "WHERE needs a pipe",
            "two.tide:1:11",
            "TAKE is spelled LIMIT",
        ],
    );
}

#[test]
fn errors_as_json_have_the_place_in_the_file() {
    let place = Place::new();
    place.file("late.csv", long_csv(60_000, "60000,cheap\n"));
    let query = "FROM 'late.csv' |> AGGREGATE SUM(price) AS s";
    let ended = place.run(["--error-format", "json", query]);
    assert_eq!(ended.code, Some(3));
    let errors = objects(&ended);
    assert_eq!(errors.len(), 1, "{}", ended.err);
    assert_eq!(errors[0]["code"], json!("TM0711"));
    let file = &errors[0]["file"];
    assert_eq!(file["path"], json!("late.csv"));
    assert_eq!(file["line"], json!(60002));
    assert_eq!(file["column"], json!("price"));
    let hint = errors[0]["notes"][0]["hint"].as_str();
    assert!(
        hint.is_some_and(|hint| hint.contains("read_csv")),
        "{}",
        ended.err
    );
}

#[test]
fn columns_of_places_count_characters() {
    let ended = run(["--error-format", "json", "SELECT 'é', x"]);
    let errors = objects(&ended);
    assert_eq!(
        (&errors[0]["column"], &errors[0]["start"]),
        (&json!(13), &json!(13))
    );
}

#[test]
fn whatever_stops_the_program_is_one_object_too() {
    let cases: [(&[&str], i32, &str); 4] = [
        (&["nothing.tide"], 3, "nothing.tide"),
        (&["-o", "nowhere/x.csv", "SELECT 1 AS a"], 3, "nowhere"),
        (&["--arg", "1", "SELECT 1 AS a"], 2, "--arg"),
        (
            &["-o", "x.parquet", "SELECT INTERVAL 5 DAY AS wait"],
            3,
            "`wait`",
        ),
    ];
    for (arguments, code, word) in cases {
        let ended = Place::new().run([&["--error-format", "json"], arguments].concat());
        assert_eq!(ended.code, Some(code), "{}", ended.err);
        let errors = objects(&ended);
        assert_eq!(errors.len(), 1, "{}", ended.err);
        let message = errors[0]["message"].as_str().expect("a message");
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn a_failed_assertion_says_which_step_of_which_statement_it_is() {
    let script = "SELECT 1 AS a; SELECT 2 AS b;\nFROM (VALUES (3), (-8812)) AS t (revenue)\n|> WHERE TRUE\n|> ASSERT revenue > 0, 'negative revenue', revenue\n|> LIMIT 5";
    let ended = run([script]);
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    let said = "error[TM0500]: Assert failed: negative revenue -8812 (statement 3, step 2 of 3)";
    assert!(ended.err.contains(said), "{}", ended.err);
}

#[test]
fn a_library_that_panics_over_a_damaged_file_is_not_heard() {
    let place = Place::new();
    let query = "FROM (VALUES (1, 'a', DECIMAL '1.5'), (2, 'bc', NULL)) AS t (i, s, d)";
    place.answer([query, "--output", "whole.arrow"]);
    let whole = std::fs::read(place.path("whole.arrow")).expect("a file");
    let mut refused = 0;
    for at in (83..whole.len()).step_by(9) {
        let mut damaged = whole.clone();
        damaged[at] = 0xff;
        std::fs::write(place.path("damaged.arrow"), damaged).expect("a file");
        let ended = place.run(["FROM 'damaged.arrow'"]);
        assert!(!ended.err.contains("panicked"), "{at}: {}", ended.err);
        if ended.code != Some(0) {
            // Rows that came before the damage may have been written.
            assert_eq!(ended.code, Some(3), "{at}: {ended:?}");
            let said = ["error[TM07", "damaged.arrow"];
            let all = said.iter().all(|part| ended.err.contains(part));
            assert!(all, "{at}: {ended:?}");
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_time_that_no_text_can_say_is_not_written() {
    let query = "SELECT FROM_UNIXTIME(9223372036854775807) AS x";
    for format in ["csv", "table", "json", "ndjson", "markdown"] {
        let ended = run([query, "--format", format]);
        assert_ne!(ended.code, Some(0), "{format}: {}", ended.text());
        assert!(
            !ended.text().contains("ERROR"),
            "{format}: {}",
            ended.text()
        );
    }
}

#[test]
fn an_assertion_of_a_script_stops_it_with_3() {
    let ended = run(["SELECT 1 AS a; ASSERT 1 > 2 AS 'one is more'; SELECT 2 AS b"]);
    assert_eq!((ended.code, ended.text().as_str()), (Some(3), "a\n1\n"));
    let said = "error[TM0500]: Assert failed: one is more";
    assert!(ended.err.contains(said), "{}", ended.err);
    assert_eq!(run(["ASSERT NULL"]).code, Some(3));
}
