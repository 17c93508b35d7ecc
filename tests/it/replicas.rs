//! Copies of durable tables: kept, chosen, failing while they are read, lost and mended.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidemill::{Engine, Outcome, ParamMap};

use crate::tables::{Database, code, number, run};

const POLICIES: [&str; 7] = [
    "least_loaded",
    "round_robin",
    "weighted",
    "least_connections",
    "consistent_hash",
    "in_order",
    "primary",
];

const ROWS: i64 = 60_000;

fn text(engine: &Engine, query: &str) -> String {
    let rows = engine
        .query(query, ())
        .and_then(|rows| rows.collect_batches());
    let rows = rows.unwrap_or_else(|error| panic!("{query}\n{error}"));
    tidemill::arrow::util::pretty::pretty_format_batches(&rows)
        .unwrap()
        .to_string()
}

/// A table of a few segments with replicas beside it.
struct Copied {
    database: Database,
    replicas: tempfile::TempDir,
}

impl Copied {
    fn new(modes: &[&str]) -> Self {
        let copied = Copied {
            database: Database::new(),
            replicas: tempfile::tempdir().unwrap(),
        };
        let engine = copied.engine();
        run(
            &engine,
            &format!(
                "CREATE TABLE t DISTRIBUTE BY HASH(id) INTO 3 SHARDS AS \
                 SELECT n AS id, n % 97 AS k, CONCAT('name ', CAST(n * 7 AS STRING)) AS name, n * 1.5 AS price \
                 FROM UNNEST(generate_series(1, {ROWS})) AS n"
            ),
        );
        for (number, mode) in modes.iter().enumerate() {
            let path = copied.replica(number);
            let add = format!("ALTER TABLE t ADD REPLICA '{}' {mode}", path.display());
            assert_eq!(run(&engine, &add), 3);
        }
        copied
    }

    fn engine(&self) -> Engine {
        self.database.engine(2)
    }

    fn replica(&self, number: usize) -> PathBuf {
        self.replicas.path().join(number.to_string())
    }

    /// The directories with copies, the table's own first.
    fn copies(&self, replicas: usize) -> Vec<PathBuf> {
        let own = self.database.0.path().join("t");
        let replicas = (0..replicas).map(|number| self.replica(number));
        std::iter::once(own).chain(replicas).collect()
    }
}

/// The segments in a directory, by name.
fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    found.sort();
    found
}

const ALL: &str = "FROM t |> AGGREGATE COUNT(*) AS n, SUM(id) AS ids, COUNT(DISTINCT id) AS d, SUM(price) AS p, MAX(name) AS m";
const SOME: &str = "FROM t |> WHERE k = 13 AND price > 600 |> SELECT id, name |> ORDER BY id";

#[test]
fn a_replica_has_every_segment_and_the_log() {
    let copied = Copied::new(&["SYNC", "ASYNC"]);
    let engine = copied.engine();
    run(&engine, "INSERT INTO t VALUES (1000001, 1, 'x', 1.0)");
    for replica in [copied.replica(0), copied.replica(1)] {
        assert_eq!(segments(&replica).len(), 4);
        // The replica is a table that can be read by itself.
        let alone = tempfile::tempdir().unwrap();
        let home = alone.path().join("t");
        assert!(
            std::process::Command::new("cp")
                .arg("-r")
                .arg(&replica)
                .arg(&home)
                .status()
                .unwrap()
                .success()
        );
        let other = Engine::builder().threads(1).open(alone.path()).unwrap();
        assert_eq!(number(&other, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 1);
    }
    let shown = "SHOW REPLICAS t |> SELECT mode, weight, available, versions_behind, segments, missing_segments, breaker";
    assert_eq!(
        text(&engine, shown),
        "\
+---------+--------+-----------+-----------------+----------+------------------+---------+
| mode    | weight | available | versions_behind | segments | missing_segments | breaker |
+---------+--------+-----------+-----------------+----------+------------------+---------+
| primary | 1      | true      | 0               | 4        | 0                | closed  |
| sync    | 1      | true      | 0               | 4        | 0                | closed  |
| async   | 1      | true      | 0               | 4        | 0                | closed  |
+---------+--------+-----------+-----------------+----------+------------------+---------+"
    );
    run(
        &engine,
        "DELETE FROM t WHERE id = 1000001; OPTIMIZE t; RESTORE t TO VERSION AS OF 0",
    );
    assert_eq!(number(&engine, "SHOW REPLICAS t |> AGGREGATE COUNT(*)"), 3);
    assert_eq!(
        number(&engine, "SHOW REPLICAS t |> AGGREGATE MAX(versions_behind)"),
        0
    );
    let first = copied.replica(0);
    run(
        &engine,
        &format!("ALTER TABLE t DROP REPLICA '{}'", first.display()),
    );
    assert_eq!(number(&engine, "SHOW REPLICAS t |> AGGREGATE COUNT(*)"), 2);
    assert!(first.exists());
    run(&engine, "CREATE OR REPLACE TABLE t AS SELECT 1 AS x");
    assert_eq!(
        number(&engine, "SHOW REPLICAS t |> AGGREGATE SUM(segments)"),
        2
    );
}

#[test]
fn what_cannot_be_a_replica_is_refused() {
    let copied = Copied::new(&["SYNC"]);
    let engine = copied.engine();
    let add = |path: &Path| format!("ALTER TABLE t ADD REPLICA '{}'", path.display());
    assert_eq!(code(&engine, &add(&copied.replica(0))), "TM0752");
    let full = copied.replica(7);
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("notes"), "mine").unwrap();
    assert_eq!(code(&engine, &add(&full)), "TM0752");
    let inside = copied.database.0.path().join("t/copy");
    assert_eq!(code(&engine, &add(&inside)), "TM0752");
    // The same place by other names, or where a table would be.
    let (link, parent) = (copied.replica(8), copied.replica(9));
    std::os::unix::fs::symlink(copied.replica(0), &link).unwrap();
    std::os::unix::fs::symlink(copied.replicas.path(), &parent).unwrap();
    let own = copied.replicas.path().join("own");
    std::os::unix::fs::symlink(copied.database.0.path().join("t"), &own).unwrap();
    let round = copied.replicas.path().join("round");
    std::os::unix::fs::symlink(&round, &round).unwrap();
    for path in [
        link,
        parent.join("0"),
        own.clone(),
        own.join("in"),
        copied.database.0.path().join("beside"),
        copied.replicas.path().join("nothing/../0"),
    ] {
        assert_eq!(code(&engine, &add(&path)), "TM0752", "{}", path.display());
    }
    assert_eq!(code(&engine, &add(&round)), "TM0701");
    run(&engine, "CREATE TABLE u AS SELECT 1 AS x");
    let other = format!(
        "ALTER TABLE u ADD REPLICA '{}'",
        copied.replica(0).display()
    );
    assert_eq!(code(&engine, &other), "TM0752");
    let heavy = format!(
        "ALTER TABLE u ADD REPLICA '{}' WEIGHT 0",
        copied.replica(3).display()
    );
    assert_eq!(code(&engine, &heavy), "TM0752");
    let gone = format!(
        "ALTER TABLE u DROP REPLICA '{}'",
        copied.replica(0).display()
    );
    assert_eq!(code(&engine, &gone), "TM0752");
    assert_eq!(
        code(&engine, "ALTER TABLE u ADD REPLICA 's3://bucket/u'"),
        "TM0900"
    );
}

