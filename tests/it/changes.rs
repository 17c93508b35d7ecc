//! UPDATE, MERGE and INSERT OVERWRITE: what is written again and what is not, who meets whom, and that rows are those of a model.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tidemill::Engine;

use crate::tables::{Database, code, number, run};

/// The segments of the table's newest version, by the file that a row is in.
fn files(engine: &Engine, table: &str) -> Vec<String> {
    let text = format!("FROM {table} |> SELECT _file_name |> DISTINCT |> ORDER BY _file_name");
    let rows = engine.query(&text, ()).expect("rows");
    let files = rows.typed::<(String,)>().map(|row| row.expect("a row").0);
    files.collect()
}

fn rows(engine: &Engine, text: &str) -> Vec<(i64, i64)> {
    let rows = engine.query(text, ()).expect(text);
    rows.typed::<(i64, i64)>()
        .map(|row| row.expect("a row"))
        .collect()
}

#[test]
fn only_segments_with_rows_that_change_are_written_again() {
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t (id INT64, v INT64) DISTRIBUTE BY HASH(id) INTO 8 SHARDS",
    );
    run(
        &engine,
        "INSERT INTO t SELECT n, n FROM UNNEST(generate_series(1, 1000)) AS n",
    );
    let before = files(&engine, "t");
    assert_eq!(before.len(), 8);
    let changed = |before: &[String]| {
        let after = files(&engine, "t");
        assert_eq!(after.len(), 8);
        let kept = after.iter().filter(|file| before.contains(file));
        8 - kept.count()
    };
    assert_eq!(run(&engine, "UPDATE t SET v = -1 WHERE id = 77"), 1);
    assert_eq!(changed(&before), 1);
    let before = files(&engine, "t");
    let merge = "MERGE INTO t USING (SELECT 77 AS id) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = v * 2";
    assert_eq!(run(&engine, merge), 1);
    assert_eq!(changed(&before), 1);
    assert_eq!(number(&engine, "FROM t |> WHERE v = -2 |> SELECT id"), 77);
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), 1000);
    // Nothing to do, no version.
    let versions = "FROM TABLE_HISTORY('t') |> AGGREGATE COUNT(*)";
    let made = number(&engine, versions);
    assert_eq!(run(&engine, "UPDATE t SET v = 0 WHERE id = 5000"), 0);
    let merge =
        "MERGE INTO t USING (SELECT 5000 AS id) AS s ON t.id = s.id WHEN MATCHED THEN DELETE";
    assert_eq!(run(&engine, merge), 0);
    assert_eq!(number(&engine, versions), made);
    let merge = "MERGE INTO t USING (SELECT 1 AS id UNION ALL SELECT 5000) AS s ON t.id = s.id \
                 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)";
    assert_eq!(run(&engine, merge), 2);
    let operation = "FROM TABLE_HISTORY('t') |> WHERE operation = 'MERGE' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, operation), 2);
}

#[test]
fn a_row_whose_key_changes_is_found_in_its_new_shard() {
    let database = Database::new();
    let engine = database.engine(2);
    let layout = "PARTITION BY p DISTRIBUTE BY HASH(id) INTO 16 SHARDS";
    run(
        &engine,
        &format!(
            "CREATE TABLE t {layout} AS SELECT n AS id, n % 3 AS p, n AS v FROM UNNEST(generate_series(1, 300)) AS n"
        ),
    );
    assert_eq!(
        run(
            &engine,
            "UPDATE t SET id = id + 10000, p = 7 WHERE v BETWEEN 10 AND 19"
        ),
        10
    );
    for v in 10..20 {
        let found = format!("FROM t |> WHERE id = {} AND p = 7 |> SELECT v", v + 10_000);
        assert_eq!(number(&engine, &found), v);
        let gone = format!("FROM t |> WHERE id = {v} |> AGGREGATE COUNT(*)");
        assert_eq!(number(&engine, &gone), 0);
    }
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), 300);
}

/// Runs `first` while `second` is between reading and committing; the code of its error, if it has one.
fn meanwhile(setup: &str, first: &str, second: &str) -> Option<String> {
    let database = Database::new();
    let other = database.engine(1);
    run(&other, setup);
    let engine = database.engine(1);
    let (done, text) = (AtomicBool::new(false), first.to_string());
    let act = move |value: i64| {
        if !done.swap(true, Ordering::SeqCst) {
            run(&other, &text);
        }
        value
    };
    engine.register_fn("meanwhile", act).expect("a function");
    let result = engine.execute(second, ());
    result.err().map(|error| error.code().to_string())
}

