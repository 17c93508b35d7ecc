//! Where the grammar stopped, said in the user's words. Only the place of the failure is used; the tokens around it and
//! the operator it stands in choose the message.

mod foreign;
mod matching;
mod place;
mod reserved;
mod words;

use super::lex::{Token, TokenKind};
use super::parse::Source;
use super::{later, nearest};
use crate::error::{Error, Span};
use foreign::{FOREIGN, Foreign};
use place::Place;
use reserved::is_reserved;
use words::{CLAUSES, OPERATORS, STATEMENTS, shortened};

/// The operators that are used most.
fn operators() -> String {
    const SHOWN: usize = 6;
    let names: Vec<&str> = OPERATORS
        .iter()
        .take(SHOWN)
        .map(|(_, name)| *name)
        .collect();
    format!("{} and {} more", names.join(", "), OPERATORS.len() - SHOWN)
}

pub(crate) use reserved::is_reserved_word;

/// The pipe operators that there are.
pub(crate) fn pipe_operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(_, name)| *name)
}

/// The statement at `statement` cannot go on at `at`.
pub(super) fn unexpected(source: &Source, statement: Span, at: usize) -> Error {
    let place = Place::find(source, statement, at);
    let Some(here) = place.here else {
        return place.ends_early(source);
    };
    place
        .after_pipe(source, &here)
        .or_else(|| place.not_built(source, &here))
        .or_else(|| place.common_mistakes(source, &here))
        .or_else(|| place.needs_pipe(source, &here))
        .or_else(|| place.reserved(source, &here))
        .unwrap_or_else(|| place.plain(source, &here))
}

impl Place {
    fn ends_early(&self, source: &Source) -> Error {
        let end = self.last().map_or(self.statement.end, |last| last.span.end);
        let start = self.last().map_or(end, |last| last.span.start);
        let span = Span::new(start, end);
        if self.last().is_some_and(|last| last.kind == TokenKind::Pipe) {
            return Error::input("TM0102", "a pipe operator must follow `|>`", span)
                .available(operators());
        }
        let first = self.before.first();
        if first.is_some_and(|first| first.is_word(source.text, "UPDATE")) {
            return Error::input("TM0102", "UPDATE needs a condition", span)
                .label("WHERE must follow")
                .hint("for every row write WHERE TRUE");
        }
        let expected = self.expected(source);
        Error::input("TM0102", "the statement ends too early", span)
            .label(format!("{expected} must follow"))
    }

    /// The word after a `|>` names no operator.
    fn after_pipe(&self, source: &Source, here: &Token) -> Option<Error> {
        self.last().filter(|last| last.kind == TokenKind::Pipe)?;
        let word = here.text(source.text);
        if let Some(error) = later::operator(source, here) {
            return Some(error);
        }
        let foreign = FOREIGN
            .iter()
            .find(|foreign| here.is_word(source.text, foreign.word));
        if let Some(foreign) = foreign {
            return Some(self.foreign(foreign, source, here));
        }
        if here.kind != TokenKind::Word {
            let error = Error::input("TM0102", "a pipe operator must follow `|>`", here.span);
            return Some(error.available(operators()));
        }
        let known = OPERATORS
            .iter()
            .find(|(operator, _)| here.is_word(source.text, operator));
        if let Some((operator, _)) = known {
            let message = format!("{operator} says in parentheses what it does");
            return Some(Error::input("TM0102", message, here.span).label("`(` must follow"));
        }
        let message = format!("`{}` is no pipe operator", shortened(word));
        let error = Error::input("TM0102", message, here.span);
        let first = nearest(word, OPERATORS.iter().map(|(first, _)| *first));
        let meant = OPERATORS
            .iter()
            .find(|(operator, _)| Some(*operator) == first);
        Some(match meant {
            Some((first, name)) => error.label(format!("did you mean {name}?")).fix(*first),
            None => error.available(operators()),
        })
    }

    fn foreign(&self, foreign: &Foreign, source: &Source, here: &Token) -> Error {
        let error = Error::input("TM0102", foreign.message, here.span).label(foreign.instead);
        let by = self.next.filter(|next| next.is_word(source.text, "BY"));
        match (foreign.fix, by) {
            // `SORT BY`
            (Some(fix @ "ORDER BY"), Some(by)) => error.fix_at(here.span.to(by.span), fix),
            (Some(fix), _) => error.fix(fix),
            (None, _) => error,
        }
    }

