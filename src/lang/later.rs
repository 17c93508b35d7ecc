//! What belongs to the language and is not built yet: recognised by its words, so that it is never a bare syntax error.

use super::lex::{Lexer, Token, TokenKind};
use super::parse::Source;
use crate::error::{Error, Span};

/// Words that begin a statement.
const STATEMENTS: &[&str] = &[
    "EXPORT", "DECLARE", "SET", "SHOW", "DESCRIBE", "DROP", "UPDATE", "MERGE", "ALTER", "IMPORT",
    "ASSERT", "IF", "REFRESH", "CALL", "BEGIN", "COMMIT", "ROLLBACK", "LOOP", "WHILE", "EXECUTE",
    "COPY",
];

/// Words after CREATE, with the words that may stand between left out.
const CREATED: &[&str] = &[
    "FUNCTION",
    "CONSTANT",
    "STREAM",
    "JOB",
    "MATERIALIZED",
    "AGGREGATE",
    "SCHEMA",
    "DATABASE",
    "INDEX",
    "PROCEDURE",
    "UNIQUE",
    "TYPE",
];

/// Words that begin a pipe operator.
const OPERATORS: &[&str] = &[
    "CALL",
    "PIVOT",
    "UNPIVOT",
    "TABLESAMPLE",
    "ASSERT",
    "IF",
    "TEE",
    "FORK",
    "LOG",
    "DESCRIBE",
    "STATIC_DESCRIBE",
    "RECURSIVE",
    "CREATE",
    "INSERT",
    "EXPORT",
    "MATCH_RECOGNIZE",
    "EMIT",
    "NATURAL",
    "ASOF",
];

/// The statement at `span` is one of those not built yet.
pub(super) fn statement(source: &Source, span: Span) -> Option<Error> {
    let words = tokens(source, span, 8);
    let mut words = words.as_slice();
    let first = *words.first()?;
    match first.kind {
        TokenKind::Hint => return Some(not_yet("a hint before a statement", first.span)),
        TokenKind::Pipe => {
            return Some(not_yet(
                "a statement that goes on from the result before",
                first.span,
            ));
        }
        _ => {}
    }
    let is = |token: &Token, word: &str| token.is_word(source.text, word);
    if is(&first, "EXPLAIN") {
        words = words.get(1..)?;
        if is(words.first()?, "ANALYZE") {
            words = words.get(1..)?;
        }
        let next = words.first()?;
        if let Some(word) = ["STEPS", "LINEAGE", "FORMAT"]
            .iter()
            .find(|word| is(next, word))
        {
            return Some(not_yet(&format!("EXPLAIN {word}"), next.span));
        }
    }
    let first = words.first()?;
    let second = |word: &str| words.get(1).is_some_and(|next| is(next, word));
    let adds = || words.iter().skip(2).any(|word| is(word, "ADD"));
    if is(first, "DROP") && second("TABLE") || is(first, "ALTER") && second("TABLE") && adds() {
        return None;
    }
    if let Some(word) = find(source, first, STATEMENTS) {
        return Some(not_yet(&format!("the statement {word}"), first.span));
    }
    if !is(first, "CREATE") {
        return None;
    }
    let skipped = ["CREATE", "OR", "REPLACE", "TEMP", "TEMPORARY"];
    let mut rest = words
        .iter()
        .skip_while(|token| skipped.iter().any(|word| is(token, word)));
    let kind = rest.next()?;
    let next = rest.next();
    if is(kind, "TABLE") && next.is_some_and(|next| is(next, "FUNCTION")) {
        return Some(not_yet("CREATE TABLE FUNCTION", kind.span));
    }
    let word = find(source, kind, CREATED)?;
    Some(match word {
        "MATERIALIZED" => not_yet("CREATE MATERIALIZED VIEW", kind.span),
        word => not_yet(&format!("CREATE {word}"), kind.span),
    })
}

/// The pipe operator that `token` begins is one of those not built yet.
pub(super) fn operator(source: &Source, token: &Token) -> Option<Error> {
    let word = find(source, token, OPERATORS)?;
    Some(match word {
        "NATURAL" | "ASOF" => not_yet(&format!("{word} JOIN"), token.span),
        word => not_yet(&format!("the pipe operator {word}"), token.span),
    })
}

