//! Statements that make and change durable tables.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::rewrite::{from, left, losses};
use super::types::{data_type, type_name};
use super::{Binder, Bound};
use crate::catalog::Entry;
use crate::catalog::durable::SnapshotTable;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    CreateTable, Ident, Path, Query, TableLayout, TableStatement, TableStatementKind,
};
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
    Create {
        name: String,
        or_replace: bool,
        if_not_exists: bool,
        columns: Columns,
        layout: Layout,
        query: Option<BoundQuery>,
    },
    Insert {
        table: DurableTable,
        /// For each of the table's columns the query's; without one it is NULL.
        from: Vec<Option<usize>>,
        query: BoundQuery,
    },
    /// `None`: there is none, and IF EXISTS was written.
    Drop(Option<DurableTable>),
    Delete {
        table: DurableTable,
        /// How many rows go, by segment.
        counts: BoundQuery,
        /// The rows that stay; to be read of the segments that lose some.
        rest: BoundQuery,
    },
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
        if let TableStatementKind::Drop { if_exists } = &statement.kind {
            return self.drop_table(&statement.table, *if_exists);
        }
        let table = self.durable(&statement.table)?;
        let change = match &statement.kind {
            TableStatementKind::Insert { columns, query } => self.insert(table, columns, query)?,
            TableStatementKind::Delete(condition) => {
                let name = &statement.table;
                DurableChange::Delete {
                    table,
                    counts: self.outermost(&losses(name, condition))?,
                    rest: self.outermost(&left(name, condition))?,
                }
            }
            TableStatementKind::Optimize => DurableChange::Optimize {
                table,
                all: self.outermost(&from(&statement.table, Vec::new()))?,
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
            TableStatementKind::Drop { .. } => return Err(Error::bug("DROP TABLE is bound apart")),
        };
        Ok(Bound::Table(change))
    }

    fn drop_table(&self, path: &Path, if_exists: bool) -> Result<Bound> {
        let found = self
            .entry(&dotted(path))
            .map_err(|error| error.at(path.span))?;
        if found.is_none() && if_exists {
            return Ok(Bound::Table(DurableChange::Drop(None)));
        }
        let table = self.durable(path)?;
        Ok(Bound::Table(DurableChange::Drop(Some(table))))
    }

    /// A durable table at its newest version.
    pub(super) fn durable(&self, path: &Path) -> Result<DurableTable> {
        let name = dotted(path);
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
            None => Err(self.unknown_table(&name, path.span, &super::stage::Env::default())),
        }
    }

    /// CREATE TABLE in a database.
    pub(super) fn create_table(&self, create: &CreateTable) -> Result<Bound> {
        let name = super::statement::session_name(&create.name)?;
        let query = create.query.as_ref().map(|query| self.stored(query));
        let query = query.transpose()?;
        let span = create.name.span;
        let seen = match (create.columns.as_slice(), &query) {
            ([], Some(query)) => seen_columns(query),
            (columns, query) => {
                let fields = columns.iter().map(|column| {
                    let kind = data_type(&column.data_type)?;
                    Ok(Field::new(&column.name.text, kind, !column.not_null))
                });
                let fields = fields.collect::<Result<Vec<_>>>()?;
                let given = query.as_ref().map(|query| query.columns.len());
                if given.is_some_and(|given| given != fields.len()) {
                    let message = format!(
                        "the table has {} columns, its query gives {}",
                        fields.len(),
                        given.unwrap_or_default()
                    );
                    return Err(Error::input("TM0302", message, span));
                }
                Arc::new(Schema::new(fields))
            }
        };
        let columns = Columns::new(seen).map_err(|error| error.at(span))?;
        if let Some(query) = &query {
            let target = columns
                .seen
                .fields()
                .iter()
                .zip(query.plan.schema().fields());
            for (field, given) in target {
                fits(field, given.data_type(), span)?;
            }
        }
        let layout = layout(&create.layout, &columns.seen)?;
        layout.check(&columns).map_err(|error| error.at(span))?;
        Ok(Bound::Table(DurableChange::Create {
            name,
            or_replace: create.or_replace,
            if_not_exists: create.if_not_exists,
            columns,
            layout,
            query,
        }))
    }

    fn insert(&self, table: DurableTable, names: &[Ident], query: &Query) -> Result<DurableChange> {
        let seen = &table.snapshot.columns.seen;
        let span = query.span;
        let query = self.outermost(query)?;
        let targets: Vec<usize> = if names.is_empty() {
            (0..seen.fields().len()).collect()
        } else {
            let columns = names.iter().map(|name| column(seen, name));
            columns.collect::<Result<_>>()?
        };
        if targets.len() != query.columns.len() {
            let message = format!(
                "{} columns are to be filled and the query gives {}",
                targets.len(),
                query.columns.len()
            );
            return Err(Error::input("TM0302", message, span));
        }
        let mut from = vec![None; seen.fields().len()];
        for (position, target) in targets.iter().enumerate() {
            if from[*target].replace(position).is_some() {
                let message = format!("`{}` is to be filled twice", seen.field(*target).name());
                return Err(Error::input("TM0302", message, span));
            }
            let given = query.plan.schema().field(position).data_type();
            fits(seen.field(*target), given, span)?;
        }
        Ok(DurableChange::Insert { table, from, query })
    }
}

pub(super) fn dotted(path: &Path) -> String {
    let parts: Vec<&str> = path.parts.iter().map(|part| part.text.as_str()).collect();
    parts.join(".")
}

/// A query's columns as a table's; any may hold NULL.
fn seen_columns(query: &BoundQuery) -> SchemaRef {
    let fields = query.columns.iter().zip(query.plan.schema().fields());
    let fields =
        fields.map(|(name, field)| Field::new(&name.name, field.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn column(columns: &Schema, name: &Ident) -> Result<usize> {
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

/// TM0318: a value of this type does not belong into the column. Values that do not fit are found when they are written.
fn fits(field: &Field, given: &DataType, span: Span) -> Result<()> {
    let kind = field.data_type();
    let both = |test: fn(&DataType) -> bool| test(kind) && test(given);
    let dates = |kind: &DataType| {
        matches!(
            kind,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
        )
    };
    let fine = kind == given
        || type_name(kind) == type_name(given)
        || both(DataType::is_numeric)
        || both(dates)
        || given.is_null()
        || both(DataType::is_nested);
    if fine {
        return Ok(());
    }
    let message = format!(
        "column `{}` is {} and the query gives {}",
        field.name(),
        type_name(kind),
        type_name(given)
    );
    Err(Error::input("TM0318", message, span).hint(format!("write CAST(… AS {})", type_name(kind))))
}
