//! How a text ends that is being written: whether more of it must come, can come, or need not.

use super::blocks::Blocks;
use super::lex::{Lexer, Token, TokenKind};
use super::{Options, parse, quotes_of, scan};
use crate::error::Span;

/// How a text ends.
///
/// ```
/// use tidemill::{Ending, Syntax};
/// assert_eq!(Syntax::new().ending("SELECT 1;"), Ending::Ended);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It holds blanks and comments only.
    Empty,
    /// Its last statement ends with `;`.
    Ended,
    /// A quoted text, a quoted name or a comment is not closed.
    Quoted,
    /// A bracket or an IF is not closed.
    Inside,
    /// Its last statement must go on, or is meant to: it ends with a comma.
    Early,
    /// Its last statement can end here.
    Complete,
    /// Its last statement can end here; it is a SELECT that has no FROM yet.
    WithoutFrom,
    /// Its last statement is wrong before its end.
    Wrong,
}

/// How `text` ends.
pub(crate) fn ending(text: &str, options: Options) -> Ending {
    let strings = quotes_of(text, options).unwrap_or_default();
    let mut tokens = Vec::new();
    let mut stray = false;
    for token in Lexer::new(text, 0, strings) {
        match token {
            Ok(token) => tokens.push(token),
            Err(error) if error.code() == "TM0101" => return Ending::Quoted,
            Err(_) => stray = true,
        }
    }
    let Some(last) = tokens.last().copied() else {
        return if stray { Ending::Wrong } else { Ending::Empty };
    };
    let statement = last_statement(&tokens);
    let grammar_text = scan::grammar_text(text, 0, strings);
    let mut source = parse::Source::new(text, &grammar_text, strings, parse::Counted::default());
    let (mut blocks, mut errors, mut rest) = (Blocks::default(), Vec::new(), None);
    for piece in scan::scan(text, 0, strings) {
        rest = blocks.enter(&mut source, piece.span, &mut errors);
    }
    if is_open(statement) || blocks.is_open() {
        return Ending::Inside;
    }
    match (last.kind, rest) {
        (TokenKind::Semicolon, _) | (_, None) => Ending::Ended,
        (_, Some(_)) if last.text(text) == "," => Ending::Early,
        (_, Some(span)) => complete(&source, span, text, statement, last),
    }
}

fn complete(
    source: &parse::Source,
    span: Span,
    text: &str,
    statement: &[Token],
    last: Token,
) -> Ending {
    match parse::stops_at(source, span) {
        Some(at) if at >= last.span.end => Ending::Early,
        Some(_) => Ending::Wrong,
        None if is_select_without_from(text, statement) => Ending::WithoutFrom,
        None => Ending::Complete,
    }
}

/// The tokens behind the last semicolon that something follows.
fn last_statement(tokens: &[Token]) -> &[Token] {
    let is_end = |token: &Token| token.kind == TokenKind::Semicolon;
    let end = tokens.iter().rposition(|token| !is_end(token));
    let tokens = &tokens[..end.map_or(0, |end| end + 1)];
    let start = tokens.iter().rposition(is_end);
    &tokens[start.map_or(0, |start| start + 1)..]
}

/// More brackets open than close.
fn is_open(tokens: &[Token]) -> bool {
    let depth = tokens.iter().fold(0i64, |depth, token| match token.kind {
        TokenKind::Open | TokenKind::Hint => depth + 1,
        TokenKind::Close => depth - 1,
        _ => depth,
    });
    depth > 0
}

fn is_select_without_from(text: &str, tokens: &[Token]) -> bool {
    let begins = tokens
        .first()
        .is_some_and(|first| first.is_word(text, "SELECT"));
    let goes_on = tokens
        .iter()
        .any(|token| token.kind == TokenKind::Pipe || token.is_word(text, "FROM"));
    begins && !goes_on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Ending {
        ending(text, Options::default())
    }

    #[test]
    fn what_can_run_is_complete() {
        for text in [
            "FROM t",
            "FROM t |> WHERE a = 1 -- all",
            "SELECT a FROM t",
            "FROM a; FROM b",
            "SHOW TABLES",
        ] {
            assert_eq!(of(text), Ending::Complete, "{text}");
        }
        assert_eq!(of("SELECT a, b"), Ending::WithoutFrom);
        assert_eq!(of("SELECT 1 |> WHERE TRUE"), Ending::Complete);
    }

    #[test]
    fn what_must_go_on_is_not() {
        for text in [
            "FROM",
            "FROM t |>",
            "FROM t |> WHERE",
            "SELECT a,",
            "SELECT 1, ",
            "DELETE FROM t",
            "FROM a; FROM b |> WHERE x +",
        ] {
            assert_eq!(of(text), Ending::Early, "{text}");
        }
        for text in [
            "SELECT (1 +",
            "IF TRUE THEN SELECT 1;",
            "IF TRUE THEN",
            "FROM t |> FORK (|> WHERE a",
        ] {
            assert_eq!(of(text), Ending::Inside, "{text}");
        }
        for text in ["FROM 'a", "FROM t /* x", "SELECT `a"] {
            assert_eq!(of(text), Ending::Quoted, "{text}");
        }
    }

    #[test]
    fn a_semicolon_ends_whatever_is_before_it() {
        for text in [
            "FROM t;",
            "FROM;",
            "IF TRUE THEN SELECT 1; END IF",
            "IF TRUE THEN SELECT 1; END IF;",
        ] {
            assert_eq!(of(text), Ending::Ended, "{text}");
        }
        assert_eq!(of(" -- nothing\n"), Ending::Empty);
        assert_eq!(of(""), Ending::Empty);
        for text in [
            "FROM t |> FILTER a",
            "FROM t |> WHERE a b c",
            "SELECT 1)",
            "$",
        ] {
            assert_eq!(of(text), Ending::Wrong, "{text}");
        }
    }
}
