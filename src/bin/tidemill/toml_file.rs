//! Files in TOML whose entries are known by their line.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::stop::Stop;

/// A file as it was read.
pub(crate) struct TomlFile {
    path: PathBuf,
    text: String,
}

/// What stands in it, by name.
pub(crate) type Entries = BTreeMap<String, Spanned<toml::Value>>;

impl TomlFile {
    pub(crate) fn read(path: &Path) -> Result<Self, Stop> {
        Self::find(path)?.ok_or_else(|| {
            Stop::Unreadable(format!(
                "{} cannot be read: there is no such file",
                path.display()
            ))
        })
    }

    /// `None` where there is no such file.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>, Stop> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(TomlFile {
                path: path.to_path_buf(),
                text,
            })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let (path, kind) = (path.display(), error.kind());
                Err(Stop::Unreadable(format!("{path} cannot be read: {kind}")))
            }
        }
    }

    pub(crate) fn entries(&self) -> Result<Entries, Stop> {
        toml::from_str(&self.text).map_err(|error: toml::de::Error| {
            self.wrong(error.span().unwrap_or_default(), error.message())
        })
    }

    /// `file:line`
    pub(crate) fn place(&self, span: &Range<usize>) -> String {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }

    /// Something in it is wrong.
    pub(crate) fn wrong(&self, span: Range<usize>, message: &str) -> Stop {
        Stop::Usage(format!("{}: {message}", self.place(&span)))
    }
}
