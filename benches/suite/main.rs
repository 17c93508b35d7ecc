//! Figures of this engine alone, from one command: `cargo bench --bench suite -- WHAT [NAME…] [OPTIONS]`.
//!
//! `tpch` runs the 22 queries in both forms over Parquet files that it makes; with `--profile` it prints for each where the time
//! went, operator by operator. `language` times what needs no data. `memory` runs operators over ten times what they may hold,
//! `tables` durable tables against the same without their layout; both beside DuckDB with `--duckdb`. Beside the other engines:
//! RESULTS.md says how.

mod language;
mod measure;
mod memory;
mod tables;
mod tpch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
struct Flags {
    /// What to measure
    #[arg(value_enum)]
    what: What,

    /// Only these, such as q1 or q18
    names: Vec<String>,

    /// The form of the queries [default: both]
    #[arg(long, value_enum)]
    form: Option<Form>,

    /// TPC-H's scale factor
    #[arg(long, default_value_t = 1.0)]
    scale: f64,

    /// Where the Parquet files are, one for each table; made there if they are not
    #[arg(long)]
    data: Option<PathBuf>,

    /// Worker threads
    #[arg(long, default_value_t = 2)]
    threads: usize,

    /// Timed runs of each, after one that is not
    #[arg(long, default_value_t = 5)]
    runs: usize,

    /// Rows of the tables of `tables`; the goals are those of 100 million
    #[arg(long, default_value_t = 4_000_000)]
    rows: u64,

    /// Commits of the log of `tables planning`
    #[arg(long, default_value_t = 10_000)]
    commits: u64,

    /// What queries may hold, in bytes
    #[arg(long)]
    memory_limit: Option<u64>,

    /// DuckDB's program, for what is measured beside it
    #[arg(long)]
    duckdb: Option<PathBuf>,

    /// Print each query's pipelines with rows, bytes and time of every operator
    #[arg(long)]
    profile: bool,

    /// What cargo passes to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Tpch,
    Language,
    Tables,
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Pipe,
    Sql,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let done = match flags.what {
        What::Tpch => tpch::run(&flags),
        What::Language => language::run(&flags),
        What::Tables => tables::run(&flags),
        What::Memory => memory::run(&flags),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
