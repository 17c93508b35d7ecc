//! Copies that answer late or not at all while a query reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::super::Engine;
use crate::store::Store;
use crate::store::slow::{Reads, SlowDisk};
use crate::table::database::Database;
use crate::table::routes::HEALTH;

/// A table with replicas on a disk of which directories can be slow.
struct Slow {
    place: TempDir,
    disk: SlowDisk,
    engine: Engine,
}

const ROWS: i64 = 60_000;

/// An engine that knows nothing of copies yet.
fn engine(disk: &SlowDisk, place: &Path, threads: usize) -> Engine {
    let _ = std::fs::remove_file(place.join("db").join(HEALTH));
    let engine = Engine::builder().threads(threads).in_memory().unwrap();
    let store = Store::new(Arc::new(disk.clone()));
    engine
        .catalog()
        .keep_in(Database::open(store, &place.join("db")).unwrap());
    engine
}

impl Slow {
    fn new(replicas: usize, segments: usize) -> Self {
        let place = tempfile::tempdir().unwrap();
        let disk = SlowDisk::default();
        let engine = Engine::builder().threads(2).in_memory().unwrap();
        let store = Store::new(Arc::new(disk.clone()));
        let database = Database::open(store, &place.path().join("db")).unwrap();
        engine.catalog().keep_in(database);
        let slow = Slow {
            place,
            disk,
            engine,
        };
        let create = format!(
            "CREATE TABLE t DISTRIBUTE BY HASH(id) INTO {segments} SHARDS AS \
             SELECT n AS id, n % 97 AS k, CONCAT('name ', CAST(n * 7 AS STRING)) AS name \
             FROM UNNEST(generate_series(1, {ROWS})) AS n"
        );
        slow.engine.execute(&create, ()).unwrap();
        for number in 0..replicas {
            let add = format!(
                "ALTER TABLE t ADD REPLICA '{}'",
                slow.replica(number).display()
            );
            slow.engine.execute(&add, ()).unwrap();
        }
        slow
    }

    fn own(&self) -> PathBuf {
        self.place.path().join("db/t")
    }

    fn replica(&self, number: usize) -> PathBuf {
        self.place.path().join(number.to_string())
    }

    fn number(&self, text: &str) -> i64 {
        let rows = self.engine.query(text, ());
        let row = rows.and_then(|rows| rows.one::<(i64,)>());
        row.unwrap_or_else(|error| panic!("{text}\n{error}")).0
    }

    fn set(&self, routing: &str) {
        let set = format!("SET @@routing = '{routing}'");
        self.engine.execute(&set, ()).unwrap();
    }

    /// Waits until nothing is held any more.
    fn calm(&self) {
        while self.disk.held() > 0 {
            std::thread::yield_now();
        }
    }
}

const SUM: &str = "FROM t |> AGGREGATE CAST(SUM(id) AS INT64) + COUNT(DISTINCT name)";
const EXPECTED: i64 = ROWS * (ROWS + 1) / 2 + ROWS;

#[test]
fn a_copy_that_hangs_is_overtaken_and_no_row_comes_twice() {
    for routing in ["in_order", "round_robin", "least_loaded", "consistent_hash"] {
        let slow = Slow::new(1, 3);
        slow.set(routing);
        for hung in [slow.own(), slow.replica(0)] {
            slow.disk.set(&hung, Some(Reads::Held));
            assert_eq!(slow.number(SUM), EXPECTED, "{routing}");
            slow.disk.set(&hung, None);
            slow.calm();
        }
        let metrics = slow.engine.metrics();
        assert!(metrics.replica_reads_won > 0, "{routing} {metrics:?}");
        assert!(metrics.replica_reads_asked_twice >= metrics.replica_reads_won);
        // What was overtaken is no longer counted as being read.
        let reading = "SHOW REPLICAS t |> AGGREGATE SUM(units_in_flight)";
        assert_eq!(slow.number(reading), 0);
        let route = slow.engine.query("EXPLAIN ROUTE FROM t", ()).unwrap();
        let route = format!("{:?}", route.collect_batches().unwrap());
        assert!(route.contains("a second replica is asked after"), "{route}");
    }
}

#[test]
fn no_more_than_five_of_a_hundred_reads_are_asked_twice() {
    let slow = Slow::new(2, 3);
    slow.set("round_robin");
    // Every copy is late now and then, so that each read might be asked twice.
    for directory in [slow.own(), slow.replica(0), slow.replica(1)] {
        slow.disk
            .set(&directory, Some(Reads::Late(Duration::from_millis(4))));
    }
    for _ in 0..10 {
        assert_eq!(slow.number(SUM), EXPECTED);
    }
    let metrics = slow.engine.metrics();
    let most = 5 + metrics.replica_reads / 20;
    assert!(metrics.replica_reads_asked_twice <= most, "{metrics:?}");
}

#[test]
fn a_copy_that_never_answers_is_left_alone() {
    let slow = Slow::new(2, 8);
    slow.set("round_robin");
    slow.disk.set(&slow.replica(0), Some(Reads::Held));
    for _ in 0..6 {
        assert_eq!(slow.number(SUM), EXPECTED);
    }
    let held = slow.disk.held();
    assert!(held <= 5, "{held} reads wait for a copy that hangs");
    slow.disk.set(&slow.replica(0), None);
    slow.calm();
}

