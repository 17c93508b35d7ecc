//! A program that is killed in the middle of writing leaves nothing under the final name, whatever writes there.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Place;

/// Enough rows to be killed among them.
const ROWS: &str = "FROM UNNEST(GENERATE_SERIES(1, 5000)) AS a |> CROSS JOIN UNNEST(GENERATE_SERIES(1, 100000)) AS b \
                    |> SELECT a, b, b % 3 AS p, CONCAT('row ', a, ' and ', b) AS s";

/// How long it may take until bytes are written.
const PATIENCE: Duration = Duration::from_secs(120);

/// Kills the program when there is a file besides those that were there. It must have bytes, but for the formats that gather many
/// rows before they write.
fn killed_while_writing(place: &Place, args: &[&str]) {
    let gathers = args
        .iter()
        .any(|arg| arg.contains("parquet") || arg.contains("arrow"));
    let before = place.names();
    let mut child = place
        .command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let deadline = Instant::now() + PATIENCE;
    while !grows(place, &before, !gathers) {
        let ended = child.try_wait().expect("the program is there");
        assert!(ended.is_none(), "{args:?} ended before it was killed");
        assert!(Instant::now() < deadline, "{args:?} wrote nothing");
        std::thread::yield_now();
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

fn grows(place: &Place, before: &[String], has_bytes: bool) -> bool {
    let names = place.names().into_iter();
    let mut new = names.filter(|name| !before.contains(name));
    new.any(|name| !has_bytes || bytes_in(&place.path(&name)) > 0)
}

/// The bytes of a file, or of the files below a directory.
fn bytes_in(path: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    };
    let entries = entries.filter_map(Result::ok);
    entries.map(|entry| bytes_in(&entry.path())).sum()
}

/// What others see: files without a dot in front.
fn seen(place: &Place) -> Vec<String> {
    let names = place.names().into_iter();
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn output_is_whole_or_not_there() {
    for ending in ["csv", "tsv", "json", "ndjson", "arrow", "parquet", "md"] {
        let place = Place::new();
        let name = format!("out.{ending}");
        killed_while_writing(&place, &["--output", &name, ROWS]);
        assert_eq!(seen(&place), [""; 0], "{ending}");
        place.file(&name, "what was there\n");
        killed_while_writing(&place, &["--output", &name, ROWS]);
        assert_eq!(place.read(&name), "what was there\n");
        // The next run does not stumble over what was left.
        place.answer(["--output", &name, "SELECT 1 AS a"]);
        assert_ne!(place.read_bytes(&name), b"what was there\n");
    }
}

#[test]
fn exports_are_whole_or_not_there() {
    for (uri, options) in [
        ("out.csv", ""),
        ("out.csv.gz", ""),
        ("out.ndjson", ""),
        ("out.arrow", ""),
        ("out.parquet", ""),
        ("out/", ", format = 'parquet', partition_by = ['p']"),
    ] {
        let place = Place::new();
        let export = format!("{ROWS} |> EXPORT DATA OPTIONS (uri = '{uri}'{options})");
        killed_while_writing(&place, &[&export]);
        assert_eq!(seen(&place), [""; 0], "{uri}");
        place.file("job.tide", &export);
        killed_while_writing(&place, &["run", "job.tide", "--no-state"]);
        assert_eq!(seen(&place), ["job.tide"], "{uri} of a job");
    }
}

#[test]
fn an_export_over_a_file_keeps_the_old_one_until_the_new_is_whole() {
    let place = Place::new();
    place.file("out.csv", "a\n1\n");
    let export = format!("{ROWS} |> EXPORT DATA OPTIONS (uri = 'out.csv', overwrite = TRUE)");
    killed_while_writing(&place, &[&export]);
    assert_eq!(place.read("out.csv"), "a\n1\n");
}
