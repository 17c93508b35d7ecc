//! The command line: one list of flags, from which help is printed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tidemill::{BadRows, Engine, Error};

use crate::commands::Command;
use crate::plot::{self, PlotSpec};
use crate::settings::Settings;
use crate::stop::Stop;
use crate::values::Values;

const SHORT_HELP: &str =
    "Example: tidemill \"FROM 'sales.csv' |> AGGREGATE SUM(price) AS total GROUP BY region\"
More: tidemill --help, tidemill COMMAND --help";

const LONG_HELP: &str = "Without a query, on a terminal, it is a shell: \\? there shows its commands.

Examples:
  tidemill \"FROM 'sales.csv' |> AGGREGATE SUM(price) AS total GROUP BY region\"
  tidemill \"FROM 'logs/*.parquet' |> WHERE level = @level |> LIMIT 5\" --param level=error
  tidemill -f report.tide --format json --output report.json
  tidemill run job.tide --param day=2026-11-22

Settings: tidemill/tidemill.toml in the configuration directory (XDG), ./tidemill.toml, TIDEMILL_* variables,
flags; the later win. `tidemill config` lists them and says where each value comes from.

Exit codes: 0 ok, 1 the query failed while it ran, 2 wrong usage or query, 3 wrong or missing data,
4 a limit was reached, 5 unavailable, 130 interrupted, 141 the reader of the output went away";

/// Pipe queries over CSV, Parquet, JSON and Arrow files.
#[derive(Debug, Parser)]
#[command(
    name = "tidemill",
    version,
    max_term_width = 100,
    override_usage = "tidemill [OPTIONS]      the shell, on a terminal\n       tidemill [OPTIONS] 'QUERY' | FILE.tide | -c TEXT | -f FILE | -\n       tidemill COMMAND [OPTIONS] ...",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_help = SHORT_HELP,
    after_long_help = LONG_HELP
)]
pub(crate) struct Flags {
    /// A query, a script's path (.tide, .tidemill or .sql), or - for a script on standard input
    #[arg(value_name = "QUERY")]
    pub(crate) query: Option<String>,

    #[command(subcommand)]
    pub(crate) subcommand: Option<Command>,

    /// Run this text; may be repeated, in order
    #[arg(
        short,
        long = "command",
        value_name = "TEXT",
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<String>,

    /// Run this script, - for standard input; may be repeated, after every -c
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,

    /// Write the last result to this file, whole or not at all; its extension says the format
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Run, and give the plan of the last result with what each step did: tree, json or html
    ///
    /// The page of html stands alone: no script, no network.
    #[arg(
        long,
        value_name = "FORM",
        conflicts_with = "format",
        hide_possible_values = true
    )]
    pub(crate) explain: Option<PlanForm>,

    /// Draw results: bar or line, such as line:x=day,y=sales,by=region
    ///
    /// Into a file with --output chart.svg or chart.png. A query can say it itself, at its end: |> CALL PLOT('line', x => day, y => sales);
    /// where a format is asked for, it gives its rows.
    #[arg(long, value_name = "CHART", value_parser = plot::parse, conflicts_with_all = ["format", "explain"])]
    pub(crate) plot: Option<PlotSpec>,

    #[command(flatten)]
    pub(crate) values: Values,

    /// Run the query only up to this line: the statement there is cut before the first |> below it, later ones do not run
    #[arg(
        long,
        value_name = "LINE",
        conflicts_with = "step",
        hide_short_help = true
    )]
    pub(crate) until: Option<usize>,

    /// Run only the first N steps of the last statement's query: 1 is what stands before the first |>
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) step: Option<usize>,

    /// Go on after a statement that fails while it is planned or run; the exit code is that of the first failure
    #[arg(long, hide_short_help = true)]
    pub(crate) keep_going: bool,

    /// Print every command and flag as JSON, for programs; with nothing beside it
    #[arg(long, exclusive = true, hide_short_help = true)]
    pub(crate) spec: bool,

    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Flags {
    /// How errors are written.
    pub(crate) fn error_format(&self) -> ErrorFormat {
        self.settings.engine.reading.error_format
    }

    /// The engine that the flags ask for; whether standard input is a script, or typed.
    pub(crate) fn engine(&self, holds_script: bool) -> Result<Engine, Stop> {
        let engine = self
            .settings
            .engine
            .engine(self.settings.timeout, holds_script);
        engine.map_err(Stop::of_engine)
    }

    /// Neither a query nor a script: on a terminal that is the shell.
    pub(crate) fn asks_for_nothing(&self) -> bool {
        self.query.is_none() && self.command.is_empty() && self.file.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Csv,
    Tsv,
    Json,
    Ndjson,
    Markdown,
    Arrow,
    Parquet,
}

impl Format {
    /// The format that a file's name asks for.
    pub(crate) fn of_path(path: &std::path::Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "tsv" | "tab" => Some(Format::Tsv),
            "json" => Some(Format::Json),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            "md" | "markdown" => Some(Format::Markdown),
            "arrow" | "arrows" | "ipc" => Some(Format::Arrow),
            "parquet" | "pq" => Some(Format::Parquet),
            "txt" => Some(Format::Table),
            _ => None,
        }
    }

    /// Bytes that a terminal cannot show.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Format::Arrow | Format::Parquet)
    }
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanForm {
    Tree,
    Json,
    Html,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ErrorFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoubleQuotes {
    Identifier,
    String,
}

pub(crate) fn parse_bad_rows(text: &str) -> Result<BadRows, String> {
    text.parse().map_err(|error: Error| match error.code() {
        "TM0707" => "use fail, null, skip or reject=FILE".to_string(),
        _ => error.message().to_string(),
    })
}

/// `500ms`, `30s`, `5m`, `2h`: a bare number is seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
        .count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("`{other}` is no unit of time; use ms, s, m or h")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "a time is a number with a unit, such as 30s".to_string())?;
    if number * factor <= 0.0 {
        return Err("a timeout must be longer than nothing".to_string());
    }
    Duration::try_from_secs_f64(number * factor)
        .map_err(|_| "a time must be at most 1e19 seconds".to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_time;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_time("2 m"), Ok(Duration::from_secs(120)));
        assert!(parse_time("0s").is_err());
        assert!(parse_time("3 weeks").is_err());
        assert!(parse_time("1e300h").is_err());
    }
}
