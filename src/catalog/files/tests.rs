use std::fs::{self, File};
use std::path::PathBuf;

use arrow::array::*;
use arrow::datatypes::{Field, Int64Type, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::execution::context::{SessionConfig, SessionContext};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::*;

fn ids(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// Nothing comes from elsewhere.
fn nothing_kept() -> Kept {
    Kept {
        input: None,
        folder: std::env::temp_dir(),
        limit: None,
    }
}

fn put(path: PathBuf, columns: &[(&str, ArrayRef)]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns
            .iter()
            .map(|(name, values)| (*name, Arc::clone(values), true)),
    )
    .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(10))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The answer of DataFusion's own executor over the files.
fn sql(table: &Arc<FileTable>, query: &str) -> Result<Vec<RecordBatch>> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    context.register_table("t", Arc::clone(table) as Arc<dyn TableProvider>)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    Ok(runtime.block_on(async { context.sql(query).await?.collect().await })?)
}

fn shown(table: &Arc<FileTable>, query: &str) -> Vec<String> {
    let table = pretty_format_batches(&sql(table, query).unwrap())
        .unwrap()
        .to_string();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|line| {
        let cells = line.trim_matches('|').split('|').map(str::trim);
        cells.collect::<Vec<_>>().join(" ")
    })
    .collect()
}

fn open_plain(path: &Path) -> Result<Arc<FileTable>> {
    open(
        path.to_str().unwrap(),
        &nothing_kept(),
        None,
        &[],
        None,
        &BadRows::Fail,
    )
}

#[test]
fn directories_globs_and_hive_keys() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("sales");
    for (day, first) in [
        ("2024-01-01", 0),
        ("2024-01-02", 10),
        ("__HIVE_DEFAULT_PARTITION__", 20),
    ] {
        for shop in [1, 2] {
            let file = root.join(format!("day={day}/shop={shop:02}/part.parquet"));
            put(file, &[("id", ids(first..first + 5 * shop))]);
        }
    }
    fs::write(root.join("_SUCCESS"), "").unwrap();
    fs::write(root.join(".hidden.parquet"), "").unwrap();
    fs::write(root.join("notes"), "no data").unwrap();
    let table = open_plain(&root).unwrap();
    assert_eq!(table.files().len(), 6);
    let kinds: Vec<String> = table
        .columns()
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    assert_eq!(
        kinds,
        [
            "id Int64",
            "day Date32",
            "shop Int64",
            "_file_name Utf8View"
        ]
    );
    assert!(table.columns().field(3).metadata().contains_key(PSEUDO));
    assert_eq!(
        shown(
            &table,
            "SELECT day, SUM(id), COUNT(*) FROM t WHERE shop = 2 GROUP BY day ORDER BY day"
        ),
        ["2024-01-01 45 10", "2024-01-02 145 10", " 245 10"]
    );
    assert_eq!(
        shown(
            &table,
            "SELECT shop, id FROM t WHERE day = '2024-01-02' AND id > 17 ORDER BY id"
        ),
        ["2 18", "2 19"]
    );
    assert_eq!(
        shown(&table, "SELECT COUNT(*) FROM t WHERE day IS NULL"),
        ["15"]
    );
    let name = shown(&table, "SELECT _file_name FROM t WHERE id = 19");
    assert!(name[0].ends_with("shop=02/part.parquet"), "{name:?}");
    let some = open_plain(&root.join("day=2024-01-0{1,2}/*/*.parquet")).unwrap();
    assert_eq!(some.files().len(), 4);
    assert_eq!(
        open_plain(&root.join("**/part.parquet"))
            .unwrap()
            .files()
            .len(),
        6
    );
}

