//! Tables cut into shards and partitions: what moves when the number of shards changes, and what is done shard by shard.

use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use tidemill::{AppendMode, Engine, FlushPolicy};

use crate::answer;
use crate::tables::{Database, code, number, plan, run};

const KEYS: &str = "SELECT n AS id, n % 100 AS v, CONCAT('name ', CAST(n AS STRING)) AS name FROM UNNEST(generate_series(1, 4000)) AS n";

fn files(engine: &Engine, table: &str) -> Vec<String> {
    let text = format!("FROM {table} |> SELECT _file_name |> DISTINCT");
    let rows = engine.query(&text, ()).expect("rows");
    rows.typed::<(String,)>()
        .map(|row| row.expect("a row").0)
        .collect()
}

#[test]
fn another_number_of_shards_moves_only_what_must_move() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        &format!("CREATE TABLE t DISTRIBUTE BY HASH(id) INTO 4 SHARDS AS {KEYS}"),
    );
    let sum = "FROM t |> AGGREGATE CAST(SUM(id * v) AS INT64)";
    let before = number(&engine, sum);
    let old = files(&engine, "t");
    // Every shard is cut in two.
    assert_eq!(run(&engine, "ALTER TABLE t SHARDS 8"), 4000);
    assert_eq!(number(&engine, sum), before);
    let eight = files(&engine, "t");
    assert_eq!(eight.len(), 8);
    assert!(eight.iter().all(|file| !old.contains(file)));
    for id in [1, 77, 4000] {
        let one = format!("FROM t |> WHERE id = {id}");
        let text = plan(&engine, &one);
        assert!(text.contains("shards 1 of 8, segments 1 of 8"), "{text}");
        assert_eq!(number(&engine, &format!("{one} |> AGGREGATE COUNT(*)")), 1);
    }
    // Two become one: nothing moves.
    assert_eq!(run(&engine, "ALTER TABLE t SHARDS 4"), 0);
    assert_eq!(files(&engine, "t").len(), 8);
    assert_eq!(number(&engine, sum), before);
    let text = plan(&engine, "FROM t |> WHERE id = 77");
    assert!(text.contains("shards 1 of 4"), "{text}");
    // The two shards at the ends lie in new ones as they are.
    let moved = run(&engine, "ALTER TABLE t SHARDS 3");
    assert!(moved > 0 && moved < 2500, "{moved}");
    assert_eq!(number(&engine, sum), before);
    assert_eq!(run(&engine, "ALTER TABLE t SHARDS 3"), 0);
    run(&engine, "INSERT INTO t VALUES (5000, 1, 'new')");
    let listed = "SHOW SHARDS t |> AGGREGATE COUNT(*) AS n, CAST(SUM(row_count) AS INT64) AS r |> SELECT n * 100000 + r";
    assert_eq!(number(&engine, listed), 304_001);
    let units =
        "FROM system.units |> WHERE table_name = 't' |> AGGREGATE CAST(SUM(row_count) AS INT64)";
    assert_eq!(number(&engine, units), 4001);
    let history = "FROM TABLE_HISTORY('t') |> WHERE operation = 'RESHARD' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, history), 3);
    assert_eq!(code(&engine, "ALTER TABLE t SHARDS 0"), "TM0317");
    assert_eq!(code(&engine, "ALTER TABLE t SHARDS 5000"), "TM0317");
    run(&engine, "CREATE TABLE plain AS SELECT 1 AS x");
    assert_eq!(code(&engine, "ALTER TABLE plain SHARDS 2"), "TM0317");
    // Versions before are read as they were.
    assert_eq!(
        number(&engine, "FROM t FOR VERSION AS OF 0 |> AGGREGATE COUNT(*)"),
        4000
    );
}

