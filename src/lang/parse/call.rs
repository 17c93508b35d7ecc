//! Calls, windows, ORDER BY and LIMIT.

use super::operators::new;
use super::worded::spell_out_position;
use super::{Node, Reader, Rule, has, mismatch, only, parts, too_wide};
use crate::error::{Error, Result};
use crate::lang::ast::{
    Argument, ArgumentValue, Call, Expr, ExprKind, Frame, FrameBound, FrameUnit, Ident, Limit,
    Literal, OrderItem, Over, Path, SortOrder, WindowSpec,
};
use crate::lang::scan::MAX_ITEMS;

impl<'t> Reader<'_, 't> {
    /// A reserved word that names a function: `IF(…)`, `LEFT(…)`.
    pub(super) fn reserved_path(&self, node: &Node) -> Path {
        let span = self.span(node);
        let part = Ident {
            text: self.written(node).to_string(),
            quoted: false,
            span,
        };
        Path {
            parts: vec![part],
            span,
        }
    }

    pub(super) fn call(&mut self, function: Path, node: Node<'t>) -> Result<Expr> {
        let span = function.span.to(self.span(&node));
        let mut call = Call {
            function,
            distinct: has(&node, Rule::kw_distinct),
            args: Vec::new(),
            ignore_nulls: None,
            order_by: Vec::new(),
            limit: None,
            filter: None,
            within_group: Vec::new(),
            over: None,
        };
        let mut worded = Vec::new();
        for part in parts(node) {
            match part.as_rule() {
                Rule::star => call.args.push(Argument {
                    name: None,
                    value: ArgumentValue::Star(self.span(&part)),
                }),
                Rule::argument => call.args.push(self.argument(part)?),
                Rule::trim_side
                | Rule::in_argument
                | Rule::placing_argument
                | Rule::from_argument
                | Rule::for_argument => worded.push(part),
                Rule::nulls_rule if call.ignore_nulls.is_some() => {
                    return Err(self.unexpected(&part));
                }
                Rule::nulls_rule => call.ignore_nulls = Some(has(&part, Rule::kw_ignore)),
                Rule::order_by => call.order_by = self.order_by(part)?,
                Rule::limit => call.limit = Some(self.limit(part)?),
                Rule::filter => call.filter = Some(self.expr(only(part)?)?),
                Rule::within_group => call.within_group = self.order_by(only(part)?)?,
                Rule::over => call.over = Some(self.over(part)?),
                _ => return Err(mismatch()),
            }
        }
        if call.args.len() > MAX_ITEMS {
            return Err(too_wide("a call takes", span));
        }
        if worded.is_empty() {
            spell_out_position(&mut call);
        } else {
            self.with_commas(&mut call, worded)?;
        }
        Ok(new(ExprKind::Call(call), span))
    }

    pub(super) fn argument(&mut self, node: Node<'t>) -> Result<Argument> {
        let (mut name, mut value) = (None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::argument_name => name = Some(self.ident(&part)),
                Rule::expr => value = Some(ArgumentValue::Expr(self.expr(part)?)),
                Rule::lambda => value = Some(self.lambda(part)?),
                Rule::table_argument if has(&part, Rule::kw_input) => {
                    value = Some(ArgumentValue::InputTable(self.span(&part)));
                }
                Rule::table_argument => {
                    value = Some(ArgumentValue::Table(self.path(only(part)?)?));
                }
                _ => return Err(mismatch()),
            }
        }
        let value = value.ok_or_else(mismatch)?;
        Ok(Argument { name, value })
    }

    fn lambda(&mut self, node: Node<'t>) -> Result<ArgumentValue> {
        let mut inner = parts(node);
        let head = inner.next().ok_or_else(mismatch)?;
        let params = self.names(head)?;
        let body = self.expr(inner.next().ok_or_else(mismatch)?)?;
        Ok(ArgumentValue::Lambda { params, body })
    }

    fn over(&mut self, node: Node<'t>) -> Result<Over> {
        let part = only(node)?;
        match part.as_rule() {
            Rule::ident => Ok(Over::Name(self.ident(&part))),
            _ => Ok(Over::Spec(self.window_spec(part)?)),
        }
    }

    pub(super) fn window_spec(&mut self, node: Node<'t>) -> Result<WindowSpec> {
        let mut spec = WindowSpec {
            base: None,
            partition_by: Vec::new(),
            order_by: Vec::new(),
            frame: None,
            span: self.span(&node),
        };
        for part in parts(node) {
            match part.as_rule() {
                Rule::ident => spec.base = Some(self.ident(&part)),
                Rule::partition_by => {
                    let exprs = parts(part).map(|expr| self.expr(expr));
                    spec.partition_by = exprs.collect::<Result<_>>()?;
                }
                Rule::order_by => spec.order_by = self.order_by(part)?,
                Rule::frame => spec.frame = Some(self.frame(part)?),
                _ => return Err(mismatch()),
            }
        }
        Ok(spec)
    }

    fn frame(&mut self, node: Node<'t>) -> Result<Frame> {
        let span = self.span(&node);
        let unit = if has(&node, Rule::kw_rows) {
            FrameUnit::Rows
        } else if has(&node, Rule::kw_range) {
            FrameUnit::Range
        } else {
            FrameUnit::Groups
        };
        let mut bounds = parts(node);
        let start = self.frame_bound(bounds.next().ok_or_else(mismatch)?)?;
        let end = bounds.next().map(|bound| self.frame_bound(bound));
        Ok(Frame {
            unit,
            start,
            end: end.transpose()?,
            span,
        })
    }

    fn frame_bound(&mut self, node: Node<'t>) -> Result<FrameBound> {
        let preceding = has(&node, Rule::kw_preceding);
        if has(&node, Rule::kw_current) {
            return Ok(FrameBound::CurrentRow);
        }
        Ok(match (has(&node, Rule::kw_unbounded), preceding) {
            (true, true) => FrameBound::UnboundedPreceding,
            (true, false) => FrameBound::UnboundedFollowing,
            (false, true) => FrameBound::Preceding(self.expr(only(node)?)?),
            (false, false) => FrameBound::Following(self.expr(only(node)?)?),
        })
    }

    pub(super) fn order_by(&mut self, node: Node<'t>) -> Result<Vec<OrderItem>> {
        let span = self.span(&node);
        let mut items = Vec::new();
        for item in parts(node) {
            let end = self.span(&item).end;
            let mut inner = parts(item);
            let expr = self.expr(inner.next().ok_or_else(mismatch)?)?;
            let mut next = inner.next();
            if let Some(collate) = next.take_if(|part| part.as_rule() == Rule::collate) {
                self.binary_collation(collate)?;
                next = inner.next();
            }
            let order = match next {
                Some(sort) => self.sort(&sort),
                None => SortOrder {
                    descending: None,
                    nulls_first: None,
                    span: crate::error::Span::new(end, end),
                },
            };
            items.push(OrderItem { expr, order });
        }
        if items.len() > MAX_ITEMS {
            return Err(too_wide("ORDER BY takes", span));
        }
        Ok(items)
    }

    /// Texts are compared byte by byte: that can be said.
    fn binary_collation(&self, node: Node<'t>) -> Result<()> {
        let span = self.span(&node);
        match self.text(only(node)?)?.value.as_str() {
            "" | "binary" => Ok(()),
            _ => Err(Error::not_implemented("COLLATE other than 'binary'", span)),
        }
    }

    pub(super) fn sort(&self, node: &Node) -> SortOrder {
        let nulls = parts(node.clone()).next();
        let descending = if has(node, Rule::kw_asc) {
            Some(false)
        } else if has(node, Rule::kw_desc) {
            Some(true)
        } else {
            None
        };
        SortOrder {
            descending,
            nulls_first: nulls.map(|nulls| has(&nulls, Rule::kw_first)),
            span: self.span(node),
        }
    }

    pub(super) fn limit(&mut self, node: Node<'t>) -> Result<Limit> {
        let (mut limit, mut offset) = (None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::expr => limit = Some(self.expr(part)?),
                Rule::offset => offset = Some(self.expr(only(part)?)?),
                _ => return Err(mismatch()),
            }
        }
        // LIMIT NULL is LIMIT ALL.
        limit = limit.filter(|expr| !matches!(*expr.kind, ExprKind::Literal(Literal::Null)));
        Ok(Limit { limit, offset })
    }
}
