//! Writing files, whole or not at all: everything goes to temporary files beside the target, which are renamed when all is written.
//!
//! [`format`](mod@format) writes batches as one of the formats, [`partitions`] splits them over `key=value` folders,
//! [`pending`] makes what was written visible, or takes it back.

mod column_text;
mod csv;
mod format;
mod json;
mod partitions;
mod pending;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

pub use column_text::{ColumnText, times_have_text};
pub use csv::CsvWriter;
pub(crate) use format::Compression;
pub(crate) use json::json_texts;
pub use json::json_writer;
pub(crate) use partitions::NO_VALUE;
pub(crate) use pending::{Pending, publish};

use super::format::Format;
use crate::error::{Error, ErrorKind, FilePlace, Result, system_reason};
use format::FileWriter;
use partitions::Partitions;

/// What to write and where.
#[derive(Debug, Clone)]
pub(crate) struct WriteRequest {
    /// As the user named it.
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    /// Replaces what is there.
    pub(crate) overwrite: bool,
    /// Columns whose values become folders: positions in the schema.
    pub(crate) partition_by: Vec<usize>,
    /// CSV begins with the names of the columns.
    pub(crate) header: bool,
    pub(crate) delimiter: u8,
    /// How CSV writes NULL.
    pub(crate) null: String,
}

impl WriteRequest {
    /// A folder of files, and not one file.
    fn is_folder(&self) -> bool {
        self.path.ends_with('/') || !self.partition_by.is_empty()
    }

    /// The file or folder that will be there. `*` stands for the number of a file, and there is one.
    pub(crate) fn target(&self) -> PathBuf {
        PathBuf::from(self.path.trim_end_matches('/').replace('*', "000000000000"))
    }

    /// Whether one of them would be in the other's place, or inside of it.
    pub(crate) fn meets(&self, other: &WriteRequest) -> bool {
        let whole = |request: &WriteRequest| {
            let target = request.target();
            std::path::absolute(&target).unwrap_or(target)
        };
        let (own, other) = (whole(self), whole(other));
        own.starts_with(&other) || other.starts_with(&own)
    }

    fn file_name(&self) -> String {
        let ending = match self.compression {
            Compression::Gzip if self.format.is_text() => ".gz",
            Compression::Zstd if self.format.is_text() => ".zst",
            _ => "",
        };
        format!("part-0.{}{ending}", self.format)
    }
}

/// Writes the batches to temporary files.
pub(crate) fn write(
    request: &WriteRequest,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Result<RecordBatch>>,
) -> Result<Pending> {
    let target = request.target();
    if !request.overwrite && is_taken(&target) {
        let message = format!("{} exists already", target.display());
        return Err(Error::new(ErrorKind::Input, "TM0702", message)
            .hint("write overwrite = TRUE to replace it"));
    }
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(".tidemill-").suffix(".part");
    let failed = |error| unwritable(&target, error);
    if request.is_folder() {
        let folder = temporary.tempdir_in(&parent).map_err(failed)?;
        let mut writer = Partitions::new(request, schema, folder.path());
        for batch in batches {
            writer.write(&batch?)?;
        }
        writer.finish()?;
        return Ok(Pending::folder(folder, target));
    }
    let file = temporary.tempfile_in(&parent).map_err(failed)?;
    let out = file.reopen().map_err(failed)?;
    let mut writer = FileWriter::new(request, schema, out, &target)?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.finish()?;
    Ok(Pending::file(file, target))
}

/// Something stands where the target would.
fn is_taken(target: &Path) -> bool {
    match std::fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => target.exists(),
    }
}

/// The schema without the columns that became folders.
fn without(schema: &SchemaRef, columns: &[usize]) -> SchemaRef {
    let fields = schema.fields().iter().enumerate();
    let kept = fields.filter(|(position, _)| !columns.contains(position));
    Arc::new(Schema::new(
        kept.map(|(_, field)| Arc::clone(field)).collect::<Vec<_>>(),
    ))
}

/// TM0701: the system refused to write.
fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let message = format!("this file cannot be written: {}", system_reason(&error));
    Error::new(ErrorKind::Io, "TM0701", message).in_file(FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    })
}

#[cfg(test)]
mod tests;
