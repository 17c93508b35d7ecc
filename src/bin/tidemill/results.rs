//! The results of a job on standard output, one after the other.

use std::io;

use tidemill::{Error, ErrorKind, Rows};

use crate::flags::Format;
use crate::format::Style;
use crate::plot::{self, Canvas, PlotSpec, Undrawn};
use crate::progress::Watch;
use crate::run::{WriteError, next_stdout, separator, write_rows};
use crate::settings::OutputFlags;
use crate::stop::Stop;
use crate::target::{Target, stdout_is_terminal};

/// Writes results as they come.
pub(crate) struct Results {
    /// The format that was asked for.
    asked: Option<Format>,
    format: Format,
    style: Style,
    written: usize,
    /// The pipe or file went away.
    pub(crate) broken: Option<io::Error>,
}

/// The format of what goes to standard output.
pub(crate) fn stdout_format(flags: &OutputFlags) -> Result<Format, Stop> {
    let to_terminal = stdout_is_terminal();
    let fallback = if to_terminal {
        Format::Table
    } else {
        Format::Csv
    };
    let format = flags.format.unwrap_or(fallback);
    one_field(format, &flags.null)?;
    if format.is_binary() && to_terminal {
        return Err(Stop::Usage(
            "a terminal cannot show arrow or parquet; use --output FILE or a pipe".to_string(),
        ));
    }
    Ok(format)
}

/// What stands for NULL must be read back as one field.
pub(crate) fn one_field(format: Format, null: &str) -> Result<(), Stop> {
    let part = match format {
        Format::Csv => ',',
        Format::Tsv => '\t',
        _ => return Ok(()),
    };
    if null.contains([part, '"', '\n', '\r']) {
        return Err(Stop::Usage(format!(
            "--null {null:?} would not be one field: it cannot hold a quote, a line break or what parts the fields"
        )));
    }
    Ok(())
}

/// How wide standard output is, where a person looks at it.
pub(crate) fn stdout_width() -> Option<u16> {
    stdout_is_terminal().then(|| terminal_size::terminal_size().map_or(80, |(width, _)| width.0))
}

impl Results {
    pub(crate) fn new(flags: &OutputFlags) -> Result<Self, Stop> {
        Ok(Results {
            asked: flags.format,
            format: stdout_format(flags)?,
            style: flags.style(stdout_width()),
            written: 0,
            broken: None,
        })
    }

    /// The next result.
    pub(crate) fn write(&mut self, rows: &mut Rows, watch: &Watch) -> tidemill::Result<u64> {
        let mut target = next_stdout(self.format, self.written).map_err(|stop| match stop {
            Stop::Usage(message) => Error::new(ErrorKind::Input, "TM0603", message),
            _ => Error::new(ErrorKind::Io, "TM0701", "standard output cannot be written"),
        })?;
        let separator = separator(self.format, self.written);
        self.written += 1;
        let (format, style) = (self.format, &self.style);
        let written = match plot::asked_by(rows, self.asked) {
            Some(spec) => chart(&spec, rows, style, &mut target)?.map_err(WriteError::Output),
            None => write_rows(rows, &mut target, separator, format, style, watch),
        };
        let written =
            written.and_then(|count| target.commit().map(|()| count).map_err(WriteError::Output));
        match written {
            Ok(count) => Ok(count),
            Err(WriteError::Query(error)) => Err(error),
            Err(WriteError::Output(error)) => {
                let message = format!("the result cannot be written: {}", error.kind());
                self.broken = Some(error);
                Err(Error::new(ErrorKind::Io, "TM0701", message))
            }
        }
    }
}

/// Draws the rows; how many there were, or why they could not be written.
fn chart(
    spec: &PlotSpec,
    rows: &mut Rows,
    style: &Style,
    target: &mut Target,
) -> tidemill::Result<io::Result<u64>> {
    let canvas = Canvas::Text(usize::from(style.width.unwrap_or(80)));
    let (chart, count) = plot::drawn(spec, rows, canvas).map_err(|undrawn| match undrawn {
        Undrawn::Query(error) => error,
        Undrawn::Unfit(reason) => {
            Error::new(ErrorKind::Input, "TM0603", format!("no chart: {reason}"))
        }
    })?;
    Ok(target.writer().write_all(&chart).map(|()| count))
}
