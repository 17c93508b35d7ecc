//! Settings: files, environment, flags, and who wins.

use std::process::Command;

use serde_json::Value;

use super::{Ended, Place};

/// With the files of this place, and no others.
fn command(place: &Place, args: &[&str]) -> Command {
    let mut command = place.command(args);
    command
        .env_remove("TIDEMILL_CONFIG")
        .env("XDG_CONFIG_HOME", place.path("home"));
    command
}

fn run(place: &Place, args: &[&str]) -> Ended {
    Ended::from(command(place, args).output().expect("the program starts"))
}

fn setting(
    place: &Place,
    name: &str,
    args: &[&str],
    environment: &[(&str, &str)],
) -> (Value, String) {
    let args = [&["config", "--format", "json"][..], args].concat();
    let output = command(place, &args)
        .envs(environment.iter().copied())
        .output();
    let ended = Ended::from(output.expect("the program starts"));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let all: Vec<Value> = serde_json::from_str(&ended.text()).expect("JSON");
    let one = all
        .iter()
        .find(|one| one["name"] == name)
        .expect("the setting");
    (
        one["value"].clone(),
        one["origin"].as_str().expect("an origin").to_string(),
    )
}

#[test]
fn flags_beat_the_environment_beats_the_nearer_file_beats_the_other() {
    let place = Place::new();
    let is = |value: &str, origin: &str| (Value::from(value), origin.to_string());
    assert_eq!(
        setting(&place, "threads", &[], &[]),
        is("(all cores)", "default")
    );
    place.file("home/tidemill/tidemill.toml", "threads = 1\nnull = \"-\"\n");
    let (value, origin) = setting(&place, "threads", &[], &[]);
    assert_eq!(value, "1");
    assert!(
        origin.ends_with("home/tidemill/tidemill.toml:1"),
        "{origin}"
    );
    place.file("tidemill.toml", "# a comment\nthreads = 2\n");
    assert_eq!(
        setting(&place, "threads", &[], &[]),
        is("2", "file tidemill.toml:2")
    );
    let environment = [("TIDEMILL_THREADS", "3")];
    assert_eq!(
        setting(&place, "threads", &[], &environment),
        is("3", "environment TIDEMILL_THREADS")
    );
    assert_eq!(
        setting(&place, "threads", &["--threads", "4"], &environment),
        is("4", "flag --threads")
    );
    let only = [("TIDEMILL_CONFIG", "other.toml")];
    place.file("other.toml", "threads = 9\n");
    assert_eq!(
        setting(&place, "threads", &[], &only),
        is("9", "file other.toml:1")
    );
    assert_eq!(
        setting(&place, "threads", &[], &[("TIDEMILL_CONFIG", "")]),
        is("(all cores)", "default")
    );
}

#[test]
fn settings_of_files_are_used() {
    let place = Place::new();
    place.file(
        "tidemill.toml",
        "null = \"NIL\"\nformat = \"tsv\"\ntiming = true\ndb = \"kept\"\n",
    );
    let ended = run(
        &place,
        &["CREATE TABLE t AS SELECT 1 AS a, CAST(NULL AS STRING) AS b; FROM t"],
    );
    assert_eq!(
        (ended.code, ended.text().as_str()),
        (Some(0), "a\tb\n1\tNIL\n"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("Time: "), "{}", ended.err);
    assert!(place.path("kept").is_dir());
    place.file("job.tide", "FROM t");
    let ended = run(&place, &["run", "job.tide", "--format", "csv", "-q"]);
    assert_eq!(
        (ended.code, ended.text().as_str()),
        (Some(0), "a,b\n1,NIL\n"),
        "{}",
        ended.err
    );
    let shown = run(&place, &["config"]).text();
    assert!(shown.contains("tidemill.toml:2"), "{shown}");
    assert!(!shown.contains('\x1b'));
}

#[test]
fn wrong_files_are_told_with_their_line() {
    let place = Place::new();
    let wrong = |contents: &str, parts: &[&str]| {
        place.file("tidemill.toml", contents);
        run(&place, &["SELECT 1"]).fails(2, parts);
    };
    wrong(
        "threads = 2\nmemory-limit = \"2GB\"\n",
        &[
            "tidemill.toml:2",
            "no setting `memory-limit`",
            "did you mean `memory_limit`?",
        ],
    );
    wrong(
        "colour = 1\n",
        &["tidemill.toml:1", "there are format, null"],
    );
    wrong(
        "\n\nthreads = \"many\"\n",
        &["tidemill.toml:3", "`threads` cannot be `many`"],
    );
    wrong(
        "format = \"cvs\"\n",
        &["tidemill.toml:1", "it is one of table, csv"],
    );
    wrong(
        "memory_limit = \"2 sheep\"\n",
        &["tidemill.toml:1", "no unit of bytes"],
    );
    wrong("threads = 1.5\n", &["tidemill.toml:1", "a whole number"]);
    wrong("threads = \n", &["tidemill.toml:1"]);
}
