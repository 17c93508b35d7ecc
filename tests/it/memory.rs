//! Queries that need ten times the memory they may hold: the same answers, the limit kept, nothing left on disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use tidemill::{Engine, ErrorKind};

use crate::answer;

const ROWS: i64 = 30_000;
const TEXT_BYTES: usize = 320;
const LIMIT: u64 = 1 << 20;

/// `k` counts, `g` has every value twice, `h` has one value in 30 of 100 rows, `s` is long text that hardly shrinks.
fn batches() -> Vec<RecordBatch> {
    let text = |row: i64| {
        let mut state = row as u64 + 1;
        let mut text = String::with_capacity(TEXT_BYTES + 16);
        while text.len() < TEXT_BYTES {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(row as u64 | 1);
            text += &format!("{:016x}", state);
        }
        text
    };
    // Not in the order of the keys.
    let key = |row: i64| row * 7919 % ROWS;
    let batch = |rows: std::ops::Range<i64>| {
        let numbers = |of: &dyn Fn(i64) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(
                rows.clone().map(|row| of(key(row))),
            ))
        };
        let skewed = |k: i64| if k % 10 < 3 { -1 } else { k };
        let texts: StringArray = rows.clone().map(|row| Some(text(key(row)))).collect();
        RecordBatch::try_from_iter([
            ("k", numbers(&|k| k)),
            ("g", numbers(&|k| k / 2)),
            ("h", numbers(&skewed)),
            ("s", Arc::new(texts) as ArrayRef),
        ])
        .expect("columns of one length")
    };
    (0..ROWS / 1000)
        .map(|part| batch(part * 1000..(part + 1) * 1000))
        .collect()
}

fn engine(limit: Option<u64>, folder: &Path, batches: &[RecordBatch]) -> Engine {
    let mut builder = Engine::builder()
        .threads(2)
        .batch_rows(512)
        .spill_dir(folder);
    if let Some(limit) = limit {
        builder = builder.memory_limit(limit);
    }
    let engine = builder.in_memory().expect("an engine");
    let table = engine.register_batches("t", batches.to_vec());
    table.expect("a table");
    engine
}

/// Waits for workers that are on their way out.
pub fn until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

pub fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder)
        .expect("a folder")
        .next()
        .is_none()
}

/// The error of a query, which must not have an answer.
pub fn failure(engine: &Engine, text: &str) -> tidemill::Error {
    let answer = answer::rows(engine, text);
    answer
        .err()
        .unwrap_or_else(|| panic!("an answer to {text}"))
}

