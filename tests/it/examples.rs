//! Every program in examples/ runs and prints what its reader is told to expect.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each example prints; `#` stands for any number.
const PRINTED: [(&str, &str); 10] = [
    (
        "01_embed",
        "north: 21.5\nsouth: 10\n\
         error[TM0201]: no column named `regoin` here\n  \
         = did you mean `region`?\n  \
         = available: region (STRING), qty (INT64), price (FLOAT64)\n",
    ),
    (
        "02_files",
        "10 sales in the CSV file\n\
         sail       295.50\nanchor     179.80\nrope        54.00\n",
    ),
    (
        "03_parameters",
        "  1 to  10: 55\n 11 to  20: 155\n  1 to 100: 5050\nabove 90: 10\n",
    ),
    (
        "04_typed_rows",
        "harbour: 12 on average, [\"calm\"]\n\
         lighthouse: 9 on average, [\"gale\"]\n\
         a batch of 2 rows\n",
    ),
    ("05_functions", "AL\nBL\nGH\nlongest: Barbara Liskov\n"),
    ("06_map_reduce", "3 the\n2 tide\n1 turns\n"),
    (
        "07_cancel_and_progress",
        "read # rows, then dropped the rest\ncancelled: true\n\
         50000 of 100000 rows are even, 100 % done\n",
    ),
    (
        "08_sharded_tables",
        "customer 7: 100 orders, 247850\none shard of four: true\n\
         version 0: 10000 rows\nversion 1: 9900 rows\nanother engine: 9900 rows\n",
    ),
    (
        "09_async",
        "50000 even, 49995 odd\na first batch came: true\n",
    ),
    (
        "10_datafusion",
        "+---------+-------+\n\
         | product | worth |\n\
         +---------+-------+\n\
         | sail    | 620.0 |\n\
         | rope    | 436.5 |\n\
         +---------+-------+\n",
    ),
];

/// The built example: in `examples`, next to the directory that this test's program lies in.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this program's path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("the directory above deps");
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    profile.join("examples").join(name)
}

fn printed(name: &str) -> String {
    let place = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new(built(name)).current_dir(place.path()).output();
    let output =
        output.unwrap_or_else(|error| panic!("{name} is not built beside the tests: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), said.as_ref()),
        (Some(0), ""),
        "{name}"
    );
    String::from_utf8(output.stdout).expect("text")
}

/// Whether `text` is `pattern` with a number for each `#`.
fn matches(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    for (position, part) in pattern.split('#').enumerate() {
        if position > 0 {
            let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            if after.len() == rest.len() {
                return false;
            }
            rest = after;
        }
        match rest.strip_prefix(part) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

#[test]
fn examples_print_what_they_promise() {
    for (name, expected) in PRINTED {
        let text = printed(name);
        assert!(
            matches(&text, expected),
            "{name} printed\n{text}instead of\n{expected}"
        );
    }
}

#[test]
fn every_example_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("examples/")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    let run: BTreeSet<String> = PRINTED
        .iter()
        .map(|(name, _)| (*name).to_string())
        .collect();
    assert_eq!(files, run, "files of examples/ against what is run here");
    for (position, name) in files.iter().enumerate() {
        let number = format!("{:02}_", position + 1);
        assert!(
            name.starts_with(&number),
            "{name} is not number {number} in reading order"
        );
    }
}

#[test]
fn a_pattern_stands_for_numbers() {
    assert!(matches("read 12 rows", "read # rows"));
    assert!(!matches("read rows", "read # rows"));
    assert!(!matches("read x rows", "read # rows"));
    assert!(!matches("read 12 rows, more", "read # rows"));
}
