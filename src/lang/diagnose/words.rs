//! Words of the language that an error speaks of.

/// Pipe operators that are there: the word that begins each, and its name. What is used most stands first.
pub(super) const OPERATORS: &[(&str, &str)] = &[
    ("WHERE", "WHERE"),
    ("SELECT", "SELECT"),
    ("EXTEND", "EXTEND"),
    ("AGGREGATE", "AGGREGATE"),
    ("JOIN", "JOIN"),
    ("ORDER", "ORDER BY"),
    ("LIMIT", "LIMIT"),
    ("OFFSET", "OFFSET"),
    ("SET", "SET"),
    ("DROP", "DROP"),
    ("RENAME", "RENAME"),
    ("DISTINCT", "DISTINCT"),
    ("UNION", "UNION ALL"),
    ("AS", "AS"),
    ("LEFT", "LEFT JOIN"),
    ("RIGHT", "RIGHT JOIN"),
    ("FULL", "FULL JOIN"),
    ("INNER", "INNER JOIN"),
    ("CROSS", "CROSS JOIN"),
    ("INTERSECT", "INTERSECT"),
    ("EXCEPT", "EXCEPT"),
    ("RECURSIVE", "RECURSIVE UNION"),
    ("WITH", "WITH"),
    ("CALL", "CALL"),
    ("PIVOT", "PIVOT"),
    ("UNPIVOT", "UNPIVOT"),
    ("MATCH_RECOGNIZE", "MATCH_RECOGNIZE"),
    ("TABLESAMPLE", "TABLESAMPLE"),
    ("ASSERT", "ASSERT"),
    ("IF", "IF"),
    ("LOG", "LOG"),
    ("DESCRIBE", "DESCRIBE"),
    ("STATIC_DESCRIBE", "STATIC_DESCRIBE"),
    ("TEE", "TEE"),
    ("FORK", "FORK"),
    ("CREATE", "CREATE TABLE"),
    ("INSERT", "INSERT"),
    ("EXPORT", "EXPORT DATA"),
];

/// Words that begin a statement.
pub(super) const STATEMENTS: &[&str] = &[
    "FROM", "SELECT", "WITH", "VALUES", "TABLE", "CREATE", "INSERT", "DELETE", "TRUNCATE", "DROP",
    "ALTER", "EXPLAIN", "DESCRIBE", "SHOW", "SET", "DECLARE", "ASSERT", "IF", "IMPORT", "OPTIMIZE",
    "VACUUM",
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

/// At most the first forty characters.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}
