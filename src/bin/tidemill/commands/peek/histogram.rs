//! How the values of a column of numbers lie between its smallest and its largest.

use tidemill::Engine;
use tidemill::arrow::array::{Array, AsArray, RecordBatch};
use tidemill::arrow::datatypes::{Float64Type, Int64Type};

use super::{Fault, column, one_batch, texts};
use crate::commands::schema::quoted;

/// Parts of a histogram, and the blocks that they are drawn with.
const BARS: usize = 12;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values by equal parts of what lies between two bounds.
pub(super) struct Histogram {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) counts: Vec<i64>,
}

impl Histogram {
    /// Where the part of this number begins.
    fn from(&self, bar: usize) -> f64 {
        self.low + (self.high - self.low) / BARS as f64 * bar as f64
    }

    /// Where each part begins, and where the last ends.
    pub(super) fn bounds(&self) -> Vec<f64> {
        let starts = (0..BARS).map(|bar| self.from(bar));
        starts.chain([self.high]).collect()
    }

    /// Counts as blocks: none is a space, the most is a full one.
    pub(super) fn drawn(&self) -> String {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1);
        let block = |count: &i64| match count {
            0 => ' ',
            count => {
                let height = (count * BLOCKS.len() as i64 - 1) / most;
                let height = usize::try_from(height).unwrap_or(0);
                BLOCKS[height.min(BLOCKS.len() - 1)]
            }
        };
        self.counts.iter().map(block).collect()
    }
}

/// The histogram of each column of numbers: one more look at the rows, when their bounds are known.
pub(super) fn histograms(
    engine: &Engine,
    source: &str,
    summary: &RecordBatch,
) -> Result<Vec<Option<Histogram>>, Fault> {
    let names = texts(column(summary, "name")?)?;
    let means = column(summary, "mean")?
        .as_primitive::<Float64Type>()
        .clone();
    let (low, high) = (
        texts(column(summary, "min")?)?,
        texts(column(summary, "max")?)?,
    );
    let mut counted = Vec::new();
    let mut found = Vec::with_capacity(names.len());
    for (row, name) in names.iter().enumerate() {
        let bound = |texts: &[Option<String>]| texts[row].as_ref()?.parse::<f64>().ok();
        let unique = names.iter().filter(|other| *other == name).count() == 1;
        let is_number = means.is_valid(row) && unique;
        let histogram = match (bound(&low), bound(&high)) {
            (Some(low), Some(high))
                if is_number && low.is_finite() && high.is_finite() && low < high =>
            {
                Histogram {
                    low,
                    high,
                    counts: Vec::new(),
                }
            }
            _ => {
                found.push(None);
                continue;
            }
        };
        let value = format!("CAST({} AS FLOAT64)", quoted(name.as_deref().unwrap_or("")));
        for bar in 0..BARS {
            let from = histogram.from(bar);
            let below = match bar + 1 == BARS {
                true => String::new(),
                false => format!(" AND {value} < {:e}", histogram.from(bar + 1)),
            };
            counted.push(format!(
                "COUNT(*) FILTER (WHERE {value} >= {from:e}{below}) AS b{row}_{bar}"
            ));
        }
        found.push(Some(histogram));
    }
    if counted.is_empty() {
        return Ok(found);
    }
    let query = format!("FROM {source} |> AGGREGATE {}", counted.join(", "));
    let counts = one_batch(engine.query(&query, ())?)?;
    for (place, histogram) in found.iter_mut().flatten().enumerate() {
        let bars = place * BARS..(place + 1) * BARS;
        let count = |bar| counts.column(bar).as_primitive::<Int64Type>().value(0);
        histogram.counts = bars.map(count).collect();
    }
    Ok(found)
}
