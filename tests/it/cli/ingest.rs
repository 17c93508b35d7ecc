//! A table with a buffer through the program: processes that come one after the other, at once, and that are killed.

use super::Place;
use super::database::{insert_and_kill, number, run_at_once};

const CREATE: &str = "CREATE TABLE t (id INT64, half INT64) DISTRIBUTE BY HASH(half) INTO 2 SHARDS OPTIONS (ingest = 'buffered', flush_rows = 30)";

#[test]
fn what_waited_when_it_was_killed_is_there_once() {
    let place = Place::new();
    insert_and_kill(&place, CREATE);
    let rows = number(&place, "FROM t |> AGGREGATE COUNT(*)");
    let settle = "OPTIMIZE t; VACUUM t RETAIN 0 HOURS; VERIFY t";
    assert_eq!(place.run(["--db", "db", "-c", settle]).code, Some(0));
    assert_eq!(number(&place, "FROM t |> AGGREGATE COUNT(*)"), rows);
    let waiting = "FROM t |> WHERE _file_name = '(waiting)' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&place, waiting), 0);
    // Nothing of the killed is left.
    let left = std::fs::read_dir(place.path("db/t/_tidemill_ingest")).expect("a folder");
    let left = left.map(|entry| entry.expect("an entry").file_name());
    let left: Vec<_> = left
        .filter(|name| name.to_string_lossy().ends_with(".frames"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn programs_that_come_one_after_the_other_share_a_buffer() {
    let place = Place::new();
    assert_eq!(place.run(["--db", "db", CREATE]).code, Some(0));
    for id in 0..35 {
        let insert = format!("INSERT INTO t VALUES ({id}, 0)");
        assert_eq!(place.run(["--db", "db", &insert]).code, Some(0));
    }
    assert_eq!(number(&place, "FROM t |> AGGREGATE COUNT(DISTINCT id)"), 35);
    let waiting = "FROM t |> WHERE _file_name = '(waiting)' |> AGGREGATE COUNT(*)";
    assert_eq!(number(&place, waiting), 5);
    let versions = "FROM TABLE_HISTORY('t') |> AGGREGATE MAX(version)";
    assert_eq!(number(&place, versions), 1);
    // Several at once, each with a slot of its own.
    run_at_once(
        &place,
        (0..3).map(|process| {
            let inserts = (0..15).map(|round| {
                let id = (process + 1) * 1000 + round;
                format!("INSERT INTO t VALUES ({id}, 1);")
            });
            inserts.collect::<String>()
        }),
    );
    assert_eq!(number(&place, "FROM t |> AGGREGATE COUNT(DISTINCT id)"), 80);
    assert_eq!(number(&place, "FROM t |> AGGREGATE COUNT(*)"), 80);
}
