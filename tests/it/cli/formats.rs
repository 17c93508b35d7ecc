//! Every format is valid, loses nothing, and tells NULL, no text and the word NULL apart.

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tidemill::arrow::array::{Array, AsArray, RecordBatch};
use tidemill::arrow::datatypes::Int64Type;
use tidemill::arrow::ipc::reader::StreamReader;

use super::{Place, TEXTS, answer, run};

const EVERY_FORMAT: [&str; 8] = [
    "table", "csv", "tsv", "json", "ndjson", "markdown", "arrow", "parquet",
];

/// One row with a value of every kind that all formats can hold.
const TYPES: &str = "SELECT CAST('1.50' AS DECIMAL(10, 2)) AS d, CAST('NaN' AS FLOAT64) AS n, CAST(1 AS FLOAT64) AS f, \
                     9223372036854775807 AS i, TIMESTAMP '2024-01-01T10:00:00Z' AS ts, \
                     CAST('2024-01-01T10:00:00' AS DATETIME) AS dt, DATE '2024-02-03' AS day, true AS b, [1, 2] AS l, \
                     CAST('ab' AS BYTES) AS y, STRUCT(1 AS a, 'x' AS b) AS s, NULL AS z";

/// No rows, two columns.
const NONE: &str = "FROM (VALUES (1, 'x')) AS t (a, b) |> WHERE a > 5";

fn texts() -> [(i64, Option<&'static str>); 7] {
    [
        (1, Some("a,b")),
        (2, None),
        (3, Some("")),
        (4, Some("NULL")),
        (5, Some(" pad ")),
        (6, Some("say \"x\"\ny")),
        (7, Some("tab\there")),
    ]
}

fn json_texts() -> Value {
    let rows = texts().map(|(i, s)| json!({"i": i, "s": s}));
    Value::from(rows.to_vec())
}

#[test]
fn csv_is_the_format_of_a_pipe() {
    let expected =
        "i,s\n1,\"a,b\"\n2,\n3,\"\"\n4,NULL\n5,\" pad \"\n6,\"say \"\"x\"\"\ny\"\n7,tab\there\n";
    assert_eq!(answer([TEXTS]), expected);
    assert_eq!(answer(["--format", "csv", TEXTS]), expected);
}

#[test]
fn tsv_quotes_tabs_and_not_commas() {
    let expected = "i\ts\n1\ta,b\n2\t\n3\t\"\"\n4\tNULL\n5\t\" pad \"\n6\t\"say \"\"x\"\"\ny\"\n7\t\"tab\there\"\n";
    assert_eq!(answer(["--format", "tsv", TEXTS]), expected);
}

#[test]
fn json_is_one_array_and_ndjson_one_object_a_line() {
    let array: Value =
        serde_json::from_str(&answer(["--format", "json", TEXTS])).expect("valid JSON");
    assert_eq!(array, json_texts());
    let lines = answer(["--format", "ndjson", TEXTS]);
    let objects: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("valid JSON"))
        .collect();
    assert_eq!(Value::from(objects), json_texts());
}

#[test]
fn tables_put_text_that_looks_like_nothing_in_quotes() {
    let table = answer(["--format", "table", TEXTS]);
    for part in [
        "INT64", "STRING", " NULL ", " '' ", " 'NULL' ", " a,b ", "7 rows\n",
    ] {
        assert!(table.contains(part), "`{part}` is missing in\n{table}");
    }
    let markdown = answer(["--format", "markdown", TEXTS]);
    let start = "| i | s |\n|---:|---|\n| 1 | a,b |\n| 2 | NULL |\n| 3 | '' |\n| 4 | 'NULL' |\n";
    assert!(markdown.starts_with(start), "{markdown}");
    assert!(markdown.contains("| 6 | say \"x\"<br>y |\n"), "{markdown}");
    assert_eq!(
        answer(["--format", "markdown", "SELECT 'a|b' AS s"]),
        "| s |\n|---|\n| a\\|b |\n"
    );
}

