//! Fingerprints: what must be equal for a step to be the same, in 64 bits.

use std::fmt;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use super::look::{Source, Target};
use super::report::{FileState, Input, Output};
use crate::error::{Error, ErrorKind, FilePlace, Result};

/// Files of one input or output that a report names; the others are counted.
const FILES_NAMED: usize = 1000;

/// Folders inside each other that an output may have.
const FOLDERS_DEEP: usize = 32;

/// Two texts with the same one are taken to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Fingerprint(u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> String {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Fingerprint)
    }
}

impl Fingerprint {
    /// The fingerprint of several texts, which are kept apart.
    pub(super) fn of<'t>(parts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut hasher = XxHash64::with_seed(0);
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part.as_bytes());
        }
        Fingerprint(hasher.finish())
    }
}

/// A source as it is now.
pub(super) fn input(source: &Source) -> Result<Input> {
    match source {
        Source::Table { name, version, .. } => Ok(Input {
            name: name.clone(),
            version: Some(*version),
            files: Vec::new(),
            file_count: 0,
            bytes: 0,
            fingerprint: Fingerprint::of([name.as_str(), &version.to_string()]).to_string(),
        }),
        Source::Files { path, files } => {
            let states = files.iter().map(|(file, elsewhere)| match elsewhere {
                Some((bytes, _)) => Ok(FileState {
                    path: file.display().to_string(),
                    bytes: *bytes,
                    modified_unix_ns: 0,
                }),
                None => state(file),
            });
            let states = states.collect::<Result<Vec<_>>>()?;
            let here = of_files(&states).to_string();
            let elsewhere = files.iter().filter_map(|(_, elsewhere)| elsewhere.as_ref());
            let mut versions = elsewhere.map(|(_, version)| version.as_str()).peekable();
            let fingerprint = match versions.peek() {
                Some(_) => Fingerprint::of(versions.chain([here.as_str()])).to_string(),
                None => here,
            };
            Ok(Input {
                name: path.clone(),
                version: None,
                file_count: states.len() as u64,
                bytes: states.iter().map(|state| state.bytes).sum(),
                fingerprint,
                files: named(states),
            })
        }
    }
}

/// A written file or folder as it is now; `None` where there is none.
pub(super) fn output(path: &Path) -> Result<Option<Output>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut found = Vec::new();
    below(path, FOLDERS_DEEP, &mut found)?;
    found.sort();
    let states = found.iter().map(|file| state(file));
    let states = states.collect::<Result<Vec<_>>>()?;
    Ok(Some(Output {
        name: path.display().to_string(),
        version: None,
        file_count: states.len() as u64,
        bytes: states.iter().map(|state| state.bytes).sum(),
        fingerprint: of_files(&states).to_string(),
        files: named(states),
    }))
}

fn below(path: &Path, deep: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        found.push(path.to_path_buf());
        return Ok(());
    }
    if deep == 0 {
        let message = "the folders of an output lie too deep inside each other";
        return Err(Error::new(ErrorKind::Limit, "TM0701", message).in_file(place(path)));
    }
    for entry in std::fs::read_dir(path).map_err(|error| unreadable(path, &error))? {
        let entry = entry.map_err(|error| unreadable(path, &error))?;
        below(&entry.path(), deep - 1, found)?;
    }
    Ok(())
}

fn state(path: &Path) -> Result<FileState> {
    let about = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let modified = about.modified().map_err(|error| unreadable(path, &error))?;
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(FileState {
        path: path.display().to_string(),
        bytes: about.len(),
        modified_unix_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
    })
}

fn of_files(states: &[FileState]) -> Fingerprint {
    let parts: Vec<String> = states
        .iter()
        .map(|state| {
            let path = std::path::absolute(&state.path);
            let path = path.map_or_else(|_| state.path.clone(), |path| path.display().to_string());
            format!("{path}\n{}\n{}", state.bytes, state.modified_unix_ns)
        })
        .collect();
    Fingerprint::of(parts.iter().map(String::as_str))
}

fn named(mut states: Vec<FileState>) -> Vec<FileState> {
    states.truncate(FILES_NAMED);
    states
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("this file cannot be looked at: {}", error.kind());
    Error::new(ErrorKind::Io, "TM0703", message).in_file(place(path))
}

fn place(path: &Path) -> FilePlace {
    FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    }
}

/// Whether what `target` writes may be among the files of `path`, as a query names them.
pub(super) fn meets(target: &Target, path: &Path) -> bool {
    let Target::Files(written) = target else {
        return false;
    };
    let (Ok(written), Ok(read)) = (std::path::absolute(written), std::path::absolute(path)) else {
        return true;
    };
    // Up to the first folder that a pattern stands for.
    let fixed: PathBuf = read
        .components()
        .take_while(|part| {
            let part = part.as_os_str().to_string_lossy();
            !part.contains(['*', '?', '[', '{'])
        })
        .collect();
    written.starts_with(&fixed) || fixed.starts_with(&written)
}
