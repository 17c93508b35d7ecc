//! FROM and JOIN.

use super::{Node, Reader, Rule, has, mismatch, only, parts, too_wide};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang::ast::{
    Argument, FromItem, Join, JoinConstraint, JoinKind, SetExpr, StringLiteral, TableAlias,
    TableFactor, TableKind,
};
use crate::lang::scan::MAX_ITEMS;

/// Tables of one FROM item.
const MAX_JOINS: usize = 1000;

impl<'t> Reader<'_, 't> {
    pub(super) fn tables(&mut self, node: Node<'t>) -> Result<Vec<FromItem>> {
        let span = self.span(&node);
        let items: Vec<_> = parts(node)
            .map(|item| self.joined_tables(item))
            .collect::<Result<_>>()?;
        let tables: usize = items.iter().map(|item| 1 + item.joins.len()).sum();
        bounded(tables, span)?;
        Ok(items)
    }

    fn joined_tables(&mut self, node: Node<'t>) -> Result<FromItem> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let table = self.table_factor(inner.next().ok_or_else(mismatch)?)?;
        let joins: Vec<_> = inner.map(|join| self.join(join)).collect::<Result<_>>()?;
        bounded(joins.len(), span)?;
        Ok(FromItem { table, joins })
    }

    pub(super) fn join(&mut self, node: Node<'t>) -> Result<Join> {
        let span = self.span(&node);
        let (mut kind, mut right, mut hints) = (JoinKind::Inner, None, Vec::new());
        let mut constraint = JoinConstraint::None;
        for part in parts(node) {
            match part.as_rule() {
                Rule::join_type => {
                    kind = join_kind(&part);
                    if let Some(hint) = parts(part).next() {
                        hints = self.hint(hint)?;
                    }
                }
                Rule::table_factor => right = Some(self.table_factor(part)?),
                Rule::on => constraint = JoinConstraint::On(self.expr(only(part)?)?),
                Rule::using => constraint = JoinConstraint::Using(self.names(only(part)?)?),
                _ => return Err(mismatch()),
            }
        }
        Ok(Join {
            kind,
            right: right.ok_or_else(mismatch)?,
            constraint,
            hints,
            span,
        })
    }

    pub(super) fn table_factor(&mut self, node: Node<'t>) -> Result<TableFactor> {
        let span = self.span(&node);
        let mut inner = parts(node).peekable();
        let first = inner.next().ok_or_else(mismatch)?;
        let arguments = inner.next_if(|part| part.as_rule() == Rule::function_arguments);
        let kind = self.table_kind(first, arguments)?;
        let (mut alias, mut with_offset, mut hints) = (None, None, Vec::new());
        let (mut sample, mut pivot, mut matching) = (None, None, None);
        for part in inner {
            match part.as_rule() {
                Rule::hint => hints = self.hint(part)?,
                Rule::tablesample => sample = Some(self.table_sample(part)?),
                Rule::pivot => pivot = Some(self.pivot(part)?),
                Rule::match_recognize => {
                    matching = Some(Box::new(self.match_recognize(part)?));
                }
                Rule::table_alias => alias = Some(self.table_alias(part)?),
                Rule::with_offset if !matches!(kind, TableKind::Unnest(_)) => {
                    let message = "WITH OFFSET belongs to UNNEST";
                    return Err(Error::input("TM0102", message, self.span(&part)));
                }
                Rule::with_offset => {
                    let name = parts(part).next().map(|alias| self.alias(alias));
                    with_offset = Some(name.transpose()?);
                }
                _ => return Err(mismatch()),
            }
        }
        Ok(TableFactor {
            kind,
            alias,
            with_offset,
            hints,
            sample,
            pivot,
            matching,
            span,
        })
    }

    fn table_kind(&mut self, node: Node<'t>, arguments: Option<Node<'t>>) -> Result<TableKind> {
        match node.as_rule() {
            Rule::text => Ok(TableKind::File(self.text(node)?)),
            Rule::path | Rule::reserved_function => match arguments {
                Some(arguments) => self.function(node, arguments, false),
                None => self.table_or_file(node),
            },
            Rule::table_at => self.table_at(node),
            Rule::unnest => Ok(TableKind::Unnest(self.expr(only(node)?)?)),
            Rule::lateral => self.lateral(node),
            Rule::from_paren => self.parenthesised(node),
            Rule::stream_table => {
                let what = "STREAM, a table read as its feed of changes,";
                Err(Error::not_implemented(what, self.span(&node)))
            }
            _ => Err(mismatch()),
        }
    }

    /// In the place of a table `"x.csv"` is a file as `'x.csv'` is; backticks always name a table.
    fn table_or_file(&self, node: Node<'t>) -> Result<TableKind> {
        let in_double_quotes = self.written(&node).starts_with('"');
        let mut path = self.path(node)?;
        if let ([name], true) = (path.parts.as_mut_slice(), in_double_quotes)
            && name.text.contains(['.', '/', '\\', '*'])
        {
            return Ok(TableKind::File(StringLiteral {
                value: std::mem::take(&mut name.text),
                span: path.span,
            }));
        }
        Ok(TableKind::Table(path))
    }

    fn lateral(&mut self, node: Node<'t>) -> Result<TableKind> {
        let mut inner = parts(node);
        let first = inner.next().ok_or_else(mismatch)?;
        match inner.next() {
            Some(arguments) => self.function(first, arguments, true),
            None => Ok(TableKind::Subquery {
                query: Box::new(self.query(first)?),
                lateral: true,
            }),
        }
    }

    fn function(
        &mut self,
        name: Node<'t>,
        arguments: Node<'t>,
        lateral: bool,
    ) -> Result<TableKind> {
        let path = match name.as_rule() {
            Rule::path => self.path(name)?,
            _ => self.reserved_path(&name),
        };
        Ok(TableKind::Function {
            path,
            args: self.function_arguments(arguments)?,
            lateral,
        })
    }

    pub(super) fn function_arguments(&mut self, node: Node<'t>) -> Result<Vec<Argument>> {
        let span = self.span(&node);
        let args: Vec<Argument> = parts(node)
            .map(|argument| self.argument(argument))
            .collect::<Result<_>>()?;
        if args.len() > MAX_ITEMS {
            return Err(too_wide("a table function takes", span));
        }
        Ok(args)
    }

    /// A query, or tables joined inside the parentheses.
    fn parenthesised(&mut self, node: Node<'t>) -> Result<TableKind> {
        let span = self.span(&node);
        let mut item = None;
        for part in parts(node) {
            match part.as_rule() {
                Rule::query => {
                    let query = Box::new(self.query(part)?);
                    return Ok(subquery(query));
                }
                Rule::from_item => item = Some(self.joined_tables(part)?),
                Rule::query_tail if part.clone().into_inner().next().is_some() => {
                    let Some(first) = item.take().and_then(as_set_expr) else {
                        return Err(self.unexpected(&part));
                    };
                    let query = Box::new(self.query_tail(first, part, span)?);
                    return Ok(subquery(query));
                }
                Rule::query_tail => {}
                _ => return Err(mismatch()),
            }
        }
        Ok(TableKind::Nested(Box::new(item.ok_or_else(mismatch)?)))
    }

    fn table_alias(&mut self, node: Node<'t>) -> Result<TableAlias> {
        let mut inner = parts(node);
        let name = self.alias(inner.next().ok_or_else(mismatch)?)?;
        let columns = match inner.next() {
            Some(names) => self.names(names)?,
            None => Vec::new(),
        };
        Ok(TableAlias { name, columns })
    }
}

