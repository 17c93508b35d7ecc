//! CSV and TSV: the library's own writer, into the output.

use std::io::{self, Write};

use tidemill::CsvWriter;
use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;

use super::{ResultWriter, Style};

pub(super) struct Delimited<'a> {
    csv: CsvWriter,
    out: &'a mut (dyn Write + Send),
}

impl<'a> Delimited<'a> {
    pub(super) fn new(
        delimiter: u8,
        schema: &SchemaRef,
        style: &Style,
        out: &'a mut (dyn Write + Send),
    ) -> io::Result<Self> {
        let mut csv = CsvWriter::new(delimiter, &style.null);
        csv.header(schema, out)?;
        Ok(Delimited { csv, out })
    }
}

impl ResultWriter for Delimited<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.csv.batch(batch, self.out)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