#[test]
fn a_commit_waits_for_sync_replicas_and_not_for_others() {
    let copied = Copied::new(&["SYNC", "ASYNC"]);
    let engine = copied.engine();
    let (sync, other) = (copied.replica(0), copied.replica(1));
    let away = copied.replicas.path().join("away");
    std::fs::rename(&other, &away).unwrap();
    let insert = "INSERT INTO t VALUES (-1, 1, 'x', 1.0)";
    let statement = engine.statements(insert).unwrap().remove(0);
    let outcome = engine.run(&statement, &ParamMap::new()).unwrap();
    let Outcome::Done(summary) = outcome else {
        panic!("no summary")
    };
    assert_eq!(summary.rows, 1);
    assert!(!other.exists(), "a disk that is away is not filled");
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 1);
    std::fs::rename(&away, &other).unwrap();
    assert_eq!(
        number(&engine, "SHOW REPLICAS t |> AGGREGATE MAX(versions_behind)"),
        1
    );
    // The next commit brings it up to date.
    run(&engine, "INSERT INTO t VALUES (-2, 1, 'x', 1.0)");
    assert_eq!(
        number(
            &engine,
            "SHOW REPLICAS t |> AGGREGATE MAX(versions_behind) + MAX(missing_segments)"
        ),
        0
    );

    std::fs::rename(&sync, &away).unwrap();
    let files = segments(&copied.copies(0)[0]).len();
    assert_eq!(code(&engine, insert), "TM0751");
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 2);
    assert_eq!(
        segments(&copied.copies(0)[0]).len(),
        files,
        "what was written is taken back"
    );
    std::fs::rename(&away, &sync).unwrap();
    run(&engine, insert);
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 3);
    // A replica that is lost for good holds nobody up.
    std::fs::rename(&sync, &away).unwrap();
    assert_eq!(code(&engine, insert), "TM0751");
    let drop = format!("ALTER TABLE t DROP REPLICA '{}'", sync.display());
    run(&engine, &drop);
    run(&engine, insert);
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 4);
}

/// What happens to a copy of a segment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Missing,
    Short,
    Empty,
    Footer,
    /// A byte of the data.
    Flipped(usize),
    /// A directory in its place.
    Directory,
}

const FAULTS: [Fault; 8] = [
    Fault::Missing,
    Fault::Short,
    Fault::Empty,
    Fault::Footer,
    Fault::Flipped(10),
    Fault::Flipped(45),
    Fault::Flipped(80),
    Fault::Directory,
];

