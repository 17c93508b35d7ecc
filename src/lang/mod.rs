//! Text to syntax tree. Knows no table, no column and no Arrow.
//!
//! The walk of a script: [`scan`] splits it into statements and refuses what is too deep or too wide; the grammar
//! (`grammar/*.pest`) recognises one statement at a time; [`parse`](mod@parse) turns what it found into [`ast`]. Where
//! the grammar stops, [`diagnose`] looks at the words around that place and says what is wrong; [`later`] knows the
//! constructs that belong to the language and are not built yet.

pub(crate) mod ast;
mod blocks;
pub(crate) mod classes;
pub(crate) mod cursor;
mod diagnose;
pub(crate) mod ending;
pub(crate) mod format;
pub(crate) mod json;
mod later;
mod lex;
mod literal;
mod nearest;
pub(crate) mod outline;
mod parse;
pub(crate) mod pointed;
mod scan;
mod size;
#[cfg(test)]
mod tests;
pub(crate) mod unparse;

use std::borrow::Cow;

use crate::error::{Error, ErrorKind, Span};
pub use nearest::nearest;
pub use size::parse_size;

pub(crate) use diagnose::{is_reserved_word, pipe_operators};

/// The longest script.
const MAX_SCRIPT: usize = 16 << 20;
/// More errors than anybody reads.
const MAX_ERRORS: usize = 100;

/// How a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Options {
    /// `"…"` is a text with backslash escapes, and so is `'…'`; otherwise `"…"` is a name.
    pub double_quotes_are_strings: bool,
}

/// The statements of `text`, or every error that was found: after one, reading goes on at the next pipe operator. A first line
/// `#!double_quotes=string` sets its option too.
pub(crate) fn parse_with(text: &str, options: Options) -> Result<ast::Script, Vec<Error>> {
    parse_script(text, options).map(|parsed| parsed.script)
}

fn parse_script(text: &str, options: Options) -> Result<Parsed, Vec<Error>> {
    let (parsed, errors) = parse_all(text, options);
    if errors.is_empty() {
        Ok(parsed)
    } else {
        Err(errors)
    }
}

/// A script, and from which byte on double quotes hold texts or names.
pub(crate) struct Parsed {
    pub(crate) script: ast::Script,
    modes: Vec<(usize, bool)>,
}

/// The statements of `text` that can be parsed, and the errors of the others.
pub(crate) fn parse_all(text: &str, options: Options) -> (Parsed, Vec<Error>) {
    let nothing = |error: Error| {
        let (statements, modes) = (Vec::new(), Vec::new());
        let script = ast::Script { statements };
        (Parsed { script, modes }, vec![error])
    };
    if text.len() > MAX_SCRIPT {
        let error = Error::new(ErrorKind::Limit, "TM0110", "a script holds at most 16 MiB");
        return nothing(error.at(Span::new(0, 0)));
    }
    let mut strings = match quotes_of(text, options) {
        Ok(strings) => strings,
        Err(error) => return nothing(error),
    };
    let (mut blocks, mut errors) = (blocks::Blocks::default(), Vec::new());
    let (mut from, mut counted) = (0, parse::Counted::default());
    let mut modes = vec![(from, strings)];
    // Where `SET @@double_quotes` changes how the text is read, the rest is read anew.
    while let Some(changed) =
        parse_from(text, from, strings, &mut counted, &mut blocks, &mut errors)
    {
        (from, strings) = changed;
        modes.push(changed);
    }
    let statements = blocks.finish(&mut errors);
    errors.truncate(MAX_ERRORS);
    let script = ast::Script { statements };
    (Parsed { script, modes }, errors)
}

/// The text with spaces where a statement only asks, whose names nobody needs to know: the rest is where it was. A statement is
/// kept where its words leave a doubt.
pub(crate) fn without_questions(text: &str, options: Options) -> Cow<'_, str> {
    const QUESTIONS: &[&str] = &["FROM", "SELECT", "WITH", "VALUES", "TABLE"];
    /// What a query has that may leave something behind.
    const DOUBTS: &[&str] = &["CREATE", "TEE", "FORK", "IF"];
    let Ok(strings) = quotes_of(text, options) else {
        return Cow::Borrowed(text);
    };
    if has_word(text, &["double_quotes"]) || text.len() > MAX_SCRIPT {
        // The rest may be read in another way.
        return Cow::Borrowed(text);
    }
    let mut kept = text.as_bytes().to_vec();
    for Span { start, end } in scan::scan(text, 0, strings)
        .into_iter()
        .map(|piece| piece.span)
    {
        let written = text.get(start..end).unwrap_or_default();
        let first = words_of(written).next().unwrap_or_default();
        let is_first = written.trim_start().starts_with(first);
        if first.eq_ignore_ascii_case("IF") || !is_first && has_word(written, &["IF"]) {
            // A block, before which a comment may stand, keeps all of its statements.
            return Cow::Borrowed(text);
        }
        let asks = QUESTIONS
            .iter()
            .any(|word| first.eq_ignore_ascii_case(word));
        if asks && is_first && !has_word(written, DOUBTS) {
            kept[start..end].fill(b' ');
        }
    }
    String::from_utf8(kept).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn has_word(text: &str, words: &[&str]) -> bool {
    words_of(text).any(|found| words.iter().any(|word| found.eq_ignore_ascii_case(word)))
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.filter(|word| !word.is_empty())
}

