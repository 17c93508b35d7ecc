//! `Syntax::format`: the laws of a layout over every text there is, and what it looks like.
//!
//! The laws: the text means what it meant, every comment is there in its order, doing it again changes nothing, no line ends in a blank.
//! [`texts`] are those of the repository; [`comments`] finds and injects comments; [`program`] writes texts that nobody wrote.

mod comments;
mod looks;
mod texts;

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
        Value::Object(members) if members.contains_key("column") => *value = Value::Null,
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
