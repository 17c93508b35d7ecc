//! Durable tables through the program: several processes at once, processes that are killed, and other programs that read.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::Place;

/// Processes killed, each after it has acknowledged one more insert than the one before.
fn killed() -> usize {
    crate::full_size(8, 200)
}

pub(super) fn number(place: &Place, text: &str) -> u64 {
    let ended = place.run(["--db", "db", text]);
    assert_eq!(ended.code, Some(0), "{text}\n{}", ended.err);
    let out = String::from_utf8_lossy(&ended.out);
    let last = out.lines().last().and_then(|line| line.parse().ok());
    last.unwrap_or_else(|| panic!("{text}\n{out}"))
}

/// Runs each script in a process of its own, all at once, to its good end.
pub(super) fn run_at_once(place: &Place, scripts: impl Iterator<Item = String>) {
    let children: Vec<_> = scripts
        .map(|script| {
            let mut command = place.command(["--db", "db", "-c", &script]);
            command.spawn().expect("the program starts")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("an end").success());
    }
}

#[test]
fn tables_stay_from_one_run_to_the_next() {
    let place = Place::new();
    let text =
        "CREATE TABLE t PARTITION BY p AS SELECT 1 AS x, 'a' AS p; INSERT INTO t VALUES (2, 'b')";
    assert_eq!(place.run(["--db", "db", text]).code, Some(0));
    assert_eq!(number(&place, "FROM t |> AGGREGATE SUM(x)"), 3);
    assert_eq!(
        number(&place, "FROM t FOR VERSION AS OF 0 |> AGGREGATE SUM(x)"),
        1
    );
    let ended = place.run(["--db", "db", "FROM t FOR VERSION AS OF 7"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("versions 0 to 1"), "{}", ended.err);
    place.file("file", "no directory");
    let ended = place.run(["--db", "file", "SELECT 1"]);
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("TM0701"), "{}", ended.err);
}

#[test]
fn processes_that_append_at_once_lose_nothing() {
    const EACH: usize = 12;
    let place = Place::new();
    let create = "CREATE TABLE t (id INT64, process INT64) DISTRIBUTE BY HASH(id) INTO 2 SHARDS";
    assert_eq!(place.run(["--db", "db", create]).code, Some(0));
    run_at_once(
        &place,
        (0..2).map(|process| {
            let inserts = (0..EACH).map(|round| {
                let id = process * 1000 + round;
                format!("INSERT INTO t VALUES ({id}, {process});")
            });
            inserts.collect::<String>()
        }),
    );
    let distinct = "FROM t |> AGGREGATE COUNT(DISTINCT id)";
    assert_eq!(number(&place, distinct), 2 * EACH as u64);
    assert_eq!(
        number(&place, "FROM t |> AGGREGATE COUNT(*)"),
        2 * EACH as u64
    );
    let versions = "FROM TABLE_HISTORY('t') |> AGGREGATE MAX(version)";
    assert_eq!(number(&place, versions), 2 * EACH as u64);
}

