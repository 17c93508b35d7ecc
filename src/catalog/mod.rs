//! Names: tables, views, files and functions, each as what DataFusion plans with.
//!
//! [`Catalog`] holds what a session created or registered. [`files`] makes a table of a path. [`scan::TableScanExec`] is the plan
//! node that stands for reading one: `plan::lower` turns it into a pipeline's source. [`durable`] does the same for a version of a
//! durable table.

pub(crate) mod durable;
pub(crate) mod files;
mod filter;
pub(crate) mod functions;
mod kept;
pub(crate) mod scan;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;

use crate::error::{Error, ErrorKind, Result};
use crate::table::database::Database;
use durable::SnapshotTable;
pub(crate) use functions::Functions;
pub(crate) use kept::KeptTable;

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
}

/// The names of one engine. Shared by its sessions; every method takes `&self`.
#[derive(Debug)]
pub(crate) struct Catalog {
    entries: RwLock<HashMap<String, Entry>>,
    functions: Functions,
    /// Where tables outlive the session.
    database: OnceLock<Database>,
}

impl Catalog {
    pub(crate) fn new() -> Result<Self> {
        Ok(Catalog {
            entries: RwLock::default(),
            functions: Functions::new()?,
            database: OnceLock::new(),
        })
    }

    pub(crate) fn functions(&self) -> &Functions {
        &self.functions
    }

    /// From now on tables are kept in a directory, unless they are temporary.
    pub(crate) fn keep_in(&self, database: Database) {
        self.database.get_or_init(|| database);
    }

    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.get()
    }

    /// The entry of a name, of the session first, then of the database as it is now.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Entry>> {
        if let Some(entry) = self.find_in_session(name)? {
            return Ok(Some(entry));
        }
        let Some(database) = self.database.get() else {
            return Ok(None);
        };
        let table = database.find(name)?;
        Ok(table.map(|table| Entry::Table(Arc::new(SnapshotTable::new(table, false)))))
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
            return Err(Error::new(
                ErrorKind::Input,
                "TM0702",
                format!("`{name}` exists already"),
            )
            .hint("write CREATE OR REPLACE, or IF NOT EXISTS"));
        }
        entries.insert(name.to_string(), entry);
        Ok(())
    }

    /// Every name, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = entries.keys().cloned().collect();
        // A directory that cannot be listed says so when a table of it is read.
        let kept = self.database.get().map(Database::names);
        names.extend(kept.and_then(Result::ok).unwrap_or_default());
        names.sort();
        names.dedup();
        names
    }
}
