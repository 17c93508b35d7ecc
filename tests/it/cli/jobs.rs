//! `tidemill run`: parameters, reports, dry runs, limits.

use serde_json::Value;

use super::{Ended, Place};

/// A job with a parameter of each sort, a check, a table of the session and two files.
pub(super) const JOB: &str = "DECLARE PARAMETER @day DATE;
DECLARE PARAMETER @least INT64 DEFAULT 2;

CREATE TEMP TABLE sold AS
FROM 'sales.csv' |> WHERE day = @day AND qty >= @least;

ASSERT (SELECT COUNT(*) FROM sold) > 0 AS 'nothing was sold';

FROM sold |> ORDER BY region |> EXPORT DATA OPTIONS (uri = 'sold.csv', overwrite = TRUE);

FROM 'sales.csv' |> AGGREGATE SUM(qty) AS qty |> EXPORT DATA OPTIONS (uri = 'all.csv', overwrite = TRUE);
";

const SALES: &str = "day,region,qty\n2026-11-21,north,1\n2026-11-22,south,5\n2026-11-22,east,2\n2026-11-22,west,1\n";

pub(super) fn place() -> Place {
    let place = Place::new();
    place.file("job.tide", JOB).file("sales.csv", SALES);
    place
}

/// The report of a run with these flags, and how it ended.
pub(super) fn reported(place: &Place, flags: &[&str]) -> (Ended, Value) {
    let args = ["run", "job.tide", "--report", "report.json"];
    let ended = place.run(args.iter().chain(flags));
    let report = serde_json::from_str(&place.read("report.json")).expect("JSON");
    (ended, report)
}

/// `1 done`, `2 skipped`: how each step of a report went.
pub(super) fn statuses(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().expect("steps");
    let statuses = steps
        .iter()
        .map(|step| step["status"].as_str().expect("a status"));
    statuses.collect()
}

#[test]
fn a_job_runs_and_says_each_step_on_one_line() {
    let place = place();
    let ended = place.run(["run", "job.tide", "--param", "day=2026-11-22"]);
    assert_eq!(
        (ended.code, ended.text().as_str()),
        (Some(0), ""),
        "{}",
        ended.err
    );
    assert_eq!(
        place.read("sold.csv"),
        "day,region,qty\n2026-11-22,east,2\n2026-11-22,south,5\n"
    );
    assert_eq!(place.read("all.csv"), "qty\n9\n");
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines.len(), 7, "{}", ended.err);
    assert!(
        lines[2].starts_with("3/6 job.tide:4  CREATE TEMP TABLE sold AS FROM 'sales.csv'"),
        "{}",
        lines[2]
    );
    assert!(lines[2].contains("2 rows, 89 B read, "), "{}", lines[2]);
    assert!(
        lines[6].starts_with("done: 6 steps run, 0 skipped, "),
        "{}",
        lines[6]
    );
    let quiet = place.run([
        "run",
        "job.tide",
        "--param",
        "day=2026-11-22",
        "--quiet",
        "--force",
    ]);
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(0), ""));
}

