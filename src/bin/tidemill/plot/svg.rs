//! A chart as SVG, for files.

use plotters::prelude::*;

use super::columns::AxisKind;
use super::data::{Chart, Point, Series, time_text};
use super::number::{range, short, unit};
use super::spec::Kind;

pub(super) const SIZE: (u32, u32) = (960, 540);

/// Pixels below a chart of several series.
const LEGEND_HEIGHT: i32 = 36;

/// Characters of a name there.
const LEGEND_CHARACTERS: usize = 10;

/// Colours that are told apart also by those who see fewer.
const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 122, 140),
    RGBColor(214, 104, 31),
    RGBColor(86, 84, 160),
    RGBColor(184, 53, 92),
    RGBColor(93, 138, 40),
    RGBColor(139, 94, 60),
    RGBColor(70, 130, 200),
    RGBColor(110, 110, 110),
];

pub(super) fn draw(chart: &Chart, kind: Kind) -> Result<String, String> {
    let mut text = String::new();
    draw_on(SVGBackend::with_string(&mut text, SIZE), chart, kind)
        .map_err(|error| format!("the chart cannot be drawn: {error}"))?;
    Ok(text)
}

/// Draws on something of [`SIZE`].
pub(super) fn draw_on<B: DrawingBackend>(
    backend: B,
    chart: &Chart,
    kind: Kind,
) -> Result<(), Box<dyn std::error::Error>>
where
    B::ErrorType: 'static,
{
    let area = backend.into_drawing_area();
    area.fill(&WHITE)?;
    let scale = Scale::of(chart, kind);
    let several = chart.series.len() > 1;
    let mut on = ChartBuilder::on(&area)
        .caption(&chart.title, ("sans-serif", 20))
        .margin(16)
        // Half of the last time stands behind the end of the axis.
        .margin_right(if matches!(chart.x_kind, AxisKind::Times(_)) {
            44
        } else {
            16
        })
        .margin_bottom(if several { LEGEND_HEIGHT } else { 16 })
        .x_label_area_size(40)
        .y_label_area_size(72)
        .build_cartesian_2d(
            scale.x_range.0..scale.x_range.1,
            scale.y_range.0..scale.y_range.1,
        )?;
    let labels = match chart.x_kind {
        AxisKind::Names => chart.labels.len().clamp(1, 16),
        _ => 8,
    };
    on.configure_mesh()
        .x_label_formatter(&|x: &f64| x_label(chart, scale.x_value(*x)))
        .y_label_formatter(&|y: &f64| short(scale.y_value(*y)))
        .x_labels(labels)
        .light_line_style(WHITE)
        .draw()?;
    for (place, series) in chart.series.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        match kind {
            Kind::Bar => {
                let width = 0.8 / chart.series.len() as f64;
                let left = width * place as f64 - 0.4;
                on.draw_series(bars(series, &scale, (left, width), colour))?
            }
            Kind::Line => {
                on.draw_series(lonely(series, &scale, colour))?;
                on.draw_series(lines(series, &scale, colour))?
            }
        };
    }
    if several {
        legend(&area, chart)?;
    }
    area.present()?;
    Ok(())
}

/// How numbers become places: those that are very large, very small or far from zero are brought near to one.
struct Scale {
    x_start: f64,
    x_unit: f64,
    y_unit: f64,
    x_range: (f64, f64),
    y_range: (f64, f64),
}

impl Scale {
    fn of(chart: &Chart, kind: Kind) -> Self {
        let (x, y) = match kind {
            // Half a bar on each side; zero is in the picture, as a bar's length is its value.
            Kind::Bar => (
                (-0.5, chart.labels.len().max(1) as f64 - 0.5),
                range(chart.values().chain([0.0])),
            ),
            Kind::Line => (chart.x_range(), range(chart.values())),
        };
        let (x_start, x_unit) = match chart.x_kind {
            // Times are far from zero: their axis begins at the first.
            AxisKind::Times(_) => (x.0, x.1 - x.0),
            _ => (0.0, unit(x)),
        };
        let y_unit = unit(y);
        let (low, high) = (y.0 / y_unit, y.1 / y_unit);
        let margin = |end: f64| if end == 0.0 { 0.0 } else { (high - low) * 0.05 };
        Scale {
            x_range: ((x.0 - x_start) / x_unit, (x.1 - x_start) / x_unit),
            y_range: (low - margin(low), high + margin(high)),
            x_start,
            x_unit,
            y_unit,
        }
    }

