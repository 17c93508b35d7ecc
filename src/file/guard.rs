//! Damaged files: what a decoder says, or where it panics, becomes an error that names the file.
//!
//! The decoders of Parquet and Arrow check much and not everything: an index out of bounds is a panic there. Every call into them
//! goes through [`guard`], so that no file's contents end the process or are told as a fault of ours.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, FilePlace};

/// Which file, which part of it, and the code its errors have.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) path: PathBuf,
    pub(crate) code: &'static str,
    /// `row group 3`, for the message; empty where it is about the whole file.
    pub(crate) part: String,
}

impl Suspect {
    pub(crate) fn new(path: &Path, code: &'static str) -> Self {
        Suspect {
            path: path.to_path_buf(),
            code,
            part: String::new(),
        }
    }

    /// The same file, for errors about a part of it.
    pub(crate) fn part(&self, part: impl Into<String>) -> Self {
        Suspect {
            part: part.into(),
            ..self.clone()
        }
    }

    /// The file is damaged: `reason`.
    pub(crate) fn damaged(&self, reason: impl fmt::Display) -> Error {
        let reason = reason.to_string();
        let reason = reason.lines().next().unwrap_or_default();
        let part = if self.part.is_empty() {
            String::new()
        } else {
            format!(" in {}", self.part)
        };
        self.error(format!("the file is damaged{part}: {reason}"))
            .hint("write the file again, or leave it out")
    }

    /// An error about the file with its code.
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Data, self.code, message).in_file(self.place())
    }

    /// The operating system refused.
    pub(crate) fn io(&self, error: &std::io::Error) -> Error {
        Error::new(ErrorKind::Io, "TM0701", error.to_string()).in_file(self.place())
    }

    fn place(&self) -> FilePlace {
        FilePlace {
            path: self.path.clone(),
            ..FilePlace::default()
        }
    }
}

/// Runs a decoder; its error or panic is a damaged file.
pub(crate) fn guard<T, E: fmt::Display>(
    suspect: &Suspect,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(suspect.damaged(error)),
        Err(panic) => Err(suspect.damaged(panic_text(panic.as_ref()))),
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "its contents contradict themselves".to_string())
}