const QUERIES: [(&str, &str); 15] = [
    (
        "aggregate",
        "FROM t |> AGGREGATE MAX(s) AS m, COUNT(*) AS c GROUP BY g \
         |> AGGREGATE COUNT(*) AS n, SUM(c) AS c, MIN(m) AS a, MAX(m) AS b",
    ),
    (
        "distinct",
        "FROM t |> SELECT s |> DISTINCT |> AGGREGATE COUNT(*) AS n, MIN(s) AS a, MAX(s) AS b",
    ),
    (
        "inner join",
        "FROM t AS a |> JOIN t AS b ON a.k = b.g |> AGGREGATE COUNT(*) AS n, SUM(a.k + b.k) AS s, MAX(a.s || b.s) AS m",
    ),
    (
        "left join",
        "FROM t AS a |> LEFT JOIN t AS b ON a.k = b.k * 2 |> AGGREGATE COUNT(*) AS n, COUNT(b.k) AS k, MIN(a.s) AS a, MAX(b.s) AS b",
    ),
    (
        "full join",
        "FROM t AS a |> FULL JOIN t AS b ON a.k = b.k + 1000 |> AGGREGATE COUNT(*) AS n, COUNT(a.k) AS k, MIN(a.s) AS a, MAX(b.s) AS b",
    ),
    (
        "semi join",
        "FROM t |> WHERE s IN (SELECT s FROM t WHERE k < 20000) |> AGGREGATE COUNT(*) AS n, SUM(k) AS k, MAX(s) AS m",
    ),
    (
        "anti join",
        "FROM t |> WHERE s NOT IN (SELECT s FROM t WHERE k < 20000) |> AGGREGATE COUNT(*) AS n, SUM(k) AS k, MAX(s) AS m",
    ),
    (
        "skewed join",
        "FROM t AS a |> JOIN t AS b ON a.h = b.k - 1 |> AGGREGATE COUNT(*) AS n, SUM(a.k) AS k, MAX(a.s || b.s) AS m",
    ),
    ("sort", "FROM t |> SELECT s, k |> ORDER BY s, k"),
    (
        "window",
        "FROM t |> EXTEND LAG(s) OVER (PARTITION BY k / 100 ORDER BY s) AS p \
         |> AGGREGATE COUNT(p) AS n, MIN(p) AS a, MAX(p) AS b",
    ),
    (
        "window over all",
        "FROM t |> EXTEND LAG(s) OVER (ORDER BY k) AS p |> WHERE p > s |> AGGREGATE COUNT(*) AS n, SUM(k) AS k",
    ),
    (
        "match",
        "FROM t |> MATCH_RECOGNIZE (PARTITION BY DIV(k, 100) ORDER BY s MEASURES COUNT(*) AS n, MIN(s) AS a, MAX(b.s) AS b \
           PATTERN (a b*) DEFINE a AS TRUE, b AS k % 7 <> 0) \
         |> AGGREGATE COUNT(*) AS m, SUM(n) AS n, MAX(a) AS a, MIN(b) AS b",
    ),
    (
        "union",
        "FROM t |> SELECT k, s |> UNION DISTINCT (FROM t |> SELECT g, s) |> AGGREGATE COUNT(*) AS n, SUM(k) AS k, MAX(s) AS s",
    ),
    (
        "an aggregate written twice",
        "FROM (FROM t |> AGGREGATE MAX(s) AS m, SUM(k) AS k GROUP BY g) AS a \
         |> JOIN (FROM t |> AGGREGATE MAX(s) AS m, SUM(k) AS k GROUP BY g) AS b ON a.m = b.m AND a.g = b.g \
         |> AGGREGATE COUNT(*) AS n, SUM(a.k) AS k, MIN(b.m) AS m",
    ),
    (
        "rows read several times",
        "WITH x AS (FROM t |> SELECT k, s, RANDOM() AS r) \
         FROM (FROM x |> AGGREGATE COUNT(*) AS n, MIN(s) AS a, SUM(k) AS k) \
         |> CROSS JOIN (FROM x |> AGGREGATE MAX(s) AS b) |> CROSS JOIN (FROM x AS y |> JOIN x AS z USING (r) |> AGGREGATE COUNT(*) AS same)",
    ),
];

