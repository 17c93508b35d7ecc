//! When two writers meet: whether the later one may go on over what the earlier one did.
//!
//! Rows that are only added never meet anything. Who takes segments away meets those who took the same ones: the rows that
//! somebody added meanwhile simply come after. Who adds rows because of what it read (UPDATE, MERGE, INSERT of the table's own
//! rows) meets those who did the same where it looked: neither of the two could have come first. A change of columns or settings
//! stands alone.

use super::action::{Add, Commit};
use crate::error::{Error, ErrorKind, Result};

/// Whether a statement would have read a segment, had it been there.
pub(crate) type Reads<'r> = &'r dyn Fn(&Add) -> bool;

/// What a statement reads whose rows do not depend on the table.
pub(crate) fn nothing(_: &Add) -> bool {
    false
}

/// TM0740 if `ours`, made over an older version, cannot follow `theirs`.
pub(crate) fn check(ours: &Commit, reads: Reads, theirs: &Commit, version: u64) -> Result<()> {
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
    let mut new = theirs.adds.iter().filter(|add| add.data_change);
    let depends = ours.adds.iter().any(|add| add.data_change);
    if depends && !theirs.is_blind_append() && new.any(reads) {
        return Err(conflict(
            version,
            "changed rows that this statement has read",
        ));
    }
    let again = |theirs: &super::action::Txn| {
        // Also where ours goes further: it was made without knowing how far the application had come.
        ours.txns.iter().any(|ours| ours.app_id == theirs.app_id)
    };
    if theirs.txns.iter().any(again) {
        return Err(conflict(version, "wrote for the same application"));
    }
    Ok(())
}

fn conflict(version: u64, what: &str) -> Error {
    let message =
        format!("another writer {what} meanwhile (version {version}); nothing was written");
    Error::new(ErrorKind::Busy, "TM0740", message).hint("run the statement again")
}
