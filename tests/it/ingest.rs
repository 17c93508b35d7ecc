//! Tables whose INSERTs go into a buffer: seen at once, moved by rows, bytes and age, and never lost.

use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tidemill::{AppendMode, Engine, Explain, FlushPolicy};

use crate::memory::until;
use crate::tables::{Database, code, number, run};

const COUNT: &str = "FROM t |> AGGREGATE COUNT(*)";
const WAITING: &str = "FROM t |> WHERE _file_name = '(waiting)' |> AGGREGATE COUNT(*)";
const VERSIONS: &str = "FROM TABLE_HISTORY('t') |> AGGREGATE COUNT(*)";

fn segments(engine: &Engine) -> i64 {
    number(
        engine,
        "FROM t |> WHERE _file_name <> '(waiting)' |> AGGREGATE COUNT(DISTINCT _file_name)",
    )
}

#[test]
fn single_rows_make_few_segments_and_are_seen_at_once() {
    let database = Database::new();
    let engine = database.engine(2);
    let other = database.engine(1);
    run(
        &engine,
        "CREATE TABLE t (id INT64 NOT NULL, name STRING) OPTIONS (ingest = 'BUFFERED', flush_rows = 40)",
    );
    for id in 1..=100 {
        assert_eq!(
            run(&engine, &format!("INSERT INTO t VALUES ({id}, 'row {id}')")),
            1
        );
        if id % 10 == 0 {
            assert_eq!(number(&engine, COUNT), id);
            assert_eq!(number(&other, COUNT), id);
        }
    }
    assert!(segments(&engine) <= 100 / 40 + 1);
    assert_eq!(number(&engine, WAITING), 20);
    assert_eq!(number(&engine, VERSIONS), 3);
    // Rows that are many enough are a segment of their own.
    let many =
        "INSERT INTO t SELECT n AS id, NULL AS name FROM UNNEST(generate_series(1000, 1100)) AS n";
    assert_eq!(run(&engine, many), 101);
    assert_eq!(
        (number(&engine, COUNT), number(&engine, WAITING)),
        (201, 20)
    );
    // Rows of the table itself are to meet those who change them.
    run(
        &engine,
        "INSERT INTO t SELECT id + 5000 AS id, name FROM t WHERE id <= 3",
    );
    assert_eq!(
        (number(&engine, COUNT), number(&engine, WAITING)),
        (204, 20)
    );
    // What does not fit is refused before anything is seen.
    assert_eq!(
        code(&engine, "INSERT INTO t VALUES (1, 'a'), (NULL, 'b')"),
        "TM0510"
    );
    assert_eq!(number(&engine, COUNT), 204);
    // A change moves all of them first.
    assert_eq!(run(&engine, "DELETE FROM t WHERE id <= 100"), 100);
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (104, 0));
    run(&engine, "INSERT INTO t VALUES (7, 'seven')");
    assert_eq!(number(&engine, WAITING), 1);
    // Directly again: the options of a table are a version.
    run(&engine, "ALTER TABLE t SET OPTIONS (ingest = 'direct')");
    assert_eq!(number(&engine, WAITING), 0);
    run(&engine, "INSERT INTO t VALUES (8, 'eight')");
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (106, 0));
}

#[test]
fn branches_of_a_statement_wait_together_or_move_together() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (n INT64) OPTIONS (ingest = 'buffered', flush_rows = 50)",
    );
    let fork = |few: i64, many: i64| {
        format!(
            "FROM UNNEST(generate_series(1, {many})) AS n |> FORK (|> WHERE n <= {few} |> INSERT INTO t), (|> INSERT INTO t)"
        )
    };
    run(&engine, &fork(5, 20));
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (25, 25));
    assert_eq!(number(&engine, VERSIONS), 1);
    // One branch has too many: both are one version.
    run(&engine, &fork(5, 60));
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (90, 25));
    assert_eq!(number(&engine, VERSIONS), 2);
}

#[test]
fn rows_move_when_they_are_old_without_another_insert() {
    let database = Database::new();
    let engine = database.engine(1);
    run(
        &engine,
        "CREATE TABLE t (n INT64) OPTIONS (ingest = 'buffered', flush_age = INTERVAL 50 MILLISECOND)",
    );
    run(&engine, "INSERT INTO t VALUES (1)");
    run(&engine, "INSERT INTO t VALUES (2)");
    let other = database.engine(1);
    until("rows move by themselves", || number(&other, WAITING) == 0);
    assert_eq!((number(&other, COUNT), number(&engine, COUNT)), (2, 2));
    let ingest = database.0.path().join("t/_tidemill_ingest");
    let frames = || {
        let entries = std::fs::read_dir(&ingest).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .filter(|name| name.to_string_lossy().ends_with(".frames"))
            .count()
    };
    until("the file goes", || frames() == 0);
    // A writer that is gone leaves its rows to the next one, which also knows how old they are.
    run(
        &engine,
        "ALTER TABLE t SET OPTIONS (flush_age = INTERVAL 1 HOUR)",
    );
    run(&engine, "INSERT INTO t VALUES (3)");
    drop(engine);
    assert_eq!(number(&other, WAITING), 1);
    run(&other, "ALTER TABLE t SET OPTIONS (flush_rows = 3)");
    assert_eq!(number(&other, WAITING), 0);
    run(&other, "INSERT INTO t VALUES (4)");
    drop(other);
    let third = database.engine(1);
    run(&third, "INSERT INTO t VALUES (5)");
    assert_eq!(number(&third, WAITING), 2);
    run(&third, "INSERT INTO t VALUES (6)");
    assert_eq!(number(&third, WAITING), 3);
    run(&third, "INSERT INTO t VALUES (7)");
    assert_eq!((number(&third, COUNT), number(&third, WAITING)), (7, 1));
}