#[test]
fn ten_times_the_memory_gives_the_same_answers() {
    let batches = batches();
    let input: usize = ROWS as usize * (TEXT_BYTES + 28);
    assert!(input as u64 >= 9 * LIMIT);
    let folder = tempfile::tempdir().expect("a folder");
    let unlimited = engine(None, folder.path(), &batches);
    let mut wrong = Vec::new();
    for (name, text) in QUERIES {
        let limited = engine(Some(LIMIT), folder.path(), &batches);
        let expected = answer::rows(&unlimited, text).expect("an answer");
        let started = Instant::now();
        match answer::rows(&limited, text) {
            Err(error) => wrong.push(format!("{name}: {error}")),
            Ok(found) => {
                let ordered = name == "sort";
                if let Some(difference) = found.difference(&expected, ordered) {
                    wrong.push(format!("{name}: {difference}"));
                }
            }
        }
        let metrics = limited.metrics();
        let (peak, written) = (metrics.memory_bytes_max, metrics.spilled_bytes);
        println!(
            "{name}: {} ms, at most {:.2} of the limit, {:.2} of the input written in {} files",
            started.elapsed().as_millis(),
            peak as f64 / LIMIT as f64,
            written as f64 / input as f64,
            metrics.spilled_files,
        );
        if written == 0 {
            wrong.push(format!("{name}: nothing was written out"));
        }
        if written > 6 * input as u64 {
            wrong.push(format!("{name}: {written} bytes were written"));
        }
        if peak > LIMIT * 3 / 2 {
            wrong.push(format!("{name}: {peak} bytes were held"));
        }
        until("memory is given back", || {
            limited.metrics().memory_bytes == 0
        });
        until("files are gone", || limited.metrics().spill_bytes == 0);
        until("the folder is empty", || is_empty(folder.path()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(unlimited.metrics().spilled_files, 0);
}

#[test]
fn a_statement_can_bring_its_own_limit() {
    let batches = batches();
    let folder = tempfile::tempdir().expect("a folder");
    let unlimited = engine(None, folder.path(), &batches);
    let text = "FROM t |> AGGREGATE MAX(s) AS m GROUP BY k |> AGGREGATE COUNT(*) AS n, MIN(m) AS a";
    let expected = answer::rows(&unlimited, text).expect("an answer");
    let written = || unlimited.metrics().spilled_bytes;
    assert_eq!(written(), 0);
    let hinted = format!("@{{memory = '1MiB'}} {text}");
    let found = answer::rows(&unlimited, &hinted).expect("an answer");
    assert_eq!(found.difference(&expected, false), None);
    let by_hint = written();
    assert!(by_hint > LIMIT, "{by_hint} bytes were written");
    // The next statement is free of it.
    answer::rows(&unlimited, text).expect("an answer");
    assert_eq!(written(), by_hint);
    // It never allows more than the engine does.
    let limited = engine(Some(LIMIT), folder.path(), &batches);
    let error = failure(
        &limited,
        "@{memory = '8GB'} FROM t |> AGGREGATE MEDIAN(k), ARRAY_AGG(s)",
    );
    assert_eq!(error.code(), "TM0506");
    assert!(error.message().contains("1.0 MiB"), "{}", error.message());
}

#[test]
fn a_larger_limit_never_fails_where_a_smaller_one_passed() {
    let batches = batches();
    let folder = tempfile::tempdir().expect("a folder");
    let text = "FROM t AS a |> JOIN t AS b ON a.k = b.k |> AGGREGATE MAX(b.s) AS m GROUP BY a.g \
                |> ORDER BY m |> LIMIT 100000 |> AGGREGATE COUNT(*) AS n, MAX(m) AS m";
    for limit in [1 << 20, 4 << 20, 16 << 20, 64 << 20] {
        let engine = engine(Some(limit), folder.path(), &batches);
        let (n, m): (i64, String) = engine
            .query(text, ())
            .and_then(|rows| rows.one())
            .unwrap_or_else(|error| panic!("{limit}: {error}"));
        assert_eq!((n, m.len()), (ROWS / 2, TEXT_BYTES), "{limit}");
    }
}

#[test]
fn what_cannot_be_written_out_is_refused_and_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(Some(LIMIT), folder.path(), &batches());
    for (operator, text) in [
        (
            "aggregate",
            "FROM t |> AGGREGATE ARRAY_AGG(s) AS a |> SELECT CARDINALITY(a) AS n",
        ),
        (
            "aggregate",
            "FROM t |> AGGREGATE STRING_AGG(s, ',') AS a GROUP BY k - k |> SELECT LENGTH(a) AS n",
        ),
        (
            "window",
            "FROM t |> EXTEND SUM(k) OVER () AS n, MAX(s) OVER () AS m |> SELECT n, LENGTH(m) AS l",
        ),
        (
            "match",
            "FROM t |> MATCH_RECOGNIZE (ORDER BY k MEASURES MAX(s) AS m PATTERN (a+) DEFINE a AS TRUE)",
        ),
        ("table", "CREATE TABLE copy AS FROM t"),
    ] {
        let error = failure(&engine, text);
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Limit, "TM0506"),
            "{text}"
        );
        assert!(error.message().contains(operator), "{text}: {error}");
        let after = answer::rows(&engine, "FROM t |> AGGREGATE COUNT(*) AS n").expect("an answer");
        assert_eq!(after.rows.len(), 1);
        until("memory is given back", || {
            engine.metrics().memory_bytes == 0
        });
        until("the folder is empty", || is_empty(folder.path()));
    }
}

