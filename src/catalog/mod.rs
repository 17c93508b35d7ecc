//! Names: tables, views, files and functions, each as what DataFusion plans with.
//!
//! [`Catalog`] holds what a session created or registered. [`files`] makes a table of a path. [`scan::TableScanExec`] is the plan
//! node that stands for reading one: `plan::lower` turns it into a pipeline's source. [`durable`] does the same for a version of a
//! durable table.

pub(crate) mod durable;
pub(crate) mod files;
mod filter;
pub(crate) mod functions;
pub(crate) mod scan;
mod session;
pub(crate) mod settings;
pub(crate) mod shared;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;

use crate::error::{Error, ErrorKind, Result};
use crate::table::database::{Database, DurableTable, Staleness};
use durable::SnapshotTable;
pub(crate) use functions::Functions;
pub(crate) use session::{DeclaredParameter, Macro, Session, SessionValue};
pub(crate) use settings::{SETTINGS, Setting};

/// What a table name stands for.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Table(Arc<dyn TableProvider>),
    View(Arc<View>),
}

/// A query under a name, bound when it was created.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) plan: LogicalPlan,
    /// The names of the plan's columns, in order.
    pub(crate) names: Vec<String>,
    pub(crate) sources: Sources,
}

/// What a scan reads, as the user calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScanSource {
    Table(String),
    /// The path or pattern as written.
    File(String),
}

/// What the scans of a plan read, by the name that each has in the plan.
pub(crate) type Sources = HashMap<String, ScanSource>;

/// A change of a table that becomes visible with others.
#[derive(Debug)]
pub(crate) enum TableChange {
    Create {
        name: String,
        table: Arc<MemTable>,
        or_replace: bool,
        if_not_exists: bool,
    },
    Append {
        /// As [`Catalog::find`] finds it.
        name: String,
        batches: Vec<RecordBatch>,
    },
}

/// The entries after the changes.
fn changed(
    entries: &HashMap<String, Entry>,
    changes: &[TableChange],
) -> Result<HashMap<String, Entry>> {
    let mut changed = entries.clone();
    for change in changes {
        change.make(&mut changed)?;
    }
    Ok(changed)
}

impl TableChange {
    fn make(&self, entries: &mut HashMap<String, Entry>) -> Result<()> {
        match self {
            TableChange::Create {
                name,
                table,
                or_replace,
                if_not_exists,
            } => {
                if entries.contains_key(name) && !or_replace {
                    return if *if_not_exists {
                        Ok(())
                    } else {
                        Err(exists_already(name))
                    };
                }
                let table: Arc<dyn TableProvider> = Arc::clone(table) as _;
                entries.insert(name.clone(), Entry::Table(table));
                Ok(())
            }
            TableChange::Append { name, batches } => {
                let changed = || {
                    let message = format!("`{name}` was changed while rows were made for it");
                    Error::new(ErrorKind::Busy, "TM0708", message).hint("run the statement again")
                };
                let exact = match entries.contains_key(name) {
                    true => Some(name.clone()),
                    false => entries
                        .keys()
                        .find(|other| other.eq_ignore_ascii_case(name))
                        .cloned(),
                };
                let entry = exact.as_ref().and_then(|exact| entries.get_mut(exact));
                let Some(Entry::Table(provider)) = entry else {
                    return Err(changed());
                };
                let Some((schema, mut all)) = rows_in_memory(provider) else {
                    return Err(changed());
                };
                if batches.iter().any(|batch| batch.schema() != schema) {
                    return Err(changed());
                }
                all.extend(batches.iter().cloned());
                let defaults = schema.fields().iter().filter_map(|field| {
                    let default = provider.get_column_default(field.name())?;
                    Some((field.name().clone(), default.clone()))
                });
                let defaults = defaults.collect();
                let table = MemTable::try_new(schema, vec![all])?;
                *provider = Arc::new(table.with_column_defaults(defaults));
                Ok(())
            }
        }
    }
}

/// The rows of a table that is kept in memory; `None` for every other.
pub(crate) fn rows_in_memory(
    table: &Arc<dyn TableProvider>,
) -> Option<(SchemaRef, Vec<RecordBatch>)> {
    let memory = table.downcast_ref::<MemTable>()?;
    let mut batches = Vec::new();
    for partition in &memory.batches {
        // Nobody writes into a table in place: the lock is free.
        batches.extend(partition.try_read().ok()?.iter().cloned());
    }
    Some((table.schema(), batches))
}

pub(crate) fn exists_already(name: &str) -> Error {
    Error::new(
        ErrorKind::Input,
        "TM0702",
        format!("`{name}` exists already"),
    )
    .hint("write CREATE OR REPLACE, or IF NOT EXISTS")
}

/// The names of one engine. Shared by its sessions; every method takes `&self`.
#[derive(Debug)]
pub(crate) struct Catalog {
    entries: RwLock<HashMap<String, Entry>>,
    functions: Arc<Functions>,
    /// Where tables outlive the session.
    database: OnceLock<Arc<Database>>,
    /// Tables of the database that this catalog does not see, in lower case: a check of their DROP left them where they are.
    hidden: RwLock<HashSet<String>>,
    session: RwLock<Arc<Session>>,
}

impl Catalog {
    pub(crate) fn new() -> Result<Self> {
        Ok(Catalog {
            entries: RwLock::default(),
            functions: Arc::new(Functions::new()?),
            database: OnceLock::new(),
            hidden: RwLock::default(),
            session: RwLock::default(),
        })
    }

