//! Precedence: the flat list of operands and operators of one expression becomes a tree, in loops.

use std::iter::Peekable;

use pest::iterators::Pairs;

use super::{Node, Reader, Rule, mismatch, parts};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::lang::scan::MAX_ITEMS;

/// Operators of one chain that is not of AND or OR.
const MAX_CHAIN: usize = 1000;
/// Expressions inside each other, through brackets and chains.
const MAX_TREE: usize = 2000;

type Items<'t> = Peekable<Pairs<'t, Rule>>;

/// A comparison binds weaker than every arithmetic operator and does not chain.
const COMPARISON: u8 = 0;

pub(super) fn new(kind: ExprKind, span: Span) -> Expr {
    Expr {
        kind: Box::new(kind),
        span,
    }
}

/// The operator written so, and how tightly it binds.
fn binary(text: &str) -> Option<(BinaryOp, u8)> {
    Some(match text {
        "=" | "==" => (BinaryOp::Equal, COMPARISON),
        "!=" | "<>" => (BinaryOp::NotEqual, COMPARISON),
        "<" => (BinaryOp::Less, COMPARISON),
        "<=" => (BinaryOp::LessEqual, COMPARISON),
        ">" => (BinaryOp::Greater, COMPARISON),
        ">=" => (BinaryOp::GreaterEqual, COMPARISON),
        "<=>" => (BinaryOp::NullSafeEqual, COMPARISON),
        "|" => (BinaryOp::BitOr, 1),
        "^" => (BinaryOp::BitXor, 2),
        "&" => (BinaryOp::BitAnd, 3),
        "<<" => (BinaryOp::ShiftLeft, 4),
        ">>" => (BinaryOp::ShiftRight, 4),
        "+" => (BinaryOp::Add, 5),
        "-" => (BinaryOp::Subtract, 5),
        "*" => (BinaryOp::Multiply, 6),
        "/" => (BinaryOp::Divide, 6),
        "%" => (BinaryOp::Modulo, 6),
        "||" => (BinaryOp::Concat, 6),
        _ => return None,
    })
}

/// How tightly the operator written so binds: 0 for a comparison.
pub(in crate::lang) fn strength(text: &str) -> u8 {
    binary(text).map_or(COMPARISON, |(_, binding)| binding)
}

