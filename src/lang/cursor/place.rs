//! What can be written at a place: told from the words before it.

use super::{Around, Place, Tail};
use crate::lang::lex::TokenKind;
use crate::lang::outline::plain_name;

/// Words before which an expression is complete and after which one must follow.
const BEFORE_OPERAND: &[&str] = &[
    "WHERE",
    "SELECT",
    "EXTEND",
    "AGGREGATE",
    "BY",
    "ON",
    "AND",
    "OR",
    "NOT",
    "WHEN",
    "THEN",
    "ELSE",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "IN",
    "DISTINCT",
    "ALL",
    "HAVING",
    "QUALIFY",
    "CASE",
    "ASSERT",
    "LIMIT",
    "OFFSET",
    "DEFAULT",
    "IF",
    "ELSEIF",
    "VALUES",
    "IS",
    "FROM",
    "RETURNS",
    "PAYLOAD",
];
/// Words that begin a clause or operator, after which the place's clause is called.
const CLAUSES: &[&str] = &[
    "WHERE",
    "SELECT",
    "EXTEND",
    "SET",
    "DROP",
    "RENAME",
    "AGGREGATE",
    "JOIN",
    "ORDER",
    "GROUP",
    "LIMIT",
    "ON",
    "USING",
    "HAVING",
    "QUALIFY",
    "ASSERT",
    "FROM",
    "CALL",
    "PIVOT",
    "UNPIVOT",
    "TABLESAMPLE",
    "AS",
    "INSERT",
    "EXPORT",
    "WINDOW",
    "DISTINCT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "VALUES",
    "IF",
    "DECLARE",
    "TEE",
    "FORK",
    "LOG",
    "DESCRIBE",
    "SUMMARIZE",
    "CREATE",
    "OVER",
    "WITH",
];