#[test]
fn joins_and_aggregates_on_the_key_are_done_shard_by_shard() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        &format!("CREATE TABLE t DISTRIBUTE BY HASH(id) INTO 5 SHARDS AS {KEYS}"),
    );
    run(
        &engine,
        &format!(
            "CREATE TABLE u DISTRIBUTE BY HASH(key) COLOCATE WITH t AS SELECT id * 2 AS key, v AS w FROM ({KEYS})"
        ),
    );
    run(&engine, "INSERT INTO u VALUES (NULL, 1), (3, 2), (3, 3)");
    run(&engine, "INSERT INTO t VALUES (NULL, 1, 'none')");
    run(
        &engine,
        "CREATE TABLE apart AS FROM t; CREATE TABLE aside AS FROM u",
    );
    let many = |text: &str| {
        let text = plan(&engine, text);
        text.matches("shards 0 to 0").count()
    };
    let queries = [
        "JOIN {u} AS b ON a.id = b.key |> AGGREGATE COUNT(*), SUM(b.w), MIN(name)",
        "LEFT JOIN {u} AS b ON a.id = b.key AND b.w > 10 |> AGGREGATE COUNT(*), COUNT(b.key), SUM(b.w)",
        "FULL JOIN {u} AS b ON a.id = b.key |> AGGREGATE COUNT(*), COUNT(b.key), COUNT(a.id)",
        "RIGHT JOIN {u} AS b ON a.id = b.key |> AGGREGATE COUNT(*), COUNT(a.id)",
        "LEFT SEMI JOIN {u} AS b ON a.id = b.key |> AGGREGATE COUNT(*), SUM(v)",
        "LEFT ANTI JOIN {u} AS b ON a.id = b.key |> AGGREGATE COUNT(*), SUM(v)",
        "WHERE v < 50 |> AGGREGATE COUNT(*) AS n, MAX(name) AS m GROUP BY id |> AGGREGATE COUNT(*), SUM(n), MAX(m)",
        "AGGREGATE COUNT(*) AS n GROUP BY id, v |> AGGREGATE COUNT(*), SUM(n)",
        "SELECT id |> DISTINCT |> AGGREGATE COUNT(*), SUM(id)",
        "JOIN {u} AS b ON a.id = b.key |> AGGREGATE COUNT(*) AS n, SUM(w) AS s GROUP BY a.id |> AGGREGATE COUNT(*), SUM(n), SUM(s)",
        "JOIN {u} AS b ON a.id = b.key |> AGGREGATE COUNT(*) AS n GROUP BY b.key, b.w |> AGGREGATE COUNT(*), SUM(n)",
    ];
    for query in queries {
        let sharded = format!("FROM t AS a |> {}", query.replace("{u}", "u"));
        let plain = format!("FROM apart AS a |> {}", query.replace("{u}", "aside"));
        assert!(many(&sharded) >= 1, "{}", plan(&engine, &sharded));
        assert_eq!(many(&plain), 0);
        let rows = |text: &str| answer::rows(&engine, text).expect(text).lines();
        assert_eq!(rows(&sharded), rows(&plain), "{query}");
    }
    // On other columns rows must change place, and NOT IN must know of every NULL.
    for query in [
        "FROM t AS a |> JOIN u AS b ON a.v = b.w |> AGGREGATE COUNT(*)",
        "FROM t |> AGGREGATE COUNT(*) GROUP BY v",
        "FROM t |> WHERE id NOT IN (SELECT key FROM u WHERE key IS NOT NULL) |> AGGREGATE COUNT(*)",
        "FROM t |> WHERE v NOT IN (SELECT key FROM u) |> AGGREGATE COUNT(*)",
        "FROM t AS a |> JOIN apart AS b ON a.id = b.id |> AGGREGATE COUNT(*)",
        "FROM t |> AGGREGATE COUNT(*) GROUP BY id + 1",
        "FROM t |> AGGREGATE COUNT(*) GROUP BY ROLLUP(id)",
    ] {
        assert_eq!(many(query), 0, "{}", plan(&engine, query));
    }
    // Another number of shards: no longer beside each other.
    run(&engine, "ALTER TABLE u SHARDS 6");
    assert_eq!(
        many("FROM t AS a |> JOIN u AS b ON a.id = b.key |> AGGREGATE COUNT(*)"),
        0
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE x DISTRIBUTE BY HASH(name) COLOCATE WITH t AS FROM t"
        ),
        "TM0317"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE x DISTRIBUTE BY HASH(id) COLOCATE WITH apart AS FROM t"
        ),
        "TM0317"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE x DISTRIBUTE BY HASH(id) COLOCATE WITH nothing AS FROM t"
        ),
        "TM0203"
    );
}