impl<'t> Reader<'_, 't> {
    /// An `expr` or an `arithmetic`.
    pub(super) fn expr(&mut self, node: Node<'t>) -> Result<Expr> {
        let depth = self.depth;
        self.depth += self.longest_chain(&node)?;
        if self.depth > MAX_TREE {
            let message = "expressions are nested too deep";
            return Err(Error::new(ErrorKind::Limit, "TM0109", message)
                .at(self.span(&node))
                .hint("compute a part of it in a step before"));
        }
        let mut items = node.into_inner().peekable();
        let expr = self.disjunction(&mut items)?;
        self.depth = depth;
        match items.next() {
            Some(item) => Err(self.unexpected(&item)),
            None => Ok(expr),
        }
    }

    /// How deep the tree of this list can get: AND and OR are flat, everything else nests.
    fn longest_chain(&self, node: &Node) -> Result<usize> {
        let (mut longest, mut length) = (1, 0);
        for item in node.clone().into_inner() {
            match item.as_rule() {
                Rule::kw_and | Rule::kw_or => length = 0,
                _ => length += 1,
            }
            longest = longest.max(length);
        }
        // An operand stands beside every operator.
        if longest <= 2 * MAX_CHAIN {
            return Ok(longest.div_ceil(2));
        }
        let message = format!("a chain of operators has more than {MAX_CHAIN} operands");
        Err(Error::new(ErrorKind::Limit, "TM0109", message)
            .at(self.span(node))
            .hint("only AND and OR may be longer; use a list or a table"))
    }

    fn disjunction(&mut self, items: &mut Items<'t>) -> Result<Expr> {
        let first = self.conjunction(items)?;
        let mut terms = vec![first];
        while items
            .next_if(|item| item.as_rule() == Rule::kw_or)
            .is_some()
        {
            terms.push(self.conjunction(items)?);
        }
        self.flat(terms, ExprKind::Or)
    }

    fn conjunction(&mut self, items: &mut Items<'t>) -> Result<Expr> {
        let first = self.negation(items)?;
        let mut terms = vec![first];
        while items
            .next_if(|item| item.as_rule() == Rule::kw_and)
            .is_some()
        {
            terms.push(self.negation(items)?);
        }
        self.flat(terms, ExprKind::And)
    }

    fn flat(&self, mut terms: Vec<Expr>, kind: fn(Vec<Expr>) -> ExprKind) -> Result<Expr> {
        let Some(last) = terms.pop() else {
            return Err(mismatch());
        };
        let Some(first) = terms.first() else {
            return Ok(last);
        };
        let span = first.span.to(last.span);
        terms.push(last);
        if terms.len() > MAX_ITEMS {
            return Err(super::too_wide("AND and OR take", span));
        }
        Ok(new(kind(terms), span))
    }

    fn negation(&mut self, items: &mut Items<'t>) -> Result<Expr> {
        let mut nots = Vec::new();
        while let Some(not) = items.next_if(|item| item.as_rule() == Rule::kw_not) {
            nots.push(self.span(&not));
        }
        let mut expr = self.comparison(items)?;
        for not in nots.into_iter().rev() {
            let span = not.to(expr.span);
            let op = UnaryOp::Not;
            expr = new(ExprKind::Unary { op, operand: expr }, span);
        }
        Ok(expr)
    }

    fn comparison(&mut self, items: &mut Items<'t>) -> Result<Expr> {
        let left = self.chain(items)?;
        let Some(item) =
            items.next_if(|item| !matches!(item.as_rule(), Rule::kw_and | Rule::kw_or))
        else {
            return Ok(left);
        };
        let first = self.span(&item);
        let compared = match item.as_rule() {
            Rule::operator => {
                let (op, _) = binary(self.written(&item)).ok_or_else(mismatch)?;
                match items.next_if(|item| item.as_rule() == Rule::quantified) {
                    Some(quantified) => self.quantified(left, op, quantified)?,
                    None => {
                        let right = self.chain(items)?;
                        let span = left.span.to(right.span);
                        new(ExprKind::Binary { op, left, right }, span)
                    }
                }
            }
            _ => self.predicate(left, item)?,
        };
        match items.peek() {
            Some(second) if !matches!(second.as_rule(), Rule::kw_and | Rule::kw_or) => {
                let second = self.span(second);
                Err(Error::input("TM0107", "comparisons do not chain", second)
                    .also(first, "the first comparison")
                    .hint("join two comparisons with AND, or put one in parentheses"))
            }
            _ => Ok(compared),
        }
    }

    /// Operands joined by operators that bind tighter than a comparison; equal ones group left.
    fn chain(&mut self, items: &mut Items<'t>) -> Result<Expr> {
        let mut operands = vec![self.operand(items)?];
        let mut waiting: Vec<(BinaryOp, u8)> = Vec::new();
        while let Some((op, binding)) = items.peek().and_then(|item| self.tight(item)) {
            items.next();
            while let Some((op, _)) = waiting.pop_if(|(_, before)| *before >= binding) {
                join(&mut operands, op)?;
            }
            waiting.push((op, binding));
            operands.push(self.operand(items)?);
        }
        while let Some((op, _)) = waiting.pop() {
            join(&mut operands, op)?;
        }
        operands.pop().ok_or_else(mismatch)
    }

    /// The operator of `item`, if it is one of a chain.
    fn tight(&self, item: &Node<'t>) -> Option<(BinaryOp, u8)> {
        match item.as_rule() {
            Rule::operator | Rule::arithmetic_operator => {
                binary(self.written(item)).filter(|(_, binding)| *binding > COMPARISON)
            }
            _ => None,
        }
    }

    /// Signs, one value and what is attached to it.
    fn operand(&mut self, items: &mut Items<'t>) -> Result<Expr> {
        let mut signs = Vec::new();
        while let Some(sign) = items.next_if(|item| item.as_rule() == Rule::sign) {
            let op = match self.written(&sign) {
                "-" => UnaryOp::Minus,
                "+" => UnaryOp::Plus,
                _ => UnaryOp::BitNot,
            };
            signs.push((op, self.span(&sign)));
        }
        let item = items.next().ok_or_else(mismatch)?;
        let mut expr = match item.as_rule() {
            Rule::kw_not => {
                let message = "NOT binds weaker than the operator before it";
                return Err(Error::input("TM0102", message, self.span(&item))
                    .label("put NOT and what it negates in parentheses"));
            }
            Rule::quantified => {
                return Err(self.quantifier_misplaced(&item));
            }
            Rule::path | Rule::reserved_function => self.name_or_call(item, items)?,
            _ => self.primary(item)?,
        };
        while let Some(suffix) = items.next_if(|item| {
            matches!(
                item.as_rule(),
                Rule::field | Rule::subscript | Rule::cast_suffix
            )
        }) {
            expr = self.suffix(expr, suffix)?;
        }
        for (op, span) in signs.into_iter().rev() {
            let span = span.to(expr.span);
            expr = new(ExprKind::Unary { op, operand: expr }, span);
        }
        Ok(expr)
    }

    fn quantifier_misplaced(&self, node: &Node) -> Error {
        let message = "ANY, SOME and ALL follow a comparison only";
        Error::input("TM0102", message, self.span(node)).hint("write x = ANY (query)")
    }

    fn name_or_call(&mut self, item: Node<'t>, items: &mut Items<'t>) -> Result<Expr> {
        let path = match item.as_rule() {
            Rule::path => self.path(item)?,
            _ => self.reserved_path(&item),
        };
        match items.next_if(|item| item.as_rule() == Rule::call) {
            Some(call) => self.call(path, call),
            None => {
                let span = path.span;
                Ok(new(ExprKind::Path(path), span))
            }
        }
    }

    fn suffix(&mut self, base: Expr, node: Node<'t>) -> Result<Expr> {
        let span = base.span.to(self.span(&node));
        let rule = node.as_rule();
        let part = super::only(node)?;
        let kind = match rule {
            Rule::field => ExprKind::Field {
                base,
                name: self.ident(&part),
            },
            Rule::subscript => ExprKind::Subscript {
                base,
                index: self.expr(part)?,
            },
            _ => ExprKind::Cast {
                operand: base,
                data_type: self.type_name(part)?,
                try_: false,
            },
        };
        Ok(new(kind, span))
    }

    fn quantified(&mut self, operand: Expr, op: BinaryOp, node: Node<'t>) -> Result<Expr> {
        if binary_is_arithmetic(op) {
            return Err(self.quantifier_misplaced(&node));
        }
        let span = operand.span.to(self.span(&node));
        let all = super::has(&node, Rule::kw_all);
        let query = parts(node).next().ok_or_else(mismatch)?;
        let query = Box::new(self.query(query)?);
        let kind = ExprKind::Quantified {
            operand,
            op,
            all,
            query,
        };
        Ok(new(kind, span))
    }
}

fn binary_is_arithmetic(op: BinaryOp) -> bool {
    !matches!(
        op,
        BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::NullSafeEqual
    )
}

/// Replaces the last two operands by their combination.
fn join(operands: &mut Vec<Expr>, op: BinaryOp) -> Result<()> {
    let (Some(right), Some(left)) = (operands.pop(), operands.pop()) else {
        return Err(mismatch());
    };
    let span = left.span.to(right.span);
    operands.push(new(ExprKind::Binary { op, left, right }, span));
    Ok(())
}
