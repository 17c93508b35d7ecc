//! The integration tests, in one binary: each module looks at the engine or the binary from outside.
//!
//! [`queries`] runs the corpus `tests/queries/**/*.test`; [`tpch`] the 22 queries in both forms; [`random`] pipelines that nobody
//! wrote; [`check`] texts that are only looked at; [`complete`] texts that are being written, [`lsp`] the same by an editor; [`hostile`] texts that want to crash it; [`floors`] looks at the source itself; [`fmt`] lays texts out; [`readme`] runs README's commands; [`examples`]
//! the programs of `examples/`; [`lists`] long lists of constants; [`memory`] queries that do not
//! fit; [`stops`] queries that are stopped; [`cli`] the binary with every flag, format and exit code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it must not go on"
)]

mod answer;
mod check;
mod cli;
mod complete;
mod corpus;
mod effects;
mod examples;
mod floors;
mod fmt;
mod hostile;
mod lists;
mod lsp;
mod memory;
mod queries;
mod random;
mod readme;
mod stops;
mod tables;
mod tpch;