fn hurt(path: &Path, fault: Fault) {
    let mut bytes = std::fs::read(path).unwrap();
    let length = bytes.len();
    match fault {
        Fault::Missing => return std::fs::remove_file(path).unwrap(),
        Fault::Directory => {
            std::fs::remove_file(path).unwrap();
            return std::fs::create_dir(path).unwrap();
        }
        Fault::Short => bytes.truncate(length / 2),
        Fault::Empty => bytes.clear(),
        Fault::Footer => bytes[length - 12] ^= 0x55,
        Fault::Flipped(percent) => bytes[length * percent / 100] ^= 4,
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn any_fault_of_some_copies_leaves_the_rows_as_they_are() {
    let copied = Copied::new(&["SYNC", "ASYNC"]);
    let (all, some) = (text(&copied.engine(), ALL), text(&copied.engine(), SOME));
    let copies = copied.copies(2);
    let names: Vec<_> = segments(&copies[0])
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    let mut cases = 0;
    for (round, fault) in FAULTS.into_iter().enumerate() {
        for (step, policy) in POLICIES.into_iter().enumerate() {
            // Each segment keeps one whole copy, another one for each.
            let engine = copied.engine();
            run(&engine, &format!("SET @@routing = '{policy}'"));
            for (number, name) in names.iter().enumerate() {
                let whole = (number + round + step) % copies.len();
                for (place, copy) in copies.iter().enumerate() {
                    if place != whole {
                        hurt(&copy.join(name), fault);
                    }
                }
            }
            for (query, expected) in [(ALL, &all), (SOME, &some)] {
                assert_eq!(&text(&engine, query), expected, "{fault:?} {policy}");
                cases += 1;
            }
            assert_eq!(
                run(&engine, "ALTER TABLE t REPAIR"),
                6,
                "{fault:?} {policy}"
            );
            assert_eq!(run(&engine, "ALTER TABLE t REPAIR"), 0);
            assert_eq!(run(&engine, "VERIFY t"), ROWS as u64);
            assert_eq!(
                number(
                    &engine,
                    "SHOW REPLICAS t |> WHERE breaker <> 'closed' |> AGGREGATE COUNT(*)"
                ),
                0
            );
        }
    }
    assert_eq!(cases, FAULTS.len() * POLICIES.len() * 2);
}

/// A table with two replicas, what it answers, and its segments as they were written.
struct Known {
    copied: Copied,
    all: String,
    some: String,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Known {
    fn new() -> Self {
        let copied = Copied::new(&["SYNC", "ASYNC"]);
        let engine = copied.engine();
        let files = copied.copies(2).into_iter();
        let files = files.flat_map(|copy| segments(&copy));
        Known {
            all: text(&engine, ALL),
            some: text(&engine, SOME),
            files: files
                .map(|path| (path.clone(), std::fs::read(path).unwrap()))
                .collect(),
            copied,
        }
    }

    /// Everything is whole, and nobody remembers that it was not.
    fn mend(&self) {
        for (path, bytes) in &self.files {
            let _ = std::fs::remove_dir(path);
            std::fs::write(path, bytes).unwrap();
        }
        let health = self.copied.database.0.path().join(".tidemill-health.json");
        let _ = std::fs::remove_file(health);
    }
}

/// No copy of the segment can even be opened.
fn is_gone(faults: &[Option<usize>], segment: usize) -> bool {
    (0..3).all(|copy| {
        let fault = faults[copy * 3 + segment].map(|fault| FAULTS[fault]);
        fault.is_some_and(|fault| !matches!(fault, Fault::Flipped(_)))
    })
}

/// Whatever happens to whichever copies, under every policy: the same rows where each segment has a whole copy, else one typed
/// error, of a segment that has none.
#[test]
fn the_rows_are_the_same_or_there_is_one_typed_error() {
    let known = Known::new();
    let fault = prop::option::weighted(0.55, 0..FAULTS.len());
    let cases = (
        0..POLICIES.len(),
        prop::collection::vec(fault, 9),
        1..3_usize,
    );
    let config = ProptestConfig {
        cases: 64,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&cases, |(policy, faults, threads)| {
        known.mend();
        for ((path, _), fault) in known.files.iter().zip(&faults) {
            if let Some(fault) = fault {
                hurt(path, FAULTS[*fault]);
            }
        }
        let engine = known.copied.database.engine(threads);
        run(&engine, &format!("SET @@routing = '{}'", POLICIES[policy]));
        let lost = (0..3).filter(|segment| (0..3).all(|copy| faults[copy * 3 + segment].is_some()));
        let lost: Vec<usize> = lost.collect();
        for (query, expected) in [(ALL, &known.all), (SOME, &known.some)] {
            let rows = engine
                .query(query, ())
                .and_then(|rows| rows.collect_batches());
            let error = match rows {
                Ok(_) => {
                    // A flipped byte may be of no use to a query.
                    prop_assert!(!lost.iter().any(|segment| is_gone(&faults, *segment)));
                    prop_assert_eq!(&text(&engine, query), expected);
                    continue;
                }
                Err(error) => error,
            };
            prop_assert!(!lost.is_empty(), "{}", error);
            prop_assert_eq!((error.code(), error.exit_code()), ("TM0505", 5));
            let mut named = lost.iter().map(|segment| {
                let name = known.files[*segment]
                    .0
                    .file_name()
                    .unwrap()
                    .to_string_lossy();
                error.message().contains(name.as_ref())
            });
            prop_assert!(named.any(|named| named), "{}", error);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn without_a_whole_copy_there_is_one_typed_error() {
    for (round, policy) in POLICIES.into_iter().enumerate() {
        let copied = Copied::new(&["ASYNC", "SYNC"]);
        let engine = copied.engine();
        run(&engine, &format!("SET @@routing = '{policy}'"));
        let copies = copied.copies(2);
        let name = segments(&copies[0])[round % 3]
            .file_name()
            .unwrap()
            .to_owned();
        for (place, copy) in copies.iter().enumerate() {
            hurt(&copy.join(&name), FAULTS[(round + place) % FAULTS.len()]);
        }
        let rows = engine
            .query(ALL, ())
            .and_then(|rows| rows.collect_batches());
        let error = rows.expect_err(policy);
        assert_eq!(error.code(), "TM0505", "{error}");
        assert_eq!(error.exit_code(), 5);
        assert!(error.message().contains(name.to_str().unwrap()), "{error}");
        assert_eq!(code(&engine, "ALTER TABLE t REPAIR"), "TM0748");
    }
}

#[test]
fn a_replica_that_lags_is_incomplete_and_never_wrong() {
    let copied = Copied::new(&["ASYNC"]);
    let engine = copied.engine();
    run(&engine, "SET @@routing = 'round_robin'");
    let (replica, away) = (copied.replica(0), copied.replicas.path().join("away"));
    std::fs::rename(&replica, &away).unwrap();
    run(&engine, "UPDATE t SET price = 0 WHERE id % 2 = 0");
    std::fs::rename(&away, &replica).unwrap();
    for _ in 0..4 {
        assert_eq!(
            number(&engine, "FROM t |> WHERE price = 0 |> AGGREGATE COUNT(*)"),
            ROWS / 2
        );
        assert_eq!(
            number(
                &engine,
                "FROM t FOR VERSION AS OF 0 |> WHERE price > 0 |> AGGREGATE COUNT(DISTINCT k)"
            ),
            97
        );
    }
    // Nobody is to blame.
    assert_eq!(
        number(&engine, "SHOW REPLICAS t |> AGGREGATE SUM(failures)"),
        0
    );
    let served = "SHOW REPLICAS t |> WHERE mode = 'async' |> SELECT units_served";
    assert!(
        number(&engine, served) > 0,
        "the older version has its segments there"
    );
    assert_eq!(run(&engine, "ALTER TABLE t REPAIR"), 3);
    assert_eq!(
        number(&engine, "SHOW REPLICAS t |> AGGREGATE MAX(versions_behind)"),
        0
    );
}

#[test]
fn a_lost_directory_of_the_table_is_mended_from_a_replica() {
    let copied = Copied::new(&["SYNC"]);
    let all = text(&copied.engine(), ALL);
    for segment in segments(&copied.copies(0)[0]) {
        std::fs::remove_file(segment).unwrap();
    }
    let engine = copied.engine();
    assert_eq!(text(&engine, ALL), all);
    assert_eq!(code(&engine, "VERIFY t"), "TM0748");
    assert_eq!(run(&engine, "ALTER TABLE t REPAIR"), 3);
    assert_eq!(run(&engine, "VERIFY t"), ROWS as u64);
}

#[test]
fn the_next_engine_leaves_a_bad_replica_alone() {
    let copied = Copied::new(&["ASYNC"]);
    let engine = copied.engine();
    run(&engine, "SET @@routing = 'round_robin'");
    for segment in segments(&copied.replica(0)) {
        hurt(&segment, Fault::Empty);
    }
    let all = text(&engine, ALL);
    for _ in 0..3 {
        assert_eq!(text(&engine, ALL), all);
    }
    let open = "SHOW REPLICAS t |> WHERE breaker = 'open' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&engine, open), 1);
    let next = copied.engine();
    assert_eq!(number(&next, open), 1);
    assert_eq!(text(&next, ALL), all);
    let failed = "SHOW REPLICAS t |> AGGREGATE SUM(failures)";
    assert_eq!(number(&next, failed), 0, "nothing was asked of it");
    let route = text(&next, "EXPLAIN ROUTE FROM t");
    assert!(route.contains("3 of 3 from primary"), "{route}");
    assert!(route.contains("left alone for"), "{route}");
    // A state that cannot be read is as none.
    std::fs::write(
        copied.database.0.path().join(".tidemill-health.json"),
        "{\"breakers\": {",
    )
    .unwrap();
    let third = copied.engine();
    assert_eq!(number(&third, open), 0);
    assert_eq!(text(&third, ALL), all);
}

#[test]
fn reads_are_spread_as_the_policy_says() {
    let copied = Copied::new(&["SYNC WEIGHT 2", "SYNC"]);
    let served = |engine: &Engine| -> Vec<i64> {
        let rows = engine.query("SHOW REPLICAS t |> SELECT units_served", ());
        let rows = rows.unwrap().collect_batches().unwrap();
        let column = rows[0].column(0);
        let column: &tidemill::arrow::array::Int64Array = column.as_any().downcast_ref().unwrap();
        column.values().to_vec()
    };
    for (policy, share) in [
        ("round_robin", Some([8, 8, 8])),
        ("weighted", Some([6, 12, 6])),
        ("primary", Some([24, 0, 0])),
        ("in_order", Some([24, 0, 0])),
        ("least_loaded", None),
        ("least_connections", None),
        ("consistent_hash", None),
    ] {
        let engine = copied.database.engine(1);
        // A second question would move a unit to another copy.
        run(
            &engine,
            &format!("SET @@routing = '{policy}'; SET @@hedged_reads = 'off'"),
        );
        for _ in 0..8 {
            number(&engine, "FROM t |> AGGREGATE COUNT(DISTINCT name)");
        }
        let served = served(&engine);
        assert_eq!(served.iter().sum::<i64>(), 24, "{policy} {served:?}");
        if let Some(share) = share {
            assert_eq!(served, share, "{policy}");
        }
        if policy == "consistent_hash" {
            assert!(served.iter().all(|units| units % 8 == 0), "{served:?}");
        }
    }
    assert_eq!(
        code(&copied.engine(), "SET @@routing = 'fastest'"),
        "TM0603"
    );
    let route = text(
        &copied.engine(),
        "EXPLAIN ROUTE FORMAT JSON FROM t |> WHERE id = 5",
    );
    assert!(
        route.contains("\"replica\"") && route.contains("another is due"),
        "{route}"
    );
    let nothing = text(&copied.engine(), "EXPLAIN ROUTE SELECT 1 AS x");
    assert!(!nothing.contains("scan"), "{nothing}");
}

#[test]
fn a_promoted_replica_takes_the_commits_and_the_old_directory_none() {
    let copied = Copied::new(&["SYNC", "ASYNC"]);
    let (engine, stale) = (copied.engine(), copied.engine());
    assert_eq!(number(&stale, "FROM t |> AGGREGATE COUNT(*)"), ROWS);
    let all = text(&engine, ALL);
    let first = copied.replica(0);
    let promote = format!("ALTER TABLE t PROMOTE REPLICA '{}'", first.display());
    run(&engine, &promote);
    assert_eq!(code(&engine, &promote), "TM0752", "it is that already");
    assert_eq!(text(&engine, ALL), all);
    run(&engine, "INSERT INTO t VALUES (-1, 1, 'x', 1.0)");
    let shown = "SHOW REPLICAS t |> SELECT mode, versions_behind, missing_segments";
    assert_eq!(
        text(&engine, shown),
        "\
+---------+-----------------+------------------+
| mode    | versions_behind | missing_segments |
+---------+-----------------+------------------+
| primary | 0               | 0                |
| sync    | 0               | 0                |
| async   | 0               | 0                |
+---------+-----------------+------------------+"
    );
    let primary = text(
        &engine,
        "SHOW REPLICAS t |> WHERE mode = 'primary' |> SELECT replica",
    );
    assert!(primary.contains(first.to_str().unwrap()), "{primary}");
    // Another process that was there before goes to the new directory too.
    run(&stale, "INSERT INTO t VALUES (-2, 1, 'x', 1.0)");
    run(&stale, "DELETE FROM t WHERE id = -1");
    for engine in [&engine, &stale, &copied.engine()] {
        assert_eq!(number(engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 1);
    }
    // The replica's directory as a table by itself takes commits; the one of the other replica does not.
    let alone = |replica: &Path| {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(replica, home.path().join("t")).unwrap();
        home
    };
    let other = alone(&copied.replica(1));
    let reader = Engine::builder().threads(1).open(other.path()).unwrap();
    assert_eq!(number(&reader, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 1);
    // And everything goes on after a promotion back.
    let own = copied.database.0.path().join("t");
    run(
        &engine,
        &format!("ALTER TABLE t PROMOTE REPLICA '{}'", own.display()),
    );
    run(&engine, "INSERT INTO t VALUES (-3, 1, 'x', 1.0)");
    assert_eq!(number(&stale, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 2);
    assert_eq!(run(&engine, "VERIFY t"), ROWS as u64 + 2);
}

#[test]
fn a_replica_that_is_opened_as_a_table_takes_no_commits() {
    let copied = Copied::new(&["SYNC"]);
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(copied.replica(0), home.path().join("t")).unwrap();
    let engine = Engine::builder().threads(1).open(home.path()).unwrap();
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS);
    let files = segments(&copied.replica(0)).len();
    for statement in [
        "INSERT INTO t VALUES (-1, 1, 'x', 1.0)",
        "DELETE FROM t WHERE id = 5",
        "TRUNCATE TABLE t",
    ] {
        assert_eq!(code(&engine, statement), "TM0755", "{statement}");
    }
    assert_eq!(segments(&copied.replica(0)).len(), files);
}

#[test]
fn a_lost_table_is_read_as_old_as_is_allowed_and_promoted() {
    let copied = Copied::new(&["SYNC", "ASYNC"]);
    run(&copied.engine(), "INSERT INTO t VALUES (-1, 1, 'x', 1.0)");
    let own = copied.database.0.path().join("t");
    let away = copied.replicas.path().join("away");
    let session = copied.engine();
    assert_eq!(number(&session, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 1);
    std::fs::rename(&own, &away).unwrap();
    let engine = copied.engine();
    let count = "FROM t |> AGGREGATE COUNT(*)";
    for engine in [&engine, &session] {
        assert_eq!(
            code(engine, count),
            "TM0505",
            "the newest version cannot be read"
        );
        assert_eq!(
            number(
                engine,
                &format!("@{{max_staleness = INTERVAL 1 HOUR}} {count}")
            ),
            ROWS + 1
        );
        run(engine, "SET @@max_staleness = INTERVAL 10 MINUTE");
        assert_eq!(number(engine, count), ROWS + 1);
        assert_eq!(
            number(engine, "FROM t FOR VERSION AS OF 0 |> AGGREGATE COUNT(*)"),
            ROWS
        );
        run(engine, "SET @@max_staleness = INTERVAL 1 MICROSECOND");
        assert_eq!(code(engine, count), "TM0505", "older than that");
        run(engine, "SET @@max_staleness = INTERVAL 1 HOUR");
        assert_eq!(
            code(engine, "INSERT INTO t VALUES (-2, 1, 'x', 1.0)"),
            "TM0755"
        );
    }
    // What a session has seen it does not unsee: a replica that lags is older than that.
    std::fs::rename(&away, &own).unwrap();
    let lagging = copied.replicas.path().join("lagging");
    std::fs::rename(copied.replica(1), &lagging).unwrap();
    run(
        &session,
        "SET @@max_staleness = INTERVAL 0 SECOND; INSERT INTO t VALUES (-3, 1, 'x', 1.0)",
    );
    std::fs::rename(&lagging, copied.replica(1)).unwrap();
    let first = copied.replicas.path().join("first");
    std::fs::rename(copied.replica(0), &first).unwrap();
    std::fs::rename(&own, &away).unwrap();
    run(&session, "SET @@max_staleness = INTERVAL 1 HOUR");
    assert_eq!(code(&session, count), "TM0505", "it wrote a newer one");
    assert_eq!(
        number(&engine, count),
        ROWS + 1,
        "an older one is allowed here"
    );

    // The replica that lags takes over: what it did not have is lost, and the old directory takes no commits when it is back.
    let writer = copied.engine();
    let lag = copied.replica(1);
    let promote = format!("ALTER TABLE t PROMOTE REPLICA '{}'", lag.display());
    assert_eq!(code(&writer, &promote), "TM0505");
    run(&writer, &format!("{promote} FORCE"));
    assert_eq!(number(&writer, count), ROWS + 1);
    let insert = "INSERT INTO t VALUES (-4, 1, 'y', 1.0)";
    assert_eq!(
        code(&writer, insert),
        "TM0751",
        "the other replica is SYNC, and away"
    );
    // It has a version that is lost now, and goes on with the others when it is back.
    std::fs::rename(&first, copied.replica(0)).unwrap();
    run(&writer, insert);
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(copied.replica(0), home.path().join("t")).unwrap();
    let alone = Engine::builder().threads(1).open(home.path()).unwrap();
    assert_eq!(number(&alone, count), ROWS + 2);
    assert_eq!(
        number(&alone, "FROM t |> WHERE id = -3 |> AGGREGATE COUNT(*)"),
        0
    );
    std::fs::rename(&away, &own).unwrap();
    for engine in [&copied.engine(), &writer, &session] {
        run(engine, "SET @@max_staleness = INTERVAL 0 SECOND");
        assert_eq!(number(engine, count), ROWS + 2);
        let lost = "FROM t |> WHERE id = -3 |> AGGREGATE COUNT(*)";
        assert_eq!(number(engine, lost), 0);
    }
}

/// A table whose rows lie in no order of `k`, with a projection that has one.
fn projected(clauses: &str) -> (Database, tempfile::TempDir, Engine) {
    let (database, place) = (Database::new(), tempfile::tempdir().unwrap());
    let engine = database.engine(2);
    run(
        &engine,
        "CREATE TABLE t DISTRIBUTE BY HASH(id) INTO 2 SHARDS AS \
         SELECT n AS id, (n * 7919) % 50021 AS k, CONCAT('name ', CAST(n AS STRING)) AS name, (n * 104729) % 100003 AS price \
         FROM UNNEST(generate_series(1, 200000)) AS n",
    );
    let path = place.path().join("by_k");
    run(
        &engine,
        &format!("ALTER TABLE t ADD REPLICA '{}' {clauses}", path.display()),
    );
    (database, place, engine)
}

fn route(engine: &Engine, query: &str) -> String {
    text(engine, &format!("EXPLAIN ROUTE {query}"))
}

#[test]
fn a_projection_is_read_where_it_has_what_is_wanted_and_less_is_read() {
    let (_database, place, engine) = projected("SYNC COLUMNS (k, id, price) SORT BY k");
    let narrow = "FROM t |> WHERE k BETWEEN 100 AND 160 |> AGGREGATE COUNT(*) AS n, SUM(id) AS ids, SUM(price) AS p";
    let lacks = "FROM t |> WHERE k BETWEEN 100 AND 160 |> AGGREGATE MAX(name) AS m";
    let other = "FROM t |> WHERE id = 77 |> AGGREGATE SUM(k) AS k";
    let plan = route(&engine, narrow);
    assert!(plan.contains("projected segment 1"), "{plan}");
    assert!(plan.contains("bytes instead of"), "{plan}");
    let plan = route(&engine, lacks);
    assert!(plan.contains("itself, no projection"), "{plan}");
    assert!(plan.contains("it does not have the column name"), "{plan}");
    let plan = route(&engine, other);
    assert!(plan.contains("would be read of it"), "{plan}");
    let shown = "SHOW REPLICAS t |> SELECT mode, projection, segments, missing_segments";
    assert_eq!(
        text(&engine, shown),
        "\
+---------+-----------------------------------+----------+------------------+
| mode    | projection                        | segments | missing_segments |
+---------+-----------------------------------+----------+------------------+
| primary |                                   | 2        | 0                |
| sync    | COLUMNS (k, id, price) SORT BY k  | 2        | 0                |
+---------+-----------------------------------+----------+------------------+"
            .replace("SORT BY k  |", "SORT BY k |")
            .replace("-------+----------+---", "------+----------+---")
            .replace(
                "projection                        |",
                "projection                       |"
            )
            .replace(
                "|                                   |",
                "|                                  |"
            )
    );
    let answers = |engine: &Engine| [narrow, lacks, other].map(|query| text(engine, query));
    let before = answers(&engine);
    // Rows that come and go are there too.
    run(
        &engine,
        "INSERT INTO t VALUES (-1, 120, 'zz', 1000); DELETE FROM t WHERE k = 101",
    );
    let after = answers(&engine);
    assert_ne!(before[0], after[0]);
    let path = place.path().join("by_k");
    let repair = "ALTER TABLE t REPAIR";
    assert_eq!(run(&engine, repair), 0);
    run(&engine, "VACUUM t RETAIN 0 HOURS");
    assert_eq!(answers(&engine), after);
    // Damaged, short or gone: passed over, never wrong, and mended.
    for fault in FAULTS {
        for file in segments(&path) {
            hurt(&file, fault);
        }
        assert_eq!(answers(&engine), after, "{fault:?}");
        assert!(run(&engine, repair) >= 2, "{fault:?}");
        let plan = route(&engine, narrow);
        assert!(plan.contains("projected segment"), "{fault:?} {plan}");
    }
    std::fs::remove_dir_all(&path).unwrap();
    assert_eq!(answers(&engine), after);
    assert_eq!(
        code(&engine, "INSERT INTO t VALUES (-2, 120, 'zz', 1)"),
        "TM0751"
    );
    let promote = format!("ALTER TABLE t PROMOTE REPLICA '{}'", path.display());
    assert_eq!(code(&engine, &promote), "TM0752", "it is no copy");
    run(
        &engine,
        &format!("ALTER TABLE t DROP REPLICA '{}'", path.display()),
    );
    assert_eq!(answers(&engine), after);
}

#[test]
fn a_projection_that_lags_is_incomplete_and_never_wrong() {
    let (_database, place, engine) = projected("ASYNC SORT BY k");
    let (path, away) = (place.path().join("by_k"), place.path().join("away"));
    std::fs::rename(&path, &away).unwrap();
    run(&engine, "INSERT INTO t VALUES (-1, 130, 'zz', 1)");
    run(&engine, "UPDATE t SET price = -1 WHERE k = 131");
    let query = "FROM t |> WHERE k BETWEEN 129 AND 132 |> AGGREGATE COUNT(*) AS n, SUM(price) AS p, MAX(name) AS m";
    let without = text(&engine, query);
    std::fs::rename(&away, &path).unwrap();
    assert_eq!(text(&engine, query), without);
    let plan = route(&engine, query);
    assert!(plan.contains("does not have it"), "{plan}");
    let missing = "SHOW REPLICAS t |> AGGREGATE MAX(missing_segments)";
    assert!(number(&engine, missing) > 0);
    run(&engine, "ALTER TABLE t REPAIR");
    assert_eq!(number(&engine, missing), 0);
    assert_eq!(text(&engine, query), without);
    // A column that comes later is in no file yet.
    run(&engine, "ALTER TABLE t ADD COLUMN note STRING");
    run(&engine, "INSERT INTO t VALUES (-5, 130, 'zy', 2, 'new')");
    let notes = "FROM t |> WHERE k = 130 |> AGGREGATE COUNT(note) AS notes, COUNT(*) AS n";
    assert_eq!(number(&engine, &notes.replace(", COUNT(*) AS n", "")), 1);
    for refused in [
        "COLUMNS (k, nothing)",
        "COLUMNS (id) SORT BY k",
        "SORT BY k SORT BY id",
    ] {
        let add = format!(
            "ALTER TABLE t ADD REPLICA '{}/other' {refused}",
            place.path().display()
        );
        let code = code(&engine, &add);
        assert!(
            ["TM0201", "TM0752", "TM0102"].contains(&code.as_str()),
            "{refused} {code}"
        );
    }
}

/// Random conditions and columns: with projections as without.
#[test]
fn answers_with_projections_are_those_without() {
    let (_database, place, engine) = projected("ASYNC SORT BY k");
    let second = place.path().join("by_price");
    run(
        &engine,
        &format!(
            "ALTER TABLE t ADD REPLICA '{}' COLUMNS (price, id) SORT BY price",
            second.display()
        ),
    );
    run(
        &engine,
        "INSERT INTO t VALUES (-1, NULL, NULL, 3), (-2, 17, 'x', NULL)",
    );
    let plain = projected("ASYNC SORT BY id");
    run(
        &plain.2,
        "INSERT INTO t VALUES (-1, NULL, NULL, 3), (-2, 17, 'x', NULL)",
    );
    let drop = format!(
        "ALTER TABLE t DROP REPLICA '{}'",
        plain.1.path().join("by_k").display()
    );
    run(&plain.2, &drop);
    let condition = prop_oneof![
        (0..50_000_i64, 0..400_i64)
            .prop_map(|(low, more)| format!("k BETWEEN {low} AND {}", low + more)),
        (0..50_000_i64).prop_map(|k| format!("k = {k}")),
        (0..100_000_i64, 0..900_i64)
            .prop_map(|(low, more)| format!("price >= {low} AND price < {}", low + more)),
        (0..200_000_i64).prop_map(|id| format!("id > {id} AND k < 300")),
        (0..50_000_i64).prop_map(|k| format!("(k < {k} OR price < 7) AND name LIKE '%7%'")),
        Just("k IS NULL".to_string()),
        Just("price IS NULL OR k = 5".to_string()),
    ];
    let columns = prop::sample::select(vec![
        "COUNT(*) AS n, SUM(id) AS a",
        "SUM(price) AS a, MIN(k) AS b",
        "MAX(name) AS a, COUNT(DISTINCT k) AS b",
        "COUNT(DISTINCT price) AS a",
    ]);
    let config = ProptestConfig {
        cases: 48,
        ..ProptestConfig::default()
    };
    let mut read = 0;
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&(condition, columns), |(condition, columns)| {
        let query = format!("FROM t |> WHERE {condition} |> AGGREGATE {columns}");
        prop_assert_eq!(text(&engine, &query), text(&plain.2, &query), "{}", query);
        Ok(())
    });
    outcome.unwrap();
    for query in [
        "FROM t |> WHERE k = 77 |> SELECT id",
        "FROM t |> WHERE price < 5 |> SELECT id",
    ] {
        read += i32::from(route(&engine, query).contains("projected segment"));
    }
    assert_eq!(read, 2, "both are of use");
}

#[test]
fn a_replica_is_mended_while_it_is_read() {
    let copied = Copied::new(&["SYNC"]);
    let (engine, writer) = (copied.engine(), copied.engine());
    run(&engine, "SET @@routing = 'round_robin'");
    let all = text(&engine, ALL);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scans = scope.spawn(|| {
            let mut scans = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || scans == 0 {
                assert_eq!(text(&engine, ALL), all);
                scans += 1;
            }
            scans
        });
        for fault in FAULTS {
            for segment in segments(&copied.replica(0)) {
                hurt(&segment, fault);
            }
            assert_eq!(run(&writer, "ALTER TABLE t REPAIR"), 3, "{fault:?}");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(scans.join().unwrap() > 0);
    });
    assert_eq!(run(&writer, "ALTER TABLE t REPAIR"), 0);
}

#[test]
fn a_replica_with_a_gap_in_its_log_is_as_old_as_the_gap() {
    let copied = Copied::new(&["ASYNC"]);
    let engine = copied.engine();
    for id in 1..5 {
        run(
            &engine,
            &format!("INSERT INTO t VALUES (-{id}, 1, 'x', 1.0)"),
        );
    }
    let gap = copied
        .replica(0)
        .join("_delta_log/00000000000000000003.json");
    std::fs::remove_file(gap).unwrap();
    let version = "SHOW REPLICAS t |> WHERE mode = 'async' |> SELECT version";
    assert_eq!(number(&engine, version), 2);
    assert_eq!(run(&engine, "ALTER TABLE t REPAIR"), 0);
    assert_eq!(number(&engine, version), 5);
}

#[test]
fn rows_that_wait_go_to_the_replicas_with_the_next_commit_and_keep_the_table_where_it_is() {
    let copied = Copied::new(&[]);
    let engine = copied.engine();
    run(
        &engine,
        "ALTER TABLE t SET OPTIONS (ingest = 'buffered', flush_age = INTERVAL 1 HOUR)",
    );
    run(&engine, "INSERT INTO t VALUES (-1, 1, 'x', 1.0)");
    let replica = copied.replica(0);
    run(
        &engine,
        &format!("ALTER TABLE t ADD REPLICA '{}' SYNC", replica.display()),
    );
    run(&engine, "INSERT INTO t VALUES (-2, 1, 'x', 1.0)");
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 2);
    let promote = format!("ALTER TABLE t PROMOTE REPLICA '{}'", replica.display());
    assert_eq!(
        code(&engine, &promote),
        "TM0752",
        "others may write rows that wait"
    );
    run(&engine, "ALTER TABLE t SET OPTIONS (ingest = 'direct')");
    run(&engine, &promote);
    run(&engine, "INSERT INTO t VALUES (-3, 1, 'x', 1.0)");
    assert_eq!(number(&engine, "FROM t |> AGGREGATE COUNT(*)"), ROWS + 3);
    assert_eq!(run(&engine, "VERIFY t"), ROWS as u64 + 3);
}
