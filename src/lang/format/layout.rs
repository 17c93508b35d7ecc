//! Where lines may break: the tokens of a statement with boxes around what belongs together.
//!
//! A box ([`Item::Begin`]) is laid flat when it fits on the line; otherwise it breaks at all of its own [`Item::Break`]s. Brackets
//! make boxes by themselves, and every comma is followed by a break; what is here are the places that the grammar's nodes name.

use pest::iterators::{Pair, Pairs};

use super::tokens::Tokens;
use crate::lang::lex::TokenKind;
use crate::lang::parse::{Rule, is_keyword, strength};

/// Items of a broken list, and the lines that go on with an expression.
const LIST: usize = 4;
/// What stands below an operator: the width of `|> `.
const UNDER: usize = 3;
/// Queries and pipes in parentheses.
const INSIDE: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Token(usize),
    /// The comment of that number on a line before the token.
    Leading(usize, usize),
    /// The comment of that number behind the token.
    Trailing(usize, usize),
    /// A new line if the box is broken.
    Break,
    /// A new line.
    Line,
    /// A box; its lines stand so far right of the line that it begins on, or where those around it do.
    Begin(Kind, Option<usize>),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Broken as the box around it.
    Inherit,
    /// Broken where it does not fit or holds a new line.
    Group,
    /// Broken where it does not fit; a new line inside is the business of what holds it.
    Hug,
}

pub(super) struct Layout<'a, 't> {
    tokens: &'a Tokens<'t>,
    items: Vec<Item>,
    next: usize,
    /// Where the nodes' text begins.
    base: usize,
    /// The comments before this token are written already.
    first: usize,
    /// A token whose comments stand outside of the boxes that end with it.
    waiting: Option<usize>,
    /// Of each open bracket: whether it is an empty pair, without boxes.
    brackets: Vec<bool>,
}

impl<'a, 't> Layout<'a, 't> {
    pub fn new(tokens: &'a Tokens<'t>, next: usize, base: usize) -> Self {
        Layout {
            tokens,
            items: Vec::new(),
            next,
            base,
            first: next,
            waiting: None,
            brackets: Vec::new(),
        }
    }

    /// What was laid out, and the token after it.
    pub fn finish(mut self) -> (Vec<Item>, usize) {
        self.comments_behind();
        (self.items, self.next)
    }

    pub fn statement(&mut self, nodes: Pairs<Rule>) {
        self.begin(Kind::Group, Some(0));
        for node in nodes {
            let rule = node.as_rule();
            if rule == Rule::EOI {
                continue;
            }
            self.node(node);
            if rule == Rule::hint {
                self.push(Item::Break);
            }
        }
        self.push(Item::End);
    }

    /// `IF condition THEN`
    pub fn condition(&mut self, nodes: Pairs<Rule>) {
        self.begin(Kind::Group, Some(LIST));
        self.token();
        for node in nodes.filter(|node| node.as_rule() != Rule::EOI) {
            self.node(node);
        }
        self.token();
        self.push(Item::End);
    }

    pub fn words(&mut self, count: usize) {
        for _ in 0..count {
            self.token();
        }
    }

    fn push(&mut self, item: Item) {
        if item != Item::End {
            self.comments_behind();
        }
        self.items.push(item);
    }

    fn begin(&mut self, kind: Kind, indent: Option<usize>) {
        self.push(Item::Begin(kind, indent));
    }

    fn comments_behind(&mut self) {
        if let Some(at) = self.waiting.take()
            && let Some(token) = self.tokens.list.get(at)
        {
            let comments = (0..token.trailing.len()).map(|comment| Item::Trailing(at, comment));
            self.items.extend(comments);
        }
    }

