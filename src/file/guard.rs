//! Damaged files: what a decoder says, or where it panics, becomes an error that names the file.
//!
//! The decoders of Parquet and Arrow check much and not everything: an index out of bounds is a panic there. Every call into them
//! goes through [`guard`], so that no file's contents end the process or are told as a fault of ours.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::remote;
use super::source::{Handle, Source, carried};
use crate::error::{Error, ErrorKind, FilePlace};

/// Which file, which part of it, and the code its errors have.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) source: Source,
    pub(crate) code: &'static str,
    /// `row group 3`, for the message; empty where it is about the whole file.
    pub(crate) part: String,
}

impl Suspect {
    pub(crate) fn new(source: impl Into<Source>, code: &'static str) -> Self {
        Suspect {
            source: source.into(),
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
        let reason = without_origin(reason.lines().next().unwrap_or_default());
        if [
            "not supported",
            "unsupported",
            "NYI",
            "not yet implemented",
            "isabled feature",
        ]
        .iter()
        .any(|word| reason.contains(word))
        {
            return self
                .error(format!("the file needs what is not supported: {reason}"))
                .hint("write it with another compression or encoding");
        }
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
    pub(crate) fn io(&self, error: &io::Error) -> Error {
        if let Some(error) = carried(error) {
            return error;
        }
        Error::new(ErrorKind::Io, "TM0701", error.to_string()).in_file(self.place())
    }

    /// The file, opened anew.
    pub(crate) fn open(&self) -> Result<Handle, Error> {
        self.source.open().map_err(|error| self.io(&error))
    }

    fn place(&self) -> FilePlace {
        FilePlace {
            path: self.source.shown().to_path_buf(),
            ..FilePlace::default()
        }
    }
}

/// Runs a decoder; its error or panic is a damaged file.
pub(crate) fn guard<T, E: fmt::Display>(
    suspect: &Suspect,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, Error> {
    // What another read said on this thread was told elsewhere.
    let _ = remote::failure();
    let damage = match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => suspect.damaged(error),
        // What a decoder's panic says is about its code, not about the file.
        Err(_) => suspect.damaged("its contents contradict themselves"),
    };
    Err(remote::failure().unwrap_or(damage))
}

/// The text without the decoder's name for its error.
fn without_origin(text: &str) -> &str {
    let origins = [
        "Parquet argument error: ",
        "Parquet error: ",
        "External: ",
        "Arrow: ",
        "EOF: ",
        "Ipc error: ",
    ];
    let mut rest = text;
    while let Some(shorter) = origins.iter().find_map(|origin| rest.strip_prefix(origin)) {
        rest = shorter;
    }
    rest
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "it did not say why".to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn errors_and_panics_name_the_file() {
        let suspect = Suspect::new(Path::new("x.parquet"), "TM0731").part("row group 2");
        let said = |decode: fn() -> Result<(), &'static str>| guard(&suspect, decode).unwrap_err();
        let error = said(|| Err("Parquet error: EOF: too short\nand more"));
        assert_eq!(
            error.message(),
            "the file is damaged in row group 2: too short"
        );
        assert_eq!(error.place().unwrap().path, Path::new("x.parquet"));
        assert!(
            said(|| panic!("index 7 of 3"))
                .message()
                .ends_with("contradict themselves")
        );
        let other = said(|| Err("NYI: The codec type LZO is not supported yet"));
        assert!(
            other
                .message()
                .starts_with("the file needs what is not supported")
        );
    }
}
