//! Durable tables through the library: layouts, versions, changes, and what a condition leaves unopened.

use tempfile::TempDir;
use tidemill::{AppendMode, Engine, Explain, FlushPolicy, Outcome, ParamMap};

/// A directory of tables.
pub struct Database(pub TempDir);

impl Database {
    pub fn new() -> Self {
        Database(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn engine(&self, threads: usize) -> Engine {
        let builder = Engine::builder().threads(threads);
        builder.open(self.0.path()).expect("a database")
    }
}

/// Runs statements; the rows that the last one wrote or took away.
pub fn run(engine: &Engine, text: &str) -> u64 {
    let fail = |error: &tidemill::Error| -> ! { panic!("{text}\n{error}") };
    let statements = engine.statements(text);
    let mut rows = 0;
    for statement in statements.unwrap_or_else(|errors| fail(&errors[0])) {
        match engine.run(&statement, &ParamMap::new()) {
            Ok(Outcome::Done(summary)) => rows = summary.rows,
            Ok(_) => {}
            Err(error) => fail(&error),
        }
    }
    rows
}

/// The one number that a query gives.
pub fn number(engine: &Engine, text: &str) -> i64 {
    let rows = engine.query(text, ());
    let row = rows.and_then(|rows| rows.one::<(i64,)>());
    row.unwrap_or_else(|error| panic!("{text}\n{error}")).0
}

pub fn code(engine: &Engine, text: &str) -> String {
    let error = engine.execute(text, ()).expect_err(text);
    error.code().to_string()
}

pub fn plan(engine: &Engine, text: &str) -> String {
    engine
        .explain(text, Explain::Pipelines)
        .expect(text)
        .to_string()
}

const NUMBERS: &str = "SELECT n AS id, n % 7 AS day, CONCAT('name ', CAST(n AS STRING)) AS name, n * 1.5 AS price \
     FROM UNNEST(generate_series(1, 10000)) AS n";

#[test]
fn a_table_outlives_its_engine() {
    let database = Database::new();
    assert_eq!(
        run(&database.engine(2), &format!("CREATE TABLE t AS {NUMBERS}")),
        10_000
    );
    let engine = database.engine(1);
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), 10_000);
    assert_eq!(
        number(&engine, "FROM T |> AGGREGATE CAST(SUM(id) AS INT64)"),
        50_005_000
    );
    assert_eq!(code(&engine, "CREATE TABLE t AS SELECT 1 AS x"), "TM0702");
    assert_eq!(
        run(&engine, "CREATE TABLE IF NOT EXISTS t AS SELECT 1 AS x"),
        0
    );
    run(&engine, "CREATE TEMP TABLE m AS SELECT 1 AS x");
    assert_eq!(code(&database.engine(1), "FROM m"), "TM0203");
    run(&engine, "DROP TABLE t");
    assert_eq!(code(&engine, "FROM t"), "TM0203");
    assert_eq!(run(&engine, "DROP TABLE IF EXISTS t"), 0);
    assert_eq!(code(&engine, "DROP TABLE t"), "TM0203");
    let left: Vec<_> = std::fs::read_dir(database.0.path())
        .expect("a directory")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_lookup_opens_one_shard() {
    let database = Database::new();
    let engine = database.engine(2);
    let layout = "DISTRIBUTE BY HASH(id) INTO 16 SHARDS";
    run(&engine, &format!("CREATE TABLE t {layout} AS {NUMBERS}"));
    run(&engine, &format!("INSERT INTO t {NUMBERS}"));
    let one = "FROM t |> WHERE id = 77";
    let text = plan(&engine, one);
    assert!(text.contains("shards 1 of 16, segments 2 of 32"), "{text}");
    assert_eq!(number(&engine, &format!("{one} |> AGGREGATE COUNT(*)")), 2);
    let some = "FROM t |> WHERE id IN (1, 2, 3, 4) AND price > 0";
    let text = plan(&engine, some);
    let shards: usize = text
        .split("shards ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=4).contains(&shards), "{text}");
    assert_eq!(number(&engine, &format!("{some} |> AGGREGATE COUNT(*)")), 8);
    for id in [1, 500, 9_999, 10_000] {
        let found = format!("FROM t |> WHERE {id} = id |> AGGREGATE COUNT(*)");
        assert_eq!(number(&engine, &found), 2);
    }
    let nothing = "FROM t |> WHERE id = 20000 |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, nothing), 0);
}

#[test]
fn partitions_and_bounds_leave_segments_out() {
    let database = Database::new();
    let engine = database.engine(2);
    let layout = "PARTITION BY day CLUSTER BY id";
    run(&engine, &format!("CREATE TABLE t {layout} AS {NUMBERS}"));
    for from in [20_000, 30_000] {
        let more = format!("SELECT id + {from} AS id, day, name, price FROM ({NUMBERS})");
        run(&engine, &format!("INSERT INTO t {more}"));
    }
    let query = "FROM t |> WHERE day = 3 AND id > 35000";
    let text = plan(&engine, query);
    assert!(
        text.contains("partitions 1 of 7, segments 1 of 21"),
        "{text}"
    );
    assert_eq!(
        number(&engine, &format!("{query} |> AGGREGATE COUNT(*)")),
        715
    );
    let folders = std::fs::read_dir(database.0.path().join("t")).expect("a table");
    let names: Vec<String> = folders
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(names.contains(&"day=3".to_string()), "{names:?}");
    let sorted = "FROM (SELECT id, LAG(id) OVER () AS before FROM t WHERE day = 2 AND id <= 10000) |> WHERE before > id |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, sorted), 0);
    run(
        &engine,
        "CREATE TABLE n PARTITION BY p AS SELECT 1 AS x, 'a/b' AS p UNION ALL SELECT 2, NULL UNION ALL SELECT 3, 'ü='",
    );
    assert_eq!(number(&engine, "FROM n |> WHERE p IS NULL |> SELECT x"), 2);
    assert_eq!(number(&engine, "FROM n |> WHERE p = 'a/b' |> SELECT x"), 1);
    assert_eq!(number(&engine, "FROM n |> WHERE p = 'ü=' |> SELECT x"), 3);
    assert_eq!(code(&engine, "INSERT INTO n VALUES (4, '')"), "TM0747");
    assert_eq!(number(&engine, "FROM n |> AGGREGATE COUNT(*)"), 3);
}

#[test]
fn every_layout_gives_the_same_rows() {
    let database = Database::new();
    let layouts = [
        "",
        "CLUSTER BY price, id",
        "PARTITION BY day",
        "DISTRIBUTE BY HASH(name) INTO 5 SHARDS",
        "PARTITION BY day CLUSTER BY name DISTRIBUTE BY HASH(id, name) INTO 3 SHARDS",
    ];
    let queries = [
        "AGGREGATE COUNT(*), CAST(SUM(id) AS INT64), MIN(name), MAX(price) GROUP BY day |> ORDER BY day",
        "WHERE name = 'name 5000' OR id IN (17, 18) |> ORDER BY id",
        "WHERE day = 5 AND price < 300 |> SELECT id, name |> ORDER BY id",
        "WHERE day <> 5 AND name > 'name 99' |> AGGREGATE COUNT(*)",
    ];
    let rows = |engine: &Engine, source: &str, query: &str| {
        let text = format!("FROM {source} |> {query}");
        let rows = engine
            .query(&text, ())
            .and_then(|rows| rows.collect_batches());
        let rows = rows.unwrap_or_else(|error| panic!("{text}\n{error}"));
        tidemill::arrow::util::pretty::pretty_format_batches(&rows)
            .unwrap()
            .to_string()
    };
    for (number, layout) in layouts.iter().enumerate() {
        for threads in [1, 2] {
            let engine = database.engine(threads);
            let name = format!("t{number}_{threads}");
            run(
                &engine,
                &format!("CREATE TABLE {name} {layout} AS {NUMBERS}"),
            );
            for query in queries {
                let plain = rows(&engine, &format!("({NUMBERS})"), query);
                assert_eq!(rows(&engine, &name, query), plain, "{layout}: {query}");
            }
        }
    }
}

#[test]
fn versions_are_read_as_they_were() {
    let database = Database::new();
    let engine = database.engine(2);
    run(&engine, "CREATE TABLE t (x INT64, s STRING)");
    for x in 1..=12 {
        run(&engine, &format!("INSERT INTO t VALUES ({x}, 'row {x}')"));
    }
    assert_eq!(run(&engine, "DELETE FROM t WHERE x % 2 = 0"), 6);
    assert_eq!(run(&engine, "DELETE FROM t WHERE x > 100"), 0);
    let count = |version: &str| number(&engine, &format!("FROM t {version} |> AGGREGATE COUNT(*)"));
    for version in 0..=12 {
        assert_eq!(count(&format!("FOR VERSION AS OF {version}")), version);
    }
    assert_eq!(count(""), 6);
    assert_eq!(count("FOR VERSION AS OF 10 + 2 AS older"), 12);
    let history = "FROM TABLE_HISTORY('t') |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, history), 14);
    let deletes = "FROM TABLE_HISTORY('t') |> WHERE operation = 'DELETE' |> SELECT version";
    assert_eq!(number(&engine, deletes), 13);
    let error = engine
        .execute("FROM t FOR VERSION AS OF 14", ())
        .unwrap_err();
    assert_eq!(error.code(), "TM0307");
    assert!(error.to_string().contains("versions 0 to 13"), "{error}");
    assert_eq!(code(&engine, "FROM t FOR VERSION AS OF -1"), "TM0307");
    assert_eq!(code(&engine, "FROM t FOR VERSION AS OF 'x'"), "TM0402");
    assert_eq!(
        code(
            &engine,
            "FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2001-01-01 00:00:00'"
        ),
        "TM0307"
    );
    assert_eq!(
        count("FOR SYSTEM_TIME AS OF TIMESTAMP '2300-01-01 00:00:00'"),
        6
    );
    let changed =
        "FROM t FOR VERSION AS OF 12 AS older |> LEFT ANTI JOIN t USING (x) |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, changed), 6);
    run(&engine, "RESTORE TABLE t TO VERSION AS OF 5");
    assert_eq!(count(""), 5);
    run(&engine, "TRUNCATE TABLE t");
    assert_eq!(count(""), 0);
    run(&engine, "INSERT INTO t (s) VALUES ('only text')");
    assert_eq!(
        number(&engine, "FROM t |> WHERE x IS NULL |> AGGREGATE COUNT(*)"),
        1
    );
    assert_eq!(count("FOR VERSION AS OF 12"), 12);
}

#[test]
fn small_segments_become_one_and_old_ones_go() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (x INT64, s STRING) DISTRIBUTE BY HASH(x) INTO 2 SHARDS",
    );
    for x in 1..=8 {
        run(
            &engine,
            &format!("INSERT INTO t VALUES ({x}, 'a'), ({x} + 100, 'b')"),
        );
    }
    let sum = "FROM t |> AGGREGATE CAST(SUM(x) AS INT64)";
    assert_eq!(run(&engine, "OPTIMIZE TABLE t"), 16);
    assert_eq!(number(&engine, sum), 872);
    let text = plan(&engine, "FROM t |> WHERE x > 0");
    assert!(text.contains("segments 2 of 2"), "{text}");
    assert_eq!(run(&engine, "OPTIMIZE t"), 0);
    assert_eq!(run(&engine, "VACUUM t"), 0);
    assert!(run(&engine, "VACUUM t RETAIN 0 HOURS") >= 8);
    assert_eq!(number(&engine, sum), 872);
    assert_eq!(code(&engine, "FROM t FOR VERSION AS OF 4"), "TM0748");
    assert_eq!(code(&engine, "RESTORE t TO VERSION AS OF 4"), "TM0748");
}

