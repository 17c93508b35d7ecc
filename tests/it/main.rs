//! The integration tests, in one binary: each module looks at the engine or the binary from outside.
//!
//! [`queries`] runs the corpus `tests/queries/**/*.test`; [`tpch`] the 22 queries in both forms; [`random`] pipelines that nobody
//! wrote; [`hostile`] texts that want to crash it; [`floors`] looks at the source itself; [`readme`] runs README's commands; [`examples`]
//! the programs of `examples/`; [`lists`] long lists of constants; [`memory`] queries that do not
//! fit; [`stops`] queries that are stopped; [`cli`] the binary with every flag, format and exit code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it must not go on"
)]

mod answer;
mod changes;
mod cli;
mod corpus;
mod effects;
mod examples;
mod floors;
mod hostile;
mod lists;
mod memory;
mod queries;
mod random;
mod readme;
mod shards;
mod stops;
mod tables;
mod tpch;
