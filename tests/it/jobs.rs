//! The job of `examples/jobs` does what its comments say, and its units are ones that systemd takes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    let link = place.path().join("examples");
    std::os::unix::fs::symlink(root().join("examples"), link).expect("a link");
    std::fs::create_dir(place.path().join("target")).expect("a folder");
    place
}

fn run(place: &Path, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "examples/jobs/daily_sales.tide", "--state", "state"])
        .args(flags)
        .current_dir(place)
        .env("TIDEMILL_CONFIG", "")
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_job_runs_once_and_then_has_nothing_to_do() {
    let place = place();
    let values = ["--params", "examples/jobs/daily_sales.toml"];
    let first = run(place.path(), &values);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    let totals = std::fs::read_to_string(place.path().join("target/daily_totals.csv"));
    let totals = totals.expect("the totals");
    assert!(
        totals.starts_with("region,revenue,sales\n") && totals.lines().count() > 1,
        "{totals}"
    );
    assert!(place.path().join("target/daily_sales.parquet").exists());
    let again = run(place.path(), &values);
    assert!(
        said(&again).contains("done: 2 steps run, 5 skipped"),
        "{}",
        said(&again)
    );
    let none = run(place.path(), &["--param", "day=1999-01-01"]);
    assert_eq!(none.status.code(), Some(3));
    assert!(
        said(&none).contains("no sales on this day"),
        "{}",
        said(&none)
    );
}

#[test]
fn systemd_takes_the_units() {
    let units = ["daily-sales.service", "daily-sales.timer"];
    let units = units.map(|name| root().join("examples/jobs").join(name));
    for unit in &units {
        let text = std::fs::read_to_string(unit).expect("a unit");
        assert!(text.contains("[Unit]") && text.contains("[Install]"));
    }
    let verify = Command::new("systemd-analyze")
        .arg("verify")
        .args(&units)
        .output();
    // Not every machine has systemd; one without the program's path has nothing else to say.
    if let Ok(output) = verify {
        let wrong = said(&output);
        let mut wrong = wrong.lines().filter(|line| line.contains("daily-sales"));
        assert_eq!(wrong.next(), None);
    }
}
