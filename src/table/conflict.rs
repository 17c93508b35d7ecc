//! When two writers meet: whether the later one may go on over what the earlier one did.
//!
//! Rows that are only added never meet anything. Who takes segments away meets only those who took the same ones: the rows that
//! somebody added meanwhile simply come after. A change of columns or settings stands alone.

use super::action::Commit;
use crate::error::{Error, ErrorKind, Result};

/// TM0740 if `ours`, made over an older version, cannot follow `theirs`.
pub(crate) fn check(ours: &Commit, theirs: &Commit, version: u64) -> Result<()> {
    let changes_table = |commit: &Commit| commit.metadata.is_some() || commit.protocol.is_some();
    if changes_table(theirs) {
        return Err(conflict(version, "changed the table's columns or settings"));
    }
    if changes_table(ours) && !(theirs.adds.is_empty() && theirs.removes.is_empty()) {
        return Err(conflict(version, "changed the table's rows"));
    }
    let mut taken = theirs.removes.iter();
    if taken.any(|theirs| ours.removes.iter().any(|ours| ours.path == theirs.path)) {
        return Err(conflict(
            version,
            "rewrote or deleted some of the same rows",
        ));
    }
    let again = |theirs: &super::action::Txn| {
        let mut ours = ours.txns.iter();
        ours.any(|ours| ours.app_id == theirs.app_id && ours.version <= theirs.version)
    };
    if theirs.txns.iter().any(again) {
        return Err(conflict(
            version,
            "wrote the same batch of the same application",
        ));
    }
    Ok(())
}

fn conflict(version: u64, what: &str) -> Error {
    let message =
        format!("another writer {what} meanwhile (version {version}); nothing was written");
    Error::new(ErrorKind::Busy, "TM0740", message).hint("run the statement again")
}
