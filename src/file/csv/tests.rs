use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringViewArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;
use crate::error::Error;
use crate::file::{Bounds, RowFilter};

fn file(text: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".csv").unwrap();
    file.write_all(text).unwrap();
    file.flush().unwrap();
    file
}

fn options(pairs: &[(&str, OptionValue)]) -> CsvOptions {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_string(), value.clone()))
        .collect();
    CsvOptions::from_pairs(&pairs).unwrap()
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

fn request(projection: Vec<usize>, batch_rows: usize) -> ReadRequest {
    ReadRequest {
        projection,
        filters: Vec::new(),
        narrow: Vec::new(),
        batch_rows,
        tally: Arc::default(),
        pool: Arc::default(),
    }
}

/// All rows of all units, in order.
fn read_all(csv: &CsvFile, request: &ReadRequest) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for unit in csv.units(request, 2)? {
        for batch in csv.read(&unit, request)? {
            batches.push(batch?);
        }
    }
    let schema = Arc::new(csv.schema().project(&request.projection).unwrap());
    if request.projection.is_empty() {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        return Ok(RecordBatch::try_new_with_options(schema, vec![], &options).unwrap());
    }
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// The whole of a text.
fn read(text: &str, options: CsvOptions, columns: Option<SchemaRef>) -> Result<RecordBatch> {
    let file = file(text.as_bytes());
    let csv = CsvFile::open(file.path(), options, columns)?;
    let all = (0..csv.schema().fields().len()).collect();
    read_all(&csv, &request(all, 8192))
}

/// Rows as text, with `~` for NULL.
fn rows(batch: &RecordBatch) -> Vec<String> {
    let value = |column: usize, row: usize| match batch.column(column).is_null(row) {
        true => "~".to_string(),
        false => array_value_to_string(batch.column(column), row).unwrap(),
    };
    (0..batch.num_rows())
        .map(|row| {
            let values: Vec<String> = (0..batch.num_columns())
                .map(|column| value(column, row))
                .collect();
            values.join("|")
        })
        .collect()
}

fn error(text: &str) -> Error {
    read(text, CsvOptions::default(), None).unwrap_err()
}

fn place(error: &Error) -> (&'static str, Option<u64>, Option<&str>) {
    let place = error.place().unwrap();
    (error.code(), place.line, place.column.as_deref())
}

#[test]
fn types_names_and_values_are_found() {
    let text = "\u{feff}id,name, price ,day,at,zoned,ok,code\r\n\
                1,\"a \"\"b\"\"\",1.5,2024-01-31,2024-01-31 10:00:00,2024-01-31T10:00:00+02:00,true,007\r\n\
                2,,2,2024-02-01,2024-02-01T00:00:00.25,2024-01-31T10:00:00Z,FALSE,8\r\n\
                ,\"\",,,,,,\r\n";
    let batch = read(text, CsvOptions::default(), None).unwrap();
    let types: Vec<&DataType> = batch
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.data_type())
        .collect();
    let micros =
        |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    assert_eq!(
        types,
        [
            &DataType::Int64,
            &DataType::Utf8View,
            &DataType::Float64,
            &DataType::Date32,
            &micros(None),
            &micros(Some("UTC")),
            &DataType::Boolean,
            &DataType::Utf8View,
        ]
    );
    assert_eq!(batch.schema_ref().field(2).name(), "price");
    assert_eq!(
        rows(&batch),
        [
            "1|a \"b\"|1.5|2024-01-31|2024-01-31T10:00:00|2024-01-31T08:00:00Z|true|007",
            "2|~|2.0|2024-02-01|2024-02-01T00:00:00.250|2024-01-31T10:00:00Z|false|8",
            "~||~|~|~|~|~|~",
        ]
    );
}

