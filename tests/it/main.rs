//! The integration tests, in one binary: each module looks at the engine or the binary from outside.
//!
//! [`queries`] runs the corpus `tests/queries/**/*.test`, [`manners`] says what no error may show; [`tpch`] the 22 queries in both forms; [`random`] pipelines that nobody
//! wrote; [`at_once`] one table changed by many; [`check`] texts that are only looked at; [`complete`] texts that are being written, [`lsp`] the same by an
//! editor; [`hostile`] texts that want to crash it; [`floors`] looks at the source itself; [`fmt`] lays texts out; [`readme`] runs README's commands; [`examples`]
//! the programs of `examples/`; [`face`] that every exported name has an example, [`codes`] that the list of error codes is true; [`interop`] rows as streams and as tables of DataFusion; [`ingest`] tables with a buffer; [`jobs`] the jobs of `examples/`, [`job_oracle`] jobs that leave steps out; [`functions`] every function; [`lists`] long lists of constants; [`membership`] comparisons with the rows of a query; [`memory`] queries that do not
//! fit; [`once`] what runs once and is read often; [`replicas`] copies of tables that lag, fail and are mended; [`stops`] queries that are stopped; [`panics`] sources that panic; [`prefixes`] queries cut before a pipe; [`written`] files that are
//! written and read; [`cli`] the binary with every flag, format and exit code; [`shell`] the binary on a terminal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it must not go on"
)]

mod answer;
mod at_once;
mod changes;
mod check;
mod checksums;
mod cli;
mod codes;
mod complete;
mod corpus;
mod effects;
mod examples;
mod face;
mod floors;
mod fmt;
mod functions;
mod hostile;
mod ingest;
mod interop;
mod job_oracle;
mod jobs;
mod lists;
mod lsp;
mod manners;
mod matching;
mod membership;
mod memory;
mod once;
mod panics;
mod prefixes;
mod queries;
mod random;
mod readme;
mod replicas;
mod shards;
mod shell;
mod stops;
mod tables;
mod tpch;
mod written;

/// How many of something a test tries: `gate` in every run, `full` where the environment has `TIDEMILL_FULL_SIZE`.
fn full_size(gate: usize, full: usize) -> usize {
    match std::env::var_os("TIDEMILL_FULL_SIZE") {
        Some(_) => full,
        None => gate,
    }
}
