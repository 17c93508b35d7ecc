//! Statements that change durable tables, and what CREATE TABLE makes of them.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::change::{Rewrite, own_values};
use super::stage::Env;
use super::types::data_type;
use super::{Binder, Bound, NewTable};
use crate::catalog::Entry;
use crate::catalog::durable::SnapshotTable;
use crate::error::{Error, Result};
use crate::lang::ast::{Ident, Path, TableLayout, TableStatement, TableStatementKind, TableTarget};
use crate::plan::BoundQuery;
use crate::table::action::Commit;
use crate::table::database::DurableTable;
use crate::table::layout::Layout;
use crate::table::maintain::add_column;
use crate::table::schema::Columns;
use crate::table::snapshot::Snapshot;

/// A statement that changes a durable table.
#[derive(Debug)]
pub(crate) enum DurableChange {
    /// DELETE, UPDATE and MERGE.
    Rewrite(Rewrite),
    Truncate(DurableTable),
    Optimize {
        table: DurableTable,
        all: BoundQuery,
    },
    Vacuum {
        table: DurableTable,
        retain_hours: u64,
    },
    Restore {
        table: DurableTable,
        to: Arc<Snapshot>,
    },
    Verify(DurableTable),
    AddColumn {
        table: DurableTable,
        commit: Commit,
    },
}

/// Hours that VACUUM leaves old segments, where nothing is written: a week, as elsewhere.
const RETAIN_HOURS: u64 = 168;

impl Binder<'_> {
    pub(super) fn table_statement(&self, statement: &TableStatement) -> Result<Bound> {
        let table = self.durable(&statement.table)?;
        let change = match &statement.kind {
            TableStatementKind::Delete(condition) => {
                DurableChange::Rewrite(self.delete(table, condition)?)
            }
            TableStatementKind::Update(update) => {
                DurableChange::Rewrite(self.update(table, update)?)
            }
            TableStatementKind::Merge(merge) => DurableChange::Rewrite(self.merge(table, merge)?),
            TableStatementKind::Optimize => DurableChange::Optimize {
                all: self.whole(&table)?,
                table,
            },
            TableStatementKind::Truncate => DurableChange::Truncate(table),
            TableStatementKind::Vacuum { retain_hours } => DurableChange::Vacuum {
                table,
                retain_hours: retain_hours.unwrap_or(RETAIN_HOURS),
            },
            TableStatementKind::Restore(as_of) => DurableChange::Restore {
                to: self.snapshot(&table, as_of)?,
                table,
            },
            TableStatementKind::Verify => DurableChange::Verify(table),
            TableStatementKind::AddColumn(column) => {
                if column.not_null {
                    let message = "a new column cannot be NOT NULL: rows that are there lack it";
                    return Err(Error::input("TM0318", message, column.name.span));
                }
                let kind = data_type(&column.data_type)?;
                let field = Field::new(&column.name.text, kind, true);
                let commit = add_column(&table.snapshot, field);
                DurableChange::AddColumn {
                    commit: commit.map_err(|error| error.at(column.name.span))?,
                    table,
                }
            }
        };
        Ok(Bound::Table(Box::new(change)))
    }

    /// Every row of a table, as it is.
    fn whole(&self, table: &DurableTable) -> Result<BoundQuery> {
        let target = self.target(table, None)?;
        let values = own_values(&target, table);
        self.rows_of(target.plan, table, values)
    }

    /// A durable table at its newest version.
    pub(super) fn durable(&self, path: &Path) -> Result<DurableTable> {
        let name = super::macros::joined(path);
        let entry = self.entry(&name).map_err(|error| error.at(path.span))?;
        match entry {
            Some(Entry::Table(provider)) => match provider.downcast_ref::<SnapshotTable>() {
                Some(table) => Ok(table.table.clone()),
                None => Err(Error::not_implemented(
                    "changing a table that is not kept in a database",
                    path.span,
                )
                .hint("open a database with --db DIRECTORY and create the table there")),
            },
            Some(Entry::View(_)) => {
                let message = format!("`{name}` is a view and has no rows of its own");
                Err(Error::input("TM0203", message, path.span))
            }
            None => Err(self.unknown_table(&name, path.span, &Env::default())),
        }
    }

    /// The table that CREATE TABLE makes in a database.
    pub(super) fn new_durable(
        &self,
        name: String,
        target: &TableTarget,
        schema: SchemaRef,
    ) -> Result<NewTable> {
        let span = target.name.span;
        let declared = !target.columns.is_empty();
        let fields = schema.fields().iter().map(|field| {
            // What a query cannot give today it may give to a later INSERT.
            let nullable = field.is_nullable() || !declared;
            field.as_ref().clone().with_nullable(nullable)
        });
        let seen = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = Columns::new(seen).map_err(|error| error.at(span))?;
        let layout = layout(&target.layout, &columns.seen)?;
        layout.check(&columns).map_err(|error| error.at(span))?;
        Ok(NewTable {
            name,
            or_replace: target.or_replace,
            if_not_exists: target.if_not_exists,
            columns,
            layout,
        })
    }
}

pub(super) fn column(columns: &Schema, name: &Ident) -> Result<usize> {
    let found = columns.index_of(&name.text).ok();
    let alike = || {
        let mut fields = columns.fields().iter();
        fields.position(|field| field.name().eq_ignore_ascii_case(&name.text))
    };
    found.or_else(alike).ok_or_else(|| {
        let names: Vec<String> = columns
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let message = format!("the table has no column named `{}`", name.text);
        Error::input("TM0201", message, name.span).available(super::names::shorten(names))
    })
}

fn layout(written: &TableLayout, columns: &Schema) -> Result<Layout> {
    let positions = |names: &[Ident]| {
        let found = names.iter().map(|name| column(columns, name));
        found.collect::<Result<Vec<usize>>>()
    };
    Ok(Layout {
        partition_by: positions(&written.partition_by)?,
        cluster_by: positions(&written.cluster_by)?,
        shard_key: positions(&written.shard_key)?,
        shards: written.shards,
    })
}
