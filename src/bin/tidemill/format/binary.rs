//! Arrow IPC streams and Parquet files.

use std::io::{self, Write};

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::{DataType, SchemaRef};
use tidemill::arrow::ipc::writer::StreamWriter;

use super::ResultWriter;
use super::json::into_io;

pub(super) struct Arrow<'a>(StreamWriter<&'a mut (dyn Write + Send)>);

impl<'a> Arrow<'a> {
    pub(super) fn new(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> io::Result<Self> {
        StreamWriter::try_new(out, schema)
            .map(Arrow)
            .map_err(into_io)
    }
}

impl ResultWriter for Arrow<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.0.write(batch).map_err(into_io)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.finish().map_err(into_io)?;
        self.0.get_mut().flush()
    }
}

pub(super) struct Parquet<'a>(ArrowWriter<&'a mut (dyn Write + Send)>);

impl<'a> Parquet<'a> {
    pub(super) fn new(schema: &SchemaRef, out: &'a mut (dyn Write + Send)) -> io::Result<Self> {
        if let Some(field) = schema
            .fields()
            .iter()
            .find(|field| has_interval(field.data_type()))
        {
            return Err(io::Error::other(format!(
                "Parquet has no INTERVAL as `{}` is: write it as text, or the result as arrow",
                field.name()
            )));
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties))
            .map(Parquet)
            .map_err(from_parquet)
    }
}

impl ResultWriter for Parquet<'_> {
    fn batch(&mut self, batch: &RecordBatch) -> io::Result<()> {
        self.0.write(batch).map_err(from_parquet)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.into_inner().map_err(from_parquet)?.flush()
    }
}

/// Months, days and nanoseconds together have no place in Parquet.
fn has_interval(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_interval(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().any(|field| has_interval(field.data_type())),
        DataType::Map(entries, _) => has_interval(entries.data_type()),
        _ => false,
    }
}

fn from_parquet(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
