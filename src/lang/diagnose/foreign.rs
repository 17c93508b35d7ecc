//! Words that other languages have where ours has a pipe operator, and what ours is.

/// A word of other languages after a `|>`.
pub(super) struct Foreign {
    pub word: &'static str,
    pub message: &'static str,
    /// What is said at the word.
    pub instead: &'static str,
    /// What can stand in its place, where nothing else has to change.
    pub fix: Option<&'static str>,
}

const fn foreign(
    word: &'static str,
    message: &'static str,
    instead: &'static str,
    fix: Option<&'static str>,
) -> Foreign {
    Foreign {
        word,
        message,
        instead,
        fix,
    }
}

pub(super) const FOREIGN: &[Foreign] = &[
    foreign(
        "FILTER",
        "FILTER is spelled WHERE",
        "write `|> WHERE …`",
        Some("WHERE"),
    ),
    foreign(
        "MUTATE",
        "MUTATE is spelled EXTEND",
        "write `|> EXTEND … AS name`, or SET to change a column",
        None,
    ),
    foreign(
        "DERIVE",
        "DERIVE is spelled EXTEND",
        "write `|> EXTEND … AS name`",
        None,
    ),
    foreign(
        "COMPUTE",
        "COMPUTE is spelled EXTEND",
        "write `|> EXTEND … AS name`",
        None,
    ),
    foreign(
        "LET",
        "LET is spelled EXTEND",
        "write `|> EXTEND … AS name`",
        None,
    ),
    foreign(
        "ADD",
        "ADD is spelled EXTEND",
        "write `|> EXTEND … AS name`",
        None,
    ),
    foreign(
        "ASSIGN",
        "ASSIGN is spelled EXTEND",
        "write `|> EXTEND … AS name`",
        None,
    ),
    foreign(
        "SUMMARIZE",
        "SUMMARIZE is spelled AGGREGATE",
        "write `|> AGGREGATE … GROUP BY …`",
        None,
    ),
    foreign(
        "SUMMARISE",
        "SUMMARISE is spelled AGGREGATE",
        "write `|> AGGREGATE … GROUP BY …`",
        None,
    ),
    foreign(
        "REDUCE",
        "REDUCE is spelled AGGREGATE",
        "write `|> AGGREGATE … GROUP BY …`",
        None,
    ),
    foreign(
        "TAKE",
        "TAKE is spelled LIMIT",
        "write `|> LIMIT n`",
        Some("LIMIT"),
    ),
    foreign(
        "HEAD",
        "HEAD is spelled LIMIT",
        "write `|> LIMIT n`",
        Some("LIMIT"),
    ),
    foreign(
        "TOP",
        "TOP is spelled LIMIT",
        "write `|> ORDER BY … |> LIMIT n`",
        None,
    ),
    foreign(
        "FETCH",
        "FETCH is spelled LIMIT",
        "write `|> LIMIT n`",
        None,
    ),
    foreign(
        "SKIP",
        "SKIP is spelled OFFSET",
        "write `|> OFFSET n`",
        Some("OFFSET"),
    ),
    foreign(
        "SLICE",
        "SLICE is spelled LIMIT … OFFSET",
        "write `|> LIMIT n OFFSET m`",
        None,
    ),
    foreign(
        "SORT",
        "SORT is spelled ORDER BY",
        "write `|> ORDER BY …`",
        Some("ORDER BY"),
    ),
    foreign(
        "ARRANGE",
        "ARRANGE is spelled ORDER BY",
        "write `|> ORDER BY …`",
        Some("ORDER BY"),
    ),
    foreign(
        "ORDERBY",
        "ORDERBY is spelled ORDER BY",
        "write two words",
        Some("ORDER BY"),
    ),
    foreign(
        "GROUP",
        "GROUP BY is part of AGGREGATE",
        "write `|> AGGREGATE ... GROUP BY k` (for distinct keys: `|> AGGREGATE GROUP BY k`)",
        None,
    ),
    foreign(
        "GROUPBY",
        "GROUP BY is part of AGGREGATE",
        "write `|> AGGREGATE ... GROUP BY k` (for distinct keys: `|> AGGREGATE GROUP BY k`)",
        None,
    ),
    foreign(
        "COUNT",
        "COUNT is a function of AGGREGATE",
        "write `|> AGGREGATE COUNT(*)`",
        Some("AGGREGATE COUNT(*)"),
    ),
    foreign(
        "SUM",
        "SUM is a function of AGGREGATE",
        "write `|> AGGREGATE SUM(x)`",
        None,
    ),
    foreign(
        "HAVING",
        "HAVING is spelled WHERE",
        "write `|> WHERE …` after the `|> AGGREGATE`",
        Some("WHERE"),
    ),
    foreign(
        "QUALIFY",
        "QUALIFY is spelled WHERE",
        "write `|> WHERE …`: window functions are allowed in it",
        Some("WHERE"),
    ),
    foreign(
        "PROJECT",
        "PROJECT is spelled SELECT",
        "write `|> SELECT …`",
        Some("SELECT"),
    ),
    foreign(
        "KEEP",
        "KEEP is spelled SELECT",
        "write `|> SELECT …`",
        Some("SELECT"),
    ),
    foreign(
        "MAP",
        "MAP is spelled SELECT",
        "write `|> SELECT …`, or EXTEND to keep the other columns",
        None,
    ),
    foreign(
        "TRANSFORM",
        "TRANSFORM is spelled SELECT",
        "write `|> SELECT …`, or EXTEND to keep the other columns",
        None,
    ),
    foreign(
        "REMOVE",
        "REMOVE is spelled DROP",
        "write `|> DROP …`",
        Some("DROP"),
    ),
    foreign(
        "UPDATE",
        "UPDATE is spelled SET",
        "write `|> SET column = …`",
        None,
    ),
    foreign(
        "REPLACE",
        "REPLACE is spelled SET",
        "write `|> SET column = …`",
        None,
    ),
    foreign(
        "DELETE",
        "DELETE is a statement of its own",
        "to keep some rows write `|> WHERE …`, to take columns away `|> DROP …`",
        None,
    ),
    foreign(
        "UNIQUE",
        "UNIQUE is spelled DISTINCT",
        "write `|> DISTINCT`, or `|> AGGREGATE GROUP BY k` for the keys",
        None,
    ),
    foreign(
        "DEDUPE",
        "DEDUPE is spelled DISTINCT",
        "write `|> DISTINCT`, or `|> AGGREGATE GROUP BY k` for the keys",
        None,
    ),
    foreign(
        "UNNEST",
        "UNNEST stands in a join",
        "write `|> CROSS JOIN UNNEST(array) AS item`",
        None,
    ),
    foreign(
        "EXPLODE",
        "EXPLODE is spelled CROSS JOIN UNNEST",
        "write `|> CROSS JOIN UNNEST(array) AS item`",
        None,
    ),
    foreign(
        "FLATTEN",
        "FLATTEN is spelled CROSS JOIN UNNEST",
        "write `|> CROSS JOIN UNNEST(array) AS item`",
        None,
    ),
    foreign(
        "EXPAND",
        "EXPAND is spelled CROSS JOIN UNNEST",
        "write `|> CROSS JOIN UNNEST(array) AS item`",
        None,
    ),
    foreign(
        "APPEND",
        "APPEND is spelled UNION ALL",
        "write `|> UNION ALL (FROM t)`",
        None,
    ),
    foreign(
        "CONCAT",
        "CONCAT is spelled UNION ALL",
        "write `|> UNION ALL (FROM t)`",
        None,
    ),
    foreign(
        "MERGE",
        "MERGE is spelled JOIN or UNION ALL",
        "write `|> JOIN t ON …` for more columns, `|> UNION ALL (FROM t)` for more rows",
        None,
    ),
    foreign(
        "PRINT",
        "PRINT is spelled LOG",
        "write `|> LOG`: it shows the first rows and goes on",
        Some("LOG"),
    ),
    foreign(
        "SHOW",
        "SHOW is spelled LOG",
        "write `|> LOG`: it shows the first rows and goes on",
        Some("LOG"),
    ),
    foreign(
        "DUMP",
        "DUMP is spelled LOG",
        "write `|> LOG`: it shows the first rows and goes on",
        Some("LOG"),
    ),
    foreign(
        "FROM",
        "FROM begins a query",
        "write it first, or join with `|> JOIN …`",
        None,
    ),
    foreign(
        "WINDOW",
        "WINDOW is part of SELECT and EXTEND",
        "write `|> EXTEND … WINDOW w AS (…)`",
        None,
    ),
    foreign(
        "SEMI",
        "SEMI JOIN is spelled LEFT SEMI JOIN",
        "write `|> LEFT SEMI JOIN`",
        Some("LEFT SEMI"),
    ),
    foreign(
        "ANTI",
        "ANTI JOIN is spelled LEFT ANTI JOIN",
        "write `|> LEFT ANTI JOIN`",
        Some("LEFT ANTI"),
    ),
    foreign(
        "OUTER",
        "OUTER JOIN needs a side",
        "write `|> LEFT OUTER JOIN`, RIGHT or FULL",
        None,
    ),
    foreign(
        "VALUES",
        "VALUES begins a query",
        "write `|> UNION ALL (VALUES …)` to add rows",
        None,
    ),
    foreign(
        "EXPLAIN",
        "EXPLAIN is a statement",
        "write it before the query",
        None,
    ),
];
