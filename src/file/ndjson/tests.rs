use std::fmt::Write as _;
use std::io::Write as _;

use arrow::array::{Array, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;
use crate::error::Error;
use crate::file::{Bounds, RowFilter};

fn file(text: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".json").unwrap();
    file.write_all(text).unwrap();
    file.flush().unwrap();
    file
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

fn read_all(json: &NdjsonFile, request: &ReadRequest) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for unit in json.units(request, 2)? {
        for batch in json.read(&unit, request)? {
            batches.push(batch?);
        }
    }
    let schema = Arc::new(json.schema().project(&request.projection).unwrap());
    if request.projection.is_empty() {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        return Ok(RecordBatch::try_new_with_options(schema, vec![], &options).unwrap());
    }
    Ok(concat_batches(&schema, &batches).unwrap())
}

fn read_bytes(text: &[u8], columns: Option<SchemaRef>) -> Result<RecordBatch> {
    let file = file(text);
    let json = NdjsonFile::open(file.path(), columns, BadRows::Fail)?;
    let all = (0..json.schema().fields().len()).collect();
    read_all(&json, &request(all, 8192))
}

fn read(text: &str) -> Result<RecordBatch> {
    read_bytes(text.as_bytes(), None)
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

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

fn place(error: &Error) -> (&'static str, Option<u64>, Option<&str>) {
    let place = error.place().unwrap();
    (error.code(), place.line, place.column.as_deref())
}

/// As many objects, on lines of their own.
fn numbered(rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        writeln!(text, "{{\"id\": {row}, \"note\": \"n{row}\"}}").unwrap();
    }
    text
}

#[test]
fn columns_are_found() {
    let text = r#"{"id":1,"x":1.5,"ok":true,"day":"2024-01-31","at":"2024-01-31T10:00:00Z","code":"7","mixed":1,"tags":["a",null],"in":{"k":1}}

        {"x":2,"id":null,"mixed":"a\"\u0041","tags":[],"in":{"k":2.5,"l":[{"m":1}]}, "day": null}
"#;
    let batch = read(text).unwrap();
    let types: Vec<&DataType> = batch
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.data_type())
        .collect();
    assert_eq!(
        types[..4],
        [
            &DataType::Int64,
            &DataType::Float64,
            &DataType::Boolean,
            &DataType::Date32
        ]
    );
    assert_eq!(
        *types[4],
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    );
    assert_eq!(types[5..7], [&DataType::Utf8View, &DataType::Utf8View]);
    assert_eq!(
        rows(&batch),
        [
            "1|1.5|true|2024-01-31|2024-01-31T10:00:00Z|7|1|[a, ]|{k: 1.0, l: }",
            "~|2.0|~|~|~|~|a\"A|[]|{k: 2.5, l: [{m: 1}]}",
        ]
    );
}

#[test]
fn arrays_and_objects_over_several_lines() {
    for text in [
        "[{\"a\":1},{\"a\":2}]",
        " [\n {\"a\": 1}\n,\n{\"a\": 2} ] \n",
        "{\n\"a\": 1\n}\n{\n\"a\": 2 }",
        "\u{feff}{\"a\":1}\r\n{\"a\":2}",
    ] {
        assert_eq!(rows(&read(text).unwrap()), ["1", "2"], "{text}");
    }
    let given = schema(&[("a", DataType::Int64)]);
    assert_eq!(
        read_bytes(b"[]", Some(given.clone())).unwrap().num_rows(),
        0
    );
    assert_eq!(read_bytes(b"", Some(given)).unwrap().num_rows(), 0);
    // Longer than a piece that is read at once.
    let lines = numbered(30_000);
    let array = format!("[{}]", lines.trim_end().replace('\n', ",\n"));
    assert_eq!(read(&array).unwrap(), read(&lines).unwrap());
}

#[test]
fn faults_name_the_line() {
    let cases: [(&str, &str, u64); 9] = [
        ("{\"a\":1}\n\n{\"a\":}\n", "TM0721", 3),
        ("{\"a\":1}\n{\"a\":\n{\"a\":2}\n", "TM0721", 2),
        ("{\"a\":1}\n{\"a\":1} x\n", "TM0721", 2),
        ("{\"a\":1}\n[1]\n", "TM0721", 2),
        ("{\"a\":1,\"a\":2}\n", "TM0721", 1),
        ("1\n2\n", "TM0722", 1),
        ("[{\"a\":1}\n{\"a\":2}]", "TM0721", 2),
        ("[{\"a\":1},\n{\"a\":2", "TM0721", 2),
        ("[{\"a\":1}]\n]", "TM0721", 2),
    ];
    for (text, code, line) in cases {
        let error = read(text).unwrap_err();
        assert_eq!(place(&error), (code, Some(line), None), "{text}: {error}");
    }
    assert_eq!(read("").unwrap_err().code(), "TM0715");
    let error = read_bytes(b"{\"a\":\"x\"}\n{\"a\":\"caf\xe9\"}\n", None).unwrap_err();
    assert_eq!(place(&error), ("TM0713", Some(2), None));
    let given = schema(&[("a", DataType::Utf8)]);
    let error = read_bytes(b"{\"a\":\"x\"}\n{\"a\":\"caf\xe9\"}\n", Some(given)).unwrap_err();
    assert_eq!(place(&error), ("TM0713", Some(2), None));
    let given = schema(&[("a", DataType::Utf8)]);
    let error = read_bytes(b"{\"a\":\"\\ud800\"}\n", Some(given)).unwrap_err();
    assert_eq!(place(&error), ("TM0721", Some(1), Some("a")));
}

