//! What each of a range of versions added to the table and took out of it.

use std::sync::Arc;

use super::action::Commit;
use super::log::TableLog;
use super::protocol::setting;
use super::schema::{ARROW_SCHEMA, Columns};
use super::snapshot::{Segment, Snapshot, State};
use crate::error::{Error, ErrorKind, Result};

/// A version's segments that came and went with changed rows.
#[derive(Debug)]
pub(crate) struct VersionChange {
    pub(crate) version: u64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) added: Vec<Arc<Segment>>,
    pub(crate) removed: Vec<Arc<Segment>>,
}

impl VersionChange {
    /// Rows that stayed may be in both lists.
    pub(crate) fn is_rewrite(&self) -> bool {
        !self.added.is_empty() && !self.removed.is_empty()
    }
}

impl TableLog {
    /// The changes of the versions from `first` to `last`, each whole. TM0328 where columns were other ones.
    pub(crate) fn changes(&self, first: u64, last: &Snapshot) -> Result<Vec<VersionChange>> {
        let mut state = match first.checked_sub(1) {
            None => State::default(),
            Some(before) => self.at(before)?.state.clone(),
        };
        let mut changes = Vec::new();
        for version in first..=last.version {
            let commit = self.commit(version)?;
            let removes = commit.removes.iter().filter(|remove| remove.data_change);
            let removed = removes.filter_map(|remove| state.segments.get(&remove.path).cloned());
            let removed: Vec<_> = removed.collect();
            state.apply(&commit);
            check_columns(&commit, version, last)?;
            let adds = commit.adds.iter().filter(|add| add.data_change);
            changes.push(VersionChange {
                version,
                timestamp: state.timestamp,
                added: adds
                    .map(|add| Arc::new(Segment::new(add.clone())))
                    .collect(),
                removed,
            });
        }
        Ok(changes)
    }
}

/// A version may have fewer columns than the last one, and not other ones.
fn check_columns(commit: &Commit, version: u64, last: &Snapshot) -> Result<()> {
    let Some(metadata) = &commit.metadata else {
        return Ok(());
    };
    let columns = Columns::of(&metadata.schema_string, setting(metadata, ARROW_SCHEMA))?;
    let same = columns.seen.fields().iter().all(|field| {
        let now = last.columns.seen.field_with_name(field.name());
        now.is_ok_and(|now| now.data_type() == field.data_type())
    });
    if same {
        return Ok(());
    }
    let message = format!(
        "version {version} has columns that version {} does not have",
        last.version
    );
    Err(Error::new(ErrorKind::Input, "TM0328", message)
        .hint("ask for the changes before and after it apart"))
}