impl Around<'_> {
    /// The function whose arguments the place is among.
    pub(super) fn call(&self, frames: &[usize]) -> Option<(String, usize)> {
        let open = *frames.last()?;
        let name = self.before.get(open.checked_sub(1)?)?;
        let is_call = self.is_symbol(open, "(") && name.kind == TokenKind::Word;
        let keyword = self.is_any(open - 1, BEFORE_OPERAND) || self.is_any(open - 1, CLAUSES);
        if !is_call || keyword {
            return None;
        }
        let own = self.own(open + 1, self.before.len());
        let commas = own.iter().filter(|at| self.is_symbol(**at, ","));
        Some((name.text(self.text).to_string(), commas.count()))
    }

    /// The clause that the place is in: its keyword, and where it stands.
    pub(super) fn clause(&self, innermost: Option<(usize, usize)>) -> (String, usize) {
        let from = innermost.map_or(self.first, |(start, _)| start);
        let mut depth = 0usize;
        for at in (from..self.before.len()).rev() {
            match self.before[at].kind {
                TokenKind::Close => depth += 1,
                TokenKind::Open | TokenKind::Hint => depth = depth.saturating_sub(1),
                TokenKind::Word if depth == 0 && self.is_any(at, CLAUSES) => {
                    let in_path = at > 0 && self.is_symbol(at - 1, ".");
                    // `AS` gives a name, and ends no clause.
                    let naming = self.is(at, "AS") && !self.follows_pipe(at);
                    if !in_path && !naming {
                        let word = self.before[at].text(self.text).to_ascii_uppercase();
                        return (word, at);
                    }
                }
                _ => {}
            }
        }
        (String::new(), from)
    }

    pub(super) fn follows_pipe(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.before.get(at));
        before.is_some_and(|token| token.kind == TokenKind::Pipe)
    }

    pub(super) fn place(&self, frames: &[usize], innermost: Option<(usize, usize)>) -> Place {
        let (clause, keyword) = self.clause(innermost);
        let table = self.is_table_place(&clause, keyword);
        match self.tail {
            Tail::Comment => return Place::Nothing,
            Tail::At(start) => return at_sign(self.slice(start, self.offset)),
            Tail::Quoted(start) => {
                let quote = self.slice(start, start + 1);
                if quote == "'" || (quote == "\"" && table) {
                    return match self.is_path_place(table, frames) {
                        true => Place::Path,
                        false => Place::Nothing,
                    };
                }
            }
            Tail::Plain => {}
        }
        if let Some(word) = self.word
            && matches!(word.kind, TokenKind::Parameter | TokenKind::Setting)
        {
            return at_sign(word.text(self.text));
        }
        let Some(last) = self
            .before
            .len()
            .checked_sub(1)
            .filter(|_| self.before.len() > self.first)
        else {
            return Place::Statement;
        };
        if self.before[last].kind == TokenKind::Pipe {
            return Place::Operator;
        }
        if self.is_symbol(last, ".") {
            return Place::Member(self.path_before(last));
        }
        if table {
            return Place::Table;
        }
        if self.is_symbol(last, "::") || self.is_cast_type(last) {
            return Place::Type;
        }
        if frames.last() == Some(&last) && self.opens_query(last) {
            return Place::Query;
        }
        self.place_in(&clause, keyword, last)
    }

    /// The place inside of a clause, behind its token `last`.
    pub(super) fn place_in(&self, clause: &str, keyword: usize, last: usize) -> Place {
        let starts_item = last == keyword || self.is_symbol(last, ",");
        match clause {
            "CALL" if last == keyword => return Place::TableFunction,
            "DROP" | "RENAME" | "SET" if self.follows_pipe(keyword) => {
                if starts_item {
                    return Place::Column;
                }
                if clause != "SET"
                    || !self.before[keyword..]
                        .iter()
                        .any(|t| t.text(self.text) == "=")
                {
                    return Place::Nothing;
                }
            }
            "DROP" | "CREATE" | "DECLARE" | "WITH" | "AS" => return Place::Nothing,
            "USING"
                if self.is_any(last, &["USING"])
                    || self.is_symbol(last, "(")
                    || self.is_symbol(last, ",") =>
            {
                return Place::Column;
            }
            _ => {}
        }
        if self.is(last, "AS") {
            return Place::Nothing;
        }
        let operand_follows = match self.before[last].kind {
            TokenKind::Open | TokenKind::Hint => true,
            TokenKind::Symbol => !self.is_star(last),
            TokenKind::Word => {
                self.is_any(last, BEFORE_OPERAND) || last == keyword && clause == "SET"
            }
            _ => false,
        };
        match operand_follows {
            true => Place::Expression(clause.to_string()),
            false => Place::Behind(clause.to_string()),
        }
    }

    /// `SELECT *` or `t.*`, and not a product.
    pub(super) fn is_star(&self, at: usize) -> bool {
        let after = at.checked_sub(1);
        self.is_symbol(at, "*")
            && after.is_some_and(|before| {
                self.is_any(before, &["SELECT", "DISTINCT", "ALL"])
                    || [",", ".", "("]
                        .iter()
                        .any(|symbol| self.is_symbol(before, symbol))
            })
    }

    pub(super) fn is_table_place(&self, clause: &str, keyword: usize) -> bool {
        let Some(last) = self.before.len().checked_sub(1) else {
            return false;
        };
        let in_call = |word: usize| word > 0 && self.is_symbol(word - 1, "(");
        if self.is_any(last, &["FROM"]) {
            // `EXTRACT(part FROM x)`
            return !self.is_extract(last);
        }
        let of_statement = self.is_any(
            self.first,
            &[
                "DROP", "TRUNCATE", "OPTIMIZE", "VACUUM", "ALTER", "RESTORE", "VERIFY",
            ],
        ) && self.is_any(
            last,
            &[
                "TABLE", "VIEW", "OPTIMIZE", "VACUUM", "RESTORE", "VERIFY", "EXISTS",
            ],
        );
        let listed = clause == "FROM"
            && self.is_symbol(last, ",")
            && self.own(keyword, last + 1).contains(&last);
        self.is_any(last, &["JOIN", "INTO", "DESCRIBE", "SUMMARIZE"])
            && !self.follows_pipe_and_ends(last)
            || self.is(last, "TABLE") && in_call(last)
            || of_statement
            || listed
    }

    /// `|> DESCRIBE` takes no table.
    pub(super) fn follows_pipe_and_ends(&self, at: usize) -> bool {
        self.is(at, "DESCRIBE") && self.follows_pipe(at)
    }

    pub(super) fn is_extract(&self, from: usize) -> bool {
        let mut at = from;
        while let Some(before) = at.checked_sub(1) {
            if self.is_symbol(before, "(") {
                return before > 0 && self.is(before - 1, "EXTRACT");
            }
            if self.before[before].kind != TokenKind::Word {
                return false;
            }
            at = before;
        }
        false
    }

    pub(super) fn is_path_place(&self, table: bool, frames: &[usize]) -> bool {
        let Some(last) = self.before.len().checked_sub(1) else {
            return false;
        };
        let reader = frames.last().is_some_and(|open| {
            let name = open.checked_sub(1).and_then(|at| self.before.get(at));
            let name = name
                .map_or("", |name| name.text(self.text))
                .to_ascii_lowercase();
            *open == last && name.starts_with("read_")
        });
        let option = self.is_symbol(last, "=")
            && self.is_any(last.wrapping_sub(1), &["URI", "PATH", "LOCATION"]);
        table || reader || option || self.is_any(last, &["LOCATION", "MODULE"])
    }

    pub(super) fn is_cast_type(&self, last: usize) -> bool {
        if !self.is(last, "AS") {
            return false;
        }
        let open = self.frames().last().copied();
        open.and_then(|open| open.checked_sub(1))
            .is_some_and(|name| self.is_any(name, &["CAST", "TRY_CAST", "SAFE_CAST"]))
    }

    /// Whether a query can stand in the bracket at `open`.
    pub(super) fn opens_query(&self, open: usize) -> bool {
        let words = [
            "FROM",
            "JOIN",
            "EXISTS",
            "ARRAY",
            "AS",
            "UNION",
            "INTERSECT",
            "ALL",
            "DISTINCT",
            "LATERAL",
            "IN",
        ];
        open > 0 && self.is_any(open - 1, &words)
    }

    /// The names before the dot at `dot`.
    pub(super) fn path_before(&self, dot: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = dot;
        while self.is_symbol(at, ".") {
            let Some(name) = at.checked_sub(1).and_then(|at| self.before.get(at)) else {
                break;
            };
            let Some(plain) = plain_name(name, self.text) else {
                break;
            };
            names.push(plain);
            match at.checked_sub(2) {
                Some(before) => at = before,
                None => break,
            }
        }
        names.reverse();
        names
    }
}

fn at_sign(written: &str) -> Place {
    match written.starts_with("@@") {
        true => Place::Setting,
        false => Place::Parameter,
    }
}
