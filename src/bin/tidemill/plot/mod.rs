//! Charts of results: bars and lines, as characters in a terminal or as a picture.
//!
//! `spec.rs` reads what `--plot` says, and what `|> CALL PLOT(…)` of a query says, `columns.rs` finds the columns, `data.rs` takes the points from the rows, `bars.rs` and `lines.rs` draw them for a terminal,
//! `svg.rs` for a file, `png.rs` the same in pixels.

mod bars;
mod columns;
mod data;
mod lines;
mod number;
mod png;
mod spec;
mod svg;

use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;
use tidemill::{Error, Rows};

use crate::flags::Format;

pub(crate) use spec::{Kind, PlotSpec, parse};

/// How a chart is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canvas {
    /// Characters, as many in a line as this.
    Text(usize),
    Svg,
    Png,
}

/// How the rows are drawn that a query asks to be drawn. It does so for people: where `format` is one for programs, it is rows.
pub(crate) fn asked_by(rows: &Rows, format: Option<Format>) -> Option<PlotSpec> {
    let is_for_people = matches!(format, None | Some(Format::Table));
    rows.chart().filter(|_| is_for_people).map(PlotSpec::of)
}

/// Why there is no chart.
pub(crate) enum Undrawn {
    Query(Error),
    /// The rows cannot be drawn so.
    Unfit(String),
}

/// The chart of all rows, and how many they are.
pub(crate) fn drawn(
    spec: &PlotSpec,
    rows: &mut Rows,
    canvas: Canvas,
) -> Result<(Vec<u8>, u64), Undrawn> {
    let mut plot = Plot::new(spec, rows.schema()).map_err(Undrawn::Unfit)?;
    let mut count = 0;
    for batch in rows {
        let batch = batch.map_err(Undrawn::Query)?;
        count += batch.num_rows() as u64;
        plot.batch(&batch).map_err(Undrawn::Unfit)?;
    }
    let chart = plot.draw(canvas).map_err(Undrawn::Unfit)?;
    Ok((chart, count))
}

/// Rows that a chart is made of, up to its bound.
#[derive(Debug)]
pub(crate) struct Plot<'s> {
    spec: &'s PlotSpec,
    columns: columns::Columns,
    points: data::Points,
}

impl<'s> Plot<'s> {
    /// The columns that the chart needs, or why it cannot be drawn.
    pub(crate) fn new(spec: &'s PlotSpec, schema: &SchemaRef) -> Result<Self, String> {
        let columns = columns::Columns::of(spec, schema)?;
        Ok(Plot {
            points: data::Points::new(&columns),
            columns,
            spec,
        })
    }

    /// Adds rows.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let bound = match self.spec.kind {
            Kind::Bar => data::BARS,
            Kind::Line => data::POINTS,
        };
        self.points.add(&self.columns, batch, bound)
    }

    /// The chart of all rows.
    pub(crate) fn draw(self, canvas: Canvas) -> Result<Vec<u8>, String> {
        let chart = self.points.chart(&self.columns, self.spec.kind);
        match (canvas, self.spec.kind) {
            (Canvas::Svg, _) => svg::draw(&chart, self.spec.kind).map(String::into_bytes),
            (Canvas::Png, _) => png::draw(&chart, self.spec.kind),
            (Canvas::Text(width), Kind::Bar) => Ok(bars::draw(&chart, width).into_bytes()),
            (Canvas::Text(width), Kind::Line) => Ok(lines::draw(&chart, width).into_bytes()),
        }
    }
}

#[cfg(test)]
mod tests;
