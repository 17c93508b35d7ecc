//! Pipe operators: one arm for each.

use super::query::{bounded_branches, bounded_pipes};
use super::select::select_head;
use super::{Node, Reader, Rule, has, mismatch, only, parts, too_wide};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{AggregateItem, Ident, Pipe, PipeOp, SelectItem};
use crate::lang::scan::MAX_ITEMS;

impl<'t> Reader<'_, 't> {
    pub(super) fn pipe(&mut self, node: Node<'t>) -> Result<Pipe> {
        let span = self.span(&node);
        let operator = only(node)?;
        let keyword = self.keyword(&operator);
        let op = match operator.as_rule() {
            Rule::where_clause => PipeOp::Where(self.expr(only(operator)?)?),
            Rule::select_pipe => self.select_pipe(operator)?,
            Rule::extend => self.extend(operator)?,
            Rule::set_columns => PipeOp::Set(self.assignments(operator)?),
            Rule::drop_columns => PipeOp::Drop(self.names(operator)?),
            Rule::rename => PipeOp::Rename(self.renames(operator)?),
            Rule::as_name => PipeOp::As(self.ident(&only(operator)?)),
            Rule::aggregate => self.aggregate(operator)?,
            Rule::distinct => PipeOp::Distinct,
            Rule::join => PipeOp::Join(Box::new(self.join(operator)?)),
            Rule::order_by => PipeOp::OrderBy(self.order_by(operator)?),
            Rule::limit => PipeOp::Limit(self.limit(operator)?),
            Rule::set_operation => self.set_operation(operator)?,
            Rule::with => PipeOp::With(self.with(operator)?),
            _ => self.further_operator(operator)?,
        };
        Ok(Pipe { op, span, keyword })
    }

    /// The words that name the operator: `WHERE`, `ORDER BY`, `LEFT JOIN`.
    fn keyword(&self, operator: &Node) -> Span {
        let mut inner = operator.clone().into_inner();
        let Some(first) = inner.next() else {
            return self.span(operator);
        };
        match operator.as_rule() {
            Rule::order_by => {
                let by = inner.next().unwrap_or(first.clone());
                self.span(&first).to(self.span(&by))
            }
            Rule::limit if !super::is_keyword(first.as_rule()) => {
                let word = first.into_inner().next();
                word.map_or(self.span(operator), |word| self.span(&word))
            }
            _ => self.span(&first),
        }
    }

    /// `( |> … |> … )`
    pub(super) fn subpipe(&mut self, node: Node<'t>) -> Result<Vec<Pipe>> {
        let span = self.span(&node);
        let pipes: Vec<Pipe> = parts(node)
            .map(|pipe| self.pipe(pipe))
            .collect::<Result<_>>()?;
        bounded_pipes(&pipes, span)?;
        Ok(pipes)
    }

    fn select_pipe(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let (mut head, mut items, mut windows) = (None, Vec::new(), Vec::new());
        let span = self.span(&node);
        for part in parts(node) {
            match part.as_rule() {
                Rule::select_head => head = Some(select_head(&part)),
                Rule::select_item => items.push(self.select_item(part)?),
                Rule::window_clause => windows = self.window_clause(part)?,
                _ => return Err(mismatch()),
            }
        }
        bounded(items.len(), "a SELECT list holds", span)?;
        let (distinct, shape) = head.ok_or_else(mismatch)?;
        Ok(PipeOp::Select {
            distinct,
            shape,
            items,
            windows,
        })
    }

    fn extend(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let (mut items, mut windows) = (Vec::new(), Vec::new());
        let span = self.span(&node);
        for part in parts(node) {
            match part.as_rule() {
                Rule::select_item => items.push(self.select_item(part)?),
                Rule::window_clause => windows = self.window_clause(part)?,
                _ => return Err(mismatch()),
            }
        }
        bounded(items.len(), "an EXTEND list holds", span)?;
        for item in &items {
            if let SelectItem::Star { of: None, span, .. } = item {
                let message = "EXTEND keeps every column already";
                return Err(Error::input("TM0102", message, *span)
                    .label("only an expression or `x.*` can stand here"));
            }
        }
        Ok(PipeOp::Extend { items, windows })
    }

    fn assignments(&mut self, node: Node<'t>) -> Result<Vec<(Ident, crate::lang::ast::Expr)>> {
        let span = self.span(&node);
        let mut assignments = Vec::new();
        for item in parts(node) {
            let mut inner = parts(item);
            let name = self.ident(&inner.next().ok_or_else(mismatch)?);
            let value = inner.find(|part| part.as_rule() == Rule::expr);
            let value = self.expr(value.ok_or_else(mismatch)?)?;
            assignments.push((name, value));
        }
        bounded(assignments.len(), "a SET list holds", span)?;
        Ok(assignments)
    }

    fn renames(&mut self, node: Node<'t>) -> Result<Vec<(Ident, Ident)>> {
        let span = self.span(&node);
        let mut renames = Vec::new();
        for item in parts(node) {
            let mut inner = parts(item);
            let from = self.ident(&inner.next().ok_or_else(mismatch)?);
            let to = self.ident(&inner.next().ok_or_else(mismatch)?);
            renames.push((from, to));
        }
        bounded(renames.len(), "a RENAME list holds", span)?;
        Ok(renames)
    }

    fn aggregate(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let span = self.span(&node);
        let (mut items, mut group_by) = (Vec::new(), None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::aggregate_item => items.push(self.aggregate_item(part)?),
                Rule::group_by => group_by = Some(self.group_by(part)?),
                _ => return Err(mismatch()),
            }
        }
        bounded(items.len(), "an AGGREGATE list holds", span)?;
        Ok(PipeOp::Aggregate { items, group_by })
    }

    fn aggregate_item(&mut self, node: Node<'t>) -> Result<AggregateItem> {
        let (mut expr, mut alias, mut sort) = (None, None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::expr => expr = Some(self.expr(part)?),
                Rule::alias => alias = Some(self.alias(part)?),
                Rule::sort => sort = Some(self.sort(&part)),
                _ => return Err(mismatch()),
            }
        }
        let expr = expr.ok_or_else(mismatch)?;
        Ok(AggregateItem { expr, alias, sort })
    }

    fn set_operation(&mut self, node: Node<'t>) -> Result<PipeOp> {
        let span = self.span(&node);
        let (mut operator, mut queries) = (None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::set_operator
                    if !has(&part, Rule::kw_all) && !has(&part, Rule::kw_distinct) =>
                {
                    let message = "a set operation in a pipe needs ALL or DISTINCT";
                    return Err(Error::input("TM0102", message, self.span(&part))
                        .label("write which of the two"));
                }
                Rule::set_operator => operator = Some(self.set_operator(part)?),
                _ => queries.push(self.query(part)?),
            }
        }
        let operator = operator.ok_or_else(mismatch)?;
        bounded_branches(queries.len() + 1, span)?;
        Ok(PipeOp::SetOperation { operator, queries })
    }
}

pub(super) fn bounded(length: usize, what: &str, span: Span) -> Result<()> {
    if length <= MAX_ITEMS {
        return Ok(());
    }
    Err(too_wide(what, span))
}
