//! Progress outside of the shell: as JSON for programs, as a line for people, never where nobody asked.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::NUMBERS;
use super::terminal::Start;

const ENDLESS: &str = "FROM n AS a |> CROSS JOIN n AS b |> AGGREGATE MAX(a.n * b.n) AS m";

/// The exit code and the lines of standard error of a run with pipes.
fn run(args: &[&str]) -> (Option<i32>, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let said = String::from_utf8(output.stderr).expect("text");
    (
        output.status.code(),
        said.lines().map(str::to_string).collect(),
    )
}

fn events(lines: &[String]) -> Vec<Value> {
    let values = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    values
        .filter(|value: &Value| value["event"] == "progress")
        .collect()
}

#[test]
fn programs_are_told_the_end_of_every_statement() {
    let (code, lines) = run(&[
        "--progress",
        "json",
        "-c",
        NUMBERS,
        "-c",
        "FROM n |> WHERE n > 10",
    ]);
    assert_eq!(code, Some(0));
    let ends: Vec<Value> = events(&lines)
        .into_iter()
        .filter(|event| event["state"] == "done")
        .collect();
    assert_eq!(ends.len(), 2, "{lines:?}");
    assert_eq!(
        (&ends[0]["statement"], &ends[1]["statement"]),
        (&1.into(), &2.into())
    );
    assert_eq!(ends[1]["rows"], 100_000);
    assert_eq!(ends[1]["rows_given"], 99_990);
    assert_eq!(
        (&ends[1]["fraction"], &ends[1]["remaining_ms"]),
        (&1.0.into(), &0.into())
    );
    assert!(ends[1]["bytes"].as_u64() > Some(0) && ends[1]["elapsed_ms"].is_u64());
}

#[test]
fn a_share_never_goes_back_and_a_timeout_is_a_failure() {
    let (code, lines) = run(&[
        "--progress",
        "json",
        "--error-format",
        "json",
        "--timeout",
        "3s",
        "-c",
        NUMBERS,
        "-c",
        ENDLESS,
    ]);
    assert_eq!(code, Some(4), "{lines:?}");
    let events: Vec<Value> = events(&lines)
        .into_iter()
        .filter(|event| event["statement"] == 2)
        .collect();
    let running = events.iter().filter(|event| event["state"] == "running");
    assert!(running.count() >= 2, "{lines:?}");
    assert_eq!(events.last().expect("the end")["state"], "failed");
    let shares: Vec<f64> = events
        .iter()
        .map(|event| event["fraction"].as_f64().expect("a share"))
        .collect();
    assert!(shares.is_sorted(), "{shares:?}");
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
}

#[test]
fn a_person_sees_a_line_that_goes_again() {
    let args = ["--timeout", "4s", "-c", NUMBERS, "-c", ENDLESS];
    let terminal = Start::new().args(&args).run();
    terminal.until("the line", |shown| shown.has("% ▕") && shown.has("memory"));
    let shown = terminal.until("the error", |shown| shown.has("TM0512"));
    assert!(!shown.has("▕"), "{}", shown.text);
    assert_eq!(terminal.end().exit_code(), 4);
    let quiet = Start::new()
        .args(&args)
        .args(&["--progress", "never"])
        .run();
    quiet.until("the error", |shown| shown.has("TM0512"));
    assert!(!String::from_utf8_lossy(&quiet.bytes()).contains('▕'));
}

#[test]
fn nothing_is_drawn_where_standard_error_is_a_pipe() {
    let (code, lines) = run(&["--timeout", "3s", "-c", NUMBERS, "-c", ENDLESS]);
    assert_eq!(code, Some(4));
    let said = lines.join("\n");
    assert!(
        said.starts_with("error[TM0512]") && !said.contains('\u{1b}') && !said.contains('▕'),
        "{said}"
    );
}