    fn not_built(&self, source: &Source, here: &Token) -> Option<Error> {
        later::inside(source, self.last(), here, self.next.as_ref())
            .or_else(|| later::table_definition(source, self.statement, here))
            .or_else(|| {
                // `@{` and `@@name` may stand where the grammar still looked at the word before them.
                let next = self.next.as_ref()?;
                matches!(next.kind, TokenKind::Hint)
                    .then(|| later::inside(source, Some(here), next, None))?
            })
    }

    /// A clause of standard SQL after a FROM query or inside a pipe operator.
    fn needs_pipe(&self, source: &Source, here: &Token) -> Option<Error> {
        let level = self.level();
        let from_first = level
            .head
            .is_some_and(|head| head.is_word(source.text, "FROM"));
        let clause = |token: &Token| {
            CLAUSES
                .iter()
                .copied()
                .find(|word| token.is_word(source.text, word))
        };
        // `FROM t EXTEND x` takes EXTEND for an alias and stops after it.
        let taken_for_alias = self
            .last()
            .filter(|last| {
                ["EXTEND", "AGGREGATE", "RENAME", "DROP", "CALL", "OFFSET"]
                    .iter()
                    .any(|word| last.is_word(source.text, word))
            })
            .filter(|last| {
                level
                    .operator
                    .is_none_or(|operator| operator.span != last.span)
            });
        let word = match taken_for_alias.filter(|_| from_first) {
            Some(last) => *last,
            None => *here,
        };
        let name = clause(&word)?;
        let label = match name {
            "GROUP" => "write `|> AGGREGATE ... GROUP BY k`".to_string(),
            "ORDER" => "write `|> ORDER BY`".to_string(),
            "HAVING" | "QUALIFY" => "write `|> WHERE`".to_string(),
            "OFFSET" => "write `|> LIMIT n OFFSET m`".to_string(),
            "LEFT" | "RIGHT" | "FULL" | "INNER" | "CROSS" => format!("write `|> {name} JOIN`"),
            _ => format!("write `|> {name}`"),
        };
        let shown = match name {
            "ORDER" => "ORDER BY",
            "GROUP" => "GROUP BY",
            name => name,
        };
        if !self.complete(source, &word) {
            return None;
        }
        let message = if level.operator.is_some() {
            format!("{shown} needs a pipe of its own here")
        } else if from_first {
            format!("{shown} needs a pipe after a FROM query")
        } else if level
            .head
            .is_some_and(|head| head.is_word(source.text, "SELECT"))
        {
            let message = format!("{shown} stands too late in this SELECT");
            return Some(Error::input("TM0102", message, word.span).label(label).hint(
                "its clauses stand in this order: FROM, WHERE, GROUP BY, HAVING, QUALIFY, WINDOW, ORDER BY, LIMIT",
            ));
        } else {
            return None;
        };
        let error = Error::input("TM0102", message, word.span).label(label);
        Some(match name {
            "GROUP" | "HAVING" | "QUALIFY" | "OFFSET" => error,
            _ => error.fix_at(Span::new(word.span.start, word.span.start), "|> "),
        })
    }

    /// Whether what stands before `word` could end an operator.
    fn complete(&self, source: &Source, word: &Token) -> bool {
        let before = self
            .before
            .iter()
            .rev()
            .find(|token| token.span.end <= word.span.start);
        before.is_some_and(|token| match token.kind {
            TokenKind::Word => {
                let reserved = is_reserved(source, token);
                let value = ["NULL", "TRUE", "FALSE", "END", "ASC", "DESC", "DISTINCT"]
                    .iter()
                    .any(|word| token.is_word(source.text, word));
                let operator = self
                    .level()
                    .operator
                    .is_some_and(|operator| operator.span == token.span);
                (!reserved && !operator) || value
            }
            TokenKind::Symbol => token.text(source.text) == "*",
            TokenKind::Pipe | TokenKind::Open => false,
            _ => true,
        })
    }

