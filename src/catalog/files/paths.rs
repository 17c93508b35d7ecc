//! From what the user wrote to the files it means.

use std::fs;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, glob_with};

use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::file::format::Format;
use crate::file::pattern::{braces, unescaped};
use crate::file::source::Source;
use crate::file::write::NO_VALUE;

/// Directories may lie in each other so deep; a link that leads upwards ends here.
const DEPTH: usize = 32;

/// The files of a path: itself, those a pattern matches, or those below a directory. Sorted, never empty.
pub(super) fn expand(path: &str) -> Result<Vec<PathBuf>> {
    let plain = Path::new(path);
    let mut found = Vec::new();
    if plain.is_dir() {
        below(plain, DEPTH, &mut found)?;
        if found.is_empty() {
            return Err(nothing(path, "the directory has no data file below it"));
        }
    } else if plain.exists() || !path.contains(['*', '?', '[', '{']) {
        found.push(existing(plain)?);
    } else {
        for pattern in braces(path) {
            matching(&pattern, &mut found)?;
        }
        if found.is_empty() {
            return Err(nothing(path, "no file matches the pattern")
                .hint("paths are relative to the directory the program runs in"));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn nothing(path: &str, message: &str) -> Error {
    Error::new(ErrorKind::Io, "TM0703", message).in_file(FilePlace {
        path: path.into(),
        ..FilePlace::default()
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "TM0701", error.to_string()).in_file(FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    })
}

fn existing(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        // Only its first reader would find something in it, and whoever opens it waits for a writer.
        Ok(found) if !found.is_file() => {
            let message = "this is a pipe or a device, and queries read files in several places";
            Err(nothing(&path.display().to_string(), message).hint(
                "pipe the data into the program and read it as `stdin`, or write it to a file",
            ))
        }
        Ok(_) => Ok(path.to_path_buf()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let error = nothing(&path.display().to_string(), "no such file");
            Err(match similar(path) {
                Some(name) => error
                    .label(format!("did you mean '{name}'?"))
                    .fix(format!("'{}'", name.replace('\'', "''"))),
                None => error.hint("paths are relative to the directory the program runs in"),
            })
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Files of a known format below a directory; names that start with a dot or an underscore are others' business.
fn below(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(|error| unreadable(directory, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(directory, &error))?;
        if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 {
                below(&path, depth - 1, found)?;
            }
        } else if Format::of_ending(&path).is_some()
            || Format::of_file(&Source::from(&path)).is_ok()
        {
            found.push(path);
        }
    }
    Ok(())
}

fn matching(pattern: &str, found: &mut Vec<PathBuf>) -> Result<()> {
    let options = MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..MatchOptions::default()
    };
    let paths = glob_with(pattern, options).map_err(|error| {
        nothing(pattern, &format!("the pattern is wrong: {}", error.msg))
            .hint("`*`, `?`, `[a-z]`, `{a,b}` and `**` stand for names")
    })?;
    for path in paths {
        let path = path.map_err(|error| unreadable(error.path(), error.error()))?;
        if !path.is_dir() {
            found.push(path);
        }
    }
    Ok(())
}

/// The name in the same directory that is most like the file's, if one is.
fn similar(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_string_lossy().to_lowercase();
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    fs::read_dir(parent.unwrap_or(Path::new(".")))
        .ok()?
        .flatten()
        .take(10_000)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= wanted.chars().count().div_ceil(3).min(4))
        .min()
        .map(|(_, name)| {
            parent.map_or(name.clone(), |parent| {
                parent.join(&name).display().to_string()
            })
        })
}

/// How many letters to add, take away or change.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, another) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *another);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// `k=v` in the directories of a path, in order; None for Hive's NULL.
pub(super) fn partition_values(path: &Path) -> Vec<(String, Option<String>)> {
    let directories = path.parent().into_iter().flat_map(Path::components);
    let names = directories.filter_map(|part| part.as_os_str().to_str());
    names
        .filter_map(|name| name.split_once('='))
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| {
            let value = (value != NO_VALUE).then(|| unescaped(value));
            (unescaped(key), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_keys() {
        assert_eq!(distance("orders.csv", "order.csv"), 1);
        assert_eq!(distance("abc", ""), 3);
        let path = Path::new("t/day=2024-01-02/who=a%20b/k=__HIVE_DEFAULT_PARTITION__/x=1.csv");
        assert_eq!(
            partition_values(path),
            [
                ("day".to_string(), Some("2024-01-02".to_string())),
                ("who".to_string(), Some("a b".to_string())),
                ("k".to_string(), None),
            ]
        );
    }
}
