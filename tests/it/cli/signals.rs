//! A reader that goes away and Ctrl-C end a query that would run for days. What the program writes says when it is under way.

use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::Place;

const NUMBERS: &str = "CREATE TEMP TABLE n AS FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n";
/// Ten billion rows.
const ENDLESS: &str = "FROM n AS a |> CROSS JOIN n AS b |> SELECT a.n * b.n AS product";

fn start(place: &Place, flags: &[&str]) -> Child {
    place
        .command(flags.iter().chain(&["-c", NUMBERS, "-c", ENDLESS]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Waits until the endless query gives rows.
fn first_rows(child: &mut Child) -> ChildStdout {
    let mut out = child.stdout.take().expect("standard output");
    let mut bytes = [0; 4096];
    out.read_exact(&mut bytes).expect("the query gives rows");
    out
}

fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .arg("-INT")
        .arg(child.id().to_string())
        .status();
    assert!(status.expect("kill runs").success());
}

/// The exit code and what was said.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("the program ends");
    (
        output.status.code(),
        String::from_utf8(output.stderr).expect("errors are text"),
    )
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    for format in ["csv", "tsv", "json", "ndjson", "markdown", "arrow"] {
        let mut child = start(&Place::new(), &["--format", format]);
        drop(first_rows(&mut child));
        assert_eq!(end(child), (Some(141), String::new()), "{format}");
    }
}

#[test]
fn an_interrupt_cancels_the_query() {
    let mut child = start(&Place::new(), &[]);
    let mut out = first_rows(&mut child);
    interrupt(&child);
    // Reads on, so that the program is not held by a full pipe.
    let rest = std::io::copy(&mut out, &mut std::io::sink());
    rest.expect("the output ends");
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert!(
        said.contains("error[TM0507]") && said.contains("cancelled"),
        "{said}"
    );
}

#[test]
fn an_interrupt_leaves_no_part_of_a_file() {
    let place = Place::new();
    place.file("kept.csv", "old\n");
    let child = start(&place, &["--output", "kept.csv"]);
    until_a_part_is_written(&place);
    interrupt(&child);
    let (code, said) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(place.names(), ["kept.csv"]);
    assert_eq!(place.read("kept.csv"), "old\n");
}

/// Looks until a second file beside `kept.csv` has bytes: the query is then giving rows.
fn until_a_part_is_written(place: &Place) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        let written = place.names().iter().any(|name| {
            let size = std::fs::metadata(place.path(name)).map_or(0, |metadata| metadata.len());
            name != "kept.csv" && size > 0
        });
        if written {
            return;
        }
        std::thread::yield_now();
    }
    panic!("nothing was written: {:?}", place.names());
}