#[test]
fn columns_are_added_and_segments_verified() {
    let database = Database::new();
    let engine = database.engine(2);
    run(&engine, "CREATE TABLE t AS SELECT 1 AS x");
    run(&engine, "ALTER TABLE t ADD COLUMN s STRING");
    run(&engine, "INSERT INTO t VALUES (2, 'two')");
    run(&engine, "ALTER TABLE t ADD w DATETIME");
    run(
        &engine,
        "INSERT INTO t VALUES (3, 'three', DATETIME '2024-05-06 07:08:09')",
    );
    assert_eq!(number(&engine, "FROM t |> WHERE s IS NULL |> SELECT x"), 1);
    assert_eq!(number(&engine, "FROM t |> WHERE s = 'two' |> SELECT x"), 2);
    assert_eq!(
        number(
            &engine,
            "FROM t |> WHERE w > DATETIME '2024-01-01' |> SELECT x"
        ),
        3
    );
    assert_eq!(number(&engine, "FROM t FOR VERSION AS OF 0"), 1);
    assert_eq!(code(&engine, "ALTER TABLE t ADD COLUMN X STRING"), "TM0305");
    assert_eq!(
        code(&engine, "ALTER TABLE t ADD COLUMN y STRING NOT NULL"),
        "TM0318"
    );
    assert_eq!(run(&engine, "DELETE FROM t WHERE x = 3"), 1);
    assert_eq!(run(&engine, "OPTIMIZE t"), 2);
    assert_eq!(number(&engine, "FROM t |> WHERE s IS NULL |> SELECT x"), 1);
    assert_eq!(run(&engine, "VERIFY TABLE t"), 2);
    let folder = database.0.path().join("t");
    let files = std::fs::read_dir(folder).expect("a table");
    let files = files.map(|entry| entry.expect("an entry").path());
    for path in files.filter(|path| path.is_file()) {
        let mut bytes = std::fs::read(&path).expect("bytes");
        bytes[10] ^= 1;
        std::fs::write(&path, bytes).expect("bytes");
    }
    assert_eq!(code(&engine, "VERIFY t"), "TM0748");
}