#[test]
fn delimiters_and_headers_are_found() {
    for delimiter in [',', ';', '\t', '|'] {
        let text = format!("a{delimiter}b\n1{delimiter}x\n2{delimiter}y\n");
        let batch = read(&text, CsvOptions::default(), None).unwrap();
        assert_eq!(rows(&batch), ["1|x", "2|y"], "{delimiter:?}");
        assert_eq!(batch.schema_ref().field(0).name(), "a");
    }
    let batch = read("1,x\n2,y\n", CsvOptions::default(), None).unwrap();
    assert_eq!(batch.schema_ref().field(1).name(), "column2");
    assert_eq!(batch.num_rows(), 2);
    let batch = read(
        "a,b\nx,y\n",
        options(&[("header", OptionValue::Bool(false))]),
        None,
    )
    .unwrap();
    assert_eq!(batch.num_rows(), 2);
    let batch = read("n,n,,n_2\n1,2,3,4\n", CsvOptions::default(), None).unwrap();
    let names: Vec<&String> = batch
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.name())
        .collect();
    assert_eq!(names, ["n", "n_3", "column3", "n_2"]);
    // A single column, with a semicolon in a late row.
    assert_eq!(
        rows(&read("c0\nv0\na;b\n", CsvOptions::default(), None).unwrap()),
        ["v0", "a;b"]
    );
    assert_eq!(
        read("only,names\n", CsvOptions::default(), None)
            .unwrap()
            .num_rows(),
        0
    );
}

#[test]
fn null_and_the_empty_text_differ() {
    let batch = read(
        "a,b\n1,\n2,\"\"\n3,NULL\n4,\"NULL\"\n",
        CsvOptions::default(),
        None,
    )
    .unwrap();
    assert_eq!(rows(&batch), ["1|~", "2|", "3|NULL", "4|NULL"]);
    let null = options(&[("null", OptionValue::Text("NULL".into()))]);
    let batch = read("a,b\n1,\n2,\"\"\nNULL,NULL\n4,\"NULL\"\n", null, None).unwrap();
    assert_eq!(rows(&batch), ["1|", "2|", "~|~", "4|NULL"]);
    assert_eq!(*batch.column(0).data_type(), DataType::Int64);
}

#[test]
fn blank_lines_and_comments() {
    assert_eq!(
        rows(&read("a,b\n\n1,2\n\r\n3,4\n\n", CsvOptions::default(), None).unwrap()),
        ["1|2", "3|4"]
    );
    // In a single column an empty line is a value.
    assert_eq!(
        rows(&read("a\n1\n\n3\n", CsvOptions::default(), None).unwrap()),
        ["1", "~", "3"]
    );
    let comments = options(&[("comment", OptionValue::Text("#".into()))]);
    let batch = read("# \"one\na,b\n1,2\n# two\n3,4\n#", comments, None).unwrap();
    assert_eq!(rows(&batch), ["1|2", "3|4"]);
}

#[test]
fn escapes_and_files_without_quotes() {
    let escape = options(&[("escape", OptionValue::Text("\\".into()))]);
    let batch = read("a,b\n1,\"x\\\"y\\\\,\n\"\n", escape, None).unwrap();
    assert_eq!(rows(&batch), ["1|x\"y\\,\n"]);
    let none = options(&[("quote", OptionValue::Text(String::new()))]);
    let batch = read("a,b\n1,\"x\n2,5\" pipe\n", none, None).unwrap();
    assert_eq!(rows(&batch), ["1|\"x", "2|5\" pipe"]);
    // A quote inside a field without quotes is text.
    assert_eq!(
        rows(&read("a,b\n1,5\" pipe\n2,x\n", CsvOptions::default(), None).unwrap()),
        ["1|5\" pipe", "2|x"]
    );
}