    fn point(&self, point: &Point) -> Option<(f64, f64)> {
        let x = (point.x - self.x_start) / self.x_unit;
        Some((x, point.value? / self.y_unit))
    }

    fn x_value(&self, x: f64) -> f64 {
        whole(x * self.x_unit) + self.x_start
    }

    fn y_value(&self, y: f64) -> f64 {
        whole(y * self.y_unit)
    }
}

/// A label just outside of all numbers is the last of them.
fn whole(number: f64) -> f64 {
    number.clamp(f64::MIN, f64::MAX)
}

fn bars<'s>(
    series: &'s Series,
    scale: &'s Scale,
    (left, width): (f64, f64),
    colour: RGBColor,
) -> impl Iterator<Item = Rectangle<(f64, f64)>> + 's {
    let points = series
        .points
        .iter()
        .filter_map(move |point| scale.point(point));
    points.map(move |(x, y)| {
        let left = x + left;
        Rectangle::new([(left, 0.0), (left + width, y)], colour.filled())
    })
}

/// What lies between two gaps.
fn runs<'s>(series: &'s Series, scale: &'s Scale) -> impl Iterator<Item = Vec<(f64, f64)>> + 's {
    let runs = series.points.split(|point| point.value.is_none());
    runs.map(move |run| {
        let points = run.iter();
        points.filter_map(|point| scale.point(point)).collect()
    })
}

fn lines<'s>(
    series: &'s Series,
    scale: &'s Scale,
    colour: RGBColor,
) -> impl Iterator<Item = PathElement<(f64, f64)>> + 's {
    let runs = runs(series, scale).filter(|run| run.len() > 1);
    runs.map(move |run| PathElement::new(run, colour.stroke_width(2)))
}

/// Points that no line would show.
fn lonely<'s>(
    series: &'s Series,
    scale: &'s Scale,
    colour: RGBColor,
) -> impl Iterator<Item = Circle<(f64, f64), i32>> + 's {
    let runs = runs(series, scale).filter_map(|run| match run[..] {
        [only] => Some(only),
        _ => None,
    });
    runs.map(move |point| Circle::new(point, 3, colour.filled()))
}

/// The names of the series below the chart, where they hide nothing.
fn legend<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    chart: &Chart,
) -> Result<(), Box<dyn std::error::Error>>
where
    B::ErrorType: 'static,
{
    let y = SIZE.1 as i32 - LEGEND_HEIGHT + 8;
    let mut x = 88;
    for (place, series) in chart.series.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let name: String = series.name.chars().take(LEGEND_CHARACTERS).collect();
        area.draw(&Rectangle::new([(x, y), (x + 12, y + 12)], colour.filled()))?;
        // The width of letters is a guess: the reader's font is not known.
        let width = name.chars().count() as i32 * 8 + 44;
        area.draw(&Text::new(name, (x + 18, y), ("sans-serif", 13)))?;
        x += width;
    }
    Ok(())
}

/// What stands at a place of the x axis.
fn x_label(chart: &Chart, x: f64) -> String {
    match &chart.x_kind {
        AxisKind::Numbers => short(x),
        AxisKind::Times(data_type) => time_text(x, data_type).unwrap_or_default(),
        // Only the places of rows have names.
        AxisKind::Names if (x - x.round()).abs() > 0.01 || x < -0.01 => String::new(),
        AxisKind::Names => {
            let label = chart.labels.get(x.round() as usize);
            label.map_or(String::new(), |label| label.chars().take(20).collect())
        }
    }
}