/// Makes the table `t (id, half)` of two shards by `create` and kills one process after the other that inserts into it: what they
/// acknowledged is there, every id with both its halves, and both once.
pub(super) fn insert_and_kill(place: &Place, create: &str) {
    assert_eq!(place.run(["--db", "db", create]).code, Some(0));
    let mut acknowledged = Vec::new();
    for round in 0..killed() {
        let statements = (0..40).map(|insert| {
            let id = round * 100 + insert;
            // Two rows in two shards: half of a commit would be seen.
            format!("INSERT INTO t VALUES ({id}, 0), ({id}, 1); SELECT {id} AS id;")
        });
        let script = statements.collect::<String>();
        let mut command = place.command(["--db", "db", "--format", "ndjson", "-c", &script]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        for line in lines.take(round % 20 + 1) {
            let line = line.expect("a line");
            let digits: String = line.chars().filter(char::is_ascii_digit).collect();
            acknowledged.push(digits.parse::<u64>().expect("an id"));
        }
        child.kill().expect("a signal");
        child.wait().expect("an end");
        // Life goes on, and nothing is half there.
        let halves = "FROM t |> AGGREGATE COUNT(*) AS n, COUNT(DISTINCT half) AS h GROUP BY id |> WHERE n <> 2 OR h <> 2 |> AGGREGATE COUNT(*)";
        assert_eq!(number(place, halves), 0, "after {round} kills");
    }
    let list: Vec<String> = acknowledged.iter().map(u64::to_string).collect();
    let found = format!(
        "FROM t |> WHERE id IN ({}) |> AGGREGATE COUNT(DISTINCT id)",
        list.join(", ")
    );
    assert_eq!(number(place, &found), acknowledged.len() as u64);
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there() {
    let place = Place::new();
    let create = "CREATE TABLE t (id INT64, half INT64) DISTRIBUTE BY HASH(half) INTO 2 SHARDS";
    insert_and_kill(&place, create);
    // What the killed left unfinished goes away, and only that.
    let rows = number(&place, "FROM t |> AGGREGATE COUNT(*)");
    assert_eq!(
        place.run(["--db", "db", "VACUUM t RETAIN 0 HOURS"]).code,
        Some(0)
    );
    assert_eq!(number(&place, "FROM t |> AGGREGATE COUNT(*)"), rows);
}

/// With the Python of an environment that has `deltalake` and `duckdb` with its delta extension in `TIDEMILL_DELTA_PYTHON`, as
/// `.ci/run` makes it.
#[test]
fn other_programs_read_and_write_our_tables() {
    let Some(python) = std::env::var_os("TIDEMILL_DELTA_PYTHON") else {
        return;
    };
    let place = Place::new();
    let numbers = "FROM UNNEST(generate_series(1, 100)) AS n";
    let mut script = format!(
        "CREATE TABLE plain AS SELECT n AS id, n * 1.5 AS price, DATE '2024-01-01' AS d, \
         TIMESTAMP '2024-05-06 07:08:09' AS ts, CAST(n AS DECIMAL(20,3)) AS dec, [n, n + 1] AS arr, \
         STRUCT(n AS a, 'x' AS b) AS st, n % 2 = 0 AS even, CAST(n AS UINT8) AS u {numbers};\n\
         CREATE TABLE laid PARTITION BY day CLUSTER BY name DISTRIBUTE BY HASH(id) INTO 3 SHARDS \
         AS SELECT n AS id, n % 7 AS day, CONCAT('name ', CAST(n AS STRING)) AS name {numbers};\n\
         CREATE TABLE local AS SELECT DATETIME '2024-05-06 07:08:09' AS w, 1 AS x;\n"
    );
    script += &format!(
        "CREATE TABLE days PARTITION BY DATE_TRUNC(ts, DAY), BUCKET(4, id) DISTRIBUTE BY HASH(id) INTO 2 SHARDS \
         AS SELECT n AS id, DATE_ADD(TIMESTAMP '2024-02-28 00:00:00', INTERVAL n HOUR) AS ts, n AS v {numbers};\n\
         UPDATE days SET v = -v, ts = ts + INTERVAL 1 DAY WHERE id = 50;\n\
         MERGE INTO days USING (SELECT 51 AS id, 0 AS v UNION ALL SELECT 1000, 7) AS s ON days.id = s.id \
         WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v);\n\
         INSERT OVERWRITE days PARTITION (ts_day) SELECT 60, TIMESTAMP '2024-02-28 05:00:00', 1;\n\
         ALTER TABLE days SHARDS 3;\n\
         CREATE TABLE copied DISTRIBUTE BY HASH(id) INTO 2 SHARDS AS SELECT n AS id {numbers};\n\
         ALTER TABLE copied ADD REPLICA 'copies/copied' WEIGHT 2 SYNC;\n\
         INSERT INTO copied VALUES (101);\n"
    );
    script += "CREATE TABLE defaults (id INT64, kind STRING DEFAULT 'it''s new'); INSERT INTO defaults (id) VALUES (1); \
               ALTER TABLE defaults ADD COLUMN n INT64 NOT NULL DEFAULT 1 + 1;\n";
    for id in 1001..1013 {
        script += &format!("INSERT INTO laid VALUES ({id}, {id} % 9, 'more');\n");
    }
    script += "DELETE FROM laid WHERE id = 50; OPTIMIZE laid;";
    assert_eq!(place.run(["--db", "db", "-c", &script]).code, Some(0));
    place.file("readers.py", include_str!("readers.py"));
    let mut command = std::process::Command::new(python);
    let output = command
        .arg(place.path("readers.py"))
        .arg(place.path("db"))
        .output();
    let output = output.expect("Python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // What they wrote we read, from their checkpoint, and write over it.
    assert_eq!(
        number(
            &place,
            "FROM laid |> WHERE id >= 5000 |> AGGREGATE COUNT(*)"
        ),
        2
    );
    assert_eq!(number(&place, "FROM laid |> AGGREGATE COUNT(*)"), 113);
    assert_eq!(place.run(["--db", "db", "OPTIMIZE laid"]).code, Some(0));
    assert_eq!(
        number(&place, "FROM laid |> WHERE id = 5001 |> AGGREGATE COUNT(*)"),
        1
    );
    // Their segments of a table with a replica are in the table alone, until it is mended.
    let missing = "SHOW REPLICAS copied |> AGGREGATE SUM(missing_segments)";
    assert!(number(&place, missing) > 0);
    assert_eq!(number(&place, "FROM copied |> AGGREGATE SUM(id)"), 5253);
    assert_eq!(
        place.run(["--db", "db", "ALTER TABLE copied REPAIR"]).code,
        Some(0)
    );
    assert_eq!(number(&place, missing), 0);
    assert_eq!(number(&place, "FROM theirs |> AGGREGATE SUM(x)"), 6);
    let insert = "INSERT INTO theirs VALUES (4, 'd', NULL)";
    assert_eq!(place.run(["--db", "db", insert]).code, Some(0));
    assert_eq!(
        number(&place, "FROM theirs |> WHERE s = 'd' |> SELECT x"),
        4
    );
}

#[test]
fn a_change_that_is_killed_is_whole_or_not_there() {
    const ROWS: u64 = 40;
    let place = Place::new();
    let create = format!(
        "CREATE TABLE t DISTRIBUTE BY HASH(id) INTO 4 SHARDS AS SELECT n AS id, 100 AS v FROM UNNEST(generate_series(1, {ROWS})) AS n"
    );
    assert_eq!(place.run(["--db", "db", &create]).code, Some(0));
    let mut acknowledged = 0;
    for round in 0..killed() {
        // Amounts go from one row to another, of another shard.
        let statements = (0..30).map(|step| {
            let (from, to) = (1 + (round * 7 + step) % 40, 1 + (round * 7 + step * 3 + 11) % 40);
            let change = match step % 2 {
                0 => format!(
                    "UPDATE t SET v = v + CASE id WHEN {from} THEN -1 ELSE 1 END WHERE id IN ({from}, {to}) AND {from} <> {to};"
                ),
                _ => format!(
                    "MERGE INTO t USING (SELECT {from} AS id, -1 AS d UNION ALL SELECT {to}, 1) AS s ON t.id = s.id AND {from} <> {to} WHEN MATCHED THEN UPDATE SET v = t.v + s.d;"
                ),
            };
            format!("{change} SELECT 1 AS done;")
        });
        let script = statements.collect::<String>();
        let mut command = place.command(["--db", "db", "--format", "ndjson", "-c", &script]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        acknowledged += lines.take(round % 20 + 1).filter(Result::is_ok).count();
        child.kill().expect("a signal");
        child.wait().expect("an end");
        assert_eq!(number(&place, "FROM t |> AGGREGATE SUM(v)"), 100 * ROWS);
        assert_eq!(
            number(&place, "FROM t |> AGGREGATE COUNT(DISTINCT id)"),
            ROWS
        );
    }
    assert!(acknowledged >= killed());
    assert_eq!(place.run(["--db", "db", "VERIFY t"]).code, Some(0));
}
