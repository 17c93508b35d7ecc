//! What is to be drawn: what `--plot` says (`bar`, `line:x=day,y=sales,y=costs`, `line:x=day,y=sales,by=region`), or the PLOT of a
//! query.

use tidemill::{Chart, ChartKind};

/// The kind of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bar,
    Line,
}

/// A chart's kind and its columns, where they are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlotSpec {
    pub(crate) kind: Kind,
    pub(crate) x: Option<ColumnRef>,
    pub(crate) y: Vec<ColumnRef>,
    /// Its values tell the lines apart.
    pub(crate) by: Option<ColumnRef>,
}

/// A column of a result that is still to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnRef {
    Named(String),
    At(usize),
}

impl PlotSpec {
    /// What a query says at its end; the binder has found the columns.
    pub(crate) fn of(chart: &Chart) -> Self {
        PlotSpec {
            kind: match chart.kind {
                ChartKind::Line => Kind::Line,
                _ => Kind::Bar,
            },
            x: chart.x.map(ColumnRef::At),
            y: chart.y.iter().copied().map(ColumnRef::At).collect(),
            by: chart.by.map(ColumnRef::At),
        }
    }
}

/// Reads the flag's value.
pub(crate) fn parse(text: &str) -> Result<PlotSpec, String> {
    let (kind, columns) = text.split_once(':').unwrap_or((text, ""));
    let mut spec = PlotSpec {
        kind: match kind {
            "bar" => Kind::Bar,
            "line" => Kind::Line,
            other => return Err(format!("`{other}` is no chart; use bar or line")),
        },
        x: None,
        y: Vec::new(),
        by: None,
    };
    let named = |name: &str| ColumnRef::Named(name.to_string());
    for part in columns.split(',').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("x", _)) if spec.x.is_some() => return Err("x is said twice".to_string()),
            Some(("x", name)) => spec.x = Some(named(name)),
            Some(("by", _)) if spec.by.is_some() => return Err("by is said twice".to_string()),
            Some(("by", name)) => spec.by = Some(named(name)),
            Some(("y", name)) => spec.y.push(named(name)),
            _ => {
                return Err(format!(
                    "`{part}` says no column; write x=COLUMN, y=COLUMN or by=COLUMN"
                ));
            }
        }
    }
    Ok(spec)
}
