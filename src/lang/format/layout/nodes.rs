//! One arm for each node of the grammar that says where lines may break, and the lists that are no brackets.

use pest::iterators::Pair;

use super::{Item, Kind, LIST, Layout, UNDER};
use crate::lang::parse::Rule;

impl Layout<'_, '_> {
    pub(super) fn node(&mut self, node: Pair<Rule>) {
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
    pub(super) fn each(&mut self, node: Pair<Rule>, before: fn(Rule) -> Option<Item>) {
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

    pub(super) fn boxed(&mut self, node: Pair<Rule>, kind: Kind, indent: usize) {
        self.begin(kind, Some(indent));
        self.each(node, |_| None);
        self.push(Item::End);
    }

    /// Words, a list of items, then clauses that may begin a line.
    pub(super) fn list(&mut self, node: Pair<Rule>, item: Rule, clause: Item) {
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
