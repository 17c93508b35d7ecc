//! Replicas and `tidemill doctor` through the program: what the next process knows, processes that are killed, what is broken.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Place;

fn run(place: &Place, text: &str) -> String {
    let ended = place.run(["--db", "db", "-c", text]);
    assert_eq!(ended.code, Some(0), "{text}\n{}", ended.err);
    ended.text()
}

fn number(place: &Place, text: &str) -> i64 {
    let out = run(place, text);
    let last = out.lines().last().and_then(|line| line.parse().ok());
    last.unwrap_or_else(|| panic!("{text}\n{out}"))
}

const CREATE: &str = "CREATE TABLE t DISTRIBUTE BY HASH(id) INTO 4 SHARDS AS SELECT n AS id, n * 2 AS v FROM UNNEST(generate_series(1, 20000)) AS n";

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    found.sort();
    found
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    // Some in every column.
    for part in 1..9 {
        let place = bytes.len() * part / 10;
        bytes[place] ^= 1;
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_bad_replica_costs_the_next_command_nothing() {
    let place = Place::new();
    run(&place, CREATE);
    run(
        &place,
        "ALTER TABLE t ADD REPLICA 'copy' SYNC; ALTER TABLE t ADD REPLICA 'other'",
    );
    for segment in segments(&place.path("copy")) {
        flip(&segment);
    }
    place
        .run(["--db", "db", "ALTER TABLE t ADD REPLICA 'db/t/inside'"])
        .fails(2, &["TM0752", "lies inside"]);
    // Each command meets a failure or two: they count from one to the next.
    let ask = "SET @@routing = 'round_robin'; FROM t |> AGGREGATE SUM(v)";
    for _ in 0..4 {
        assert_eq!(number(&place, ask), 20_000 * 20_001);
    }
    let open = "SHOW REPLICAS t |> WHERE breaker = 'open' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&place, open), 1);
    let route = run(&place, "EXPLAIN ROUTE FROM t");
    assert!(route.contains("left alone for"), "{route}");
    // Nobody but the damaged copy is left: it says so.
    for directory in ["other", "db/t"] {
        std::fs::remove_file(&segments(&place.path(directory))[0]).unwrap();
    }
    place
        .run(["--db", "db", "FROM t |> AGGREGATE SUM(v)"])
        .fails(5, &["TM0505", "does not have it", "REPAIR"]);
    // A state that is damaged is none; what it was is learned again.
    place.file("db/.tidemill-health.json", "no state");
    assert_eq!(number(&place, open), 0);
}

#[test]
fn the_doctor_names_what_is_broken() {
    let place = Place::new();
    run(&place, CREATE);
    run(
        &place,
        "INSERT INTO t VALUES (-1, -1); ALTER TABLE t ADD REPLICA 'copy' SYNC",
    );
    let well = place.answer(["doctor", "--db", "db"]);
    assert!(well.contains("1 table, 3 versions, 5 segments"), "{well}");
    assert!(well.contains("0 broken, 0 degraded, 0 notes"), "{well}");

    let copy = segments(&place.path("copy"))[2].clone();
    flip(&copy);
    let ended = place.run(["doctor", "--db", "db"]);
    let name = copy.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(ended.code, Some(5), "{}", ended.text());
    assert!(ended.text().contains("degraded: t, replica:") && ended.text().contains(&name));
    // Sizes are as they were.
    assert_eq!(place.run(["doctor", "--db", "db", "--quick"]).code, Some(0));

    let own = segments(&place.path("db/t"))[1].clone();
    std::fs::remove_file(&own).unwrap();
    let ended = place.run(["doctor", "--db", "db", "--format", "json"]);
    assert_eq!(ended.code, Some(3), "{}", ended.text());
    let json: serde_json::Value = serde_json::from_str(&ended.text()).expect("JSON");
    let worst = &json["findings"][0];
    assert_eq!(
        (&worst["health"], &worst["check"]),
        (&"broken".into(), &"segment".into())
    );
    assert!(
        worst["path"]
            .as_str()
            .unwrap()
            .ends_with(own.file_name().unwrap().to_str().unwrap())
    );
    assert!(
        worst["hint"].as_str().unwrap().contains("has it whole"),
        "{worst}"
    );
    run(&place, "ALTER TABLE t REPAIR");
    assert_eq!(place.run(["doctor", "--db", "db"]).code, Some(0));

    place.file("db/t/.x.parquet.00.tmp", "half");
    let noted = place.run(["doctor", "--db", "db"]);
    assert_eq!(noted.code, Some(0));
    assert!(
        noted.text().contains("note: t, temporary:"),
        "{}",
        noted.text()
    );
    std::fs::rename(place.path("copy"), place.path("away")).unwrap();
    let ended = place.run(["doctor", "--db", "db"]);
    assert_eq!(ended.code, Some(5));
    assert!(ended.text().contains("is not there"), "{}", ended.text());
    std::fs::rename(place.path("away"), place.path("copy")).unwrap();

    std::fs::remove_file(place.path("db/t/_delta_log/00000000000000000001.json")).unwrap();
    let ended = place.run(["doctor", "--db", "db"]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.text().contains("the log has a gap"),
        "{}",
        ended.text()
    );
    place
        .run(["doctor", "--db", "nowhere"])
        .fails(2, &["no database"]);
    place.run(["doctor"]).fails(2, &["--db"]);
}

#[test]
fn a_kill_while_replicas_are_made_or_mended_leaves_no_wrong_copy() {
    let place = Place::new();
    run(&place, CREATE);
    let sum = 20_000 * 20_001;
    for round in 0..8 {
        let script = match round % 2 {
            0 => format!(
                "SELECT 1 AS x; ALTER TABLE t ADD REPLICA 'copy{round}' SYNC; INSERT INTO t VALUES (0, 0);"
            ),
            _ => {
                for segment in segments(&place.path(&format!("copy{}", round - 1))) {
                    flip(&segment);
                }
                "SELECT 1 AS x; ALTER TABLE t REPAIR; INSERT INTO t VALUES (0, 0);".to_string()
            }
        };
        let mut command = place.command(["--db", "db", "--format", "ndjson", "-c", &script]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        assert!(lines.next().is_some());
        // Somewhere in the statement: after as many looks at its files as the round says.
        for _ in 0..round * 40 {
            let _ = std::fs::read_dir(place.path("db/t"))
                .expect("a table")
                .count();
        }
        child.kill().expect("a signal");
        child.wait().expect("an end");
        assert_eq!(
            number(&place, "FROM t |> AGGREGATE SUM(v)"),
            sum,
            "round {round}"
        );
        let added = format!("ALTER TABLE t ADD REPLICA 'copy{round}' SYNC");
        if round % 2 == 0 {
            // It is there, or it can be made: what was begun is no obstacle.
            let again = place.run(["--db", "db", "-c", &added]);
            assert!(
                again.code == Some(0) || again.err.contains("already"),
                "{}",
                again.err
            );
        }
        run(&place, "ALTER TABLE t REPAIR");
        let verdict = place.run(["doctor", "--db", "db"]);
        assert_eq!(verdict.code, Some(0), "{}", verdict.text());
    }
    assert_eq!(number(&place, "SHOW REPLICAS t |> AGGREGATE COUNT(*)"), 5);
}

/// Starts the program and kills it after some of its output is due, or lets it end.
fn killed(place: &Place, text: &str, after: std::time::Duration) {
    let mut child = place
        .command(["--db", "db", "-c", text])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let started = std::time::Instant::now();
    while started.elapsed() < after && child.try_wait().expect("it is there").is_none() {
        std::thread::yield_now();
    }
    let _ = child.kill();
    child.wait().expect("it ends");
}

#[test]
fn a_promotion_that_is_killed_has_happened_or_not() {
    let place = Place::new();
    run(&place, CREATE);
    run(
        &place,
        "ALTER TABLE t ADD REPLICA 'copy' SYNC; ALTER TABLE t ADD REPLICA 'other'",
    );
    let primary = "SHOW REPLICAS t |> WHERE mode = 'primary' |> SELECT replica";
    let mut rows = 20_000;
    let mut homes = std::collections::BTreeSet::new();
    for round in 0..24_u64 {
        let target = ["copy", "db/t", "other"][round as usize % 3];
        let promote = format!("ALTER TABLE t PROMOTE REPLICA '{target}'");
        killed(
            &place,
            &promote,
            std::time::Duration::from_millis(8 + round * 5),
        );
        // The old state or the new: the table is whole, takes rows, and has every one of them once.
        run(
            &place,
            &format!("INSERT INTO t VALUES ({}, 1)", 1_000_000 + round),
        );
        rows += 1;
        assert_eq!(
            number(&place, "FROM t |> AGGREGATE COUNT(DISTINCT id)"),
            rows,
            "{round}"
        );
        homes.insert(run(&place, primary));
    }
    assert!(homes.len() > 1, "some of them happened: {homes:?}");
    run(&place, "ALTER TABLE t REPAIR; VERIFY t");
    let found = place.run(["doctor", "--db", "db"]);
    assert_eq!(found.code, Some(0), "{} {}", found.text(), found.err);
}

#[test]
fn two_processes_fill_the_same_replica() {
    let place = Place::new();
    run(&place, CREATE);
    run(
        &place,
        "ALTER TABLE t ADD REPLICA 'copy'; ALTER TABLE t ADD REPLICA 'sorted' SORT BY v",
    );
    for directory in ["copy", "sorted"] {
        for segment in segments(&place.path(directory)) {
            std::fs::remove_file(segment).unwrap();
        }
    }
    let start = |text: &str| {
        place
            .command(["--db", "db", "-c", text])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts")
    };
    let children: Vec<_> = (0..4)
        .map(|number| match number % 2 {
            0 => start("ALTER TABLE t REPAIR"),
            _ => start("INSERT INTO t VALUES (-1, 4), (-2, 5)"),
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    run(&place, "ALTER TABLE t REPAIR");
    assert_eq!(number(&place, "FROM t |> AGGREGATE COUNT(*)"), 20_004);
    assert_eq!(
        number(&place, "FROM t |> WHERE v = 4 |> AGGREGATE COUNT(*)"),
        3
    );
    assert_eq!(
        number(&place, "SHOW REPLICAS t |> AGGREGATE SUM(missing_segments)"),
        0
    );
    let found = place.run(["doctor", "--db", "db"]);
    assert_eq!(found.code, Some(0), "{} {}", found.text(), found.err);
}
