//! A table as one version has it: the fold of its log.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::action::{Add, Commit, Metadata, Protocol, Remove, Txn};
use super::layout::{Layout, decode};
use super::promote::Home;
use super::protocol::{self, setting};
use super::replica::{self, Replica};
use super::schema::{ARROW_SCHEMA, Columns};
use super::stats;
use crate::error::{Error, ErrorKind, Result};

/// What the log says up to a version, before it is known to be understood.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) protocol: Option<Protocol>,
    pub(crate) metadata: Option<Metadata>,
    /// By path as the log writes it.
    pub(crate) segments: BTreeMap<String, Arc<Segment>>,
    /// Segments of older versions.
    pub(crate) tombstones: BTreeMap<String, Remove>,
    pub(crate) txns: BTreeMap<String, Txn>,
    /// Milliseconds since 1970 of the last commit; never less than that of the one before.
    pub(crate) timestamp: i64,
}

impl State {
    pub(crate) fn apply(&mut self, commit: &Commit) {
        if let Some(protocol) = &commit.protocol {
            self.protocol = Some(protocol.clone());
        }
        if let Some(metadata) = &commit.metadata {
            self.metadata = Some(metadata.clone());
        }
        for txn in &commit.txns {
            self.txns.insert(txn.app_id.clone(), txn.clone());
        }
        for remove in &commit.removes {
            self.segments.remove(&remove.path);
            // Whether rows changed is said of the commit, not of the table.
            let remove = Remove {
                data_change: false,
                ..remove.clone()
            };
            self.tombstones.insert(remove.path.clone(), remove);
        }
        for add in &commit.adds {
            self.tombstones.remove(&add.path);
            let add = Add {
                data_change: false,
                ..add.clone()
            };
            self.segments
                .insert(add.path.clone(), Arc::new(Segment::new(add)));
        }
        let own = commit.info.timestamp.unwrap_or_default();
        self.timestamp = own.max(self.timestamp);
    }
}

/// One immutable file of rows.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) add: Add,
    rows: OnceLock<Option<u64>>,
}

impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        self.add == other.add
    }
}

impl Segment {
    pub(crate) fn new(add: Add) -> Self {
        Segment {
            add,
            rows: OnceLock::new(),
        }
    }

    /// How many rows it has, where the log says so.
    pub(crate) fn rows(&self) -> Option<u64> {
        *self.rows.get_or_init(|| stats::rows(self.statistics()))
    }

    /// What the log says of its values; see `stats.rs`.
    pub(crate) fn statistics(&self) -> &str {
        self.add.stats.as_deref().unwrap_or_default()
    }

    /// The file, below the table's directory. Paths that lead elsewhere are refused.
    pub(crate) fn file(&self) -> Result<PathBuf> {
        let inside = decode(&self.add.path).map(PathBuf::from).filter(|path| {
            let mut parts = path.components();
            parts.all(|part| matches!(part, Component::Normal(_)))
        });
        inside
            .filter(|_| !self.add.path.contains("://"))
            .ok_or_else(|| {
                let message = format!("the segment {} lies outside of its table", self.add.path);
                Error::new(ErrorKind::Data, "TM0741", message)
                    .hint("a shallow clone is not supported: copy the table")
            })
    }

    /// A tag that we wrote.
    pub(crate) fn tag(&self, name: &str) -> Option<&str> {
        self.add.tags.as_ref()?.get(name)?.as_deref()
    }

    /// The buckets whose rows it may hold; `None` where its writer did not say.
    pub(crate) fn buckets(&self) -> Option<(u64, u64)> {
        let (first, last) = self.tag(BUCKETS_TAG)?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }

    /// What takes it out of the table.
    pub(crate) fn removed(&self, data_change: bool, now: i64) -> Remove {
        Remove {
            path: self.add.path.clone(),
            deletion_timestamp: Some(now),
            data_change,
            extended_file_metadata: Some(true),
            partition_values: Some(self.add.partition_values.clone()),
            size: Some(self.add.size),
        }
    }
}

/// The tag that says which buckets a segment holds: `first-last`.
pub(crate) const BUCKETS_TAG: &str = "tidemill.buckets";

/// The tag that holds a segment's checksum.
pub(crate) const CHECKSUM_TAG: &str = "tidemill.xxh64";

/// The tag that holds the checksum of a segment's footer, which has those of everything before it.
pub(crate) const TAIL_TAG: &str = "tidemill.tail";

/// A table as one version has it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) version: u64,
    pub(crate) state: State,
    pub(crate) protocol: Protocol,
    pub(crate) metadata: Metadata,
    pub(crate) columns: Columns,
    pub(crate) layout: Layout,
    /// Where copies of the segments are kept.
    pub(crate) replicas: Vec<Replica>,
    /// Which directory takes its commits.
    pub(crate) home: Home,
}

impl Snapshot {
    /// The snapshot that a folded log stands for; `directory` is for errors.
    pub(crate) fn new(version: u64, state: State, directory: &Path) -> Result<Self> {
        let (Some(protocol), Some(metadata)) = (state.protocol.clone(), state.metadata.clone())
        else {
            return Err(super::damaged(
                directory,
                "it does not say the table's columns",
            ));
        };
        protocol::check_read(&protocol, &metadata)?;
        let columns = Snapshot::columns_of(&metadata)?;
        Ok(Snapshot {
            version,
            layout: Layout::of(&metadata, &columns)?,
            replicas: replica::of(&metadata)?,
            home: Home::of(&metadata),
            state,
            protocol,
            metadata,
            columns,
        })
    }

    /// The columns of a table that says this of itself.
    pub(super) fn columns_of(metadata: &Metadata) -> Result<Columns> {
        Columns::of(&metadata.schema_string, setting(metadata, ARROW_SCHEMA))
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.state.segments.values()
    }

    /// TM0741 where we cannot write the table.
    pub(crate) fn check_write(&self) -> Result<()> {
        protocol::check_write(&self.protocol, &self.metadata)
    }

    /// TM0745 where rows may not be taken away.
    pub(crate) fn check_remove(&self) -> Result<()> {
        protocol::check_remove(&self.metadata)
    }

    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        setting(&self.metadata, name)
    }
}
