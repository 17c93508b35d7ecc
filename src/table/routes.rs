//! What a database knows of the copies of its tables, and the file that tells the next process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::log::now;
use super::readers::Readers;
use crate::route::{Ended, Outcome, Router};
use crate::store::Store;

/// The file, in the database's directory. It is no table, as its name begins so.
pub(crate) const HEALTH: &str = ".tidemill-health.json";

/// Bytes that the file may have.
const BYTES_MAX: u64 = 1 << 20;

/// The router of a database.
#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) router: Router,
    pub(crate) readers: Readers,
    /// A handle of its own: what goes wrong with this file closes nothing.
    store: Store,
    path: PathBuf,
    /// The file was there and could not be read.
    damaged: AtomicBool,
    writing: Mutex<()>,
    /// The newest version that this process has made, by the table's directory: it never reads an older one after that.
    written: Mutex<HashMap<PathBuf, u64>>,
}

impl Routes {
    /// With what earlier processes left. A file that cannot be read is as none: everything is learned again.
    pub(crate) fn open(store: &Store, directory: &Path) -> Self {
        let routes = Routes {
            router: Router::default(),
            readers: Readers::default(),
            store: store.apart(),
            path: directory.join(HEALTH),
            damaged: AtomicBool::new(false),
            writing: Mutex::default(),
            written: Mutex::default(),
        };
        if let Some(text) = routes.text() {
            let learned = routes.router.learn(&text, clock());
            routes.damaged.store(learned.is_err(), Ordering::Relaxed);
        }
        routes
    }

    /// Whether the file was there and could not be read.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    fn text(&self) -> Option<String> {
        let about = self.store.about(&self.path).ok().flatten()?;
        if about.bytes > BYTES_MAX {
            return Some(String::new());
        }
        let bytes = self.store.read(&self.path).ok().flatten()?;
        Some(String::from_utf8(bytes).unwrap_or_default())
    }

    /// This process has made a version.
    pub(crate) fn wrote(&self, directory: &Path, version: u64) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = written.entry(directory.to_path_buf()).or_default();
        *newest = version.max(*newest);
    }

    /// The newest version that this process has made.
    pub(crate) fn written(&self, directory: &Path) -> u64 {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(directory).copied().unwrap_or_default()
    }

    /// As [`Router::end`].
    pub(crate) fn end(&self, name: &str, bytes: u64, ended: Ended) {
        if self.router.end(name, bytes, ended, clock()) {
            self.save();
        }
    }

    /// As [`Router::second_won`].
    pub(crate) fn second_won(&self, table: &str, names: (&str, &str), bytes: u64, micros: u64) {
        if self.router.second_won(table, names, bytes, micros, clock()) {
            self.save();
        }
    }

    /// As [`Router::heard`].
    pub(crate) fn heard(&self, name: &str, outcome: Outcome) {
        if self.router.heard(name, outcome, clock()) {
            self.save();
        }
    }

    /// A copy was looked after and is whole.
    pub(crate) fn forgive(&self, name: &str) {
        if self.router.forgive(name, clock()) {
            self.save();
        }
    }

    /// Tells later processes. A disk that takes no file keeps nobody from reading.
    fn save(&self) {
        let _alone = self.writing.lock();
        let text = self.router.health(self.text().as_deref(), clock());
        if self.store.replace(&self.path, text.as_bytes()).is_ok() {
            self.damaged.store(false, Ordering::Relaxed);
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn clock() -> u64 {
    u64::try_from(now()).unwrap_or_default()
}
