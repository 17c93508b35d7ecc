//! Subcommands: what the program does with texts besides running them. One file each.
//!
//! A query of one word is no query, so no subcommand stands in the way of one.

mod check;
mod fmt;
mod lsp;
mod parse;
mod peek;
mod schema;

use std::path::Path;

use clap::{Args, Subcommand};
use tidemill::{Engine, Error, Syntax};

use crate::flags::{DoubleQuotes, ErrorFormat};
use crate::stop::Stop;
use crate::target::Target;
use crate::texts;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::Check),
    Fmt(fmt::Fmt),
    Lsp(lsp::Lsp),
    Parse(parse::Parse),
    Peek(peek::Peek),
    Schema(schema::Schema),
}

impl Command {
    /// Runs the subcommand; the exit code.
    pub(crate) fn run(&self) -> u8 {
        let (result, reading) = match self {
            Command::Check(check) => (check.run(), &check.reading),
            Command::Fmt(fmt) => (fmt.run(), &fmt.reading),
            Command::Lsp(lsp) => (lsp.run(), &lsp.reading),
            Command::Parse(parse) => (parse.run(), &parse.reading),
            Command::Peek(peek) => return ended(peek.run(), peek.error_format),
            Command::Schema(schema) => return ended(schema.run(), schema.error_format),
        };
        ended(result, reading.error_format)
    }
}

/// The exit code.
fn ended(result: Result<(), Stop>, format: ErrorFormat) -> u8 {
    match result {
        Ok(()) => 0,
        Err(stop) => stop.end(format),
    }
}

/// An error that is about no text.
fn failed(error: Error, format: ErrorFormat) -> Stop {
    Stop::wrong_text(vec![error], &texts::given(""), format)
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
    /// An engine with the names of a database, if there is one.
    fn engine(&self, database: Option<&Path>) -> Result<Engine, Stop> {
        let strings = self.double_quotes == DoubleQuotes::String;
        let builder = Engine::builder().double_quotes_are_strings(strings);
        let engine = match database {
            // Opening would make it.
            Some(directory) if !directory.is_dir() => {
                let message = format!("there is no database in {}", directory.display());
                return Err(Stop::Usage(message));
            }
            Some(directory) => builder.open(directory),
            None => builder.in_memory(),
        };
        engine.map_err(Stop::Unopened)
    }

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
