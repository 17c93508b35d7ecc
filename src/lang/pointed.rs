//! The word at a place of a text, and what it can be.

use super::lex::{Lexer, Token, TokenKind};
use super::outline::plain_name;
use super::{Options, quotes_of};
use crate::error::Span;

/// The word at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointed {
    pub(crate) kind: PointedKind,
    /// Without quotes and without `@`.
    pub(crate) name: String,
    /// The names before it: `a.b.` of `a.b.c`.
    pub(crate) path: Vec<String>,
    pub(crate) span: Span,
    /// Where its statement begins.
    pub(crate) statement: usize,
    /// Of a step: where it ends.
    pub(crate) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointedKind {
    /// The keyword of a pipe operator, its `|>`, or the word that begins a query.
    Step,
    /// A word before a bracket.
    Function,
    /// `@name`
    Parameter,
    Name,
}

/// The word at the byte `offset`.
pub(crate) fn pointed(text: &str, offset: usize, options: Options) -> Option<Pointed> {
    let strings = quotes_of(text, options).unwrap_or_default();
    let tokens: Vec<Token> = Lexer::new(text, 0, strings).flatten().collect();
    let says_something = |token: &Token| {
        matches!(
            token.kind,
            TokenKind::Word | TokenKind::QuotedName | TokenKind::Parameter | TokenKind::Pipe
        )
    };
    let holds = |token: &Token| token.span.start <= offset && offset < token.span.end;
    let ends = |token: &Token| token.span.end == offset;
    let find = |near: &dyn Fn(&Token) -> bool| {
        let mut tokens = tokens.iter();
        tokens.position(|token| near(token) && says_something(token))
    };
    // Behind a word its end is meant as well, unless another one begins there.
    let at = find(&holds).or_else(|| find(&ends))?;
    let semicolon = tokens[..at].iter().rev();
    let mut semicolon = semicolon.filter(|token| token.kind == TokenKind::Semicolon);
    let statement = semicolon.next().map_or(0, |token| token.span.end);
    let token = tokens[at];
    let is = |at: usize, word: &str| {
        let token = tokens.get(at);
        token.is_some_and(|token| token.is_word(text, word))
    };
    let symbol = |at: usize, symbol: &str| {
        let token = tokens.get(at);
        token.is_some_and(|token| token.text(text) == symbol)
    };
    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
    let after_pipe = before.is_some_and(|token| token.kind == TokenKind::Pipe);
    let begins = before.is_none_or(|token| {
        matches!(
            token.kind,
            TokenKind::Semicolon | TokenKind::Open | TokenKind::Close
        )
    });
    let keyword = match token.kind {
        TokenKind::Pipe => Some(at + 1),
        TokenKind::Word if after_pipe => Some(at),
        TokenKind::Word if begins && (is(at, "FROM") || is(at, "SELECT")) => Some(at),
        _ => None,
    };
    if let Some(keyword) = keyword {
        let keyword = tokens.get(keyword)?;
        return Some(Pointed {
            kind: PointedKind::Step,
            name: keyword.text(text).to_string(),
            path: Vec::new(),
            span: token.span,
            statement,
            end: step_end(text, &tokens[at + 1..]),
        });
    }
    let kind = match token.kind {
        TokenKind::Parameter => PointedKind::Parameter,
        TokenKind::Word | TokenKind::QuotedName if symbol(at + 1, "(") => PointedKind::Function,
        TokenKind::Word | TokenKind::QuotedName => PointedKind::Name,
        _ => return None,
    };
    let mut path = Vec::new();
    let mut dot = at;
    while let Some(name) = dot.checked_sub(2) {
        if !symbol(dot - 1, ".") {
            break;
        }
        path.insert(0, plain_name(&tokens[name], text)?);
        dot = name;
    }
    Some(Pointed {
        kind,
        name: plain_name(&token, text)?,
        path,
        span: token.span,
        statement,
        end: token.span.end,
    })
}

/// Where the step that goes on with these tokens ends: at the next `|>` beside it, at the bracket around it, or with its
/// statement.
fn step_end(text: &str, tokens: &[Token]) -> usize {
    let mut depth = 0usize;
    let mut end = None;
    for token in tokens {
        match token.kind {
            TokenKind::Semicolon => return token.span.start,
            TokenKind::Pipe if depth == 0 => return token.span.start,
            TokenKind::Close if depth == 0 => return token.span.start,
            TokenKind::Open | TokenKind::Hint => depth += 1,
            TokenKind::Close => depth -= 1,
            _ => {}
        }
        end = Some(token.span.end);
    }
    end.unwrap_or(text.len())
}
