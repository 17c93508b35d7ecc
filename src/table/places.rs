//! Where else a database's tables have copies: what is left to know of a table whose own directory is lost.
//!
//! The file is written when replicas come and go. It is a help and not the truth: that stands in the logs. Only the epoch of a
//! promotion that could not be told to the directory it was about is nowhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::log::TableLog;
use super::promote::absolute;
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::store::Store;

/// The file, in the database's directory. It is no table, as its name begins so.
pub(crate) const PLACES: &str = ".tidemill-places.json";

/// Bytes that the file may have.
const BYTES_MAX: u64 = 4 << 20;

/// Where a table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The table's identifier.
    pub(crate) id: String,
    /// The directory that takes commits.
    pub(crate) primary: PathBuf,
    pub(crate) epoch: u64,
    pub(crate) replicas: Vec<PathBuf>,
}

impl Place {
    /// What a version says of it.
    pub(crate) fn of(log: &TableLog, snapshot: &Snapshot) -> Self {
        Place {
            id: snapshot.metadata.id.clone(),
            primary: absolute(&log.directory),
            epoch: snapshot.home.epoch,
            replicas: snapshot
                .replicas
                .iter()
                .map(|one| one.path.clone())
                .collect(),
        }
    }
}

/// By the name of the table.
type Places = BTreeMap<String, Place>;

/// What is known of a table's places. A file that cannot be read is as none.
pub(crate) fn read(store: &Store, database: &Path, name: &str) -> Option<Place> {
    all(store, database).remove(name)
}

pub(super) fn all(store: &Store, database: &Path) -> Places {
    let path = database.join(PLACES);
    let about = store.about(&path).ok().flatten();
    if about.is_none_or(|about| about.bytes > BYTES_MAX) {
        return Places::new();
    }
    let bytes = store.read(&path).ok().flatten().unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// From now on a table is there; `None`: nowhere.
pub(crate) fn write(
    store: &Store,
    database: &Path,
    name: &str,
    place: Option<Place>,
) -> Result<()> {
    let mut places = all(store, database);
    let before = places.get(name).cloned();
    if before == place {
        return Ok(());
    }
    match place {
        Some(place) => places.insert(name.to_string(), place),
        None => places.remove(name),
    };
    let text = serde_json::to_vec(&places).map_err(|error| Error::bug(error.to_string()))?;
    store.apart().replace(&database.join(PLACES), &text)
}