#[test]
fn partitions_of_computed_values_leave_segments_out() {
    let database = Database::new();
    let engine = database.engine(2);
    let hours = "SELECT n AS id, DATE_ADD(TIMESTAMP '2024-01-30 00:00:00', INTERVAL n HOUR) AS ts, CAST(n % 50 AS INT64) AS k FROM UNNEST(generate_series(0, 999)) AS n";
    run(
        &engine,
        &format!("CREATE TABLE d PARTITION BY DATE_TRUNC(ts, DAY) AS {hours}"),
    );
    run(
        &engine,
        &format!("CREATE TABLE m PARTITION BY DATE_TRUNC(ts, MONTH), BUCKET(8, k) AS {hours}"),
    );
    run(
        &engine,
        &format!("CREATE TABLE h PARTITION BY DATE_TRUNC(ts, HOUR) AS {hours} |> WHERE id < 30"),
    );
    run(
        &engine,
        &format!(
            "CREATE TABLE y PARTITION BY DATE_TRUNC(day, YEAR) AS SELECT CAST(ts AS DATE) AS day, id FROM ({hours})"
        ),
    );
    run(&engine, "INSERT INTO d VALUES (5000, NULL, 1)");
    assert_eq!(number(&engine, "FROM d |> AGGREGATE COUNT(*)"), 1001);
    let day = "FROM d |> WHERE ts >= TIMESTAMP '2024-02-03 00:00:00' AND ts < TIMESTAMP '2024-02-04 00:00:00'";
    let text = plan(&engine, day);
    assert!(
        text.contains("partitions 1 of 43, segments 1 of 43"),
        "{text}"
    );
    assert_eq!(number(&engine, &format!("{day} |> AGGREGATE COUNT(*)")), 24);
    let none = "FROM d |> WHERE ts IS NULL";
    assert!(plan(&engine, none).contains("partitions 1 of 43"));
    assert_eq!(number(&engine, &format!("{none} |> SELECT id")), 5000);
    let key = "FROM m |> WHERE k = 7 AND ts < TIMESTAMP '2024-02-01 00:00:00'";
    let text = plan(&engine, key);
    assert!(text.contains("partitions 1 of "), "{text}");
    assert_eq!(number(&engine, &format!("{key} |> AGGREGATE COUNT(*)")), 1);
    assert_eq!(
        number(&engine, "FROM m |> WHERE k IN (7, 8) |> AGGREGATE COUNT(*)"),
        40
    );
    assert!(
        plan(
            &engine,
            "FROM h |> WHERE ts = TIMESTAMP '2024-01-30 05:00:00'"
        )
        .contains("partitions 1 of 30")
    );
    assert!(plan(&engine, "FROM y |> WHERE day > DATE '2024-05-01'").contains("partitions 1 of 1"));
    assert!(plan(&engine, "FROM y |> WHERE day > DATE '2025-05-01'").contains("partitions 0 of 1"));
    // The table has the columns that were asked for, and changes move rows.
    let described = answer::rows(&engine, "DESCRIBE d").expect("rows").lines();
    assert_eq!(described.len(), 3, "{described:?}");
    assert_eq!(
        run(
            &engine,
            "UPDATE d SET ts = TIMESTAMP '2030-01-01 12:00:00' WHERE id < 10"
        ),
        10
    );
    let moved = "FROM d |> WHERE ts > TIMESTAMP '2029-01-01 00:00:00'";
    assert!(
        plan(&engine, moved).contains("partitions 1 of 44"),
        "{}",
        plan(&engine, moved)
    );
    assert_eq!(
        number(&engine, &format!("{moved} |> AGGREGATE COUNT(*)")),
        10
    );
    let again =
        "INSERT OVERWRITE d PARTITION (ts_day) SELECT 1, TIMESTAMP '2030-01-01 01:00:00', 2";
    assert_eq!(run(&engine, again), 1);
    assert_eq!(number(&engine, "FROM d |> AGGREGATE COUNT(*)"), 992);
    assert_eq!(run(&engine, "OPTIMIZE d"), 0);
    run(&engine, "ALTER TABLE d ADD COLUMN note STRING");
    run(
        &engine,
        "INSERT INTO d VALUES (7000, TIMESTAMP '2030-01-01 02:00:00', 1, 'x')",
    );
    assert_eq!(
        number(&engine, &format!("{moved} AND note = 'x' |> SELECT id")),
        7000
    );
    assert_eq!(
        code(&engine, "ALTER TABLE d ADD COLUMN ts_day DATE"),
        "TM0317"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE x PARTITION BY DATE_TRUNC(id, DAY) AS FROM d"
        ),
        "TM0317"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE x PARTITION BY DATE_TRUNC(ts, WEEK) AS FROM d"
        ),
        "TM0317"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE x PARTITION BY BUCKET(0, id) AS FROM d"
        ),
        "TM0317"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE x PARTITION BY BUCKET(2, id), BUCKET(3, id) AS FROM d"
        ),
        "TM0317"
    );
    assert_eq!(
        code(&engine, "CREATE TABLE x PARTITION BY ABS(id) AS FROM d"),
        "TM0900"
    );
}

