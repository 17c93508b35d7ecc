//! Subcommands: what the program does with texts besides running them. One file each.
//!
//! A query of one word is no query, so no subcommand stands in the way of one.

mod bench;
mod check;
mod completions;
mod config;
mod doctor;
mod dry_run;
mod errors;
mod fmt;
mod lsp;
mod man;
mod parse;
mod peek;
mod run;
mod schema;

use std::path::Path;

use clap::{ArgMatches, Subcommand};
use tidemill::{Engine, Error, Syntax};

use crate::config::FileSetting;
use crate::flags::{DoubleQuotes, ErrorFormat};
use crate::settings::Reading;
use crate::stop::Stop;
use crate::target::Target;
use crate::texts;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<run::Run>),
    Bench(Box<bench::Bench>),
    Check(check::Check),
    Doctor(doctor::Doctor),
    Errors(errors::Errors),
    Fmt(fmt::Fmt),
    Parse(parse::Parse),
    Peek(peek::Peek),
    Schema(schema::Schema),
    Lsp(lsp::Lsp),
    Config(Box<config::Config>),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// Runs the subcommand; the exit code. `files` are the settings that files give.
    pub(crate) fn run(&self, matches: &ArgMatches, files: &[FileSetting]) -> u8 {
        let (result, format) = match self {
            Command::Run(run) => (run.run(), run.engine.reading.error_format),
            Command::Bench(bench) => (bench.run(), bench.engine.reading.error_format),
            Command::Check(check) => (check.run(), check.reading.error_format),
            Command::Doctor(doctor) => (doctor.run(), doctor.reading.error_format),
            Command::Errors(errors) => (errors.run(), errors.reading.error_format),
            Command::Fmt(fmt) => (fmt.run(), fmt.reading.error_format),
            Command::Lsp(lsp) => (lsp.run(), lsp.reading.error_format),
            Command::Parse(parse) => (parse.run(), parse.reading.error_format),
            Command::Peek(peek) => (peek.run(), peek.error_format),
            Command::Schema(schema) => (schema.run(), schema.error_format),
            Command::Config(config) => (config.run(matches, files), config.error_format()),
            Command::Completions(completions) => (completions.run(), ErrorFormat::Text),
            Command::Man(man) => (man.run(), ErrorFormat::Text),
        };
        match result {
            Ok(()) => 0,
            Err(stop) => stop.end(format),
        }
    }
}

/// An error that is about no text.
fn failed(error: Error, format: ErrorFormat) -> Stop {
    Stop::wrong_text(vec![error], &texts::given(""), format)
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
pub(crate) fn answer(text: &str) -> Result<(), Stop> {
    let mut target = Target::stdout();
    target.writer().write_all(text.as_bytes())?;
    Ok(target.commit()?)
}
