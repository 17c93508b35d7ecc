//! A directory of tables: each is a directory of its own with a log in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ingest::{self, Buffer, Waiting};
use super::layout::{decode, encode};
use super::log::{TableLog, now};
use super::places::{self, Place};
use super::promote;
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
    /// By the directory that a table was made in.
    looked: Mutex<HashMap<PathBuf, Looked>>,
    routes: Arc<Routes>,
    /// Rows of INSERTs that wait, by the table's directory.
    buffers: Mutex<HashMap<PathBuf, Arc<Buffer>>>,
}

/// A snapshot that was read, and the file of its last commit as it was then: another file is another table.
type Known = (Arc<Snapshot>, About);

/// How old a version may be that a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staleness {
    /// The newest.
    Strong,
    /// The newest; where that cannot be read, one that was made so long ago at most and that this process has not gone beyond.
    Within(Duration),
    /// Any that there is.
    Any,
}

/// The newest version of a table when it was looked at.
#[derive(Debug, Clone)]
struct Looked {
    log: TableLog,
    snapshot: Arc<Snapshot>,
}

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
    /// Whether a second copy is asked where the first takes long.
    pub(crate) hedged: bool,
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

    /// Whether segments have copies elsewhere.
    pub(crate) fn has_mirrors(&self) -> bool {
        let mut replicas = self.replicas.iter();
        replicas.any(|replica| replica.projection.is_none())
    }

    pub(crate) fn has_projections(&self) -> bool {
        let mut replicas = self.replicas.iter();
        replicas.any(|replica| replica.projection.is_some())
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
            looked: Mutex::default(),
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
        self.find_within(name, Staleness::Strong)
    }

    /// The same, of a version that may be so old.
    pub(crate) fn find_within(
        &self,
        name: &str,
        staleness: Staleness,
    ) -> Result<Option<DurableTable>> {
        if let Some(found) = self.exactly(name, staleness)? {
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
            (Some(first), None) => self.exactly(first, staleness),
            _ => Ok(None),
        }
    }

    fn exactly(&self, name: &str, staleness: Staleness) -> Result<Option<DurableTable>> {
        let own = self.log(name);
        let place = places::read(&self.store, &self.directory, name);
        let found = self.primary_of(&own, place.as_ref());
        let (log, snapshot) = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.known().remove(&own.directory);
                return match place {
                    Some(place) => self.lost(name, &own, &place, staleness, None),
                    None => Ok(None),
                };
            }
            Err(error) => {
                let known = self.looked(&own);
                let known = known.map(|looked| Place::of(&looked.log, &looked.snapshot));
                return match place.or(known) {
                    Some(place) => self.lost(name, &own, &place, staleness, Some(error)),
                    None => Err(error),
                };
            }
        };
        let looked = Looked {
            log: log.clone(),
            snapshot: Arc::clone(&snapshot),
        };
        let mut all = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(own.directory, looked);
        drop(all);
        self.table(name, log, snapshot).map(Some)
    }

    fn looked(&self, own: &TableLog) -> Option<Looked> {
        let all = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&own.directory).cloned()
    }

    /// The log that takes a table's commits, and its newest version. `None` where there is no table in `own`.
    fn primary_of(
        &self,
        own: &TableLog,
        place: Option<&Place>,
    ) -> Result<Option<(TableLog, Arc<Snapshot>)>> {
        let newest = |log: &TableLog| self.newest_of(log);
        let first = newest(own)?;
        // A promotion that this directory was not told of.
        let told = first.as_ref().map_or(0, |first| first.home.epoch);
        if let Some(place) = place.filter(|place| place.epoch > told) {
            let log = TableLog::new(self.store.clone(), place.primary.clone());
            let there = newest(&log)?.filter(|there| there.metadata.id == place.id);
            let there = there.ok_or_else(|| promote::gone(&place.primary))?;
            return promote::follow(log, there, &newest).map(Some);
        }
        match first {
            Some(first) => promote::follow(own.clone(), first, &newest).map(Some),
            None => Ok(None),
        }
    }

    /// The newest version in a log, reached from one that was read before.
    fn newest_of(&self, log: &TableLog) -> Result<Option<Arc<Snapshot>>> {
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
        if let Some(snapshot) = &snapshot
            && let Some(about) = log.about(snapshot.version)?
        {
            let known = (Arc::clone(snapshot), about);
            self.known().insert(log.directory.clone(), known);
        }
        Ok(snapshot)
    }

    /// A table whose directory cannot be read: the newest version that a replica has, if that may be so old.
    fn lost(
        &self,
        name: &str,
        own: &TableLog,
        place: &Place,
        staleness: Staleness,
        error: Option<Error>,
    ) -> Result<Option<DurableTable>> {
        let error = error.unwrap_or_else(|| promote::gone(&place.primary));
        if staleness == Staleness::Strong {
            return Err(error);
        }
        let known = self.looked(own);
        let least = known.as_ref().map_or(0, |looked| {
            let written = self.routes.written(&looked.log.directory);
            looked.snapshot.version.max(written)
        });
        let directories = std::iter::once(&place.primary).chain(&place.replicas);
        let copies = directories.filter_map(|directory| {
            let log = TableLog::new(self.store.apart(), directory.clone());
            let snapshot = log.latest().ok().flatten();
            let snapshot = snapshot.filter(|snapshot| snapshot.metadata.id == place.id)?;
            Some((log, snapshot))
        });
        let Some((log, snapshot)) = copies.max_by_key(|(_, snapshot)| snapshot.version) else {
            return Err(error);
        };
        let age = u64::try_from(now().saturating_sub(snapshot.state.timestamp)).unwrap_or_default();
        let is_old = match staleness {
            Staleness::Within(most) => Duration::from_millis(age) > most,
            Staleness::Strong | Staleness::Any => false,
        };
        if is_old || (snapshot.version < least && staleness != Staleness::Any) {
            let message = format!(
                "{}; the newest copy, in {}, is version {} of {} s ago",
                error.message(),
                log.directory.display(),
                snapshot.version,
                age.div_ceil(1000)
            );
            let error = Error::new(ErrorKind::Unavailable, "TM0505", message);
            return Err(match is_old {
                true => {
                    error.hint("bring the directory back, or allow older versions: @@max_staleness")
                }
                false => {
                    error.hint("this session has seen a newer version: bring the directory back")
                }
            });
        }
        self.table(name, log, snapshot).map(Some)
    }

    fn table(&self, name: &str, log: TableLog, snapshot: Arc<Snapshot>) -> Result<DurableTable> {
        // Rows that move into a segment meanwhile are in the version that is read after this.
        let read = ingest::read(&log)?;
        let snapshot = log.newest_after(snapshot)?;
        Ok(DurableTable {
            name: name.to_string(),
            waiting: Arc::new(ingest::waiting(read, &snapshot)),
            replicas: Arc::new(snapshot.replicas.clone()),
            log,
            snapshot,
            routes: Arc::clone(&self.routes),
            policy: Policy::default(),
            hedged: true,
        })
    }

    /// Where a table's copies are by now is kept beside the tables, for the day on which its directory is lost. A disk that does not
    /// take that keeps nobody from working.
    pub(crate) fn remember(&self, name: &str, log: &TableLog, snapshot: &Snapshot) {
        let place = Place::of(log, snapshot);
        let alone = place.replicas.is_empty() && place.epoch == 0;
        let place = (!alone).then_some(place);
        let _ = places::write(&self.store, &self.directory, name, place);
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
        // Those whose own directory is lost, or was left when another one was promoted.
        names.extend(places::all(&self.store, &self.directory).into_keys());
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Takes a table away: at once for everybody who looks, then its files.
    pub(crate) fn drop_table(&self, table: &DurableTable) -> Result<()> {
        let gone = self.directory.join(format!("{DROPPED}{}", unique()));
        // The directory of a replica that was promoted stays, as those of replicas do.
        let own = self.log(&table.name).directory;
        if self.store.about(&own)?.is_some() {
            self.store.rename(&own, &gone)?;
            self.store.sync_directory(&self.directory)?;
        }
        places::write(&self.store, &self.directory, &table.name, None)?;
        self.known().remove(&own);
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.remove(&own);
        drop(looked);
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.remove(&table.log.directory);
        drop(buffers);
        self.store.remove_tree(&gone)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