    /// The next token with its comments, and the boxes of brackets.
    fn token(&mut self) {
        let at = self.next;
        let Some(token) = self.tokens.list.get(at) else {
            return;
        };
        self.next += 1;
        if at != self.first && !token.leading.is_empty() {
            self.comments_behind();
            for comment in 0..token.leading.len() {
                self.push(Item::Leading(at, comment));
            }
        }
        match token.kind {
            TokenKind::Open | TokenKind::Hint => self.open(at),
            TokenKind::Close => {
                let empty = self.brackets.pop().unwrap_or(true);
                if !empty {
                    self.push(Item::End);
                    self.push(Item::Break);
                }
                self.push(Item::Token(at));
                if !empty {
                    self.push(Item::End);
                }
                self.waiting = Some(at);
            }
            _ => {
                self.push(Item::Token(at));
                self.waiting = Some(at);
                if self.tokens.is(at, ",") {
                    self.push(Item::Break);
                }
            }
        }
    }

    fn open(&mut self, at: usize) {
        let next = self.tokens.list.get(at + 1);
        let comments = self
            .tokens
            .list
            .get(at)
            .is_some_and(|token| !token.trailing.is_empty())
            || next.is_some_and(|next| !next.leading.is_empty());
        let empty = !comments && next.is_some_and(|next| next.kind == TokenKind::Close);
        self.brackets.push(empty);
        if empty {
            self.push(Item::Token(at));
            return;
        }
        let query = next.is_some_and(|next| next.marks.opens_query || next.kind == TokenKind::Pipe);
        self.begin(Kind::Group, Some(0));
        self.push(Item::Token(at));
        self.waiting = Some(at);
        self.begin(Kind::Inherit, Some(if query { INSIDE } else { LIST }));
        self.push(Item::Break);
    }

    /// The tokens before a byte of the nodes' text.
    fn until(&mut self, byte: usize) {
        let end = self.base + byte;
        while self
            .tokens
            .list
            .get(self.next)
            .is_some_and(|token| token.span.start < end)
        {
            self.token();
        }
    }

    fn before(&mut self, node: &Pair<Rule>) {
        self.until(node.as_span().start());
    }

    fn node(&mut self, node: Pair<Rule>) {
        self.before(&node);
        match node.as_rule() {
            Rule::query | Rule::catalog_query => self.query(node),
            Rule::query_tail => self.query_tail(node),
            Rule::set_expr => self.set_expr(node),
            Rule::expr | Rule::arithmetic => {
                let parts: Vec<_> = node.clone().into_inner().collect();
                self.chain(&parts);
                self.until(node.as_span().end());
            }
            Rule::from_item => self.table_and_joins(node),
            Rule::from_clause if !has_comma(&node) => self.each(node, |_| None),
            Rule::pipe => self.boxed(node, Kind::Group, UNDER),
            Rule::aggregate => self.aggregate(node),
            Rule::with => self.boxed(node, Kind::Group, 0),
            Rule::tee | Rule::fork | Rule::set_operation => self.boxed(node, Kind::Hug, 0),
            Rule::subpipe => self.each(node, |part| (part == Rule::pipe).then_some(Item::Line)),
            Rule::window_spec => self.window_spec(node),
            Rule::case => self.case(node),
            Rule::create_table
            | Rule::create_view
            | Rule::create_table_function
            | Rule::insert
            | Rule::explain => {
                self.with_query(node);
            }
            Rule::create_external | Rule::create_here => self.with_query(node),
            Rule::delete | Rule::update => self.each(node, |part| {
                matches!(part, Rule::kw_set | Rule::kw_where).then_some(Item::Break)
            }),
            Rule::merge => self.merge(node),
            _ => match list_item(node.as_rule()) {
                Some(item) => self.list(node, item, Item::Break),
                None => self.each(node, |_| None),
            },
        }
    }

    /// The parts of a node, some with a break before.
    fn each(&mut self, node: Pair<Rule>, before: fn(Rule) -> Option<Item>) {
        let end = node.as_span().end();
        for part in node.into_inner() {
            self.before(&part);
            if let Some(item) = before(part.as_rule()) {
                self.push(item);
            }
            self.node(part);
        }
        self.until(end);
    }

    fn boxed(&mut self, node: Pair<Rule>, kind: Kind, indent: usize) {
        self.begin(kind, Some(indent));
        self.each(node, |_| None);
        self.push(Item::End);
    }

