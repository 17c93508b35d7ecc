//! Settings: flags that a file and the environment can give as well.
//!
//! This list is the only one. A flag that names an environment variable is a setting, and the file calls it as the variable does,
//! without `TIDEMILL_` and in lower case; see [`config`](crate::config).

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidemill::{BadRows, Builder, Engine, parse_size};

use crate::data_input::{DataInput, TakenInput};

use crate::flags::{DoubleQuotes, ErrorFormat, Format, parse_bad_rows, parse_time};
use crate::format::Style;
use crate::interrupt::is_interrupted;
use crate::progress::Tell;

/// Every setting.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) output: OutputFlags,

    #[command(flatten)]
    pub(crate) engine: EngineFlags,

    /// How long each statement may run, such as 500ms, 30s or 5m [default: no bound]
    #[arg(long, value_name = "TIME", value_parser = parse_time, env = "TIDEMILL_TIMEOUT", hide_env = true)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) telling: Telling,

    /// Say on standard error how long each statement took
    #[arg(long, env = "TIDEMILL_TIMING", hide_env = true, hide_short_help = true)]
    pub(crate) timing: bool,
}

/// Who is told how far a statement is.
#[derive(Debug, Args)]
pub(crate) struct Telling {
    /// Say on standard error how far a statement is that takes more than two seconds: auto where that is a terminal, never, or
    /// json, one object a line
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        env = "TIDEMILL_PROGRESS",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) progress: Tell,
}

/// How results are written.
#[derive(Debug, Args)]
pub(crate) struct OutputFlags {
    /// How results are written [default: table on a terminal, csv otherwise]
    #[arg(
        long,
        value_name = "FORMAT",
        env = "TIDEMILL_FORMAT",
        hide_env = true,
        hide_possible_values = true
    )]
    pub(crate) format: Option<Format>,

    /// How NULL is written in csv and tsv [default: an empty field; empty text is then written ""]
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        env = "TIDEMILL_NULL",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) null: String,

    /// A table shows every row, and not the first 40
    #[arg(long, env = "TIDEMILL_ALL", hide_env = true)]
    pub(crate) all: bool,

    /// In json and ndjson, which have no way to write them, NaN and infinities are an error and not null
    #[arg(long, env = "TIDEMILL_STRICT", hide_env = true, hide_short_help = true)]
    pub(crate) strict: bool,
}

impl OutputFlags {
    /// How text looks in output that is as wide as this.
    pub(crate) fn style(&self, width: Option<u16>) -> Style {
        Style {
            null: self.null.clone(),
            strict: self.strict,
            all: self.all,
            width,
        }
    }
}

/// What an engine is made with.
#[derive(Debug, Args)]
pub(crate) struct EngineFlags {
    /// Keep tables in this directory, which is made if it is not there
    #[arg(long, value_name = "DIRECTORY", env = "TIDEMILL_DB", hide_env = true)]
    pub(crate) db: Option<PathBuf>,

    /// Worker threads [default: all cores]
    #[arg(long, value_name = "N", env = "TIDEMILL_THREADS", hide_env = true)]
    pub(crate) threads: Option<usize>,

    /// Memory that queries may hold, such as 2GB or 512MiB; what does not fit is written to disk [default: no bound]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, env = "TIDEMILL_MEMORY_LIMIT", hide_env = true)]
    pub(crate) memory_limit: Option<u64>,

    /// The directory for what does not fit into memory [default: the system's for temporary files]
    #[arg(
        long,
        value_name = "DIR",
        env = "TIDEMILL_SPILL_DIR",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) spill_dir: Option<PathBuf>,

    /// How much of it there may be on disk, such as 20GB [default: no bound]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, env = "TIDEMILL_SPILL_LIMIT", hide_env = true, hide_short_help = true)]
    pub(crate) spill_limit: Option<u64>,

    /// What becomes of rows of CSV and JSON files that do not fit: fail, null (the value becomes NULL), skip (the row is left out and
    /// counted) or reject=FILE (it is also written to a CSV file, with its place and the reason)
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "fail",
        value_parser = parse_bad_rows,
        env = "TIDEMILL_BAD_ROWS",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) bad_rows: BadRows,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// How texts are read, and what is said of them.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// How errors are written
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        env = "TIDEMILL_ERROR_FORMAT",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) error_format: ErrorFormat,

    /// What "double quotes" hold
    #[arg(
        long,
        value_name = "KIND",
        default_value = "identifier",
        env = "TIDEMILL_DOUBLE_QUOTES",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) double_quotes: DoubleQuotes,
}

impl EngineFlags {
    /// The engine that the flags ask for; `timeout` is that of each statement. Standard input is data for it, unless it is a script
    /// or typed.
    pub(crate) fn engine(
        &self,
        timeout: Option<Duration>,
        holds_script: bool,
    ) -> tidemill::Result<Engine> {
        let builder = self.builder(timeout);
        let builder = match holds_script {
            true => builder.standard_input(TakenInput),
            false => builder.standard_input(DataInput::new(is_interrupted)),
        };
        match &self.db {
            Some(directory) => builder.open(directory),
            None => builder.in_memory(),
        }
    }

    fn builder(&self, timeout: Option<Duration>) -> Builder {
        let strings = self.reading.double_quotes == DoubleQuotes::String;
        let mut builder = Engine::builder()
            .double_quotes_are_strings(strings)
            .bad_rows(self.bad_rows.clone());
        if let Some(threads) = self.threads {
            builder = builder.threads(threads);
        }
        if let Some(bytes) = self.memory_limit {
            builder = builder.memory_limit(bytes);
        }
        if let Some(folder) = &self.spill_dir {
            builder = builder.spill_dir(folder);
        }
        if let Some(bytes) = self.spill_limit {
            builder = builder.spill_limit(bytes);
        }
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        builder
    }
}