#[test]
fn changes_are_the_rows_that_versions_added_and_took_away() {
    let database = Database::new();
    let engine = database.engine(2);
    run(&engine, "CREATE TABLE t (id INT64, v INT64)");
    run(
        &engine,
        "INSERT INTO t VALUES (1, 1), (2, 2), (2, 2), (3, 3)",
    );
    run(&engine, "UPDATE t SET v = 20 WHERE id = 2");
    run(&engine, "DELETE FROM t WHERE id = 1");
    run(&engine, "INSERT INTO t VALUES (4, 4)");
    run(&engine, "OPTIMIZE t");
    let changes = |from: u64, to: &str| {
        let text = format!(
            "FROM CHANGES(TABLE t, from_version => {from}{to}) |> SELECT _version, _change, id, v |> ORDER BY _version, _change, id, v"
        );
        answer::rows(&engine, &text).expect(&text).lines()
    };
    let insert = [
        "1,insert,1,1",
        "1,insert,2,2",
        "1,insert,2,2",
        "1,insert,3,3",
    ];
    let update = [
        "2,delete,2,2",
        "2,delete,2,2",
        "2,insert,2,20",
        "2,insert,2,20",
    ];
    let rest = ["3,delete,1,1", "4,insert,4,4"];
    assert_eq!(changes(0, ""), [&insert[..], &update, &rest].concat());
    assert_eq!(changes(2, ", to_version => 2"), update);
    assert_eq!(changes(3, ""), rest);
    assert_eq!(changes(5, ""), Vec::<String>::new());
    let times = "FROM CHANGES(TABLE t, from_version => 1, to_version => 4) AS c |> JOIN TABLE_HISTORY('t') AS h ON c._version = h.version |> WHERE c._commit_time <> h.timestamp |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, times), 0);
    run(
        &engine,
        "ALTER TABLE t ADD COLUMN note STRING; INSERT INTO t VALUES (5, 5, 'x')",
    );
    let noted = "FROM CHANGES(TABLE t, from_version => 0) |> WHERE note = 'x' AND _change = 'insert' |> SELECT id";
    assert_eq!(number(&engine, noted), 5);
    run(&engine, "TRUNCATE TABLE t");
    let gone = "FROM CHANGES(TABLE t, from_version => 8) |> WHERE _change = 'delete' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, gone), 5);
    run(&engine, "RESTORE TABLE t TO VERSION AS OF 1");
    assert_eq!(
        code(&engine, "FROM CHANGES(TABLE t, from_version => 0)"),
        "TM0328"
    );
    assert_eq!(
        code(&engine, "FROM CHANGES(TABLE t, from_version => 99)"),
        "TM0307"
    );
    assert_eq!(
        code(&engine, "FROM CHANGES(TABLE t, from_version => -1)"),
        "TM0307"
    );
    assert_eq!(code(&engine, "FROM CHANGES(TABLE t)"), "TM0402");
    assert_eq!(
        code(&engine, "FROM CHANGES(TABLE t, from_version => 'x')"),
        "TM0402"
    );
    assert_eq!(
        code(&engine, "FROM CHANGES(TABLE nothing, from_version => 1)"),
        "TM0203"
    );
}

