//! Statements on durable tables, the layout of new ones, and versions in FROM.

use super::{Node, Reader, Rule, has, mismatch, only, parts};
use crate::error::{Error, Result};
use crate::lang::ast::{
    AsOf, ExprKind, Ident, TableKind, TableLayout, TableStatement, TableStatementKind,
};

impl<'t> Reader<'_, 't> {
    pub(super) fn table_statement(&mut self, node: Node<'t>) -> Result<TableStatement> {
        let rule = node.as_rule();
        let mut inner = parts(node);
        let table = self.path(inner.next().ok_or_else(mismatch)?)?;
        let kind = match rule {
            Rule::update => self.update(inner)?,
            Rule::merge => self.merge(inner)?,
            _ => self.plain_table_statement(rule, inner.next())?,
        };
        Ok(TableStatement { table, kind })
    }

    fn plain_table_statement(
        &mut self,
        rule: Rule,
        next: Option<Node<'t>>,
    ) -> Result<TableStatementKind> {
        Ok(match rule {
            Rule::delete => TableStatementKind::Delete(self.expr(next.ok_or_else(mismatch)?)?),
            Rule::truncate => TableStatementKind::Truncate,
            Rule::optimize => TableStatementKind::Optimize,
            Rule::vacuum => TableStatementKind::Vacuum {
                retain_hours: next.map(|retain| self.hours(retain)).transpose()?,
            },
            Rule::verify => TableStatementKind::Verify,
            Rule::add_column => {
                let column = self.column_definition(next.ok_or_else(mismatch)?)?;
                TableStatementKind::AddColumn(column)
            }
            Rule::restore => TableStatementKind::Restore(self.as_of(next.ok_or_else(mismatch)?)?),
            _ => return Err(mismatch()),
        })
    }

    fn hours(&mut self, node: Node<'t>) -> Result<u64> {
        let mut inner = parts(node);
        let count = self.count(&inner.next().ok_or_else(mismatch)?)?;
        let days = has(&inner.next().ok_or_else(mismatch)?, Rule::kt_days);
        Ok(if days {
            count.saturating_mul(24)
        } else {
            count
        })
    }

    /// A whole number.
    fn count(&self, node: &Node<'t>) -> Result<u64> {
        self.written(node)
            .parse()
            .map_err(|_| Error::input("TM0102", "a whole number stands here", self.span(node)))
    }

    /// `t FOR VERSION AS OF 3`
    pub(super) fn table_at(&mut self, node: Node<'t>) -> Result<TableKind> {
        let mut inner = parts(node);
        let path = self.path(inner.next().ok_or_else(mismatch)?)?;
        let as_of = self.as_of(inner.next().ok_or_else(mismatch)?)?;
        Ok(TableKind::TableAt { path, as_of })
    }

    fn as_of(&mut self, node: Node<'t>) -> Result<AsOf> {
        let version = has(&node, Rule::kt_version);
        let value = self.expr(only(node)?)?;
        Ok(if version {
            AsOf::Version(value)
        } else {
            AsOf::Time(value)
        })
    }

    /// Adds one clause of a table's layout.
    pub(super) fn table_layout(&mut self, node: Node<'t>, layout: &mut TableLayout) -> Result<()> {
        let span = self.span(&node);
        let rule = node.as_rule();
        let twice = match rule {
            Rule::partition_columns => !layout.partition_by.is_empty(),
            Rule::cluster_columns => !layout.cluster_by.is_empty(),
            _ => !layout.shard_key.is_empty(),
        };
        if twice {
            return Err(Error::input(
                "TM0102",
                "this clause stands here twice",
                span,
            ));
        }
        match rule {
            Rule::partition_columns => {
                let columns = parts(node).map(|expr| self.partition_column(expr));
                layout.partition_by = columns.collect::<Result<_>>()?;
            }
            Rule::cluster_columns => {
                layout.cluster_by = parts(node).map(|name| self.ident(&name)).collect();
            }
            Rule::shard_columns => {
                let mut inner = parts(node);
                layout.shard_key = self.names(inner.next().ok_or_else(mismatch)?)?;
                layout.shards = self.count(&inner.next().ok_or_else(mismatch)?)?;
            }
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    fn partition_column(&mut self, node: Node<'t>) -> Result<Ident> {
        let expr = self.expr(node)?;
        match expr.kind.as_ref() {
            ExprKind::Path(path) if path.parts.len() == 1 => Ok(path.parts[0].clone()),
            _ => Err(
                Error::not_implemented("PARTITION BY an expression", expr.span)
                    .hint("add the expression as a column and partition by its name"),
            ),
        }
    }
}
