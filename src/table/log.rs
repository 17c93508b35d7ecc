//! The log of one table: its versions on disk, the snapshots they fold to, and the commit of a new one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::action::Commit;
use super::conflict::Reads;
use super::doctor::Severity;
use super::snapshot::{Snapshot, State};
use super::{checkpoint, conflict, damaged, mirror, promote};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{About, Store, unique};

/// Commits from one checkpoint to the next, where the table does not say.
const CHECKPOINT_EVERY: u64 = 10;

/// The log of one table.
#[derive(Debug, Clone)]
pub(crate) struct TableLog {
    pub(crate) store: Store,
    /// The table's directory.
    pub(crate) directory: PathBuf,
}

/// What lies in the log's directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Versions, with the time their files were written.
    commits: BTreeMap<u64, SystemTime>,
    /// Checkpoints by version, each with its files.
    checkpoints: BTreeMap<u64, Vec<String>>,
}

/// One line of a table's history.
#[derive(Debug, Clone)]
pub(crate) struct HistoryEntry {
    pub(crate) version: u64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) commit: Commit,
}

impl Listing {
    /// The oldest and the newest version that can be read.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        let newest_commit = self.commits.keys().next_back();
        let newest = newest_commit.max(self.checkpoints.keys().next_back())?;
        // Commits before a gap are of no use unless they begin at 0.
        let from_start = self.commits.contains_key(&0).then_some(&0);
        let oldest = from_start.or_else(|| self.checkpoints.keys().next());
        Some((*oldest.unwrap_or(newest), *newest))
    }

    pub(super) fn checkpoints(&self) -> &BTreeMap<u64, Vec<String>> {
        &self.checkpoints
    }

    pub(super) fn commits(&self) -> impl Iterator<Item = u64> {
        self.commits.keys().copied()
    }

    /// Versions whose commits are missing: behind the newest checkpoint nobody else knows what they said. Of those before it, which
    /// may have been cleaned up, only the last.
    pub(super) fn gaps(&self) -> Vec<(u64, Severity)> {
        let Some((_, newest)) = self.range() else {
            return Vec::new();
        };
        let known = self.checkpoints.keys().next_back().copied();
        let missing = |version: &u64| !self.commits.contains_key(version);
        let needed = known.map_or(0, |known| known + 1);
        let cleaned = (0..needed).rev().find(missing);
        let lost = (needed..=newest).filter(missing);
        cleaned
            .map(|version| (version, Severity::Note))
            .into_iter()
            .chain(lost.map(|version| (version, Severity::Broken)))
            .collect()
    }
}

impl TableLog {
    pub(crate) fn new(store: Store, directory: PathBuf) -> Self {
        TableLog { store, directory }
    }

    pub(crate) fn log_directory(&self) -> PathBuf {
        self.directory.join("_delta_log")
    }

    pub(super) fn commit_file(&self, version: u64) -> PathBuf {
        self.log_directory().join(format!("{version:020}.json"))
    }