#[test]
fn a_statement_sees_one_version() {
    let database = Database::new();
    let engine = database.engine(2);
    run(&engine, "CREATE TABLE t AS SELECT 1 AS x");
    for round in 0..6 {
        run(&engine, "INSERT INTO t FROM t |> SET x = x + 1");
        assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), 2 << round);
    }
    assert_eq!(
        run(
            &engine,
            "DELETE FROM t WHERE x IN (FROM t |> WHERE x > 3 |> SELECT x)"
        ),
        42
    );
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), 22);
    run(&engine, "CREATE VIEW v AS FROM t |> WHERE x = 1");
    run(&engine, "INSERT INTO t VALUES (1)");
    assert_eq!(number(&engine, "FROM v |> AGGREGATE COUNT(*)"), 2);
    let prepared = engine
        .prepare("FROM t |> WHERE x = ? |> AGGREGATE COUNT(*)")
        .unwrap();
    let count = |x: i64| prepared.query((x,)).unwrap().one::<(i64,)>().unwrap().0;
    assert_eq!(count(1), 2);
    run(&engine, "INSERT INTO t VALUES (1)");
    assert_eq!(count(1), 3);
    run(
        &engine,
        "CREATE OR REPLACE TABLE t AS FROM t |> AGGREGATE COUNT(*) AS n",
    );
    assert_eq!(number(&engine, "FROM t"), 24);
    assert_eq!(number(&engine, "FROM t FOR VERSION AS OF 0"), 1);
}

