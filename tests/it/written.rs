//! What is written is what is read: random tables through every format of files, compressed too, by the library and by the program.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tidemill::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use tidemill::{CsvWriter, Engine};

use crate::answer;

/// The columns as a reader must declare them.
const COLUMNS: &str = "i INT64, f FLOAT64, s STRING, c DECIMAL(38, 10), d DATE, t DATETIME, u TIMESTAMP, b BOOL, x BYTES";

const TEXTS: [&str; 26] = [
    "",
    "a",
    "NULL",
    "null",
    "NaN",
    "\\N",
    " ",
    " padded ",
    "\t",
    "tab\tin",
    "a,b",
    "a;b",
    "a|b",
    "\"",
    "\"\"",
    "say \"x\"",
    "two\nlines",
    "two\r\nlines",
    "\r",
    "\n",
    "🦀 é 漢字",
    "\u{feff}mark",
    "1",
    "1e3",
    "# no comment",
    "\\x41",
];
const INTEGERS: [i64; 6] = [0, -1, 42, i64::MAX, i64::MIN, 1 << 53];
const FLOATS: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    0.1,
    -2.5e-300,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    f64::EPSILON,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e21,
    123456789.12345679,
];
/// 38 digits at most.
const DECIMALS: [i128; 6] = [
    0,
    1,
    -1,
    105_000_000_000,
    99_999_999_999_999_999_999_999_999_999_999_999_999,
    -99_999_999_999_999_999_999_999_999_999_999_999_999,
];
/// 1970-01-01, a leap day, the first day of year 1 and the last of year 9999.
const DAYS: [i32; 5] = [0, 11_016, -719_162, 2_932_896, -1];
/// The same in microseconds, with fractions.
const MOMENTS: [i64; 6] = [
    0,
    1,
    -1,
    951_782_400_123_456,
    -62_135_596_800_000_000,
    253_402_300_799_999_999,
];
const BYTES: [&[u8]; 4] = [b"", b"\x00\xff", b"plain", b"\\x00"];

#[derive(Debug, Clone)]
struct Row {
    i: Option<i64>,
    f: Option<f64>,
    s: Option<&'static str>,
    c: Option<i128>,
    d: Option<i32>,
    t: Option<i64>,
    u: Option<i64>,
    b: Option<bool>,
    x: Option<&'static [u8]>,
}

fn row() -> impl Strategy<Value = Row> {
    (
        option::of(select(&INTEGERS[..])),
        option::of(select(&FLOATS[..])),
        option::of(select(&TEXTS[..])),
        option::of(select(&DECIMALS[..])),
        option::of(select(&DAYS[..])),
        option::of(select(&MOMENTS[..])),
        option::of(select(&MOMENTS[..])),
        option::of(any::<bool>()),
        option::of(select(&BYTES[..])),
    )
        .prop_map(|(i, f, s, c, d, t, u, b, x)| Row {
            i,
            f,
            s,
            c,
            d,
            t,
            u,
            b,
            x,
        })
}

