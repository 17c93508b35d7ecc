//! The tokens around a place in a statement, and what may stand there.

use super::reserved::is_reserved;
use crate::error::Span;
use crate::lang::lex::{Lexer, Token, TokenKind};
use crate::lang::parse::Source;

const CASTS: &[&str] = &["CAST", "TRY_CAST", "SAFE_CAST"];

/// What surrounds the place: the tokens before and after, and the query it stands in.
pub(super) struct Place {
    pub before: Vec<Token>,
    pub here: Option<Token>,
    pub next: Option<Token>,
    /// One for each bracket around the place, the outermost first.
    pub levels: Vec<Level>,
    pub statement: Span,
}

/// What was seen so far inside one bracket.
#[derive(Default, Clone, Copy)]
pub(super) struct Level {
    /// FROM, SELECT, WITH …: the first word that begins a query.
    pub head: Option<Token>,
    /// The word after the last `|>`.
    pub operator: Option<Token>,
    /// The word before the bracket.
    pub opener: Option<Token>,
}

impl Place {
    pub fn find(source: &Source, statement: Span, at: usize) -> Place {
        let mut place = Place {
            before: Vec::new(),
            here: None,
            next: None,
            levels: vec![Level::default()],
            statement,
        };
        let lexer = Lexer::new(
            source.text,
            statement.start,
            source.double_quotes_are_strings,
        );
        for token in lexer.map_while(Result::ok) {
            if token.span.start >= statement.end {
                break;
            }
            if place.here.is_some() {
                place.next = Some(token);
                break;
            }
            if token.span.end > at {
                place.here = Some(token);
                continue;
            }
            place.enter(source, token);
            place.before.push(token);
        }
        place
    }

    fn enter(&mut self, source: &Source, token: Token) {
        let after_pipe = self.last().is_some_and(|last| last.kind == TokenKind::Pipe);
        match token.kind {
            TokenKind::Open => {
                let opener = self.last().copied();
                self.levels.push(Level {
                    opener: opener.filter(|token| token.kind == TokenKind::Word),
                    ..Level::default()
                });
            }
            TokenKind::Close if self.levels.len() > 1 => {
                self.levels.pop();
            }
            TokenKind::Word => {
                if let Some(level) = self.levels.last_mut() {
                    if after_pipe {
                        level.operator = Some(token);
                    }
                    let heads = ["FROM", "SELECT", "VALUES", "TABLE"];
                    if level.head.is_none()
                        && heads.iter().any(|word| token.is_word(source.text, word))
                    {
                        level.head = Some(token);
                    }
                }
            }
            _ => {}
        }
    }

    pub fn last(&self) -> Option<&Token> {
        self.before.last()
    }

    pub fn last_is(&self, source: &Source, word: &str) -> bool {
        self.last()
            .is_some_and(|last| last.is_word(source.text, word))
    }

    pub fn level(&self) -> Level {
        self.levels.last().copied().unwrap_or_default()
    }

    pub fn is_operator_word(&self, token: &Token) -> bool {
        self.level()
            .operator
            .is_some_and(|operator| operator.span == token.span)
    }

    /// Whether the operator around the place is `word`.
    pub fn operator_is(&self, source: &Source, word: &str) -> bool {
        let operator = self.level().operator;
        operator.is_some_and(|operator| operator.is_word(source.text, word))
    }

    /// Whether the place is still in the FROM of its query.
    pub fn level_is_from(&self, source: &Source) -> bool {
        let level = self.level();
        level.operator.is_none()
            && level
                .head
                .is_some_and(|head| head.is_word(source.text, "FROM"))
    }

