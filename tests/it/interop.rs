//! Rows as a stream for tasks, and queries as tables of DataFusion.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt, future};
use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::util::pretty::pretty_format_batches;
use tidemill::datafusion::catalog::TableProvider;
use tidemill::datafusion::common::Result as TheirResult;
use tidemill::datafusion::logical_expr::TableProviderFilterPushDown;
use tidemill::datafusion::prelude::{SessionContext, col, lit};
use tidemill::{Engine, QueryTable, params};

const NUMBERS: &str = "CREATE TABLE n AS FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n \
     |> SELECT n, n % 10 AS k, CASE WHEN n % 3 = 0 THEN NULL ELSE CAST(n AS STRING) END AS s";

fn engine(threads: usize) -> Engine {
    let engine = Engine::builder()
        .threads(threads)
        .in_memory()
        .expect("an engine");
    engine.execute(NUMBERS, ()).expect("numbers");
    engine
}

#[test]
fn a_stream_gives_every_row() {
    for threads in [1, 2, 4] {
        let engine = engine(threads);
        for text in [
            "FROM n",
            "FROM n |> WHERE n < 0",
            "FROM n |> ORDER BY n DESC",
            "FROM n |> LIMIT 7",
        ] {
            let rows = engine.query(text, ()).expect(text);
            let schema = rows.schema().clone();
            let stream = rows.into_stream();
            assert_eq!(*stream.schema(), schema);
            let batches: Vec<RecordBatch> = block_on(stream.try_collect()).expect(text);
            let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
            let again = engine.execute(text, ()).expect(text);
            assert_eq!(count as u64, again.rows, "{text} with {threads} threads");
        }
    }
}

#[test]
fn a_stream_ends_with_the_error_of_its_query() {
    let engine = engine(2);
    let rows = engine
        .query("FROM n |> SELECT 10 / (n - 99999) AS x", ())
        .expect("a query");
    let given: Vec<_> = block_on(rows.into_stream().collect());
    let errors: Vec<&str> = given
        .iter()
        .filter_map(|one| Some(one.as_ref().err()?.code()))
        .collect();
    assert_eq!(errors, ["TM0502"]);
    assert!(
        given.last().is_some_and(Result::is_err),
        "nothing follows an error"
    );
}

#[test]
fn a_stream_that_is_cancelled_or_dropped_ends_its_query() {
    let engine = engine(2);
    let endless = "FROM n AS a |> CROSS JOIN n AS b";
    let mut stream = engine.query(endless, ()).expect("a query").into_stream();
    let first = block_on(stream.next());
    assert!(first.is_some_and(|batch| batch.is_ok()));
    let handle = stream.handle();
    let stopper = std::thread::spawn(move || handle.cancel());
    let end = block_on(stream.filter_map(|batch| future::ready(batch.err())).next());
    assert_eq!(end.map(|error| error.code()), Some("TM0507"));
    stopper.join().expect("the other thread");
    drop(engine.query(endless, ()).expect("a query").into_stream());
    engine.settle();
    assert_eq!(engine.metrics().queries_cancelled, 2);
}

/// What DataFusion answers, with our query as its table `t`.
fn theirs(table: QueryTable, sql: &str) -> TheirResult<Vec<RecordBatch>> {
    let context = SessionContext::new();
    context.register_table("t", Arc::new(table))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async { context.sql(sql).await?.collect().await })
}

fn text(batches: &[RecordBatch]) -> String {
    let batches: Vec<RecordBatch> = batches
        .iter()
        .filter(|batch| batch.num_rows() > 0)
        .cloned()
        .collect();
    pretty_format_batches(&batches)
        .expect("a table")
        .to_string()
}

