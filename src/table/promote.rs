//! Which of a table's directories takes its commits.
//!
//! That is the directory the table was made in, until a replica is promoted. The step that makes it so is one commit in the log
//! that is left: it names the new directory and counts the epoch up. Whoever writes there meets this commit and is refused; whoever
//! reads there goes on in the new directory. Stopped before the commit, nothing has happened; stopped behind it, the next one who
//! opens the table copies the commit over, which is all that is missing.
//!
//! A log that cannot be reached cannot be told. FORCE promotes nevertheless: the new epoch stands in the new log, in the replica's
//! mark and in the database's [`places`](super::places), and a writer of the old directory that sees any of them is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::action::{Commit, CommitInfo, Metadata};
use super::conflict::nothing;
use super::log::TableLog;
use super::mirror::{self, Mark};
use super::protocol::setting;
use super::replica::{Replica, with_replicas};
use super::snapshot::Snapshot;
use crate::error::{Error, ErrorKind, Result};

/// The settings that say which directory it is, and how often that has changed.
pub(super) const PRIMARY: &str = "tidemill.primary";
pub(super) const EPOCH: &str = "tidemill.epoch";

/// Directories that are gone through until one takes commits.
const STEPS: usize = 16;

/// Which directory takes commits, as a version says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Home {
    /// From the root; the one it was made in without it.
    pub(crate) primary: Option<PathBuf>,
    pub(crate) epoch: u64,
}

impl Home {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let epoch = setting(metadata, EPOCH).and_then(|text| text.parse().ok());
        Home {
            primary: setting(metadata, PRIMARY).map(PathBuf::from),
            epoch: epoch.unwrap_or_default(),
        }
    }
}

/// From the root.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The same table, with its commits in `primary`.
fn moved(snapshot: &Snapshot, primary: &Path, replicas: &[Replica]) -> Result<Metadata> {
    let mut metadata = with_replicas(&snapshot.metadata, replicas)?;
    let epoch = (snapshot.home.epoch + 1).to_string();
    metadata.configuration.extend([
        (PRIMARY.to_string(), Some(primary.display().to_string())),
        (EPOCH.to_string(), Some(epoch)),
    ]);
    Ok(metadata)
}

/// TM0755 where commits go to another directory than this log's.
pub(super) fn check_home(log: &TableLog, base: &Snapshot) -> Result<()> {
    let own = absolute(&log.directory);
    match &base.home.primary {
        Some(primary) if *primary == own => {
            if log.about(base.version)?.is_none() {
                let message = format!("{} was promoted and lacks the last version", own.display());
                return Err(fenced(
                    message,
                    "the next statement brings it there; run this one again",
                ));
            }
            return Ok(());
        }
        Some(primary) => return Err(elsewhere(&own, primary, base.home.epoch)),
        None => {}
    }
    if mirror::mark(log)?.is_some_and(|mark| !mark.is_primary) {
        let message = format!(
            "{} is the replica of a table and takes no commits",
            own.display()
        );
        return Err(fenced(
            message,
            "write to the table itself; or there: ALTER TABLE … PROMOTE REPLICA",
        ));
    }
    for replica in &base.replicas {
        // One that cannot be asked is not what this waits for.
        let mark = mirror::mark(&replica.log(log)).ok().flatten();
        if mark.is_some_and(|mark| mark.epoch > base.home.epoch && mark.table == base.metadata.id) {
            return Err(elsewhere(&own, &replica.path, base.home.epoch + 1));
        }
    }
    Ok(())
}

/// TM0755 where another commit has moved the table meanwhile.
pub(super) fn check_moved(log: &TableLog, theirs: &Commit) -> Result<()> {
    let own = absolute(&log.directory);
    let home = theirs.metadata.as_ref().map(Home::of).unwrap_or_default();
    match home.primary {
        Some(primary) if primary != own => Err(elsewhere(&own, &primary, home.epoch)),
        _ => Ok(()),
    }
}

fn elsewhere(own: &Path, primary: &Path, epoch: u64) -> Error {
    let message = format!(
        "nothing was written: {} was promoted (epoch {epoch}), and {} takes no more commits",
        primary.display(),
        own.display()
    );
    fenced(
        message,
        "run the statement again: it goes to the new directory",
    )
}

fn fenced(message: String, hint: &str) -> Error {
    Error::new(ErrorKind::Busy, "TM0755", message).hint(hint)
}

