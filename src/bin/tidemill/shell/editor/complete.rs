//! Completion: what the engine knows can stand at a place, in the hand of who types.

use std::cell::RefCell;

use rustyline::completion::Candidate;
use tidemill::{Completion, CompletionKind, Engine};

use super::{is_command, list, whole_text};
use crate::shell::commands;
use crate::shell::look::screen;
use crate::shell::session::PROMPT;

/// Something that can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) struct Choice {
    display: String,
    text: String,
}

impl Candidate for Choice {
    fn display(&self) -> &str {
        &self.display
    }

    fn replacement(&self) -> &str {
        &self.text
    }
}

/// What was offered last, and up to where it takes the place of what is there.
#[derive(Default)]
pub(super) struct Completions(RefCell<Offered>);

#[derive(Default)]
struct Offered {
    texts: Vec<String>,
    /// Bytes behind the cursor that a choice takes the place of.
    behind: usize,
}

impl Completions {
    /// What can stand at a place of a line, and where it begins.
    pub(super) fn at(
        &self,
        engine: &Engine,
        line: &str,
        at: usize,
        last: Option<&str>,
    ) -> (usize, Vec<Choice>) {
        let (start, end, mut choices) = match is_command(line) {
            true => of_command(engine, line, at),
            false => of_text(engine, line, at, last),
        };
        let mut offered = self.0.borrow_mut();
        offered.texts = choices.iter().map(|choice| choice.text.clone()).collect();
        offered.behind = end.saturating_sub(at);
        leave_room(&mut choices, line, start.min(at), at);
        (start.min(at), choices)
    }

    /// The end of what `chosen` takes the place of: a beginning that all choices share leaves standing what is behind the cursor.
    pub(super) fn end_of(&self, chosen: &str, cursor: usize, length: usize) -> usize {
        let offered = self.0.borrow();
        match offered.texts.iter().any(|text| text == chosen) {
            true => (cursor + offered.behind).min(length),
            false => cursor,
        }
    }
}

/// Empty lines below the list, see [`list`].
fn leave_room(choices: &mut [Choice], line: &str, start: usize, at: usize) {
    let columns = usize::from(screen().0);
    // The editor first writes what all choices begin with.
    let common = list::common_beginning(choices.iter().map(|choice| choice.text.as_str()));
    let typed = line.get(start..at).unwrap_or_default();
    let written = if common.len() > typed.len() {
        common
    } else {
        typed
    };
    let (head, tail) = (line.get(..start), line.get(at..));
    let text = [head.unwrap_or_default(), written, tail.unwrap_or_default()].concat();
    let lines = list::further_lines(&text, PROMPT.len(), columns);
    let widths = choices
        .iter()
        .map(|choice| list::columns_of(&choice.display));
    let last = list::last_written(&widths.collect::<Vec<_>>(), columns);
    if let Some(last) = choices.get_mut(last) {
        last.display += &"\n".repeat(lines);
    }
}

fn of_text(
    engine: &Engine,
    line: &str,
    at: usize,
    last: Option<&str>,
) -> (usize, usize, Vec<Choice>) {
    let (whole, before) = whole_text(line, last);
    let found = engine.complete(&whole, before + at);
    let start = found.replace.start.saturating_sub(before);
    let end = found.replace.end.saturating_sub(before);
    let typed = line.get(start..at).unwrap_or_default();
    let behind = line.get(end..).unwrap_or_default();
    let items = likely(found.items, typed);
    let choices = items.iter().map(|item| choice(item, typed, behind));
    (start, end, choices.collect())
}

/// Where nothing is typed yet, the names at hand come alone: functions and words come with their first letter.
fn likely(items: Vec<Completion>, typed: &str) -> Vec<Completion> {
    let is_name = |item: &Completion| {
        matches!(
            item.kind,
            CompletionKind::Column
                | CompletionKind::RangeVariable
                | CompletionKind::Variable
                | CompletionKind::Table
        )
    };
    if !typed.is_empty() || !items.iter().any(is_name) {
        return items;
    }
    items.into_iter().filter(is_name).collect()
}

fn choice(item: &Completion, typed: &str, behind: &str) -> Choice {
    let is_word = matches!(
        item.kind,
        CompletionKind::Keyword
            | CompletionKind::Operator
            | CompletionKind::Function
            | CompletionKind::Type
    );
    let has_small = typed.contains(|c: char| c.is_ascii_lowercase());
    let mut text = match is_word && has_small && item.text.to_uppercase() == item.text {
        true => item.text.to_lowercase(),
        false => item.text.clone(),
    };
    let mut display = text.clone();
    match item.kind {
        CompletionKind::Function if !behind.starts_with('(') => {
            text.push('(');
            display = text.clone();
        }
        CompletionKind::Column | CompletionKind::Variable | CompletionKind::Parameter => {
            display = format!("{text}  {}", item.detail).trim_end().to_string();
        }
        // What is in a directory is written next, inside of the quotes.
        CompletionKind::Path if text.ends_with("/'") => {
            text.pop();
            display = text.clone();
        }
        _ => {}
    }
    Choice { display, text }
}

/// Names of commands, and what follows them.
fn of_command(engine: &Engine, line: &str, at: usize) -> (usize, usize, Vec<Choice>) {
    let plain = |texts: Vec<String>| -> Vec<Choice> {
        let texts = texts.into_iter();
        texts
            .map(|text| Choice {
                display: text.clone(),
                text,
            })
            .collect()
    };
    let head = line.get(..at).unwrap_or(line);
    let begin = head.len() - head.trim_start().len();
    let Some((name, argument)) = head[begin..].split_once(' ') else {
        let typed = &head[begin..];
        let names = commands::names().filter(|name| name.starts_with(typed));
        return (begin, at, plain(names.map(str::to_string).collect()));
    };
    let start = at - argument.trim_start().len();
    let typed = argument.trim_start();
    match commands::argument(name) {
        commands::Argument::OneOf(words) => {
            let words = words.into_iter().filter(|word| word.starts_with(typed));
            (start, at, plain(words.collect()))
        }
        commands::Argument::Table => {
            let behind_from = format!("FROM {typed}");
            let (_, _, mut choices) = of_text(engine, &behind_from, behind_from.len(), None);
            choices.extend(plain(paths(engine, typed)));
            (start, at, choices)
        }
        commands::Argument::File => (start, at, plain(paths(engine, typed))),
        commands::Argument::Free => (at, at, Vec::new()),
    }
}

/// Paths that go on from what is typed, without quotes.
fn paths(engine: &Engine, typed: &str) -> Vec<String> {
    let text = format!("FROM '{typed}");
    let (_, _, choices) = of_text(engine, &text, text.len(), None);
    let choices = choices.into_iter();
    choices
        .map(|choice| choice.text.trim_matches('\'').to_string())
        .collect()
}
