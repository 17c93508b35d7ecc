//! Standard input as a file: its bytes are put on disk once, so that workers read them in parallel, from any place and more than
//! once, and none of them are held in memory.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::kept::{Kept, is_kept};
use crate::error::{Error, ErrorKind, Result};

/// What it is called in messages, and as a table.
pub(crate) const NAME: &str = "stdin";

/// Whether a path in a query means standard input.
pub(crate) fn is_meant(path: &str) -> bool {
    matches!(path, "-" | "/dev/stdin")
}

/// What a file is called in messages.
pub(crate) fn shown(path: &Path) -> &Path {
    match is_kept(path) {
        true => Path::new(NAME),
        false => path,
    }
}

/// The bytes that a program gives its queries to read.
#[derive(Default)]
pub(crate) struct StandardInput(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Absent,
    Unread(Box<dyn Read + Send>),
    Kept(Kept),
    /// It was read in part and is of no use.
    Failed(Error),
}

impl fmt::Debug for StandardInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandardInput")
    }
}

impl StandardInput {
    pub(crate) fn new(reader: impl Read + Send + 'static) -> Self {
        StandardInput(Mutex::new(State::Unread(Box::new(reader))))
    }

    /// The file in `folder` that has the bytes: all of them are there.
    pub(crate) fn file(&self, folder: &Path, limit: Option<u64>) -> Result<PathBuf> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unread(reader) = &mut *state {
            let kept = Kept::copy(reader, folder, limit, "standard input");
            *state = kept.map_or_else(State::Failed, State::Kept);
        }
        match &*state {
            State::Kept(kept) => Ok(kept.path()),
            State::Failed(error) => Err(error.clone()),
            State::Absent | State::Unread(_) => Err(Error::new(
                ErrorKind::Input,
                "TM0703",
                "there is no standard input for queries to read",
            )
            .hint("from Rust: Engine::builder().standard_input(reader)")),
        }
    }
}