/// Whether double quotes hold texts at the start of a text.
fn quotes_of(text: &str, options: Options) -> Result<bool, Error> {
    Ok(first_line(text)?.unwrap_or(options.double_quotes_are_strings))
}

/// Parses the statements from `from` on, up to one that changes how quotes are read: the place after it and the new way.
fn parse_from(
    text: &str,
    from: usize,
    strings: bool,
    counted: &mut parse::Counted,
    blocks: &mut blocks::Blocks,
    errors: &mut Vec<Error>,
) -> Option<(usize, bool)> {
    let grammar_text = scan::grammar_text(text, from, strings);
    let mut source = parse::Source::new(text, &grammar_text, strings, std::mem::take(counted));
    for piece in scan::scan(text, from, strings) {
        let statement = match piece.error {
            Some(error) => Err(vec![error]),
            None => match blocks.enter(&mut source, piece.span, errors) {
                None => continue,
                Some(span) => parse::statement_or_errors(&mut source, span),
            },
        };
        match statement {
            Ok(statement) => {
                let quotes = quotes_setting(&statement);
                blocks.add(statement);
                if let Some(changed) = quotes.filter(|changed| *changed != strings) {
                    *counted = source.counted;
                    return Some((piece.span.end, changed));
                }
            }
            Err(found) => errors.extend(found),
        }
        if errors.len() >= MAX_ERRORS {
            break;
        }
    }
    None
}

/// `SET @@double_quotes = 'string'`
fn quotes_setting(statement: &ast::Statement) -> Option<bool> {
    let ast::StatementKind::SetSetting { name, value } = &statement.kind else {
        return None;
    };
    match value.kind.as_ref() {
        ast::ExprKind::Literal(ast::Literal::String(value))
            if name.text.eq_ignore_ascii_case("double_quotes") =>
        {
            match value.as_str() {
                "string" => Some(true),
                "name" => Some(false),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `#!double_quotes=string` or `#!double_quotes=name` as the first line.
fn first_line(text: &str) -> Result<Option<bool>, Error> {
    let line = text.lines().next().unwrap_or("");
    let Some(value) = line.trim_end().strip_prefix("#!double_quotes=") else {
        return Ok(None);
    };
    match value {
        "string" => Ok(Some(true)),
        "name" => Ok(Some(false)),
        _ => Err(Error::input(
            "TM0603",
            format!("double_quotes cannot be `{value}`"),
            Span::new(0, line.len()),
        )
        .hint("write #!double_quotes=string or #!double_quotes=name")),
    }
}

/// How many statements of `text` end before the byte `at`.
pub(crate) fn statements_before(text: &str, at: usize, double_quotes_are_strings: bool) -> usize {
    let pieces = scan::scan(text, 0, double_quotes_are_strings);
    pieces.iter().filter(|piece| piece.span.end <= at).count()
}

/// The names of the parameters in `source`, without `@`, in order of first sight; a `?` is named by its number, from 1.
pub(crate) fn parameter_names(source: &str, options: Options) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut positional = 0;
    // A text that parsed has no token that cannot be read.
    for token in lex::Lexer::new(source, 0, options.double_quotes_are_strings).flatten() {
        if token.kind != lex::TokenKind::Parameter {
            continue;
        }
        let name = match token.text(source).strip_prefix('@') {
            Some(name) => name.to_string(),
            None => {
                positional += 1;
                positional.to_string()
            }
        };
        if !names.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
            names.push(name);
        }
    }
    names
}

/// Every word of `source` that could be a name, without quotes and in lower case; those of parameters keep their `@`.
pub(crate) fn mentioned_names(
    source: &str,
    options: Options,
) -> std::collections::BTreeSet<String> {
    let tokens = lex::Lexer::new(source, 0, options.double_quotes_are_strings).flatten();
    let names = tokens.filter_map(|token| match token.kind {
        lex::TokenKind::Word | lex::TokenKind::Parameter => Some(token.text(source)),
        lex::TokenKind::QuotedName => Some(token.text(source).trim_matches(['`', '"'])),
        _ => None,
    });
    names.map(str::to_lowercase).collect()
}
