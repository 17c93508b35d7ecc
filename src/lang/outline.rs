//! The names that a text gives to things, found by its words alone, so that a text that does not parse has them too.

use super::lex::{Lexer, Token, TokenKind};
use super::{Options, quotes_of, scan};
use crate::error::Span;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefinitionKind {
    Table,
    View,
    Function,
    TableFunction,
    Constant,
    Variable,
    Parameter,
    CommonTable,
}

/// A name that the text gives to something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) kind: DefinitionKind,
    /// Without quotes, and without the `@` of a parameter.
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) span: Span,
    /// Where it can be used.
    pub(crate) scope: Span,
}

/// Every definition of a text, in order.
pub(crate) fn definitions(text: &str, options: Options) -> Vec<Definition> {
    let strings = quotes_of(text, options).unwrap_or_default();
    let mut found = Vec::new();
    for piece in scan::scan(text, 0, strings) {
        let statement = Statement {
            text,
            tokens: tokens(text, piece.span, strings),
            end: piece.span.end,
        };
        statement.find(&mut found);
    }
    found
}

fn tokens(text: &str, span: Span, strings: bool) -> Vec<Token> {
    Lexer::new(text, span.start, strings)
        .flatten()
        .take_while(|token| token.span.end <= span.end)
        .collect()
}

/// The words of one statement.
struct Statement<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    end: usize,
}