#[test]
fn wrong_numbers_of_fields_name_the_line() {
    let mut text = String::from("a,b\n");
    for row in 0..1000 {
        writeln!(text, "{row},x").unwrap();
    }
    for row in 0..100 {
        writeln!(text, "{row},x,y").unwrap();
    }
    let error = error(&text);
    assert_eq!(place(&error), ("TM0712", Some(1002), None));
    assert_eq!(error.message(), "this record has 3 fields instead of 2");
    let without_header = &text["a,b\n".len()..];
    let error = read(without_header, CsvOptions::default(), None).unwrap_err();
    assert_eq!(place(&error), ("TM0712", Some(1001), None));
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn a_later_contradiction_names_line_column_and_remedy() {
    let mut text = String::from("id,note\n");
    for row in 0..20_000 {
        writeln!(text, "{row},\"two\nlines\"").unwrap();
    }
    text.push_str("007,x\n");
    let error = read(&text, CsvOptions::default(), None).unwrap_err();
    assert_eq!(place(&error), ("TM0711", Some(40_002), Some("id")));
    assert_eq!(error.message(), "`007` is no INT64");
    assert!(
        error.notes()[0].1.contains("types => STRUCT<id STRING>"),
        "{error}"
    );
    let types = OptionValue::Columns(vec![("ID".into(), DataType::Utf8)]);
    let batch = read(&text, options(&[("types", types)]), None).unwrap();
    assert_eq!(batch.num_rows(), 20_001);
    assert_eq!(batch.column(0).as_string::<i32>().value(20_000), "007");
    let all = options(&[("sample_rows", OptionValue::Int(-1))]);
    assert_eq!(
        *read(&text, all, None).unwrap().column(0).data_type(),
        DataType::Utf8View
    );
}

#[test]
fn damaged_files() {
    assert_eq!(
        place(&error("a,b\n1,2\n3,\"x\ny\n")),
        ("TM0714", Some(3), None)
    );
    assert_eq!(
        place(&error("a,b\n1,\"x\ny\"z\n")),
        ("TM0716", Some(3), None)
    );
    assert_eq!(error("").code(), "TM0715");
    assert_eq!(error("a,b\r1,2\r3,4\r").code(), "TM0709");
    assert_eq!(
        read("a,\"b\rc\"", CsvOptions::default(), None)
            .unwrap()
            .num_rows(),
        0
    );
    let missing = CsvFile::open(Path::new("no/such.csv"), CsvOptions::default(), None).unwrap_err();
    assert_eq!(missing.code(), "TM0703");
    let latin = file(b"a,b\n1,x\n2,caf\xe9\n");
    let csv = CsvFile::open(latin.path(), CsvOptions::default(), None).unwrap_err();
    assert_eq!(place(&csv), ("TM0713", Some(3), None));
    assert_eq!(csv.place().unwrap().byte, Some(13));
    let wide = file(b"\xff\xfea\0,\0");
    assert_eq!(
        CsvFile::open(wide.path(), CsvOptions::default(), None)
            .unwrap_err()
            .code(),
        "TM0713"
    );
    let header = file(b"caf\xe9,b\n1,2\n");
    assert_eq!(
        CsvFile::open(header.path(), CsvOptions::default(), None)
            .unwrap_err()
            .code(),
        "TM0713"
    );
}

#[test]
fn options_are_checked() {
    let code = |name: &str, value: OptionValue| {
        CsvOptions::from_pairs(&[(name.to_string(), value)])
            .unwrap_err()
            .code()
    };
    assert_eq!(code("headr", OptionValue::Bool(true)), "TM0706");
    assert_eq!(code("header", OptionValue::Int(1)), "TM0707");
    assert_eq!(code("delim", OptionValue::Text("ab".into())), "TM0707");
    assert_eq!(code("delim", OptionValue::Text("\"".into())), "TM0707");
    let types = OptionValue::Columns(vec![("nope".into(), DataType::Int64)]);
    assert_eq!(
        read("a\n1\n", options(&[("types", types)]), None)
            .unwrap_err()
            .code(),
        "TM0719"
    );
}

#[test]
fn columns_of_the_user() {
    let columns = schema(&[("b", DataType::Int32), ("A", DataType::Decimal128(10, 2))]);
    let batch = read(
        "a,b,c\n1.005,2,x\n,+04,\n",
        CsvOptions::default(),
        Some(columns),
    )
    .unwrap();
    assert_eq!(rows(&batch), ["2|1.01", "4|~"]);
    let columns = schema(&[("x", DataType::Int64), ("y", DataType::Utf8)]);
    let batch = read("1,p\n2,q\n", CsvOptions::default(), Some(columns.clone())).unwrap();
    assert_eq!(rows(&batch), ["1|p", "2|q"]);
    // A header with other names.
    let batch = read("u,v\n2,q\n", CsvOptions::default(), Some(columns.clone())).unwrap();
    assert_eq!(rows(&batch), ["2|q"]);
    assert_eq!(
        read("", CsvOptions::default(), Some(columns.clone()))
            .unwrap()
            .num_rows(),
        0
    );
    // The same names in another order, one of them missing: not by position.
    let error = read("y,z\n2,q\n", CsvOptions::default(), Some(columns)).unwrap_err();
    assert_eq!(error.code(), "TM0719");
}

#[test]
fn every_type_that_may_be_asked_for() {
    let cases = [
        (DataType::Int8, "-128", "128"),
        (DataType::UInt8, "255", "256"),
        (DataType::UInt64, "18446744073709551615", "-1"),
        (DataType::Float32, "1.5", "1e300"),
        (DataType::Boolean, "yes", "maybe"),
        (DataType::Date32, "2024-02-29", "2023-02-29"),
        (DataType::Time64(TimeUnit::Nanosecond), "10:00", "25:00:00"),
        (
            DataType::Timestamp(TimeUnit::Second, None),
            "2024-01-01",
            "soon",
        ),
        (
            DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            "2024-01-01T00:00:00Z",
            "x",
        ),
        (DataType::Decimal64(5, 2), "999.99", "1000"),
        (DataType::Decimal256(50, 2), "1.25", "x"),
        (DataType::Time32(TimeUnit::Second), "10:00:00", "x"),
        (
            DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
            "1 day",
            "x",
        ),
        (
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            "x",
            "",
        ),
        (DataType::LargeUtf8, "x", ""),
    ];
    for (data_type, good, bad) in cases {
        let columns = schema(&[("a", DataType::Int64), ("b", data_type.clone())]);
        let none = options(&[("header", OptionValue::Bool(false))]);
        let batch = read(
            &format!("1,{good}\n2,\n"),
            none.clone(),
            Some(columns.clone()),
        )
        .unwrap();
        assert_eq!(batch.column(1).data_type(), &data_type);
        assert!(
            batch.column(1).is_valid(0) && batch.column(1).is_null(1),
            "{data_type}"
        );
        if !bad.is_empty() {
            let error = read(&format!("1,{good}\n2,{bad}\n"), none, Some(columns)).unwrap_err();
            assert_eq!(place(&error), ("TM0711", Some(2), Some("b")), "{data_type}");
        }
    }
}

#[test]
fn compressed_by_content_not_by_name() {
    let text = "a,b\n1,x\n2,\"y\nz\"\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for packed in [gzip.clone(), zstd.clone()] {
        let file = file(&packed);
        let csv = CsvFile::open(file.path(), CsvOptions::default(), None).unwrap();
        assert_eq!(
            rows(&read_all(&csv, &request(vec![0, 1], 1)).unwrap()),
            ["1|x", "2|y\nz"]
        );
    }
    for cut_off in [&gzip[..gzip.len() - 12], &zstd[..zstd.len() - 4]] {
        let file = file(cut_off);
        let error = CsvFile::open(file.path(), CsvOptions::default(), None).unwrap_err();
        assert_eq!(error.code(), "TM0705");
    }
}

