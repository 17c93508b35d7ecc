//! The files `tests/queries/**/*.test`: what is in them, and writing them back.
//!
//! A file begins with lines of `#` that say what it is about. Then come cases:
//!
//! ```text
//! -- the name of the case
//! -- ordered
//! FROM t |> ORDER BY x
//! ----
//! x
//! 1
//! NULL
//! ```
//!
//! Between the name and the text may stand directives: `-- ordered` (rows are compared in order; otherwise as a multiset), `-- types`
//! (the header shows `name TYPE`), `-- contains` (each expected line is part of the result, in any case of letters), `-- no oracle`
//! (the answer depends on chance), `-- param name=value`. An error is expected as `error CODE [at LINE:COLUMN] [: message]`; a code
//! may be cut short (`error TM03`) where the specification gives only the range. A statement without rows answers `ok`.
//! Several results of one statement (FORK, TEE, IF) stand one after the other with `==` between; such a case is `-- ordered`.
//! Text is bare unless it is empty, looks like NULL, or has commas, quotes, control characters or outer spaces: then as in Rust.
//! In a folder `golden` an error is expected whole: every error of the text, each with what is said at its places and below.
//! `_setup.sql` in a folder runs before each of its files. What is in the folder `tables` runs in a database.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// One text and what it must answer.
#[derive(Debug, Clone, Default)]
pub struct Case {
    pub name: String,
    /// Line of the name, from 1.
    pub line: usize,
    pub ordered: bool,
    pub types: bool,
    pub contains: bool,
    pub no_oracle: bool,
    /// An error is written with everything it says.
    pub whole: bool,
    pub params: Vec<(String, String)>,
    pub text: String,
    pub expected: Vec<String>,
}

#[derive(Debug)]
pub struct TestFile {
    pub path: PathBuf,
    pub head: String,
    pub setup: String,
    pub cases: Vec<Case>,
}

/// Every file of the corpus, by path.
pub fn files() -> Vec<TestFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the corpus") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "test")
        {
            paths.push(path);
        }
    }
}

fn read(path: PathBuf) -> TestFile {
    let content = std::fs::read_to_string(&path).expect("a file of the corpus");
    let setup = path.with_file_name("_setup.sql");
    let mut file = TestFile {
        setup: std::fs::read_to_string(setup).unwrap_or_default(),
        head: String::new(),
        cases: Vec::new(),
        path,
    };
    let mut lines = content.lines().enumerate().peekable();
    while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("-- ")) {
        if !line.is_empty() {
            assert!(
                line.starts_with('#'),
                "{}: `{line}` before the first case",
                file.path.display()
            );
            writeln!(file.head, "{line}").expect("a string");
        }
    }
    while let Some((number, line)) = lines.next() {
        let mut case = Case {
            name: line.trim_start_matches("-- ").to_string(),
            line: number + 1,
            whole: file.is_golden(),
            ..Case::default()
        };
        while lines.next_if(|(_, line)| case.directive(line)).is_some() {}
        let text: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "----")
            .collect();
        case.text = text.join("\n");
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("-- ")) {
            case.expected.push(line.to_string());
        }
        while case.expected.last().is_some_and(String::is_empty) {
            case.expected.pop();
        }
        file.cases.push(case);
    }
    file
}

impl Case {
    /// Takes a line that is a directive.
    fn directive(&mut self, line: &str) -> bool {
        match line {
            "-- ordered" => self.ordered = true,
            "-- types" => self.types = true,
            "-- contains" => self.contains = true,
            "-- no oracle" => self.no_oracle = true,
            _ => {
                let Some((name, value)) = line
                    .strip_prefix("-- param ")
                    .and_then(|param| param.split_once('='))
                else {
                    return false;
                };
                self.params.push((name.to_string(), value.to_string()));
            }
        }
        true
    }

    fn write(&self, out: &mut String) {
        let mut line = |text: &str| writeln!(out, "{text}").expect("a string");
        line(&format!("-- {}", self.name));
        for (on, directive) in [
            (self.ordered, "-- ordered"),
            (self.types, "-- types"),
            (self.contains, "-- contains"),
            (self.no_oracle, "-- no oracle"),
        ] {
            if on {
                line(directive);
            }
        }
        for (name, value) in &self.params {
            line(&format!("-- param {name}={value}"));
        }
        line(&self.text);
        line("----");
        for expected in &self.expected {
            line(expected);
        }
    }
}

impl TestFile {
    /// Whether it holds wrong programs alone, each with everything that is said about it.
    pub fn is_golden(&self) -> bool {
        self.path
            .parent()
            .is_some_and(|folder| folder.ends_with("golden"))
    }

    /// Writes the file with its (blessed) cases.
    pub fn write(&self) {
        let mut out = self.head.clone();
        for case in &self.cases {
            out.push('\n');
            case.write(&mut out);
        }
        std::fs::write(&self.path, out).expect("a file of the corpus to write");
    }
}