    pub(crate) fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for entry in self.store.list(&self.log_directory())? {
            let Some((digits, rest)) = entry.name.split_once('.') else {
                continue;
            };
            let Some(version) = (digits.len() == 20).then(|| digits.parse().ok()).flatten() else {
                continue;
            };
            if rest == "json" {
                listing.commits.insert(version, entry.about.modified);
            } else if checkpoint::is_part(rest) {
                let parts = listing.checkpoints.entry(version).or_default();
                parts.push(entry.name);
            }
        }
        Ok(listing)
    }

    /// The newest version. `None` where there is no table.
    pub(crate) fn latest(&self) -> Result<Option<Arc<Snapshot>>> {
        let listing = self.list()?;
        let Some((_, newest)) = listing.range() else {
            return Ok(None);
        };
        let snapshot = self.build(&listing, newest)?;
        Ok(Some(Arc::new(snapshot)))
    }

    /// The newest version, reached from one that was read before.
    pub(crate) fn newest_after(&self, known: Arc<Snapshot>) -> Result<Arc<Snapshot>> {
        let Some(commit) = self.read_commit(known.version + 1)? else {
            return Ok(known);
        };
        let (mut state, mut version) = (known.state.clone(), known.version + 1);
        state.apply(&commit);
        while let Some(commit) = self.read_commit(version + 1)? {
            state.apply(&commit);
            version += 1;
        }
        Snapshot::new(version, state, &self.log_directory()).map(Arc::new)
    }

    /// The file of a version's commit.
    pub(crate) fn about(&self, version: u64) -> Result<Option<About>> {
        self.store.about(&self.commit_file(version))
    }

    /// One version. TM0307 where it is not there.
    pub(crate) fn at(&self, version: u64) -> Result<Arc<Snapshot>> {
        let listing = self.list()?;
        let range = listing.range();
        match range {
            Some((oldest, newest)) if (oldest..=newest).contains(&version) => {
                self.build(&listing, version).map(Arc::new)
            }
            _ => Err(no_version(&format!("version {version}"), range)),
        }
    }

    /// The newest version that was there at a time, in milliseconds since 1970.
    pub(crate) fn at_time(&self, time: i64) -> Result<Arc<Snapshot>> {
        let history = self.history()?;
        let last = history.iter().rev().find(|entry| entry.timestamp <= time);
        match last {
            Some(entry) => self.at(entry.version),
            None => Err(no_version("a version of that time", self.list()?.range())),
        }
    }

    /// Every version that still has its commit, the oldest first.
    pub(crate) fn history(&self) -> Result<Vec<HistoryEntry>> {
        let listing = self.list()?;
        let mut entries: Vec<HistoryEntry> = Vec::with_capacity(listing.commits.len());
        let mut before = i64::MIN;
        for (version, modified) in &listing.commits {
            let commit = self.commit(*version)?;
            let own = commit
                .info
                .timestamp
                .unwrap_or_else(|| milliseconds(*modified));
            before = own.max(before);
            entries.push(HistoryEntry {
                version: *version,
                timestamp: before,
                commit,
            });
        }
        Ok(entries)
    }

    /// The commit that made a version.
    pub(crate) fn commit(&self, version: u64) -> Result<Commit> {
        let commit = self.read_commit(version)?;
        commit.ok_or_else(|| damaged(&self.commit_file(version), "this version is missing"))
    }

    fn read_commit(&self, version: u64) -> Result<Option<Commit>> {
        let path = self.commit_file(version);
        let bytes = self.store.read(&path)?;
        let commit = bytes.map(|bytes| Commit::decode(&bytes, &path));
        commit.transpose()
    }

    /// Folds the log up to a version, from the newest checkpoint that can be read.
    fn build(&self, listing: &Listing, version: u64) -> Result<Snapshot> {
        let mut reason = None;
        for (start, parts) in listing.checkpoints.range(..=version).rev() {
            match checkpoint::read(self, *start, parts) {
                Ok(state) => return self.fold(state, start + 1, version),
                // An older checkpoint, or the log from its start, says the same.
                Err(error) => reason = Some(error),
            }
        }
        match reason {
            Some(error) if !listing.commits.contains_key(&0) => Err(error),
            _ => self.fold(State::default(), 0, version),
        }
    }

    fn fold(&self, mut state: State, first: u64, version: u64) -> Result<Snapshot> {
        for next in first..=version {
            state.apply(&self.commit(next)?);
        }
        Snapshot::new(version, state, &self.log_directory())
    }

    fn after(&self, snapshot: &Snapshot, commit: &Commit) -> Result<Snapshot> {
        let mut state = snapshot.state.clone();
        state.apply(commit);
        Snapshot::new(snapshot.version + 1, state, &self.log_directory())
    }

    /// The first version. TM0702 where there is a table already.
    pub(crate) fn create(&self, mut commit: Commit) -> Result<Arc<Snapshot>> {
        self.store.make_directory(&self.log_directory())?;
        stamp(&mut commit, 0);
        let mut state = State::default();
        state.apply(&commit);
        let snapshot = Snapshot::new(0, state, &self.log_directory())?;
        snapshot.check_write()?;
        if self
            .store
            .put_if_absent(&self.commit_file(0), &commit.encode()?)?
        {
            return Ok(Arc::new(snapshot));
        }
        Err(
            Error::new(ErrorKind::Input, "TM0702", "the table exists already")
                .hint("write CREATE OR REPLACE, or IF NOT EXISTS"),
        )
    }

    /// Commits over `base`, after whatever was committed since if the two do not meet (TM0740).
    pub(crate) fn append(
        &self,
        base: &Arc<Snapshot>,
        mut commit: Commit,
        reads: Reads,
    ) -> Result<Arc<Snapshot>> {
        let base = Arc::clone(base);
        commit.info.txn_id = Some(unique());
        promote::check_home(self, &base)?;
        // Who adds or drops a replica meanwhile makes a commit that this one cannot follow.
        mirror::before_commit(self, &base, &commit)?;
        let mirrored = Arc::clone(&base);
        let result = self.append_after(base, &mut commit, reads);
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::Busy | ErrorKind::Input)
        {
            mirror::take_back(self, &mirrored, &commit);
        }
        result
    }

    fn append_after(
        &self,
        mut base: Arc<Snapshot>,
        commit: &mut Commit,
        reads: Reads,
    ) -> Result<Arc<Snapshot>> {
        loop {
            base.check_write()?;
            if commit.removes.iter().any(|remove| remove.data_change) {
                base.check_remove()?;
            }
            stamp(commit, base.state.timestamp);
            let version = base.version + 1;
            let bytes = commit.encode()?;
            if self
                .store
                .put_if_absent(&self.commit_file(version), &bytes)?
            {
                return self.after(&base, commit).map(Arc::new);
            }
            let theirs = self.commit(version)?;
            promote::check_moved(self, &theirs)?;
            conflict::check(commit, reads, &theirs, version)?;
            base = Arc::new(self.after(&base, &theirs)?);
        }
    }

    /// Commits right behind `base`, and nowhere else (TM0740), whoever may write here.
    pub(super) fn append_here(
        &self,
        base: &Arc<Snapshot>,
        commit: &mut Commit,
    ) -> Result<Arc<Snapshot>> {
        commit.info.txn_id = Some(unique());
        stamp(commit, base.state.timestamp);
        let file = self.commit_file(base.version + 1);
        if self.store.put_if_absent(&file, &commit.encode()?)? {
            return self.after(base, commit).map(Arc::new);
        }
        let message = "another process made a version here meanwhile; nothing was changed";
        Err(Error::new(ErrorKind::Busy, "TM0740", message).hint("run the statement again"))
    }

    /// Writes a checkpoint where one is due; the commit before it stands whatever becomes of it.
    pub(crate) fn checkpoint_if_due(&self, snapshot: &Snapshot) -> Result<bool> {
        let every = snapshot.setting("delta.checkpointInterval");
        let every = every.and_then(|text| text.parse().ok());
        let every = every.filter(|every| *every > 0).unwrap_or(CHECKPOINT_EVERY);
        let due = snapshot.version > 0 && snapshot.version.is_multiple_of(every);
        if due {
            checkpoint::write(self, snapshot)?;
        }
        Ok(due)
    }
}

/// The time of a commit: now, and never before the commit it follows.
fn stamp(commit: &mut Commit, before: i64) {
    commit.info.timestamp = Some(now().max(before + 1));
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    milliseconds(SystemTime::now())
}

pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO).as_millis();
    i64::try_from(since).unwrap_or(i64::MAX)
}

/// TM0307: there is no such version.
pub(crate) fn no_version(what: &str, range: Option<(u64, u64)>) -> Error {
    let error = Error::new(
        ErrorKind::Input,
        "TM0307",
        format!("the table has no {what}"),
    );
    match range {
        Some((oldest, newest)) => error.available(format!("versions {oldest} to {newest}")),
        None => error,
    }
}
