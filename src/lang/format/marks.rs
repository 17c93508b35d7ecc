//! What the grammar's nodes say about single tokens: keywords, and what stands close to what is before it.

use pest::iterators::{Pair, Pairs};

use super::tokens::Tokens;
use crate::error::Span;
use crate::lang::lex::TokenKind;
use crate::lang::parse::{Rule, is_keyword};

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Marks {
    /// A word that is written in upper case.
    pub upper: bool,
    /// No blank stands before it.
    pub tight: bool,
    /// A query begins here.
    pub opens_query: bool,
}

/// Makes tokens of operators that the lexer, which knows no types, saw otherwise: `ARRAY<INT64>>= x`.
pub(super) fn align(tokens: &mut Tokens, nodes: Pairs<Rule>, base: usize) {
    let operators = nodes
        .flatten()
        .filter(|node| matches!(node.as_rule(), Rule::operator | Rule::arithmetic_operator));
    for node in operators {
        let span = absolute(&node, base);
        let at = tokens.at(span.start);
        let aligned = tokens.list.get(at).is_some_and(|token| token.span == span);
        if !aligned {
            cut(tokens, span);
        }
    }
}

/// Cuts the token that holds the beginning of `span`, and joins what is inside.
fn cut(tokens: &mut Tokens, span: Span) {
    let mut at = tokens.at(span.start);
    if let Some(before) = at
        .checked_sub(1)
        .and_then(|before| tokens.list.get_mut(before))
        && before.span.end > span.start
    {
        let end = before.span.end;
        before.span.end = span.start;
        let rest = super::tokens::FormatToken {
            kind: TokenKind::Symbol,
            span: Span::new(span.start, end),
            leading: Vec::new(),
            trailing: std::mem::take(&mut before.trailing),
            blank_before: false,
            marks: Marks::default(),
        };
        tokens.list.insert(at, rest);
    } else {
        at = tokens.at(span.start);
    }
    while tokens
        .list
        .get(at)
        .is_some_and(|token| token.span.end < span.end)
        && at + 1 < tokens.list.len()
    {
        let next = tokens.list.remove(at + 1);
        if let Some(token) = tokens.list.get_mut(at) {
            token.span.end = next.span.end;
            token.trailing.extend(next.trailing);
        }
    }
}

fn absolute(node: &Pair<Rule>, base: usize) -> Span {
    let span = node.as_span();
    Span::new(base + span.start(), base + span.end())
}

pub(super) fn mark(tokens: &mut Tokens, nodes: Pairs<Rule>, base: usize) {
    for node in nodes.flatten() {
        one(tokens, &node, base);
    }
}

fn one(tokens: &mut Tokens, node: &Pair<Rule>, base: usize) {
    let span = absolute(node, base);
    let first = tokens.at(span.start);
    match node.as_rule() {
        Rule::type_word | Rule::map_word | Rule::typed_word | Rule::interval_part => {
            tokens.upper(first);
        }
        rule if is_keyword(rule) => tokens.upper(first),
        Rule::extract | Rule::tablesample | Rule::stored_as | Rule::show | Rule::on_violation => {
            named_word(tokens, node, base);
            if node.as_rule() == Rule::extract {
                tight(tokens, first + 1);
            }
        }
        Rule::call
        | Rule::function_arguments
        | Rule::function_params
        | Rule::struct_items
        | Rule::subscript => {
            tight(tokens, first);
        }
        Rule::cast | Rule::array_query | Rule::unnest | Rule::in_unnest | Rule::options => {
            tight(tokens, first + 1);
        }
        Rule::quantifier => (first..tokens.at(span.end)).for_each(|at| tight(tokens, at)),
        Rule::path => (first + 1..tokens.at(span.end)).for_each(|at| tight(tokens, at)),
        Rule::field | Rule::dot_star | Rule::cast_suffix => {
            tight(tokens, first + 1);
            // `1 .x`: the dot would be the number's.
            let number = first
                .checked_sub(1)
                .and_then(|before| tokens.list.get(before));
            if number.is_none_or(|before| before.kind != TokenKind::Number)
                || node.as_rule() == Rule::cast_suffix
            {
                tight(tokens, first);
            }
        }
        // Two minus signs would begin a comment.
        Rule::sign if !(tokens.is(first, "-") && tokens.is(first + 1, "-")) => {
            tight(tokens, first + 1);
        }
        Rule::signed_number if tokens.is(first, "-") => tight(tokens, first + 1),
        Rule::array_type | Rule::struct_type | Rule::map_type => {
            angles(tokens, first, tokens.at(span.end))
        }
        Rule::named_type
            if tokens.is(first + 1, "(") && tokens.list[first + 1].span.start < span.end =>
        {
            tight(tokens, first + 1);
        }
        Rule::array => {
            let open = (first..tokens.at(span.end))
                .find(|at| tokens.is(*at, "["))
                .unwrap_or(first);
            angles(tokens, first, open);
            if open > first {
                tight(tokens, open);
            }
        }
        Rule::struct_value => {
            let mut parts = node.clone().into_inner();
            let items = parts.find(|part| part.as_rule() == Rule::struct_items);
            let end = items.map_or(span.end, |items| absolute(&items, base).start);
            angles(tokens, first, tokens.at(end));
        }
        Rule::table_alias | Rule::common_table => {
            for part in node.clone().into_inner() {
                if part.as_rule() == Rule::name_list {
                    tight(tokens, tokens.at(absolute(&part, base).start));
                }
            }
        }
        Rule::query => open_query(tokens, first),
        Rule::paren | Rule::from_paren => {
            let mut parts = node.clone().into_inner();
            let tail = parts.find(|part| part.as_rule() == Rule::query_tail);
            if tail.is_some_and(|tail| tail.into_inner().next().is_some()) {
                open_query(tokens, first + 1);
            }
        }
        _ => {}
    }
}

fn tight(tokens: &mut Tokens, at: usize) {
    if let Some(token) = tokens.list.get_mut(at) {
        token.marks.tight = true;
    }
}

fn open_query(tokens: &mut Tokens, at: usize) {
    if let Some(token) = tokens.list.get_mut(at) {
        token.marks.opens_query = true;
    }
}

/// A free name in a place where only certain words can stand.
fn named_word(tokens: &mut Tokens, node: &Pair<Rule>, base: usize) {
    for part in node.clone().into_inner() {
        if part.as_rule() == Rule::free_name {
            tokens.upper(tokens.at(absolute(&part, base).start));
        }
    }
}

/// `<` and `>` of the types among `from..to`.
fn angles(tokens: &mut Tokens, from: usize, to: usize) {
    for at in from..to {
        let text = tokens.written(at);
        if text == "<" {
            tight(tokens, at);
            tight(tokens, at + 1);
        } else if text == "<>" || (!text.is_empty() && text.bytes().all(|byte| byte == b'>')) {
            tight(tokens, at);
        }
    }
}
