//! What stands around a place in a text that is being written: by its words alone, for the text need not parse.
//!
//! A query can be cut before any `|>`. So what can be named at a place is what the query up to the last `|>` before it gives, and
//! inside a subquery also what the queries around it give: [`Level`]s, from the outermost in, each as a text that can be parsed.

use super::ast::{self, StatementKind};
use super::lex::{Lexer, Token, TokenKind};
use super::outline::plain_name;
use super::{Options, parse_all, quotes_of};
use crate::error::Span;

/// A place in a text and what is around it.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The word or path at the place: what a completion takes the place of.
    pub(crate) replace: Span,
    /// As much of it as stands before the place, without quotes.
    pub(crate) typed: String,
    pub(crate) place: Place,
    /// From the outermost query to the innermost.
    pub(crate) levels: Vec<Level>,
    /// The call whose arguments the place is among, and which of them it is in.
    pub(crate) call: Option<(String, usize)>,
    /// Where the statement begins.
    pub(crate) statement: usize,
}

/// What can be written at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A new name, a number, a comment: nothing that is known.
    Nothing,
    Statement,
    /// The start of a query in brackets.
    Query,
    /// After `|>`.
    Operator,
    Table,
    /// A table function that takes the pipe's table: after CALL.
    TableFunction,
    /// Inside the quotes of a path.
    Path,
    /// After `a.b.`
    Member(Vec<String>),
    Parameter,
    Setting,
    Type,
    /// The name of a column of the pipe's table.
    Column,
    /// An expression, in the clause or operator of this keyword.
    Expression(String),
    /// Behind an expression, in the clause or operator of this keyword.
    Behind(String),
}

/// A query that the place is in, as far as it says what can be named there.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) kind: LevelKind,
    pub(crate) text: String,
    /// `None` where it says nothing.
    pub(crate) query: Option<ast::Query>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LevelKind {
    Query,
    /// Its input is the table of the level around it. The tree has a source that means nothing.
    Subpipe,
}

/// Words that begin a query.
const QUERY_WORDS: &[&str] = &["FROM", "SELECT", "WITH", "VALUES", "TABLE"];
/// Words that end the FROM of a SELECT.
const AFTER_FROM: &[&str] = &[
    "WHERE",
    "GROUP",
    "HAVING",
    "QUALIFY",
    "WINDOW",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
];
/// Words in front of JOIN.
const JOIN_WORDS: &[&str] = &[
    "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "OUTER", "SEMI", "ANTI", "JOIN",
];
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
    "CREATE",
    "OVER",
    "WITH",
];

/// What is around the byte `offset` of a text.
pub(crate) fn cursor(text: &str, offset: usize, options: Options) -> Cursor {
    let offset = text.floor_char_boundary(offset.min(text.len()));
    let strings = quotes_of(text, options).unwrap_or_default();
    Around::new(text, offset, strings).cursor(options)
}

/// How the text before the place ends.
enum Tail {
    Plain,
    Comment,
    /// In a quoted text or name that began here.
    Quoted(usize),
    /// After an `@` or `@@` without a name, which begins here.
    At(usize),
}

struct Around<'t> {
    text: &'t str,
    offset: usize,
    strings: bool,
    /// Tokens of the statement before the place and the word at it.
    before: Vec<Token>,
    /// Tokens of the statement after the word at the place.
    after: Vec<Token>,
    tail: Tail,
    replace: Span,
    word: Option<Token>,
    /// The first token behind the words of an IF block.
    first: usize,
    statement: usize,
}

impl<'t> Around<'t> {
    fn new(text: &'t str, offset: usize, strings: bool) -> Self {
        let head = text.get(..offset).unwrap_or(text);
        let (mut before, mut tail, mut statement) = (Vec::new(), Tail::Plain, 0);
        for token in Lexer::new(head, 0, strings) {
            match token {
                Ok(token) if token.kind == TokenKind::Semicolon => {
                    before.clear();
                    statement = token.span.end;
                }
                Ok(token) => before.push(token),
                Err(error) => {
                    let start = error.span().map_or(offset, |span| span.start);
                    let rest = head.get(start..).unwrap_or_default();
                    tail = match rest.chars().next() {
                        Some('/') => Tail::Comment,
                        Some('@') if rest.len() <= 2 => Tail::At(start),
                        _ if error.code() == "TM0101" => Tail::Quoted(start),
                        _ => Tail::Plain,
                    };
                }
            }
        }
        let gap = before.last().map_or(0, |last: &Token| last.span.end);
        let line = head.get(gap..).unwrap_or_default();
        let line = line.rsplit('\n').next().unwrap_or_default();
        if matches!(tail, Tail::Plain) && (line.contains("--") || line.contains('#')) {
            tail = Tail::Comment;
        }
        let mut around = Around {
            text,
            offset,
            strings,
            before,
            after: Vec::new(),
            tail,
            replace: Span::new(offset, offset),
            word: None,
            first: 0,
            statement,
        };
        around.take_word();
        let rest = Lexer::new(text, around.replace.end, strings).flatten();
        let rest = rest.take_while(|token| token.kind != TokenKind::Semicolon);
        around.after = rest.collect();
        around.first = around.behind_block_words();
        around
    }

