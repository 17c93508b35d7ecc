//! Tables for people: the first rows, and how many there are in all.

use std::io::{self, Write};

use tidemill::ColumnText;
use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;

use super::cells::{is_number, shown, visible};
use super::paint::Paint;
use super::picture::{Expanded, Frame, Picture, count_text};
use super::{ResultWriter, Style};

/// Rows that are shown, unless all are asked for; the rest is counted.
const ROWS_SHOWN: usize = 40;

pub(super) struct Table<'a> {
    out: &'a mut (dyn Write + Send),
    picture: Picture,
    frame: Frame,
    rows: u64,
}

impl<'a> Table<'a> {
    pub(super) fn new(schema: &SchemaRef, style: &Style, out: &'a mut (dyn Write + Send)) -> Self {
        let width = style.width.map(usize::from);
        Table {
            out,
            picture: Picture::new(schema, if style.all { usize::MAX } else { ROWS_SHOWN }),
            frame: Frame {
                width,
                height: None,
                expanded: Expanded::Auto,
                paint: width.map_or(Paint::default(), |_| Paint::of_stdout()),
            },
            rows: 0,
        }
    }
}

impl ResultWriter for Table<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.picture.take(batch)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        let drawn = self.picture.draw(self.frame);
        for line in &drawn.lines {
            writeln!(self.out, "{line}")?;
        }
        writeln!(self.out, "{}", count_text(drawn.rows, self.rows))?;
        self.out.flush()
    }
}

/// A Markdown table of every row.
pub(super) struct Markdown<'a> {
    out: &'a mut (dyn Write + Send),
}

impl<'a> Markdown<'a> {
    pub(super) fn new(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> io::Result<Self> {
        let mut names = String::from("|");
        let mut rule = String::from("|");
        for field in schema.fields() {
            names.push_str(&format!(" {} |", escaped(field.name())));
            rule.push_str(if is_number(field.data_type()) {
                "---:|"
            } else {
                "---|"
            });
        }
        writeln!(out, "{names}\n{rule}")?;
        Ok(Markdown { out })
    }
}

fn escaped(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> = text.split('\n').map(visible).collect();
    lines.join("<br>").replace('\\', "\\\\").replace('|', "\\|")
}

impl ResultWriter for Markdown<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let columns = batch
            .columns()
            .iter()
            .map(ColumnText::new)
            .collect::<io::Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let mut line = String::from("|");
            for column in &columns {
                line.push_str(&format!(" {} |", escaped(&shown(column, row)?.0)));
            }
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