fn batch(rows: &[Row]) -> RecordBatch {
    let decimals: Decimal128Array = rows.iter().map(|row| row.c).collect();
    let decimals = decimals
        .with_precision_and_scale(38, 10)
        .expect("a decimal type");
    let instants: TimestampMicrosecondArray = rows.iter().map(|row| row.u).collect();
    let columns: [(&str, ArrayRef); 9] = [
        (
            "i",
            Arc::new(rows.iter().map(|row| row.i).collect::<Int64Array>()),
        ),
        (
            "f",
            Arc::new(rows.iter().map(|row| row.f).collect::<Float64Array>()),
        ),
        (
            "s",
            Arc::new(rows.iter().map(|row| row.s).collect::<StringArray>()),
        ),
        ("c", Arc::new(decimals)),
        (
            "d",
            Arc::new(rows.iter().map(|row| row.d).collect::<Date32Array>()),
        ),
        (
            "t",
            Arc::new(
                rows.iter()
                    .map(|row| row.t)
                    .collect::<TimestampMicrosecondArray>(),
            ),
        ),
        ("u", Arc::new(instants.with_timezone("UTC"))),
        (
            "b",
            Arc::new(rows.iter().map(|row| row.b).collect::<BooleanArray>()),
        ),
        (
            "x",
            Arc::new(rows.iter().map(|row| row.x).collect::<BinaryArray>()),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .expect("columns of one length")
}

/// Takes away what JSON cannot say.
fn only_finite(row: &mut Row) {
    row.f = row.f.filter(|value| value.is_finite());
}

fn engine(rows: &[Row]) -> Engine {
    let engine = Engine::builder().threads(2).in_memory().expect("an engine");
    let table = engine.register_batches("t", vec![batch(rows)]);
    table.expect("a table");
    engine
}

/// Reads a file back under declared types and compares.
fn same_back(
    engine: &Engine,
    what: &str,
    columns: &str,
    file: &Path,
    options: &str,
) -> Result<(), TestCaseError> {
    let name = file.file_name().expect("a name").to_string_lossy();
    let kinds = [
        ("parquet", "PARQUET"),
        ("arrow", "ARROW"),
        ("json", "JSON"),
        ("csv", "CSV"),
        ("tsv", "TSV"),
    ];
    let kind = kinds.iter().find(|(ending, _)| name.contains(ending));
    let (_, kind) = kind.expect("a file of a known format");
    let create = format!(
        "CREATE OR REPLACE EXTERNAL TABLE back ({columns}) STORED AS {kind} LOCATION '{}'{options}",
        file.display()
    );
    engine
        .execute(&create, ())
        .map_err(|error| TestCaseError::fail(format!("{create}: {error}")))?;
    let all = ["i", "f", "s", "c", "d", "t", "u", "b", "x"];
    let declared =
        |name: &&str| columns.starts_with(*name) || columns.contains(&format!(", {name} "));
    let list = all
        .into_iter()
        .filter(declared)
        .collect::<Vec<_>>()
        .join(", ");
    let expected = answer::rows(engine, &format!("FROM t |> SELECT {list}")).expect("rows");
    let found = answer::rows(engine, &format!("FROM back |> SELECT {list}"))
        .map_err(|error| TestCaseError::fail(format!("{what}: {error}")))?;
    match found.difference(&expected, false) {
        None => Ok(()),
        Some(difference) => Err(TestCaseError::fail(format!("{what}: {difference}"))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn files_give_back_what_was_written(rows in vec(row(), 0..12)) {
        let engine = engine(&rows);
        let folder = tempfile::tempdir().expect("a folder");
        for (ending, written, read) in [
            ("csv", "format='csv'", ""),
            ("csv.gz", "format='csv'", ""),
            ("gzip.csv", "format='csv', compression='gzip'", ""),
            ("csv.zst", "format='csv'", ""),
            ("tsv", "format='tsv'", ""),
            ("tsv.gz", "format='tsv'", ""),
            ("null.csv", "format='csv', null='NULL'", " OPTIONS(null='NULL')"),
            ("semi.csv", "format='csv', delimiter=';'", " OPTIONS(delim=';')"),
            ("parquet", "format='parquet'", ""),
            ("plain.parquet", "format='parquet', compression='none'", ""),
            ("gzip.parquet", "format='parquet', compression='gzip'", ""),
            ("snappy.parquet", "format='parquet', compression='snappy'", ""),
            ("lz4.parquet", "format='parquet', compression='lz4'", ""),
            ("arrow", "format='arrow'", ""),
            ("zstd.arrow", "format='arrow', compression='zstd'", ""),
            ("lz4.arrow", "format='arrow', compression='lz4'", ""),
        ] {
            let file = folder.path().join(format!("x.{ending}"));
            let export = format!("FROM t |> EXPORT DATA OPTIONS(uri='{}', {written})", file.display());
            let done = engine.execute(&export, ());
            prop_assert!(done.is_ok(), "{}: {:?}", export, done.err());
            same_back(&engine, ending, COLUMNS, &file, read)?;
        }
    }

    /// JSON has no NaN and no infinity: they are NULL, or with --strict an error.
    #[test]
    fn json_gives_back_what_was_written(mut rows in vec(row(), 0..12)) {
        rows.iter_mut().for_each(only_finite);
        let engine = engine(&rows);
        let folder = tempfile::tempdir().expect("a folder");
        for ending in ["ndjson", "jsonl", "json", "ndjson.gz", "ndjson.zst"] {
            let file = folder.path().join(format!("x.{ending}"));
            let export = format!("FROM t |> EXPORT DATA OPTIONS(uri='{}')", file.display());
            let done = engine.execute(&export, ());
            prop_assert!(done.is_ok(), "{}: {:?}", export, done.err());
            same_back(&engine, ending, COLUMNS, &file, "")?;
        }
    }

    #[test]
    fn one_column_gives_back_its_nulls(rows in vec(row(), 0..6)) {
        let engine = engine(&rows);
        let folder = tempfile::tempdir().expect("a folder");
        for column in COLUMNS.replace("38, 10", "38,10").split(", ") {
            let name = &column[..1];
            let file = folder.path().join(format!("{name}.csv"));
            let export = format!("FROM t |> SELECT {name} |> EXPORT DATA OPTIONS(uri='{}', format='csv')", file.display());
            let done = engine.execute(&export, ());
            prop_assert!(done.is_ok(), "{}: {:?}", export, done.err());
            same_back(&engine, column, column, &file, "")?;
        }
    }

    #[test]
    fn the_writer_of_the_library_writes_the_same(rows in vec(row(), 0..12)) {
        let engine = engine(&rows);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.csv");
        let export = format!("FROM t |> EXPORT DATA OPTIONS(uri='{}', format='csv')", file.display());
        engine.execute(&export, ()).expect("a file");
        let (mut csv, mut out) = (CsvWriter::new(b',', ""), Vec::new());
        let all = batch(&rows);
        csv.header(&all.schema(), &mut out).expect("a header");
        csv.batch(&all, &mut out).expect("rows");
        prop_assert_eq!(std::fs::read(&file).expect("a file"), out);
    }
}

proptest! {
    // Each case runs the program seven times.
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_program_writes_what_it_reads(mut rows in vec(row(), 0..8)) {
        let all = rows.clone();
        let folder = tempfile::tempdir().expect("a folder");
        for ending in ["csv", "tsv", "arrow", "parquet", "json", "ndjson"] {
            rows.clone_from(&all);
            if ending.contains("json") {
                rows.iter_mut().for_each(only_finite);
            }
            let engine = engine(&rows);
            let source = folder.path().join("source.arrow");
            let export = format!("FROM t |> EXPORT DATA OPTIONS(uri='{}', overwrite=TRUE)", source.display());
            engine.execute(&export, ()).expect("a source");
            let file = folder.path().join(format!("x.{ending}"));
            let output = Command::new(env!("CARGO_BIN_EXE_tidemill"))
                .arg(format!("FROM '{}'", source.display()))
                .arg("--output")
                .arg(&file)
                .env("TIDEMILL_CONFIG", "")
                .output()
                .expect("the program runs");
            prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            same_back(&engine, ending, COLUMNS, &file, "")?;
        }
    }
}

#[test]
fn nested_values_are_json_in_csv() {
    let engine = Engine::in_memory().expect("an engine");
    let text = "SELECT [1, NULL] AS a, STRUCT('x' AS name, [DATE '2024-02-29'] AS days) AS s";
    let rows = engine.query(text, ()).expect("rows");
    let (mut csv, mut out) = (CsvWriter::new(b',', ""), Vec::new());
    csv.header(rows.schema(), &mut out).expect("a header");
    for batch in rows {
        csv.batch(&batch.expect("rows"), &mut out).expect("a row");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.csv");
    std::fs::write(&file, out).expect("a file");
    let back: (String, String) = engine
        .query(&format!("FROM '{}'", file.display()), ())
        .and_then(|rows| rows.one())
        .expect("a row");
    assert_eq!(back.0, "[1,null]");
    assert_eq!(back.1, "{\"name\":\"x\",\"days\":[\"2024-02-29\"]}");
    // A file that others read has no place for what comes back as text.
    let error = engine.execute(&format!("{text} |> EXPORT DATA OPTIONS(uri='y.csv')"), ());
    assert_eq!(error.expect_err("nested values").code(), "TM0403");
}
