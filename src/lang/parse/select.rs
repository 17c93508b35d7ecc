//! Standard SELECT, its list and GROUP BY.

use super::{Node, Reader, Rule, has, mismatch, only, parts, too_wide};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    Expr, ExprKind, GroupBy, GroupItem, GroupKind, Ident, NamedWindow, Select, SelectItem,
    SelectShape, WindowSpec,
};
use crate::lang::scan::MAX_ITEMS;

impl<'t> Reader<'_, 't> {
    pub(super) fn select(&mut self, node: Node<'t>) -> Result<Select> {
        let mut select = Select {
            distinct: false,
            shape: SelectShape::Plain,
            items: Vec::new(),
            from: Vec::new(),
            filter: None,
            group_by: None,
            having: None,
            qualify: None,
            windows: Vec::new(),
            span: self.span(&node),
        };
        for part in parts(node) {
            match part.as_rule() {
                Rule::select_head => (select.distinct, select.shape) = select_head(&part),
                Rule::select_item => select.items.push(self.select_item(part)?),
                Rule::from_clause => select.from = self.tables(part)?,
                Rule::where_clause => select.filter = Some(self.expr(only(part)?)?),
                Rule::group_by => select.group_by = Some(self.group_by(part)?),
                Rule::having => select.having = Some(self.expr(only(part)?)?),
                Rule::qualify => select.qualify = Some(self.expr(only(part)?)?),
                Rule::window_clause => select.windows = self.window_clause(part)?,
                _ => return Err(mismatch()),
            }
        }
        if select.items.len() > MAX_ITEMS {
            return Err(too_wide("a SELECT list holds", select.span));
        }
        Ok(select)
    }

    pub(super) fn select_item(&mut self, node: Node<'t>) -> Result<SelectItem> {
        let span = self.span(&node);
        let (mut expr, mut alias) = (None, None);
        let (mut star, mut except, mut replace) = (false, Vec::new(), Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::star | Rule::dot_star => star = true,
                Rule::expr => expr = Some(self.expr(part)?),
                Rule::alias => alias = Some(self.alias(part)?),
                Rule::star_changes => (except, replace) = self.star_changes(part)?,
                _ => return Err(mismatch()),
            }
        }
        if star {
            return Ok(SelectItem::Star {
                of: expr,
                except,
                replace,
                span,
            });
        }
        let expr = expr.ok_or_else(mismatch)?;
        Ok(SelectItem::Expr { expr, alias })
    }

    #[expect(clippy::type_complexity, reason = "the two lists of one syntax node")]
    fn star_changes(&mut self, node: Node<'t>) -> Result<(Vec<Ident>, Vec<(Expr, Ident)>)> {
        let (mut except, mut replace) = (Vec::new(), Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::star_except => except = self.names(only(part)?)?,
                _ => {
                    for item in parts(part) {
                        let mut inner = parts(item);
                        let expr = self.expr(inner.next().ok_or_else(mismatch)?)?;
                        let name = self.ident(&inner.next().ok_or_else(mismatch)?);
                        replace.push((expr, name));
                    }
                }
            }
        }
        Ok((except, replace))
    }

    pub(super) fn window_clause(&mut self, node: Node<'t>) -> Result<Vec<NamedWindow>> {
        let mut windows: Vec<NamedWindow> = Vec::new();
        for window in parts(node) {
            let mut inner = parts(window);
            let name = self.ident(&inner.next().ok_or_else(mismatch)?);
            let same = |known: &NamedWindow| known.name.text.eq_ignore_ascii_case(&name.text);
            if windows.iter().any(same) {
                let message = format!("the window `{}` is named twice", name.text);
                return Err(Error::input("TM0301", message, name.span));
            }
            let part = inner.next().ok_or_else(mismatch)?;
            let spec = match part.as_rule() {
                Rule::window_spec => self.window_spec(part)?,
                _ => WindowSpec {
                    base: Some(self.ident(&part)),
                    partition_by: Vec::new(),
                    order_by: Vec::new(),
                    frame: None,
                    span: self.span(&part),
                },
            };
            windows.push(NamedWindow { name, spec });
        }
        Ok(windows)
    }

    pub(super) fn group_by(&mut self, node: Node<'t>) -> Result<GroupBy> {
        let span = self.span(&node);
        let ordered = has(&node, Rule::kw_order);
        let (mut items, mut hints) = (Vec::new(), Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::hint => hints = self.hint(part)?,
                _ => items.push(self.group_item(part)?),
            }
        }
        if items.len() > MAX_ITEMS {
            return Err(too_wide("GROUP BY takes", span));
        }
        Ok(GroupBy {
            items,
            hints,
            ordered,
            span,
        })
    }

    fn group_item(&mut self, node: Node<'t>) -> Result<GroupItem> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let first = inner.next().ok_or_else(mismatch)?;
        if first.as_rule() != Rule::expr {
            let item = self.group_set(first)?;
            return match inner.next() {
                Some(sort) => Err(self.unexpected(&sort)),
                None => Ok(item),
            };
        }
        let expr = self.expr(first)?;
        let (mut alias, mut sort) = (None, None);
        for part in inner {
            match part.as_rule() {
                Rule::alias => alias = Some(self.alias(part)?),
                _ => sort = Some(self.sort(&part)),
            }
        }
        let kind = GroupKind::Expr { expr, alias, sort };
        Ok(GroupItem { kind, span })
    }

    /// `()`, ROLLUP, CUBE, GROUPING SETS, or a set inside the last.
    fn group_set(&mut self, node: Node<'t>) -> Result<GroupItem> {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::empty_group => GroupKind::Empty,
            Rule::rollup => GroupKind::Rollup(self.group_parts(node)?),
            Rule::cube => GroupKind::Cube(self.group_parts(node)?),
            Rule::grouping_sets => {
                let sets = parts(node).map(|set| self.group_set(only(set)?));
                GroupKind::Sets(sets.collect::<Result<_>>()?)
            }
            Rule::expr => GroupKind::Set(self.columns_together(node)?),
            Rule::group_all => return Err(group_all(span)),
            _ => return Err(mismatch()),
        };
        Ok(GroupItem { kind, span })
    }

    fn group_parts(&mut self, node: Node<'t>) -> Result<Vec<Vec<Expr>>> {
        parts(node)
            .map(|part| self.columns_together(only(part)?))
            .collect()
    }

    /// `(a, b)` as the list it is here; anything else as a list of one.
    fn columns_together(&mut self, node: Node<'t>) -> Result<Vec<Expr>> {
        let parenthesised = super::expr::is_only_a_paren(&node);
        let expr = self.expr(node)?;
        Ok(match *expr.kind {
            ExprKind::Struct { fields, .. } if parenthesised => {
                fields.into_iter().map(|(expr, _)| expr).collect()
            }
            kind => vec![super::operators::new(kind, expr.span)],
        })
    }
}

/// `[DISTINCT|ALL] [AS STRUCT|AS VALUE]`
pub(super) fn select_head(node: &Node) -> (bool, SelectShape) {
    let shape = if has(node, Rule::kw_struct) {
        SelectShape::Struct
    } else if has(node, Rule::kw_value) {
        SelectShape::Value
    } else {
        SelectShape::Plain
    };
    (has(node, Rule::kw_distinct), shape)
}

fn group_all(span: Span) -> Error {
    Error::input("TM0314", "GROUP BY ALL is not part of the language", span)
        .hint("name the columns to group by")
}