#[test]
fn statements_that_decided_by_what_another_changed_are_told() {
    let setup = "CREATE TABLE t PARTITION BY p AS SELECT n AS id, n AS v, n % 4 AS p FROM UNNEST(generate_series(0, 7)) AS n;
                 CREATE TABLE s AS SELECT 100 AS id, 1 AS v, 0 AS p";
    let upsert = |id: i64| {
        format!(
            "MERGE INTO t USING (SELECT {id} AS id, 0 AS p) AS u ON t.id = u.id \
             WHEN MATCHED THEN UPDATE SET v = 1 WHEN NOT MATCHED THEN INSERT (id, v, p) VALUES (u.id, 2, u.p)"
        )
    };
    let update = "UPDATE t SET v = meanwhile(v) + 1 WHERE p = 1";
    let told = Some("TM0740".to_string());
    // The same rows.
    assert_eq!(
        meanwhile(setup, "UPDATE t SET v = 9 WHERE id = 1", update),
        told
    );
    assert_eq!(meanwhile(setup, "DELETE FROM t WHERE id = 5", update), told);
    assert_eq!(
        meanwhile(
            setup,
            "INSERT OVERWRITE t PARTITION (p = 1) SELECT 1, 1",
            update
        ),
        told
    );
    // Rows of other partitions, and rows that only come.
    assert_eq!(
        meanwhile(setup, "UPDATE t SET v = 9 WHERE p = 2", update),
        None
    );
    assert_eq!(meanwhile(setup, "DELETE FROM t WHERE p = 2", update), None);
    assert_eq!(
        meanwhile(setup, "INSERT INTO t VALUES (50, 1, 1)", update),
        None
    );
    // A row comes to where this one looked, because of what the other saw.
    assert_eq!(
        meanwhile(setup, "UPDATE t SET p = 1 WHERE p = 2", update),
        told
    );
    assert_eq!(
        meanwhile(
            setup,
            "INSERT INTO t FROM t |> WHERE p = 2 |> SET p = 1",
            update
        ),
        told
    );
    // Both would add the same key.
    let slow = "MERGE INTO t USING (SELECT 100 AS id) AS u ON t.id = u.id \
                WHEN NOT MATCHED THEN INSERT (id) VALUES (meanwhile(u.id))";
    assert_eq!(meanwhile(setup, &upsert(100), slow), told);
    // A statement that reads the table that it fills.
    let own = "INSERT INTO t FROM t |> WHERE p = 3 |> SET id = meanwhile(id) + 1000";
    assert_eq!(
        meanwhile(setup, "UPDATE t SET v = 9 WHERE p = 3", own),
        told
    );
    assert_eq!(
        meanwhile(setup, "UPDATE t SET v = 9 WHERE p = 2", own),
        None
    );
    let plain = "INSERT INTO t SELECT meanwhile(id), v, p FROM s";
    assert_eq!(
        meanwhile(setup, "UPDATE t SET v = 9 WHERE TRUE", plain),
        None
    );
    let overwrite = "INSERT OVERWRITE t PARTITION (p = 2) SELECT meanwhile(id), v FROM s";
    assert_eq!(
        meanwhile(setup, "UPDATE t SET v = 9 WHERE p = 2", overwrite),
        told
    );
    assert_eq!(
        meanwhile(setup, "UPDATE t SET p = 2 WHERE p = 3", overwrite),
        told
    );
    assert_eq!(
        meanwhile(setup, "UPDATE t SET v = 9 WHERE p = 3", overwrite),
        None
    );
    assert_eq!(
        meanwhile(setup, "INSERT INTO t VALUES (50, 1, 2)", overwrite),
        None
    );
}

#[test]
fn a_table_that_takes_new_rows_only_takes_no_change() {
    let database = Database::new();
    let engine = database.engine(1);
    run(&engine, "CREATE TABLE t AS SELECT 1 AS x");
    let log = database
        .0
        .path()
        .join("t/_delta_log/00000000000000000001.json");
    let first = log.with_file_name("00000000000000000000.json");
    let text = std::fs::read_to_string(first).expect("a commit");
    let metadata = text
        .lines()
        .find(|line| line.contains("metaData"))
        .expect("metadata");
    let frozen = metadata.replace(
        "\"configuration\":{",
        "\"configuration\":{\"delta.appendOnly\":\"true\"",
    );
    assert_ne!(frozen, metadata);
    std::fs::write(log, frozen + "\n").expect("a commit");
    for text in [
        "UPDATE t SET x = 2 WHERE TRUE",
        "MERGE INTO t USING (SELECT 1 AS x) AS s ON t.x = s.x WHEN MATCHED THEN DELETE",
        "INSERT OVERWRITE t SELECT 5",
    ] {
        assert_eq!(code(&engine, text), "TM0745", "{text}");
    }
    let merge =
        "MERGE INTO t USING (SELECT 2 AS x) AS s ON t.x = s.x WHEN NOT MATCHED THEN INSERT *";
    assert_eq!(run(&engine, merge), 1);
}

/// What MERGE does, by hand.
fn merged(
    target: &[(i64, i64)],
    source: &BTreeMap<i64, i64>,
    clauses: (bool, Option<i64>, bool, Option<i64>),
) -> Vec<(i64, i64)> {
    let (update, delete_above, insert, by_source_below) = clauses;
    let mut rows = Vec::new();
    for (id, v) in target {
        match source.get(id) {
            Some(new) if delete_above.is_some_and(|limit| *new > limit) => {}
            Some(new) if update => rows.push((*id, v + new)),
            Some(_) => rows.push((*id, *v)),
            None if by_source_below.is_some_and(|limit| *v < limit) => {}
            None => rows.push((*id, *v)),
        }
    }
    if insert {
        let new = source
            .iter()
            .filter(|(id, _)| !target.iter().any(|(own, _)| own == *id));
        rows.extend(new.map(|(id, v)| (*id, *v)));
    }
    rows.sort_unstable();
    rows
}

