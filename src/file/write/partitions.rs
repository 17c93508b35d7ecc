//! A folder of files; with `partition_by` a folder `key=value` for each value, and one in another for several columns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow::array::{Array, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::format::FileWriter;
use super::{WriteRequest, unwritable, without};
use crate::error::{Error, ErrorKind, Result};

/// Files open at once.
const MAX_FOLDERS: usize = 1000;

pub(super) struct Partitions<'r> {
    request: &'r WriteRequest,
    columns: SchemaRef,
    names: Vec<String>,
    root: PathBuf,
    writers: BTreeMap<PathBuf, FileWriter>,
}

impl<'r> Partitions<'r> {
    pub(super) fn new(request: &'r WriteRequest, schema: &SchemaRef, root: &Path) -> Self {
        let names = request.partition_by.iter();
        Partitions {
            request,
            columns: without(schema, &request.partition_by),
            names: names
                .map(|column| escaped_name(schema.field(*column).name()))
                .collect(),
            root: root.to_path_buf(),
            writers: BTreeMap::new(),
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for (folder, rows) in self.rows_of_folders(batch)? {
            let part = take_record_batch(batch, &UInt32Array::from(rows))?;
            let kept: Vec<usize> = (0..batch.num_columns())
                .filter(|column| !self.request.partition_by.contains(column))
                .collect();
            let part = part.project(&kept)?;
            self.writer(folder)?.write(&part)?;
        }
        Ok(())
    }

    /// Everything is on the disk when this is over. A folder holds a file, even one without rows.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.writers.is_empty() && self.names.is_empty() {
            self.writer(PathBuf::new())?;
        }
        self.writers.into_values().try_for_each(FileWriter::finish)
    }

    fn rows_of_folders(&self, batch: &RecordBatch) -> Result<BTreeMap<PathBuf, Vec<u32>>> {
        let options = FormatOptions::default();
        let mut keys = Vec::with_capacity(self.names.len());
        for column in &self.request.partition_by {
            let values = batch.column(*column);
            keys.push((values, ArrayFormatter::try_new(values.as_ref(), &options)?));
        }
        let mut folders: BTreeMap<PathBuf, Vec<u32>> = BTreeMap::new();
        for row in 0..batch.num_rows() {
            let mut folder = PathBuf::new();
            for (name, (values, formatter)) in self.names.iter().zip(&keys) {
                let value = match values.is_valid(row) {
                    true => escaped_value(&formatter.value(row).try_to_string()?),
                    false => NO_VALUE.to_string(),
                };
                folder.push(format!("{name}={value}"));
            }
            let row = u32::try_from(row).map_err(|_| Error::bug("a batch of too many rows"))?;
            folders.entry(folder).or_default().push(row);
        }
        Ok(folders)
    }

    fn writer(&mut self, folder: PathBuf) -> Result<&mut FileWriter> {
        if self.writers.len() >= MAX_FOLDERS && !self.writers.contains_key(&folder) {
            let message = format!("partition_by makes more than {MAX_FOLDERS} folders");
            return Err(Error::new(ErrorKind::Limit, "TM0110", message)
                .hint("partition by fewer values, such as the month of a time"));
        }
        match self.writers.entry(folder) {
            std::collections::btree_map::Entry::Occupied(found) => Ok(found.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => {
                let path = self.root.join(new.key());
                let shown = self.request.target().join(new.key());
                let failed = |error| unwritable(&shown, error);
                std::fs::create_dir_all(&path).map_err(failed)?;
                let name = self.request.file_name();
                let file = std::fs::File::create(path.join(&name)).map_err(failed)?;
                let writer = FileWriter::new(self.request, &self.columns, file, &shown.join(name))?;
                Ok(new.insert(writer))
            }
        }
    }
}

/// The folder of rows without a value, as Hive calls it.
pub(crate) const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A column as the first half of a folder's name: what begins with `_` or `.` is no data to those who read a folder.
fn escaped_name(name: &str) -> String {
    match name.strip_prefix(['_', '.']) {
        Some(rest) => percent(&name[..1]) + &escaped(rest),
        None => escaped(name),
    }
}

/// A value as the second half.
fn escaped_value(value: &str) -> String {
    match value.strip_prefix('_') {
        Some(rest) if value == NO_VALUE => percent("_") + rest,
        _ => escaped(value),
    }
}

/// What a path cannot hold stands as `%2F`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || "/\\:*?\"<>|%=".contains(c) {
            true => escaped += &percent(c.encode_utf8(&mut [0; 4])),
            false => escaped.push(c),
        }
    }
    escaped
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
