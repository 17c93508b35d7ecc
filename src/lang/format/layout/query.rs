//! Queries and the statements around them.

use pest::iterators::Pair;

use super::{Item, Kind, LIST, Layout};
use crate::lang::parse::{Rule, is_keyword};

impl Layout<'_, '_> {
    pub(super) fn query(&mut self, node: Pair<Rule>) {
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
    pub(super) fn query_tail(&mut self, node: Pair<Rule>) {
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

    pub(super) fn set_expr(&mut self, node: Pair<Rule>) {
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

    pub(super) fn table_and_joins(&mut self, node: Pair<Rule>) {
        self.begin(Kind::Group, Some(LIST));
        self.each(node, |part| (part == Rule::join).then_some(Item::Break));
        self.push(Item::End);
    }

    pub(super) fn merge(&mut self, node: Pair<Rule>) {
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

    pub(super) fn aggregate(&mut self, node: Pair<Rule>) {
        self.list(node, Rule::aggregate_item, Item::Line);
    }

    /// The head of a statement, then the query or statement inside of it.
    pub(super) fn with_query(&mut self, node: Pair<Rule>) {
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
