//! What stands around a place in a text that is being written: by its words alone, for the text need not parse.
//!
//! A query can be cut before any `|>`. So what can be named at a place is what the query up to the last `|>` before it gives, and
//! inside a subquery also what the queries around it give: [`Level`]s, from the outermost in, each as a text that can be parsed.

mod levels;
mod place;

use super::ast;
use super::lex::{Lexer, Token, TokenKind};
use super::{Options, quotes_of};
use crate::error::Span;

/// A place in a text and what is around it.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The word or path at the place: what a completion takes the place of.
    pub(crate) replace: Span,
    /// As much of it as stands before the place, without quotes.
    pub(crate) typed: String,
    pub(crate) place: Place,
    /// From the outermost query to the innermost.
    pub(crate) levels: Vec<Level>,
    /// The call whose arguments the place is among, and which of them it is in.
    pub(crate) call: Option<(String, usize)>,
    /// Where the statement begins.
    pub(crate) statement: usize,
}

/// What can be written at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A new name, a number, a comment: nothing that is known.
    Nothing,
    Statement,
    /// The start of a query in brackets.
    Query,
    /// After `|>`.
    Operator,
    Table,
    /// A table function that takes the pipe's table: after CALL.
    TableFunction,
    /// Inside the quotes of a path.
    Path,
    /// After `a.b.`
    Member(Vec<String>),
    Parameter,
    Setting,
    Type,
    /// The name of a column of the pipe's table.
    Column,
    /// An expression, in the clause or operator of this keyword.
    Expression(String),
    /// Behind an expression, in the clause or operator of this keyword.
    Behind(String),
}

/// A query that the place is in, as far as it says what can be named there.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) kind: LevelKind,
    pub(crate) text: String,
    /// `None` where it says nothing.
    pub(crate) query: Option<ast::Query>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LevelKind {
    Query,
    /// Its input is the table of the level around it. The tree has a source that means nothing.
    Subpipe,
}

/// Words that begin a query.
const QUERY_WORDS: &[&str] = &["FROM", "SELECT", "WITH", "VALUES", "TABLE"];

/// What is around the byte `offset` of a text.
pub(crate) fn cursor(text: &str, offset: usize, options: Options) -> Cursor {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let strings = quotes_of(text, options).unwrap_or_default();
    Around::new(text, offset, strings).cursor(options)
}

/// How the text before the place ends.
enum Tail {
    Plain,
    Comment,
    /// In a quoted text or name that began here.
    Quoted(usize),
    /// After an `@` or `@@` without a name, which begins here.
    At(usize),
}

struct Around<'t> {
    text: &'t str,
    offset: usize,
    strings: bool,
    /// Tokens of the statement before the place and the word at it.
    before: Vec<Token>,
    /// Tokens of the statement after the word at the place.
    after: Vec<Token>,
    tail: Tail,
    replace: Span,
    word: Option<Token>,
    /// The first token behind the words of an IF block.
    first: usize,
    statement: usize,
}

impl<'t> Around<'t> {
    fn new(text: &'t str, offset: usize, strings: bool) -> Self {
        let head = text.get(..offset).unwrap_or(text);
        let (mut before, mut tail, mut statement) = (Vec::new(), Tail::Plain, 0);
        for token in Lexer::new(head, 0, strings) {
            match token {
                Ok(token) if token.kind == TokenKind::Semicolon => {
                    before.clear();
                    statement = token.span.end;
                }
                Ok(token) => before.push(token),
                Err(error) => {
                    let start = error.span().map_or(offset, |span| span.start);
                    let rest = head.get(start..).unwrap_or_default();
                    tail = match rest.chars().next() {
                        Some('/') => Tail::Comment,
                        Some('@') if rest.len() <= 2 => Tail::At(start),
                        _ if error.code() == "TM0101" => Tail::Quoted(start),
                        _ => Tail::Plain,
                    };
                }
            }
        }
        let gap = before.last().map_or(0, |last: &Token| last.span.end);
        let line = head.get(gap..).unwrap_or_default();
        let line = line.rsplit('\n').next().unwrap_or_default();
        if matches!(tail, Tail::Plain) && (line.contains("--") || line.contains('#')) {
            tail = Tail::Comment;
        }
        let mut around = Around {
            text,
            offset,
            strings,
            before,
            after: Vec::new(),
            tail,
            replace: Span::new(offset, offset),
            word: None,
            first: 0,
            statement,
        };
        around.take_word();
        let rest = Lexer::new(text, around.replace.end, strings).flatten();
        let rest = rest.take_while(|token| token.kind != TokenKind::Semicolon);
        around.after = rest.collect();
        around.first = around.behind_block_words();
        around
    }