#[test]
fn columns_are_merged_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    put(
        folder.path().join("1.parquet"),
        &[("a", ids([1, 2])), ("b", text)],
    );
    let real: ArrayRef = Arc::new(Float64Array::from(vec![2.5, 4.0]));
    put(
        folder.path().join("2.parquet"),
        &[("c", ids([7, 8])), ("a", real)],
    );
    let table = open_plain(folder.path()).unwrap();
    assert_eq!(
        shown(&table, "SELECT a, b, c FROM t ORDER BY a"),
        ["1.0 x ", "2.0 y ", "2.5  7", "4.0  8"]
    );
    assert_eq!(
        shown(&table, "SELECT a FROM t WHERE c IS NULL AND a > 1"),
        ["2.0"]
    );
    assert_eq!(
        shown(&table, "SELECT a FROM t WHERE b IS NULL AND a < 3"),
        ["2.5"]
    );
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    put(folder.path().join("3.parquet"), &[("a", flags)]);
    let error = open_plain(folder.path()).unwrap_err();
    assert_eq!(error.code(), "TM0306");
    assert!(
        error.message().contains("2.parquet") && error.message().contains("3.parquet"),
        "{error}"
    );
}

#[test]
fn a_file_without_a_value_takes_the_type_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("1.csv", "id,price\n1,\n2,\n");
    put("2.csv", "id,price\n3,1.5\n");
    put("3.csv", "id,price\n4,7\n");
    let table = open_plain(folder.path()).unwrap();
    let sum = "SELECT COUNT(price), SUM(price) + 0.25 FROM t";
    assert_eq!(shown(&table, sum), ["2 8.75"]);
    // What comes after the sample is held to it.
    let late = "5,\n".repeat(20_000) + "6,dear\n";
    put("4.csv", &format!("id,price\n{late}"));
    let table = open_plain(folder.path()).unwrap();
    let error = sql(&table, sum).unwrap_err().to_string();
    assert!(
        error.contains("4.csv") && error.contains("20002"),
        "{error}"
    );
}

#[test]
fn declared_columns_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    put(
        folder.path().join("1.parquet"),
        &[("a", ids([1, 2])), ("b", ids([3, 4]))],
    );
    let declared = |name: &str| {
        let fields = vec![
            Field::new("b", DataType::Float64, true),
            Field::new(name, DataType::Int32, true),
        ];
        Some(Arc::new(Schema::new(fields)))
    };
    let path = folder.path().join("1.parquet");
    let table = open(
        path.to_str().unwrap(),
        &nothing_kept(),
        Some("PARQUET"),
        &[],
        declared("a"),
        &BadRows::Fail,
    )
    .unwrap();
    assert_eq!(
        shown(&table, "SELECT * EXCLUDE (_file_name) FROM t WHERE a < 2"),
        ["3.0 1"]
    );
    let error = open(
        path.to_str().unwrap(),
        &nothing_kept(),
        None,
        &[],
        declared("z"),
        &BadRows::Fail,
    )
    .unwrap_err();
    assert_eq!(error.code(), "TM0705");
    let big = folder.path().join("big.parquet");
    put(big.clone(), &[("a", ids([1 << 40])), ("b", ids([1]))]);
    let table = open(
        big.to_str().unwrap(),
        &nothing_kept(),
        None,
        &[],
        declared("a"),
        &BadRows::Fail,
    )
    .unwrap();
    assert_eq!(sql(&table, "SELECT a FROM t").unwrap_err().code(), "TM0733");
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("orders.parquet"), &[("a", ids([1]))]);
    let missing = open_plain(&folder.path().join("order.parquet")).unwrap_err();
    assert_eq!(missing.code(), "TM0703");
    let meant = missing.span_label().unwrap_or_default();
    assert!(meant.contains("orders.parquet"), "{missing}");
    let none = open_plain(&folder.path().join("*.csv")).unwrap_err();
    assert_eq!(none.code(), "TM0703");
    let path = folder.path().join("orders.parquet");
    let path = path.to_str().unwrap();
    assert_eq!(
        open(
            path,
            &nothing_kept(),
            Some("xls"),
            &[],
            None,
            &BadRows::Fail
        )
        .unwrap_err()
        .code(),
        "TM0704"
    );
    let option = [("header".to_string(), ScalarValue::Boolean(Some(true)))];
    assert_eq!(
        open(path, &nothing_kept(), None, &option, None, &BadRows::Fail)
            .unwrap_err()
            .code(),
        "TM0706"
    );
}

