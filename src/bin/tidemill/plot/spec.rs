//! What `--plot` says: `bar`, `line:x=day,y=sales,y=costs`, `line:x=day,y=sales,by=region`.

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
    pub(crate) x: Option<String>,
    pub(crate) y: Vec<String>,
    /// Its values tell the lines apart.
    pub(crate) by: Option<String>,
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
    for part in columns.split(',').filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("x", _)) if spec.x.is_some() => return Err("x is said twice".to_string()),
            Some(("x", name)) => spec.x = Some(name.to_string()),
            Some(("by", _)) if spec.by.is_some() => return Err("by is said twice".to_string()),
            Some(("by", name)) => spec.by = Some(name.to_string()),
            Some(("y", name)) => spec.y.push(name.to_string()),
            _ => {
                return Err(format!(
                    "`{part}` says no column; write x=COLUMN, y=COLUMN or by=COLUMN"
                ));
            }
        }
    }
    Ok(spec)
}
