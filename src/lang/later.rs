//! What belongs to the language and is not built yet: recognised by its words, so that it is never a bare syntax error.

use super::lex::{Lexer, Token, TokenKind};
use super::parse::Source;
use crate::error::{Error, Span};

/// Words that begin a statement.
const STATEMENTS: &[&str] = &[
    "EXPORT", "ALTER", "REFRESH", "CALL", "BEGIN", "COMMIT", "ROLLBACK", "LOOP", "WHILE",
    "EXECUTE", "COPY",
];

/// Words after DROP.
const DROPPED: &[&str] = &[
    "STREAM",
    "JOB",
    "MATERIALIZED",
    "SCHEMA",
    "DATABASE",
    "INDEX",
    "PROCEDURE",
];

/// Words after CREATE, with the words that may stand between left out.
const CREATED: &[&str] = &[
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
const OPERATORS: &[&str] = &["EMIT", "NATURAL", "ASOF"];

/// The statement at `span` is one of those not built yet.
pub(super) fn statement(source: &Source, span: Span) -> Option<Error> {
    let words = tokens(source, span, 8);
    let mut words = words.as_slice();
    let first = *words.first()?;
    if first.kind == TokenKind::Pipe {
        let what = "a statement that goes on from the result before";
        return Some(not_yet(what, first.span));
    }
    let is = |token: &Token, word: &str| token.is_word(source.text, word);
    if is(&first, "EXPLAIN") {
        let skipped = [
            "EXPLAIN", "ANALYZE", "STEPS", "LINEAGE", "ROUTE", "FORMAT", "TREE", "JSON",
        ];
        let said = words.iter();
        let said = said.take_while(|token| skipped.iter().any(|word| is(token, word)));
        words = words.get(said.count()..)?;
    }
    let first = words.first()?;
    let built = |word: &&Token| {
        ["ADD", "SHARDS", "REPLICA", "REPAIR", "PROMOTE", "SET"]
            .iter()
            .any(|known| is(word, known))
    };
    let changes_table = is(first, "ALTER")
        && words.get(1).is_some_and(|next| is(next, "TABLE"))
        && words.iter().skip(2).any(|word| built(&word));
    if changes_table {
        return None;
    }
    if let Some(word) = find(source, first, STATEMENTS) {
        return Some(not_yet(&format!("the statement {word}"), first.span));
    }
    if is(first, "DROP") {
        let word = find(source, words.get(1)?, DROPPED)?;
        return Some(not_yet(&format!("DROP {word}"), first.span));
    }
    if !is(first, "CREATE") {
        return None;
    }
    let skipped = ["CREATE", "OR", "REPLACE", "TEMP", "TEMPORARY"];
    let mut rest = words
        .iter()
        .skip_while(|token| skipped.iter().any(|word| is(token, word)));
    let kind = rest.next()?;
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
    let what = match here.kind {
        TokenKind::Hint => "a hint `@{…}` here",
        TokenKind::Word if word("NATURAL") => "NATURAL JOIN",
        TokenKind::Word if word("ASOF") && is(next, "JOIN") => "ASOF JOIN",
        TokenKind::Word if word("JOIN") && is(previous, "ASOF") => "ASOF JOIN",
        TokenKind::Word if word("COLLATE") => "COLLATE",
        TokenKind::Word if word("AT") && is(next, "TIME") => "AT TIME ZONE",
        TokenKind::Word if word("EXCLUDE") && is(previous, "ROW") => "EXCLUDE in a window frame",
        _ => return None,
    };
    Some(not_yet(what, here.span))
}

/// `CREATE TABLE t [(columns)]` followed by a layout.
pub(super) fn table_definition(source: &Source, statement: Span, here: &Token) -> Option<Error> {
    const LAYOUT: &[&str] = &[
        "DISTRIBUTE",
        "ROUND_ROBIN",
        "CONSISTENT_HASH",
        "REPLICAS",
        "LIKE",
        "CLONE",
        "COPY",
    ];
    let words = tokens(source, statement, 200);
    let before = words
        .iter()
        .take_while(|token| token.span.start < here.span.start);
    let watermark = before
        .last()
        .filter(|last| last.is_word(source.text, "WATERMARK"));
    if let Some(watermark) = watermark {
        return Some(not_yet("WATERMARK FOR a column", watermark.span));
    }
    let key = words
        .windows(2)
        .find(|pair| pair[0].is_word(source.text, "PRIMARY") && pair[1].is_word(source.text, "KEY"))
        .map(|pair| pair[0].span);
    if key.is_none() {
        find(source, here, LAYOUT)?;
    }
    let table = words
        .iter()
        .position(|token| token.is_word(source.text, "TABLE"))?;
    let create = words.first()?.is_word(source.text, "CREATE");
    let before = words.get(table.checked_sub(1)?)?;
    let plain = !before.is_word(source.text, "EXTERNAL");
    // Only the name and the columns stand between TABLE and the place.
    let near = words
        .get(table + 1..)?
        .iter()
        .take_while(|token| token.span.start < here.span.start);
    let named = near.clone().next().is_some();
    let not_as = near.clone().all(|token| !token.is_word(source.text, "AS"));
    if !(create && plain && named && not_as) {
        return None;
    }
    Some(match key {
        Some(place) => not_yet("a PRIMARY KEY that is enforced", place).hint(
            "write `, PRIMARY KEY (a, b) NOT ENFORCED` after the columns; MERGE INTO keeps rows of a key apart",
        ),
        None => not_yet("CREATE TABLE with this layout or options", here.span),
    })
}

pub(super) fn tokens(source: &Source, span: Span, count: usize) -> Vec<Token> {
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
