//! `tidemill peek`: what is in files, at a glance.

use std::sync::Arc;

use clap::Args;
use tidemill::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use tidemill::arrow::compute::concat_batches;
use tidemill::arrow::datatypes::{Float64Type, Int64Type};
use tidemill::{Engine, Error, FileInfo, FileSource, Rows};

use super::failed;
use super::schema::{headline, quoted};
use crate::data_input::DataInput;
use crate::flags::{ErrorFormat, Format};
use crate::format::{self, Style};
use crate::stop::Stop;
use crate::target::{Target, stdout_is_terminal};

/// Rows that the summary is about, unless all are asked for.
const SAMPLE: u64 = 100_000;

/// Bars of a histogram, and the blocks that they are drawn with.
const BARS: usize = 12;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Look into files: format, columns, first rows, a summary of each column
#[derive(Debug, Args)]
#[command(
    after_help = "The summary is about the first 100000 rows of a file and says so where there are more; --all reads every row.

Examples:
  tidemill peek sales.csv
  tidemill peek 'logs/*.parquet' --rows 10 --all
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
        let mut first = true;
        for file in &self.files {
            for info in engine.inspect(&FileSource::new(file))? {
                if !std::mem::take(&mut first) {
                    writeln!(target.writer())?;
                }
                self.file(&engine, file, &info, target)?;
            }
        }
        Ok(())
    }

    fn file(
        &self,
        engine: &Engine,
        asked: &str,
        info: &FileInfo,
        target: &mut Target,
    ) -> Result<(), Fault> {
        writeln!(target.writer(), "{}", headline(info))?;
        // Standard input goes by the name that it was asked for under.
        let path = match asked {
            "-" | "/dev/stdin" => asked.to_string(),
            _ => info.path.display().to_string(),
        };
        engine.register_file("peeked", FileSource::new(path).format(&info.format))?;
        let rows = engine.query(&format!("FROM peeked |> LIMIT {}", self.rows), ())?;
        write(rows, target)?;
        let source = match self.all {
            true => "peeked".to_string(),
            false => format!("(FROM peeked |> LIMIT {SAMPLE})"),
        };
        let summary = engine.query(&format!("SUMMARIZE {source}"), ())?;
        let schema = Arc::clone(summary.schema());
        let summary = concat_batches(&schema, &summary.collect_batches()?).map_err(arrow_fault)?;
        let bars = bars(engine, &source, &summary)?;
        let seen = seen_rows(&summary);
        let which = match (self.all, seen < SAMPLE) {
            (false, false) => format!("the first {SAMPLE} rows"),
            _ => format!("all {seen} rows"),
        };
        writeln!(target.writer(), "\nSummary of {which}:")?;
        write_batch(&with_bars(&summary, bars)?, target)
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

/// The histogram of each column of numbers: one more look at the rows, when their bounds are known.
fn bars(
    engine: &Engine,
    source: &str,
    summary: &RecordBatch,
) -> Result<Vec<Option<String>>, Fault> {
    let names = texts(column(summary, "name")?)?;
    let means = column(summary, "mean")?
        .as_primitive::<Float64Type>()
        .clone();
    let (low, high) = (
        texts(column(summary, "min")?)?,
        texts(column(summary, "max")?)?,
    );
    let mut counted = Vec::new();
    let mut shown = vec![None; names.len()];
    for (row, name) in names.iter().enumerate() {
        let bound = |texts: &[Option<String>]| texts[row].as_ref()?.parse::<f64>().ok();
        let (Some(low), Some(high)) = (bound(&low), bound(&high)) else {
            continue;
        };
        let is_number = means.is_valid(row) && low.is_finite() && high.is_finite();
        let unique = names.iter().filter(|other| *other == name).count() == 1;
        if !is_number || !unique || low >= high {
            continue;
        }
        let value = format!("CAST({} AS FLOAT64)", quoted(name.as_deref().unwrap_or("")));
        let width = (high - low) / BARS as f64;
        for bar in 0..BARS {
            let from = low + width * bar as f64;
            let below = match bar + 1 == BARS {
                true => String::new(),
                false => format!(" AND {value} < {:e}", low + width * (bar + 1) as f64),
            };
            counted.push(format!(
                "COUNT(*) FILTER (WHERE {value} >= {from:e}{below}) AS b{row}_{bar}"
            ));
        }
        shown[row] = Some(String::new());
    }
    if counted.is_empty() {
        return Ok(shown);
    }
    let query = format!("FROM {source} |> AGGREGATE {}", counted.join(", "));
    let rows = engine.query(&query, ())?;
    let schema = Arc::clone(rows.schema());
    let counts = concat_batches(&schema, &rows.collect_batches()?).map_err(arrow_fault)?;
    let mut at = 0;
    for bars in shown.iter_mut().flatten() {
        let counts: Vec<i64> = (at..at + BARS)
            .map(|bar| counts.column(bar).as_primitive::<Int64Type>().value(0))
            .collect();
        *bars = drawn(&counts);
        at += BARS;
    }
    Ok(shown)
}

/// Counts as blocks: none is a space, the most is a full one.
fn drawn(counts: &[i64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let block = |count: &i64| match count {
        0 => ' ',
        count => {
            let height = (count * BLOCKS.len() as i64 - 1) / most;
            let height = usize::try_from(height).unwrap_or(0);
            BLOCKS[height.min(BLOCKS.len() - 1)]
        }
    };
    counts.iter().map(block).collect()
}

fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, Fault> {
    let texts = tidemill::ColumnText::new(column)?;
    let one = |row| -> Result<Option<String>, Fault> {
        let mut text = String::new();
        Ok(texts.write(row, &mut text)?.then_some(text))
    };
    (0..column.len()).map(one).collect()
}

/// What is shown of the summary.
fn with_bars(summary: &RecordBatch, bars: Vec<Option<String>>) -> Result<RecordBatch, Fault> {
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
        columns.push((name, values));
    }
    // A column without bars has an empty place, and no NULL.
    let bars = bars
        .into_iter()
        .map(|bars| bars.unwrap_or_else(|| " ".to_string()));
    let bars: ArrayRef = Arc::new(StringArray::from_iter_values(bars));
    columns.push(("distribution", bars));
    RecordBatch::try_from_iter(columns).map_err(arrow_fault)
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

fn write(rows: Rows, target: &mut Target) -> Result<(), Fault> {
    let schema = Arc::clone(rows.schema());
    let rows = concat_batches(&schema, &rows.collect_batches()?).map_err(arrow_fault)?;
    write_batch(&rows, target)
}

fn write_batch(batch: &RecordBatch, target: &mut Target) -> Result<(), Fault> {
    let width = stdout_is_terminal()
        .then(|| terminal_size::terminal_size().map_or(80, |(width, _)| width.0));
    let style = Style {
        null: String::new(),
        width,
    };
    let mut writer = format::writer(Format::Table, &batch.schema(), &style, target.writer())?;
    writer.batch(batch)?;
    Ok(writer.finish()?)
}
