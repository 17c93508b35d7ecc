//! Subcommands: what the program does with texts besides running them. One file each.
//!
//! A query of one word is no query, so no subcommand stands in the way of one.

mod parse;

use clap::{Args, Subcommand};
use tidemill::Syntax;

use crate::flags::{DoubleQuotes, ErrorFormat};
use crate::stop::Stop;
use crate::target::Target;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Parse(parse::Parse),
}

impl Command {
    /// Runs the subcommand; the exit code.
    pub(crate) fn run(&self) -> u8 {
        let (result, reading) = match self {
            Command::Parse(parse) => (parse.run(), &parse.reading),
        };
        match result {
            Ok(()) => 0,
            Err(stop) => stop.end(reading.error_format),
        }
    }
}

/// The flags of every subcommand that reads texts.
#[derive(Debug, Args)]
struct Reading {
    /// How errors are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    error_format: ErrorFormat,

    /// What "double quotes" hold
    #[arg(long, value_name = "KIND", default_value = "identifier")]
    double_quotes: DoubleQuotes,
}

impl Reading {
    fn syntax(&self) -> Syntax {
        Syntax::new().double_quotes_are_strings(self.double_quotes == DoubleQuotes::String)
    }
}

/// Writes the whole answer to standard output.
fn answer(text: &str) -> Result<(), Stop> {
    let mut target = Target::stdout();
    target.writer().write_all(text.as_bytes())?;
    Ok(target.commit()?)
}
