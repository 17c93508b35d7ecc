//! Words of the language, and of others, that an error speaks of.

use crate::lang::lex::Token;
use crate::lang::parse::Source;

/// Pipe operators that are there.
pub(super) const OPERATORS: &str = "WHERE, SELECT, EXTEND, SET, DROP, RENAME, AS, AGGREGATE, DISTINCT, JOIN, ORDER BY, LIMIT, UNION, INTERSECT, EXCEPT, RECURSIVE UNION, WITH, CALL, PIVOT, UNPIVOT, TABLESAMPLE, ASSERT, IF, LOG, DESCRIBE, STATIC_DESCRIBE, TEE, FORK, CREATE TABLE, INSERT, EXPORT DATA";

/// Words of other languages after a `|>`: the word, what is said, what to write.
pub(super) const MISSPELT: &[(&str, &str, &str)] = &[
    ("FILTER", "FILTER is spelled WHERE", "write `|> WHERE …`"),
    (
        "MUTATE",
        "MUTATE is spelled EXTEND",
        "write `|> EXTEND … AS name`, or SET to change a column",
    ),
    (
        "DERIVE",
        "DERIVE is spelled EXTEND",
        "write `|> EXTEND … AS name`",
    ),
    (
        "SUMMARIZE",
        "SUMMARIZE is spelled AGGREGATE",
        "write `|> AGGREGATE … GROUP BY …`",
    ),
    (
        "SUMMARISE",
        "SUMMARISE is spelled AGGREGATE",
        "write `|> AGGREGATE … GROUP BY …`",
    ),
    ("TAKE", "TAKE is spelled LIMIT", "write `|> LIMIT n`"),
    ("HEAD", "HEAD is spelled LIMIT", "write `|> LIMIT n`"),
    (
        "TOP",
        "TOP is spelled LIMIT",
        "write `|> ORDER BY … |> LIMIT n`",
    ),
    (
        "OFFSET",
        "OFFSET follows LIMIT",
        "write `|> LIMIT n OFFSET m`",
    ),
    ("SORT", "SORT is spelled ORDER BY", "write `|> ORDER BY …`"),
    (
        "ARRANGE",
        "ARRANGE is spelled ORDER BY",
        "write `|> ORDER BY …`",
    ),
    (
        "GROUP",
        "GROUP BY is part of AGGREGATE",
        "write `|> AGGREGATE ... GROUP BY k` (for distinct keys: `|> AGGREGATE GROUP BY k`)",
    ),
    (
        "HAVING",
        "HAVING is spelled WHERE",
        "write `|> WHERE …` after the `|> AGGREGATE`",
    ),
    (
        "QUALIFY",
        "QUALIFY is spelled WHERE",
        "write `|> WHERE …`: window functions are allowed in it",
    ),
    (
        "PROJECT",
        "PROJECT is spelled SELECT",
        "write `|> SELECT …`",
    ),
    (
        "FROM",
        "FROM begins a query",
        "write it first, or join with `|> JOIN …`",
    ),
    (
        "WINDOW",
        "WINDOW is part of SELECT and EXTEND",
        "write `|> EXTEND … WINDOW w AS (…)`",
    ),
    (
        "SEMI",
        "SEMI JOIN is spelled LEFT SEMI JOIN",
        "write `|> LEFT SEMI JOIN`",
    ),
    (
        "ANTI",
        "ANTI JOIN is spelled LEFT ANTI JOIN",
        "write `|> LEFT ANTI JOIN`",
    ),
    (
        "VALUES",
        "VALUES begins a query",
        "write `|> UNION ALL (VALUES …)` to add rows",
    ),
];

/// Clauses of standard SQL and pipe operators: what may need a `|>` of its own.
pub(super) const CLAUSES: &[&str] = &[
    "WHERE",
    "SELECT",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "GROUP",
    "HAVING",
    "QUALIFY",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "EXTEND",
    "AGGREGATE",
    "RENAME",
    "DROP",
    "SET",
    "DISTINCT",
    "WITH",
    "JOIN",
    "LEFT",
    "RIGHT",
    "FULL",
    "INNER",
    "CROSS",
    "AS",
    "CALL",
    "PIVOT",
    "UNPIVOT",
];

/// LANGUAGE section 1, rule 8.
const RESERVED: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "AT",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COLLATE",
    "CREATE",
    "CROSS",
    "CUBE",
    "CURRENT",
    "DEFAULT",
    "DEFINE",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXCLUDE",
    "EXISTS",
    "EXTRACT",
    "FALSE",
    "FETCH",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "GROUPS",
    "HAVING",
    "IF",
    "IGNORE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MERGE",
    "NATURAL",
    "NEW",
    "NO",
    "NOT",
    "NULL",
    "NULLS",
    "OF",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "QUALIFY",
    "RANGE",
    "RECURSIVE",
    "RESPECT",
    "RIGHT",
    "ROLLUP",
    "ROWS",
    "SELECT",
    "SET",
    "SOME",
    "STRUCT",
    "TABLESAMPLE",
    "THEN",
    "TO",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "USING",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
];

pub(super) fn is_reserved(source: &Source, token: &Token) -> bool {
    RESERVED.iter().any(|word| token.is_word(source.text, word))
}

/// Whether a word needs quotes to be a name.
pub(crate) fn is_reserved_word(word: &str) -> bool {
    RESERVED
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// At most the first forty characters.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// One letter wrong, missing, too many, or two swapped.
pub(super) fn is_close(word: &str, known: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (
        word.to_ascii_uppercase().chars().collect(),
        known.chars().collect(),
    );
    if a.len() < 2 || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let front = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let back = |skip_a: usize, skip_b: usize| {
        a[(front + skip_a).min(a.len())..] == b[(front + skip_b).min(b.len())..]
    };
    let swapped = a.len() == b.len()
        && a.len() >= front + 2
        && a[front] == b[front + 1]
        && a[front + 1] == b[front]
        && back(2, 2);
    back(1, 1) || back(1, 0) || back(0, 1) || swapped
}
