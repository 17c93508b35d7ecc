//! `Syntax::format`: the laws of a layout over every text there is, and what it looks like.
//!
//! The laws: the text means what it meant, every comment is there in its order, doing it again changes nothing, no line ends in a blank.
//! [`texts`] are those of the repository; [`comments`] finds and injects comments; [`program`] writes texts that nobody wrote.

mod comments;
mod looks;
mod program;
mod texts;

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;
use tidemill::Syntax;

const WIDTHS: [usize; 3] = [20, 60, 100];

/// The tree of a text that parses, without its places.
pub fn shape(text: &str) -> Option<Value> {
    let tree = Syntax::new().json(text).ok()?;
    let mut tree: Value = serde_json::from_str(&tree).expect("JSON");
    without_places(&mut tree);
    Some(tree)
}

fn without_places(value: &mut Value) {
    match value {
        Value::Object(members) if members.contains_key("line") => *value = Value::Null,
        Value::Object(members) => {
            members.values_mut().for_each(without_places);
        }
        Value::Array(items) => items.iter_mut().for_each(without_places),
        _ => {}
    }
}

/// What is wrong with the layout of a text of that shape.
fn broken_law(text: &str, meant: &Value, width: usize) -> Option<String> {
    let syntax = Syntax::new().width(width);
    let once = match syntax.format(text) {
        Ok(once) => once,
        Err(errors) => return Some(format!("it fails: {}", errors[0])),
    };
    if shape(&once).as_ref() != Some(meant) {
        return Some(format!("it means something else:\n{once}"));
    }
    let (before, after) = (comments::all(text), comments::all(&once));
    if before != after {
        return Some(format!("comments {before:?} became {after:?}:\n{once}"));
    }
    let twice = syntax
        .format(&once)
        .unwrap_or_else(|errors| errors[0].to_string());
    if once != twice {
        return Some(format!("once:\n{once}\ntwice:\n{twice}"));
    }
    match syntax.canonical(text) {
        Ok(canonical) if shape(&canonical).as_ref() == Some(meant) => {}
        Ok(canonical) => return Some(format!("its tree is written as:\n{canonical}")),
        Err(errors) => return Some(format!("its tree cannot be written: {}", errors[0])),
    }
    let ends = once.is_empty() || once.ends_with('\n') && !once.ends_with("\n\n");
    (!ends).then(|| format!("it does not end in one line end: {once:?}"))
}

/// Looks at every text, with each of the widths.
fn check(texts: &[String]) {
    let mut failures = Vec::new();
    for text in texts {
        let Some(meant) = shape(text) else {
            panic!("this does not parse:\n{text}");
        };
        for width in WIDTHS {
            if let Some(what) = broken_law(text, &meant, width) {
                failures.push(format!("{text}\n---- width {width}: {what}"));
                break;
            }
        }
    }
    let shown: Vec<&str> = failures.iter().take(10).map(String::as_str).collect();
    assert!(
        failures.is_empty(),
        "{} of {} texts\n{}",
        failures.len(),
        texts.len(),
        shown.join("\n========\n")
    );
}

#[test]
fn every_text_of_the_repository_obeys_the_laws() {
    let texts = texts::all();
    assert!(texts.len() > 1000, "only {} texts", texts.len());
    check(&texts);
}

#[test]
fn comments_may_stand_anywhere() {
    let mut texts = Vec::new();
    for (index, text) in texts::all().iter().enumerate() {
        texts.extend(comments::injected(text, index as u64));
    }
    assert!(texts.len() > 1000, "only {} texts", texts.len());
    check(&texts);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn texts_that_nobody_wrote_obey_the_laws(choices in prop::collection::vec(any::<u16>(), 1..120), seed: u64) {
        let text = program::write(choices);
        let meant = shape(&text);
        prop_assume!(meant.is_some());
        let mut texts = comments::injected(&text, seed);
        texts.push(text);
        for text in &texts {
            for width in WIDTHS {
                let wrong = broken_law(text, meant.as_ref().expect("a tree"), width);
                prop_assert!(wrong.is_none(), "{}\n---- width {}: {}", text, width, wrong.unwrap_or_default());
            }
        }
    }
}

/// The least time of a few tries.
fn time(text: &str) -> Duration {
    let tries = (0..3).map(|_| {
        let start = Instant::now();
        Syntax::new().format(text).expect("a valid text");
        start.elapsed()
    });
    tries.min().expect("three tries")
}

#[test]
fn the_time_grows_as_the_text_does() {
    let statements = |count: usize| {
        (0..count).fold(String::new(), |mut text, number| {
            let _ = writeln!(
                text,
                "from t |> where a > {number} -- c\n|> select a, f(b, [c]) as d;"
            );
            text
        })
    };
    let rows = |count: usize| {
        let rows: Vec<String> = (0..count)
            .map(|row| format!("({row}, 'x' /* c */)"))
            .collect();
        format!("VALUES {}", rows.join(", "))
    };
    let makers: [&dyn Fn(usize) -> String; 2] = [&statements, &rows];
    for make in makers {
        let (small, large) = (time(&make(200)), time(&make(1600)));
        let ratio = large.as_secs_f64() / small.as_secs_f64();
        assert!(
            ratio < 30.0,
            "8 times the text takes {ratio:.1} times as long"
        );
    }
}
