//! Statements on durable tables, the layout of new ones, and versions in FROM.

use super::{Node, Reader, Rule, has, mismatch, only, parts};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    AddReplica, Argument, ArgumentValue, AsOf, Expr, ExprKind, Ident, Literal, PartitionItem,
    PartitionTransform, TableKind, TableLayout, TableStatement, TableStatementKind,
};

impl<'t> Reader<'_, 't> {
    pub(super) fn table_statement(&mut self, node: Node<'t>) -> Result<TableStatement> {
        let (rule, span) = (node.as_rule(), self.span(&node));
        let force = has(&node, Rule::kt_force);
        let mut inner = parts(node);
        let table = self.path(inner.next().ok_or_else(mismatch)?)?;
        let kind = match rule {
            Rule::update => self.update(inner)?,
            Rule::merge => self.merge(inner)?,
            Rule::add_replica => self.add_replica(span, inner)?,
            Rule::promote => TableStatementKind::Promote {
                path: self.text(inner.next().ok_or_else(mismatch)?)?,
                force,
            },
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
            Rule::set_options => {
                TableStatementKind::SetOptions(self.options(next.ok_or_else(mismatch)?)?)
            }
            Rule::reshard => TableStatementKind::Reshard(self.count(&next.ok_or_else(mismatch)?)?),
            Rule::drop_replica => {
                TableStatementKind::DropReplica(self.text(next.ok_or_else(mismatch)?)?)
            }
            Rule::repair => {
                TableStatementKind::Repair(next.map(|path| self.text(path)).transpose()?)
            }
            Rule::restore => TableStatementKind::Restore(self.as_of(next.ok_or_else(mismatch)?)?),
            _ => return Err(mismatch()),
        })
    }

    /// What follows the table's name in `ALTER TABLE t ADD REPLICA 'path' [WEIGHT w] [SYNC | ASYNC] [COLUMNS (…)] [SORT BY …]`.
    fn add_replica(
        &mut self,
        span: Span,
        rest: impl Iterator<Item = Node<'t>>,
    ) -> Result<TableStatementKind> {
        let (mut path, mut weight, mut is_sync) = (None, None, None);
        let (mut columns, mut sort_by) = (Vec::new(), Vec::new());
        for part in rest {
            let place = self.span(&part);
            let twice = match part.as_rule() {
                Rule::replica_weight => weight.replace(self.count(&only(part)?)?).is_some(),
                Rule::replica_mode => is_sync.replace(has(&part, Rule::kt_sync)).is_some(),
                Rule::replica_columns => {
                    let names = self.names(only(part)?)?;
                    !std::mem::replace(&mut columns, names).is_empty()
                }
                Rule::replica_sort => {
                    let names = parts(part).map(|name| self.ident(&name)).collect();
                    !std::mem::replace(&mut sort_by, names).is_empty()
                }
                _ => path.replace(self.text(part)?).is_some(),
            };
            if twice {
                let message = "this clause stands here twice";
                return Err(Error::input("TM0102", message, place));
            }
        }
        Ok(TableStatementKind::AddReplica(AddReplica {
            path: path.ok_or_else(mismatch)?,
            weight,
            is_sync,
            columns,
            sort_by,
            span,
        }))
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
            Rule::options => !layout.options.is_empty(),
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
                let next = inner.next().ok_or_else(mismatch)?;
                match next.as_rule() {
                    Rule::path => layout.colocate_with = Some(self.path(next)?),
                    _ => layout.shards = self.count(&next)?,
                }
            }
            Rule::options => layout.options = self.options(node)?,
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    fn partition_column(&mut self, node: Node<'t>) -> Result<PartitionItem> {
        let expr = self.expr(node)?;
        let span = expr.span;
        let item = |column: &Ident, transform| {
            Ok(PartitionItem {
                column: column.clone(),
                transform,
                span,
            })
        };
        if let Some(column) = plain_name(&expr) {
            return item(column, None);
        }
        let refused = || {
            Error::not_implemented("PARTITION BY this expression", span).hint(
                "write a column, DATE_TRUNC(column, DAY) or BUCKET(16, column); or add the expression as a column",
            )
        };
        let ExprKind::Call(call) = expr.kind.as_ref() else {
            return Err(refused());
        };
        let [
            Argument {
                name: None,
                value: ArgumentValue::Expr(first),
            },
            Argument {
                name: None,
                value: ArgumentValue::Expr(second),
            },
        ] = call.args.as_slice()
        else {
            return Err(refused());
        };
        let function = call.function.parts.last().map_or("", |part| &part.text);
        match function.to_ascii_lowercase().as_str() {
            "date_trunc" => match (plain_name(first), plain_name(second)) {
                (Some(column), Some(unit)) => {
                    item(column, Some(PartitionTransform::Truncate(unit.clone())))
                }
                _ => Err(refused()),
            },
            "bucket" => {
                let count = match first.kind.as_ref() {
                    ExprKind::Literal(Literal::Integer(digits)) => digits.parse().ok(),
                    _ => None,
                };
                match (count, plain_name(second)) {
                    (Some(count), Some(column)) => {
                        item(column, Some(PartitionTransform::Bucket(count)))
                    }
                    _ => Err(refused()),
                }
            }
            _ => Err(refused()),
        }
    }
}

/// The name that the expression is.
fn plain_name(expr: &Expr) -> Option<&Ident> {
    match expr.kind.as_ref() {
        ExprKind::Path(path) if path.parts.len() == 1 => path.parts.first(),
        _ => None,
    }
}
