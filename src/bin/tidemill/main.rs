//! The `tidemill` command: texts in, results out, errors on standard error.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::expect_used,
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test stops where it must not go on"
    )
)]

mod amounts;
mod commands;
mod config;
mod cut;
mod data_input;
mod flags;
mod format;
mod interrupt;
mod plot;
mod progress;
mod report;
mod results;
mod run;
mod settings;
mod shell;
mod spec;
mod stop;
mod target;
mod texts;
mod toml_file;
mod values;

use std::process::ExitCode;

use clap::FromArgMatches;

use flags::{ErrorFormat, Flags};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What panics in a worker or in planning becomes an error that is told like any other.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|panic| {
            if std::thread::current().name() == Some("main") {
                eprintln!("tidemill: {panic}");
            }
        }));
    }
    if is_dumb_terminal() {
        anstream::ColorChoice::Never.write_global();
    }
    let files = match config::read() {
        Ok(files) => files,
        Err(stop) => return ExitCode::from(stop.end(ErrorFormat::Text)),
    };
    let matches = config::command(&files).get_matches();
    let flags = Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    ExitCode::from(match &flags.subcommand {
        Some(command) => command.run(&matches, &files),
        None => run::run(&flags),
    })
}

/// A terminal that shows no colours gets none, also on a build machine (`CI`); only `CLICOLOR_FORCE` says otherwise.
fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
        && std::env::var_os("CLICOLOR_FORCE").is_none_or(|force| force == "0")
}
