//! Where lines may break: the tokens of a statement with boxes around what belongs together.
//!
//! A box ([`Item::Begin`]) is laid flat when it fits on the line; otherwise it breaks at all of its own [`Item::Break`]s. Brackets
//! make boxes by themselves, and every comma is followed by a break; what is here are the places that the grammar's nodes name.

mod expr;
mod nodes;
mod query;

use pest::iterators::{Pair, Pairs};

use super::tokens::Tokens;
use crate::lang::lex::TokenKind;
use crate::lang::parse::Rule;

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
}
