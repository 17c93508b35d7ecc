//! Pipelines that nobody wrote, over tables that nobody made: the same rows, or the same error, whatever the number of workers and
//! the size of batches; and DataFusion's own executor agrees. `TIDEMILL_RANDOM_CASES` sets how many (64 without it); the seed is
//! fixed, so a failure comes back.

#[path = "random/pipeline.rs"]
mod pipeline;
#[path = "random/table.rs"]
mod table;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tidemill::{Engine, Error, ErrorKind};

use crate::answer::{self, Answer};

/// Workers, and rows in a batch.
const CONFIGS: [(usize, usize); 6] = [(1, 8192), (2, 8192), (2, 7), (2, 1), (2, 8192), (8, 7)];

/// From this one on, memory has a limit, so that joins and aggregates are those that can write out what they hold.
const LIMITED_FROM: usize = 4;
const MEMORY_LIMIT: u64 = 8 << 20;

fn runner() -> TestRunner {
    let cases = std::env::var("TIDEMILL_RANDOM_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(64),
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn engines() -> Vec<Engine> {
    CONFIGS
        .iter()
        .enumerate()
        .map(|(place, (threads, rows))| {
            if place < LIMITED_FROM {
                return answer::engine(*threads, Some(*rows));
            }
            let limited = Engine::builder().memory_limit(MEMORY_LIMIT);
            let limited = limited.threads(*threads).batch_rows(*rows).in_memory();
            limited.expect("an engine")
        })
        .collect()
}

/// What both sides of a comparison may be.
fn outcome(result: Result<Answer, Error>) -> Result<Answer, String> {
    match result {
        Ok(answer) => Ok(answer),
        Err(error) if matches!(error.kind(), ErrorKind::Run) => Err(error.code().to_string()),
        Err(error) => panic!("an error that no value causes: {error}"),
    }
}

fn agree(engines: &[Engine], text: &str, ordered: bool) -> Result<(), TestCaseError> {
    let first = outcome(answer::rows(&engines[0], text));
    for (engine, (threads, rows)) in engines.iter().zip(CONFIGS).skip(1) {
        let other = outcome(answer::rows(engine, text));
        match (&first, &other) {
            (Ok(a), Ok(b)) => {
                let difference = a.difference(b, ordered);
                prop_assert!(
                    difference.is_none(),
                    "{threads} threads, batches of {rows}: {}\n{text}",
                    difference.unwrap_or_default()
                );
            }
            (Err(a), Err(b)) => {
                prop_assert_eq!(a, b, "{} threads, batches of {}\n{}", threads, rows, text)
            }
            (a, b) => {
                let word = |r: &Result<Answer, String>| match r {
                    Ok(answer) => format!("{} rows", answer.rows.len()),
                    Err(code) => code.clone(),
                };
                prop_assert!(
                    false,
                    "{threads} threads, batches of {rows}: {} and {}\n{text}",
                    word(a),
                    word(b)
                );
            }
        }
    }
    // DataFusion wraps where we refuse: only an answer can be compared.
    if let Ok(answer) = &first {
        let oracle = engines[0].oracle(text, ());
        let oracle =
            oracle.map_err(|error| TestCaseError::fail(format!("oracle: {error}\n{text}")))?;
        let difference = answer.difference(&Answer::of_batches(&oracle), ordered);
        prop_assert!(
            difference.is_none(),
            "oracle: {}\n{text}",
            difference.unwrap_or_default()
        );
    }
    Ok(())
}

#[test]
fn random_pipelines_agree() {
    let engines = engines();
    let strategy = (
        table::rows(40),
        table::rows(15),
        vec(0..9usize, 0..6),
        vec(any::<u16>(), 60),
    );
    runner()
        .run(&strategy, |(left, right, cuts, choices)| {
            for engine in &engines {
                let register =
                    |name, batches| engine.register_batches(name, batches).expect("a table");
                register("l", table::batches(&left, &cuts));
                register("r", table::batches(&right, &[3]));
            }
            let (text, ordered) = pipeline::write(choices);
            agree(&engines, &text, ordered)
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

fn numbers(values: &[Option<i64>]) -> RecordBatch {
    let column: ArrayRef = std::sync::Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("x", column, true)]).expect("one column")
}

fn extreme() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        Just(None),
        Just(Some(i64::MAX)),
        Just(Some(i64::MIN)),
        Just(Some(i64::MIN + 1)),
        (-3i64..4).prop_map(Some),
        any::<i64>().prop_map(Some),
    ]
}

/// Sums and products of whole numbers are exact or TM0502: counted here in 128 bits.
#[test]
fn whole_numbers_are_exact_or_refused() {
    let engines = engines();
    runner()
        .run(&(vec(extreme(), 0..12), 1i64..5), |(values, factor)| {
            let wide = || values.iter().flatten().map(|x| i128::from(*x));
            let sum = wide().sum::<i128>();
            let some = wide().next().is_some();
            let fits = |x: i128| i64::try_from(x).is_ok();
            let sum_text = if some {
                sum.to_string()
            } else {
                "NULL".to_string()
            };
            let sum_expected = if fits(sum) {
                Ok(vec![sum_text])
            } else {
                Err("TM0502".to_string())
            };
            let mut products: Vec<String> = values
                .iter()
                .map(|x| {
                    x.map_or("NULL".to_string(), |x| {
                        (i128::from(x) * i128::from(factor) - 1).to_string()
                    })
                })
                .collect();
            products.sort();
            let products_fit =
                wide().all(|x| fits(x * i128::from(factor)) && fits(x * i128::from(factor) - 1));
            let products_expected = if products_fit {
                Ok(products)
            } else {
                Err("TM0502".to_string())
            };
            for engine in &engines {
                engine
                    .register_batches("n", vec![numbers(&values)])
                    .expect("a table");
                let sorted_lines = |text: &str| {
                    outcome(answer::rows(engine, text)).map(|answer| {
                        let mut lines = answer.lines();
                        lines.sort();
                        lines
                    })
                };
                prop_assert_eq!(
                    &sorted_lines("FROM n |> AGGREGATE SUM(x) AS s"),
                    &sum_expected
                );
                let product = format!("FROM n |> SELECT x * {factor} - 1 AS y");
                prop_assert_eq!(&sorted_lines(&product), &products_expected);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