#[test]
fn a_program_appends_batches_that_become_one_version() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (id INT64 NOT NULL, name STRING, note STRING) DISTRIBUTE BY HASH(id) INTO 4 SHARDS",
    );
    let mut appender = engine
        .appender("T", AppendMode::WriteThrough)
        .expect("an appender");
    let batch = |names: &[&str], ids: Vec<Option<i64>>| {
        let texts: ArrayRef = std::sync::Arc::new(StringArray::from_iter_values(names));
        let ids: ArrayRef = std::sync::Arc::new(Int64Array::from(ids));
        RecordBatch::try_from_iter([("Name", texts), ("id", ids)]).expect("a batch")
    };
    for round in 0..10 {
        appender
            .append(&batch(&["a", "b"], vec![Some(round), Some(round + 100)]))
            .expect("rows");
    }
    let count = "FROM t |> AGGREGATE COUNT(*)";
    assert_eq!((appender.pending_rows(), number(&engine, count)), (20, 0));
    // What does not fit is not added, and what was added before is not lost.
    let error = appender
        .append(&batch(&["c"], vec![None]))
        .expect_err("a NULL");
    assert_eq!(error.code(), "TM0510");
    let other: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![1]));
    let wrong = |name: &str| {
        RecordBatch::try_from_iter([(name, std::sync::Arc::clone(&other))]).expect("a batch")
    };
    assert_eq!(
        appender
            .append(&wrong("name"))
            .expect_err("a number")
            .code(),
        "TM0403"
    );
    assert_eq!(
        appender.append(&wrong("nam")).expect_err("a name").code(),
        "TM0201"
    );
    assert_eq!(appender.commit().expect("a version"), 20);
    assert_eq!(number(&engine, count), 20);
    assert_eq!(
        number(
            &engine,
            "FROM t |> WHERE id = 103 AND note IS NULL |> AGGREGATE COUNT(*)"
        ),
        1
    );
    assert!(plan(&engine, "FROM t |> WHERE id = 103").contains("shards 1 of 4"));
    assert_eq!(
        number(&engine, "FROM TABLE_HISTORY('t') |> AGGREGATE COUNT(*)"),
        2
    );
    assert_eq!(appender.commit().expect("nothing to do"), 0);
    // Columns that changed meanwhile.
    appender
        .append(&batch(&["d"], vec![Some(1)]))
        .expect("rows");
    run(&engine, "ALTER TABLE t ADD COLUMN more STRING");
    assert_eq!(
        appender.commit().expect_err("other columns").code(),
        "TM0740"
    );
    appender
        .append(&batch(&["d"], vec![Some(1)]))
        .expect("rows");
    assert_eq!(appender.commit().expect("a version"), 1);
    // Rows that were not committed leave nothing behind.
    appender
        .append(&batch(&["e"], vec![Some(2)]))
        .expect("rows");
    drop(appender);
    assert_eq!(number(&engine, count), 21);
    let left = std::fs::read_dir(database.0.path().join("t")).expect("a table");
    let left = left.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().ends_with(".tmp")
    });
    assert_eq!(left.count(), 0);
    assert_eq!(
        engine
            .appender("missing", AppendMode::WriteThrough)
            .expect_err("no table")
            .code(),
        "TM0203"
    );
    run(&engine, "CREATE TEMP TABLE m AS SELECT 1 AS x");
    assert_eq!(
        engine
            .appender("m", AppendMode::WriteThrough)
            .expect_err("in memory")
            .code(),
        "TM0319"
    );
}

/// A policy under which rows move when so many wait.
fn behind(rows: u64) -> AppendMode {
    AppendMode::WriteBehind(FlushPolicy {
        rows,
        ..FlushPolicy::default()
    })
}

fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
    let texts: ArrayRef = std::sync::Arc::new(StringArray::from_iter_values(
        ids.clone().map(|id| format!("row {id}")),
    ));
    let ids: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(ids));
    RecordBatch::try_from_iter([("id", ids), ("name", texts)]).expect("a batch")
}

