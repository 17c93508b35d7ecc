//! How results are looked at: what the shell's settings say.

use crate::flags::{Flags, Format};
use crate::format::{Expanded, Frame, Paint, Style};
use crate::stop::Stop;

/// Lines of a table that are no rows: its frame and headings.
const FRAME_LINES: usize = 5;
/// Lines below a result: the count and the next prompt.
const LINES_BELOW: usize = 2;
/// Rows are shown on the smallest screen too.
const ROWS_LEAST: usize = 5;
/// Rows that a pager gets, and the most that can be asked for.
pub(super) const ROWS_MAX: usize = 10_000;

#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) format: Format,
    pub(super) expanded: Expanded,
    /// `None`: as many as the screen holds.
    pub(super) rows: Option<usize>,
    pub(super) pager: bool,
    pub(super) timing: bool,
    pub(super) paint: Paint,
    base: Style,
}

impl Look {
    pub(super) fn new(flags: &Flags) -> Result<Self, Stop> {
        let format = flags.settings.output.format.unwrap_or(Format::Table);
        if format.is_binary() {
            return Err(Stop::Usage(
                "a terminal cannot show arrow or parquet; give a query and use --output FILE or a pipe"
                    .to_string(),
            ));
        }
        Ok(Look {
            format,
            expanded: Expanded::Auto,
            rows: None,
            pager: false,
            timing: flags.settings.timing,
            paint: Paint::of_stdout(),
            base: flags.settings.output.style(None),
        })
    }

    pub(super) fn style(&self) -> Style {
        Style {
            width: Some(screen().0),
            ..self.base.clone()
        }
    }

    /// Rows that are kept to be shown.
    pub(super) fn rows_max(&self) -> usize {
        match (self.rows, self.pager) {
            (Some(rows), _) => rows,
            (None, true) => ROWS_MAX,
            (None, false) => self.height().saturating_sub(FRAME_LINES).max(ROWS_LEAST),
        }
    }

    /// Lines that a result may take.
    fn height(&self) -> usize {
        let below = LINES_BELOW + usize::from(self.timing);
        usize::from(screen().1).saturating_sub(below)
    }

    /// The screen, for rows that are kept in it.
    pub(super) fn frame(&self) -> Frame {
        let is_bound = self.rows.is_none() && !self.pager;
        Frame {
            width: Some(usize::from(screen().0)),
            height: is_bound.then(|| self.height()),
            expanded: self.expanded,
            paint: self.paint,
        }
    }

    /// A sheet as wide as it takes: a pager moves sideways.
    pub(super) fn sheet(&self) -> Frame {
        let width = match self.expanded {
            Expanded::Always => Some(usize::from(screen().0)),
            Expanded::Auto | Expanded::Never => None,
        };
        Frame {
            width,
            height: None,
            ..self.frame()
        }
    }
}

/// Columns and lines of the terminal.
pub(super) fn screen() -> (u16, u16) {
    terminal_size::terminal_size().map_or((80, 24), |(width, height)| (width.0, height.0))
}
