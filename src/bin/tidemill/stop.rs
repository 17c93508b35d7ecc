//! Why the program ends early, and the exit code that says so.

use std::io;

use tidemill::Error;

use crate::flags::ErrorFormat;
use crate::report::{Text, complain, report};

pub(crate) const WRONG_USAGE: u8 = 2;
pub(crate) const INTERRUPTED: u8 = 130;
const FAILED: u8 = 1;
const DATA: u8 = 3;
const PIPE_CLOSED: u8 = 141;

pub(crate) enum Stop {
    /// An error was reported; this is its exit code.
    Said(u8),
    Usage(String),
    /// A script could not be read.
    Unreadable(String),
    /// The database could not be opened.
    Unopened(Error),
    /// The result could not be written.
    Output(io::Error),
    /// The terminal cannot be read.
    Terminal(String),
    /// An editor did not keep to the protocol.
    Protocol(String),
}

/// The message, which alone may not say what it is about.
fn with_path(error: &Error) -> String {
    let message = error.message();
    let path = error.place().map(|place| place.path.display().to_string());
    match path.filter(|path| !message.contains(path)) {
        Some(path) => format!("{path}: {message}"),
        None => message.to_string(),
    }
}

impl Stop {
    /// The engine could not be made.
    pub(crate) fn of_engine(error: Error) -> Self {
        match error.exit_code() {
            WRONG_USAGE => Stop::Usage(error.message().to_string()),
            _ => Stop::Unopened(error),
        }
    }

    /// Says what is wrong with a text.
    pub(crate) fn wrong_text(errors: Vec<Error>, text: &Text, format: ErrorFormat) -> Self {
        let error = Error::together(errors);
        report(&error, text, format);
        Stop::Said(error.exit_code())
    }

    /// Says what was not said yet; the exit code.
    pub(crate) fn end(self, format: ErrorFormat) -> u8 {
        let complain = |code, message: &str| complain(code, message, format);
        match self {
            Stop::Said(code) => code,
            Stop::Usage(message) => {
                complain(None, &message);
                WRONG_USAGE
            }
            Stop::Unreadable(message) => {
                complain(Some("TM0703"), &message);
                DATA
            }
            Stop::Unopened(error) => {
                complain(Some(error.code()), &with_path(&error));
                error.exit_code()
            }
            Stop::Terminal(message) => {
                complain(None, &format!("the terminal cannot be used: {message}"));
                FAILED
            }
            Stop::Protocol(message) => {
                complain(None, &message);
                FAILED
            }
            Stop::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => PIPE_CLOSED,
            Stop::Output(error) => {
                let message = format!("the result cannot be written: {error}");
                complain(Some("TM0701"), &message);
                DATA
            }
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Output(error)
    }
}