#[test]
fn rows_written_behind_are_seen_at_once_and_move_together() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (id INT64, name STRING) PARTITION BY BUCKET(2, id) DISTRIBUTE BY HASH(id) INTO 2 SHARDS; INSERT INTO t VALUES (0, 'first')",
    );
    let count = "FROM t |> AGGREGATE COUNT(*)";
    let versions = "FROM TABLE_HISTORY('t') |> AGGREGATE COUNT(*)";
    let mut appender = engine.appender("t", behind(100)).expect("an appender");
    for id in 1..=60 {
        appender.append(&batch(id..id + 1)).expect("a row");
        assert_eq!(number(&engine, count), id + 1);
    }
    assert_eq!(
        (appender.pending_rows(), number(&engine, versions)),
        (60, 2)
    );
    // In another engine too, under every kind of condition.
    let other = database.engine(1);
    assert_eq!(number(&other, count), 61);
    assert_eq!(
        number(&other, "FROM t |> WHERE name = 'row 60' |> SELECT id"),
        60
    );
    assert_eq!(
        number(
            &other,
            "FROM t |> WHERE id BETWEEN 10 AND 19 |> AGGREGATE COUNT(*)"
        ),
        10
    );
    assert_eq!(
        number(&other, "FROM t |> AGGREGATE CAST(SUM(id) AS INT64)"),
        1830
    );
    assert_eq!(
        number(
            &other,
            "FROM t |> WHERE _file_name = '(waiting)' |> AGGREGATE COUNT(*)"
        ),
        60
    );
    assert_eq!(
        number(
            &other,
            "FROM t AS a |> JOIN t AS b ON a.id = b.id |> AGGREGATE COUNT(*)"
        ),
        61
    );
    assert_eq!(
        number(&other, "FROM t FOR VERSION AS OF 1 |> AGGREGATE COUNT(*)"),
        1
    );
    // A program that is stopped leaves its rows.
    drop(appender);
    assert_eq!(number(&other, count), 61);
    // A change moves them first, all at once.
    assert_eq!(
        run(&other, "UPDATE t SET name = 'even' WHERE id % 2 = 0"),
        31
    );
    assert_eq!(
        number(
            &other,
            "FROM t |> WHERE name = 'even' |> AGGREGATE COUNT(*)"
        ),
        31
    );
    assert_eq!(number(&other, count), 61);
    assert_eq!(number(&other, versions), 4);
    // So many at a time, and what is left at the end.
    let mut appender = other.appender("t", behind(25)).expect("an appender");
    for id in 100..200 {
        appender.append(&batch(id..id + 1)).expect("a row");
    }
    assert_eq!(number(&other, versions), 4 + 3);
    assert_eq!(appender.commit().expect("a version"), 25);
    assert_eq!((number(&other, versions), number(&other, count)), (8, 161));
    assert_eq!(appender.commit().expect("nothing to do"), 0);
    assert!(plan(&other, "FROM t |> WHERE id = 150").contains("shards 1 of 2"));
    let left = std::fs::read_dir(database.0.path().join("t/_tidemill_ingest")).expect("a folder");
    assert_eq!(
        left.count(),
        1,
        "only the file of the appender that was dropped"
    );
    // Columns that come meanwhile.
    appender.append(&batch(300..301)).expect("a row");
    run(&engine, "ALTER TABLE t ADD COLUMN note STRING");
    appender.append(&batch(301..302)).expect("a row");
    assert_eq!(
        number(
            &engine,
            "FROM t |> WHERE note IS NULL AND id >= 300 |> AGGREGATE COUNT(*)"
        ),
        2
    );
    run(&engine, "TRUNCATE TABLE t");
    assert_eq!(number(&engine, count), 0);
    appender.append(&batch(400..401)).expect("a row");
    run(&engine, "INSERT OVERWRITE t SELECT 1, 'x', 'y'");
    assert_eq!(number(&engine, count), 1);
    run(&engine, "VACUUM t RETAIN 0 HOURS; VERIFY t");
    appender.append(&batch(500..501)).expect("a row");
    run(
        &engine,
        "CREATE OR REPLACE TABLE t AS SELECT 1 AS id, 'x' AS name",
    );
    assert_eq!(number(&engine, count), 1);
}

