//! `tidemill peek`: what is in files, at a glance. [`histogram`] counts, [`json`] tells it to programs.

mod histogram;
mod json;

use std::sync::Arc;

use clap::{Args, ValueEnum};
use tidemill::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use tidemill::arrow::compute::concat_batches;
use tidemill::arrow::datatypes::{Float64Type, Int64Type};
use tidemill::{Engine, Error, FileInfo, FileSource, Rows, type_name};

use histogram::Histogram;

use super::failed;
use super::schema::headline;
use crate::data_input::DataInput;
use crate::flags::{ErrorFormat, Format};
use crate::format::{self, Style};
use crate::results::stdout_width;
use crate::stop::Stop;
use crate::target::Target;

/// Rows that the summary is about, unless all are asked for.
const SAMPLE: u64 = 100_000;

/// Look into files: format, columns, first rows, a summary of each column
#[derive(Debug, Args)]
#[command(
    after_help = "The summary is about the first 100000 rows of a file and says so where there are more; --all reads every row.

Examples:
  tidemill peek sales.csv
  tidemill peek 'logs/*.parquet' --rows 10 --all
  tidemill peek sales.csv --format json
  zcat log.gz | tidemill peek -"
)]
pub(crate) struct Peek {
    /// Files, directories or patterns, - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,

    /// Rows to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    rows: u16,

    /// Summarise all rows
    #[arg(long)]
    all: bool,

    /// How it is written: for people, or as JSON with an object for each file
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
}

/// What was found in a file.
struct Seen {
    first: RecordBatch,
    summary: RecordBatch,
    histograms: Vec<Option<Histogram>>,
    /// Rows that the summary is about.
    rows: u64,
    /// There are no others.
    is_whole: bool,
}

/// What goes wrong: a query, or the writing.
enum Fault {
    Query(Error),
    Output(std::io::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Query(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault::Output(error)
    }
}

impl Peek {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let mut target = Target::stdout();
        self.look(&mut target).map_err(|fault| match fault {
            Fault::Query(error) => failed(error, self.error_format),
            Fault::Output(error) => Stop::Output(error),
        })?;
        Ok(target.commit()?)
    }

    fn look(&self, target: &mut Target) -> Result<(), Fault> {
        let builder = Engine::builder().standard_input(DataInput::new(|| false));
        // The first rows of a file are read in order by one worker.
        let builder = if self.all {
            builder
        } else {
            builder.threads(1)
        };
        let engine = builder.in_memory()?;
        let mut before: &[u8] = if self.format == Form::Json { b"[" } else { b"" };
        for file in &self.files {
            for info in engine.inspect(&FileSource::new(file))? {
                let seen = self.file(&engine, file, &info)?;
                target.writer().write_all(before)?;
                match self.format {
                    Form::Text => {
                        before = b"\n";
                        seen.show(&info, target)?;
                    }
                    Form::Json => {
                        before = b",\n";
                        target.writer().write_all(&json::object(&info, &seen)?)?;
                    }
                }
            }
        }
        if self.format == Form::Json {
            target.writer().write_all(b"]\n")?;
        }
        Ok(())
    }

    fn file(&self, engine: &Engine, asked: &str, info: &FileInfo) -> Result<Seen, Fault> {
        // Standard input goes by the name that it was asked for under.
        let path = match asked {
            "-" | "/dev/stdin" => asked.to_string(),
            _ => info.path.display().to_string(),
        };
        engine.register_file("peeked", FileSource::new(path).format(&info.format))?;
        let first = engine.query(&format!("FROM peeked |> LIMIT {}", self.rows), ())?;
        let first = one_batch(first)?;
        let source = match self.all {
            true => "peeked".to_string(),
            false => format!("(FROM peeked |> LIMIT {SAMPLE})"),
        };
        let summary = one_batch(engine.query(&format!("SUMMARIZE {source}"), ())?)?;
        let rows = seen_rows(&summary);
        Ok(Seen {
            first,
            histograms: histogram::histograms(engine, &source, &summary)?,
            summary,
            rows,
            is_whole: self.all || rows < SAMPLE,
        })
    }
}

impl Seen {
    fn show(&self, info: &FileInfo, target: &mut Target) -> Result<(), Fault> {
        writeln!(target.writer(), "{}", headline(info))?;
        write_batch(&self.first, target)?;
        let which = match self.is_whole {
            true => format!("all {} rows", self.rows),
            false => format!("the first {SAMPLE} rows"),
        };
        writeln!(target.writer(), "\nSummary of {which}:")?;
        let summary = with_bars(&self.summary, &self.histograms)?;
        write_batch(&as_wide_as(summary, stdout_width())?, target)
    }
}

fn arrow_fault(error: tidemill::arrow::error::ArrowError) -> Fault {
    Fault::Output(std::io::Error::other(error.to_string()))
}

