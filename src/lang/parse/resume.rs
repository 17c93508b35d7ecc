//! Reading on after an error, so that one run tells all that is wrong with a text: from the next `|>` at the same depth.
//!
//! The grammar accepts whole statements only. So the operator that it stopped in is blanked out, or the first part of its query
//! replaced by a table's name, and the statement is read again.

use super::Source;
use crate::error::{Error, Result, Span};
use crate::lang::ast::Statement;
use crate::lang::lex::{Lexer, Token, TokenKind};

/// Errors of one statement, each of which costs reading it again.
const MAX_ERRORS: usize = 20;
/// Bytes read again for all of them: of a statement so long that nobody wrote it by hand, fewer errors are told.
const MAX_REREAD_BYTES: usize = 8 << 20;
/// What a query that cannot be read begins with instead.
const ANY_TABLE: &[u8] = b"FROM t";

/// Parses the statement at `span`, or finds what is wrong in each of its operators.
pub(in crate::lang) fn statement(source: &mut Source, span: Span) -> Result<Statement, Vec<Error>> {
    let counted = source.counted;
    let mut errors = match super::statement(source, span) {
        Ok(statement) => return Ok(statement),
        Err(error) => vec![error],
    };
    let readings = MAX_REREAD_BYTES / (span.end - span.start).max(1);
    let strings = source.double_quotes_are_strings;
    let (mut text, mut grammar_text) = (source.text.to_string(), source.grammar_text.to_string());
    while let Some(at) = errors.last().and_then(Error::span)
        && errors.len() < MAX_ERRORS.min(1 + readings)
        && let Some(broken) = broken_part(&text, span, at.start, strings)
    {
        text = without(text, &broken);
        grammar_text = without(grammar_text, &broken);
        let mut rest = Source::new(&text, &grammar_text, strings, counted);
        match super::statement(&mut rest, span) {
            Err(error) if error.span().is_some_and(|next| next.start > at.start) => {
                errors.push(error);
            }
            // Nothing more is wrong, or the same place once more.
            _ => break,
        }
    }
    Err(errors)
}

/// What has to go so that the rest can be read.
struct Broken {
    span: Span,
    /// The query that it begins still needs a table.
    is_head: bool,
}

/// What was seen inside one bracket.
#[derive(Default)]
struct Level {
    /// The word that begins the query.
    head: Option<Span>,
    /// The last `|>`.
    pipe: Option<Span>,
}

/// The operator, or the beginning of the query, that holds the byte `at`, up to the `|>` after it.
fn broken_part(text: &str, statement: Span, at: usize, strings: bool) -> Option<Broken> {
    let tokens = Lexer::new(text, statement.start, strings).map_while(Result::ok);
    let mut tokens = tokens
        .take_while(|token| token.span.start < statement.end)
        .peekable();
    let mut levels = vec![Level::default()];
    let mut first = true;
    while let Some(token) = tokens.next_if(|token| token.span.end <= at) {
        match token.kind {
            TokenKind::Open | TokenKind::Hint => levels.push(Level::default()),
            TokenKind::Close => {
                levels.pop();
            }
            kind => {
                let level = levels.last_mut()?;
                if kind == TokenKind::Pipe {
                    level.pipe = Some(token.span);
                } else if level.head.is_none() && begins_query(text, &token, first) {
                    level.head = Some(token.span);
                }
            }
        }
        first = false;
    }
    // The word itself may be where it stopped.
    if let (Some(token), Some(level)) = (tokens.peek(), levels.last_mut())
        && level.head.is_none()
        && begins_query(text, token, first)
    {
        level.head = Some(token.span);
    }
    let mut depth = 0usize;
    for token in tokens {
        match token.kind {
            TokenKind::Open | TokenKind::Hint => depth += 1,
            TokenKind::Close if depth > 0 => depth -= 1,
            TokenKind::Close => {
                levels.pop();
            }
            TokenKind::Pipe if depth == 0 => {
                let level = levels.last()?;
                let start = level.pipe.or(level.head)?.start;
                let broken = Broken {
                    span: Span::new(start, token.span.start),
                    is_head: level.pipe.is_none(),
                };
                let room = broken.span.end - broken.span.start > ANY_TABLE.len();
                return (room || !broken.is_head).then_some(broken);
            }
            _ => {}
        }
        levels.last()?;
    }
    None
}

fn begins_query(text: &str, token: &Token, first: bool) -> bool {
    let is = |word: &str| token.is_word(text, word);
    is("FROM") || is("SELECT") || is("VALUES") || (first && is("TABLE"))
}

/// The text with blanks for what is broken.
fn without(text: String, broken: &Broken) -> String {
    let Span { start, end } = broken.span;
    let mut bytes = text.into_bytes();
    if let Some(part) = bytes.get_mut(start..end) {
        // Places count lines.
        part.iter_mut()
            .filter(|byte| **byte != b'\n')
            .for_each(|byte| *byte = b' ');
        if let (true, Some(head)) = (broken.is_head, part.get_mut(..ANY_TABLE.len())) {
            head.copy_from_slice(ANY_TABLE);
        }
    }
    // Whole tokens were replaced by ASCII, so that the rest is still what it was.
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
