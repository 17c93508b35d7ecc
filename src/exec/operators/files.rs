//! Files as a source: every worker claims parts of files and reads them where it is.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::exec::{BatchStream, RunContext, Source, stream_of};
use crate::file::filter::Late;
use crate::file::table::{FilePart, ScanFile, TableRequest};
use crate::file::{RowFilter, RuntimeFilter, Unit};

/// The rows of some files. Their parts are found when the source starts, not when it is made.
#[derive(Debug)]
pub(crate) struct FileSource {
    /// What the user calls the files.
    name: String,
    files: Vec<ScanFile>,
    request: TableRequest,
    /// The filter as the user would write it.
    filter: Option<String>,
    /// Of the running query, over the table's columns.
    offered: Mutex<Vec<Arc<dyn RowFilter>>>,
    opened: OnceLock<Opened>,
}

#[derive(Debug)]
struct Opened {
    parts: Vec<FilePart>,
    /// Each with the position of its file in `parts`.
    units: Vec<(usize, Unit)>,
}

impl FileSource {
    /// The batch size is that of the run, whatever `request` says.
    pub(crate) fn new(
        name: impl Into<String>,
        files: &[ScanFile],
        request: TableRequest,
        filter: Option<String>,
    ) -> Self {
        FileSource {
            name: name.into(),
            files: files.to_vec(),
            request,
            filter,
            offered: Mutex::default(),
            opened: OnceLock::new(),
        }
    }

    fn offered(&self) -> Vec<Arc<dyn RowFilter>> {
        let offered = self.offered.lock();
        offered.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open_parts(&self, context: &RunContext) -> Result<Opened> {
        let mut request = TableRequest {
            batch_rows: context.batch_rows,
            ..self.request.clone()
        };
        // Filters that can fail stay behind.
        request.filters.splice(0..0, self.offered());
        let mut opened = Opened {
            parts: Vec::new(),
            units: Vec::new(),
        };
        for file in &self.files {
            context.cancel.check()?;
            let Some(part) = FilePart::new(file, &request)? else {
                continue;
            };
            let position = opened.parts.len();
            let units = part.units(context.threads)?;
            opened
                .units
                .extend(units.into_iter().map(|unit| (position, unit)));
            opened.parts.push(part);
        }
        Ok(opened)
    }
}

impl Source for FileSource {
    fn units(&self, context: &Arc<RunContext>) -> Result<usize> {
        if self.opened.get().is_none() {
            let opened = self.open_parts(context)?;
            self.opened.get_or_init(|| opened);
        }
        Ok(self.opened.get().map_or(0, |opened| opened.units.len()))
    }

    fn reads_input(&self) -> bool {
        true
    }

    fn input_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.data.byte_count()).sum()
    }

    fn offer(&self, keys: &[usize], filter: &Arc<dyn RuntimeFilter>) -> bool {
        let places = keys
            .iter()
            .map(|key| self.request.projection.get(*key).copied());
        let Some(places) = places.collect::<Option<Vec<usize>>>() else {
            return false;
        };
        let late = Late::new(Arc::clone(filter), &places);
        let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        offered.push(Arc::new(late));
        true
    }

    fn open(&self, unit: usize, _context: &Arc<RunContext>) -> Result<BatchStream> {
        let opened = self.opened.get();
        let (part, unit) = opened
            .and_then(|opened| {
                let (part, unit) = opened.units.get(unit)?;
                Some((opened.parts.get(*part)?, unit))
            })
            .ok_or_else(|| Error::bug("a part of a file was read before the files were opened"))?;
        Ok(stream_of(part.read(unit)?))
    }

    fn describe(&self) -> String {
        let schema = self.request.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let mut text = format!("scan {}", self.name);
        if self.files.len() > 1 {
            text += &format!(" ({} files)", self.files.len());
        }
        if let Some(opened) = self.opened.get() {
            text += &format!(" [{} parts]", opened.units.len());
        }
        text += &format!(" columns {}", names.join(", "));
        if let Some(filter) = &self.filter {
            text += &format!("; filter {filter}");
        }
        text
    }
}

#[cfg(test)]
mod tests;
