//! From rows to points: what the values of the columns are.

use std::sync::Arc;

use tidemill::ColumnText;
use tidemill::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use tidemill::arrow::compute::cast;
use tidemill::arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};

use super::columns::{AxisKind, Columns, SERIES};
use super::number::{range, range_of_times};
use super::spec::Kind;

/// Rows that a bar chart takes.
pub(super) const BARS: usize = 200;

/// Rows that a line chart takes.
pub(super) const POINTS: usize = 100_000;

/// The numbers of a series, each with its row.
type Values = Vec<(usize, Option<f64>)>;

/// The values of all rows.
#[derive(Debug)]
pub(super) struct Points {
    labels: Vec<String>,
    /// `None` where x has no place on its axis.
    x: Vec<Option<f64>>,
    series: Vec<(String, Values)>,
}

impl Points {
    pub(super) fn new(columns: &Columns) -> Self {
        let names = columns.y_names.iter().filter(|_| columns.by.is_none());
        Points {
            labels: Vec::new(),
            x: Vec::new(),
            series: names.map(|name| (name.clone(), Vec::new())).collect(),
        }
    }

    pub(super) fn add(
        &mut self,
        columns: &Columns,
        batch: &RecordBatch,
        bound: usize,
    ) -> Result<(), String> {
        let first = self.labels.len();
        if first + batch.num_rows() > bound {
            return Err(format!(
                "a chart of this kind takes at most {bound} rows; AGGREGATE them first, or add |> LIMIT {bound}"
            ));
        }
        for row in 0..batch.num_rows() {
            let position = (first + row) as f64;
            match columns.x {
                Some(x) => self.put(label(batch.column(x), row)?, Some(position)),
                // Rows are counted from 1; names have places from 0.
                None if columns.x_kind == AxisKind::Names => {
                    self.put(format!("{}", first + row + 1), Some(position));
                }
                None => self.put(format!("{}", first + row + 1), Some(position + 1.0)),
            }
        }
        if let Some(x) = columns.x
            && columns.x_kind != AxisKind::Names
        {
            let places = places(batch.column(x), &columns.x_kind)?;
            self.x.truncate(first);
            self.x.extend(places);
        }
        for (series, column) in columns.y.iter().enumerate() {
            let values = numbers(batch.column(*column))?;
            for (row, value) in values.into_iter().enumerate() {
                let series = match columns.by {
                    None => series,
                    Some(by) => self.series_of(label(batch.column(by), row)?)?,
                };
                self.series[series].1.push((first + row, value));
            }
        }
        Ok(())
    }

    /// Rows whose x is called the same become one place.
    fn put_side_by_side(&mut self) {
        let mut labels: Vec<String> = Vec::new();
        let mut places = Vec::with_capacity(self.labels.len());
        for label in &self.labels {
            let known = labels.iter().position(|own| own == label);
            places.push(known.unwrap_or(labels.len()));
            if known.is_none() {
                labels.push(label.clone());
            }
        }
        self.x = (0..labels.len()).map(|place| Some(place as f64)).collect();
        self.labels = labels;
        for (_, values) in &mut self.series {
            for (row, _) in values.iter_mut() {
                *row = places[*row];
            }
        }
    }

    fn put(&mut self, label: String, x: Option<f64>) {
        self.labels.push(label);
        self.x.push(x);
    }

    fn series_of(&mut self, name: String) -> Result<usize, String> {
        if let Some(place) = self.series.iter().position(|(own, _)| *own == name) {
            return Ok(place);
        }
        if self.series.len() == SERIES {
            return Err(format!(
                "by= has more than {SERIES} different values; keep the largest with |> WHERE"
            ));
        }
        self.series.push((name, Vec::new()));
        Ok(self.series.len() - 1)
    }

