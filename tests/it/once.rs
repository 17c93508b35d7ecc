//! Tables of WITH and views run once for all their readers: seen by a function that counts its calls, and in plans.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidemill::{Engine, Explain};

/// An engine with `numbered(x)`, which never gives a number twice, and how many it gave.
fn engine() -> (Engine, Arc<AtomicI64>) {
    let engine = Engine::builder().threads(2).in_memory().expect("an engine");
    let calls = Arc::new(AtomicI64::new(0));
    let counter = Arc::clone(&calls);
    let numbered = move |_: i64| -> i64 { counter.fetch_add(1, Ordering::SeqCst) };
    engine
        .register_fn("numbered", numbered)
        .expect("a function");
    (engine, calls)
}

const FIVE: &str = "FROM UNNEST(GENERATE_SERIES(1, 5)) AS i";

/// Pairs of two readers of `x` with the same number.
const PAIRS: &str = "FROM x AS a |> JOIN x AS b ON a.n = b.n |> AGGREGATE COUNT(*) AS pairs";

#[test]
fn a_function_of_the_program_is_called_once_for_each_row() {
    let (engine, calls) = engine();
    let text = format!("WITH x AS ({FIVE} |> SELECT numbered(i) AS n) {PAIRS}");
    let (pairs,): (i64,) = engine
        .query(&text, ())
        .and_then(|rows| rows.one())
        .expect("pairs");
    assert_eq!((pairs, calls.load(Ordering::SeqCst)), (5, 5));
}

#[test]
fn a_prepared_query_makes_its_tables_anew_each_time() {
    let (engine, calls) = engine();
    let text = format!(
        "{FIVE} |> WITH x AS ({FIVE} |> SELECT numbered(i) AS n) |> WHERE i < ? \
         |> JOIN x AS a ON a.n >= 0 |> JOIN x AS b ON a.n = b.n |> AGGREGATE COUNT(*) AS rows_all, MIN(a.n) AS first"
    );
    let prepared = engine.prepare(&text).expect("a query");
    for (most, rows, first) in [(2, 5, 0), (4, 15, 5), (2, 5, 10)] {
        let found: (i64, i64) = prepared
            .query((most,))
            .and_then(|rows| rows.one())
            .expect("a row");
        assert_eq!(found, (rows, first));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 15);
}

#[test]
fn steps_of_one_statement_read_the_same_rows() {
    let (engine, calls) = engine();
    let text = format!(
        "{FIVE} |> WITH x AS ({FIVE} |> SELECT numbered(i) AS n) \
         |> FORK (|> JOIN x ON x.n >= 0 |> CREATE TABLE one), (|> JOIN x ON x.n >= 0 |> CREATE TABLE two)"
    );
    engine.execute(&text, ()).expect("two tables");
    assert_eq!(calls.load(Ordering::SeqCst), 5);
}

/// How often a plan's text says something.
fn times(plan: &str, what: &str) -> usize {
    plan.matches(what).count()
}

#[test]
fn plans_show_what_is_kept_and_what_gives_way() {
    let (engine, _) = engine();
    engine
        .execute(&format!("CREATE TABLE t AS {FIVE}; CREATE VIEW sums AS FROM t |> AGGREGATE SUM(i) AS s GROUP BY i % 2 AS g"), ())
        .expect("a table and a view");
    let plan = |text: &str| {
        engine
            .explain(text, Explain::Pipelines)
            .expect("a plan")
            .to_string()
    };

    let twice = plan("SELECT s FROM sums WHERE s = (SELECT MAX(s) FROM sums)");
    assert_eq!(
        (times(&twice, "keep sums"), times(&twice, "kept sums")),
        (1, 2),
        "{twice}"
    );
    let once = plan("FROM sums |> WHERE s > 1");
    assert_eq!(times(&once, "keep"), 0, "{once}");
    let cheap = plan("WITH x AS (FROM t |> WHERE i > 1) FROM x |> UNION ALL (FROM x)");
    assert_eq!(times(&cheap, "keep"), 0, "{cheap}");
    let limited = plan("WITH x AS (FROM t |> LIMIT 2) FROM x |> UNION ALL (FROM x)");
    assert_eq!(times(&limited, "keep x"), 1, "{limited}");
    // Only what some reader takes is kept, and rows that some reader takes.
    let taken = plan(
        "WITH x AS (FROM t |> AGGREGATE SUM(i) AS s, MAX(i) AS m GROUP BY i % 2 AS g) \
         FROM x |> WHERE g = 1 |> SELECT s |> UNION ALL (FROM x |> WHERE g = 0 |> SELECT s)",
    );
    assert_eq!(
        (
            times(&taken, "keep x"),
            times(&taken.to_lowercase(), "max(")
        ),
        (1, 0),
        "{taken}"
    );
    let (kept, _) = taken.split_once("keep x").expect("a kept table");
    assert_eq!(times(kept, "filter"), 1, "{taken}");
}