#[test]
fn columns_of_the_user() {
    let given = schema(&[
        ("note", DataType::Utf8),
        ("id", DataType::Decimal128(10, 1)),
    ]);
    let batch = read_bytes(numbered(2).as_bytes(), Some(given.clone())).unwrap();
    assert_eq!(rows(&batch), ["n0|0.0", "n1|1.0"]);
    let text = "{\"id\":1}\n{\"id\":\"x\",\"other\":1}\n";
    let error = read_bytes(text.as_bytes(), Some(given)).unwrap_err();
    assert_eq!(place(&error), ("TM0721", Some(2), Some("id")));
    assert_eq!(error.message(), "`\"x\"` is no DECIMAL(10,1)");
}

#[test]
fn what_the_sample_did_not_show_is_an_error() {
    let mut text = numbered(10);
    text.push_str(
        "{\"id\":1.5,\"note\":\"x\"}\n{\"id\":1,\"more\":2}\n{\"id\":\"1\",\"note\":[1]}\n",
    );
    let file = file(text.as_bytes());
    let table = |columns: &[(&str, DataType)]| NdjsonFile {
        table: Arc::new(Table {
            input: Input::open(file.path()).unwrap(),
            layout: Layout::Lines,
            schema: schema(columns),
            strict: true,
            first: 0,
            bad_rows: BadRows::Fail,
        }),
        smallest_unit: 1,
    };
    let json = table(&[("id", DataType::Int64), ("note", DataType::Utf8View)]);
    let error = read_all(&json, &request(vec![0], 1)).unwrap_err();
    assert_eq!(place(&error), ("TM0721", Some(11), Some("id")));
    let error = read_all(&json, &request(vec![1], 1)).unwrap_err();
    assert_eq!(place(&error), ("TM0723", Some(12), None));
    let json = table(&[
        ("id", DataType::Float64),
        ("note", DataType::Utf8View),
        ("more", DataType::Int64),
    ]);
    let error = read_all(&json, &request(vec![0], 1)).unwrap_err();
    assert_eq!(place(&error), ("TM0721", Some(13), Some("id")));
    assert_eq!(
        rows(&read_all(&json, &request(vec![1, 2], 1)).unwrap())[10..],
        ["x|~", "~|2", "[1]|~"]
    );
}

#[test]
fn compressed_files() {
    let text = numbered(100);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for packed in [
        gzip.finish().unwrap(),
        zstd::encode_all(text.as_bytes(), 1).unwrap(),
    ] {
        assert_eq!(read_bytes(&packed, None).unwrap(), read(&text).unwrap());
    }
}

/// `id` is even, NULL for every tenth.
#[derive(Debug)]
struct Even;

impl RowFilter for Even {
    fn columns(&self) -> &[usize] {
        &[0]
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        use arrow::array::AsArray;
        let ids = batch
            .column(0)
            .as_primitive::<arrow::datatypes::Int64Type>();
        Ok(ids
            .iter()
            .map(|id| id.filter(|id| id % 10 != 0).map(|id| id % 4 == 0))
            .collect())
    }

    fn may_match(&self, _bounds: &dyn Bounds) -> Option<Vec<bool>> {
        None
    }
}

#[test]
fn filters_and_no_columns() {
    let file = file(numbered(50).as_bytes());
    let json = NdjsonFile::open(file.path(), None, BadRows::Fail).unwrap();
    let mut request = request(vec![1], 7);
    request.filters = vec![Arc::new(Even)];
    let kept = [
        "n4", "n8", "n12", "n16", "n24", "n28", "n32", "n36", "n44", "n48",
    ];
    assert_eq!(rows(&read_all(&json, &request).unwrap()), kept);
    request.projection = vec![];
    assert_eq!(read_all(&json, &request).unwrap().num_rows(), kept.len());
    request.filters.clear();
    assert_eq!(read_all(&json, &request).unwrap().num_rows(), 50);
}

proptest! {
    #[test]
    fn the_same_from_any_units(values in prop::collection::vec((any::<Option<i64>>(), prop::option::of(any::<String>()), prop::option::of(prop::collection::vec(any::<Option<bool>>(), 0..4))), 0..40), unit in 1..200_u64, batch_rows in 1..20_usize) {
        let mut text = String::new();
        for (id, note, flags) in &values {
            let object = serde_json::json!({"id": id, "note": note, "flags": flags});
            writeln!(text, "{object}").unwrap();
        }
        let given = schema(&[
            ("note", DataType::Utf8),
            ("id", DataType::Int64),
            ("flags", DataType::List(Arc::new(Field::new_list_field(DataType::Boolean, true)))),
        ]);
        let file = file(text.as_bytes());
        let mut json = NdjsonFile::open(file.path(), Some(given), BadRows::Fail).unwrap();
        json.smallest_unit = unit;
        let batch = read_all(&json, &request(vec![0, 1, 2], batch_rows)).unwrap();
        let show = |flags: &Vec<Option<bool>>| {
            let flags: Vec<String> = flags.iter().map(|flag| flag.map_or(String::new(), |flag| flag.to_string())).collect();
            format!("[{}]", flags.join(", "))
        };
        let expected: Vec<String> = values
            .iter()
            .map(|(id, note, flags)| {
                let id = id.map_or("~".to_string(), |id| id.to_string());
                let note = note.clone().unwrap_or("~".to_string());
                format!("{note}|{id}|{}", flags.as_ref().map_or("~".to_string(), show))
            })
            .collect();
        prop_assert_eq!(rows(&batch), expected);
    }
}
