//! `FROM CHANGES(TABLE t, from_version => a, to_version => b)`: the rows that versions added and took away.
//!
//! A version that writes a segment again has the rows that stayed in both lists: they are left out, as often as they are in both.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::Binder;
use super::relation::{NewColumn, Relation};
use super::typed::Typed;
use crate::catalog::ScanSource;
use crate::catalog::durable::ChangedRows;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Argument, ArgumentValue, ColumnMatch, Path, SetKind, SetOperator};
use crate::table::changes::VersionChange;
use crate::table::database::DurableTable;

/// The segments of one side of the changes, at the version whose columns they are shown with.
struct Side<'c> {
    table: &'c DurableTable,
    changes: &'c [VersionChange],
    added: bool,
}

impl Binder<'_> {
    pub(super) fn changes_of(&self, path: &Path, args: &[Argument]) -> Result<Relation> {
        let span = path.span;
        let usage = || {
            Error::input("TM0402", "CHANGES takes a table and versions", span)
                .hint("write FROM CHANGES(TABLE t, from_version => 3, to_version => 5)")
        };
        let (mut named, mut from, mut to) = (None, None, None);
        for argument in args {
            match argument {
                Argument {
                    name: None,
                    value: ArgumentValue::Table(name),
                } if named.is_none() => named = Some(name),
                Argument {
                    name: Some(option),
                    value: ArgumentValue::Expr(value),
                } if option.text.eq_ignore_ascii_case("from_version") => from = Some(value),
                Argument {
                    name: Some(option),
                    value: ArgumentValue::Expr(value),
                } if option.text.eq_ignore_ascii_case("to_version") => to = Some(value),
                _ => return Err(usage()),
            }
        }
        let (Some(name), Some(from)) = (named, from) else {
            return Err(usage());
        };
        let mut table = self.durable(name)?;
        let first = self.version(from)?;
        if let Some(to) = to {
            let last = self.version(to)?;
            let snapshot = table.log.at(last).map_err(|error| error.at(to.span))?;
            table = table.at(snapshot);
        }
        // The first one must be there as well; before the last one there may be none.
        table.log.at(first).map_err(|error| error.at(from.span))?;
        let changes = table.log.changes(first, &table.snapshot);
        let changes = changes.map_err(|error| error.at(from.span))?;
        self.all_changes(&table, &changes, span)
    }

    /// Rows that came, then rows that went.
    fn all_changes(
        &self,
        table: &DurableTable,
        changes: &[VersionChange],
        span: Span,
    ) -> Result<Relation> {
        let mut parts = Vec::new();
        for (added, word) in [(true, "insert"), (false, "delete")] {
            let own = Side {
                table,
                changes,
                added,
            };
            let other = Side {
                added: !added,
                ..own
            };
            parts.push(self.with_change(self.side(&own, false)?, word)?);
            if changes.iter().any(VersionChange::is_rewrite) {
                let both = vec![self.side(&own, true)?, self.side(&other, true)?];
                let left =
                    self.set_operation(&operator(SetKind::Except, span), both, &[span], span)?;
                parts.push(self.with_change(left, word)?);
            }
        }
        let places = vec![span; parts.len() - 1];
        let mut all = self.set_operation(&operator(SetKind::Union, span), parts, &places, span)?;
        all.scope = all.scope.under("changes");
        Ok(all)
    }

    /// The segments of one side, of versions that write segments again or of all others.
    fn side(&self, side: &Side, rewrites: bool) -> Result<Relation> {
        let changes = side.changes.iter();
        let changes = changes.filter(|change| change.is_rewrite() == rewrites);
        let segments = changes.flat_map(|change| {
            let segments = if side.added {
                &change.added
            } else {
                &change.removed
            };
            let segments = segments.iter();
            segments.map(|one| (Arc::clone(one), change.version, change.timestamp))
        });
        let rows = ChangedRows::new(side.table.clone(), segments.collect())?;
        self.scan(
            "changes",
            Some(ScanSource::Table(side.table.name.clone())),
            Arc::new(rows),
        )
    }

    /// Adds `_change` after the table's own columns.
    fn with_change(&self, mut relation: Relation, word: &str) -> Result<Relation> {
        let value = NewColumn {
            name: Some("_change".into()),
            text: "_change".into(),
            value: Typed::literal(ScalarValue::from(word), Span::default()),
        };
        let added = self.add_columns(&mut relation, vec![value])?;
        let own = relation.scope.columns.len().saturating_sub(2);
        relation.scope.columns.splice(own..own, added);
        relation.scope.ranges.clear();
        Ok(relation)
    }

    fn version(&self, expr: &crate::lang::ast::Expr) -> Result<u64> {
        let value = self.constant_value(expr, "a version")?;
        let value = match value.data_type().is_integer() {
            true => value.cast_to(&DataType::Int64)?,
            false => ScalarValue::Null,
        };
        match value {
            // A negative number is a version that no table has.
            ScalarValue::Int64(Some(version)) => Ok(u64::try_from(version).unwrap_or(u64::MAX)),
            _ => Err(Error::input(
                "TM0402",
                "a version is a whole number",
                expr.span,
            )),
        }
    }
}

/// By position, and every row as often as it is there.
fn operator(kind: SetKind, span: Span) -> SetOperator {
    SetOperator {
        kind,
        all: true,
        columns: ColumnMatch::Position,
        span,
    }
}
