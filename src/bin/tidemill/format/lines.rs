//! Lines of text as they are, such as those of EXPLAIN, cut where a terminal ends.

use std::io::{self, Write};

use tidemill::ColumnText;
use tidemill::arrow::array::RecordBatch;

use super::{ResultWriter, Style};

pub(super) struct Lines<'a> {
    out: &'a mut (dyn Write + Send),
    width: Option<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(style: &Style, out: &'a mut (dyn Write + Send)) -> Self {
        Lines {
            out,
            width: style.width.map(usize::from),
        }
    }
}

/// The line, or its beginning and a mark that it goes on.
pub(crate) fn cut(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if line.chars().count() > width => {
            let shown: String = line.chars().take(width.saturating_sub(1)).collect();
            format!("{shown}…")
        }
        _ => line.to_string(),
    }
}

impl ResultWriter for Lines<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let Some(column) = batch.columns().first() else {
            return Ok(());
        };
        let cells = ColumnText::new(column)?;
        for row in 0..batch.num_rows() {
            let mut line = String::new();
            cells.write(row, &mut line)?;
            writeln!(self.out, "{}", cut(&line, self.width))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
