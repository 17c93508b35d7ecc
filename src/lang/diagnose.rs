//! Where the grammar stopped, said in the user's words. Only the place of the failure is used; the tokens around it and
//! the operator it stands in choose the message.

use super::later;
use super::lex::{Lexer, Token, TokenKind};
use super::parse::Source;
use crate::error::{Error, Span};

/// Pipe operators that are there.
const OPERATORS: &str = "WHERE, SELECT, EXTEND, SET, DROP, RENAME, AS, AGGREGATE, DISTINCT, JOIN, ORDER BY, LIMIT, UNION, INTERSECT, EXCEPT, WITH";

/// Words of other languages after a `|>`: the word, what is said, what to write.
const MISSPELT: &[(&str, &str, &str)] = &[
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
        "VALUES",
        "VALUES begins a query",
        "write `|> UNION ALL (VALUES …)` to add rows",
    ),
];

/// Clauses of standard SQL and pipe operators: what may need a `|>` of its own.
const CLAUSES: &[&str] = &[
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

/// What surrounds the place: the tokens before and after, and the query it stands in.
struct Place {
    before: Vec<Token>,
    here: Option<Token>,
    next: Option<Token>,
    /// One for each bracket around the place, the outermost first.
    levels: Vec<Level>,
    statement: Span,
}

/// What was seen so far inside one bracket.
#[derive(Default, Clone, Copy)]
struct Level {
    /// FROM, SELECT, WITH …: the first word that begins a query.
    head: Option<Token>,
    /// The word after the last `|>`.
    operator: Option<Token>,
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
        .or_else(|| place.needs_pipe(source, &here))
        .or_else(|| place.common_mistakes(source, &here))
        .or_else(|| place.reserved(source, &here))
        .unwrap_or_else(|| place.plain(source, &here))
}

impl Place {
    fn find(source: &Source, statement: Span, at: usize) -> Place {
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
            TokenKind::Open => self.levels.push(Level::default()),
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

    fn last(&self) -> Option<&Token> {
        self.before.last()
    }

    fn last_is(&self, source: &Source, word: &str) -> bool {
        self.last()
            .is_some_and(|last| last.is_word(source.text, word))
    }

    fn level(&self) -> Level {
        self.levels.last().copied().unwrap_or_default()
    }

    fn ends_early(&self, source: &Source) -> Error {
        let end = self.last().map_or(self.statement.end, |last| last.span.end);
        let start = self.last().map_or(end, |last| last.span.start);
        let span = Span::new(start, end);
        if self.last().is_some_and(|last| last.kind == TokenKind::Pipe) {
            return Error::input("TM0102", "a pipe operator must follow `|>`", span)
                .available(OPERATORS);
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
        let known = MISSPELT
            .iter()
            .find(|(name, ..)| here.is_word(source.text, name));
        if let Some((_, message, instead)) = known {
            return Some(Error::input("TM0102", *message, here.span).label(*instead));
        }
        let message = match here.kind {
            TokenKind::Word => format!("`{}` is no pipe operator", shortened(word)),
            _ => "a pipe operator must follow `|>`".to_string(),
        };
        let mut error = Error::input("TM0102", message, here.span);
        if let Some(close) = OPERATORS
            .split(", ")
            .find(|operator| is_close(word, operator))
        {
            error = error.label(format!("did you mean {close}?"));
        }
        Some(error.available(OPERATORS))
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
        } else {
            return None;
        };
        Some(Error::input("TM0102", message, word.span).label(label))
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
        let is = |word: &str| here.is_word(source.text, word);
        let next_is = |word: &str| {
            self.next
                .is_some_and(|next| next.is_word(source.text, word))
        };
        let operator_is = |word: &str| {
            let operator = self.level().operator;
            operator.is_some_and(|operator| operator.is_word(source.text, word))
        };
        let text = here.text(source.text);
        let error = |message: &str, label: &str| {
            Some(Error::input("TM0102", message, here.span).label(label))
        };
        if here.kind == TokenKind::Pipe {
            return match self.last() {
                None => None,
                Some(last) => {
                    let expected = self.expected(source);
                    let message = format!("{expected} is missing before `|>`");
                    Some(Error::input("TM0102", message, last.span.to(here.span)))
                }
            };
        }
        if (is("SEMI") || is("ANTI")) && next_is("JOIN") {
            return error(
                "SEMI and ANTI joins keep the left rows",
                "write LEFT SEMI JOIN or LEFT ANTI JOIN",
            );
        }
        if is("POSITIONAL") && next_is("JOIN") {
            return error("there is no POSITIONAL JOIN", "join on a column");
        }
        if is("FETCH") {
            return error("FETCH is spelled LIMIT", "write LIMIT n");
        }
        if text == "." && operator_is("SET") {
            return error(
                "SET changes columns by their plain name",
                "leave out the table's name or the field",
            );
        }
        if operator_is("UNION") || operator_is("INTERSECT") || operator_is("EXCEPT") {
            if is("SELECT") || is("FROM") || is("VALUES") || is("TABLE") {
                return error(
                    "the query of a set operation in a pipe needs parentheses",
                    "write `(` before it and `)` after it",
                );
            }
        }
        if here.kind == TokenKind::Text && self.last_is(source, "AS") {
            return error(
                "a name cannot be a text",
                "names are written plain, in \"…\" or in backticks",
            );
        }
        if self.last_is(source, "ELSE") && is("IF") {
            return error(
                "ELSE IF is spelled ELSEIF in a pipe IF",
                "in an expression write ELSE CASE … END",
            );
        }
        None
    }

    /// A reserved word where a name must stand.
    fn reserved(&self, source: &Source, here: &Token) -> Option<Error> {
        if !is_reserved(source, here) {
            return None;
        }
        let names = [
            "AS", "DROP", "RENAME", "SET", "FROM", "JOIN", "TABLE", "VIEW",
        ];
        let after_name_word = names.iter().any(|word| self.last_is(source, word));
        let followed = self.next.is_none_or(|next| {
            matches!(next.kind, TokenKind::Pipe | TokenKind::Close)
                || matches!(next.text(source.text), "," | "=")
        });
        if !(after_name_word || followed) {
            return None;
        }
        let word = here.text(source.text);
        Some(
            Error::input("TM0102", format!("`{word}` is a reserved word"), here.span)
                .label(format!("{} must stand here", self.expected(source)))
                .hint(format!("as a name write it in backticks: `{word}`")),
        )
    }

    fn plain(&self, source: &Source, here: &Token) -> Error {
        let text = shortened(here.text(source.text));
        let message = match self.before.is_empty() {
            true => format!("`{text}` begins no statement"),
            false => format!("`{text}` was not expected here"),
        };
        let error = Error::input("TM0102", message, here.span);
        if self.before.is_empty() {
            return error.hint("a query begins with FROM, SELECT, WITH, VALUES, TABLE or `(`");
        }
        error.label(format!("{} must stand here", self.expected(source)))
    }

    /// What may follow, by class.
    fn expected(&self, source: &Source) -> &'static str {
        let Some(last) = self.last() else {
            return "a query";
        };
        let is = |word: &str| last.is_word(source.text, word);
        match last.kind {
            TokenKind::Pipe => "a pipe operator",
            TokenKind::Symbol if last.text(source.text) == "." => "a name",
            TokenKind::Symbol if last.text(source.text) == "*" => "`,` or the next step",
            TokenKind::Symbol if last.text(source.text) == "::" => "a type",
            TokenKind::Symbol | TokenKind::Open if self.level_is_from(source) => "a table",
            TokenKind::Symbol => "an expression",
            TokenKind::Open => "an expression or a query",
            TokenKind::Word if is("FROM") || is("JOIN") => "a table",
            TokenKind::Word
                if is("AS") || is("RENAME") || is("DROP") || is("SET") || is("VIEW") =>
            {
                "a name"
            }
            TokenKind::Word if is("ORDER") || is("GROUP") || is("PARTITION") => "BY",
            TokenKind::Word if is("UNION") || is("INTERSECT") || is("EXCEPT") => "a query",
            TokenKind::Word
                if is_reserved(source, last)
                    && !is("NULL")
                    && !is("TRUE")
                    && !is("FALSE")
                    && !is("END") =>
            {
                "an expression"
            }
            TokenKind::Word if self.is_operator_word(last) => "an expression",
            TokenKind::Word if self.is_first(last) && is("EXPLAIN") => "a query",
            _ => "an operator, `,` or the next `|>`",
        }
    }

    fn is_operator_word(&self, token: &Token) -> bool {
        self.level()
            .operator
            .is_some_and(|operator| operator.span == token.span)
    }

    fn is_first(&self, token: &Token) -> bool {
        self.before
            .first()
            .is_some_and(|first| first.span == token.span)
    }

    /// Whether the place is still in the FROM of its query.
    fn level_is_from(&self, source: &Source) -> bool {
        let level = self.level();
        level.operator.is_none()
            && level
                .head
                .is_some_and(|head| head.is_word(source.text, "FROM"))
    }
}

fn is_reserved(source: &Source, token: &Token) -> bool {
    RESERVED.iter().any(|word| token.is_word(source.text, word))
}

/// At most the first forty characters.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// One letter wrong, missing, too many, or two swapped.
fn is_close(word: &str, known: &str) -> bool {
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
