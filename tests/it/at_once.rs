//! One table that is changed in every way by several engines at once, beside readers: nothing is lost, nothing is half there, and
//! whoever cannot go on is told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tidemill::{Engine, ParamMap};

use crate::tables::{Database, number, run};

const ROWS: usize = 40;

/// Runs a statement that may meet another; whether it stands.
fn stands(engine: &Engine, text: &str) -> bool {
    match engine.execute(text, ()) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.code(), "TM0740", "{text}\n{error}");
            false
        }
    }
}

/// Moves an amount from one row to another.
fn transfer(writer: usize, round: usize) -> String {
    let from = 1 + (writer * 11 + round * 7) % ROWS;
    let to = 1 + (from + 5 + round) % ROWS;
    match round % 2 {
        0 => format!(
            "UPDATE t SET v = v + CASE id WHEN {from} THEN -1 ELSE 1 END WHERE id IN ({from}, {to}) AND {from} <> {to}"
        ),
        _ => format!(
            "MERGE INTO t USING (SELECT {from} AS id, -1 AS d UNION ALL SELECT {to}, 1) AS s ON t.id = s.id AND {from} <> {to} WHEN MATCHED THEN UPDATE SET v = t.v + s.d"
        ),
    }
}

fn maintain(round: usize) -> String {
    match round % 5 {
        0 => "OPTIMIZE t".to_string(),
        1 => format!("ALTER TABLE t SHARDS {}", 2 + round % 7),
        2 => "VACUUM t RETAIN 1 HOURS".to_string(),
        3 => format!("ALTER TABLE t ADD COLUMN c{round} INT64"),
        _ => "DELETE FROM t WHERE id >= 1000 AND id % 3 = 0".to_string(),
    }
}

fn all_at_once(options: &str) {
    let rounds = crate::full_size(12, 150);
    let database = Database::new();
    let engine = database.engine(2);
    run(
        &engine,
        &format!(
            "CREATE TABLE t DISTRIBUTE BY HASH(id) INTO 4 SHARDS {options} AS SELECT n AS id, 100 AS v FROM UNNEST(generate_series(1, {ROWS})) AS n"
        ),
    );
    let (writing, inserted) = (AtomicBool::new(true), AtomicUsize::new(0));
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let mut writers = Vec::new();
        for writer in 0..2 {
            let (engine, done) = (database.engine(1), &done);
            writers.push(scope.spawn(move || {
                for round in 0..rounds {
                    done.fetch_add(
                        usize::from(stands(&engine, &transfer(writer, round))),
                        Ordering::Relaxed,
                    );
                }
            }));
        }
        let (inserter, inserted) = (database.engine(1), &inserted);
        writers.push(scope.spawn(move || {
            for round in 0..2 * rounds {
                // Not divisible by three: nobody deletes it. Columns come meanwhile, so they are named.
                let id = 1000 + 3 * round + 1;
                if stands(
                    &inserter,
                    &format!("INSERT INTO t (id, v) VALUES ({id}, 0)"),
                ) {
                    inserted.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
        let keeper = database.engine(1);
        writers.push(scope.spawn(move || {
            for round in 0..rounds {
                stands(&keeper, &maintain(round));
            }
        }));
        let (reader, writing) = (database.engine(1), &writing);
        scope.spawn(move || {
            let mut reads = 0;
            while writing.load(Ordering::Relaxed) || reads < 3 {
                reads += 1;
                let sum = "FROM t |> WHERE id < 1000 |> AGGREGATE CAST(SUM(v) AS INT64) * 1000 + COUNT(*)";
                assert_eq!(number(&reader, sum), 100 * ROWS as i64 * 1000 + ROWS as i64);
            }
        });
        for writer in writers {
            let ended = writer.join();
            if ended.is_err() {
                writing.store(false, Ordering::Relaxed);
            }
            ended.expect("a writer");
        }
        writing.store(false, Ordering::Relaxed);
    });
    assert!(done.load(Ordering::Relaxed) > 0);
    let kept = "FROM t |> WHERE id >= 1000 |> AGGREGATE COUNT(DISTINCT id) * 100000 + COUNT(*)";
    let inserted = inserted.load(Ordering::Relaxed) as i64;
    assert_eq!(number(&engine, kept), inserted * 100_000 + inserted);
    // Versions are dense, and each is what the ones before it say.
    let versions = "FROM TABLE_HISTORY('t') |> AGGREGATE MAX(version) + 1 - COUNT(*)";
    assert_eq!(number(&engine, versions), 0);
    let statement = engine
        .statements("OPTIMIZE t; VERIFY t")
        .expect("statements");
    for statement in statement {
        engine
            .run(&statement, &ParamMap::new())
            .expect("a whole table");
    }
}

#[test]
fn changes_of_every_kind_at_once_keep_every_row() {
    all_at_once("");
}

#[test]
fn the_same_with_a_buffer() {
    all_at_once("OPTIONS (ingest = 'buffered', flush_rows = 5)");
}