fn subquery(query: Box<crate::lang::ast::Query>) -> TableKind {
    TableKind::Subquery {
        query,
        lateral: false,
    }
}

fn bounded(joins: usize, span: Span) -> Result<()> {
    if joins <= MAX_JOINS {
        return Ok(());
    }
    let message = format!("FROM joins at most {MAX_JOINS} tables");
    Err(Error::new(ErrorKind::Limit, "TM0110", message).at(span))
}

fn join_kind(node: &Node) -> JoinKind {
    let is = |rule| has(node, rule);
    if is(Rule::kw_semi) {
        JoinKind::LeftSemi
    } else if is(Rule::kw_anti) {
        JoinKind::LeftAnti
    } else if is(Rule::kw_left) {
        JoinKind::Left
    } else if is(Rule::kw_right) {
        JoinKind::Right
    } else if is(Rule::kw_full) {
        JoinKind::Full
    } else if is(Rule::kw_cross) {
        JoinKind::Cross
    } else {
        JoinKind::Inner
    }
}

/// The item as the first query of a set operation, if it is nothing but a query in parentheses.
fn as_set_expr(item: FromItem) -> Option<SetExpr> {
    let FromItem { table, joins } = item;
    let no_more = joins.is_empty()
        && table.with_offset.is_none()
        && table.sample.is_none()
        && table.pivot.is_none();
    let alias = match table.alias {
        Some(alias) if alias.columns.is_empty() => Some(alias.name),
        Some(_) => return None,
        None => None,
    };
    match table.kind {
        TableKind::Subquery {
            query,
            lateral: false,
        } if no_more => Some(SetExpr::Query { query, alias }),
        _ => None,
    }
}
