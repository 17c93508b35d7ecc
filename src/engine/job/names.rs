//! What the names of a job stand for, as far as a later run must know to tell whether they stand for the same.
//!
//! A name's fingerprint is that of the text which made it, of the names in that text, and of the files read. No row is needed to
//! know it, so a step can be compared with an earlier run before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::fingerprint::Fingerprint;

/// Names in lower case; those of parameters begin with `@`.
pub(super) type NameSet = BTreeSet<String>;

/// What a name stands for at one place of the job.
#[derive(Debug, Clone)]
pub(super) struct Meaning {
    pub(super) fingerprint: Fingerprint,
    /// The same, but for what is read: it tells what a run that goes on has done, though its inputs changed.
    pub(super) frame: Fingerprint,
    /// It is a value that nothing but constants is in.
    pub(super) is_value: bool,
    /// The names in the text that made it.
    pub(super) mentions: NameSet,
    /// What that text reads.
    pub(super) paths: Vec<PathBuf>,
    /// It may stand for something else in another run, though nothing else changed.
    pub(super) volatile: bool,
}

/// The names known at one place of the job.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeMap<String, Meaning>);

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<&Meaning> {
        self.0.get(name)
    }

    pub(super) fn put(&mut self, name: &str, meaning: Meaning) {
        self.0.insert(name.to_lowercase(), meaning);
    }

    /// The known names among `mentioned`, and those that they in turn depend on.
    pub(super) fn behind(&self, mentioned: &NameSet) -> BTreeMap<&str, &Meaning> {
        let mut found: BTreeMap<&str, &Meaning> = BTreeMap::new();
        let mut waiting: Vec<&str> = mentioned.iter().map(String::as_str).collect();
        while let Some(name) = waiting.pop() {
            if let Some((name, meaning)) = self.0.get_key_value(name)
                && found.insert(name, meaning).is_none()
            {
                waiting.extend(meaning.mentions.iter().map(String::as_str));
            }
        }
        found
    }
}