    /// What may follow, by class.
    pub fn expected(&self, source: &Source) -> &'static str {
        let Some(last) = self.last() else {
            return "a query";
        };
        let text = last.text(source.text);
        if self.in_row_pattern(source) {
            return "a symbol, `(`, `^`, `$` or a quantifier behind one";
        }
        match last.kind {
            TokenKind::Pipe => "a pipe operator",
            TokenKind::Symbol if text == "." => "a name",
            TokenKind::Symbol if text == "*" => "`,` or the next step",
            TokenKind::Symbol if text == "::" => "a type",
            TokenKind::Symbol | TokenKind::Open if self.level_is_from(source) => "a table",
            TokenKind::Symbol => "an expression",
            TokenKind::Open if self.begins_branch(source) => {
                "`|>`, which goes on from the rows before,"
            }
            TokenKind::Open => "an expression or a query",
            TokenKind::Word => self.after_word(source, last),
            _ => self.after_operand(source),
        }
    }

    fn after_word(&self, source: &Source, last: &Token) -> &'static str {
        let word = last.text(source.text).to_ascii_uppercase();
        let created = self.created(source);
        match word.as_str() {
            "AS" if self.opened_by(source, CASTS) => "a type",
            "AS" if self.creates(source, "FUNCTION") => "`(` and an expression",
            _ if self.creates(source, "TABLE") && self.levels.len() > 1 => "a type",
            "FROM" | "JOIN" | "INTO" => "a table",
            _ if self.is_operator_word(last) && after_operator(&word).is_some() => {
                after_operator(&word).unwrap_or_default()
            }
            "ALL" | "DISTINCT" if self.in_set_operator(source) => "`(` and a query",
            "THEN" | "ELSE" if self.operator_is(source, "IF") => {
                "`(|> …)`, the steps of the branch,"
            }
            "SKIP" | "TO" if self.skips(source) => "TO NEXT ROW or PAST LAST ROW",
            "AS" if self.begins_with(source, "ASSERT") => "a text",
            "AS" if created => "a query",
            "AS" | "RENAME" | "DROP" | "SET" | "VIEW" => "a name",
            "TABLE" => "a name",
            "ORDER" | "GROUP" | "PARTITION" => "BY",
            "USING" | "OVER" | "IN" | "EXISTS" => "`(`",
            "STORED" => "AS",
            "CREATE" | "REPLACE" | "TEMP" | "TEMPORARY" if created => {
                "TABLE, VIEW or EXTERNAL TABLE"
            }
            "UNION" | "INTERSECT" | "EXCEPT" | "EXPLAIN" => "a query",
            "NULL" | "TRUE" | "FALSE" | "END" => self.after_operand(source),
            _ if is_reserved(source, last) || self.is_operator_word(last) => "an expression",
            _ if created => "AS and a query",
            _ => self.after_operand(source),
        }
    }

    /// What may follow a whole expression.
    fn after_operand(&self, source: &Source) -> &'static str {
        if self.opened_by(source, CASTS) {
            return "AS and a type";
        }
        if self.opened_by(source, &["EXTRACT"]) {
            return "FROM and a time";
        }
        if self.opened_by(source, &["PIVOT"]) {
            return "FOR, IN or the closing bracket";
        }
        if let Some(expected) = self.inside_case(source) {
            return expected;
        }
        if self.operator_is(source, "RENAME") {
            return "AS and a new name";
        }
        if self.operator_is(source, "SET")
            && self.last().is_some_and(|last| {
                let before = self.before.iter().rev().nth(1);
                last.kind == TokenKind::Word
                    && before.is_some_and(|before| {
                        self.is_operator_word(before) || before.text(source.text) == ","
                    })
            })
        {
            return "`=`";
        }
        let since = |word: &str| {
            let mut before = self.before.iter().rev();
            before.position(|token| token.is_word(source.text, word))
        };
        let between = since("BETWEEN");
        if between.is_some() && since("AND").is_none_or(|and| Some(and) > between) {
            return "AND and the upper bound";
        }
        if self.operator_is(source, "IF") && since("THEN").is_none() {
            return "an operator or THEN";
        }
        if self.levels.len() > 1 {
            "an operator, `,` or the closing bracket"
        } else {
            "an operator, `,` or the next `|>`"
        }
    }

    fn begins_with(&self, source: &Source, word: &str) -> bool {
        let first = self.before.first();
        first.is_some_and(|first| first.is_word(source.text, word))
    }

    fn in_set_operator(&self, source: &Source) -> bool {
        let mut words = ["UNION", "INTERSECT", "EXCEPT"].iter();
        words.any(|word| self.operator_is(source, word))
    }

    /// Whether the bracket around the place is one of an operator whose branches go on from its input.
    pub fn begins_branch(&self, source: &Source) -> bool {
        let around = self.levels.len().checked_sub(2);
        let operator = around.and_then(|level| self.levels[level].operator);
        let mut words = ["TEE", "FORK", "LOG"].iter();
        operator.is_some_and(|operator| words.any(|word| operator.is_word(source.text, word)))
    }

    /// Whether the place is behind AFTER MATCH SKIP.
    fn skips(&self, source: &Source) -> bool {
        let mut before = self.before.iter().rev().take(3);
        before.any(|token| token.is_word(source.text, "MATCH"))
    }

    /// Whether the bracket around the place follows one of these words.
    fn opened_by(&self, source: &Source, words: &[&str]) -> bool {
        let opener = self.level().opener;
        opener.is_some_and(|opener| words.iter().any(|word| opener.is_word(source.text, word)))
    }

    /// Whether the statement is a CREATE of this kind of thing.
    fn creates(&self, source: &Source, kind: &str) -> bool {
        let mut words = self.before.iter().take(5);
        let first = words.next();
        first.is_some_and(|first| first.is_word(source.text, "CREATE"))
            && words.any(|word| word.is_word(source.text, kind))
            && !self
                .before
                .iter()
                .any(|token| token.is_word(source.text, "FROM"))
    }

    /// What a CASE needs next, if the place is in one.
    fn inside_case(&self, source: &Source) -> Option<&'static str> {
        let mut ended = 0usize;
        let mut seen = None;
        for token in self.before.iter().rev() {
            let is = |word: &str| token.is_word(source.text, word);
            if is("END") {
                ended += 1;
            } else if is("CASE") && ended > 0 {
                ended -= 1;
            } else if ended == 0 {
                if is("CASE") {
                    return Some(seen.unwrap_or("WHEN"));
                }
                let next = match () {
                    () if is("WHEN") => "an operator or THEN",
                    () if is("THEN") => "an operator, WHEN, ELSE or END",
                    () if is("ELSE") => "an operator or END",
                    () => continue,
                };
                seen.get_or_insert(next);
            }
        }
        None
    }

    /// Whether the place is in the head of a CREATE.
    fn created(&self, source: &Source) -> bool {
        let mut words = self.before.iter();
        let first = words.next();
        first.is_some_and(|first| first.is_word(source.text, "CREATE"))
            && self
                .level()
                .head
                .is_none_or(|head| head.is_word(source.text, "TABLE"))
    }
}

/// What must follow the first word of a pipe operator, where that is no expression.
fn after_operator(word: &str) -> Option<&'static str> {
    Some(match word {
        "CALL" => "a table function",
        "CREATE" => "TABLE and a name",
        "DESCRIBE" | "DISTINCT" | "STATIC_DESCRIBE" => "the next `|>`",
        "EXPORT" => "DATA OPTIONS (…)",
        "FORK" | "TEE" => "`(|> …)`, the steps of a branch,",
        "INSERT" => "INTO and a table",
        "INTERSECT" | "EXCEPT" | "UNION" => "ALL or DISTINCT, and a query in parentheses",
        "LOG" => "`(|> …)` or the next `|>`",
        "RECURSIVE" => "UNION ALL or UNION DISTINCT",
        "TABLESAMPLE" => "BERNOULLI, SYSTEM or RESERVOIR",
        "UNPIVOT" => "`(`",
        "WITH" => "a name, AS and a query in parentheses",
        _ => return None,
    })
}