fn column<'a>(summary: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Fault> {
    let found = summary.column_by_name(name);
    found.ok_or_else(|| Fault::Output(std::io::Error::other(format!("no {name} in a summary"))))
}

/// The rows that a summary is about.
fn seen_rows(summary: &RecordBatch) -> u64 {
    let number = |name: &str| {
        let column = summary.column_by_name(name)?;
        let column = column.as_primitive_opt::<Int64Type>()?;
        (!column.is_empty()).then(|| column.value(0))
    };
    let rows = number("count").unwrap_or(0) + number("null_count").unwrap_or(0);
    u64::try_from(rows).unwrap_or(0)
}

fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, Fault> {
    let texts = tidemill::ColumnText::new(column)?;
    let one = |row| -> Result<Option<String>, Fault> {
        let mut text = String::new();
        Ok(texts.write(row, &mut text)?.then_some(text))
    };
    (0..column.len()).map(one).collect()
}

/// What a column of the summary is called for people.
fn heading(name: &str) -> &str {
    match name {
        "null_count" => "nulls",
        "approx_distinct" => "distinct",
        other => other,
    }
}

/// What is shown of the summary.
fn with_bars(
    summary: &RecordBatch,
    histograms: &[Option<Histogram>],
) -> Result<RecordBatch, Fault> {
    let shown = [
        "name",
        "type",
        "null_count",
        "approx_distinct",
        "min",
        "max",
        "mean",
    ];
    let mut columns = Vec::new();
    for name in shown {
        let values = Arc::clone(column(summary, name)?);
        // Bounds are for a look, not to be read to their end.
        let values: ArrayRef = match name {
            "min" | "max" => Arc::new(cut(&texts(&values)?)),
            "mean" => Arc::new(rounded(values.as_primitive::<Float64Type>())),
            _ => values,
        };
        columns.push((heading(name), values));
    }
    // A column without bars has an empty place, and no NULL.
    let bars = histograms.iter().map(|histogram| match histogram {
        Some(histogram) => histogram.drawn(),
        None => " ".to_string(),
    });
    let bars: ArrayRef = Arc::new(StringArray::from_iter_values(bars));
    columns.push(("distribution", bars));
    RecordBatch::try_from_iter(columns).map_err(arrow_fault)
}

/// The summary with as many of its columns as a table has room for in this width: the types stand above the first rows too, and a
/// mean is the next to go.
fn as_wide_as(summary: RecordBatch, width: Option<u16>) -> Result<RecordBatch, Fault> {
    let Some(width) = width else {
        return Ok(summary);
    };
    for left_out in [&[][..], &["type"], &["type", "mean"]] {
        let schema = summary.schema();
        let kept = (0..schema.fields().len())
            .filter(|column| !left_out.contains(&schema.field(*column).name().as_str()));
        let narrower = summary.project(&kept.collect::<Vec<_>>());
        let narrower = narrower.map_err(arrow_fault)?;
        if table_width(&narrower)? <= usize::from(width) {
            return Ok(narrower);
        }
    }
    Ok(summary)
}

/// How wide a table of these rows is, with its lines and the blanks beside them.
fn table_width(batch: &RecordBatch) -> Result<usize, Fault> {
    let mut width = 1;
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let cells = texts(column)?.into_iter();
        let cells = cells.map(|cell| cell.map_or(4, |text| text.chars().count().max(2)));
        let head = field.name().chars().count();
        let head = head.max(type_name(field.data_type()).chars().count());
        width += cells.max().unwrap_or(0).max(head) + 3;
    }
    Ok(width)
}

/// Texts of at most so many characters.
fn cut(texts: &[Option<String>]) -> StringArray {
    const LONGEST: usize = 24;
    let cut = |text: &String| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.clone(),
    };
    texts.iter().map(|text| text.as_ref().map(cut)).collect()
}

/// Four digits behind the point are enough for a look.
fn rounded(values: &Float64Array) -> Float64Array {
    let rounded = |value: f64| match value.abs() {
        size if size >= 0.01 => (value * 1e4).round() / 1e4,
        _ => value,
    };
    values.iter().map(|value| value.map(rounded)).collect()
}

fn one_batch(rows: Rows) -> Result<RecordBatch, Fault> {
    let schema = Arc::clone(rows.schema());
    concat_batches(&schema, &rows.collect_batches()?).map_err(arrow_fault)
}

fn write_batch(batch: &RecordBatch, target: &mut Target) -> Result<(), Fault> {
    let style = Style {
        width: stdout_width(),
        ..Style::default()
    };
    let mut writer = format::writer(Format::Table, &batch.schema(), &style, target.writer())?;
    writer.batch(batch)?;
    Ok(writer.finish()?)
}