#[test]
fn what_does_not_fit_changes_nothing() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (x INT32 NOT NULL, s STRING, u UINT64, w DATETIME)",
    );
    run(
        &engine,
        "INSERT INTO t VALUES (1, 'a', NUMERIC '18446744073709551615', DATETIME '2024-05-06 07:08:09')",
    );
    assert_eq!(code(&engine, "INSERT INTO t VALUES (1, 'a')"), "TM0302");
    assert_eq!(
        code(&engine, "INSERT INTO t (x, y) VALUES (1, 'a')"),
        "TM0201"
    );
    assert_eq!(code(&engine, "INSERT INTO t (x) VALUES ('a')"), "TM0403");
    assert_eq!(
        code(&engine, "INSERT INTO t (x, x) VALUES (1, 2)"),
        "TM0301"
    );
    assert_eq!(
        code(&engine, "INSERT INTO t (x) VALUES (3000000000)"),
        "TM0501"
    );
    assert_eq!(code(&engine, "INSERT INTO t (s) VALUES ('a')"), "TM0510");
    assert_eq!(code(&engine, "INSERT INTO t (x) SELECT 1 / 0"), "TM0502");
    assert_eq!(code(&engine, "INSERT INTO missing VALUES (1)"), "TM0203");
    assert_eq!(
        code(&engine, "CREATE TABLE i AS SELECT INTERVAL 1 DAY AS i"),
        "TM0744"
    );
    assert_eq!(
        code(&engine, "CREATE TABLE i PARTITION BY x AS SELECT 1 AS x"),
        "TM0317"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE i DISTRIBUTE BY HASH(x) INTO 0 SHARDS AS SELECT 1 AS x"
        ),
        "TM0317"
    );
    assert_eq!(
        code(&engine, "CREATE TABLE i CLUSTER BY y AS SELECT 1 AS x"),
        "TM0201"
    );
    assert_eq!(
        code(
            &engine,
            "CREATE TABLE i PARTITION BY x % 2 AS SELECT 1 AS x, 2 AS y"
        ),
        "TM0900"
    );
    assert_eq!(
        code(&engine, "CREATE TABLE i AS SELECT 1 AS x, 2 AS X"),
        "TM0305"
    );
    let all = "FROM t |> WHERE u = NUMERIC '18446744073709551615' AND w < DATETIME '2024-05-06 07:08:10' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, all), 1);
    assert_eq!(
        number(&engine, "FROM TABLE_HISTORY(t) |> AGGREGATE COUNT(*)"),
        2
    );
    let memory = Engine::in_memory().unwrap();
    let layout = "CREATE TABLE i CLUSTER BY x AS SELECT 1 AS x";
    assert_eq!(code(&memory, layout), "TM0749");
    // What was begun for statements that failed is gone.
    let files = std::fs::read_dir(database.0.path().join("t")).expect("a table");
    assert_eq!(files.count(), 2);
}