#[test]
fn their_queries_over_ours_give_what_ours_do() {
    let engine = engine(2);
    for (theirs_sql, ours) in [
        (
            "SELECT s, n FROM t WHERE k = 3 AND n < 200 ORDER BY n",
            "FROM n |> WHERE k = 3 AND n < 200 |> SELECT s, n |> ORDER BY n",
        ),
        (
            "SELECT COUNT(*) AS c FROM t WHERE s IS NULL OR k IN (1, 2)",
            "FROM n |> WHERE s IS NULL OR k IN (1, 2) |> AGGREGATE COUNT(*) AS c",
        ),
        (
            "SELECT k, SUM(n) AS total FROM t WHERE n % 2 = 0 GROUP BY k ORDER BY k",
            "FROM n |> WHERE n % 2 = 0 |> AGGREGATE SUM(n) AS total GROUP BY k |> ORDER BY k",
        ),
        (
            "SELECT n FROM t WHERE s = '7' LIMIT 5",
            "FROM n |> WHERE s = '7' |> SELECT n |> LIMIT 5",
        ),
        (
            "SELECT COUNT(*) AS c FROM (SELECT * FROM t LIMIT 10) AS few",
            "FROM n |> LIMIT 10 |> AGGREGATE COUNT(*) AS c",
        ),
    ] {
        let table = engine.query_table("FROM n", ()).expect("a table");
        let theirs = theirs(table, theirs_sql).expect(theirs_sql);
        let ours = engine
            .query(ours, ())
            .and_then(|rows| rows.collect_batches())
            .expect(ours);
        assert_eq!(text(&theirs), text(&ours), "{theirs_sql}");
    }
}

#[test]
fn what_they_leave_out_is_not_computed() {
    let engine = engine(2);
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    engine
        .register_fn("costly", move |n: i64| {
            counted.fetch_add(1, Ordering::Relaxed);
            n * 2
        })
        .expect("a function");
    let query = "FROM n |> WHERE n <= @most |> EXTEND costly(n) AS twice";
    let table = engine
        .query_table(query, params! { most: 50 })
        .expect("a table");
    let answer = theirs(table.clone(), "SELECT SUM(n) AS total FROM t").expect("an answer");
    assert!(text(&answer).contains("1275"), "{}", text(&answer));
    assert_eq!(
        calls.load(Ordering::Relaxed),
        0,
        "nobody asked for the column"
    );
    theirs(table, "SELECT SUM(twice) AS total FROM t").expect("an answer");
    assert_eq!(calls.load(Ordering::Relaxed), 50);
}

#[test]
fn only_plain_comparisons_are_taken_over() {
    let engine = engine(1);
    let table = engine.query_table("FROM n", ()).expect("a table");
    let filters = [
        col("k").eq(lit(3)),
        col("n").gt(lit(3)).or(col("s").is_null()),
        (col("n") + lit(1)).eq(lit(3)),
        col("s").like(lit("1%")),
    ];
    let filters: Vec<_> = filters.iter().collect();
    let taken = table
        .supports_filters_pushdown(&filters)
        .expect("an answer");
    let taken: Vec<bool> = taken
        .iter()
        .map(|one| *one == TableProviderFilterPushDown::Inexact)
        .collect();
    assert_eq!(taken, [true, true, false, false]);
}

#[test]
fn what_is_no_table_is_said() {
    let engine = engine(1);
    let code = |text: &str| engine.query_table(text, ()).err().map(|error| error.code());
    assert_eq!(code("FROM nowhere"), Some("TM0203"));
    assert_eq!(code("CREATE TABLE x AS SELECT 1 AS a"), Some("TM0315"));
    assert_eq!(code("SELECT 1; SELECT 2"), Some("TM0103"));
    // Its columns are those of the time when it became a table; an error of its rows is theirs.
    let table = engine.query_table("FROM n", ()).expect("a table");
    engine
        .execute("CREATE OR REPLACE TABLE n AS SELECT 1 AS other", ())
        .expect("another table");
    let error = theirs(table, "SELECT * FROM t").expect_err("other columns");
    assert!(error.to_string().contains("TM0306"), "{error}");
    let failing = engine
        .query_table("SELECT 10 / (x - 1) AS a FROM (VALUES (1)) AS v (x)", ())
        .expect("a table");
    let error = theirs(failing, "SELECT * FROM t").expect_err("a division by zero");
    assert!(error.to_string().contains("TM0502"), "{error}");
}
