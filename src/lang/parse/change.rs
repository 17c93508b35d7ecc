//! UPDATE, MERGE and what INSERT OVERWRITE replaces.

use super::{Node, Reader, Rule, has, mismatch, parts};
use crate::error::Result;
use crate::lang::ast::{
    Change, Expr, Ident, Merge, MergeAction, MergeClause, MergeRows, TableStatementKind, Update,
};

impl<'t> Reader<'_, 't> {
    /// What follows the table's name in `UPDATE t [AS a] SET c = e, … WHERE condition`.
    pub(super) fn update(
        &mut self,
        rest: impl Iterator<Item = Node<'t>>,
    ) -> Result<TableStatementKind> {
        let (mut alias, mut changes, mut condition) = (None, Vec::new(), None);
        for part in rest {
            match part.as_rule() {
                Rule::alias => alias = Some(self.alias(part)?),
                Rule::changes => changes = self.changes(part)?,
                Rule::expr => condition = Some(self.expr(part)?),
                _ => return Err(mismatch()),
            }
        }
        Ok(TableStatementKind::Update(Update {
            alias,
            changes,
            condition: condition.ok_or_else(mismatch)?,
        }))
    }

    fn changes(&mut self, node: Node<'t>) -> Result<Vec<Change>> {
        let span = self.span(&node);
        let changes: Vec<Change> = parts(node)
            .map(|change| {
                let mut inner = parts(change);
                let column = self.path(inner.next().ok_or_else(mismatch)?)?;
                let value = inner.find(|part| part.as_rule() == Rule::expr);
                Ok(Change {
                    column,
                    value: self.expr(value.ok_or_else(mismatch)?)?,
                })
            })
            .collect::<Result<_>>()?;
        super::pipe::bounded(changes.len(), "a SET list holds", span)?;
        Ok(changes)
    }

    /// What follows the table's name in `MERGE INTO t [AS a] USING source ON condition WHEN …`.
    pub(super) fn merge(
        &mut self,
        rest: impl Iterator<Item = Node<'t>>,
    ) -> Result<TableStatementKind> {
        let (mut alias, mut source, mut on, mut clauses) = (None, None, None, Vec::new());
        for part in rest {
            match part.as_rule() {
                Rule::alias => alias = Some(self.alias(part)?),
                Rule::table_factor => source = Some(self.table_factor(part)?),
                Rule::expr => on = Some(self.expr(part)?),
                Rule::merge_clause => clauses.push(self.merge_clause(part)?),
                _ => return Err(mismatch()),
            }
        }
        Ok(TableStatementKind::Merge(Box::new(Merge {
            alias,
            source: source.ok_or_else(mismatch)?,
            on: on.ok_or_else(mismatch)?,
            clauses,
        })))
    }

    fn merge_clause(&mut self, node: Node<'t>) -> Result<MergeClause> {
        let span = self.span(&node);
        let (mut rows, mut condition, mut action) = (None, None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::merge_rows => {
                    rows = Some(
                        match (has(&part, Rule::kw_not), has(&part, Rule::kt_source)) {
                            (false, _) => MergeRows::Matched,
                            (true, false) => MergeRows::NotMatched,
                            (true, true) => MergeRows::NotMatchedBySource,
                        },
                    );
                }
                Rule::expr => condition = Some(self.expr(part)?),
                _ => action = Some(self.merge_action(part)?),
            }
        }
        Ok(MergeClause {
            rows: rows.ok_or_else(mismatch)?,
            condition,
            action: action.ok_or_else(mismatch)?,
            span,
        })
    }

    fn merge_action(&mut self, node: Node<'t>) -> Result<MergeAction> {
        let span = self.span(&node);
        let rule = node.as_rule();
        let all = has(&node, Rule::star);
        Ok(match rule {
            Rule::merge_delete => MergeAction::Delete,
            Rule::merge_update if all => MergeAction::UpdateAll,
            Rule::merge_update => MergeAction::Update(self.changes(super::only(node)?)?),
            Rule::merge_insert if all => MergeAction::InsertAll,
            Rule::merge_insert => {
                let (mut columns, mut values) = (Vec::new(), Vec::new());
                for part in parts(node) {
                    match part.as_rule() {
                        Rule::name_list => columns = self.names(part)?,
                        _ => values = self.values_row(part)?,
                    }
                }
                MergeAction::Insert {
                    columns,
                    values,
                    span,
                }
            }
            _ => return Err(mismatch()),
        })
    }

    /// `PARTITION (day = 3, region)`
    pub(super) fn overwritten(&mut self, node: Node<'t>) -> Result<Vec<(Ident, Option<Expr>)>> {
        parts(node)
            .map(|column| {
                let mut inner = parts(column);
                let name = self.ident(&inner.next().ok_or_else(mismatch)?);
                let value = inner.find(|part| part.as_rule() == Rule::expr);
                Ok((name, value.map(|value| self.expr(value)).transpose()?))
            })
            .collect()
    }
}