#[test]
fn values_come_from_files_and_the_command_line_wins() {
    let place = place();
    place.file("values.toml", "day = 2026-11-21 # a date\nleast = 1\n");
    let (ended, report) = reported(&place, &["--params", "values.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(
        place.read("sold.csv"),
        "day,region,qty\n2026-11-21,north,1\n"
    );
    assert_eq!(report["parameters"][0]["value"], "2026-11-21");
    assert_eq!(report["parameters"][0]["type"], "DATE");
    let (_, report) = reported(
        &place,
        &["--params", "values.toml", "--param", "day='2026-11-22'"],
    );
    assert_eq!(report["parameters"][0]["value"], "2026-11-22");
    assert_eq!(report["parameters"][1]["value"], "1");
    assert_eq!(place.read("sold.csv").lines().count(), 4);
    let (_, report) = reported(&place, &["--param", "day=2026-11-22"]);
    assert_eq!(report["parameters"][1]["origin"], "default");
}

#[test]
fn wrong_values_are_told_with_the_list_before_anything_runs() {
    let place = place();
    let list = "@day DATE, @least INT64 = 2";
    let run = |flags: &[&str]| place.run(["run", "job.tide"].iter().chain(flags));
    run(&[]).fails(2, &["TM0601", "@day needs a value", "job.tide:1:19", list]);
    run(&["--param", "day=2026-11-22", "--param", "lest=3"])
        .fails(2, &["no parameter @lest", "did you mean @least?", list]);
    run(&["--param", "day=soon"]).fails(2, &["TM0601", "`soon` is no DATE"]);
    place.file("bad.toml", "day = 2026-11-22\nleast = [1]\n");
    run(&["--params", "bad.toml"]).fails(2, &["bad.toml:2: the value of `least` is no text"]);
    place.file("bad.toml", "day = \n");
    run(&["--params", "bad.toml"]).fails(2, &["bad.toml:1: "]);
    run(&["--params", "none.toml"]).fails(3, &["none.toml", "no such file"]);
    assert!(!place.path("sold.csv").exists() && !place.path("all.csv").exists());
}

#[test]
fn the_report_says_what_each_step_did() {
    let place = place();
    let (ended, report) = reported(&place, &["--param", "day=2026-11-22"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(report["status"], "done");
    assert_eq!(report["exit_code"], 0);
    let step = &report["steps"][2];
    assert_eq!(step["rows"], 2);
    assert_eq!(step["rows_read"], 2, "the reader leaves the others out");
    assert_eq!(step["line"], 4);
    let input = &step["inputs"][0];
    assert_eq!(input["name"], "sales.csv");
    assert_eq!(input["bytes"], SALES.len() as u64);
    assert!(input["files"][0]["modified_unix_ns"].as_u64() > Some(0));
    assert_eq!(step["text_hash"].as_str().map(str::len), Some(16));
    let output = &report["steps"][4]["outputs"][0];
    assert!(
        output["name"]
            .as_str()
            .is_some_and(|name| name.ends_with("sold.csv"))
    );
    assert_eq!(output["bytes"], place.read("sold.csv").len() as u64);
}

#[test]
fn a_failed_step_leaves_nothing_and_the_report_says_why() {
    let place = place();
    let (ended, report) = reported(&place, &["--param", "day=2026-11-20"]);
    ended.fails(
        3,
        &[
            "TM0500",
            "nothing was sold",
            "job.tide:7:8",
            "failed at step 4 of 6",
        ],
    );
    assert_eq!(
        statuses(&report),
        ["done", "done", "done", "failed", "not_run", "not_run"]
    );
    assert_eq!(report["status"], "failed");
    assert_eq!(report["exit_code"], 3);
    assert_eq!(report["error"]["code"], "TM0500");
    assert_eq!(report["error_at"], "job.tide:7:8");
    assert_eq!(
        place.names(),
        [".tidemill", "job.tide", "report.json", "sales.csv"]
    );
}

#[test]
fn a_file_with_bad_rows_ends_with_3_and_writes_nothing() {
    let place = Place::new();
    place.file("n.csv", "n\n1\n2\n").file(
        "job.tide",
        "FROM 'n.csv' |> SELECT CAST(n AS STRING) AS n, 1 / (n - 2) AS x, ERROR('stop') AS y |> EXPORT DATA OPTIONS (uri = 'n.parquet');",
    );
    let (ended, report) = reported(&place, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert_eq!(statuses(&report), ["failed"]);
    place.file("n.csv", "n\n1\n2,3\n");
    let (ended, report) = reported(&place, &[]);
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert_eq!(report["exit_code"], 3);
    assert_eq!(
        place.names(),
        [".tidemill", "job.tide", "n.csv", "report.json"]
    );
}

#[test]
fn a_dry_run_reads_no_row_and_writes_nothing() {
    let place = place();
    let args = ["run", "job.tide", "--dry-run", "--param", "day=2026-11-22"];
    let shown = place.answer(args);
    for part in [
        "@day DATE = 2026-11-22 (given)\n@least INT64 = 2 (default)\n",
        "3 job.tide:4  CREATE TEMP TABLE sold AS FROM 'sales.csv'",
        "    reads sales.csv: 1 file, 89 B\n",
        "    writes sold.csv\n    runs: it was not done before in this form\n",
        "6 steps would run and read",
    ] {
        assert!(shown.contains(part), "`{part}` is missing in\n{shown}");
    }
    assert_eq!(place.names(), ["job.tide", "sales.csv"], "not even a state");
    let json = place.answer(args.iter().chain(&["--format", "json"]));
    let plan: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(plan["status"], "planned");
    place.file(
        "job.tide",
        "FROM 'sales.csv' |> WHERE dya = '1';\nFROM 'later.csv';",
    );
    place
        .run(["run", "job.tide", "--dry-run"])
        .fails_with_answer(2, &["TM0201", "`dya`"]);
}

impl Ended {
    /// Fails unless the run ended with `code` and an error that has all `parts`, whatever it answered.
    fn fails_with_answer(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(
                self.err.contains(part),
                "`{part}` is missing in\n{}",
                self.err
            );
        }
    }
}

#[test]
fn results_are_printed_and_a_report_can_be_the_answer() {
    let place = Place::new();
    place.file("job.tide", "SELECT 1 AS a;\nSELECT 2 AS b;");
    let ended = place.run(["run", "job.tide"]);
    assert_eq!(
        (ended.code, ended.text().as_str()),
        (Some(0), "a\n1\n\nb\n2\n")
    );
    let ended = place.run(["run", "job.tide", "--format", "ndjson", "-q"]);
    assert_eq!(
        (ended.err.as_str(), ended.text().as_str()),
        ("", "{\"a\":1}\n{\"b\":2}\n")
    );
    place.file("job.tide", "CREATE TEMP TABLE t AS SELECT 1 AS a;");
    let report = place.answer(["run", "job.tide", "-q", "--no-state", "--report", "-"]);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["steps"][0]["status"], "done");
}

#[test]
fn the_timeout_is_that_of_the_whole_run() {
    let place = Place::new();
    let endless = "FROM UNNEST(GENERATE_SERIES(1, 2000)) AS a |> CROSS JOIN UNNEST(GENERATE_SERIES(1, 100000)) AS b |> CROSS JOIN UNNEST(GENERATE_SERIES(1, 100000)) AS c |> WHERE a + b + c < 0;\n";
    place.file(
        "job.tide",
        format!("CREATE TEMP TABLE t AS SELECT 1 AS a;\n{endless}SELECT 3 AS never;"),
    );
    let (ended, report) = reported(&place, &["--timeout", "3s"]);
    ended.fails(4, &["TM0512", "failed at step 2 of 3"]);
    assert_eq!(statuses(&report), ["skipped", "failed", "not_run"]);
    let (ended, _) = reported(&place, &["--step-timeout", "200ms"]);
    ended.fails(4, &["TM0512"]);
}

#[test]
fn scripts_on_standard_input_remember_nothing() {
    let place = Place::new();
    let ended = super::piped(&place, &["run", "-", "-q"], b"SELECT 1 AS a");
    assert_eq!((ended.code, ended.text().as_str()), (Some(0), "a\n1\n"));
    assert!(place.names().is_empty());
    super::piped(&place, &["run", "-", "--resume"], b"SELECT 1 AS a").fails(2, &["--state"]);
}