    /// Words, a list of items, then clauses that may begin a line.
    fn list(&mut self, node: Pair<Rule>, item: Rule, clause: Item) {
        let end = node.as_span().end();
        let mut parts = node.into_inner().peekable();
        while let Some(part) = parts.next_if(|part| part.as_rule() != item) {
            self.node(part);
        }
        let mut items = Vec::new();
        while let Some(part) = parts.next_if(|part| part.as_rule() == item) {
            items.push(part);
        }
        if !items.is_empty() {
            self.items_of_list(items, end);
        }
        for part in parts {
            self.before(&part);
            self.push(clause);
            self.node(part);
        }
        self.until(end);
    }

    fn items_of_list(&mut self, items: Vec<Pair<Rule>>, end: usize) {
        // One item may hold lines without going to a line of its own.
        let alone = items.len() == 1;
        self.begin(if alone { Kind::Hug } else { Kind::Group }, Some(LIST));
        self.push(Item::Break);
        for item in items {
            self.node(item);
        }
        let comma = self.tokens.is(self.next, ",");
        let inside = |byte: usize| byte < self.base + end;
        if comma
            && self
                .tokens
                .list
                .get(self.next)
                .is_some_and(|token| inside(token.span.start))
        {
            self.token();
        }
        self.push(Item::End);
    }

    fn query(&mut self, node: Pair<Rule>) {
        self.begin(Kind::Group, Some(0));
        let end = node.as_span().end();
        let mut parts = node.into_inner().peekable();
        if let Some(with) = parts.next_if(|part| part.as_rule() == Rule::with) {
            self.node(with);
            self.push(Item::Break);
        }
        self.begin(Kind::Group, Some(0));
        while let Some(part) = parts.next_if(|part| part.as_rule() != Rule::pipe) {
            if matches!(part.as_rule(), Rule::order_by | Rule::limit) {
                self.push(Item::Break);
            }
            self.node(part);
        }
        self.push(Item::End);
        for pipe in parts {
            self.push(Item::Line);
            self.node(pipe);
        }
        self.until(end);
        self.push(Item::End);
    }

    /// What goes on with a query that began in parentheses.
    fn query_tail(&mut self, node: Pair<Rule>) {
        for part in node.into_inner() {
            let rule = part.as_rule();
            match rule {
                Rule::pipe => self.push(Item::Line),
                Rule::alias => {}
                _ => self.push(Item::Break),
            }
            self.node(part);
        }
    }

    fn set_expr(&mut self, node: Pair<Rule>) {
        let mut parts = node.into_inner().peekable();
        let Some(first) = parts.next() else {
            return;
        };
        if parts.peek().is_none() {
            // Its clauses break with ORDER BY and LIMIT.
            return self.node(first);
        }
        self.begin(Kind::Group, Some(0));
        self.node(first);
        self.push(Item::End);
        for part in parts {
            self.push(Item::Break);
            self.begin(Kind::Group, Some(0));
            self.node(part);
            self.push(Item::End);
        }
    }

    fn table_and_joins(&mut self, node: Pair<Rule>) {
        self.begin(Kind::Group, Some(LIST));
        self.each(node, |part| (part == Rule::join).then_some(Item::Break));
        self.push(Item::End);
    }

    fn merge(&mut self, node: Pair<Rule>) {
        let mut parts = node.into_inner().peekable();
        self.begin(Kind::Group, Some(LIST));
        while let Some(part) = parts.next_if(|part| part.as_rule() != Rule::merge_clause) {
            self.node(part);
        }
        self.push(Item::End);
        for clause in parts {
            self.push(Item::Break);
            self.boxed(clause, Kind::Group, LIST);
        }
    }

    fn aggregate(&mut self, node: Pair<Rule>) {
        self.list(node, Rule::aggregate_item, Item::Line);
    }

    fn window_spec(&mut self, node: Pair<Rule>) {
        let end = node.as_span().end();
        for (index, part) in node.into_inner().enumerate() {
            self.before(&part);
            if index > 0 {
                self.push(Item::Break);
            }
            self.node(part);
        }
        self.until(end);
    }