#[test]
fn branches_that_add_to_one_table_make_one_version() {
    let database = Database::new();
    let engine = database.engine(2);
    run(&engine, "CREATE TABLE t AS FROM UNNEST([1, 2, 3]) AS n");
    let written = run(
        &engine,
        "FROM t |> FORK (|> WHERE n < 3 |> INSERT INTO t), (|> SELECT n * 10 AS n |> INSERT INTO t)",
    );
    assert_eq!(written, 5);
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), 8);
    assert_eq!(number(&engine, "FROM t |> AGGREGATE SUM(n)"), 69);
    let versions = "FROM TABLE_HISTORY('t') |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, versions), 2);
    for (one, other) in [
        ("INSERT INTO t", "CREATE OR REPLACE TABLE t"),
        ("INSERT OVERWRITE t", "INSERT INTO t"),
        ("INSERT OVERWRITE t", "INSERT OVERWRITE t"),
    ] {
        let fork = format!("FROM t |> FORK (|> {one}), (|> {other})");
        assert_eq!(code(&engine, &fork), "TM0702", "{fork}");
    }
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), 8);
}

#[test]
fn engines_that_write_at_once_lose_nothing() {
    let database = Database::new();
    let create = "CREATE TABLE t (id INT64, s STRING) DISTRIBUTE BY HASH(id) INTO 3 SHARDS";
    run(&database.engine(1), create);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let engine = database.engine(1);
            scope.spawn(move || {
                for round in 0..8 {
                    let id = writer * 100 + round;
                    run(
                        &engine,
                        &format!("INSERT INTO t VALUES ({id}, 'x'), ({id} + 1000, 'y')"),
                    );
                }
            });
        }
        let engine = database.engine(1);
        scope.spawn(move || {
            let mut before = 0;
            while before < 64 {
                // Whole commits only, and never fewer than before.
                let now = number(&engine, "FROM t |> AGGREGATE COUNT(*)");
                assert!(now % 2 == 0 && now >= before, "{before} {now}");
                before = now;
            }
        });
    });
    let engine = database.engine(2);
    let distinct = "FROM t |> AGGREGATE COUNT(DISTINCT id)";
    assert_eq!(number(&engine, distinct), 64);
}

#[test]
fn a_segment_that_is_not_what_it_was_is_told() {
    let database = Database::new();
    let engine = database.engine(1);
    run(&engine, "CREATE TABLE t AS SELECT 1 AS x");
    let folder = database.0.path().join("t");
    let segment = std::fs::read_dir(folder)
        .expect("a table")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|ending| ending == "parquet"))
        .expect("a segment");
    let bytes = std::fs::read(&segment).expect("bytes");
    let longer = [&bytes[..4], b"more", &bytes[4..]].concat();
    std::fs::write(&segment, longer).expect("bytes");
    assert!(["TM0748", "TM0731"].contains(&code(&engine, "FROM t").as_str()));
    std::fs::remove_file(&segment).expect("a file");
    assert_eq!(code(&engine, "FROM t"), "TM0748");
}