/// `a` at least `least`.
#[derive(Debug)]
struct AtLeast {
    least: i64,
}

impl RowFilter for AtLeast {
    fn columns(&self) -> &[usize] {
        &[0]
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = batch.column(0).as_primitive::<Int64Type>();
        Ok(values
            .iter()
            .map(|value| value.map(|value| value >= self.least))
            .collect())
    }

    fn may_match(&self, _bounds: &dyn Bounds) -> Option<Vec<bool>> {
        None
    }
}

#[test]
fn filters_keep_the_same_rows_however_many() {
    let mut text = String::from("a,b\n");
    for row in 0..100 {
        writeln!(
            text,
            "{},{row}",
            if row % 10 == 0 {
                String::new()
            } else {
                row.to_string()
            }
        )
        .unwrap();
    }
    let file = file(text.as_bytes());
    let csv = CsvFile::open_in_blocks(file.path(), CsvOptions::default(), None, 50).unwrap();
    for least in [0, 5, 50, 95, 200] {
        let expected: Vec<String> = (least.max(1)..100)
            .filter(|row| row % 10 != 0)
            .map(|row| format!("{row}|{row}"))
            .collect();
        for projection in [vec![1, 0], vec![1], vec![]] {
            let mut request = request(projection.clone(), 7);
            request.filters = vec![Arc::new(AtLeast { least })];
            let batch = read_all(&csv, &request).unwrap();
            assert_eq!(batch.num_rows(), expected.len());
            if projection.len() == 2 {
                assert_eq!(rows(&batch), expected);
            }
        }
    }
}

