//! Which copies of a table there are: a setting of the table, of which other readers take no notice.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::action::Metadata;
use super::log::TableLog;
use super::projection::Projection;
use super::promote::{EPOCH, PRIMARY};
use super::protocol::setting;
use crate::error::{Error, ErrorKind, Result};

/// The setting's name.
pub(crate) const REPLICAS: &str = "tidemill.replicas";

/// Replicas that a table may have.
const REPLICAS_MAX: usize = 16;

/// What a replica may weigh.
pub(crate) const WEIGHT_MAX: u32 = 1000;

/// A directory that mirrors a table's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replica {
    /// From the root.
    pub(crate) path: PathBuf,
    pub(crate) mode: Mode,
    /// Its share of the reads where they are spread by weight; the table's own directory weighs 1.
    pub(crate) weight: u32,
    /// It has the rows in another order, and is no copy of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) projection: Option<Projection>,
}

/// When a replica gets the segments of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Before the commit is seen: it fails where they cannot be copied.
    Sync,
    /// After the commit, which stands whatever becomes of them.
    Async,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Sync => "sync",
            Mode::Async => "async",
        }
    }
}

impl Replica {
    /// Its directory as that of a table. A sync that fails there does not close the database.
    pub(crate) fn log(&self, table: &TableLog) -> TableLog {
        TableLog::new(table.store.apart(), self.path.clone())
    }

    /// As it is called in errors and rows.
    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// The replicas that a table says it has.
pub(crate) fn of(metadata: &Metadata) -> Result<Vec<Replica>> {
    let Some(text) = setting(metadata, REPLICAS) else {
        return Ok(Vec::new());
    };
    serde_json::from_str(text).map_err(|_| {
        let message = format!("the table's setting {REPLICAS} cannot be read");
        Error::new(ErrorKind::Data, "TM0742", message).hint("restore a version before it changed")
    })
}

/// The same table with other replicas.
pub(crate) fn with_replicas(metadata: &Metadata, replicas: &[Replica]) -> Result<Metadata> {
    let mut metadata = metadata.clone();
    if replicas.len() > REPLICAS_MAX {
        let message = format!("a table has no more than {REPLICAS_MAX} replicas");
        return Err(Error::new(ErrorKind::Limit, "TM0752", message));
    }
    if replicas.is_empty() {
        metadata.configuration.remove(REPLICAS);
        return Ok(metadata);
    }
    let text = serde_json::to_string(replicas).map_err(|error| Error::bug(error.to_string()))?;
    let setting = (REPLICAS.to_string(), Some(text));
    metadata.configuration.extend([setting]);
    Ok(metadata)
}

/// `metadata` with the replicas that `current` has: where copies lie is of the table, not of one of its versions.
pub(crate) fn keep(metadata: &Metadata, current: &Metadata) -> Metadata {
    let mut kept = metadata.clone();
    for setting in [REPLICAS, PRIMARY, EPOCH] {
        kept.configuration.remove(setting);
        let own = current.configuration.get_key_value(setting);
        kept.configuration
            .extend(own.map(|(name, value)| (name.clone(), value.clone())));
    }
    kept
}