#[test]
fn the_planner_knows_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("1.parquet"), &[("a", ids(0..30))]);
    put(folder.path().join("2.parquet"), &[("a", ids(30..100))]);
    let table = open_plain(folder.path()).unwrap();
    let known = table.statistics().unwrap();
    assert_eq!(
        known.num_rows,
        datafusion::common::stats::Precision::Exact(100)
    );
    let a = &known.column_statistics[0];
    assert_eq!(a.min_value.get_value(), Some(&ScalarValue::Int64(Some(0))));
    assert_eq!(a.max_value.get_value(), Some(&ScalarValue::Int64(Some(99))));
    assert_eq!(a.null_count.get_value(), Some(&0));
    let context = SessionContext::new();
    let filter = datafusion::prelude::col("a").lt(datafusion::prelude::lit(20_i64));
    let plan = table
        .plan(&context.state(), Some(&vec![0]), &[filter])
        .unwrap();
    let after = datafusion::physical_plan::statistics::StatisticsContext::new()
        .compute(plan.as_ref(), &Default::default())
        .unwrap();
    assert!(
        matches!(after.num_rows.get_value(), Some(15..=25)),
        "{after:?}"
    );
}

#[test]
fn the_planner_knows_of_few_values_that_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let text = |of_row: fn(usize) -> usize| -> ArrayRef {
        let values = (0..300).map(|row| Some(of_row(row).to_string()));
        Arc::new(values.collect::<StringArray>())
    };
    // A row group has ten rows: one value everywhere, another one in each, and ten in each.
    let columns = [
        ("same", text(|_| 7)),
        ("in_order", text(|row| row / 10)),
        ("all", ids(0..300)),
    ];
    put(folder.path().join("1.parquet"), &columns);
    let table = open_plain(folder.path()).unwrap();
    let known = table.statistics().unwrap();
    let distinct = [0, 1, 2].map(|column: usize| {
        let known = &known.column_statistics[column];
        known.distinct_count.get_value().copied()
    });
    assert_eq!(distinct, [Some(1), Some(30), None]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The same rows whether the filter runs in the files or above them.
    #[test]
    fn filters_in_files_give_the_same_rows(
        values in prop::collection::vec(prop::option::of(-20..20_i64), 1..120),
        low in -25..25_i64,
        form in 0..7_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let reals = values.iter().map(|v| v.map(|v| if v == 7 { -f64::NAN } else if v == 8 { f64::NAN } else { v as f64 }));
        let words = values.iter().map(|v| v.map(|v| format!("w{v}")));
        let columns: [(&str, ArrayRef); 3] = [
            ("a", Arc::new(Int64Array::from(values.clone()))),
            ("r", Arc::new(reals.collect::<Float64Array>())),
            ("s", Arc::new(words.collect::<StringArray>())),
        ];
        put(folder.path().join("1.parquet"), &columns);
        let condition = [
            format!("a > {low}"),
            format!("a <= {low} OR s IS NULL"),
            format!("r < {low}"),
            format!("r >= {low}"),
            format!("s = 'w{low}'"),
            format!("a IN ({low}, {}) AND s > 'w'", low + 3),
            format!("a IS NOT NULL AND NOT (a BETWEEN {low} AND {})", low + 5),
        ][form].clone();
        let table = open_plain(folder.path()).unwrap();
        let found = shown(&table, &format!("SELECT a, r, s FROM t WHERE {condition} ORDER BY a, s"));
        // A volatile condition stays above the scan.
        let expected = shown(&table, &format!("SELECT a, r, s FROM t WHERE CASE WHEN random() >= 0 THEN {condition} END ORDER BY a, s"));
        prop_assert_eq!(found, expected);
        let whole = sql(&table, "SELECT COUNT(a) AS c FROM t").unwrap();
        let count = whole[0].column(0).as_primitive::<Int64Type>().value(0);
        prop_assert_eq!(count, values.iter().flatten().count() as i64);
    }
}

