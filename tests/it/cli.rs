//! The binary from outside: texts and flags in, results, errors and exit codes out.
//!
//! Every test runs the program in a directory of its own, with pipes instead of a terminal.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

mod bad_rows;
mod check;
mod colours;
mod config;
mod database;
mod explain;
mod failures;
mod files;
mod flags;
mod fmt;
mod formats;
mod helps;
mod ingest;
mod jobs;
mod killed;
mod look;
mod output;
mod parse;
mod remote;
mod replicas;
mod scripts;
mod signals;
mod skipped;
mod spill;
mod standard_input;

/// A directory with data, in which the program runs.
struct Place(TempDir);

/// How one run of the program ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the directories above it.
    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        let parent = path.parent().expect("a directory above a file");
        std::fs::create_dir_all(parent).expect("a directory");
        std::fs::write(path, contents).expect("a file");
        self
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a file of text")
    }

    fn read_bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("a file")
    }

    /// What lies in the directory, hidden files too.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("a directory");
        let mut names: Vec<String> = entries
            .map(|entry| {
                let name = entry.expect("an entry").file_name();
                name.to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        names
    }

    fn command<I, S>(&self, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        command(self.0.path(), args)
    }

    fn run<I, S>(&self, args: I) -> Ended
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let output = self.command(args).output().expect("the program starts");
        Ended::from(output)
    }

    /// What the run wrote, which must succeed and say nothing on standard error.
    fn answer<I, S>(&self, args: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let ended = self.run(args);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (Some(0), ""),
            "{}",
            ended.text()
        );
        ended.text()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).expect("errors are text"),
        }
    }
}

impl Ended {
    fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("the result is text")
    }

    /// Fails unless the run ended with `code`, an empty result and an error that has all `parts`.
    fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.text(), "", "results of a run that failed");
        for part in parts {
            assert!(
                self.err.contains(part),
                "`{part}` is missing in\n{}",
                self.err
            );
        }
    }
}

fn command<I, S>(place: &Path, args: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command
        .args(args)
        .current_dir(place)
        .stdin(Stdio::null())
        .env("TIDEMILL_CONFIG", "")
        .env_remove("NO_COLOR")
        .env_remove("RUST_BACKTRACE")
        .env_remove("CLICOLOR")
        .env_remove("CLICOLOR_FORCE");
    command
}

/// Runs with `text` on standard input.
fn piped(place: &Place, args: &[&str], text: &[u8]) -> Ended {
    let mut child = place
        .command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input");
    stdin.write_all(text).expect("the program reads its input");
    drop(stdin);
    Ended::from(child.wait_with_output().expect("the program ends"))
}

/// [`Place::answer`] where no files are needed.
fn answer<I, S>(args: I) -> String
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    Place::new().answer(args)
}

/// [`Place::run`] where no files are needed.
fn run<I, S>(args: I) -> Ended
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    Place::new().run(args)
}

/// NULL, no text, the word NULL, and what needs quotes.
const TEXTS: &str = "FROM (VALUES (1, 'a,b'), (2, NULL), (3, ''), (4, 'NULL'), (5, ' pad '), (6, 'say \"x\"\ny'), (7, 'tab\there')) \
                     AS t (i, s) |> ORDER BY i";
