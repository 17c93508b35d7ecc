//! `tidemill bench`: how long a query takes, over several runs.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use tidemill::{Engine, Error, Outcome, ParamMap, Statement};

use super::answer;
use crate::amounts::{bytes, count, time};

use crate::interrupt::{self, Second, is_interrupted};
use crate::report::{Text, report};
use crate::run::{Settled, is_script};
use crate::settings::EngineFlags;
use crate::stop::{INTERRUPTED, Stop};
use crate::texts;
use crate::values::Values;

/// Measure a query: run it several times and say how long that took
#[derive(Debug, Args)]
#[command(
    after_help = "Every run reads all rows of the last statement's result and writes none of them; statements before it run once.
Examples:
  tidemill bench \"FROM 'sales.parquet' |> AGGREGATE SUM(price) GROUP BY region\"
  tidemill bench -n 50 --warmup 5 --threads 1 query.tide --format json"
)]
pub(crate) struct Bench {
    /// A query, or the path of a script (.tide, .tidemill or .sql)
    #[arg(value_name = "QUERY")]
    query: String,

    /// Runs that are measured
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,

    /// Runs before them that are not
    #[arg(long, value_name = "N", default_value_t = 2)]
    warmup: u32,

    /// How the measure is written: json, or lines for people without it
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    format: Option<String>,

    #[command(flatten)]
    values: Values,

    #[command(flatten)]
    pub(super) engine: EngineFlags,
}

/// What the runs took, the shortest first, and what each read and gave.
struct Measured {
    times: Vec<Duration>,
    rows: u64,
    rows_read: u64,
    bytes_read: u64,
}

impl Bench {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let text = match is_script(Path::new(&self.query)) {
            true => texts::read(Path::new(&self.query))?,
            false => texts::given(&self.query),
        };
        let params = self.values.params()?;
        let engine = self.engine.engine(None, true).map_err(Stop::of_engine)?;
        let format = self.engine.reading.error_format;
        let statements = engine
            .statements(&text.text)
            .map_err(|errors| Stop::wrong_text(errors, &text, format))?;
        let Some((last, before)) = statements.split_last() else {
            return Err(Stop::Usage("the text holds no statement".to_string()));
        };
        interrupt::stops_queries(&engine, Second::EndsProgram);
        let _settled = Settled(engine.clone());
        for statement in before {
            self.once(&engine, statement, &params, &text)?;
        }
        let measured = self.measure(&engine, last, &params, &text)?;
        answer(&match self.format {
            Some(_) => as_json(&measured),
            None => as_text(&measured),
        })
    }

    fn measure(
        &self,
        engine: &Engine,
        statement: &Statement,
        params: &ParamMap,
        text: &Text,
    ) -> Result<Measured, Stop> {
        let mut measured = Measured {
            times: Vec::new(),
            rows: 0,
            rows_read: 0,
            bytes_read: 0,
        };
        for number in 0..self.warmup.saturating_add(self.runs) {
            let (before, began) = (engine.metrics(), Instant::now());
            let rows = self.once(engine, statement, params, text)?;
            let took = began.elapsed();
            let after = engine.metrics();
            measured.rows = rows;
            measured.rows_read = after.rows_read - before.rows_read;
            measured.bytes_read = after.bytes_read - before.bytes_read;
            if number >= self.warmup {
                measured.times.push(took);
            }
        }
        measured.times.sort();
        Ok(measured)
    }

    /// Runs the statement to its end; the rows it gave.
    fn once(
        &self,
        engine: &Engine,
        statement: &Statement,
        params: &ParamMap,
        text: &Text,
    ) -> Result<u64, Stop> {
        let done = engine.run(statement, params).and_then(rows_of);
        done.map_err(|error: Error| {
            report(&error, text, self.engine.reading.error_format);
            Stop::Said(match is_interrupted() {
                true => INTERRUPTED,
                false => error.exit_code(),
            })
        })
    }
}

fn rows_of(outcome: Outcome) -> tidemill::Result<u64> {
    let mut count = 0;
    match outcome {
        Outcome::Rows(rows) => {
            for batch in rows {
                count += batch?.num_rows() as u64;
            }
        }
        Outcome::Done(summary) => count = summary.rows,
        Outcome::Several(outcomes) => {
            for outcome in outcomes {
                count += rows_of(outcome)?;
            }
        }
        _ => {}
    }
    Ok(count)
}

impl Measured {
    /// The least time that `share` of the runs did not exceed.
    fn quantile(&self, share: f64) -> Duration {
        let last = self.times.len().saturating_sub(1);
        let rank = (share * self.times.len() as f64).ceil() as usize;
        let at = rank.saturating_sub(1).min(last);
        self.times.get(at).copied().unwrap_or_default()
    }

    fn bytes_per_second(&self) -> u64 {
        let seconds = self.quantile(0.5).as_secs_f64().max(1e-9);
        (self.bytes_read as f64 / seconds) as u64
    }
}

fn as_text(measured: &Measured) -> String {
    format!(
        "{} runs: min {}, median {}, p95 {}, max {}\n{} rows out, {} rows read, {} in memory, {}/s\n",
        measured.times.len(),
        time(measured.quantile(0.0)),
        time(measured.quantile(0.5)),
        time(measured.quantile(0.95)),
        time(measured.quantile(1.0)),
        count(measured.rows),
        count(measured.rows_read),
        bytes(measured.bytes_read),
        bytes(measured.bytes_per_second()),
    )
}

fn as_json(measured: &Measured) -> String {
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let times: Vec<f64> = measured.times.iter().map(|time| ms(*time)).collect();
    let object = json!({
        "runs": measured.times.len(),
        "min_ms": ms(measured.quantile(0.0)),
        "median_ms": ms(measured.quantile(0.5)),
        "p95_ms": ms(measured.quantile(0.95)),
        "max_ms": ms(measured.quantile(1.0)),
        "rows": measured.rows,
        "rows_read": measured.rows_read,
        "bytes_read": measured.bytes_read,
        "bytes_per_second": measured.bytes_per_second(),
        "times_ms": times,
    });
    format!("{object:#}\n")
}
