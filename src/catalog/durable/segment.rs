//! A segment's file, opened, with where each column of the table comes from in it.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};
use arrow::util::display::FormatOptions;

use super::replicated::ReplicatedFile;
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::file::parquet::ParquetFile;
use crate::file::table::{Origin, ScanFile};
use crate::file::{DataFile, type_name};
use crate::table::database::DurableTable;
use crate::table::log::TableLog;
use crate::table::snapshot::{Segment, TAIL_TAG};

/// What does not read as the column's type is an error, not NULL.
const EXACTLY: CastOptions<'static> = CastOptions {
    safe: false,
    format_options: FormatOptions::new(),
};

/// Opens a segment as a file of a table of these columns. `said` gives the value of a column that no file has.
pub(super) fn open_segment(
    table: &DurableTable,
    segment: &Arc<Segment>,
    schema: &Schema,
    said: &dyn Fn(&Field, &str) -> Option<ArrayRef>,
) -> Result<ScanFile> {
    let path = table.log.directory.join(segment.file()?);
    let data: Arc<dyn DataFile> = if !table.has_mirrors() {
        let opened = open_copy(&path, segment).map_err(|error| {
            if path.exists() {
                return error;
            }
            let version = table.snapshot.version;
            let message = format!("a segment of version {version} of the table is missing");
            Error::new(ErrorKind::Data, "TM0748", message)
                .in_file(place(&path))
                .hint("VACUUM takes segments of old versions away; read a newer version")
        })?;
        Arc::new(opened)
    } else {
        Arc::new(ReplicatedFile::open(table, segment)?)
    };
    scan_file(&table.log, segment, data, schema, said)
}

/// A file with rows of a segment as a file of a table of these columns.
pub(super) fn scan_file(
    table: &TableLog,
    segment: &Segment,
    data: Arc<dyn DataFile>,
    schema: &Schema,
    said: &dyn Fn(&Field, &str) -> Option<ArrayRef>,
) -> Result<ScanFile> {
    let path = table.directory.join(segment.file()?);
    let name = path.display().to_string();
    let stored = Arc::clone(data.schema());
    let origin = |field: &Arc<Field>| {
        if let Some(value) = said(field, &name) {
            return Ok(Origin::Constant(value));
        }
        if let Some(value) = segment.add.partition_values.get(field.name()) {
            let value = value.as_deref().filter(|text| !text.is_empty());
            let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
            let found = cast_with_options(&text, field.data_type(), &EXACTLY);
            return Ok(Origin::Constant(found.map_err(|_| {
                let message = format!(
                    "the log says the value {} of the column {}, which is no {}",
                    value.unwrap_or_default(),
                    field.name(),
                    type_name(field.data_type())
                );
                Error::new(ErrorKind::Data, "TM0742", message).in_file(place(&path))
            })?));
        }
        Ok(match stored.index_of(field.name()) {
            Ok(position) => Origin::Stored(position),
            Err(_) => Origin::Missing,
        })
    };
    let origins = schema.fields().iter().map(origin);
    Ok(ScanFile {
        origins: origins.collect::<Result<_>>()?,
        path: name.clone(),
        data,
    })
}

/// Opens the file of a segment, whose size must be what the log says.
pub(super) fn open_copy(path: &Path, segment: &Segment) -> Result<ParquetFile> {
    let data = ParquetFile::open(path)?;
    let message = if data.byte_count() as i64 != segment.add.size {
        format!(
            "a segment has {} bytes and was written with {}",
            data.byte_count(),
            segment.add.size
        )
    } else if segment
        .tag(TAIL_TAG)
        .is_some_and(|tail| data.tail() != Some(tail))
    {
        "the footer of a segment is not what was written".to_string()
    } else {
        return Ok(data);
    };
    Err(Error::new(ErrorKind::Data, "TM0748", message)
        .in_file(place(path))
        .hint("restore this file from a copy"))
}

fn place(path: &Path) -> FilePlace {
    FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    }
}