    /// What is drawn, in the order of x where that has one.
    pub(super) fn chart(mut self, columns: &Columns, kind: Kind) -> Chart {
        if kind == Kind::Bar && columns.by.is_some() {
            self.put_side_by_side();
        }
        let mut left_out = 0;
        let mut series: Vec<Series> = Vec::with_capacity(self.series.len());
        for (name, values) in self.series {
            let mut points: Vec<Point> = Vec::with_capacity(values.len());
            for (row, value) in values {
                let value = value.filter(|value| value.is_finite());
                let x = self.x[row].filter(|x| x.is_finite());
                left_out += usize::from(value.is_none() || x.is_none());
                if let Some(x) = x {
                    points.push(Point { row, x, value });
                }
            }
            if kind == Kind::Line {
                points.sort_by(|a, b| a.x.total_cmp(&b.x));
            }
            series.push(Series { name, points });
        }
        Chart {
            title: columns.title(),
            x_name: columns.x_name.clone(),
            x_kind: columns.x_kind.clone(),
            labels: self.labels,
            series,
            left_out,
        }
    }
}

/// A chart that can be drawn.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x_name: String,
    pub(super) x_kind: AxisKind,
    /// Of each row.
    pub(super) labels: Vec<String>,
    pub(super) series: Vec<Series>,
    /// Points that have no number.
    pub(super) left_out: usize,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) row: usize,
    pub(super) x: f64,
    /// `None` is a gap.
    pub(super) value: Option<f64>,
}

impl Chart {
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + '_ {
        let points = self.series.iter().flat_map(|series| &series.points);
        points.filter_map(|point| point.value)
    }

    /// From the first to the last place that has a number.
    pub(super) fn x_range(&self) -> (f64, f64) {
        let points = self.series.iter().flat_map(|series| &series.points);
        let places = points.filter_map(|point| point.value.map(|_| point.x));
        match self.x_kind {
            AxisKind::Times(_) => range_of_times(places),
            _ => range(places),
        }
    }

    /// What is to be said below the chart.
    pub(super) fn note(&self) -> Option<String> {
        match self.left_out {
            0 => None,
            1 => Some("1 point without a number is left out".to_string()),
            count => Some(format!("{count} points without a number are left out")),
        }
    }
}

/// The value as text, on one line; NULL is called so.
fn label(column: &ArrayRef, row: usize) -> Result<String, String> {
    let mut text = String::new();
    let cells = ColumnText::new(column).map_err(|error| error.to_string())?;
    match cells.write(row, &mut text) {
        Ok(true) => Ok(text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()),
        Ok(false) => Ok("NULL".to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn numbers(column: &ArrayRef) -> Result<Vec<Option<f64>>, String> {
    let values = cast(column, &DataType::Float64).map_err(|error| error.to_string())?;
    Ok(values.as_primitive::<Float64Type>().iter().collect())
}

fn places(column: &ArrayRef, kind: &AxisKind) -> Result<Vec<Option<f64>>, String> {
    if !matches!(kind, AxisKind::Times(_)) {
        return numbers(column);
    }
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let micros = cast(column, &micros).and_then(|column| cast(&column, &DataType::Int64));
    let micros = micros.map_err(|error| error.to_string())?;
    let micros = micros.as_primitive::<Int64Type>().iter();
    Ok(micros
        .map(|micros| micros.map(|micros| micros as f64))
        .collect())
}

/// A place on the axis of times, as its column shows it.
pub(super) fn time_text(micros: f64, data_type: &DataType) -> Option<String> {
    let number: ArrayRef = Arc::new(tidemill::arrow::array::Int64Array::from(vec![
        micros as i64,
    ]));
    let moment = cast(&number, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok()?;
    let moment = match data_type {
        // A day is enough where days were given.
        DataType::Date32 | DataType::Date64 => cast(&moment, &DataType::Date32).ok()?,
        _ => moment,
    };
    (!moment.is_null(0))
        .then(|| label(&moment, 0).ok())
        .flatten()
}