impl Statement<'_> {
    fn is(&self, at: usize, word: &str) -> bool {
        let token = self.tokens.get(at);
        token.is_some_and(|token| token.is_word(self.text, word))
    }

    fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        let token = self.tokens.get(at);
        token.is_some_and(|token| token.text(self.text) == symbol)
    }

    fn find(&self, found: &mut Vec<Definition>) {
        let start = self.first();
        if self.is(start, "CREATE") {
            self.created(start, found);
        } else if self.is(start, "DECLARE") {
            self.declared(start, found);
        }
        for at in start..self.tokens.len() {
            let is_pipe = self.tokens[at].kind == TokenKind::Pipe;
            if is_pipe && self.is(at + 1, "CREATE") {
                self.created(at + 1, found);
            } else if self.is(at, "WITH") {
                self.common_tables(at, found);
            }
        }
    }

    /// The first word behind those of an IF block.
    fn first(&self) -> usize {
        let mut at = 0;
        loop {
            if self.is(at, "ELSE") {
                at += 1;
            } else if self.is(at, "IF") || self.is(at, "ELSEIF") {
                let then = (at..self.tokens.len()).find(|then| self.is(*then, "THEN"));
                match then {
                    Some(then) => at = then + 1,
                    None => return self.tokens.len(),
                }
            } else {
                return at;
            }
        }
    }

    fn created(&self, at: usize, found: &mut Vec<Definition>) {
        let skipped = ["CREATE", "OR", "REPLACE", "TEMP", "TEMPORARY", "EXTERNAL"];
        let mut at = at;
        while skipped.iter().any(|word| self.is(at, word)) {
            at += 1;
        }
        let kind = if self.is(at, "TABLE") && self.is(at + 1, "FUNCTION") {
            at += 1;
            DefinitionKind::TableFunction
        } else if self.is(at, "TABLE") {
            DefinitionKind::Table
        } else if self.is(at, "VIEW") {
            DefinitionKind::View
        } else if self.is(at, "FUNCTION") {
            DefinitionKind::Function
        } else if self.is(at, "CONSTANT") {
            DefinitionKind::Constant
        } else {
            return;
        };
        at += 1;
        if self.is(at, "IF") && self.is(at + 1, "NOT") && self.is(at + 2, "EXISTS") {
            at += 3;
        }
        if let Some(name) = self.tokens.get(at) {
            let scope = Span::new(self.end, self.text.len());
            self.define(kind, name, scope, found);
        }
    }

    /// `DECLARE a, b`, `DECLARE PARAMETER @p`
    fn declared(&self, at: usize, found: &mut Vec<Definition>) {
        let scope = Span::new(self.end, self.text.len());
        if let Some(parameter) = self.tokens.get(at + 2)
            && self.is(at + 1, "PARAMETER")
            && parameter.kind == TokenKind::Parameter
        {
            return self.define(DefinitionKind::Parameter, parameter, scope, found);
        }
        let mut at = at + 1;
        while let Some(name) = self.tokens.get(at) {
            self.define(DefinitionKind::Variable, name, scope, found);
            if !self.is_symbol(at + 1, ",") {
                return;
            }
            at += 2;
        }
    }

    /// `WITH [RECURSIVE] a [(x, y)] AS (…), b AS (…)`
    fn common_tables(&self, at: usize, found: &mut Vec<Definition>) {
        let recursive = self.is(at + 1, "RECURSIVE");
        let end = self.enclosing_end(at);
        let mut at = at + 1 + usize::from(recursive);
        while let Some(name) = self.tokens.get(at) {
            let mut next = at + 1;
            if self.is_symbol(next, "(") {
                next = self.closing(next) + 1;
            }
            if !self.is(next, "AS") || !self.is_symbol(next + 1, "(") {
                return;
            }
            let closing = self.closing(next + 1);
            let body_end = self
                .tokens
                .get(closing)
                .map_or(self.end, |token| token.span.end);
            let from = if recursive { name.span.end } else { body_end };
            let scope = Span::new(from, end);
            self.define(DefinitionKind::CommonTable, name, scope, found);
            if !self.is_symbol(closing + 1, ",") {
                return;
            }
            at = closing + 2;
        }
    }

    fn define(&self, kind: DefinitionKind, name: &Token, scope: Span, found: &mut Vec<Definition>) {
        if let Some(text) = plain_name(name, self.text) {
            found.push(Definition {
                kind,
                name: text,
                span: name.span,
                scope,
            });
        }
    }

    /// The bracket that closes the one at `at`; one past the last token where none does.
    fn closing(&self, at: usize) -> usize {
        let mut depth = 0usize;
        for (position, token) in self.tokens.iter().enumerate().skip(at) {
            match token.kind {
                TokenKind::Open | TokenKind::Hint => depth += 1,
                TokenKind::Close if depth <= 1 => return position,
                TokenKind::Close => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len()
    }

    /// Where the bracket around `at` closes, or the statement ends.
    fn enclosing_end(&self, at: usize) -> usize {
        let mut depth = 0usize;
        for token in self.tokens.iter().skip(at) {
            match token.kind {
                TokenKind::Open | TokenKind::Hint => depth += 1,
                TokenKind::Close if depth == 0 => return token.span.start,
                TokenKind::Close => depth -= 1,
                _ => {}
            }
        }
        self.end
    }
}

/// A name without its quotes, or a parameter without its `@`.
pub(in crate::lang) fn plain_name(token: &Token, text: &str) -> Option<String> {
    let written = token.text(text);
    match token.kind {
        TokenKind::Word => Some(written.to_string()),
        TokenKind::QuotedName => {
            let quote = written.chars().next()?;
            let inner = written.get(1..written.len().checked_sub(1)?)?;
            let quote = quote.to_string();
            Some(inner.replace(&quote.repeat(2), &quote))
        }
        TokenKind::Parameter => written.strip_prefix('@').map(str::to_string),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(DefinitionKind, String)> {
        definitions(text, Options::default())
            .into_iter()
            .map(|definition| (definition.kind, definition.name))
            .collect()
    }

    #[test]
    fn statements_define_names() {
        use DefinitionKind::*;
        let text =
            "CREATE OR REPLACE TEMP TABLE IF NOT EXISTS `a b` AS SELECT 1; CREATE VIEW v AS FROM t;
            IF x THEN CREATE TEMP FUNCTION f(a INT64) AS (a); ELSE CREATE CONSTANT c = 1; END IF;
            DECLARE x, y INT64; DECLARE PARAMETER @p DATE; FROM t |> CREATE TABLE u";
        let expected = [
            (Table, "a b"),
            (View, "v"),
            (Function, "f"),
            (Constant, "c"),
            (Variable, "x"),
            (Variable, "y"),
            (Parameter, "p"),
            (Table, "u"),
        ];
        assert_eq!(
            names(text),
            expected.map(|(kind, name)| (kind, name.to_string()))
        );
    }

    #[test]
    fn common_tables_are_known_where_they_can_be_used() {
        let text = "WITH a AS (FROM t), b (x) AS (FROM a |> WHERE (1) FROM b |> oops";
        let all = definitions(text, Options::default());
        let shown: Vec<_> = all
            .iter()
            .map(|one| (one.name.as_str(), one.scope.start < text.len()))
            .collect();
        assert_eq!(shown, [("a", true), ("b", false)]);
        let inner = "SELECT (WITH c AS (SELECT 1) FROM c) FROM t";
        let one = &definitions(inner, Options::default())[0];
        assert_eq!(&inner[one.scope.start..one.scope.end], " FROM c");
    }
}
