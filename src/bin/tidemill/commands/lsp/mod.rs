//! `tidemill lsp`: a language server on standard input and output, for editors.
//!
//! [`serve`] answers one message after the other from the library's checks, completions and hovers; [`places`] turns bytes into
//! the protocol's lines and UTF-16 units; [`answers`] turns what the library says into what the protocol wants.

mod answers;
mod places;
mod serve;

use std::path::PathBuf;

use clap::Args;
use lsp_server::Connection;

use crate::settings::Reading;
use crate::stop::Stop;

/// Serve editors: the language server protocol on standard input and output
#[derive(Debug, Args)]
pub(crate) struct Lsp {
    /// Know the tables in this directory
    #[arg(long, value_name = "DIRECTORY")]
    db: Option<PathBuf>,

    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Lsp {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let engine = self.reading.engine(self.db.as_deref())?;
        let syntax = self.reading.syntax();
        let (connection, threads) = Connection::stdio();
        let served = serve::serve(&connection, engine, syntax);
        // The writing thread ends when nobody can give it messages any more.
        drop(connection);
        match served {
            Ok(()) => threads.join().map_err(Stop::Output),
            Err(error) => Err(Stop::Protocol(error.to_string())),
        }
    }
}
