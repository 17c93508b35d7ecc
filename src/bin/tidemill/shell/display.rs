//! A result on the screen: its first rows at once, and their true number when all were counted.

use std::io::{self, BufWriter, Write};

use tidemill::{Error, ErrorKind, Rows};

use super::look::Look;
use super::pager::{self, Pager};
use crate::flags::Format;
use crate::format::{self, Frame, Picture, count_text, grouped};
use crate::interrupt::is_interrupted;
use crate::plot::{self, Canvas, PlotSpec, Undrawn};
use crate::progress::Watch;

/// Why a result was not shown.
pub(super) enum Unshown {
    Query(Error),
    Output(io::Error),
    /// The rows cannot be drawn as their query says.
    Undrawn(String),
}

impl From<io::Error> for Unshown {
    fn from(error: io::Error) -> Self {
        Unshown::Output(error)
    }
}

/// Shows a result.
pub(super) fn show(rows: &mut Rows, look: &Look, watch: &Watch) -> Result<(), Unshown> {
    if let Some(spec) = plot::asked_by(rows, Some(look.format)) {
        return chart(&spec, rows, watch);
    }
    match look.format {
        Format::Table => table(rows, look, watch),
        _ => stream(rows, look, watch),
    }
}

fn chart(spec: &PlotSpec, rows: &mut Rows, watch: &Watch) -> Result<(), Unshown> {
    let canvas = Canvas::Text(usize::from(super::look::screen().0));
    let (chart, _) = plot::drawn(spec, rows, canvas).map_err(|undrawn| match undrawn {
        Undrawn::Query(error) => Unshown::Query(error),
        Undrawn::Unfit(reason) => Unshown::Undrawn(reason),
    })?;
    watch.be_quiet();
    let mut out = io::stdout().lock();
    out.write_all(&chart)?;
    Ok(out.flush()?)
}

/// Every row, as it comes.
fn stream(rows: &mut Rows, look: &Look, watch: &Watch) -> Result<(), Unshown> {
    let first = rows.next().transpose().map_err(Unshown::Query)?;
    watch.be_quiet();
    if look.pager {
        let mut pager = Pager::start()?;
        let written = write(first, rows, look, pager.writer()?);
        pager.end()?;
        return match written {
            Err(Unshown::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        };
    }
    let mut out = BufWriter::new(io::stdout());
    let written = write(first, rows, look, &mut out);
    out.flush()?;
    written
}

fn write(
    first: Option<tidemill::arrow::array::RecordBatch>,
    rows: &mut Rows,
    look: &Look,
    out: &mut (dyn Write + Send),
) -> Result<(), Unshown> {
    let schema = rows.schema().clone();
    let mut writer = format::writer(look.format, &schema, &look.style(), out)?;
    for batch in first.map(Ok).into_iter().chain(rows) {
        writer.batch(&batch.map_err(Unshown::Query)?)?;
    }
    Ok(writer.finish()?)
}

/// How many rows there are.
#[derive(Default)]
struct Count {
    rows: u64,
    /// Counting was stopped.
    is_open: bool,
}

fn table(rows: &mut Rows, look: &Look, watch: &Watch) -> Result<(), Unshown> {
    let mut picture = Picture::new(rows.schema(), look.rows_max());
    let (mut count, mut footer) = (Count::default(), None);
    for batch in rows {
        match batch {
            Ok(batch) => {
                count.rows += batch.num_rows() as u64;
                picture.take(&batch)?;
            }
            // The rows are there: only the rest of the count was stopped.
            Err(error) if footer.is_some() && is_stop(&error) => {
                count.is_open = true;
                break;
            }
            Err(error) => return Err(Unshown::Query(error)),
        }
        if picture.is_full() && footer.is_none() && !look.pager {
            footer = Some(watch.aside(|| rows_of(&picture, look.frame()))?);
        }
    }
    watch.be_quiet();
    match footer {
        Some(footer) => Ok(say(&footer.text(&count))?),
        None if look.pager => Ok(paged(&picture, look, &count)?),
        None => {
            let footer = rows_of(&picture, look.frame())?;
            Ok(say(&footer.text(&count))?)
        }
    }
}

fn is_stop(error: &Error) -> bool {
    is_interrupted() && error.kind() == ErrorKind::Cancelled
}

/// What a picture does not show.
struct Footer {
    rows: usize,
    columns_left: usize,
    is_cut: bool,
}

impl Footer {
    fn text(&self, count: &Count) -> String {
        let mut text = match count.is_open {
            true => {
                let (shown, rows) = (grouped(self.rows as u64), grouped(count.rows));
                // Over the `^C` that the terminal wrote.
                format!("\r{shown} of at least {rows} rows: counting was stopped")
            }
            false => count_text(self.rows, count.rows),
        };
        if self.columns_left > 0 {
            let plural = if self.columns_left == 1 {
                "column"
            } else {
                "columns"
            };
            text += &format!("; {} more {plural}: \\x shows them", self.columns_left);
        } else if self.is_cut {
            text += "; long values are cut: \\x shows them";
        }
        text
    }
}

fn rows_of(picture: &Picture, frame: Frame) -> io::Result<Footer> {
    let drawn = picture.draw(frame);
    if !drawn.lines.is_empty() {
        pager::print(&drawn.lines, false)?;
    }
    Ok(Footer {
        rows: drawn.rows,
        columns_left: drawn.columns_left,
        is_cut: drawn.is_cut,
    })
}

/// On the screen where all fits on it, otherwise through the pager.
fn paged(picture: &Picture, look: &Look, count: &Count) -> io::Result<()> {
    let mut drawn = picture.draw(look.frame());
    let height = usize::from(super::look::screen().1);
    let is_long = drawn.lines.len() + 2 > height;
    if is_long || drawn.is_cut || drawn.columns_left > 0 {
        drawn = picture.draw(look.sheet());
    }
    let footer = Footer {
        rows: drawn.rows,
        columns_left: drawn.columns_left,
        is_cut: drawn.is_cut,
    };
    let is_wide =
        is_long || look.frame().width < drawn.lines.first().map(|line| line.chars().count());
    drawn.lines.push(footer.text(count));
    match is_wide {
        true => pager::through(&drawn.lines),
        false => pager::print(&drawn.lines, false),
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
