//! Batches as the bytes of one file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter as IpcWriter, IpcWriteOptions};
use arrow::json::writer::{LineDelimited, Writer as JsonWriter};
use arrow::record_batch::RecordBatch;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::column_text::times_have_text;
use super::csv::CsvWriter;
use super::json::json_writer;
use super::{WriteRequest, unwritable};
use crate::error::{Error, Result};
use crate::file::format::Format;

/// How the bytes of a file are made fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Snappy,
    Lz4,
}

impl Compression {
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "none" | "uncompressed" => Compression::None,
            "gzip" | "gz" => Compression::Gzip,
            "zstd" | "zst" => Compression::Zstd,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            _ => return None,
        })
    }

    /// What a format can be written with.
    pub(crate) fn of_format(format: Format) -> &'static [Compression] {
        match format {
            Format::Parquet => &[
                Compression::None,
                Compression::Gzip,
                Compression::Zstd,
                Compression::Snappy,
                Compression::Lz4,
            ],
            Format::Arrow => &[Compression::None, Compression::Zstd, Compression::Lz4],
            Format::Csv | Format::Tsv | Format::Ndjson => {
                &[Compression::None, Compression::Gzip, Compression::Zstd]
            }
        }
    }
}

/// Writes one file.
pub(super) struct FileWriter {
    path: PathBuf,
    writer: Kind,
}

enum Kind {
    Csv(CsvWriter, Bytes),
    Json(JsonWriter<Bytes, LineDelimited>),
    Parquet(Box<ArrowWriter<BufWriter<File>>>),
    Arrow(Box<IpcWriter<BufWriter<File>>>),
}

impl FileWriter {
    /// `path` is what messages show.
    pub(super) fn new(
        request: &WriteRequest,
        schema: &SchemaRef,
        file: File,
        path: &Path,
    ) -> Result<Self> {
        let out = BufWriter::new(file);
        let failed = |error| unwritable(path, error);
        let writer = match request.format {
            Format::Csv | Format::Tsv => {
                let mut out = Bytes::new(out, request.compression).map_err(failed)?;
                let mut csv = CsvWriter::new(request.delimiter, &request.null);
                if request.header {
                    csv.header(schema, &mut out).map_err(failed)?;
                }
                Kind::Csv(csv, out)
            }
            Format::Ndjson => {
                let out = Bytes::new(out, request.compression).map_err(failed)?;
                Kind::Json(json_writer().build(out))
            }
            Format::Parquet => {
                let properties =
                    WriterProperties::builder().set_compression(match request.compression {
                        Compression::None => Codec::UNCOMPRESSED,
                        Compression::Gzip => Codec::GZIP(Default::default()),
                        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
                        Compression::Snappy => Codec::SNAPPY,
                        Compression::Lz4 => Codec::LZ4_RAW,
                    });
                let properties = properties.build();
                let writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties));
                Kind::Parquet(Box::new(writer.map_err(|error| other(path, &error))?))
            }
            Format::Arrow => {
                let codec = match request.compression {
                    Compression::Zstd => Some(CompressionType::ZSTD),
                    Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
                    _ => None,
                };
                let options = IpcWriteOptions::default()
                    .try_with_compression(codec)
                    .map_err(|error| other(path, &error))?;
                let writer = IpcWriter::try_new_with_options(out, schema, options);
                Kind::Arrow(Box::new(writer.map_err(|error| other(path, &error))?))
            }
        };
        Ok(FileWriter {
            path: path.to_path_buf(),
            writer,
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let path = &self.path;
        match &mut self.writer {
            Kind::Csv(csv, out) => csv
                .batch(batch, out)
                .map_err(|error| unwritable(path, error)),
            Kind::Json(writer) => {
                times_have_text(batch).map_err(|error| unwritable(path, error))?;
                writer.write(batch).map_err(|error| other(path, &error))
            }
            Kind::Parquet(writer) => writer.write(batch).map_err(|error| other(path, &error)),
            Kind::Arrow(writer) => writer.write(batch).map_err(|error| other(path, &error)),
        }
    }

    /// Everything is on the disk when this is over.
    pub(super) fn finish(self) -> Result<()> {
        let path = &self.path;
        let file = match self.writer {
            Kind::Csv(_, out) => out.finish(),
            Kind::Json(mut writer) => {
                writer.finish().map_err(|error| other(path, &error))?;
                writer.into_inner().finish()
            }
            Kind::Parquet(writer) => {
                let out = writer.into_inner().map_err(|error| other(path, &error))?;
                out.into_inner().map_err(io::IntoInnerError::into_error)
            }
            Kind::Arrow(mut writer) => {
                writer.finish().map_err(|error| other(path, &error))?;
                let out = writer.into_inner().map_err(|error| other(path, &error))?;
                out.into_inner().map_err(io::IntoInnerError::into_error)
            }
        };
        file.and_then(|file| file.sync_all())
            .map_err(|error| unwritable(path, error))
    }
}

/// The bytes of a text, compressed on their way.
enum Bytes {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Bytes {
    fn new(out: BufWriter<File>, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => Bytes::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Compression::Zstd => Bytes::Zstd(zstd::Encoder::new(out, 0)?),
            _ => Bytes::Plain(out),
        })
    }

    fn finish(self) -> io::Result<File> {
        let out = match self {
            Bytes::Plain(out) => out,
            Bytes::Gzip(encoder) => encoder.finish()?,
            Bytes::Zstd(encoder) => encoder.finish()?,
        };
        out.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Bytes::Plain(out) => out.write(bytes),
            Bytes::Gzip(out) => out.write(bytes),
            Bytes::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Bytes::Plain(out) => out.flush(),
            Bytes::Gzip(out) => out.flush(),
            Bytes::Zstd(out) => out.flush(),
        }
    }
}

/// A type that the format has no place for, or a disk that is full: the library below says which.
fn other(path: &Path, error: &dyn std::error::Error) -> Error {
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default();
    unwritable(path, io::Error::other("")).hint(format!("the writer says: {reason}"))
}