/// Other programs write what they like: what is no value of the column is not taken for NULL.
#[test]
fn a_partition_that_is_no_value_of_its_column_is_told() {
    let database = Database::new();
    let engine = database.engine(1);
    run(&engine, "CREATE TABLE own AS SELECT 1 AS n");
    let own = database.0.path().join("own");
    let segments = std::fs::read_dir(&own).expect("a folder");
    let mut segments = segments.map(|entry| entry.expect("an entry").path());
    let segment = segments
        .find(|path| path.extension().is_some_and(|ending| ending == "parquet"))
        .expect("a segment");
    let (table, size) = (
        database.0.path().join("other"),
        segment.metadata().expect("a file").len(),
    );
    std::fs::create_dir_all(table.join("_delta_log")).expect("a folder");
    std::fs::copy(&segment, table.join("x.parquet")).expect("a copy");
    let log = |value: &str| {
        let schema = r#"{\"type\":\"struct\",\"fields\":[{\"name\":\"n\",\"type\":\"long\",\"nullable\":true,\"metadata\":{}},{\"name\":\"p\",\"type\":\"decimal(10,2)\",\"nullable\":true,\"metadata\":{}}]}"#;
        let text = format!(
            r#"{{"protocol":{{"minReaderVersion":1,"minWriterVersion":2}}}}
{{"metaData":{{"id":"x","format":{{"provider":"parquet","options":{{}}}},"schemaString":"{schema}","partitionColumns":["p"],"configuration":{{}}}}}}
{{"add":{{"path":"x.parquet","partitionValues":{{"p":"{value}"}},"size":{size},"modificationTime":0,"dataChange":true}}}}
"#
        );
        let path = table.join("_delta_log/00000000000000000000.json");
        std::fs::write(path, text).expect("a log");
    };
    log("-3.40");
    assert_eq!(
        number(
            &database.engine(1),
            "FROM other |> SELECT CAST(p * 100 AS INT64)"
        ),
        -340
    );
    log("-3.-40");
    assert_eq!(code(&database.engine(1), "FROM other"), "TM0742");
}

#[test]
fn appended_rows_have_the_defaults_of_columns_that_they_lack() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Row {
        id: i64,
    }
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (id INT64, kind STRING NOT NULL DEFAULT 'new', key STRING DEFAULT CAST(UUID() AS STRING), n INT64)",
    );
    let behind = AppendMode::WriteBehind(FlushPolicy::default());
    for mode in [AppendMode::WriteThrough, behind] {
        let mut appender = engine.appender("t", mode).expect("an appender");
        appender
            .append_rows(&[Row { id: 1 }, Row { id: 2 }])
            .expect("rows");
        appender.append_rows::<Row>(&[]).expect("no rows");
        appender.commit().expect("a commit");
    }
    let all = "FROM t |> WHERE kind = 'new' AND n IS NULL |> AGGREGATE COUNT(DISTINCT key)";
    assert_eq!(number(&engine, all), 4);
    assert_eq!(number(&engine, "FROM t |> AGGREGATE SUM(id)"), 6);
}

#[test]
fn a_default_is_asked_of_everyone_who_writes_the_table() {
    let database = Database::new();
    run(
        &database.engine(1),
        "CREATE TABLE t (id INT64, n INT64 DEFAULT 5)",
    );
    let log = database
        .0
        .path()
        .join("t/_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(log).expect("a log");
    assert!(text.contains("allowColumnDefaults"), "{text}");
    // Another session knows it, and a column with a default may come to a table that has none.
    let engine = database.engine(1);
    run(&engine, "INSERT INTO t (id) VALUES (1)");
    run(
        &engine,
        "CREATE TABLE u AS SELECT DATETIME '2024-01-01 00:00:00' AS since",
    );
    run(&engine, "ALTER TABLE u ADD COLUMN n INT64 DEFAULT 5");
    let log = database
        .0
        .path()
        .join("u/_delta_log/00000000000000000001.json");
    let text = std::fs::read_to_string(log).expect("a log");
    assert!(
        text.contains("allowColumnDefaults") && text.contains("timestampNtz"),
        "{text}"
    );
    let sum = "SELECT (SELECT SUM(n) FROM t) + (SELECT SUM(n) FROM u)";
    assert_eq!(number(&engine, sum), 10);
}
