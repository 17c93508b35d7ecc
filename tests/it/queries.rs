//! Runs the corpus. Every case is answered with one worker, two workers and batches of one row; a query also by DataFusion's own
//! executor, with a pipe added, and cut before each of its pipes. `TIDEMILL_BLESS=1` writes what came instead of what was expected.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidemill::{Engine, Error, ErrorKind, ParamMap};

use crate::answer::{self, Answer};
use crate::corpus::{self, Case, TestFile};
use crate::manners;

/// The same rows must come with each of these: workers, and rows in a batch.
const CONFIGS: [(usize, Option<usize>); 3] = [(1, None), (2, None), (2, Some(1))];

#[test]
fn the_corpus_answers_as_written() {
    let bless = std::env::var_os("TIDEMILL_BLESS").is_some();
    let only = std::env::var("TIDEMILL_ONLY").unwrap_or_default();
    let files: Vec<Mutex<TestFile>> = corpus::files()
        .into_iter()
        .filter(|file| file.path.to_string_lossy().contains(&only))
        .map(Mutex::new)
        .collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check_file(&mut file.lock().expect("a file"), bless);
                    failures.lock().expect("failures").extend(found);
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("failures");
    failures.sort();
    let cases: usize = files
        .iter()
        .map(|f| f.lock().expect("a file").cases.len())
        .sum();
    println!(
        "{cases} cases in {} files, {} failures",
        files.len(),
        failures.len()
    );
    assert!(
        cases >= 350 || !only.is_empty(),
        "the corpus has only {cases} cases"
    );
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n\n"));
}

fn check_file(file: &mut TestFile, bless: bool) -> Vec<String> {
    // Durable tables need a directory, for each engine one of its own.
    let folders = CONFIGS.map(|_| tempfile::tempdir().expect("a folder"));
    let name = file.path.to_string_lossy();
    let in_database = name.contains("tests/queries/tables/");
    let engines: Vec<Engine> = CONFIGS
        .iter()
        .zip(&folders)
        .map(|((threads, batch_rows), folder)| {
            let database = in_database.then(|| folder.path());
            answer::engine_over(*threads, *batch_rows, database)
        })
        .collect();
    let name = name
        .rsplit_once("tests/queries/")
        .map_or(&*name, |(_, name)| name)
        .to_string();
    for engine in &engines {
        if let Err(error) = answer::run(engine, &file.setup, &ParamMap::new()) {
            return vec![format!("{name}: _setup.sql: {error}")];
        }
    }
    let mut failures = Vec::new();
    let mut blessed = false;
    for case in &mut file.cases {
        let fault =
            |what: String| format!("{name}:{} {}\n{}\n{what}", case.line, case.name, case.text);
        let answers: Vec<_> = engines
            .iter()
            .map(|engine| answer::run_all(engine, &case.text, &params(case)))
            .collect();
        let outcomes: Vec<Vec<String>> = answers
            .iter()
            .map(|answer| outcome_lines(case, answer))
            .collect();
        if let Some(secret) = answers[0].as_ref().err().and_then(manners::betrayed) {
            failures.push(fault(format!("---- an error shows {secret}")));
        }
        if !meets(case, &outcomes[0]) {
            if bless {
                case.expected.clone_from(&outcomes[0]);
                blessed = true;
                continue;
            }
            failures.push(fault(format!(
                "---- expected\n{}\n---- answered\n{}",
                case.expected.join("\n"),
                outcomes[0].join("\n")
            )));
            continue;
        }
        for ((threads, batch_rows), outcome) in CONFIGS.iter().zip(&outcomes).skip(1) {
            if !meets(case, outcome) {
                failures.push(fault(format!(
                    "---- with {threads} threads, batches of {batch_rows:?} rows\n{}",
                    outcome.join("\n")
                )));
            }
        }
        if let Ok([answer]) = answers[0].as_deref()
            && let Err(what) = check_query(&engines[0], case, answer)
        {
            failures.push(fault(what));
        }
    }
    if blessed {
        file.write();
    }
    failures
}

fn params(case: &Case) -> ParamMap {
    let mut params = ParamMap::new();
    for (name, value) in &case.params {
        params.set_text(name, value);
    }
    params
}

/// What the file would hold.
fn outcome_lines(case: &Case, outcome: &Result<Vec<Answer>, Error>) -> Vec<String> {
    let answers = match outcome {
        Err(error) if case.whole => return manners::lines(&case.text, error),
        Err(error) => return vec![manners::line(&case.text, error)],
        Ok(answers) if answers.is_empty() => return vec!["ok".to_string()],
        Ok(answers) => answers,
    };
    let results: Vec<Vec<String>> = answers
        .iter()
        .map(|answer| {
            let header: Vec<String> = answer
                .names
                .iter()
                .zip(&answer.types)
                .map(|(name, kind)| {
                    if case.types {
                        format!("{name} {kind}")
                    } else {
                        name.clone()
                    }
                })
                .collect();
            [vec![header.join(",")], answer.lines()].concat()
        })
        .collect();
    // Several results of one statement stand one after the other.
    results.join(&"==".to_string())
}

