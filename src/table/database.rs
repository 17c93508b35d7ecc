//! A directory of tables: each is a directory of its own with a log in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::ingest::{self, Buffer, Waiting};
use super::layout::{decode, encode};
use super::log::TableLog;
use super::replica::Replica;
use super::routes::Routes;
use super::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};
use crate::route::Policy;
use crate::store::{About, Store, unique};

/// What the directory of a dropped table is called until it is gone.
const DROPPED: &str = ".dropped-";

/// A directory of tables.
#[derive(Debug)]
pub(crate) struct Database {
    store: Store,
    directory: PathBuf,
    /// Snapshots read before, from which newer ones are reached fast.
    known: Mutex<HashMap<PathBuf, Known>>,
    routes: Arc<Routes>,
    /// Rows of INSERTs that wait, by the table's directory.
    buffers: Mutex<HashMap<PathBuf, Arc<Buffer>>>,
}

/// A snapshot that was read, and the file of its last commit as it was then: another file is another table.
type Known = (Arc<Snapshot>, About);

/// A table and the version it has now.
#[derive(Debug, Clone)]
pub(crate) struct DurableTable {
    pub(crate) name: String,
    pub(crate) log: TableLog,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Rows that are in no segment yet.
    pub(crate) waiting: Arc<Vec<Waiting>>,
    /// Where copies of segments lie by now, of older versions too.
    pub(crate) replicas: Arc<Vec<Replica>>,
    /// What is known of these copies.
    pub(crate) routes: Arc<Routes>,
    /// How reads are spread over them.
    pub(crate) policy: Policy,
}

impl DurableTable {
    /// The directories that may have a segment, as the router calls them: the table's own, and its replicas.
    pub(crate) fn copies(&self) -> Vec<(String, Option<&Replica>)> {
        let own = std::path::absolute(&self.log.directory);
        let own = own.unwrap_or_else(|_| self.log.directory.clone());
        let replicas = self.replicas.iter();
        let replicas = replicas.map(|replica| (replica.name(), Some(replica)));
        std::iter::once((own.display().to_string(), None))
            .chain(replicas)
            .collect()
    }

    /// Another version, of which all rows are in segments.
    pub(crate) fn at(self, snapshot: Arc<Snapshot>) -> Self {
        DurableTable {
            snapshot,
            waiting: Arc::default(),
            ..self
        }
    }
}

impl Database {
    /// Opens a directory, and makes it where there is none.
    pub(crate) fn open(store: Store, directory: &Path) -> Result<Self> {
        store.make_directory(directory)?;
        if !store
            .about(directory)?
            .is_some_and(|about| about.is_directory)
        {
            let message = format!("{} is no directory", directory.display());
            return Err(Error::new(ErrorKind::Io, "TM0701", message));
        }
        let database = Database {
            routes: Arc::new(Routes::open(&store, directory)),
            store,
            directory: directory.to_path_buf(),
            known: Mutex::default(),
            buffers: Mutex::default(),
        };
        database.sweep();
        Ok(database)
    }

    /// Takes away what a DROP TABLE that was stopped has left. Nobody reads it: what cannot be taken away now may stay.
    fn sweep(&self) {
        for entry in self.store.list(&self.directory).unwrap_or_default() {
            if entry.name.starts_with(DROPPED) {
                let _ = self.store.remove_tree(&self.directory.join(&entry.name));
            }
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes)
    }

    /// The log of a table, which need not be there.
    pub(crate) fn log(&self, name: &str) -> TableLog {
        TableLog::new(self.store.clone(), self.directory.join(encode(name)))
    }

    /// The table of a name: the same spelling first, then the same letters in any case; two such are TM0206.
    pub(crate) fn find(&self, name: &str) -> Result<Option<DurableTable>> {
        if let Some(found) = self.exactly(name)? {
            return Ok(Some(found));
        }
        let names = self.names()?;
        let mut alike = names
            .iter()
            .filter(|other| other.eq_ignore_ascii_case(name));
        match (alike.next(), alike.next()) {
            (Some(first), Some(second)) => Err(Error::new(
                ErrorKind::Input,
                "TM0206",
                format!("`{name}` could be `{first}` or `{second}`"),
            )
            .hint("write the name with its exact case")),
            (Some(first), None) => self.exactly(first),
            _ => Ok(None),
        }
    }

    fn exactly(&self, name: &str) -> Result<Option<DurableTable>> {
        let log = self.log(name);
        // Rows that move into a segment meanwhile are in the version that is read after this.
        let read = ingest::read(&log)?;
        let known = self.known().get(&log.directory).cloned();
        let mut snapshot = None;
        if let Some((known, about)) = known
            && log.about(known.version)? == Some(about)
        {
            snapshot = Some(log.newest_after(known)?);
        }
        if snapshot.is_none() {
            snapshot = log.latest()?;
        }
        let Some(snapshot) = snapshot else {
            self.known().remove(&log.directory);
            return Ok(None);
        };
        if let Some(about) = log.about(snapshot.version)? {
            let known = (Arc::clone(&snapshot), about);
            self.known().insert(log.directory.clone(), known);
        }
        Ok(Some(DurableTable {
            name: name.to_string(),
            waiting: Arc::new(ingest::waiting(read, &snapshot)),
            replicas: Arc::new(snapshot.replicas.clone()),
            log,
            snapshot,
            routes: Arc::clone(&self.routes),
            policy: Policy::default(),
        }))
    }

    /// Where this process keeps rows of a table that wait.
    pub(crate) fn buffer(&self, table: &DurableTable) -> Result<Arc<Buffer>> {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buffer) = buffers.get(&table.log.directory) {
            return Ok(Arc::clone(buffer));
        }
        let known = Arc::clone(&table.snapshot);
        let buffer = Arc::new(Buffer::new(&table.name, table.log.clone(), known, None)?);
        buffers.insert(table.log.directory.clone(), Arc::clone(&buffer));
        Ok(buffer)
    }

    /// Every table's name, in order.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.store.list(&self.directory)? {
            let log = self.directory.join(&entry.name).join("_delta_log");
            let hidden = entry.name.starts_with('.') || !entry.about.is_directory;
            if hidden || self.store.about(&log)?.is_none() {
                continue;
            }
            names.extend(decode(&entry.name).filter(|name| encode(name) == entry.name));
        }
        names.sort();
        Ok(names)
    }

    /// Takes a table away: at once for everybody who looks, then its files.
    pub(crate) fn drop_table(&self, table: &DurableTable) -> Result<()> {
        let gone = self.directory.join(format!("{DROPPED}{}", unique()));
        self.store.rename(&table.log.directory, &gone)?;
        self.store.sync_directory(&self.directory)?;
        self.known().remove(&table.log.directory);
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.remove(&table.log.directory);
        drop(buffers);
        self.store.remove_tree(&gone)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