    fn common_mistakes(&self, source: &Source, here: &Token) -> Option<Error> {
        let (message, label) = self
            .mistaken_join(source, here)
            .or_else(|| self.mistaken_clause(source, here))
            .or_else(|| self.mistaken_query(source, here))
            .or_else(|| self.mistaken_name(source, here))
            .or_else(|| self.mistaken_expression(source, here))?;
        Some(Error::input("TM0102", message, here.span).label(label))
    }

    fn mistaken_join(&self, source: &Source, here: &Token) -> Option<(&'static str, &'static str)> {
        let joined = |word: &str| {
            let next = self.next.filter(|next| next.is_word(source.text, "JOIN"));
            let before = here.is_word(source.text, "JOIN") && self.last_is(source, word);
            before || (here.is_word(source.text, word) && next.is_some())
        };
        if joined("SEMI") || joined("ANTI") {
            let message = "SEMI and ANTI joins say whose rows they keep";
            return Some((message, "write LEFT SEMI JOIN or LEFT ANTI JOIN"));
        }
        joined("POSITIONAL").then_some(("there is no POSITIONAL JOIN", "join on a column"))
    }

    fn mistaken_query(
        &self,
        source: &Source,
        here: &Token,
    ) -> Option<(&'static str, &'static str)> {
        let is = |word: &str| here.is_word(source.text, word);
        let operator = |word: &str| self.operator_is(source, word);
        let begins_query = is("SELECT") || is("FROM") || is("VALUES") || is("TABLE");
        let set_operator = operator("UNION") || operator("INTERSECT") || operator("EXCEPT");
        let in_parentheses = "write `(` before it and `)` after it";
        if set_operator && begins_query {
            let message = "the query of a set operation in a pipe needs parentheses";
            return Some((message, in_parentheses));
        }
        let first = self.before.first();
        let with = first.is_some_and(|first| first.is_word(source.text, "WITH"));
        let next_begins = self.next.is_some_and(|next| {
            next.is_word(source.text, "SELECT") || next.is_word(source.text, "FROM")
        });
        if (with || operator("WITH")) && is("AS") && next_begins {
            return Some(("the query of a WITH needs parentheses", in_parentheses));
        }
        let inside = self.levels.len() > 1 && self.level().head.is_none();
        if here.kind == TokenKind::Pipe && inside {
            let message = "a query in parentheses begins with FROM or SELECT";
            return Some((message, "write FROM before the table"));
        }
        if is("IF") && self.last_is(source, "ELSE") && operator("IF") {
            return Some(("ELSE IF is spelled ELSEIF in a pipe IF", "write ELSEIF"));
        }
        is("FETCH").then_some(("FETCH is spelled LIMIT", "write LIMIT n"))
    }

    fn mistaken_name(&self, source: &Source, here: &Token) -> Option<(&'static str, &'static str)> {
        if here.text(source.text) == "." && self.operator_is(source, "SET") {
            let message = "SET changes columns by their plain name";
            return Some((message, "leave out the table's name or the field"));
        }
        if here.kind == TokenKind::Text && self.last_is(source, "AS") {
            let message = "a name cannot be a text";
            return Some((message, "write it plain, in \"…\" or in backticks"));
        }
        None
    }

