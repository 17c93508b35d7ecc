//! What a job leaves out in its next run, and what it must not.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::Place;
use super::jobs::{place, reported, statuses};

const DAY: [&str; 2] = ["--param", "day=2026-11-22"];

/// No step ran.
const NONE: [usize; 0] = [];

/// Runs the job; how its steps went.
fn ran(place: &Place, flags: &[&str]) -> Vec<String> {
    let (ended, report) = reported(place, flags);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    statuses(&report).into_iter().map(String::from).collect()
}

/// Numbers of the steps that ran, of a run that succeeds.
fn numbers(place: &Place, flags: &[&str]) -> Vec<usize> {
    let steps = ran(place, flags).into_iter().enumerate();
    let done = steps.filter(|(_, status)| status == "done");
    done.map(|(at, _)| at + 1).collect()
}

#[test]
fn what_is_unchanged_is_left_out_and_what_nobody_needs() {
    let place = place();
    assert_eq!(numbers(&place, &DAY), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        numbers(&place, &DAY),
        [1, 2],
        "parameters are checked each time"
    );
    assert_eq!(
        numbers(&place, &["--param", "day=2026-11-22", "--force"]),
        [1, 2, 3, 4, 5, 6]
    );
    let ended = place.run(["run", "job.tide", "--param", "day=2026-11-22"]);
    assert!(
        ended
            .err
            .contains("skipped: nothing changed since it was done"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("skipped: no step that runs needs it"),
        "{}",
        ended.err
    );
}

#[test]
fn a_changed_parameter_runs_what_depends_on_it() {
    let place = place();
    numbers(&place, &DAY);
    assert_eq!(
        numbers(&place, &["--param", "day=2026-11-21", "--param", "least=1"]),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(
        place.read("sold.csv"),
        "day,region,qty\n2026-11-21,north,1\n"
    );
    // The file is now that of the other day.
    assert_eq!(numbers(&place, &DAY), [1, 2, 3, 5]);
    assert_eq!(place.read("sold.csv").lines().count(), 3);
}

#[test]
fn a_changed_input_a_changed_text_and_a_missing_output_run_again() {
    let place = place();
    numbers(&place, &DAY);
    let more = place.read("sales.csv") + "2026-11-22,north,8\n";
    place.file("sales.csv", more);
    let ended = place.run(["run", "job.tide", "--dry-run", "--param", "day=2026-11-22"]);
    assert!(
        ended.text().contains("runs: sales.csv changed"),
        "{}",
        ended.text()
    );
    assert_eq!(numbers(&place, &DAY), [1, 2, 3, 4, 5, 6]);
    assert_eq!(place.read("all.csv"), "qty\n17\n");
    place.file(
        "job.tide",
        place.read("job.tide").replace("AS qty |>", "AS total |>"),
    );
    assert_eq!(numbers(&place, &DAY), [1, 2, 6]);
    assert_eq!(place.read("all.csv"), "total\n17\n");
    std::fs::remove_file(place.path("sold.csv")).expect("the output");
    assert_eq!(numbers(&place, &DAY), [1, 2, 3, 5]);
    place.file("sold.csv", "spoilt");
    assert_eq!(numbers(&place, &DAY), [1, 2, 3, 5]);
    assert_eq!(place.read("sold.csv").lines().count(), 4);
}

#[test]
fn a_step_runs_after_the_one_whose_file_it_reads() {
    let place = Place::new();
    place.file("in.csv", "n\n1\n").file(
        "job.tide",
        "FROM 'in.csv' |> EXPORT DATA OPTIONS (uri = 'mid/', format = 'csv', overwrite = TRUE);
         FROM 'mid/*.csv' |> SELECT n + 1 AS n |> EXPORT DATA OPTIONS (uri = 'out.csv', overwrite = TRUE);",
    );
    assert_eq!(numbers(&place, &[]), [1, 2]);
    assert_eq!(numbers(&place, &[]), NONE);
    place.file("in.csv", "n\n10\n");
    assert_eq!(numbers(&place, &[]), [1, 2]);
    assert_eq!(place.read("out.csv"), "n\n11\n");
    assert_eq!(numbers(&place, &[]), NONE);
}

#[test]
fn variables_functions_and_settings_count_by_what_they_are() {
    let place = Place::new();
    let job = |factor: &str, body: &str| {
        format!(
            "DECLARE factor INT64 DEFAULT {factor};
             CREATE TEMP FUNCTION grown(x INT64) AS ({body});
             SELECT factor AS a |> EXPORT DATA OPTIONS (uri = 'a.csv', overwrite = TRUE);
             SELECT grown(1) AS b |> EXPORT DATA OPTIONS (uri = 'b.csv', overwrite = TRUE);"
        )
    };
    place.file("job.tide", job("2", "x + 1"));
    assert_eq!(numbers(&place, &[]), [1, 2, 3, 4]);
    place.file("job.tide", job("1 + 1", "x + 1"));
    assert_eq!(numbers(&place, &[]), NONE, "it is the same value");
    place.file("job.tide", job("3", "x + 1"));
    assert_eq!(numbers(&place, &[]), [1, 3]);
    place.file("job.tide", job("3", "x + 2"));
    assert_eq!(numbers(&place, &[]), [2, 4]);
    assert_eq!(
        (place.read("a.csv"), place.read("b.csv")),
        ("a\n3\n".into(), "b\n3\n".into())
    );
}

#[test]
fn what_asks_for_the_time_or_for_chance_runs_every_time() {
    let place = Place::new();
    place.file(
        "job.tide",
        "SELECT CURRENT_DATE() AS today |> EXPORT DATA OPTIONS (uri = 'a.csv', overwrite = TRUE);
         SELECT RAND() < 2 AS b |> EXPORT DATA OPTIONS (uri = 'b.csv', overwrite = TRUE);
         SELECT 1 AS c |> EXPORT DATA OPTIONS (uri = 'c.csv', overwrite = TRUE);",
    );
    assert_eq!(numbers(&place, &[]), [1, 2, 3]);
    assert_eq!(numbers(&place, &[]), [1, 2]);
}

#[test]
fn a_table_is_made_by_all_of_its_steps_together() {
    let place = Place::new();
    place.file("a.csv", "n\n1\n").file("b.csv", "n\n2\n").file(
        "job.tide",
        "CREATE OR REPLACE TABLE t AS FROM 'a.csv';
         INSERT INTO t FROM 'b.csv';
         FROM t |> AGGREGATE SUM(n) AS n |> EXPORT DATA OPTIONS (uri = 'sum.csv', overwrite = TRUE);",
    );
    let db = ["--db", "db"];
    assert_eq!(numbers(&place, &db), [1, 2, 3]);
    assert_eq!(numbers(&place, &db), NONE);
    place.file("b.csv", "n\n20\n");
    assert_eq!(
        numbers(&place, &db),
        [1, 2, 3],
        "rows are not added to those that are there"
    );
    assert_eq!(place.read("sum.csv"), "n\n21\n");
    let sql = "DELETE FROM t WHERE n = 1";
    place.answer(["--db", "db", sql]);
    assert_eq!(
        numbers(&place, &db),
        [1, 2, 3],
        "somebody changed the table"
    );
    assert_eq!(place.read("sum.csv"), "n\n21\n");
    assert_eq!(numbers(&place, &db), NONE);
}

#[test]
fn rows_are_added_to_a_table_of_others_once_for_each_input() {
    let place = Place::new();
    place.answer(["--db", "db", "CREATE TABLE log (n INT64)"]);
    place.file("a.csv", "n\n1\n").file("b.csv", "n\n2\n").file(
        "job.tide",
        "INSERT INTO log FROM 'a.csv';\nINSERT INTO log FROM 'b.csv';",
    );
    let db = ["--db", "db"];
    assert_eq!(numbers(&place, &db), [1, 2]);
    assert_eq!(numbers(&place, &db), NONE);
    place.file("b.csv", "n\n20\n");
    assert_eq!(numbers(&place, &db), [2]);
    place.file("a.csv", "n\n1\n");
    assert_eq!(numbers(&place, &db), [1]);
    let rows = place.answer(["--db", "db", "FROM log |> ORDER BY n"]);
    assert_eq!(rows, "n\n1\n1\n2\n20\n");
    place.file(
        "job.tide",
        "DELETE FROM log WHERE n > 1;\nINSERT INTO log FROM 'b.csv';",
    );
    assert_eq!(numbers(&place, &db), [1, 2]);
    assert_eq!(
        numbers(&place, &db),
        [1, 2],
        "what was deleted must come back"
    );
    assert_eq!(
        place.answer(["--db", "db", "FROM log |> ORDER BY n"]),
        "n\n1\n1\n20\n"
    );
}

#[test]
fn the_branches_of_an_if_run_every_time() {
    let place = Place::new();
    place.file(
        "job.tide",
        "DECLARE PARAMETER @full BOOL DEFAULT FALSE;
         DECLARE x INT64 DEFAULT 1;
         IF @full THEN SET x = 2; END IF;
         SELECT x |> EXPORT DATA OPTIONS (uri = 'x.csv', overwrite = TRUE);",
    );
    assert_eq!(numbers(&place, &[]), [1, 2, 3, 4]);
    assert_eq!(numbers(&place, &["--param", "full=true"]), [1, 2, 3, 4]);
    assert_eq!(place.read("x.csv"), "x\n2\n");
}

#[test]
fn a_damaged_state_is_said_and_everything_runs() {
    let place = place();
    numbers(&place, &DAY);
    let state = place.read(".tidemill/job.tide.json");
    for broken in [
        &state[..state.len() / 2],
        &state.replace("job.tide", "jab.tide"),
        &state.replace("\"format\": 1", "\"format\": 9"),
    ] {
        place.file(".tidemill/job.tide.json", broken);
        let (ended, report) = reported(&place, &DAY);
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.err.contains("job.tide.json") && ended.err.contains("every step runs"),
            "{}",
            ended.err
        );
        assert_eq!(statuses(&report), ["done"; 6]);
    }
    assert_eq!(numbers(&place, &DAY), [1, 2]);
    let elsewhere = ["--param", "day=2026-11-22", "--state", "elsewhere"];
    assert_eq!(numbers(&place, &elsewhere), [1, 2, 3, 4, 5, 6]);
    assert!(place.path("elsewhere/job.tide.json").exists());
}

#[test]
fn two_runs_of_a_job_do_not_meet() {
    let place = place();
    numbers(&place, &DAY);
    let lock = File::options()
        .write(true)
        .open(place.path(".tidemill/job.tide.lock"))
        .expect("the lock");
    lock.try_lock().expect("no run goes on");
    let (ended, report) = reported(&place, &DAY);
    ended.fails(5, &["TM0753", "another run of this job goes on"]);
    assert_eq!(report["exit_code"], 5);
    drop(lock);
    assert_eq!(numbers(&place, &DAY), [1, 2]);
}

#[test]
fn a_failed_run_is_resumed_with_its_parameters() {
    let place = place();
    place.file("job.tide", place.read("job.tide") + "ASSERT (SELECT COUNT(*) FROM 'gate.csv') = 1 AS 'shut';\nSELECT @day AS day |> EXPORT DATA OPTIONS (uri = 'end.csv', overwrite = TRUE);");
    place.file("gate.csv", "n\n1\n2\n");
    let (ended, _) = reported(&place, &DAY);
    ended.fails(3, &["shut"]);
    place
        .file("gate.csv", "n\n1\n")
        .file("sales.csv", "day,region,qty\n2026-11-22,new,7\n");
    let (wrong, _) = reported(&place, &["--resume", "--param", "day=2026-11-21"]);
    wrong.fails(2, &["TM0601", "had 2026-11-22 for @day"]);
    let (ended, report) = reported(&place, &["--resume"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(report["resumed"], true);
    assert_eq!(report["parameters"][0]["origin"], "resumed");
    assert_eq!(
        statuses(&report),
        [
            "done", "done", "skipped", "skipped", "skipped", "skipped", "done", "done"
        ]
    );
    assert!(
        !place.read("sold.csv").contains("new"),
        "what was done stays done"
    );
    assert_eq!(place.read("end.csv"), "day\n2026-11-22\n");
    let (ended, report) = reported(&place, &["--resume", "--param", "day=2026-11-22"]);
    assert!(ended.err.contains("no run to go on with"), "{}", ended.err);
    assert_eq!(report["resumed"], false);
    assert!(
        place.read("sold.csv").contains("new"),
        "a new run sees the new file"
    );
}

#[test]
fn a_killed_run_is_resumed_and_leaves_no_half_file() {
    let place = Place::new();
    let many: String = (0..5000).map(|n| format!("{n}\n")).collect();
    place
        .file("in.csv", "n\n1\n")
        .file("many.csv", format!("n\n{many}"))
        .file(
            "job.tide",
            "FROM 'in.csv' |> EXPORT DATA OPTIONS (uri = 'first.csv');
         FROM 'many.csv' AS a |> CROSS JOIN 'many.csv' AS b |> CROSS JOIN 'many.csv' AS c
         |> WHERE a.n + b.n + c.n >= 0 |> AGGREGATE COUNT(*) AS n |> EXPORT DATA OPTIONS (uri = 'second.csv');",
        );
    let mut child = place
        .command(["run", "job.tide"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
    let first = lines.next().expect("a line").expect("text");
    assert!(first.starts_with("1/2 job.tide:1"), "{first}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!(place.read("first.csv"), "n\n1\n");
    assert!(!place.path("second.csv").exists());
    place.file("many.csv", "n\n1\n2\n").file("in.csv", "n\n5\n");
    let (ended, report) = reported(&place, &["--resume"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(statuses(&report), ["skipped", "done"]);
    assert_eq!(
        place.read("first.csv"),
        "n\n1\n",
        "what was done stays done"
    );
    assert_eq!(place.read("second.csv"), "n\n8\n");
}
