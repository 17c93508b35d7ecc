//! Texts that nobody would write: whatever the words, parsing and binding end in a plan or in errors with places in the text, and
//! what can be read can be laid out and written from its tree.
//! `TIDEMILL_RANDOM_CASES` sets how many (2000 without it); the seed is fixed, so a failure comes back.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::{OneFile, bind, catalog};
use crate::catalog::Catalog;
use crate::error::{Error, Span};
use crate::lang;
use crate::lang::ast::Script;
use crate::plan::Parameters;

const GRAMMAR: &[&str] = &[
    include_str!("../../../../grammar/lexical.pest"),
    include_str!("../../../../grammar/expression.pest"),
    include_str!("../../../../grammar/pipe.pest"),
    include_str!("../../../../grammar/statement.pest"),
    include_str!("../../../../grammar/table.pest"),
    include_str!("../../../../grammar/match.pest"),
];

/// What is no keyword: symbols, values, and the names that the catalog knows.
const OTHERS: &[&str] = &[
    "|>",
    "|>",
    "|>",
    "(",
    ")",
    "(",
    ")",
    ",",
    ",",
    ".",
    "*",
    "+",
    "-",
    "/",
    "%",
    "=",
    "<>",
    "<",
    ">=",
    "||",
    "::",
    "[",
    "]",
    "->",
    "=>",
    "@",
    "@p",
    "?",
    "@@max_recursion",
    ";",
    "@{",
    "}",
    "!",
    "1",
    "0",
    "42",
    "1.5",
    "1e9",
    "'a'",
    "'2024-01-31'",
    "r'\\d'",
    "b'x'",
    "NULL",
    "TRUE",
    "t",
    "t",
    "u",
    "empty",
    "vw",
    "k",
    "v",
    "x",
    "d",
    "day",
    "small",
    "w",
    "nothing",
    "`k`",
    "\"v\"",
    "'orders.csv'",
    "SUM",
    "COUNT",
    "ROW_NUMBER",
    "UPPER",
    "ABS",
    "ARRAY_AGG",
    "read_csv",
    "generate_series",
    "é",
    "--",
    "/*",
    "*/",
    "'",
    "`",
];

/// What a query of sense begins with, so that some words of nonsense come far.
const BEGINNINGS: &[&str] = &[
    "",
    "FROM t",
    "FROM t |> WHERE",
    "FROM t |> SELECT",
    "FROM t |> EXTEND",
    "FROM t |> AGGREGATE",
    "FROM t |> JOIN u",
    "SELECT",
    "SELECT k FROM t",
    "WITH c AS (FROM t) FROM c",
    "FROM t |> SET k =",
    "FROM t |> PIVOT (",
    "CREATE TABLE n AS",
    "INSERT INTO t",
    "FROM t |> FORK (",
];

/// Words of the grammar: each once.
fn words() -> Vec<String> {
    let mut words: Vec<String> = OTHERS.iter().map(|word| (*word).to_string()).collect();
    for line in GRAMMAR.iter().flat_map(|text| text.lines()) {
        let mut parts = line.split("^\"").skip(1);
        words.extend(parts.by_ref().filter_map(|part| {
            let (word, _) = part.split_once('"')?;
            Some(word.to_uppercase())
        }));
    }
    assert!(words.len() > 200, "{} words", words.len());
    words
}

/// The texts of the corpus, good and bad.
fn corpus() -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "test") {
                let content = std::fs::read_to_string(path).unwrap();
                let cases = content.split("\n-- ").skip(1);
                texts.extend(cases.filter_map(|case| {
                    let (text, _) = case.split_once("\n----")?;
                    Some(text.split_once('\n')?.1.to_string())
                }));
            }
        }
    }
    texts.sort();
    assert!(texts.len() > 1000, "{} texts", texts.len());
    texts
}

fn run<S: Strategy>(strategy: S, text_of: impl Fn(S::Value) -> String) {
    let cases = std::env::var("TIDEMILL_RANDOM_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(2000),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let catalog = catalog();
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&strategy, |value| ends(&text_of(value), &catalog))
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// A plan, or errors that are no faults of ours and point into the text.
fn ends(text: &str, catalog: &Catalog) -> Result<(), TestCaseError> {
    let fails = |error: &Error| {
        let whole = error.all().all(|error| {
            let labels = error.labels().iter().map(|label| label.span);
            let fix = error.suggested_fix().map(|fix| fix.span);
            let mut places = error.span().into_iter().chain(labels).chain(fix);
            let is_in_text = |Span { start, end }: Span| text.get(start..end).is_some();
            error.code() != "TM0999" && !error.message().is_empty() && places.all(is_in_text)
        });
        whole
            .then_some(())
            .ok_or_else(|| TestCaseError::fail(format!("{text}\n{error}\n{:?}", error.span())))
    };
    let script = match lang::parse_with(text, lang::Options::default()) {
        Ok(script) => script,
        Err(errors) => {
            prop_assert!(!errors.is_empty());
            return errors.iter().try_for_each(fails);
        }
    };
    is_laid_out(text, &script)?;
    for statement in &script.statements {
        let parameters = Parameters::default();
        if let Err(error) = bind(statement, text, catalog, &OneFile, &parameters) {
            fails(&error)?;
        }
    }
    Ok(())
}

/// The layout of a text is laid out already, and the text of its tree has that tree.
fn is_laid_out(text: &str, script: &Script) -> Result<(), TestCaseError> {
    let options = lang::Options::default();
    let failed = |errors: Vec<Error>| TestCaseError::fail(format!("{text}\n{errors:?}"));
    for width in [20, 100] {
        let once = lang::format::format(text, options, width).map_err(failed)?;
        let twice = lang::format::format(&once, options, width).map_err(failed)?;
        prop_assert_eq!(&once, &twice, "{}", text);
    }
    let written = lang::unparse::unparse(script);
    let again = lang::parse_with(&written, options).map_err(failed)?;
    let shape = |script| lang::json::shape(script).map_err(|error| failed(vec![error]));
    prop_assert_eq!(shape(script)?, shape(&again)?, "{}\n{}", text, written);
    Ok(())
}

/// The planner's stack is larger than a test's.
fn with_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn words_in_any_order_end() {
    with_stack(|| {
        let words = select(words());
        let strategy = (select(BEGINNINGS), vec(words, 0..25));
        run(strategy, |(beginning, words)| {
            format!("{beginning} {}", words.join(" "))
        });
    });
}

/// A change of a text: at which of its words, which kind, and a word for it.
type Change = (prop::sample::Index, u8, String);

fn changed(text: &str, changes: Vec<Change>) -> String {
    let mut parts: Vec<String> = text
        .split_inclusive(|c: char| !c.is_alphanumeric() && c != '_')
        .map(str::to_string)
        .collect();
    for (place, kind, word) in changes {
        if parts.is_empty() {
            break;
        }
        let at = place.index(parts.len());
        match kind % 6 {
            0 => {
                parts.remove(at);
            }
            1 => parts.insert(at, parts[at].clone()),
            2 => parts[at] = format!("{word} "),
            3 => parts.insert(at, format!(" {word} ")),
            4 => parts.truncate(at),
            _ => {
                let other = (at + 1) % parts.len();
                parts.swap(at, other);
            }
        }
    }
    parts.concat()
}

#[test]
fn texts_of_the_corpus_with_slips_of_the_pen_end() {
    with_stack(|| {
        let change = (any::<prop::sample::Index>(), any::<u8>(), select(words()));
        let strategy = (select(corpus()), vec(change, 1..5));
        run(strategy, |(text, changes)| changed(&text, changes));
    });
}