#[test]
fn only_asked_columns_are_decoded_but_every_record_is_counted() {
    let file = file(b"a,b\n1,x\n2,y\n");
    let csv = CsvFile::open(file.path(), CsvOptions::default(), None).unwrap();
    assert_eq!(read_all(&csv, &request(vec![], 10)).unwrap().num_rows(), 2);
    assert_eq!(
        rows(&read_all(&csv, &request(vec![1], 10)).unwrap()),
        ["x", "y"]
    );
}

/// A field as a table might hold it: NULL, or text with all that makes trouble.
fn field() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        1 => Just(None),
        2 => Just(Some(String::new())),
        6 => "[a-c\",;\n\r é0-9]{0,12}".prop_map(Some),
        1 => "[x\"\n]{30,80}".prop_map(Some),
    ]
}

/// Writes a field, in quotes where it must be and sometimes where it need not.
fn write_field(text: &mut String, value: Option<&str>, quote_anyway: bool) {
    let Some(value) = value else {
        return;
    };
    if quote_anyway || value.is_empty() || value.contains(['"', ',', '\n', '\r']) {
        write!(text, "\"{}\"", value.replace('"', "\"\"")).unwrap();
    } else {
        text.push_str(value);
    }
}

type Grid = Vec<(Vec<Option<String>>, bool, bool)>;

fn grid() -> impl Strategy<Value = (usize, Grid)> {
    (1..5_usize).prop_flat_map(|columns| {
        let row = (
            prop::collection::vec(field(), columns),
            any::<bool>(),
            any::<bool>(),
        );
        (Just(columns), prop::collection::vec(row, 0..40))
    })
}