#[test]
fn threads_that_insert_lose_nothing_beside_changes() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (id INT64, v INT64) DISTRIBUTE BY HASH(id) INTO 4 SHARDS OPTIONS (ingest = 'buffered', flush_rows = 7)",
    );
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let engine = match writer {
                0 => database.engine(1),
                _ => engine.clone(),
            };
            scope.spawn(move || {
                for round in 0..25 {
                    run(
                        &engine,
                        &format!("INSERT INTO t VALUES ({}, 0)", writer * 1000 + round),
                    );
                }
            });
        }
        let changer = database.engine(1);
        scope.spawn(move || {
            for round in 0..6 {
                let update = format!("UPDATE t SET v = v + 1 WHERE id % 3 = {}", round % 3);
                let text = match round {
                    3 => "OPTIMIZE t",
                    5 => "VACUUM t RETAIN 0 HOURS",
                    _ => update.as_str(),
                };
                // Whoever came first wins; the others are told.
                match changer.execute(text, ()) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.code(), "TM0740", "{error}"),
                }
            }
        });
    });
    assert_eq!(number(&engine, COUNT), 75);
    assert_eq!(
        number(&engine, "FROM t |> AGGREGATE COUNT(DISTINCT id)"),
        75
    );
    run(&engine, "OPTIMIZE t; VERIFY t");
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (75, 0));
}

#[test]
fn options_that_are_none_are_refused_by_name() {
    let database = Database::new();
    let engine = database.engine(1);
    for options in [
        "ingest = 'later'",
        "flush_rows = 0",
        "flush_rows = 'many'",
        "flush_bytes = -1",
        "flush_age = 30",
        "flush_age = INTERVAL -1 SECOND",
        "flush_age = INTERVAL 1 MONTH",
        "ingest = 'direct', INGEST = 'direct'",
        "flush = 3",
    ] {
        let text = format!("CREATE TABLE t (n INT64) OPTIONS ({options})");
        assert_eq!(code(&engine, &text), "TM0703", "{text}");
    }
    assert_eq!(
        code(
            &engine,
            "CREATE TEMP TABLE t (n INT64) OPTIONS (ingest = 'buffered')"
        ),
        "TM0749"
    );
    let told = engine
        .execute("CREATE TABLE t (n INT64) OPTIONS (flush_row = 3)", ())
        .expect_err("a slip");
    assert!(told.to_string().contains("flush_rows"), "{told}");
    run(&engine, "CREATE TABLE t (n INT64)");
    assert_eq!(
        code(&engine, "ALTER TABLE t SET OPTIONS (shards = 3)"),
        "TM0703"
    );
    // What a check says of a buffered table it says without writing.
    run(&engine, "ALTER TABLE t SET OPTIONS (ingest = 'buffered')");
    let explained = engine.explain("INSERT INTO t VALUES (1)", Explain::Pipelines);
    assert!(explained.is_ok());
    assert_eq!(number(&engine, COUNT), 0);
}

#[test]
fn rows_that_wait_are_seen_beside_replicas_and_stop_no_promotion_unseen() {
    let database = Database::new();
    let engine = database.engine(1);
    let copies = tempfile::tempdir().expect("a folder");
    let copy = |name: &str| copies.path().join(name).display().to_string();
    run(
        &engine,
        "CREATE TABLE t (id INT64, name STRING) OPTIONS (ingest = 'buffered'); INSERT INTO t VALUES (1, 'a')",
    );
    run(
        &engine,
        &format!("ALTER TABLE t ADD REPLICA '{}'", copy("one")),
    );
    run(
        &engine,
        &format!(
            "ALTER TABLE t ADD REPLICA '{}' SORT BY name",
            copy("sorted")
        ),
    );
    run(&engine, "INSERT INTO t VALUES (2, 'b')");
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (2, 1));
    for query in [
        "FROM t |> WHERE name >= 'a' |> AGGREGATE COUNT(*)",
        "FROM t |> WHERE id > 0 |> AGGREGATE COUNT(name)",
    ] {
        assert_eq!(number(&database.engine(1), query), 2, "{query}");
    }
    // Rows that wait are in one directory alone: it is not left while more may come.
    let promote = format!("ALTER TABLE t PROMOTE REPLICA '{}'", copy("one"));
    assert_eq!(code(&engine, &promote), "TM0752");
    run(&engine, "ALTER TABLE t SET OPTIONS (ingest = 'direct')");
    let behind = AppendMode::WriteBehind(FlushPolicy::default());
    let mut appender = engine.appender("t", behind).expect("an appender");
    let append = |appender: &mut tidemill::Appender, id: i64| {
        let ids: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![id]));
        appender.append(&RecordBatch::try_from_iter([("id", ids)]).expect("a batch"))
    };
    append(&mut appender, 3).expect("a row");
    run(&engine, &promote);
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (3, 0));
    // Who does not know of it yet is told before anybody sees its rows.
    let error = append(&mut appender, 4).expect_err("another directory");
    assert_eq!(error.code(), "TM0755", "{error}");
    assert_eq!(number(&engine, COUNT), 3);
    run(
        &engine,
        "ALTER TABLE t SET OPTIONS (ingest = 'buffered'); INSERT INTO t VALUES (5, 'e')",
    );
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (4, 1));
    // A SYNC replica has every row that is seen, so that nothing waits.
    run(
        &engine,
        &format!("ALTER TABLE t ADD REPLICA '{}' SYNC", copy("sync")),
    );
    run(&engine, "INSERT INTO t VALUES (6, 'f')");
    assert_eq!((number(&engine, COUNT), number(&engine, WAITING)), (5, 0));
}
