//! What a query says of how its rows are to be drawn. Nothing here draws.

/// How `|> CALL PLOT(…)` asks for the rows of a query to be drawn; see [`Rows::chart`](crate::Rows::chart).
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let text = "SELECT 1 AS day, 2 AS sold, 3 AS kept |> CALL PLOT('line', x => day, y => [sold, kept])";
/// let rows = engine.query(text, ())?;
/// let chart = rows.chart().expect("it ends with PLOT");
/// assert_eq!((chart.x, chart.y.as_slice(), chart.by), (Some(0), &[1, 2][..], None));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chart {
    /// Bars or lines.
    pub kind: ChartKind,
    /// The column along the bottom, by position; whoever draws chooses where none is named.
    pub x: Option<usize>,
    /// The columns of numbers, by position; whoever draws chooses where none is named.
    pub y: Vec<usize>,
    /// The column whose values tell the lines apart, by position.
    pub by: Option<usize>,
}

/// The kind of a chart.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let rows = engine.query("SELECT 'north' AS region, 2 AS sold |> CALL PLOT('bar')", ())?;
/// assert_eq!(rows.chart().map(|chart| chart.kind), Some(tidemill::ChartKind::Bar));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChartKind {
    /// A bar for each row.
    Bar,
    /// Lines through points.
    Line,
}