/// Something inside a query: `previous`, `here` and `next` are the tokens around the place where parsing stopped.
pub(super) fn inside(
    source: &Source,
    previous: Option<&Token>,
    here: &Token,
    next: Option<&Token>,
) -> Option<Error> {
    let is = |token: Option<&Token>, word: &str| {
        token.is_some_and(|token| token.is_word(source.text, word))
    };
    let word = |word: &str| here.is_word(source.text, word);
    let symbol = |token: Option<&Token>, text: &str| {
        token.is_some_and(|token| token.text(source.text) == text)
    };
    let what = match here.kind {
        TokenKind::Hint => "a hint `@{…}`",
        TokenKind::Setting => "a system setting `@@name`",
        TokenKind::Word if word("NATURAL") => "NATURAL JOIN",
        TokenKind::Word if word("TABLESAMPLE") => "TABLESAMPLE",
        TokenKind::Word if word("ASOF") && is(next, "JOIN") => "ASOF JOIN",
        TokenKind::Word if word("JOIN") && is(previous, "ASOF") => "ASOF JOIN",
        TokenKind::Word if word("MATCH_RECOGNIZE") && symbol(next, "(") => "MATCH_RECOGNIZE",
        TokenKind::Word if word("PIVOT") && symbol(next, "(") => "PIVOT",
        TokenKind::Word if word("UNPIVOT") => "UNPIVOT",
        TokenKind::Word if word("COLLATE") => "COLLATE",
        TokenKind::Word if word("AT") && is(next, "TIME") => "AT TIME ZONE",
        TokenKind::Word if word("EXCLUDE") && is(previous, "ROW") => "EXCLUDE in a window frame",
        _ => return None,
    };
    Some(not_yet(what, here.span))
}

/// `CREATE TABLE t` followed by columns or a layout.
pub(super) fn table_definition(source: &Source, statement: Span, here: &Token) -> Option<Error> {
    let words = tokens(source, statement, 16);
    let table = words
        .iter()
        .position(|token| token.is_word(source.text, "TABLE"))?;
    let create = words.first()?.is_word(source.text, "CREATE");
    let plain = !words
        .get(table.checked_sub(1)?)?
        .is_word(source.text, "EXTERNAL");
    let layout = ["REPLICAS", "OPTIONS", "LIKE", "CLONE", "COPY", "DISTRIBUTE"]
        .iter()
        .any(|word| here.is_word(source.text, word));
    // Only names and dots stand between TABLE and the place.
    let near = words
        .get(table + 1..)?
        .iter()
        .take_while(|token| token.span.start < here.span.start);
    let named = near.clone().next().is_some();
    let plain_name = near.clone().all(|token| {
        matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
            || token.text(source.text) == "."
    });
    let not_as = near.clone().all(|token| !token.is_word(source.text, "AS"));
    (create && plain && layout && named && plain_name && not_as)
        .then(|| not_yet("this way to make a table", here.span))
}

/// `IF … THEN` opens a block of statements that goes on over semicolons.
pub(super) fn begins_script_block(source: &Source, span: Span) -> bool {
    let words = tokens(source, span, 1);
    let opens = words.first().is_some_and(|first| {
        first.is_word(source.text, "IF") || first.is_word(source.text, "BEGIN")
    });
    opens && !ends_script_block(source, span)
}

/// `END IF` or `END` closes it.
pub(super) fn ends_script_block(source: &Source, span: Span) -> bool {
    let words = tokens(source, span, 3);
    words
        .first()
        .is_some_and(|first| first.is_word(source.text, "END"))
}

fn tokens(source: &Source, span: Span, count: usize) -> Vec<Token> {
    Lexer::new(source.text, span.start, source.double_quotes_are_strings)
        .map_while(Result::ok)
        .take_while(|token| token.span.end <= span.end)
        .take(count)
        .collect()
}

fn find(source: &Source, token: &Token, words: &[&'static str]) -> Option<&'static str> {
    let mut words = words.iter().copied();
    words.find(|word| token.is_word(source.text, word))
}

fn not_yet(what: &str, span: Span) -> Error {
    Error::not_implemented(what, span)
}