#[test]
fn text_and_parquet_make_one_table() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("k=1/1.parquet"), &[("id", ids([1, 2]))]);
    fs::create_dir_all(folder.path().join("k=2")).unwrap();
    fs::write(folder.path().join("k=2/2.csv"), "id;word\n3;x\n4;\n").unwrap();
    fs::write(folder.path().join("k=2/3.tsv"), "word\tid\ny\t5\n").unwrap();
    let table = open_plain(folder.path()).unwrap();
    assert_eq!(
        shown(&table, "SELECT id, word, k FROM t ORDER BY id"),
        ["1  1", "2  1", "3 x 2", "4  2", "5 y 2"]
    );
    assert_eq!(
        shown(&table, "SELECT id FROM t WHERE k = 2 AND word = 'y'"),
        ["5"]
    );
    let path = folder.path().join("k=2/2.csv");
    let option = |name: &str, value: &str| [(name.to_string(), ScalarValue::from(value))];
    let whole = open(
        path.to_str().unwrap(),
        &nothing_kept(),
        None,
        &option("delim", "|"),
        None,
        &BadRows::Fail,
    )
    .unwrap();
    assert_eq!(whole.columns().field(0).name(), "id;word");
    let unknown = open(
        path.to_str().unwrap(),
        &nothing_kept(),
        None,
        &option("colour", "red"),
        None,
        &BadRows::Fail,
    );
    assert_eq!(unknown.unwrap_err().code(), "TM0706");
}

#[test]
fn an_integer_that_a_float_cannot_hold_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let real: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    put(folder.path().join("1.parquet"), &[("a", real)]);
    put(
        folder.path().join("2.parquet"),
        &[("a", ids([(1 << 53) + 1]))],
    );
    let table = open_plain(folder.path()).unwrap();
    let error = sql(&table, "SELECT a FROM t").unwrap_err();
    assert_eq!(error.code(), "TM0733");
    assert!(error.message().contains("9007199254740993"), "{error}");
}

#[test]
fn the_smallest_and_largest_come_from_footers_where_these_are_exact() {
    let folder = tempfile::tempdir().unwrap();
    let long = |letter: char| std::iter::repeat_n(letter, 300).collect::<String>();
    for (name, numbers) in [
        ("1", [Some(7), None, Some(-3)]),
        ("2", [None, Some(90), Some(8)]),
    ] {
        put(
            folder.path().join(format!("{name}.parquet")),
            &[
                ("k", ids(0..3)),
                ("number", Arc::new(Int64Array::from(numbers.to_vec()))),
                (
                    "day",
                    Arc::new(Date32Array::from(vec![Some(-9), Some(400), None])),
                ),
                (
                    "unsigned",
                    Arc::new(UInt64Array::from(vec![1, u64::MAX, 5])),
                ),
                (
                    "real",
                    Arc::new(Float64Array::from(vec![1.0, f64::NAN, -0.0])),
                ),
                (
                    "text",
                    Arc::new(StringArray::from(vec![long('b'), long('a'), long('c')])),
                ),
            ],
        );
    }
    let table = open_plain(folder.path()).unwrap();
    for column in ["number", "day", "unsigned", "real", "text"] {
        let query =
            format!("SELECT MIN({column}), MAX({column}), COUNT({column}), COUNT(*) FROM t");
        let read = format!("{query} WHERE k + 0 >= 0");
        assert_eq!(shown(&table, &query), shown(&table, &read), "{column}");
        let plan = shown(&table, &format!("EXPLAIN {query}")).join("\n");
        let is_read = matches!(column, "real" | "text");
        assert_eq!(plan.contains("TableScanExec"), is_read, "{column}: {plan}");
    }
}