#[test]
fn a_full_buffer_is_an_error_before_anything_is_seen() {
    let database = Database::new();
    let engine = database.engine(1);
    run(&engine, "CREATE TABLE t (id INT64 NOT NULL, name STRING)");
    let small = AppendMode::WriteBehind(FlushPolicy {
        bytes_max: 100_000,
        ..FlushPolicy::default()
    });
    let mut appender = engine.appender("t", small).expect("an appender");
    appender.append(&batch(0..1)).expect("a row");
    let error = appender.append(&batch(0..50_000)).expect_err("too many");
    assert_eq!(error.code(), "TM0750");
    let count = "FROM t |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, count), 1);
    let ids: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![None]));
    let missing = RecordBatch::try_from_iter([("id", ids)]).expect("a batch");
    assert_eq!(
        appender.append(&missing).expect_err("a NULL").code(),
        "TM0510"
    );
    assert_eq!(number(&engine, count), 1);
    appender.append(&batch(1..2)).expect("a row");
    assert_eq!((number(&engine, count), appender.pending_rows()), (2, 2));
    // Writers that move each other's rows: every row once.
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let engine = database.engine(1);
            scope.spawn(move || {
                let mut appender = engine.appender("t", behind(7)).expect("an appender");
                for round in 0..20 {
                    let id = 1000 + writer * 100 + round;
                    appender.append(&batch(id..id + 1)).expect("a row");
                }
            });
        }
    });
    assert_eq!(
        number(
            &engine,
            "FROM t |> WHERE id >= 1000 |> AGGREGATE COUNT(DISTINCT id)"
        ),
        60
    );
    assert_eq!(number(&engine, count), 62);
    assert_eq!(appender.commit().expect("a version"), 2);
    assert_eq!(number(&engine, count), 62);
    run(&engine, "DROP TABLE t");
    assert_eq!(
        appender.append(&batch(1..2)).expect_err("no table").code(),
        "TM0203"
    );
}

#[test]
fn the_keys_of_a_join_leave_out_shards_while_the_query_runs() {
    let database = Database::new();
    let engine = database.engine(2);
    let rows = "SELECT CAST(n * 7919 % 100003 AS INT64) - 50000 AS k, n AS v FROM UNNEST(generate_series(1, 20000)) AS n";
    run(&engine, &format!("CREATE TABLE plain AS {rows}"));
    for (kind, name) in [("INT64", "f64"), ("INT32", "f32")] {
        run(
            &engine,
            &format!(
                "CREATE TABLE {name} DISTRIBUTE BY HASH(k) INTO 16 SHARDS AS SELECT CAST(k AS {kind}) AS k, v FROM ({rows})"
            ),
        );
        run(
            &engine,
            &format!(
                "CREATE TABLE few_{name} AS SELECT CAST(k AS {kind}) AS k FROM ({rows}) WHERE v IN (5, 9999)"
            ),
        );
        let join = |fact: &str| {
            format!(
                "FROM {fact} AS f |> JOIN few_{name} AS d ON f.k = d.k |> AGGREGATE COUNT(*) AS n, CAST(SUM(f.v) AS INT64) AS s |> SELECT n * 1000000 + s"
            )
        };
        let sharded = number(&engine, &join(name));
        assert_eq!(sharded, number(&engine, &join("plain")));
        assert_eq!(sharded, 2 * 1_000_000 + 5 + 9_999);
        let told = engine
            .explain(&join(name), tidemill::Explain::Analyze)
            .unwrap()
            .to_string();
        let files = ["1 files by the hash", "2 files by the hash"];
        assert!(files.iter().any(|files| told.contains(files)), "{told}");
        // A build side without rows needs no shard at all.
        let nothing = format!(
            "FROM {name} AS f |> JOIN (FROM few_{name} |> WHERE k > 1000000) AS d ON f.k = d.k |> AGGREGATE COUNT(*)"
        );
        assert_eq!(number(&engine, &nothing), 0);
    }
}