fn meets(case: &Case, lines: &[String]) -> bool {
    let expected = &case.expected;
    if case.whole {
        return expected == lines;
    }
    if let Some(error) = expected.first().filter(|line| line.starts_with("error")) {
        return meets_error(error, &lines[0]);
    }
    if case.contains {
        let all = lines.join("\n").to_lowercase();
        return !all.starts_with("error tm")
            && expected
                .iter()
                .all(|line| all.contains(&line.to_lowercase()));
    }
    if case.ordered || expected.is_empty() || lines.is_empty() {
        return expected == lines;
    }
    let sorted = |rows: &[String]| {
        let mut rows = rows.to_vec();
        rows.sort();
        rows
    };
    expected[0] == lines[0] && sorted(&expected[1..]) == sorted(&lines[1..])
}

/// `error TM02`, `error TM0201`, `error TM0201 at 1:5`, `error TM0201 at 1:5: message`: each says what it says. A fault of ours is
/// never met by a code cut short.
fn meets_error(expected: &str, line: &str) -> bool {
    let Some(rest) = line.strip_prefix(expected) else {
        return false;
    };
    let whole_code = expected.len() >= "error TM0000".len();
    if whole_code {
        rest.is_empty() || rest.starts_with(':') || rest.starts_with(" at ")
    } else {
        line.starts_with("error TM") && !line.starts_with("error TM0999")
    }
}

/// The further promises about a query that answers with rows.
fn check_query(engine: &Engine, case: &Case, answer: &Answer) -> Result<(), String> {
    let Some(query) = last_query(engine, &case.text) else {
        return Ok(());
    };
    if !case.no_oracle {
        let oracle = engine
            .oracle(&query, params(case))
            .map_err(|error| format!("---- DataFusion's executor\n{error}"))?;
        same(
            answer,
            &Answer::of_batches(&oracle),
            "DataFusion's executor",
        )?;
        let piped = format!("{query}\n|> WHERE TRUE");
        let more = answer::run(engine, &piped, &params(case))
            .map_err(|error| format!("---- with a pipe added\n{error}"))?;
        same(answer, &more.expect("rows"), "a pipe added")?;
    }
    for cut in pipes(&query) {
        if let Err(error) = answer::run(engine, &query[..cut], &params(case))
            && matches!(error.kind(), ErrorKind::Input | ErrorKind::Bug)
        {
            return Err(format!("---- cut to `{}`\n{error}", &query[..cut]));
        }
    }
    Ok(())
}

fn same(answer: &Answer, other: &Answer, by: &str) -> Result<(), String> {
    match answer.difference(other, false) {
        Some(difference) => Err(format!("---- differs by {by}\n{difference}")),
        None => Ok(()),
    }
}

/// The text of the last statement if it is a query, with the script's first line when that sets the quotes.
fn last_query(engine: &Engine, text: &str) -> Option<String> {
    let statements = engine.statements(text).ok()?;
    let last = statements.last()?.text();
    let word = last
        .split(|c: char| !c.is_ascii_alphabetic())
        .find(|word| !word.is_empty())?
        .to_ascii_uppercase();
    let plain = !text.starts_with("#!") && !matches!(&*word, "EXPLAIN" | "CREATE" | "IF");
    plain.then(|| last.to_string())
}

/// Where the `|>` outside parentheses are.
fn pipes(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut found) = (0, 0usize, Vec::new());
    while at < bytes.len() {
        let rest = &text[at..];
        at += match bytes[at] {
            b'\'' | b'"' | b'`' => quoted_len(text, at),
            b'#' => rest.find('\n').unwrap_or(rest.len()),
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            b'|' if rest.starts_with("|>") && depth == 0 => {
                found.push(at);
                2
            }
            b'(' | b'[' => {
                depth += 1;
                1
            }
            b')' | b']' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    found
}

/// The length of the quoted thing that begins at `at`.
fn quoted_len(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    if let Some(inside) = rest.strip_prefix(&triple) {
        return inside.find(&triple).map_or(rest.len(), |end| end + 6);
    }
    let escapes = at > 0 && matches!(text.as_bytes()[at - 1], b'E' | b'e');
    let mut chars = rest.char_indices().skip(1);
    while let Some((offset, c)) = chars.next() {
        if c == '\\' && escapes {
            chars.next();
        } else if rest[offset..].starts_with(quote) {
            return offset + 1;
        }
    }
    rest.len()
}

#[test]
fn pipes_are_found_outside_parentheses_strings_and_comments() {
    let text = "FROM (FROM t |> WHERE x) -- |>\n|> WHERE s = '|>' |> SELECT `|>`, E'\\'|>' /* |> */ |> LIMIT 1";
    let words: Vec<&str> = pipes(text).iter().map(|at| &text[at + 3..at + 8]).collect();
    assert_eq!(words, ["WHERE", "SELEC", "LIMIT"]);
}

/// LANGUAGE.md section 8 asks for 150 wrong programs whose messages were read by a person.
#[test]
fn there_are_enough_wrong_programs() {
    let golden = corpus::files().into_iter().filter(|file| file.is_golden());
    let cases: Vec<Case> = golden.flat_map(|file| file.cases).collect();
    for case in &cases {
        let first = case.expected.first().map_or("", String::as_str);
        assert!(first.starts_with("error TM"), "{} is not wrong", case.name);
    }
    assert!(cases.len() >= 150, "only {} wrong programs", cases.len());
}
