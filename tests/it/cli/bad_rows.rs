//! Rows that are not as the others: an error with the place and what to write, or left out and counted.

use super::Place;

/// A thousand rows of two fields, then a hundred of three: a file of which other tools lose the thousand without a word.
fn two_then_three() -> Place {
    let mut text = String::from("a,b\n");
    for row in 0..1000 {
        text += &format!("{row},x{row}\n");
    }
    for row in 0..100 {
        text += &format!("{row},y,z{row}\n");
    }
    let place = Place::new();
    place.file("f1.csv", text);
    place
}

const COUNT: &str = "FROM 'f1.csv' |> AGGREGATE COUNT(*) AS n";

#[test]
fn fields_too_many_end_the_query_with_what_to_write() {
    let place = two_then_three();
    let said = [
        "TM0712",
        "this record has 3 fields instead of 2 (f1.csv, line 1002)",
        "read_csv('f1.csv', bad_rows => 'skip')",
    ];
    place.run(["FROM 'f1.csv'"]).fails(3, &said);
    place
        .run(["FROM 'f1.csv' |> WHERE a < 0 |> SELECT b"])
        .fails(3, &said);
    // What the hint says works.
    let ended =
        place.run(["FROM read_csv('f1.csv', bad_rows => 'skip') |> AGGREGATE COUNT(*) AS n"]);
    assert_eq!((ended.code, ended.text().as_str()), (Some(0), "n\n1000\n"));
}

#[test]
fn other_delimiters_further_on_lose_no_row() {
    let place = Place::new();
    place.file("one.csv", "c0\nv0\na;b\n");
    assert_eq!(place.answer(["FROM 'one.csv'"]), "c0\nv0\na;b\n");
}

#[test]
fn rows_left_out_are_counted_and_the_first_is_told() {
    let place = two_then_three();
    for threads in ["1", "2"] {
        let ended = place.run([COUNT, "--bad-rows", "skip", "--threads", threads]);
        assert_eq!((ended.code, ended.text().as_str()), (Some(0), "n\n1000\n"));
        let warning = "warning[TW08]: 100 bad rows were left out, the first: this record has 3 fields instead of 2 (f1.csv, line 1002)";
        assert!(ended.err.contains(warning), "{}", ended.err);
        let counts =
            "Read 1100 rows: 1000 returned, 0 filtered out, 100 rejected; 0 values became NULL";
        assert!(ended.err.contains(counts), "{}", ended.err);
    }
    let query = "FROM 'f1.csv' |> WHERE a < 10 |> AGGREGATE COUNT(*) AS n";
    let ended = place.run([query, "--bad-rows", "skip"]);
    assert_eq!(ended.text(), "n\n10\n");
    assert!(
        ended
            .err
            .contains("Read 1100 rows: 10 returned, 990 filtered out, 100 rejected"),
        "{}",
        ended.err
    );
}

