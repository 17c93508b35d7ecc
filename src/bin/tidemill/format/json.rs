//! JSON as one array or as lines, by arrow's writer. Names that repeat get a number, since an object's names must differ.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use tidemill::arrow::array::{RecordBatch, RecordBatchOptions};
use tidemill::arrow::datatypes::{Schema, SchemaRef};
use tidemill::arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, Writer, WriterBuilder};
use tidemill::times_have_text;

use super::ResultWriter;

pub(super) struct Json<'a, F: JsonFormat> {
    schema: SchemaRef,
    writer: Writer<&'a mut (dyn Write + Send), F>,
    /// What ends the text: an array's last line has no line break of its own.
    end: &'static [u8],
}

impl<'a> Json<'a, JsonArray> {
    pub(super) fn array(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> Self {
        Json {
            schema: distinct(schema),
            writer: builder().build(out),
            end: b"\n",
        }
    }
}

impl<'a> Json<'a, LineDelimited> {
    pub(super) fn lines(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> Self {
        Json {
            schema: distinct(schema),
            writer: builder().build(out),
            end: b"",
        }
    }
}

fn builder() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true)
}

/// `a, a, b` as `a, a_2, b`.
fn distinct(schema: &SchemaRef) -> SchemaRef {
    let mut seen = HashSet::new();
    let fields: Vec<_> = (schema.fields().iter())
        .map(|field| {
            let mut name = field.name().clone();
            let mut number = 1;
            while !seen.insert(name.clone()) {
                number += 1;
                name = format!("{}_{number}", field.name());
            }
            field.as_ref().clone().with_name(name)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

impl<F: JsonFormat> ResultWriter for Json<'_, F> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        times_have_text(batch)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            batch.columns().to_vec(),
            &options,
        )
        .and_then(|batch| self.writer.write(&batch))
        .map_err(into_io)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.writer.finish().map_err(into_io)?;
        let out = self.writer.into_inner();
        out.write_all(self.end)?;
        out.flush()
    }
}

/// Keeps the kind of an I/O error, which says whether the reader went away.
pub(super) fn into_io(error: tidemill::arrow::error::ArrowError) -> io::Error {
    match error {
        tidemill::arrow::error::ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}