fn from_one_and_from_many(text: &str, block: u64) -> std::result::Result<(), TestCaseError> {
    let file = file(text.as_bytes());
    let count = |block: u64| -> Result<Vec<String>> {
        let csv = CsvFile::open_in_blocks(file.path(), CsvOptions::default(), None, block)?;
        let all = (0..csv.schema().fields().len()).collect();
        Ok(rows(&read_all(&csv, &request(all, 3))?))
    };
    match (count(1 << 20), count(block)) {
        (Ok(one), Ok(many)) => prop_assert_eq!(one, many),
        (Err(one), Err(many)) => prop_assert_eq!(one.code(), many.code()),
        (one, many) => prop_assert!(false, "{one:?} and {many:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_was_written_is_read_from_any_units((columns, grid) in grid(), block in 1..200_u64, batch_rows in 1..20_usize, last_line_end in any::<bool>()) {
        let mut text = String::new();
        for (row, quote_anyway, carriage_return) in &grid {
            for (at, value) in row.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_field(&mut text, value.as_deref(), *quote_anyway);
            }
            text.push_str(if *carriage_return { "\r\n" } else { "\n" });
        }
        let last_is_null = grid.last().is_some_and(|(row, ..)| row.last() == Some(&None));
        if !last_line_end && !last_is_null {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        let names: Vec<String> = (0..columns).map(|column| format!("k{column}")).collect();
        let fields: Vec<(&str, DataType)> = names.iter().map(|name| (name.as_str(), DataType::Utf8View)).collect();
        let set = options(&[("delim", OptionValue::Text(",".into())), ("header", OptionValue::Bool(false))]);
        let file = file(text.as_bytes());
        let expected: Vec<Vec<Option<String>>> = grid.iter().map(|(row, ..)| row.clone()).collect();
        for block in [block, 1 << 20] {
            let csv = CsvFile::open_in_blocks(file.path(), set.clone(), Some(schema(&fields)), block).unwrap();
            let batch = read_all(&csv, &request((0..columns).collect(), batch_rows)).unwrap();
            let found: Vec<Vec<Option<String>>> = (0..batch.num_rows())
                .map(|row| {
                    (0..columns)
                        .map(|column| {
                            let values: &StringViewArray = batch.column(column).as_string_view();
                            values.is_valid(row).then(|| values.value(row).to_string())
                        })
                        .collect()
                })
                .collect();
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn any_bytes_give_the_same_from_one_unit_and_from_many(text in "[ab1\",\n\r]{0,120}", block in 1..40_u64) {
        from_one_and_from_many(&text, block)?;
    }

    #[test]
    fn long_texts_give_the_same_from_one_unit_and_from_many(
        text in "([ab]{0,20},|\"([a,\n]|\"\"){0,40}\",|\"[a\n]{0,70}\"\r?\n|[a1]{0,9}\n|\"|,,\n){0,80}", block in 40..900_u64,
    ) {
        from_one_and_from_many(&text, block)?;
    }

    #[test]
    fn typed_values_survive(values in prop::collection::vec((any::<Option<i64>>(), any::<Option<i32>>(), prop::option::of(-700_000..2_900_000_i32), any::<Option<bool>>()), 1..50), block in 1..100_u64) {
        let columns = [
            Arc::new(Int64Array::from_iter(values.iter().map(|value| value.0))) as arrow::array::ArrayRef,
            Arc::new(Float64Array::from_iter(values.iter().map(|value| value.1.map(|value| f64::from(value) / 7.0)))),
            Arc::new(Date32Array::from_iter(values.iter().map(|value| value.2))),
            Arc::new(BooleanArray::from_iter(values.iter().map(|value| value.3))),
            Arc::new(Decimal128Array::from_iter(values.iter().map(|value| value.0.map(i128::from))).with_precision_and_scale(25, 3).unwrap()),
        ];
        let columns = columns.map(|column| ("x", column));
        let named = columns.into_iter().enumerate().map(|(at, (_, column))| (format!("c{at}"), column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(named).unwrap();
        let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(Vec::new());
        writer.write(&batch).unwrap();
        let file = file(&writer.into_inner());
        let csv = CsvFile::open_in_blocks(file.path(), CsvOptions::default(), Some(batch.schema()), block).unwrap();
        let all = (0..batch.num_columns()).collect();
        prop_assert_eq!(read_all(&csv, &request(all, 7)).unwrap(), batch);
    }
}

#[test]
fn the_path_is_in_the_message() {
    let missing: PathBuf = ["no", "such.csv"].iter().collect();
    let error = CsvFile::open(&missing, CsvOptions::default(), None).unwrap_err();
    assert!(
        error.to_string().contains(&missing.display().to_string()),
        "{error}"
    );
}