#[test]
fn a_disk_limit_ends_the_query_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::builder()
        .threads(2)
        .memory_limit(LIMIT)
        .spill_limit(2 << 20)
        .spill_dir(folder.path())
        .in_memory()
        .expect("an engine");
    engine.register_batches("t", batches()).expect("a table");
    for (name, text) in QUERIES {
        let error = failure(&engine, text);
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Limit, "TM0511"),
            "{name}: {error}"
        );
        until("memory is given back", || {
            engine.metrics().memory_bytes == 0
        });
        until("the folder is empty", || is_empty(folder.path()));
    }
}

#[test]
fn tables_in_memory_count_until_they_are_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(Some(100 << 20), folder.path(), &batches());
    engine
        .execute("CREATE TABLE copy AS FROM t", ())
        .expect("a table");
    let held = engine.metrics().memory_bytes;
    assert!(held as i64 >= ROWS * TEXT_BYTES as i64, "{held}");
    engine.execute("DROP TABLE copy", ()).expect("it is there");
    until("memory is given back", || {
        engine.metrics().memory_bytes == 0
    });
}

#[test]
fn explain_analyze_says_what_was_held_and_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(Some(LIMIT), folder.path(), &batches());
    let text = engine
        .explain(
            "FROM t |> SELECT s, k |> ORDER BY s",
            tidemill::Explain::Analyze,
        )
        .expect("a plan")
        .to_string();
    for part in [
        "memory at most",
        "written to disk",
        "MiB",
        "rows in",
        "morsels",
        "workers, the busiest",
        "query:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn functions_that_would_make_too_much_are_refused() {
    let engine = Engine::in_memory().expect("an engine");
    for (name, text) in [
        ("REPEAT", "SELECT LENGTH(REPEAT('x', 10000000000)) AS n"),
        (
            "REPEAT",
            "FROM UNNEST(GENERATE_SERIES(1, 5)) AS i |> SELECT LENGTH(REPEAT('x', i * 1000000000)) AS n",
        ),
        ("LPAD", "SELECT LENGTH(LPAD('x', 2000000000)) AS n"),
        ("RPAD", "SELECT LENGTH(RPAD('x', 600000000)) AS n"),
        (
            "GENERATE_SERIES",
            "SELECT CARDINALITY(GENERATE_SERIES(1, 10000000000)) AS n",
        ),
        (
            "GENERATE_SERIES",
            "FROM UNNEST(GENERATE_SERIES(-9000000000000000000, 9000000000000000000)) AS n |> AGGREGATE COUNT(*) AS c",
        ),
    ] {
        let error = failure(&engine, text);
        let refused = matches!(error.kind(), ErrorKind::Limit | ErrorKind::Run);
        assert!(refused, "{name}: {error}");
    }
    // Long constants beside many rows: a few rows at a time.
    let beside = [
        (
            "FROM UNNEST(GENERATE_SERIES(1, 2200)) AS n |> SELECT REPEAT('x', 1000000) AS s |> AGGREGATE SUM(OCTET_LENGTH(s)) AS n",
            2_200_000_000,
        ),
        (
            "FROM UNNEST(GENERATE_SERIES(1, 3000)) AS a, UNNEST(GENERATE_SERIES(1, 1000000)) AS b |> LIMIT 5 |> AGGREGATE COUNT(*) AS n",
            5,
        ),
        (
            "FROM UNNEST(GENERATE_SERIES(1, 2200)) AS n |> WHERE REPEAT('x', 1000000) || CAST(n AS STRING) = 'y' |> AGGREGATE COUNT(*) AS n",
            0,
        ),
    ];
    for (text, expected) in beside {
        let found: (i64,) = engine
            .query(text, ())
            .and_then(|rows| rows.one())
            .expect(text);
        assert_eq!(found.0, expected, "{text}");
    }
    let text = "SELECT LENGTH(REPEAT('ab', 1000)) AS a, LENGTH(LPAD('x', 7)) AS b, CARDINALITY(GENERATE_SERIES(1, 9, 2)) AS c";
    let found: (i64, i64, i64) = engine
        .query(text, ())
        .and_then(|rows| rows.one())
        .expect("small ones");
    assert_eq!(found, (2000, 7, 5));
}