    fn case(&mut self, node: Pair<Rule>) {
        self.begin(Kind::Group, Some(0));
        let mut parts = node.into_inner().peekable();
        let branch = |part: &Pair<Rule>| matches!(part.as_rule(), Rule::when | Rule::else_branch);
        while let Some(part) = parts.next_if(|part| !branch(part)) {
            self.node(part);
        }
        self.begin(Kind::Inherit, Some(LIST));
        while let Some(part) = parts.next_if(branch) {
            self.push(Item::Break);
            self.node(part);
        }
        self.push(Item::End);
        for end in parts {
            self.push(Item::Break);
            self.node(end);
        }
        self.push(Item::End);
    }

    /// The head of a statement, then the query or statement inside of it.
    fn with_query(&mut self, node: Pair<Rule>) {
        self.begin(Kind::Group, Some(LIST));
        let end = node.as_span().end();
        let explains = node.as_rule() == Rule::explain;
        let mut parts = node.into_inner().peekable();
        let inside = |part: &Pair<Rule>| {
            let says_how = is_keyword(part.as_rule()) || part.as_rule() == Rule::explain_format;
            part.as_rule() == Rule::query || explains && !says_how
        };
        while let Some(part) = parts.next_if(|part| !inside(part)) {
            self.before(&part);
            if begins_line(part.as_rule()) {
                self.push(Item::Break);
            }
            self.node(part);
        }
        if let Some(query) = parts.next() {
            self.before(&query);
            self.push(Item::End);
            self.push(Item::Break);
            self.node(query);
        } else {
            self.until(end);
            self.push(Item::End);
        }
    }

    /// Operands and operators: those that bind weakest break first.
    fn chain(&mut self, parts: &[Pair<Rule>]) {
        let Some(weakest) = parts.iter().filter_map(binding).min() else {
            for part in parts {
                self.node(part.clone());
            }
            return;
        };
        self.begin(
            if weakest <= AND {
                Kind::Group
            } else {
                Kind::Hug
            },
            Some(LIST),
        );
        let mut start = 0;
        for (at, part) in parts.iter().enumerate() {
            if binding(part) == Some(weakest) {
                self.chain(&parts[start..at]);
                self.push(Item::Break);
                self.node(part.clone());
                start = at + 1;
            }
        }
        self.chain(&parts[start..]);
        self.push(Item::End);
    }
}

const AND: u8 = 1;

/// How tightly an operator of a chain binds: OR, AND, comparisons, then the others.
fn binding(part: &Pair<Rule>) -> Option<u8> {
    match part.as_rule() {
        Rule::kw_or => Some(0),
        Rule::kw_and => Some(AND),
        Rule::operator | Rule::arithmetic_operator => Some(2 + strength(part.as_str().trim_end())),
        _ => None,
    }
}

/// Several tables.
fn has_comma(from: &Pair<Rule>) -> bool {
    let items = from.clone().into_inner();
    items
        .filter(|part| part.as_rule() == Rule::from_item)
        .nth(1)
        .is_some()
}

/// The items of the lists that are no brackets.
fn list_item(rule: Rule) -> Option<Rule> {
    Some(match rule {
        Rule::select | Rule::select_pipe | Rule::extend | Rule::window_pipe => Rule::select_item,
        Rule::set_columns => Rule::assignment,
        Rule::changes => Rule::change,
        Rule::drop_columns => Rule::ident,
        Rule::rename => Rule::rename_item,
        Rule::order_by => Rule::order_item,
        Rule::assert_rows | Rule::partition_by => Rule::expr,
        Rule::window_clause => Rule::named_window,
        Rule::group_by => Rule::group_item,
        Rule::values => Rule::values_row,
        Rule::from_clause => Rule::from_item,
        _ => return None,
    })
}

/// Clauses of CREATE that may begin a line.
fn begins_line(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::partition_columns
            | Rule::cluster_columns
            | Rule::shard_columns
            | Rule::stored_as
            | Rule::location
            | Rule::options
    )
}