    /// The same names once more: what is put into the copy, nobody else sees. Functions and the database are shared.
    pub(crate) fn copy(&self) -> Self {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        Catalog {
            entries: RwLock::new(entries.clone()),
            functions: Arc::clone(&self.functions),
            database: self.database.clone(),
            hidden: RwLock::new(hidden.clone()),
            session: RwLock::new(self.session()),
        }
    }

    /// Puts in what `other`, a copy that went another way, has and this one has not.
    pub(crate) fn add_missing(&self, other: &Catalog) {
        let theirs = other.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for (name, entry) in theirs.iter() {
            entries.entry(name.clone()).or_insert_with(|| entry.clone());
        }
        drop(entries);
        let session = other.session();
        self.change_session(|own| own.add_missing(&session));
    }

    /// A table of the database is no longer seen here.
    pub(crate) fn hide(&self, name: &str) {
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        hidden.insert(name.to_ascii_lowercase());
    }

    fn is_hidden(&self, name: &str) -> bool {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        hidden.contains(&name.to_ascii_lowercase())
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// From now on tables are kept in a directory, unless they are temporary.
    pub(crate) fn keep_in(&self, database: Database) {
        self.database.get_or_init(|| Arc::new(database));
    }

    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.get().map(Arc::as_ref)
    }

    /// What the session said so far; what it says later does not change it.
    pub(crate) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn change_session(&self, change: impl FnOnce(&mut Session)) {
        let mut session = self.session.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut session));
    }

    /// The entry of a name, of the session first, then of the database as it is now.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Entry>> {
        self.find_within(name, None)
    }

    /// The same; with `most` of a version that may be so old, whatever the session says.
    pub(crate) fn find_within(&self, name: &str, most: Option<Duration>) -> Result<Option<Entry>> {
        if let Some(entry) = self.find_in_session(name)? {
            return Ok(Some(entry));
        }
        let most = most.unwrap_or(self.session().settings.max_staleness);
        let staleness = match most.is_zero() {
            true => Staleness::Strong,
            false => Staleness::Within(most),
        };
        let table = self.kept_within(name, staleness)?;
        Ok(table.map(|table| Entry::Table(Arc::new(SnapshotTable::new(table, false)))))
    }

    /// The table of the database that has this name now.
    pub(crate) fn find_kept(&self, name: &str) -> Result<Option<DurableTable>> {
        self.kept_within(name, Staleness::Strong)
    }

    /// The same, of a version that may be so old.
    pub(crate) fn kept_within(
        &self,
        name: &str,
        staleness: Staleness,
    ) -> Result<Option<DurableTable>> {
        match self.database() {
            Some(database) if !self.is_hidden(name) => {
                let session = self.session();
                let settings = &session.settings;
                let table = database.find_within(name, staleness)?;
                Ok(table.map(|table| DurableTable {
                    policy: settings.routing,
                    hedged: settings.hedged_reads,
                    ..table
                }))
            }
            _ => Ok(None),
        }
    }

    /// The entry of a name: the same spelling first, then the same letters in any case; two such are TM0206.
    pub(crate) fn find_in_session(&self, name: &str) -> Result<Option<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(name) {
            return Ok(Some(entry.clone()));
        }
        let mut alike = entries
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let found = alike.next();
        if let (Some((first, _)), Some((second, _))) = (found, alike.next()) {
            return Err(Error::new(
                ErrorKind::Input,
                "TM0206",
                format!("`{name}` could be `{first}` or `{second}`"),
            )
            .hint("write the name with its exact case"));
        }
        Ok(found.map(|(_, entry)| entry.clone()))
    }

    /// Puts an entry under a name. `replace` decides what happens to an older one: TM0702 without it.
    pub(crate) fn insert(&self, name: &str, entry: Entry, replace: bool) -> Result<()> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if !replace && entries.contains_key(name) {
            return Err(exists_already(name));
        }
        entries.insert(name.to_string(), entry);
        Ok(())
    }

    /// Takes an entry away; `view` says whether it must be a view or a table. Its exact name, if it was there.
    pub(crate) fn remove(&self, name: &str, view: bool) -> Result<Option<String>> {
        let Some(entry) = self.find_in_session(name)? else {
            return Ok(None);
        };
        if matches!(entry, Entry::View(_)) != view {
            let (is, kind) = if view {
                ("table", "TABLE")
            } else {
                ("view", "VIEW")
            };
            return Err(
                Error::new(ErrorKind::Input, "TM0203", format!("`{name}` is a {is}"))
                    .hint(format!("write DROP {kind}")),
            );
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let exact = match entries.contains_key(name) {
            true => Some(name.to_string()),
            false => entries
                .keys()
                .find(|other| other.eq_ignore_ascii_case(name))
                .cloned(),
        };
        if let Some(exact) = &exact {
            entries.remove(exact);
        }
        Ok(exact)
    }

    /// Makes several changes that are seen together, or none of them if one cannot be made.
    pub(crate) fn change_tables(&self, changes: &[TableChange]) -> Result<()> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        *entries = changed(&entries, changes)?;
        Ok(())
    }

    /// The names of the session's tables and views.
    pub(crate) fn session_names(&self) -> Vec<String> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.keys().cloned().collect()
    }

    /// What would stop [`change_tables`](Self::change_tables).
    pub(crate) fn try_tables(&self, changes: &[TableChange]) -> Result<()> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        changed(&entries, changes).map(drop)
    }

    /// Every name, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = entries.keys().cloned().collect();
        // A directory that cannot be listed says so when a table of it is read.
        let kept = self.database().map(Database::names);
        let kept = kept.and_then(Result::ok).unwrap_or_default();
        names.extend(kept.into_iter().filter(|name| !self.is_hidden(name)));
        names.sort();
        names.dedup();
        names
    }
}
