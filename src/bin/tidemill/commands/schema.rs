//! `tidemill schema`: the columns of files.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;
use tidemill::{Engine, FileInfo, FileSource, type_name};

use super::{answer, failed};
use crate::data_input::DataInput;
use crate::flags::ErrorFormat;
use crate::stop::Stop;

/// Say which columns files have
#[derive(Debug, Args)]
#[command(
    after_help = "CSV and JSON are read as far as their types need it, Parquet and Arrow only say what they hold.

Examples:
  tidemill schema sales.csv
  tidemill schema 'logs/*.parquet' --format json
  tidemill schema sales.csv --format sql > sales.sql"
)]
pub(crate) struct Schema {
    /// Files, directories or patterns, - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,

    /// How it is written: for people, as JSON, or as the statement that makes a table of each file
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,

    /// How errors are written
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        env = "TIDEMILL_ERROR_FORMAT",
        hide_env = true
    )]
    pub(super) error_format: ErrorFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Sql,
}

impl Schema {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let failed = |error| failed(error, self.error_format);
        let input = DataInput::new(|| false);
        let engine = Engine::builder().standard_input(input).in_memory();
        let engine = engine.map_err(failed)?;
        let mut infos = Vec::new();
        for file in &self.files {
            infos.extend(engine.inspect(&FileSource::new(file)).map_err(failed)?);
        }
        answer(&match self.format {
            Form::Text => infos.iter().map(as_text).collect::<Vec<_>>().join("\n"),
            Form::Json => format!(
                "{:#}\n",
                infos.iter().map(as_json).collect::<serde_json::Value>()
            ),
            Form::Sql => infos.iter().map(as_statement).collect(),
        })
    }
}

/// One line: the file, its format and how it is read.
pub(super) fn headline(info: &FileInfo) -> String {
    let mut line = format!("{}: {}", info.path.display(), info.format);
    for (name, value) in &info.options {
        let _ = write!(line, ", {name} {value}");
    }
    if let Some(compression) = info.compression {
        let _ = write!(line, ", {compression}");
    }
    let _ = write!(line, ", {} bytes", info.bytes);
    if let Some(rows) = info.rows {
        let _ = write!(line, ", {rows} rows");
    }
    line
}

fn as_text(info: &FileInfo) -> String {
    let fields = info.columns.fields();
    let width = fields
        .iter()
        .map(|field| field.name().chars().count())
        .max();
    let mut text = headline(info) + "\n";
    for field in fields {
        let _ = writeln!(
            text,
            "  {:width$}  {}",
            field.name(),
            type_name(field.data_type()),
            width = width.unwrap_or(0).min(40)
        );
    }
    text
}

pub(super) fn as_json(info: &FileInfo) -> serde_json::Value {
    let columns = info.columns.fields().iter().map(|field| {
        json!({
            "name": field.name(),
            "type": type_name(field.data_type()),
            "nullable": field.is_nullable(),
        })
    });
    let options = info.options.iter();
    let options = options.map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "file": info.path.display().to_string(),
        "format": info.format,
        "compression": info.compression,
        "bytes": info.bytes,
        "rows": info.rows,
        "options": options.collect::<serde_json::Map<_, _>>(),
        "columns": columns.collect::<Vec<_>>(),
    })
}

fn as_statement(info: &FileInfo) -> String {
    let fields = info.columns.fields().iter();
    let columns = fields.map(|field| {
        let kind = type_name(field.data_type());
        format!("  {} {kind}", quoted(field.name()))
    });
    let path = info.path.display().to_string();
    let stem = path.rsplit(['/', '\\']).next().unwrap_or(&path);
    let stem = stem.split('.').next().unwrap_or(stem);
    let mut statement = format!(
        "CREATE EXTERNAL TABLE {} (\n{}\n) STORED AS {} LOCATION '{}'",
        quoted(stem),
        columns.collect::<Vec<_>>().join(",\n"),
        info.format.to_uppercase(),
        path.replace('\'', "''"),
    );
    if !info.options.is_empty() {
        let options = info.options.iter();
        let options = options.map(|(name, value)| format!("{name} = {value}"));
        let options = options.collect::<Vec<_>>().join(", ");
        let _ = write!(statement, " OPTIONS ({options})");
    }
    statement + ";\n"
}

/// A name as a query writes it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
