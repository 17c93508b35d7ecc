//! Whether and how text is set off on a terminal.

use std::io;

use anstream::{AutoStream, ColorChoice};

/// Sets off parts of a text where the output is a terminal that shows it and nobody asked for none of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    /// As the terminal behind standard output, NO_COLOR and TERM want it.
    pub(crate) fn of_stdout() -> Self {
        Paint {
            is_on: AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        }
    }

    pub(crate) fn is_on(self) -> bool {
        self.is_on
    }

    pub(crate) fn strong(self, text: impl Into<String>) -> String {
        self.with("1", text.into())
    }

    pub(crate) fn faint(self, text: impl Into<String>) -> String {
        self.with("2", text.into())
    }

    /// `code`: the number of an SGR sequence.
    pub(crate) fn with(self, code: &str, text: String) -> String {
        match self.is_on && !text.is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text,
        }
    }
}
