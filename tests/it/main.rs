//! The integration tests, in one binary: each module looks at the engine or the binary from outside.
//!
//! [`queries`] runs the corpus `tests/queries/**/*.test`, [`manners`] says what no error may show; [`tpch`] the 22 queries in both forms; [`random`] pipelines that nobody
//! wrote; [`check`] texts that are only looked at; [`complete`] texts that are being written, [`lsp`] the same by an
//! editor; [`hostile`] texts that want to crash it; [`floors`] looks at the source itself; [`fmt`] lays texts out; [`readme`] runs README's commands; [`examples`]
//! the programs of `examples/`; [`functions`] every function; [`lists`] long lists of constants; [`memory`] queries that do not
//! fit; [`once`] what runs once and is read often; [`stops`] queries that are stopped; [`panics`] sources that panic; [`prefixes`] queries cut before a pipe; [`written`] files that are
//! written and read; [`cli`] the binary with every flag, format and exit code; [`shell`] the binary on a terminal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it must not go on"
)]

mod answer;
mod changes;
mod check;
mod cli;
mod complete;
mod corpus;
mod effects;
mod examples;
mod floors;
mod fmt;
mod functions;
mod hostile;
mod lists;
mod lsp;
mod manners;
mod matching;
mod memory;
mod once;
mod panics;
mod prefixes;
mod queries;
mod random;
mod readme;
mod shards;
mod shell;
mod stops;
mod tables;
mod tpch;
mod written;
