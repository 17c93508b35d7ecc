//! IF blocks of a script. The scan splits a script at every semicolon; here the pieces of a block find together again.

use super::ast::{Expr, ExprKind, Literal, Statement, StatementKind};
use super::later;
use super::lex::{Token, TokenKind};
use super::parse::{self, Source};
use super::scan::MAX_DEPTH;
use crate::error::{Error, ErrorKind, Span};

/// The statements read so far, and the blocks that are still open around the next one.
#[derive(Default)]
pub(super) struct Blocks {
    done: Vec<Statement>,
    open: Vec<Block>,
}

struct Block {
    /// The word IF.
    start: Span,
    branches: Vec<(Expr, Vec<Statement>)>,
    /// After ELSE.
    otherwise: Option<Vec<Statement>>,
}

impl Blocks {
    /// Reads the words of blocks at the start of a piece, and gives what is left to be read as a statement.
    pub(super) fn enter(
        &mut self,
        source: &mut Source,
        mut span: Span,
        errors: &mut Vec<Error>,
    ) -> Option<Span> {
        loop {
            let first = *later::tokens(source, span, 1).first()?;
            let is = |word: &str| first.is_word(source.text, word);
            let branch = is("ELSEIF") || is("ELSE");
            if is("IF") {
                span = self.begin(source, span, first, errors);
            } else if is("END") {
                if let Err(error) = self.end(source, span, first) {
                    errors.push(error);
                }
                return None;
            } else if branch && self.open.is_empty() {
                let word = first.text(source.text).to_ascii_uppercase();
                errors.push(Error::input(
                    "TM0103",
                    format!("{word} without IF"),
                    first.span,
                ));
                return None;
            } else if is("ELSEIF") {
                let (condition, rest) = condition(source, span, first, errors);
                span = rest;
                self.branch(condition, first, errors);
            } else if is("ELSE") {
                if let Some(block) = self.open.last_mut()
                    && block.otherwise.replace(Vec::new()).is_some()
                {
                    errors.push(Error::input(
                        "TM0103",
                        "this IF has an ELSE already",
                        first.span,
                    ));
                }
                span = Span::new(first.span.end, span.end);
            } else {
                return Some(span);
            }
        }
    }

    /// Puts a statement where it belongs.
    pub(super) fn add(&mut self, statement: Statement) {
        let Some(block) = self.open.last_mut() else {
            self.done.push(statement);
            return;
        };
        match (&mut block.otherwise, block.branches.last_mut()) {
            (Some(otherwise), _) => otherwise.push(statement),
            (None, Some((_, statements))) => statements.push(statement),
            (None, None) => {}
        }
    }

    /// An IF is not closed yet.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The statements of the whole script.
    pub(super) fn finish(self, errors: &mut Vec<Error>) -> Vec<Statement> {
        if let Some(block) = self.open.first() {
            errors.push(
                Error::input("TM0103", "this IF is not closed", block.start)
                    .hint("write END IF after its last statement"),
            );
        }
        self.done
    }

    fn begin(
        &mut self,
        source: &mut Source,
        span: Span,
        word: Token,
        errors: &mut Vec<Error>,
    ) -> Span {
        if self.open.len() == MAX_DEPTH {
            let message = format!("IF is nested more than {MAX_DEPTH} deep");
            errors.push(Error::new(ErrorKind::Limit, "TM0109", message).at(word.span));
        }
        let (condition, rest) = condition(source, span, word, errors);
        self.open.push(Block {
            start: word.span,
            branches: vec![(condition, Vec::new())],
            otherwise: None,
        });
        rest
    }

    fn branch(&mut self, condition: Expr, word: Token, errors: &mut Vec<Error>) {
        if let Some(block) = self.open.last_mut() {
            if block.otherwise.is_some() {
                errors.push(Error::input("TM0103", "ELSEIF after ELSE", word.span));
            }
            block.branches.push((condition, Vec::new()));
        }
    }

    /// `END IF`
    fn end(&mut self, source: &Source, span: Span, word: Token) -> Result<(), Error> {
        let tokens = later::tokens(source, span, 3);
        let loops = ["FOR", "LOOP", "REPEAT", "WHILE"];
        let second = tokens.get(1);
        if second.is_some_and(|token| loops.iter().any(|word| token.is_word(source.text, word))) {
            return Err(Error::not_implemented("a loop", word.span)
                .hint("loops are for the program or the shell around the script"));
        }
        let Some(block) = self.open.pop() else {
            return Err(Error::input("TM0103", "END without IF", word.span));
        };
        let Some(second) = tokens
            .get(1)
            .filter(|token| token.is_word(source.text, "IF"))
        else {
            return Err(Error::input("TM0103", "IF is closed by END IF", word.span));
        };
        let end = second.span.end;
        self.add(Statement {
            kind: StatementKind::If {
                branches: block.branches,
                otherwise: block.otherwise.unwrap_or_default(),
            },
            hints: Vec::new(),
            span: Span::new(block.start.start, end),
        });
        match tokens.get(2) {
            Some(more) => Err(
                Error::input("TM0103", "END IF ends its statement", more.span)
                    .label("write `;` before it"),
            ),
            None => Ok(()),
        }
    }
}

/// The condition after `word` up to its THEN, and what comes after that. An error stands for a condition of NULL.
fn condition(
    source: &mut Source,
    span: Span,
    word: Token,
    errors: &mut Vec<Error>,
) -> (Expr, Span) {
    let unknown = Expr {
        kind: Box::new(ExprKind::Literal(Literal::Null)),
        span: word.span,
    };
    let Some(then) = find_then(source, span) else {
        let shown = word.text(source.text).to_ascii_uppercase();
        let error = Error::input("TM0103", format!("{shown} needs THEN"), word.span);
        errors.push(error.hint("write IF condition THEN statements; END IF"));
        return (unknown, Span::new(span.end, span.end));
    };
    let rest = Span::new(then.span.end, span.end);
    let between = Span::new(word.span.end, then.span.start);
    match parse::condition(source, between) {
        Ok(condition) => (condition, rest),
        Err(error) => {
            errors.push(error);
            (unknown, rest)
        }
    }
}

/// The THEN outside of brackets and CASE.
fn find_then(source: &Source, span: Span) -> Option<Token> {
    let (mut depth, mut cases) = (0usize, 0usize);
    for token in later::tokens(source, span, usize::MAX) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if token.is_word(source.text, "CASE") => cases += 1,
            TokenKind::Word if token.is_word(source.text, "END") => {
                cases = cases.saturating_sub(1);
            }
            TokenKind::Word if depth == 0 && cases == 0 && token.is_word(source.text, "THEN") => {
                return Some(token);
            }
            _ => {}
        }
    }
    None
}
