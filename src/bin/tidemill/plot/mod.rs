//! Charts of results: bars and lines, as characters in a terminal or as SVG.
//!
//! `spec.rs` reads what `--plot` says, `columns.rs` finds the columns, `data.rs` takes the points from the rows, `bars.rs` and `lines.rs` draw them for a terminal,
//! `svg.rs` for a file.

mod bars;
mod columns;
mod data;
mod lines;
mod number;
mod spec;
mod svg;

use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;

pub(crate) use spec::{Kind, PlotSpec, parse};

/// How a chart is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canvas {
    /// Characters, as many in a line as this.
    Text(usize),
    Svg,
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
    pub(crate) fn draw(self, canvas: Canvas) -> Result<String, String> {
        let chart = self.points.chart(&self.columns, self.spec.kind);
        match (canvas, self.spec.kind) {
            (Canvas::Svg, _) => svg::draw(&chart, self.spec.kind),
            (Canvas::Text(width), Kind::Bar) => Ok(bars::draw(&chart, width)),
            (Canvas::Text(width), Kind::Line) => Ok(lines::draw(&chart, width)),
        }
    }
}

#[cfg(test)]
mod tests;
