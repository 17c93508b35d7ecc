//! Statements that change durable tables, and what CREATE TABLE makes of them.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::change::{Rewrite, own_values};
use super::stage::Env;
use super::types::data_type;
use super::{Binder, Bound, NewTable};
use crate::catalog::Entry;
use crate::catalog::durable::SnapshotTable;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    self, AddReplica, ColumnDefinition, Ident, PartitionItem, PartitionTransform, StringLiteral,
    TableLayout, TableStatement, TableStatementKind, TableTarget,
};
use crate::plan::BoundQuery;
use crate::table::action::Commit;
use crate::table::database::{DurableTable, Staleness};
use crate::table::ingest::{self, FlushPolicy};
use crate::table::layout::{Layout, PartitionKey};
use crate::table::maintain::add_column;
use crate::table::projection::Projection;
use crate::table::replica::{Mode, Replica, WEIGHT_MAX};
use crate::table::schema::Columns;
use crate::table::snapshot::Snapshot;
use crate::table::transform::{Transform, Unit};

/// A statement that changes a durable table.
#[derive(Debug)]
pub(crate) enum DurableChange {
    /// DELETE, UPDATE and MERGE.
    Rewrite(Box<Rewrite>),
    Truncate(DurableTable),
    Optimize {
        table: DurableTable,
        all: Box<BoundQuery>,
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
    /// Segments with rows of several shards of the new layout are written again.
    Reshard {
        table: DurableTable,
        layout: Layout,
        all: Box<BoundQuery>,
    },
    /// Another column or other options.
    Redefine {
        table: DurableTable,
        /// What the history calls it.
        operation: &'static str,
        commit: Box<Commit>,
        /// Every row with the column's default, where it has one; otherwise rows lack it.
        rows: Option<Box<BoundQuery>>,
    },
    AddReplica {
        table: DurableTable,
        replica: Replica,
    },
    DropReplica {
        table: DurableTable,
        replica: Replica,
    },
    /// `alone`: where the directory that takes commits now cannot be told.
    Promote {
        table: DurableTable,
        replica: Replica,
        alone: bool,
    },
    /// Of one replica, or of the table's own directory and all of them.
    Repair {
        table: DurableTable,
        only: Option<Replica>,
    },
}

/// Hours that VACUUM leaves old segments, where nothing is written: a week, as elsewhere.
const RETAIN_HOURS: u64 = 168;

impl Binder<'_> {
    pub(super) fn table_statement(&self, statement: &TableStatement) -> Result<Bound> {
        if let TableStatementKind::Promote { path, force } = &statement.kind {
            let change = self.promotion(&statement.table, path, *force)?;
            return Ok(Bound::Table(Box::new(change)));
        }
        let table = self.settled(&statement.table)?;
        let change = match &statement.kind {
            TableStatementKind::Promote { .. } => {
                return Err(Error::bug("a promotion has a way of its own"));
            }
            TableStatementKind::Delete(condition) => {
                DurableChange::Rewrite(Box::new(self.delete(table, condition)?))
            }
            TableStatementKind::Update(update) => {
                DurableChange::Rewrite(Box::new(self.update(table, update)?))
            }
            TableStatementKind::Merge(merge) => {
                DurableChange::Rewrite(Box::new(self.merge(table, merge)?))
            }
            TableStatementKind::Optimize => DurableChange::Optimize {
                all: Box::new(self.all_rows(&table)?),
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
            TableStatementKind::Reshard(shards) => {
                let layout = Layout {
                    shards: *shards,
                    ..table.snapshot.layout.clone()
                };
                let checked = match layout.shard_key.is_empty() {
                    true => Err(no_shards(&table.name, statement.table.span)),
                    false => layout.check(&table.snapshot.columns),
                };
                checked.map_err(|error| error.at(statement.table.span))?;
                DurableChange::Reshard {
                    all: Box::new(self.all_rows(&table)?),
                    layout,
                    table,
                }
            }
            TableStatementKind::SetOptions(options) => {
                let ingest = self.table_options(options)?;
                let mut metadata = table.snapshot.metadata.clone();
                metadata.configuration.extend(ingest.settings());
                DurableChange::Redefine {
                    operation: "SET TBLPROPERTIES",
                    rows: None,
                    commit: Box::new(Commit {
                        metadata: Some(metadata),
                        ..Commit::default()
                    }),
                    table,
                }
            }
            TableStatementKind::AddReplica(added) => DurableChange::AddReplica {
                replica: new_replica(&table, added)?,
                table,
            },
            TableStatementKind::DropReplica(path) => DurableChange::DropReplica {
                replica: replica_at(&table, path)?,
                table,
            },
            TableStatementKind::Repair(path) => DurableChange::Repair {
                only: match path {
                    Some(path) => Some(replica_at(&table, path)?),
                    None => None,
                },
                table,
            },
            TableStatementKind::AddColumn(column) => self.add_column(table, column)?,
        };
        Ok(Bound::Table(Box::new(change)))
    }

    fn promotion(
        &self,
        path: &ast::Path,
        replica: &StringLiteral,
        force: bool,
    ) -> Result<DurableChange> {
        let (table, alone) = match self.settled(path) {
            Ok(table) => (table, false),
            Err(error) if force => {
                let name = super::macros::joined(path);
                let table = self.catalog.kept_within(&name, Staleness::Any);
                let table = table.map_err(|error| error.at(path.span))?;
                (table.ok_or(error)?, true)
            }
            Err(error) => return Err(error),
        };
        if !alone && FlushPolicy::of(&table.snapshot.metadata).is_some() {
            let message = format!(
                "rows of `{}` may wait in the directory that would be left: its INSERTs are buffered",
                table.name
            );
            return Err(Error::input("TM0752", message, replica.span)
                .hint("ALTER TABLE … SET OPTIONS (ingest = 'direct') first, and back afterwards"));
        }
        let wanted = directory(replica)?;
        if !alone && std::path::absolute(&table.log.directory).is_ok_and(|own| own == wanted) {
            let message = format!(
                "{} takes the commits of `{}` already",
                wanted.display(),
                table.name
            );
            return Err(Error::input("TM0752", message, replica.span));
        }
        Ok(DurableChange::Promote {
            replica: replica_at(&table, replica)?,
            table,
            alone,
        })
    }

    fn add_column(&self, table: DurableTable, column: &ColumnDefinition) -> Result<DurableChange> {
        let place = column.name.span;
        if column.not_null && column.default.is_none() {
            let message = "a new column cannot be NOT NULL: rows that are there lack it";
            return Err(Error::input("TM0318", message, place)
                .hint("give it a DEFAULT, which those rows get"));
        }
        let kind = data_type(&column.data_type)?;
        let field = Field::new(&column.name.text, kind, !column.not_null);
        let columns = std::slice::from_ref(column);
        let schema = Schema::new(vec![field.clone()]);
        let mut defaults = self.declared_defaults(columns, &schema)?;
        let rows = match defaults.values.remove(field.name()) {
            None => None,
            Some(default) => {
                let target = self.target(&table, None)?;
                let mut values = own_values(&target, &table);
                values.push(default);
                let fields = table.snapshot.columns.seen.fields().iter();
                let names = fields.map(|field| field.name().as_str());
                let names = names.chain([column.name.text.as_str()]);
                Some(Box::new(self.rows_named(target.plan, values, names)?))
            }
        };
        let default = defaults.texts.pop().flatten();
        let commit = add_column(&table.snapshot, field, default);
        Ok(DurableChange::Redefine {
            operation: "ADD COLUMNS",
            commit: Box::new(commit.map_err(|error| error.at(place))?),
            table,
            rows,
        })
    }

    /// Every row of a table, as it is.
    fn all_rows(&self, table: &DurableTable) -> Result<BoundQuery> {
        let target = self.target(table, None)?;
        let values = own_values(&target, table);
        self.rows_of(target.plan, table, values)
    }

    pub(super) fn is_durable(&self, name: &str) -> Result<bool> {
        Ok(match self.entry(name)? {
            Some(Entry::Table(provider)) => provider.is::<SnapshotTable>(),
            _ => false,
        })
    }

    /// A durable table that is to be changed: its rows are all in segments.
    pub(super) fn settled(&self, path: &ast::Path) -> Result<DurableTable> {
        let table = self.durable(path)?;
        // Where nothing will run, nothing is written either.
        if table.waiting.is_empty() || self.parameters.absent_are_null {
            return Ok(table);
        }
        let moved = ingest::move_all(&table.log, &table.snapshot);
        let (_, warnings) = moved.map_err(|error| error.at(path.span))?;
        warnings.into_iter().for_each(|warning| self.warn(warning));
        self.pinned.borrow_mut().clear();
        let table = self.durable(path)?;
        // Rows that came meanwhile come after the change.
        let snapshot = Arc::clone(&table.snapshot);
        Ok(table.at(snapshot))
    }

    /// A durable table at its newest version.
    pub(super) fn durable(&self, path: &ast::Path) -> Result<DurableTable> {
        let name = super::macros::joined(path);
        let entry = self.entry(&name).map_err(|error| error.at(path.span))?;
        match entry {
            Some(Entry::Table(provider)) => match provider.downcast_ref::<SnapshotTable>() {
                Some(table) => Ok(table.table.clone()),
                None => Err(Error::input(
                    "TM0900",
                    format!("`{name}` is kept in memory: versions and changes need a database"),
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
        defaults: Vec<Option<String>>,
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
        let mut layout = layout(&target.layout, &columns)?;
        if let Some(other) = &target.layout.colocate_with {
            layout.shards = self.shards_beside(&layout, &columns, other)?;
        }
        layout.check(&columns).map_err(|error| error.at(span))?;
        let columns = columns.with_generated(layout.generated());
        let columns = columns.with_defaults(defaults);
        Ok(NewTable {
            name,
            or_replace: target.or_replace,
            if_not_exists: target.if_not_exists,
            columns,
            layout,
            settings: self.table_options(&target.layout.options)?.settings(),
        })
    }

    /// The shards of another table, where rows of equal keys lie in shards of the same number.
    fn shards_beside(&self, layout: &Layout, columns: &Columns, other: &ast::Path) -> Result<u64> {
        let table = self.durable(other)?;
        let theirs = &table.snapshot;
        if theirs.layout.shard_key.is_empty() {
            return Err(no_shards(&table.name, other.span));
        }
        let kinds = |columns: &Columns, key: &[usize]| -> Vec<_> {
            let fields = key.iter().map(|column| columns.stored.field(*column));
            fields.map(|field| field.data_type().clone()).collect()
        };
        let own = kinds(columns, &layout.shard_key);
        if own != kinds(&theirs.columns, &theirs.layout.shard_key) {
            let message = format!(
                "the key's types are not those of the key of `{}`, so that equal keys would lie apart",
                table.name
            );
            return Err(Error::input("TM0317", message, other.span));
        }
        Ok(theirs.layout.shards)
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

fn layout(written: &TableLayout, columns: &Columns) -> Result<Layout> {
    let positions = |names: &[Ident]| {
        let found = names.iter().map(|name| column(&columns.seen, name));
        found.collect::<Result<Vec<usize>>>()
    };
    let keys = written.partition_by.iter();
    let keys = keys.map(|item| partition_key(item, columns));
    Ok(Layout {
        partition_by: keys.collect::<Result<_>>()?,
        cluster_by: positions(&written.cluster_by)?,
        shard_key: positions(&written.shard_key)?,
        shards: written.shards,
    })
}

/// The directory that a text names.
fn directory(path: &StringLiteral) -> Result<PathBuf> {
    if path.value.contains("://") {
        return Err(Error::not_implemented(
            "a replica in an object store",
            path.span,
        ));
    }
    std::path::absolute(&path.value).map_err(|error| {
        let message = format!("this is no path of a directory: {error}");
        Error::input("TM0752", message, path.span)
    })
}

fn new_replica(table: &DurableTable, added: &AddReplica) -> Result<Replica> {
    let mut path = directory(&added.path)?;
    if path.components().any(|part| part == Component::ParentDir) {
        path = table.log.store.resolve(&path);
        if path.components().any(|part| part == Component::ParentDir) {
            let message = "the path leads out of a directory that is not there";
            return Err(Error::input("TM0752", message, added.path.span));
        }
    }
    if table.snapshot.replicas.iter().any(|one| one.path == path) {
        let message = format!("`{}` has this replica already", table.name);
        return Err(Error::input("TM0752", message, added.path.span));
    }
    let weight = added.weight.unwrap_or(1);
    let weight = u32::try_from(weight).ok();
    let weight = weight.filter(|weight| (1..=WEIGHT_MAX).contains(weight));
    let weight = weight.ok_or_else(|| {
        let message = format!("a weight is from 1 to {WEIGHT_MAX}");
        Error::input("TM0752", message, added.span)
    })?;
    let mode = match added.is_sync {
        Some(true) => Mode::Sync,
        Some(false) | None => Mode::Async,
    };
    Ok(Replica {
        path,
        mode,
        weight,
        projection: projection(table, added)?,
    })
}

/// How the rows of a new replica lie, if it is to be no copy.
fn projection(table: &DurableTable, added: &AddReplica) -> Result<Option<Projection>> {
    if added.columns.is_empty() && added.sort_by.is_empty() {
        return Ok(None);
    }
    let seen = &table.snapshot.columns.seen;
    let names = |idents: &[Ident]| -> Result<Vec<String>> {
        let found = idents.iter().map(|name| column(seen, name));
        found
            .map(|place| Ok(seen.field(place?).name().clone()))
            .collect()
    };
    let (columns, sort) = (names(&added.columns)?, names(&added.sort_by)?);
    let partitions = &table.snapshot.metadata.partition_columns;
    for (name, ident) in sort.iter().zip(&added.sort_by) {
        let lies_in_files = !partitions.contains(name);
        if !lies_in_files || !(columns.is_empty() || columns.contains(name)) {
            let message = match lies_in_files {
                true => format!("`{name}` is not among the columns that the projection has"),
                false => {
                    format!("rows are not sorted by `{name}`: it is the same in all rows of a file")
                }
            };
            return Err(Error::input("TM0752", message, ident.span));
        }
    }
    Ok(Some(Projection {
        columns: (!columns.is_empty()).then_some(columns),
        sort,
    }))
}

fn replica_at(table: &DurableTable, path: &StringLiteral) -> Result<Replica> {
    let wanted = directory(path)?;
    let mut replicas = table.snapshot.replicas.iter();
    let found = replicas.find(|one| one.path == wanted || one.path == Path::new(&path.value));
    found.cloned().ok_or_else(|| {
        let message = format!("`{}` has no replica in {}", table.name, wanted.display());
        let names: Vec<String> = table.snapshot.replicas.iter().map(Replica::name).collect();
        let error = Error::input("TM0752", message, path.span);
        match names.is_empty() {
            true => error.hint("it has none: write ALTER TABLE … ADD REPLICA"),
            false => error.available(names.join(", ")),
        }
    })
}

fn no_shards(name: &str, span: Span) -> Error {
    let message = format!("the table `{name}` has no shards");
    Error::input("TM0317", message, span)
        .hint("create it with DISTRIBUTE BY HASH(key) INTO n SHARDS")
}

fn partition_key(item: &PartitionItem, columns: &Columns) -> Result<PartitionKey> {
    let position = column(&columns.seen, &item.column)?;
    let transform = match &item.transform {
        None => return Ok(PartitionKey::plain(columns, position)),
        Some(PartitionTransform::Bucket(count)) => Transform::Bucket(*count),
        Some(PartitionTransform::Truncate(unit)) => {
            Transform::Truncate(match unit.text.to_ascii_lowercase().as_str() {
                "hour" => Unit::Hour,
                "day" => Unit::Day,
                "month" => Unit::Month,
                "year" => Unit::Year,
                _ => {
                    let message = format!("a table is not partitioned by the {}", unit.text);
                    return Err(Error::input("TM0317", message, unit.span)
                        .available("HOUR, DAY, MONTH, YEAR"));
                }
            })
        }
    };
    Ok(PartitionKey {
        name: transform.name(columns.stored.field(position).name()),
        column: position,
        transform: Some(transform),
    })
}