    /// What is being written at the place is not yet said.
    fn take_word(&mut self) {
        let start = match self.tail {
            Tail::Quoted(start) | Tail::At(start) => start,
            Tail::Comment => return,
            Tail::Plain => {
                let Some(last) = self.before.last().copied() else {
                    return;
                };
                let is_word = matches!(
                    last.kind,
                    TokenKind::Word
                        | TokenKind::QuotedName
                        | TokenKind::Parameter
                        | TokenKind::Setting
                );
                let is_name = last.text(self.text) != "?";
                if last.span.end != self.offset || !is_word || !is_name {
                    return;
                }
                self.before.pop();
                self.word = Some(last);
                last.span.start
            }
        };
        let end = match self.tail {
            Tail::Quoted(start) => {
                let token = Lexer::new(self.text, start, self.strings).next();
                let line = self.text.get(start..).unwrap_or_default();
                let line = line.find('\n').map_or(self.text.len(), |at| start + at);
                let closed = token.and_then(Result::ok).map(|token| token.span.end);
                closed.filter(|end| *end <= line).unwrap_or(self.offset)
            }
            _ => {
                let rest = self.text.get(self.offset..).unwrap_or_default();
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                self.offset + rest.find(|c| !is_part(c)).unwrap_or(rest.len())
            }
        };
        self.replace = Span::new(start, end.max(self.offset));
    }

    fn is(&self, at: usize, word: &str) -> bool {
        let token = self.before.get(at);
        token.is_some_and(|token| token.is_word(self.text, word))
    }

    fn is_any(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        let token = self.before.get(at);
        token.is_some_and(|token| token.text(self.text) == symbol)
    }

    fn behind_block_words(&self) -> usize {
        let mut at = 0;
        loop {
            if self.is(at, "ELSE") {
                at += 1;
            } else if self.is_any(at, &["IF", "ELSEIF"]) {
                match (at..self.before.len()).find(|then| self.is(*then, "THEN")) {
                    Some(then) => at = then + 1,
                    None => return at,
                }
            } else {
                return at;
            }
        }
    }

    fn cursor(&self, options: Options) -> Cursor {
        let frames = self.frames();
        let mut starts = Vec::new();
        if let Some(start) = self.outermost(&frames) {
            starts.push((start, 0, LevelKind::Query));
        }
        for (depth, open) in frames.iter().enumerate() {
            let inside = open + 1;
            let kind = match self.before.get(inside) {
                Some(token) if token.kind == TokenKind::Pipe => LevelKind::Subpipe,
                Some(_) if self.is_any(inside, QUERY_WORDS) => LevelKind::Query,
                _ => continue,
            };
            starts.push((inside, depth + 1, kind));
        }
        let innermost = starts.last().map(|(start, depth, _)| (*start, *depth));
        let levels = starts.iter().filter_map(|(start, depth, kind)| {
            let nest = frames.len() - depth;
            let text = self.known_text(*start, nest)?;
            Some(Level {
                kind: *kind,
                query: parse_loosely(&text, *kind, options),
                text,
            })
        });
        let levels = levels.collect();
        let written = self.text.get(self.replace.start..self.offset);
        let written = written.unwrap_or_default();
        let typed = written.trim_start_matches(['@', '`', '"', '\'']);
        Cursor {
            replace: self.replace,
            typed: typed.to_string(),
            place: self.place(&frames, innermost),
            levels,
            call: self.call(&frames),
            statement: self.statement,
        }
    }

    /// The brackets that are open at the place.
    fn frames(&self) -> Vec<usize> {
        let mut open = Vec::new();
        for (position, token) in self.before.iter().enumerate().skip(self.first) {
            match token.kind {
                TokenKind::Open | TokenKind::Hint => open.push(position),
                TokenKind::Close => {
                    open.pop();
                }
                _ => {}
            }
        }
        open
    }

    /// The start of the statement's query.
    fn outermost(&self, frames: &[usize]) -> Option<usize> {
        let end = frames.first().copied().unwrap_or(self.before.len());
        let own = self.own(self.first, end);
        let start = own.iter().find(|at| self.is_any(**at, QUERY_WORDS));
        // `CREATE TABLE t`, `INSERT INTO t`: the word TABLE begins no query there.
        let created = self.is_any(self.first, &["CREATE", "DROP", "ALTER", "TRUNCATE"]);
        if created {
            let after_as = own.iter().position(|at| self.is(*at, "AS"))?;
            return own.get(after_as + 1).copied();
        }
        start.copied()
    }