fn values(rows: impl Iterator<Item = (i64, i64)>) -> String {
    let rows: Vec<String> = rows.map(|(id, v)| format!("({id}, {v})")).collect();
    format!(
        "FROM (VALUES (-1, -1){}{}) AS v (id, v) |> WHERE id >= 0",
        if rows.is_empty() { "" } else { ", " },
        rows.join(", ")
    )
}

#[test]
fn merge_does_what_a_model_does() {
    let database = Database::new();
    let engine = database.engine(2);
    let pair = (0..20_i64, 0..10_i64);
    let clauses = (
        any::<bool>(),
        prop::option::of(0..10_i64),
        any::<bool>(),
        prop::option::of(0..10_i64),
    );
    let shapes = (
        vec(pair, 0..25),
        prop::collection::btree_map(0..25_i64, 0..10_i64, 0..12),
        clauses,
        0..3_usize,
    );
    let layouts = ["", "PARTITION BY v", "DISTRIBUTE BY HASH(id) INTO 4 SHARDS"];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: 40,
            ..Config::default()
        },
        rng,
    );
    let result = runner.run(&shapes, |(target, source, clauses, layout)| {
        let (update, delete_above, insert, by_source_below) = clauses;
        let layout = layouts[layout];
        run(
            &engine,
            &format!(
                "CREATE OR REPLACE TABLE t {layout} AS {}",
                values(target.iter().copied())
            ),
        );
        let mut text = format!(
            "MERGE INTO t USING ({}) AS s ON t.id = s.id",
            values(source.iter().map(|(id, v)| (*id, *v)))
        );
        if let Some(limit) = delete_above {
            text += &format!(" WHEN MATCHED AND s.v > {limit} THEN DELETE");
        }
        if update {
            text += " WHEN MATCHED THEN UPDATE SET v = t.v + s.v";
        }
        if insert {
            text += " WHEN NOT MATCHED THEN INSERT *";
        }
        if let Some(limit) = by_source_below {
            text += &format!(" WHEN NOT MATCHED BY SOURCE AND t.v < {limit} THEN DELETE");
        }
        if !text.ends_with("t.id = s.id") {
            run(&engine, &text);
        }
        let wanted = merged(&target, &source, clauses);
        prop_assert_eq!(
            rows(&engine, "FROM t |> ORDER BY id, v"),
            wanted,
            "{}",
            text
        );
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Engines on one directory that change the same rows at the same time.
#[test]
fn of_changes_that_meet_every_acknowledged_one_counts_once() {
    let database = Database::new();
    let create = "CREATE TABLE t (id INT64, v INT64) DISTRIBUTE BY HASH(id) INTO 4 SHARDS; INSERT INTO t VALUES (1, 0), (2, 0)";
    run(&database.engine(1), create);
    let done: Vec<(i64, i64)> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let engine = database.engine(1);
                scope.spawn(move || {
                    let (mut updates, mut upserts) = (0, 0);
                    for round in 0..8 {
                        let update = format!("UPDATE t SET v = v + 1 WHERE id = {}", 1 + (writer + round) % 2);
                        let upsert = format!(
                            "MERGE INTO t USING (SELECT {} AS id) AS s ON t.id = s.id \
                             WHEN MATCHED THEN UPDATE SET v = t.v + 1 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1)",
                            100 + round % 3
                        );
                        for (text, count) in [(update, &mut updates), (upsert, &mut upserts)] {
                            match engine.execute(&text, ()) {
                                Ok(_) => *count += 1,
                                Err(error) => assert_eq!(error.code(), "TM0740", "{error}"),
                            }
                        }
                    }
                    (updates, upserts)
                })
            })
            .collect();
        let done = writers
            .into_iter()
            .map(|writer| writer.join().expect("a writer"));
        done.collect()
    });
    let engine = database.engine(2);
    let sum = |rows: &str| {
        number(
            &engine,
            &format!("FROM t |> WHERE {rows} |> AGGREGATE COALESCE(CAST(SUM(v) AS INT64), 0)"),
        )
    };
    assert_eq!(
        sum("id < 100"),
        done.iter().map(|(updates, _)| updates).sum::<i64>()
    );
    assert_eq!(
        sum("id >= 100"),
        done.iter().map(|(_, upserts)| upserts).sum::<i64>()
    );
    assert!(sum("TRUE") > 0);
    // No key is there twice.
    let twice =
        "FROM t |> AGGREGATE COUNT(*) AS n GROUP BY id |> WHERE n > 1 |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, twice), 0);
    let versions = "FROM TABLE_HISTORY('t') |> AGGREGATE COUNT(*)";
    let acknowledged: i64 = done
        .iter()
        .map(|(updates, upserts)| updates + upserts)
        .sum();
    assert_eq!(number(&engine, versions), acknowledged + 2);
}