#[test]
fn rejected_rows_go_to_a_file_with_their_place_and_reason() {
    let place = Place::new();
    place.file(
        "x.csv",
        "id,amount,note\n1,2.5,a\n2,3.5\n3,4.5,\"two\nlines\"\n4,5.5,d,e\n",
    );
    let typed = "FROM read_csv('x.csv', columns => STRUCT<id INT64, amount FLOAT64, note STRING>)";
    let ended = place.run([typed, "--bad-rows", "reject=bad.csv"]);
    assert_eq!(
        ended.text(),
        "id,amount,note\n1,2.5,a\n3,4.5,\"two\nlines\"\n"
    );
    assert_eq!(
        place.read("bad.csv"),
        "file,line,byte,column,error,raw\n\
         x.csv,3,23,,this record has 2 fields instead of 3,\"2,3.5\"\n\
         x.csv,6,47,,this record has 4 fields instead of 3,\"4,5.5,d,e\"\n"
    );
    // A file without bad rows leaves none of an earlier run, and a statement that fails leaves the file as it was.
    place.file("y.csv", "id,amount\n1,x\n2,1.5\n");
    let typed = "FROM read_csv('y.csv', columns => STRUCT<id INT64, amount FLOAT64>)";
    let failing =
        format!("{typed} |> SELECT id / (amount - 1.5) AS x |> WHERE ERROR('stop') IS NULL");
    let ended = place.run([failing.as_str(), "--bad-rows", "reject=bad.csv"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(place.read("bad.csv").contains("x.csv"));
    let ended = place.run([typed, "--bad-rows", "reject=bad.csv"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(
        place.read("bad.csv"),
        "file,line,byte,column,error,raw\ny.csv,2,10,amount,`x` is no FLOAT64,\"1,x\"\n"
    );
    assert_eq!(place.names(), ["bad.csv", "x.csv", "y.csv"]);
    place
        .run([typed, "--bad-rows", "reject=no/such/bad.csv"])
        .fails(3, &["TM0701", "no/such/bad.csv"]);
}

#[test]
fn values_that_do_not_fit_become_null() {
    let place = Place::new();
    place.file("x.csv", "id,amount\n1,2.5\n2,x\n3\n");
    let from =
        "FROM read_csv('x.csv', types => STRUCT<id INT64, amount FLOAT64>, bad_rows => 'null')";
    let ended = place.run([from]);
    assert_eq!(ended.text(), "id,amount\n1,2.5\n2,\n3,\n");
    assert!(
        ended.err.contains("2 values did not fit and became NULL, the first: `x` is no FLOAT64 (x.csv, line 3, column amount)"),
        "{}",
        ended.err
    );
    place.file("y.csv", "id,amount\n1,2.5,3\n");
    place
        .run(["FROM 'y.csv'", "--bad-rows", "null"])
        .fails(3, &["TM0712", "3 fields instead of 2"]);
}

#[test]
fn lines_that_are_no_objects_are_left_out() {
    let place = Place::new();
    place.file("x.ndjson", "{\"a\": 1}\nnothing\n{\"a\": 2}\n{\"a\": \n");
    let query = "FROM 'x.ndjson' |> AGGREGATE SUM(a) AS s, COUNT(*) AS n";
    let ended = place.run([query, "--bad-rows", "skip"]);
    assert_eq!(ended.text(), "s,n\n3,2\n");
    assert!(
        ended.err.contains(
            "2 bad rows were left out, the first: this is not JSON, at `nothing` (x.ndjson, line 2)"
        ),
        "{}",
        ended.err
    );
    place.run([query]).fails(3, &["TM0721", "x.ndjson, line 2"]);
}

#[test]
fn tables_are_made_of_the_good_rows() {
    let place = two_then_three();
    let create = "CREATE TABLE t AS FROM 'f1.csv'; FROM t |> AGGREGATE COUNT(*) AS n";
    for flags in [
        &["--bad-rows", "skip"][..],
        &["--bad-rows", "skip", "--db", "db"],
    ] {
        let ended = place.run([&[create][..], flags].concat());
        assert_eq!((ended.code, ended.text().as_str()), (Some(0), "n\n1000\n"));
        assert!(
            ended.err.contains("100 bad rows were left out"),
            "{}",
            ended.err
        );
    }
    let external = "CREATE EXTERNAL TABLE e LOCATION 'f1.csv' OPTIONS (bad_rows = 'skip'); FROM e |> AGGREGATE COUNT(*) AS n";
    assert_eq!(place.run([external]).text(), "n\n1000\n");
    let set = "SET @@bad_rows = 'skip'; FROM 'f1.csv' |> AGGREGATE COUNT(*) AS n";
    assert_eq!(place.run([set]).text(), "n\n1000\n");
}

#[test]
fn counts_are_said_as_json_to_programs() {
    let place = two_then_three();
    let ended = place.run([COUNT, "--bad-rows", "skip", "--error-format", "json"]);
    let note = ended.err.lines().last().expect("a line");
    let note: serde_json::Value = serde_json::from_str(note).expect("JSON");
    assert_eq!(note["rows"]["rejected"], 100);
    place
        .run([COUNT, "--bad-rows", "keep"])
        .fails(2, &["fail, null, skip or reject=FILE"]);
}