    /// The tokens from `from` up to `end` outside of brackets, and the brackets themselves.
    fn own(&self, from: usize, end: usize) -> Vec<usize> {
        let mut depth = 0usize;
        let mut own = Vec::new();
        for (position, token) in self.before.iter().enumerate().take(end).skip(from) {
            match token.kind {
                TokenKind::Open | TokenKind::Hint => {
                    if depth == 0 {
                        own.push(position);
                    }
                    depth += 1;
                }
                TokenKind::Close => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        own.push(position);
                    }
                }
                _ if depth == 0 => own.push(position),
                _ => {}
            }
        }
        own
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    fn start(&self, at: usize) -> usize {
        self.before
            .get(at)
            .map_or(self.offset, |token| token.span.start)
    }

    /// The query that begins at the token `from` as far as it is complete; `nest` brackets are open between it and the place.
    fn known_text(&self, from: usize, nest: usize) -> Option<String> {
        let own = self.own(from, self.before.len());
        let start = self.start(from);
        let is_pipe = |at: &&usize| self.before[**at].kind == TokenKind::Pipe;
        if let Some(pipe) = own.iter().rfind(is_pipe) {
            let behind: Vec<usize> = own.iter().copied().filter(|at| at > pipe).collect();
            let pipe = self.start(*pipe);
            let base = self.slice(start, pipe);
            return Some(match self.join_condition(&behind) {
                Some(on) => format!("{base} {} ON TRUE", self.slice(pipe, on)),
                None => base.to_string(),
            });
        }
        let (with, body) = self.common_tables(&own);
        let source = self.source(&own, body, nest);
        match (with.is_empty(), source) {
            (_, Some(source)) => Some(format!("{with} {source}")),
            (false, None) => Some(format!("{with} SELECT 1")),
            (true, None) => None,
        }
    }

    /// Where the ON or USING of a join that the place is behind stands.
    fn join_condition(&self, own: &[usize]) -> Option<usize> {
        let join = own.iter().rposition(|at| self.is(*at, "JOIN"))?;
        let on = own[join..]
            .iter()
            .find(|at| self.is_any(**at, &["ON", "USING"]));
        on.map(|on| self.start(*on))
    }

    /// The tables of a WITH that are complete, and the position among `own` of what follows them.
    fn common_tables(&self, own: &[usize]) -> (&str, usize) {
        let token = |position: usize| own.get(position).copied().unwrap_or(usize::MAX);
        if !self.is(token(0), "WITH") {
            return ("", 0);
        }
        let (mut complete, mut at) = (None, 1 + usize::from(self.is(token(1), "RECURSIVE")));
        loop {
            let mut next = at + 1;
            if self.is_symbol(token(next), "(") && self.is_symbol(token(next + 1), ")") {
                next += 2;
            }
            let is_table = self.is(token(next), "AS")
                && self.is_symbol(token(next + 1), "(")
                && self.is_symbol(token(next + 2), ")");
            if !is_table {
                break;
            }
            complete = Some(self.before[token(next + 2)].span.end);
            at = next + 3;
            if !self.is_symbol(token(at), ",") {
                break;
            }
            at += 1;
        }
        let start = own.first().map_or(0, |first| self.start(*first));
        (complete.map_or("", |end| self.slice(start, end)), at)
    }

    /// `FROM …` as far as what it names can be named at the place.
    fn source(&self, own: &[usize], body: usize, nest: usize) -> Option<String> {
        let own = own.get(body..).unwrap_or_default();
        let select = own.iter().rposition(|at| self.is(*at, "SELECT"));
        let own = &own[select.unwrap_or(0)..];
        let Some(from) = own.iter().position(|at| self.is(*at, "FROM")) else {
            select?;
            return self.source_behind(nest);
        };
        let start = self.start(own[from]);
        let inside = &own[from..];
        if let Some(end) = inside.iter().find(|at| self.is_any(**at, AFTER_FROM)) {
            return Some(self.slice(start, self.start(*end)).to_string());
        }
        if let Some(on) = self.join_condition(inside) {
            return Some(format!("{} ON TRUE", self.slice(start, on)));
        }
        // The table that is being written is not there yet.
        let last = inside
            .iter()
            .rposition(|at| self.is_symbol(*at, ",") || self.is(*at, "JOIN"))?;
        let mut cut = last;
        while cut > 0 && self.is_any(inside[cut - 1], JOIN_WORDS) {
            cut -= 1;
        }
        (cut > 1).then(|| self.slice(start, self.start(inside[cut])).to_string())
    }

    /// The FROM that follows the place in its own query.
    fn source_behind(&self, nest: usize) -> Option<String> {
        let (mut depth, mut from) = (nest, None);
        let mut end = self.text.len();
        for token in &self.after {
            let is = |words: &[&str]| words.iter().any(|word| token.is_word(self.text, word));
            match token.kind {
                TokenKind::Open | TokenKind::Hint => depth += 1,
                TokenKind::Close if depth == 0 => {
                    end = token.span.start;
                    break;
                }
                TokenKind::Close => depth -= 1,
                TokenKind::Pipe if depth == 0 => {
                    end = token.span.start;
                    break;
                }
                TokenKind::Word if depth == 0 && from.is_none() && is(&["FROM"]) => {
                    from = Some(token.span.start);
                }
                TokenKind::Word if depth == 0 && is(AFTER_FROM) => {
                    end = token.span.start;
                    break;
                }
                _ => end = token.span.end,
            }
        }
        Some(self.slice(from?, end).to_string())
    }

    /// The function whose arguments the place is among.
    fn call(&self, frames: &[usize]) -> Option<(String, usize)> {
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
    fn clause(&self, innermost: Option<(usize, usize)>) -> (String, usize) {
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

    fn follows_pipe(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|at| self.before.get(at));
        before.is_some_and(|token| token.kind == TokenKind::Pipe)
    }

    fn place(&self, frames: &[usize], innermost: Option<(usize, usize)>) -> Place {
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
    fn place_in(&self, clause: &str, keyword: usize, last: usize) -> Place {
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
    fn is_star(&self, at: usize) -> bool {
        let after = at.checked_sub(1);
        self.is_symbol(at, "*")
            && after.is_some_and(|before| {
                self.is_any(before, &["SELECT", "DISTINCT", "ALL"])
                    || [",", ".", "("]
                        .iter()
                        .any(|symbol| self.is_symbol(before, symbol))
            })
    }

    fn is_table_place(&self, clause: &str, keyword: usize) -> bool {
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
        self.is_any(last, &["JOIN", "INTO", "DESCRIBE"]) && !self.follows_pipe_and_ends(last)
            || self.is(last, "TABLE") && in_call(last)
            || of_statement
            || listed
    }

    /// `|> DESCRIBE` takes no table.
    fn follows_pipe_and_ends(&self, at: usize) -> bool {
        self.is(at, "DESCRIBE") && self.follows_pipe(at)
    }

    fn is_extract(&self, from: usize) -> bool {
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

    fn is_path_place(&self, table: bool, frames: &[usize]) -> bool {
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

    fn is_cast_type(&self, last: usize) -> bool {
        if !self.is(last, "AS") {
            return false;
        }
        let open = self.frames().last().copied();
        open.and_then(|open| open.checked_sub(1))
            .is_some_and(|name| self.is_any(name, &["CAST", "TRY_CAST", "SAFE_CAST"]))
    }

    /// Whether a query can stand in the bracket at `open`.
    fn opens_query(&self, open: usize) -> bool {
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
    fn path_before(&self, dot: usize) -> Vec<String> {
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

/// The query of a text of which some operators may be wrong: those are left out.
fn parse_loosely(text: &str, kind: LevelKind, options: Options) -> Option<ast::Query> {
    let query = |text: &str| {
        let (script, _) = parse_all(text, options);
        match script.statements.into_iter().next()?.kind {
            StatementKind::Query(query) => Some(query),
            _ => None,
        }
    };
    let whole = match kind {
        LevelKind::Query => query(text),
        LevelKind::Subpipe => query(&format!("FROM t {text}")),
    };
    if whole.is_some() {
        return whole;
    }
    let mut starts = pipes(text, options);
    starts.push(text.len());
    let mut parsed = match kind {
        LevelKind::Query => query(text.get(..starts[0])?)?,
        LevelKind::Subpipe => query("FROM t")?,
    };
    for pair in starts.windows(2) {
        let step = text.get(pair[0]..pair[1]).unwrap_or_default();
        let step = query(&format!("FROM t {step}"));
        parsed
            .pipes
            .extend(step.into_iter().flat_map(|query| query.pipes));
    }
    Some(parsed)
}

/// Where the `|>` outside of brackets stand.
fn pipes(text: &str, options: Options) -> Vec<usize> {
    let mut depth = 0usize;
    let mut found = Vec::new();
    for token in Lexer::new(text, 0, options.double_quotes_are_strings).flatten() {
        match token.kind {
            TokenKind::Open | TokenKind::Hint => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Pipe if depth == 0 => found.push(token.span.start),
            _ => {}
        }
    }
    found
}
