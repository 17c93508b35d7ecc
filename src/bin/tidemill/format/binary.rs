//! Arrow IPC streams and Parquet files.

use std::io::{self, Write};

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use tidemill::arrow::array::RecordBatch;
use tidemill::arrow::datatypes::SchemaRef;
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

fn from_parquet(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
