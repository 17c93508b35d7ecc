//! What a job remembers between its runs: one file, replaced whole, and a lock beside it.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, output};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::store::Store;

/// The format of the file. Another number is a file of another version of the program.
const FORMAT: u32 = 1;

/// Steps that are remembered; those that were done longest ago are forgotten first.
const STEPS_KEPT: usize = 1000;

/// What is known of earlier runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The script, as an absolute path.
    pub(super) script: String,
    pub(super) run: Option<LastRun>,
    /// In the order in which they were done.
    pub(super) steps: Vec<DoneStep>,
}

/// The run that began last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct LastRun {
    /// It came to its end, and nothing failed.
    pub(super) finished: bool,
    /// The values of its parameters, as a command line gives them.
    pub(super) parameters: BTreeMap<String, String>,
    /// The frames of the steps that are done.
    pub(super) done: Vec<Fingerprint>,
}

/// A step that was done, and what it left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DoneStep {
    /// Of text, names and settings.
    pub(super) frame: Fingerprint,
    /// Of these and of what was read.
    pub(super) fingerprint: Fingerprint,
    pub(super) text: Fingerprint,
    /// To say what changed since.
    pub(super) names: BTreeMap<String, Fingerprint>,
    pub(super) inputs: BTreeMap<String, String>,
    pub(super) outputs: Vec<Left>,
}

/// Something that a step left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Left {
    Files {
        path: PathBuf,
        fingerprint: String,
    },
    Table {
        name: String,
        directory: PathBuf,
        version: u64,
        /// No other version will do.
        exact: bool,
        /// The frame of the step that wrote it last in that run.
        by: Fingerprint,
    },
}

impl DoneStep {
    /// The tables that it made with others, each with the frame of the step that wrote it last.
    pub(super) fn made_with(&self) -> Vec<(PathBuf, Fingerprint)> {
        let tables = self.outputs.iter().filter_map(|left| match left {
            Left::Table {
                directory,
                exact: true,
                by,
                ..
            } => Some((directory.clone(), *by)),
            _ => None,
        });
        tables.collect()
    }

    /// What is not as the step left it, if anything.
    pub(super) fn not_as_left(&self, engine: &Engine) -> Result<Option<String>> {
        for left in &self.outputs {
            let complaint = match left {
                Left::Files { path, fingerprint } => match output(path)? {
                    None => Some(format!("{} is missing", path.display())),
                    Some(now) if now.fingerprint != *fingerprint => {
                        Some(format!("{} was changed since", path.display()))
                    }
                    Some(_) => None,
                },
                Left::Table {
                    name,
                    directory,
                    version,
                    exact,
                    by: _,
                } => match engine.catalog().find_kept(name)? {
                    None => Some(format!("the table {name} is missing")),
                    Some(now) => {
                        let seen = now.snapshot.version;
                        let other = now.log.directory != *directory
                            || seen < *version
                            || (*exact && seen != *version);
                        other.then(|| format!("the table {name} was changed since"))
                    }
                },
            };
            if complaint.is_some() {
                return Ok(complaint);
            }
        }
        Ok(None)
    }
}

impl Memory {
    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<&DoneStep> {
        let mut steps = self.steps.iter().rev();
        steps.find(|step| step.fingerprint == fingerprint)
    }

    pub(super) fn add(&mut self, step: DoneStep) {
        self.steps
            .retain(|other| other.fingerprint != step.fingerprint);
        self.steps.push(step);
        let surplus = self.steps.len().saturating_sub(STEPS_KEPT);
        self.steps.drain(..surplus);
    }

    /// A table was written again: the steps of this run that made it left this version.
    pub(super) fn rewritten(
        &mut self,
        of_run: &[Fingerprint],
        table: &Path,
        (now, writer): (u64, Fingerprint),
    ) {
        for step in &mut self.steps {
            if !of_run.contains(&step.fingerprint) {
                continue;
            }
            for left in &mut step.outputs {
                if let Left::Table {
                    directory,
                    version,
                    by,
                    ..
                } = left
                    && directory == table
                {
                    (*version, *by) = (now, writer);
                }
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    checksum: Fingerprint,
    memory: Memory,
}

fn checksum(memory: &Memory) -> Fingerprint {
    let text = serde_json::to_string(memory).unwrap_or_default();
    Fingerprint::of([text.as_str()])
}

/// Where a job's memory lies. While this is there, no other run of the job can begin.
#[derive(Debug)]
pub(super) struct State {
    file: PathBuf,
    _lock: Option<File>,
}

impl State {
    /// Takes the lock. TM0753 where another run has it.
    pub(super) fn lock(directory: &Path, script: &str) -> Result<Self> {
        Store::real().make_directory(directory)?;
        let file = file_in(directory, script);
        let lock = file.with_extension("lock");
        let failed = |error: &std::io::Error| {
            let message = format!("the lock of the job cannot be taken: {}", error.kind());
            Error::new(ErrorKind::Io, "TM0701", message).in_file(place(&lock))
        };
        let options = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock);
        let held = options.map_err(|error| failed(&error))?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "another run of this job goes on";
                return Err(Error::new(ErrorKind::Busy, "TM0753", message)
                    .in_file(place(&lock))
                    .hint("wait for its end; a run that was killed holds nothing"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        Ok(State {
            file,
            _lock: Some(held),
        })
    }

    /// To look at, without the lock.
    pub(super) fn to_read(directory: &Path, script: &str) -> Self {
        State {
            file: file_in(directory, script),
            _lock: None,
        }
    }

    /// What is known, and what is wrong with the file if nothing of it can be used.
    pub(super) fn read(&self, script: &str) -> Result<(Memory, Option<String>)> {
        let new = || Memory {
            script: script.to_string(),
            ..Memory::default()
        };
        let Some(bytes) = Store::real().read(&self.file)? else {
            return Ok((new(), None));
        };
        let complain = |what: &str| {
            let file = self.file.display();
            let said = format!("{file} {what}: every step runs, and it is written anew");
            Ok((new(), Some(said)))
        };
        let value: serde_json::Value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(_) => return complain("is damaged"),
        };
        if value["format"] != FORMAT {
            return complain("was written by another version of the program");
        }
        match serde_json::from_value::<Written>(value) {
            Ok(written) if checksum(&written.memory) == written.checksum => {
                if written.memory.script == script {
                    return Ok((written.memory, None));
                }
                let message = format!("it is that of another job, {}", written.memory.script);
                Err(Error::new(ErrorKind::Input, "TM0754", message)
                    .in_file(place(&self.file))
                    .hint("give each job a state directory of its own"))
            }
            _ => complain("is damaged"),
        }
    }

    /// Replaces the file: what is in it now is what a later run finds, whatever happens next.
    pub(super) fn write(&self, memory: &Memory) -> Result<()> {
        let written = Written {
            format: FORMAT,
            checksum: checksum(memory),
            memory: memory.clone(),
        };
        let text = serde_json::to_string_pretty(&written)
            .map_err(|error| Error::bug(format!("a job's state cannot be written: {error}")))?;
        Store::real().replace(&self.file, text.as_bytes())
    }
}

fn file_in(directory: &Path, script: &str) -> PathBuf {
    let name = Path::new(script).file_name().unwrap_or_default();
    directory.join(format!("{}.json", name.to_string_lossy()))
}

fn place(path: &Path) -> FilePlace {
    FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    }
}
