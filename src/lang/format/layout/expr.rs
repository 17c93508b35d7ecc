//! Expressions: chains of operators, CASE, windows.

use pest::iterators::Pair;

use super::{Item, Kind, LIST, Layout};
use crate::lang::parse::{Rule, strength};

impl Layout<'_, '_> {
    pub(super) fn window_spec(&mut self, node: Pair<Rule>) {
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

    pub(super) fn case(&mut self, node: Pair<Rule>) {
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

    /// Operands and operators: those that bind weakest break first.
    pub(super) fn chain(&mut self, parts: &[Pair<Rule>]) {
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
