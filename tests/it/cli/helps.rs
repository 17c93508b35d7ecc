//! Help, completions, the manual, measures: all from the one list of flags.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Place, answer, run};

/// The long flags and commands of a help text, or of any that has them at the start of lines.
fn flags(help: &str) -> Vec<&str> {
    let words = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let mut flags: Vec<&str> = words
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .collect();
    flags.sort_unstable();
    flags.dedup();
    flags
}

#[test]
fn the_short_help_fits_a_screen() {
    let short = answer(["-h"]);
    assert!(
        short.lines().count() <= 48,
        "{} lines:\n{short}",
        short.lines().count()
    );
    assert!(
        short.lines().all(|line| line.chars().count() <= 100),
        "{short}"
    );
    assert!(short.contains("Example") && short.contains("--help"));
    for command in ["run", "bench", "config", "completions", "man", "check"] {
        let help = answer([command, "--help"]);
        assert!(help.contains("Usage: tidemill "), "{help}");
    }
}

#[test]
fn completions_are_scripts_that_shells_read() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = answer(["completions", shell]);
        for word in ["memory-limit", "dry-run", "completions"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        // Those that are installed say whether it is one.
        let Ok(mut child) = Command::new(shell)
            .arg("-n")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
        else {
            continue;
        };
        if matches!(shell, "bash" | "zsh" | "fish") {
            let mut stdin = child.stdin.take().expect("standard input");
            stdin.write_all(script.as_bytes()).expect("the shell reads");
            drop(stdin);
            let ended = child.wait_with_output().expect("the shell ends");
            assert!(
                ended.status.success(),
                "{shell}: {}",
                String::from_utf8_lossy(&ended.stderr)
            );
        } else {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
    }
    run(["completions", "tcsh"]).fails(2, &["tcsh", "bash"]);
}

#[test]
fn the_manual_has_every_flag() {
    let page = |args: &[&str]| answer(args).replace("\\-", "-");
    let main = page(&["man"]);
    assert!(main.contains(".TH tidemill 1"), "{main}");
    assert!(main.contains("Exit codes:") && main.contains("Examples:"));
    for flag in flags(&answer(["--help"])) {
        assert!(main.contains(flag), "{flag} is missing");
    }
    let of_run = page(&["man", "run"]);
    for flag in flags(&answer(["run", "--help"])) {
        assert!(of_run.contains(flag), "{flag} is missing");
    }
    run(["man", "nothing"]).fails(2, &["there is no command `nothing`", "run"]);
    let place = Place::new();
    place.answer(["man", "--dir", "."]);
    let names = place.names();
    assert!(
        names.contains(&"tidemill.1".to_string()) && names.contains(&"tidemill-run.1".to_string()),
        "{names:?}"
    );
}

#[test]
fn bench_says_how_long_a_query_takes() {
    let place = Place::new();
    place.file("n.csv", "n\n1\n2\n3\n");
    let said = place.answer([
        "bench",
        "-n",
        "3",
        "--warmup",
        "1",
        "FROM 'n.csv' |> WHERE n > @least",
        "--param",
        "least=1",
    ]);
    assert!(
        said.starts_with("3 runs: min ") && said.contains("median ") && said.contains("p95 "),
        "{said}"
    );
    assert!(said.contains("2 rows out, 2 rows read"), "{said}");
    let json = place.answer([
        "bench",
        "-n",
        "4",
        "--format",
        "json",
        "CREATE TEMP TABLE t AS SELECT 1 AS a; FROM t",
    ]);
    let measured: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(measured["runs"], 4);
    assert_eq!(measured["rows"], 1);
    let (min, median, p95) = (
        &measured["min_ms"],
        &measured["median_ms"],
        &measured["p95_ms"],
    );
    assert!(
        min.as_f64() <= median.as_f64() && median.as_f64() <= p95.as_f64(),
        "{json}"
    );
    place
        .run(["bench", "-n", "1", "FROM 'n.csv' |> WHERE m"])
        .fails(2, &["TM0201"]);
    place
        .run(["bench", "-n", "0", "SELECT 1"])
        .fails(2, &["--runs"]);
}

#[test]
fn the_spec_has_every_flag_of_the_help() {
    let spec: Value = serde_json::from_str(&answer(["--spec"])).expect("JSON");
    let longs = |command: &Value| -> Vec<String> {
        let arguments = command["arguments"].as_array().expect("arguments");
        let longs = arguments.iter().filter_map(|one| one["long"].as_str());
        longs.map(|long| format!("--{long}")).collect()
    };
    let commands = spec["commands"].as_array().expect("commands");
    let all = [(&spec, vec!["--help"])]
        .into_iter()
        .chain(commands.iter().map(|command| {
            (
                command,
                vec![command["name"].as_str().expect("a name"), "--help"],
            )
        }));
    for (command, args) in all {
        let help = answer(&args);
        let known = longs(command);
        let listed = help
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with('-'));
        for flag in listed.flat_map(flags) {
            assert!(
                known.iter().any(|known| known == flag),
                "{flag} of {args:?} is missing"
            );
        }
    }
    let of = |name: &str| {
        let arguments = spec["arguments"].as_array().expect("arguments");
        let found = arguments.iter().find(|one| one["long"] == name);
        found.expect("a flag").clone()
    };
    let choices = of("format")["choices"].clone();
    assert!(
        choices
            .as_array()
            .expect("formats")
            .contains(&"parquet".into())
    );
    assert_eq!(of("threads")["environment"], "TIDEMILL_THREADS");
    assert_eq!(of("command")["repeats"], true);
    assert_eq!(spec["version"], env!("CARGO_PKG_VERSION"));
    run(["--spec", "SELECT 1"]).fails(2, &["--spec"]);
}
