//! What does not fit into memory: answers all the same, limits that hold, and nothing left on disk, even by a program that was
//! killed.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::{Place, answer, run};
use crate::memory::until;

const SERIES: &str = "FROM UNNEST(GENERATE_SERIES(1, 300000)) AS n";

#[test]
fn what_does_not_fit_is_written_to_the_directory_and_removed() {
    let place = Place::new();
    std::fs::create_dir(place.path("spill")).expect("a directory");
    let sort = format!(
        "{SERIES} |> SELECT n, REPEAT('x', 50) AS s |> ORDER BY n DESC |> LIMIT 200000 |> AGGREGATE COUNT(*) AS c"
    );
    let flags = ["--memory-limit", "1MiB", "--spill-dir", "spill", &sort];
    assert_eq!(place.answer(flags), "c\n200000\n");
    assert_eq!(place.names(), ["spill"]);
    let left = std::fs::read_dir(place.path("spill")).expect("a directory");
    assert_eq!(left.count(), 0);
    let group = format!("{SERIES} |> AGGREGATE COUNT(*) AS c GROUP BY n |> AGGREGATE SUM(c) AS c");
    assert_eq!(answer(["--memory-limit", "1MiB", &group]), "c\n300000\n");
}

#[test]
fn limits_end_with_4_and_say_what_to_do() {
    let sort = format!("{SERIES} |> ORDER BY n DESC");
    run(["--memory-limit", "1MB", "--spill-limit", "100KB", &sort])
        .fails(4, &["TM0511", "sort", "97.7 KiB", "hint"]);
    run(["--memory-limit", "1MB", "--spill-dir", "absent", &sort]).fails(3, &["TM0701", "absent"]);
    let all = format!("{SERIES} |> AGGREGATE ARRAY_AGG(n) AS a |> SELECT CARDINALITY(a) AS n");
    run(["--memory-limit", "1MB", &all]).fails(4, &["TM0506", "976.6 KiB", "aggregate", "hint"]);
    let endless = "FROM UNNEST(GENERATE_SERIES(1, 100000)) AS a |> CROSS JOIN (FROM UNNEST(GENERATE_SERIES(1, 100000)) AS b) |> AGGREGATE SUM(a * b) AS s";
    run(["--timeout", "50ms", endless]).fails(4, &["TM0512", "timeout"]);
    run(["--timeout", "3 weeks", endless]).fails(2, &["weeks", "ms"]);
}

/// Runs what needs files for long.
fn start(place: &Place) -> Child {
    let numbers = "FROM UNNEST(GENERATE_SERIES(1, 100000)) AS a |> CROSS JOIN (FROM UNNEST(GENERATE_SERIES(1, 1000)) AS b)";
    let sort = format!("{numbers} |> SELECT a, b |> ORDER BY b, a");
    place
        .command([
            "--memory-limit",
            "1MiB",
            "--spill-dir",
            ".",
            "--threads",
            "2",
            &sort,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

fn directories(place: &Place) -> Vec<PathBuf> {
    let names = place.names().into_iter();
    let paths = names.map(|name| place.path(&name));
    paths.filter(|path| path.is_dir()).collect()
}

fn has_files(folder: &PathBuf) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
}

#[test]
fn what_a_killed_program_left_is_removed_by_the_next_and_nothing_else() {
    let place = Place::new();
    let mut killed = start(&place);
    until("a file is written", || {
        directories(&place).iter().any(has_files)
    });
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    let left = directories(&place);
    assert_eq!(left.len(), 1);

    let mut living = start(&place);
    until("the next one removes it", || !left[0].exists());
    until("and writes files of its own", || {
        directories(&place).iter().any(has_files)
    });
    let own = directories(&place);
    let flags = [
        "--memory-limit",
        "1MiB",
        "--spill-dir",
        ".",
        "SELECT 1 AS a",
    ];
    assert_eq!(place.answer(flags), "a\n1\n");
    assert_eq!(directories(&place), own);
    assert!(own.iter().all(has_files));
    living.kill().expect("it runs");
    living.wait().expect("it ends");
    assert_eq!(place.answer(flags), "a\n1\n");
    assert_eq!(place.names(), [""; 0]);
}
