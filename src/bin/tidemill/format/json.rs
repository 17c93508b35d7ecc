//! JSON as one array or as lines, by arrow's writer with what the library says of it. Names that repeat get a number, since an object's names must differ.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use tidemill::arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use tidemill::arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, Schema, SchemaRef,
};
use tidemill::arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, Writer};
use tidemill::{json_writer, times_have_text};

use super::{ResultWriter, Style};

pub(super) struct Json<'a, F: JsonFormat> {
    schema: SchemaRef,
    writer: Writer<&'a mut (dyn Write + Send), F>,
    /// NaN and infinities are an error.
    strict: bool,
    /// What ends the text: an array's last line has no line break of its own.
    end: &'static [u8],
}

impl<'a> Json<'a, JsonArray> {
    pub(super) fn array(
        schema: &SchemaRef,
        style: &Style,
        out: &'a mut (dyn Write + Send),
    ) -> Self {
        Json {
            schema: distinct(schema),
            writer: json_writer().build(out),
            strict: style.strict,
            end: b"\n",
        }
    }
}

impl<'a> Json<'a, LineDelimited> {
    pub(super) fn lines(
        schema: &SchemaRef,
        style: &Style,
        out: &'a mut (dyn Write + Send),
    ) -> Self {
        Json {
            schema: distinct(schema),
            writer: json_writer().build(out),
            strict: style.strict,
            end: b"",
        }
    }
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

/// An error where a column holds, or holds inside of its values, a number that JSON cannot write.
fn numbers_have_text(name: &str, column: &dyn Array) -> io::Result<()> {
    let is_finite =
        match column.data_type() {
            DataType::Float16 => (column.as_primitive::<Float16Type>().iter().flatten())
                .all(|value| value.is_finite()),
            DataType::Float32 => (column.as_primitive::<Float32Type>().iter().flatten())
                .all(|value| value.is_finite()),
            DataType::Float64 => (column.as_primitive::<Float64Type>().iter().flatten())
                .all(|value| value.is_finite()),
            DataType::Struct(_) => {
                let fields = column.as_struct().columns();
                return fields
                    .iter()
                    .try_for_each(|field| numbers_have_text(name, field));
            }
            DataType::List(_) => {
                let lists = column.as_list::<i32>().iter().flatten();
                return { lists }.try_for_each(|values| numbers_have_text(name, &values));
            }
            DataType::Map(..) => return numbers_have_text(name, column.as_map().values()),
            _ => true,
        };
    if is_finite {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "`{name}` holds NaN or an infinity, which JSON cannot say; without --strict it is null"
    )))
}

impl<F: JsonFormat> ResultWriter for Json<'_, F> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        times_have_text(batch)?;
        if self.strict {
            for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
                numbers_have_text(field.name(), column)?;
            }
        }
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