#[test]
fn a_copy_that_fails_while_the_other_hangs_is_no_loss() {
    let slow = Slow::new(2, 3);
    slow.set("in_order");
    slow.disk.set(&slow.own(), Some(Reads::Held));
    slow.disk.set(&slow.replica(0), Some(Reads::Fail));
    // The second copy fails: the first is waited for, and it comes.
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| slow.number(SUM));
        while slow.disk.held() == 0 {
            std::thread::yield_now();
        }
        while slow.engine.metrics().replica_reads_asked_twice == 0 {
            std::thread::yield_now();
        }
        slow.disk.set(&slow.own(), None);
        assert_eq!(answer.join().unwrap(), EXPECTED);
    });
}

/// Queries of which some may read the projection.
const QUERIES: [&str; 4] = [
    SUM,
    "FROM t |> WHERE k = 13 |> AGGREGATE CAST(SUM(id) AS INT64)",
    "FROM t |> WHERE k BETWEEN 5 AND 6 |> AGGREGATE COUNT(DISTINCT name)",
    "FROM t FOR VERSION AS OF 0 |> WHERE id < 700 |> AGGREGATE COUNT(*)",
];

/// What a case does to a copy: nothing, or what its reads meet, or its segments are gone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meets {
    Nothing,
    Held,
    Late,
    Fail,
    Gone,
}

/// Under every routing, with any of the copies failing, late, hanging or gone, whichever of them takes the commits, with second
/// questions and without, with a projection beside them: the same rows where a copy answers, else one typed error.
#[test]
fn whatever_copies_meet_the_rows_are_the_same_or_there_is_one_typed_error() {
    let slow = Slow::new(2, 3);
    let sorted = slow.place.path().join("sorted");
    let add = format!("ALTER TABLE t ADD REPLICA '{}' SORT BY k", sorted.display());
    slow.engine.execute(&add, ()).unwrap();
    let expected = QUERIES.map(|query| slow.number(query));
    let copies = [slow.own(), slow.replica(0), slow.replica(1)];
    let meets = prop::sample::select(vec![
        Meets::Nothing,
        Meets::Held,
        Meets::Late,
        Meets::Fail,
        Meets::Gone,
    ]);
    let case = (
        prop::collection::vec(meets, 3),
        0..crate::route::POLICIES.len(),
        (any::<bool>(), any::<bool>()),
        prop::option::weighted(0.2, 0..3_usize),
        1..3_usize,
    );
    let config = ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(
        &case,
        |(meets, policy, (hedged, has_sorted), promoted, threads)| {
            let answers = |meet: &Meets| matches!(meet, Meets::Nothing | Meets::Late);
            // Where nobody else is asked, who hangs is waited for: that is said of `hedged_reads`, and not what is tried here.
            let hangs = meets.contains(&Meets::Held) && (!hedged || !meets.iter().any(answers));
            prop_assume!(!hangs);
            let engine = engine(&slow.disk, slow.place.path(), threads);
            if let Some(place) = promoted {
                let promote = format!(
                    "ALTER TABLE t PROMOTE REPLICA '{}'",
                    copies[place].display()
                );
                // It may be that one already.
                let _ = engine.execute(&promote, ());
            }
            let set = format!(
                "SET @@routing = '{}'; SET @@hedged_reads = '{}'",
                crate::route::POLICIES[policy].0,
                if hedged { "on" } else { "off" }
            );
            engine.execute(&set, ()).unwrap();
            let away = slow.place.path().join("away");
            std::fs::create_dir(&away).unwrap();
            let mut moved = Vec::new();
            if !has_sorted {
                moved.push((sorted.clone(), away.join("sorted")));
            }
            for (place, (meet, copy)) in meets.iter().zip(&copies).enumerate() {
                let reads = match meet {
                    Meets::Held => Some(Reads::Held),
                    Meets::Late => Some(Reads::Late(Duration::from_millis(4))),
                    Meets::Fail => Some(Reads::Fail),
                    Meets::Nothing | Meets::Gone => None,
                };
                slow.disk.set(copy, reads);
                let entries = std::fs::read_dir(copy)
                    .unwrap()
                    .map(|entry| entry.unwrap().path());
                let gone = entries.filter(|path| {
                    *meet == Meets::Gone && path.extension().is_some_and(|e| e == "parquet")
                });
                moved.extend(gone.map(|path| {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    (path, away.join(format!("{place}-{name}")))
                }));
            }
            for (from, to) in &moved {
                std::fs::rename(from, to).unwrap();
            }
            let found = QUERIES.map(|query| {
                let rows = engine.query(query, ());
                rows.and_then(|rows| rows.one::<(i64,)>()).map(|row| row.0)
            });
            for copy in &copies {
                slow.disk.set(copy, None);
            }
            slow.calm();
            for (from, to) in &moved {
                std::fs::rename(to, from).unwrap();
            }
            std::fs::remove_dir(&away).unwrap();
            for (found, expected) in found.into_iter().zip(expected) {
                match found {
                    Ok(found) => prop_assert_eq!(found, expected),
                    Err(error) => {
                        prop_assert!(!meets.iter().any(answers), "{}", error);
                        prop_assert_eq!(error.code(), "TM0505", "{}", error);
                    }
                }
            }
            Ok(())
        },
    );
    outcome.unwrap();
}
