//! The queries around a place, as far as they are complete: text that can be parsed.

use super::{Around, LevelKind};
use crate::lang::ast::{self, StatementKind};
use crate::lang::lex::{Lexer, TokenKind};
use crate::lang::{Options, parse_all};

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

impl Around<'_> {
    /// The query that begins at the token `from` as far as it is complete; `nest` brackets are open between it and the place.
    pub(super) fn known_text(&self, from: usize, nest: usize) -> Option<String> {
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
    pub(super) fn join_condition(&self, own: &[usize]) -> Option<usize> {
        let join = own.iter().rposition(|at| self.is(*at, "JOIN"))?;
        let on = own[join..]
            .iter()
            .find(|at| self.is_any(**at, &["ON", "USING"]));
        on.map(|on| self.start(*on))
    }

    /// The tables of a WITH that are complete, and the position among `own` of what follows them.
    pub(super) fn common_tables(&self, own: &[usize]) -> (&str, usize) {
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
    pub(super) fn source(&self, own: &[usize], body: usize, nest: usize) -> Option<String> {
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
    pub(super) fn source_behind(&self, nest: usize) -> Option<String> {
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
}

/// The query of a text of which some operators may be wrong: those are left out.
pub(super) fn parse_loosely(text: &str, kind: LevelKind, options: Options) -> Option<ast::Query> {
    let query = |text: &str| {
        let (parsed, _) = parse_all(text, options);
        match parsed.script.statements.into_iter().next()?.kind {
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