/// Where the table's commits go by now and its newest version there, from one of its directories on. A promotion that was stopped
/// is finished on the way.
pub(super) fn follow(
    log: TableLog,
    snapshot: Arc<Snapshot>,
    newest: &dyn Fn(&TableLog) -> Result<Option<Arc<Snapshot>>>,
) -> Result<(TableLog, Arc<Snapshot>)> {
    let (mut log, mut snapshot) = (log, snapshot);
    for _ in 0..STEPS {
        let Some(primary) = snapshot.home.primary.clone() else {
            return Ok((log, snapshot));
        };
        if primary == absolute(&log.directory) {
            return Ok((log, snapshot));
        }
        let next = TableLog::new(log.store.clone(), primary);
        let there = newest(&next)?.filter(|there| there.metadata.id == snapshot.metadata.id);
        match there {
            Some(there) if there.version >= snapshot.version => (log, snapshot) = (next, there),
            Some(_) => {
                // Whoever only reads may not be able to.
                let _ = finish(&log, &next, &snapshot);
                return Ok((next, snapshot));
            }
            None => return Err(gone(&next.directory)),
        }
    }
    let message = "the table's directories name one another as the one that takes commits";
    Err(Error::new(ErrorKind::Data, "TM0742", message))
}

/// TM0505: the directory that takes commits is not there.
pub(super) fn gone(primary: &Path) -> Error {
    let message = format!("the table's directory {} is not there", primary.display());
    Error::new(ErrorKind::Unavailable, "TM0505", message).hint(
        "bring it back; or read an older version from a replica: SET @@max_staleness = INTERVAL 1 HOUR; or write there: ALTER TABLE … PROMOTE REPLICA … FORCE",
    )
}

/// Whether a table's log says that another directory was promoted that does not know it yet: that directory.
pub(super) fn unfinished(log: &TableLog) -> Option<PathBuf> {
    let snapshot = log.latest().ok().flatten()?;
    let primary = snapshot.home.primary.clone()?;
    let next = TableLog::new(log.store.apart(), primary);
    let known = mirror::version(&next).ok().flatten();
    (next.directory != absolute(&log.directory)
        && known.is_none_or(|known| known < snapshot.version))
    .then_some(next.directory)
}

/// What is left to do once the commit stands: the new directory gets it, and marks say what each of the two is.
fn finish(old: &TableLog, new: &TableLog, snapshot: &Snapshot) -> Result<()> {
    mirror::copy_log(old, new, snapshot.version)?;
    set_marks(Some(old), new, snapshot)
}

fn set_marks(old: Option<&TableLog>, new: &TableLog, snapshot: &Snapshot) -> Result<()> {
    let mark = |is_primary| Mark {
        table: snapshot.metadata.id.clone(),
        epoch: snapshot.home.epoch,
        is_primary,
    };
    mirror::set_mark(new, &mark(true))?;
    old.map_or(Ok(()), |old| mirror::set_mark(old, &mark(false)))
}

/// Makes a replica the directory that takes commits. The one that did becomes a replica of the same kind.
pub(crate) fn promote(
    log: &TableLog,
    snapshot: &Arc<Snapshot>,
    replica: &Replica,
) -> Result<(TableLog, Arc<Snapshot>)> {
    mirror::catch_up(log, snapshot, replica)?;
    let mut replicas = snapshot.replicas.clone();
    for other in replicas
        .iter_mut()
        .filter(|other| other.path == replica.path)
    {
        other.path = absolute(&log.directory);
    }
    let commit = Commit {
        metadata: Some(moved(snapshot, &replica.path, &replicas)?),
        info: CommitInfo::of("PROMOTE REPLICA", json!({"path": replica.name()})),
        ..Commit::default()
    };
    // Rows that others added meanwhile make a conflict: the replica does not have them.
    let snapshot = log.append(snapshot, commit, &nothing)?;
    let new = TableLog::new(log.store.clone(), replica.path.clone());
    finish(log, &new, &snapshot)?;
    Ok((new, snapshot))
}

/// The same where the directory that took commits cannot be told: what the replica does not have is lost.
pub(crate) fn promote_alone(
    table: &TableLog,
    known: &Snapshot,
    replica: &Replica,
) -> Result<(TableLog, Arc<Snapshot>)> {
    // A handle that may write: the database's own.
    let new = TableLog::new(table.store.clone(), replica.path.clone());
    mirror::check(table, known, replica)?;
    let base = new.latest()?.ok_or_else(|| gone(&replica.path))?;
    let others = base.replicas.iter();
    let others: Vec<Replica> = others
        .filter(|other| other.path != replica.path)
        .cloned()
        .collect();
    let mut commit = Commit {
        metadata: Some(moved(&base, &replica.path, &others)?),
        info: CommitInfo::of(
            "PROMOTE REPLICA",
            json!({"path": replica.name(), "force": "true"}),
        ),
        ..Commit::default()
    };
    let snapshot = new.append_here(&base, &mut commit)?;
    set_marks(None, &new, &snapshot)?;
    Ok((new, snapshot))
}

#[cfg(test)]
mod tests;
