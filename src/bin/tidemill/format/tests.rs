//! What every format promises: valid, lossless, and NULL apart from '' and 'NULL'.

use std::sync::Arc;

use serde_json::{Value, json};
use tidemill::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use tidemill::arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};

use super::{Style, writer};
use crate::flags::Format;

fn texts(values: &[Option<&str>]) -> RecordBatch {
    let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("t", column, true)]).expect("a batch")
}

fn every_type() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        (
            "f",
            Arc::new(Float64Array::from(vec![Some(1.0), Some(f64::NAN)])),
        ),
        (
            "d",
            Arc::new(
                Decimal128Array::from(vec![Some(-105), None])
                    .with_precision_and_scale(38, 2)
                    .expect("a decimal"),
            ),
        ),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(0), None]))),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None])),
        ),
        (
            "utc",
            Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC")),
        ),
        (
            "x",
            Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])),
        ),
        (
            "l",
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
                Some([Some(1), None]),
                None,
            ])),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .expect("a batch")
}

fn written(format: Format, schema: &SchemaRef, batches: &[RecordBatch], null: &str) -> String {
    let mut bytes = Vec::new();
    let style = Style {
        null: null.to_string(),
        width: None,
        ..Style::default()
    };
    let mut writer = writer(format, schema, &style, &mut bytes).expect("a writer");
    batches
        .iter()
        .for_each(|batch| writer.batch(batch).expect("a batch is written"));
    writer.finish().expect("the end is written");
    String::from_utf8(bytes).expect("text")
}

fn one(format: Format, batch: &RecordBatch) -> String {
    written(format, &batch.schema(), std::slice::from_ref(batch), "")
}

#[test]
fn csv_tells_null_from_empty_and_from_the_word() {
    let batch = texts(&[
        None,
        Some(""),
        Some("NULL"),
        Some("a,b"),
        Some("say \"x\"\r\n"),
        Some(" pad "),
    ]);
    assert_eq!(
        one(Format::Csv, &batch),
        "t\n\n\"\"\nNULL\n\"a,b\"\n\"say \"\"x\"\"\r\n\"\n\" pad \"\n"
    );
    let with_word = written(
        Format::Csv,
        &batch.schema(),
        &[texts(&[None, Some(""), Some("NULL")])],
        "NULL",
    );
    assert_eq!(with_word, "t\nNULL\n\"\"\n\"NULL\"\n");
}

#[test]
fn csv_writes_every_type_exactly() {
    let text = one(Format::Csv, &every_type());
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows[0], "i,f,d,b,day,at,utc,x,l");
    assert_eq!(
        rows[1],
        "-9223372036854775808,1.0,-1.05,true,1970-01-01,1970-01-01T00:00:01.500,1970-01-01T00:00:00Z,\\x00ff,\"[1,null]\""
    );
    assert_eq!(rows[2], ",NaN,,,,,,,");
}

#[test]
fn tsv_quotes_tabs_and_not_commas() {
    assert_eq!(
        one(Format::Tsv, &texts(&[Some("a,b"), Some("a\tb")])),
        "t\na,b\n\"a\tb\"\n"
    );
}

#[test]
fn json_is_valid_for_every_type() {
    let rows: Vec<Value> =
        serde_json::from_str(&one(Format::Json, &every_type())).expect("valid JSON");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["i"], json!(i64::MIN));
    assert_eq!(rows[0]["l"], json!([1, null]));
    assert_eq!(rows[1]["f"], Value::Null, "JSON has no NaN");
    assert_eq!(rows[1]["i"], Value::Null);
    assert!(
        one(Format::Json, &every_type()).contains("\"d\":-1.05"),
        "decimals are numbers, digit by digit"
    );
}

#[test]
fn json_of_no_rows_is_an_empty_array() {
    let batch = texts(&[]);
    assert_eq!(written(Format::Json, &batch.schema(), &[], "").trim(), "[]");
    assert_eq!(written(Format::Ndjson, &batch.schema(), &[], ""), "");
    assert_eq!(written(Format::Csv, &batch.schema(), &[], ""), "t\n");
}

#[test]
fn ndjson_tells_null_from_empty_and_from_the_word() {
    let text = one(Format::Ndjson, &texts(&[None, Some(""), Some("NULL")]));
    assert_eq!(text, "{\"t\":null}\n{\"t\":\"\"}\n{\"t\":\"NULL\"}\n");
}

#[test]
fn json_numbers_names_that_repeat() {
    let fields = ["a", "a", "a_2"]
        .map(|name| Field::new(name, tidemill::arrow::datatypes::DataType::Int64, true));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![column.clone(), column.clone(), column],
    )
    .expect("a batch");
    assert_eq!(
        one(Format::Ndjson, &batch),
        "{\"a\":1,\"a_2\":1,\"a_2_2\":1}\n"
    );
    assert_eq!(one(Format::Csv, &batch), "a,a,a_2\n1,1,1\n");
}

#[test]
fn a_table_shows_types_and_tells_null_from_text() {
    let text = one(
        Format::Table,
        &texts(&[None, Some(""), Some("NULL"), Some("x")]),
    );
    for part in ["STRING", " NULL ", " '' ", " 'NULL' ", " x ", "4 rows"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour without a terminal");
}

#[test]
fn a_long_table_is_counted_and_cut() {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let batch = RecordBatch::try_from_iter([("n", column)]).expect("a batch");
    let text = one(Format::Table, &batch);
    assert!(text.contains("40 of 100 rows"), "{text}");
    assert!(text.contains(" 39 ") && !text.contains(" 40 "), "{text}");
}

#[test]
fn markdown_escapes_what_would_break_the_table() {
    let text = one(Format::Markdown, &texts(&[Some("a|b\nc"), None]));
    assert_eq!(text, "| t |\n|---|\n| a\\|b<br>c |\n| NULL |\n");
}

#[test]
fn arrow_and_parquet_read_back() {
    let batch = every_type();
    let mut bytes = Vec::new();
    let style = Style {
        null: String::new(),
        width: None,
        ..Style::default()
    };
    let mut out = writer(Format::Arrow, &batch.schema(), &style, &mut bytes).expect("a writer");
    out.batch(&batch).expect("a batch is written");
    out.finish().expect("the end is written");
    let mut reader = tidemill::arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None)
        .expect("a stream");
    assert_eq!(
        reader.next().expect("a batch").expect("sound").num_rows(),
        2
    );

    let mut bytes = Vec::new();
    let mut out = writer(Format::Parquet, &batch.schema(), &style, &mut bytes).expect("a writer");
    out.batch(&batch).expect("a batch is written");
    out.finish().expect("the end is written");
    assert_eq!(
        (&bytes[..4], &bytes[bytes.len() - 4..]),
        (&b"PAR1"[..], &b"PAR1"[..])
    );
}
