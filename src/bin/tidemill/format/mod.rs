//! Results as text or bytes. Every writer takes batches as they come and holds none, but for the rows a table shows.

mod binary;
mod cells;
mod delimited;
mod expanded;
mod grid;
mod json;
mod lines;
mod paint;
mod picture;
mod table;

use std::io::{self, Write};

use tidemill::LINES_KEY;
use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;

use crate::flags::Format;

pub(crate) use paint::Paint;
pub(crate) use picture::{Expanded, Frame, Picture, count_text, grouped};

/// Writes one result.
pub(crate) trait ResultWriter {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()>;
    /// After the last batch.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// How text looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    /// How CSV and TSV write NULL.
    pub(crate) null: String,
    /// JSON has no NaN and no infinity: they are an error, and not null.
    pub(crate) strict: bool,
    /// Tables show every row.
    pub(crate) all: bool,
    /// Columns of the terminal; `None` where the output is none.
    pub(crate) width: Option<u16>,
}

/// A writer of `format` into `out`.
pub(crate) fn writer<'a>(
    format: Format,
    schema: &SchemaRef,
    style: &Style,
    out: &'a mut (dyn Write + Send),
) -> io::Result<Box<dyn ResultWriter + 'a>> {
    Ok(match format {
        Format::Csv => Box::new(delimited::Delimited::new(b',', schema, style, out)?),
        Format::Tsv => Box::new(delimited::Delimited::new(b'\t', schema, style, out)?),
        Format::Json => Box::new(json::Json::array(schema, style, out)),
        Format::Ndjson => Box::new(json::Json::lines(schema, style, out)),
        Format::Table if schema.metadata().contains_key(LINES_KEY) => {
            Box::new(lines::Lines::new(style, out))
        }
        Format::Table => Box::new(table::Table::new(schema, style, out)),
        Format::Markdown => Box::new(table::Markdown::new(schema, out)?),
        Format::Arrow => Box::new(binary::Arrow::new(schema, out)?),
        Format::Parquet => Box::new(binary::Parquet::new(schema, out)?),
    })
}

pub(crate) use lines::cut;

#[cfg(test)]
mod tests;