#[test]
fn a_long_table_shows_its_start_and_counts_the_rest() {
    let table = answer([
        "--format",
        "table",
        "FROM UNNEST(GENERATE_SERIES(1, 100)) AS n |> ORDER BY n",
    ]);
    assert!(table.ends_with("40 of 100 rows\n"), "{table}");
    assert!(
        table.contains(" 40 │") && !table.contains(" 41 │"),
        "{table}"
    );
    let long = format!("SELECT '{}' AS s", "x".repeat(1000));
    let table = answer(["--format", "table", &long]);
    assert!(table.contains("x…") && table.len() < 3000, "{table}");
}

/// The rows of [`TEXTS`] as batches hold them.
fn rows(batches: &[RecordBatch]) -> Vec<(i64, Option<String>)> {
    let mut rows = Vec::new();
    for batch in batches {
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        let texts = tidemill::arrow::compute::cast(
            batch.column(1),
            &tidemill::arrow::datatypes::DataType::Utf8,
        )
        .expect("a column of text");
        let texts = texts.as_string::<i32>();
        rows.extend((0..batch.num_rows()).map(|row| {
            let text = texts.is_valid(row).then(|| texts.value(row).to_string());
            (numbers.value(row), text)
        }));
    }
    rows
}

#[test]
fn arrow_and_parquet_on_a_pipe_read_back() {
    let expected = texts().map(|(i, s)| (i, s.map(str::to_string))).to_vec();

    let stream = run(["--format", "arrow", TEXTS]).out;
    let reader = StreamReader::try_new(stream.as_slice(), None).expect("an Arrow stream");
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("sound batches");
    assert_eq!(rows(&batches), expected);

    let place = Place::new();
    place.file("piped.parquet", run(["--format", "parquet", TEXTS]).out);
    let file = std::fs::File::open(place.path("piped.parquet")).expect("the file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|builder| builder.build());
    let batches: Vec<RecordBatch> = reader
        .expect("a Parquet file")
        .collect::<Result<_, _>>()
        .expect("sound batches");
    assert_eq!(rows(&batches), expected);
}

#[test]
fn what_a_format_writes_is_read_back_the_same() {
    let place = Place::new();
    for name in [
        "t.csv",
        "t.tsv",
        "t.json",
        "t.ndjson",
        "t.parquet",
        "t.arrow",
    ] {
        assert_eq!(place.answer(["--output", name, TEXTS]), "");
        let back = place.answer(["--format", "json", &format!("FROM '{name}' |> ORDER BY i")]);
        let back: Value = serde_json::from_str(&back).expect("valid JSON");
        assert_eq!(back, json_texts(), "{name}");
    }
    place.answer(["--output", "nil.csv", "--null", "NIL", TEXTS]);
    let back = place.answer([
        "--format",
        "json",
        "FROM read_csv('nil.csv', null => 'NIL') |> ORDER BY i",
    ]);
    let back: Value = serde_json::from_str(&back).expect("valid JSON");
    assert_eq!(back, json_texts(), "a NULL of one's own");
}

#[test]
fn values_are_exact_in_text() {
    let expected = "d,n,f,i,ts,dt,day,b,l,y,s,z\n\
                    1.50,NaN,1.0,9223372036854775807,2024-01-01T10:00:00Z,2024-01-01T10:00:00,2024-02-03,true,\
                    \"[1,2]\",\\x6162,\"{\"\"a\"\":1,\"\"b\"\":\"\"x\"\"}\",\n";
    assert_eq!(answer([TYPES]), expected);
}

#[test]
fn json_is_valid_and_exact_for_every_type() {
    for format in ["json", "ndjson"] {
        let text = answer(["--format", format, TYPES]);
        let value: Value = serde_json::from_str(&text).expect("valid JSON");
        let row = value.get(0).unwrap_or(&value);
        assert_eq!(row["n"], Value::Null, "JSON has no NaN");
        assert_eq!(row["i"], json!(i64::MAX));
        assert_eq!(row["ts"], json!("2024-01-01T10:00:00Z"));
        assert_eq!(row["dt"], json!("2024-01-01T10:00:00"));
        assert_eq!(row["day"], json!("2024-02-03"));
        assert_eq!(row["b"], json!(true));
        assert_eq!(row["l"], json!([1, 2]));
        assert_eq!(row["s"], json!({"a": 1, "b": "x"}));
        assert_eq!(row["z"], Value::Null);
        assert!(
            text.contains("\"d\":1.50"),
            "a decimal keeps its digits: {text}"
        );
    }
}

#[test]
fn no_rows_still_have_a_header() {
    let expected = [
        ("csv", "a,b\n"),
        ("tsv", "a\tb\n"),
        ("json", "[]\n"),
        ("ndjson", ""),
        ("markdown", "| a | b |\n|---:|---|\n"),
    ];
    for (format, text) in expected {
        assert_eq!(answer(["--format", format, NONE]), text, "{format}");
    }
    let table = answer(["--format", "table", NONE]);
    assert!(
        table.contains("STRING") && table.ends_with("0 rows\n"),
        "{table}"
    );

    let stream = run(["--format", "arrow", NONE]).out;
    let reader = StreamReader::try_new(stream.as_slice(), None).expect("an Arrow stream");
    assert_eq!(reader.schema().fields().len(), 2);
    assert_eq!(reader.count(), 0);
    let place = Place::new();
    place.file("none.parquet", run(["--format", "parquet", NONE]).out);
    assert_eq!(place.answer(["FROM 'none.parquet'"]), "a,b\n");
}

#[test]
fn names_that_repeat_are_numbered_only_in_json() {
    let query = "SELECT 1 AS a, 2 AS a, 3 AS b";
    assert_eq!(answer([query]), "a,a,b\n1,2,3\n");
    assert_eq!(
        answer(["--format", "ndjson", query]),
        "{\"a\":1,\"a_2\":2,\"b\":3}\n"
    );
}

#[test]
fn json_says_null_for_what_is_no_number_and_strict_refuses() {
    let inside = "SELECT 1 AS a, [STRUCT(CAST('inf' AS FLOAT64) AS x)] AS l";
    for format in ["json", "ndjson"] {
        for (query, name) in [
            ("SELECT CAST('NaN' AS FLOAT64) AS n", "`n`"),
            (inside, "`l`"),
        ] {
            assert!(answer(["--format", format, query]).contains("null"));
            run(["--format", format, "--strict", query]).fails(3, &[name, "--strict"]);
            let csv = answer(["--format", "csv", "--strict", query]);
            assert_eq!(csv, answer(["--format", "csv", query]));
        }
        let finite = "SELECT 0.5 AS f, CAST(NULL AS FLOAT64) AS n";
        assert_eq!(
            answer(["--format", format, "--strict", finite]),
            answer(["--format", format, finite])
        );
    }
}

#[test]
fn all_rows_of_a_table_are_shown_where_they_are_asked_for() {
    let query = "FROM UNNEST(GENERATE_SERIES(1, 100)) AS n |> ORDER BY n";
    let table = answer(["--format", "table", "--all", query]);
    assert!(table.ends_with("\n100 rows\n"), "{table}");
    assert!(
        table.contains(" 41 │") && table.contains(" 100 │"),
        "{table}"
    );
}

#[test]
fn a_pipe_never_gets_colours() {
    for format in EVERY_FORMAT {
        let ended = run(["--format", format, "SELECT 'x' AS a, NULL AS b, 2024 AS c"]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(!ended.out.contains(&0x1b), "{format} has an escape");
    }
    for failing in [
        "SELECT x",
        "SELEC",
        "FROM 'missing.csv'",
        "SELECT 1 / 0 AS a",
    ] {
        let ended = run([failing]);
        assert_ne!(ended.code, Some(0), "{failing}");
        assert!(!ended.err.contains('\u{1b}'), "{}", ended.err);
    }
    assert!(!answer(["--help"]).contains('\u{1b}'));
}

#[test]
fn explain_is_a_result_like_others() {
    let query = "FROM (VALUES (1)) AS t (a) |> WHERE a > 0";
    let plan = answer([format!("EXPLAIN {query}")]);
    assert!(
        plan.starts_with("plan\n") && plan.contains("filter"),
        "{plan}"
    );
    let analyzed = format!("EXPLAIN ANALYZE {query}");
    let analyzed = answer(["--format", "json", &analyzed]);
    let rows: Value = serde_json::from_str(&analyzed).expect("valid JSON");
    assert!(
        rows.as_array().is_some_and(|rows| rows.len() > 2),
        "{analyzed}"
    );
}