    /// What is being written at the place is not yet said.
    fn take_word(&mut self) {
        let start = match self.tail {
            Tail::Quoted(start) | Tail::At(start) => start,
            Tail::Comment => return,
            Tail::Plain => {
                let Some(last) = self.before.last().copied() else {
                    return;
                };
                let is_word = matches!(
                    last.kind,
                    TokenKind::Word
                        | TokenKind::QuotedName
                        | TokenKind::Parameter
                        | TokenKind::Setting
                );
                let is_name = last.text(self.text) != "?";
                if last.span.end != self.offset || !is_word || !is_name {
                    return;
                }
                self.before.pop();
                self.word = Some(last);
                last.span.start
            }
        };
        let end = match self.tail {
            Tail::Quoted(start) => {
                let token = Lexer::new(self.text, start, self.strings).next();
                let line = self.text.get(start..).unwrap_or_default();
                let line = line.find('\n').map_or(self.text.len(), |at| start + at);
                let closed = token.and_then(Result::ok).map(|token| token.span.end);
                closed.filter(|end| *end <= line).unwrap_or(self.offset)
            }
            _ => {
                let rest = self.text.get(self.offset..).unwrap_or_default();
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                self.offset + rest.find(|c| !is_part(c)).unwrap_or(rest.len())
            }
        };
        self.replace = Span::new(start, end.max(self.offset));
    }

    fn is(&self, at: usize, word: &str) -> bool {
        let token = self.before.get(at);
        token.is_some_and(|token| token.is_word(self.text, word))
    }

    fn is_any(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        let token = self.before.get(at);
        token.is_some_and(|token| token.text(self.text) == symbol)
    }

    fn behind_block_words(&self) -> usize {
        let mut at = 0;
        loop {
            if self.is(at, "ELSE") {
                at += 1;
            } else if self.is_any(at, &["IF", "ELSEIF"]) {
                match (at..self.before.len()).find(|then| self.is(*then, "THEN")) {
                    Some(then) => at = then + 1,
                    None => return at,
                }
            } else {
                return at;
            }
        }
    }

    fn cursor(&self, options: Options) -> Cursor {
        let frames = self.frames();
        let mut starts = Vec::new();
        if let Some(start) = self.outermost(&frames) {
            starts.push((start, 0, LevelKind::Query));
        }
        for (depth, open) in frames.iter().enumerate() {
            let inside = open + 1;
            let kind = match self.before.get(inside) {
                Some(token) if token.kind == TokenKind::Pipe => LevelKind::Subpipe,
                Some(_) if self.is_any(inside, QUERY_WORDS) => LevelKind::Query,
                _ => continue,
            };
            starts.push((inside, depth + 1, kind));
        }
        let innermost = starts.last().map(|(start, depth, _)| (*start, *depth));
        let levels = starts.iter().filter_map(|(start, depth, kind)| {
            let nest = frames.len() - depth;
            let text = self.known_text(*start, nest)?;
            Some(Level {
                kind: *kind,
                query: levels::parse_loosely(&text, *kind, options),
                text,
            })
        });
        let levels = levels.collect();
        let written = self.text.get(self.replace.start..self.offset);
        let written = written.unwrap_or_default();
        let typed = written.trim_start_matches(['@', '`', '"', '\'']);
        Cursor {
            replace: self.replace,
            typed: typed.to_string(),
            place: self.place(&frames, innermost),
            levels,
            call: self.call(&frames),
            statement: self.statement,
        }
    }

    /// The brackets that are open at the place.
    fn frames(&self) -> Vec<usize> {
        let mut open = Vec::new();
        for (position, token) in self.before.iter().enumerate().skip(self.first) {
            match token.kind {
                TokenKind::Open | TokenKind::Hint => open.push(position),
                TokenKind::Close => {
                    open.pop();
                }
                _ => {}
            }
        }
        open
    }

    /// The start of the statement's query.
    fn outermost(&self, frames: &[usize]) -> Option<usize> {
        let end = frames.first().copied().unwrap_or(self.before.len());
        let own = self.own(self.first, end);
        let start = own.iter().find(|at| self.is_any(**at, QUERY_WORDS));
        // `CREATE TABLE t`, `INSERT INTO t`: the word TABLE begins no query there.
        let created = self.is_any(self.first, &["CREATE", "DROP", "ALTER", "TRUNCATE"]);
        if created {
            let after_as = own.iter().position(|at| self.is(*at, "AS"))?;
            return own.get(after_as + 1).copied();
        }
        start.copied()
    }

    /// The tokens from `from` up to `end` outside of brackets, and the brackets themselves.
    fn own(&self, from: usize, end: usize) -> Vec<usize> {
        let mut depth = 0usize;
        let mut own = Vec::new();
        for (position, token) in self.before.iter().enumerate().take(end).skip(from) {
            match token.kind {
                TokenKind::Open | TokenKind::Hint => {
                    if depth == 0 {
                        own.push(position);
                    }
                    depth += 1;
                }
                TokenKind::Close => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        own.push(position);
                    }
                }
                _ if depth == 0 => own.push(position),
                _ => {}
            }
        }
        own
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn start(&self, at: usize) -> usize {
        self.before
            .get(at)
            .map_or(self.offset, |token| token.span.start)
    }
}