    /// What other dialects write so.
    fn mistaken_expression(
        &self,
        source: &Source,
        here: &Token,
    ) -> Option<(&'static str, &'static str)> {
        let text = here.text(source.text);
        let is = |word: &str| here.is_word(source.text, word);
        let last = |written: &str| {
            self.last()
                .is_some_and(|last| last.text(source.text) == written)
        };
        let limited = |token: &Token| token.is_word(source.text, "LIMIT");
        if self.last_is(source, "DISTINCT")
            && self.last().is_some_and(|last| self.is_operator_word(last))
        {
            return Some((
                "DISTINCT takes no columns",
                "SELECT them in a step before it",
            ));
        }
        let query = is("FROM") || is("SELECT") || is("WITH");
        if query && self.before.len() == 1 && self.last_is(source, "DESCRIBE") {
            return Some((
                "DESCRIBE takes a table, a file or a query in parentheses",
                "put the query in parentheses, or end it with |> DESCRIBE",
            ));
        }
        if text == "&" && last("&") {
            return Some(("`&&` is spelled AND", "write AND"));
        }
        if text == "|"
            || (text == "%" && self.next.is_some_and(|next| next.text(source.text) == ">"))
        {
            return Some(("the pipe is written `|>`", "write `|>`"));
        }
        if is("TO") && self.operator_is(source, "RENAME") {
            return Some(("RENAME takes AS", "write RENAME old AS new"));
        }
        if text == "=" && self.operator_is(source, "RENAME") {
            return Some((
                "RENAME names the old column first",
                "write RENAME old AS new",
            ));
        }
        if self.operator_is(source, "DROP") && self.last_is(source, "COLUMN") {
            return Some((
                "DROP is followed by names alone",
                "leave COLUMN out before this",
            ));
        }
        if matches!(text, "/" | "~" | "\\") && self.level_is_from(source) {
            return Some((
                "a path is written as a text",
                "write the whole path in quotes: FROM 'data/orders.csv'",
            ));
        }
        if is("NULL") && self.last_is(source, "NOT") {
            return Some(("NOT NULL is no comparison", "write IS NOT NULL"));
        }
        if text == "," && self.before.iter().rev().nth(1).is_some_and(limited) {
            return Some(("LIMIT takes one number", "write LIMIT count OFFSET start"));
        }
        if here.kind == TokenKind::Number && self.last_is(source, "TOP") {
            return Some(("TOP is spelled LIMIT", "write LIMIT n at the end"));
        }
        let is_argument = self.levels.len() > 1 && self.level().head.is_none();
        if is("FROM") && is_argument && !self.begins_branch(source) {
            return Some((
                "FROM separates no arguments here",
                "write commas between the arguments",
            ));
        }
        None
    }

    /// A reserved word, or a `|>`, where a name or a value must stand.
    fn reserved(&self, source: &Source, here: &Token) -> Option<Error> {
        let expected = self.expected(source);
        if !matches!(expected, "a name" | "a table" | "a new name")
            && !expected.starts_with("an expression")
        {
            return None;
        }
        if here.kind == TokenKind::Pipe {
            let message = format!("{expected} is missing before `|>`");
            let span = self
                .last()
                .map_or(here.span, |last| last.span.to(here.span));
            return Some(Error::input("TM0102", message, span));
        }
        let goes_on = self.next.is_some_and(|next| {
            !matches!(next.kind, TokenKind::Pipe | TokenKind::Close)
                && !matches!(next.text(source.text), "," | "=")
        });
        if !is_reserved(source, here) || (goes_on && expected.starts_with("an expression")) {
            return None;
        }
        let word = here.text(source.text);
        let message = format!("`{word}` is a reserved word");
        Some(
            Error::input("TM0102", message, here.span)
                .label(format!("{expected} must stand here"))
                .hint(format!("as a name write it in backticks: `{word}`")),
        )
    }

    fn plain(&self, source: &Source, here: &Token) -> Error {
        let text = shortened(here.text(source.text));
        if self.before.is_empty() {
            return self.no_statement(source, here);
        }
        let expected = self.expected(source);
        if let ("BY", Some(last)) = (expected, self.last()) {
            let word = last.text(source.text).to_ascii_uppercase();
            let message = format!("BY is missing after {word}");
            return Error::input("TM0102", message, last.span.to(here.span))
                .fix_at(Span::new(here.span.start, here.span.start), "BY ");
        }
        let message = format!("`{text}` was not expected here");
        Error::input("TM0102", message, here.span).label(format!("{expected} must stand here"))
    }

    /// The first word of a statement begins none.
    fn no_statement(&self, source: &Source, here: &Token) -> Error {
        let word = here.text(source.text);
        let message = format!("`{}` begins no statement", shortened(word));
        let error = Error::input("TM0102", message, here.span);
        let is_name = matches!(here.kind, TokenKind::Word | TokenKind::QuotedName);
        if is_name && self.next.is_none_or(|next| next.kind == TokenKind::Pipe) {
            return error
                .label(format!("write FROM {}", shortened(word)))
                .fix_at(Span::new(here.span.start, here.span.start), "FROM ");
        }
        if word.len() > 3
            && let Some(near) = nearest(word, STATEMENTS.iter().copied())
        {
            return error.label(format!("did you mean {near}?")).fix(near);
        }
        error.hint("a query begins with FROM, SELECT, WITH, VALUES, TABLE or `(`, another statement with CREATE, INSERT, SHOW, SET …")
    }
}
