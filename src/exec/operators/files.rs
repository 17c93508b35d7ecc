//! Files as a source: every worker claims parts of files and reads them where it is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{ArrayRef, Int64Array};

use crate::error::{Error, Result};
use crate::exec::{BatchStream, RunContext, Source, stream_of};
use crate::file::filter::Late;
use crate::file::table::{FilePart, ScanFile, TableRequest};
use crate::file::{Pruned, RowFilter, RuntimeFilter, Unit};
use crate::table::layout::{buckets, shard_of};

/// The rows of some files. Their parts are found when the source starts, not when it is made.
#[derive(Debug)]
pub(crate) struct FileSource {
    /// What the user calls the files.
    name: String,
    files: Vec<ScanFile>,
    request: TableRequest,
    /// The filter as the user would write it.
    filter: Option<String>,
    /// What was left out before there were files.
    pruned: Vec<Pruned>,
    /// Of the running query, over the table's columns.
    offered: Mutex<Vec<Arc<dyn RowFilter>>>,
    shards: Option<FileShards>,
    /// What is learned of the shards' key.
    keys: Mutex<Vec<Arc<dyn RuntimeFilter>>>,
    opened: OnceLock<Opened>,
}

/// Where the rows of files lie whose table is cut by the hash of one column.
#[derive(Debug, Clone)]
pub(crate) struct FileShards {
    /// The column, by position in the table.
    pub(crate) key: usize,
    pub(crate) count: u64,
    /// The shard of each file.
    pub(crate) of_files: Vec<u64>,
}

/// Keys beyond which shards are no longer told apart.
const KEYS_MAX: usize = 4096;

#[derive(Debug)]
struct Opened {
    /// Files that lie in no shard of a key that is wanted.
    left_out: usize,
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
            pruned: Vec::new(),
            offered: Mutex::default(),
            shards: None,
            keys: Mutex::default(),
            opened: OnceLock::new(),
        }
    }

    /// The same files, of which it is known in which shard each lies.
    #[must_use]
    pub(crate) fn with_shards(self, shards: FileShards) -> Self {
        FileSource {
            shards: Some(shards),
            ..self
        }
    }

    /// Of each file whether a row of it may have a key that the query has learned to be of use; `None` where nothing is known.
    fn wanted_files(&self) -> Result<Option<Vec<bool>>> {
        let Some(shards) = &self.shards else {
            return Ok(None);
        };
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted: Option<BTreeSet<u64>> = None;
        for filter in keys.iter().filter(|filter| filter.is_ready()) {
            let Some(numbers) = filter.numbers(KEYS_MAX) else {
                continue;
            };
            let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
            let found = buckets(&[numbers])?;
            let found = found
                .into_iter()
                .map(|bucket| shard_of(bucket, shards.count));
            let found: BTreeSet<u64> = found.collect();
            wanted = Some(match wanted {
                Some(wanted) => wanted.intersection(&found).copied().collect(),
                None => found,
            });
        }
        let files = shards.of_files.iter();
        Ok(wanted.map(|wanted| files.map(|shard| wanted.contains(shard)).collect()))
    }

    /// What planning left out already.
    #[must_use]
    pub(crate) fn with_pruned(mut self, pruned: Vec<Pruned>) -> Self {
        self.pruned = pruned;
        self
    }

    fn offered(&self) -> Vec<Arc<dyn RowFilter>> {
        let offered = self.offered.lock();
        offered.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open_parts(&self, context: &RunContext) -> Result<Opened> {
        let mut request = TableRequest {
            batch_rows: context.batch_rows,
            tally: Arc::clone(&context.tally),
            ..self.request.clone()
        };
        // Filters that can fail stay behind.
        request.filters.splice(0..0, self.offered());
        let wanted = self.wanted_files()?;
        let is_wanted = |place: usize| {
            let wanted = wanted.as_ref().and_then(|wanted| wanted.get(place));
            wanted.copied().unwrap_or(true)
        };
        let mut opened = Opened {
            left_out: 0,
            parts: Vec::new(),
            units: Vec::new(),
        };
        for (place, file) in self.files.iter().enumerate() {
            context.cancel.check()?;
            if !is_wanted(place) {
                opened.left_out += 1;
                continue;
            }
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

    fn pruned(&self) -> Vec<Pruned> {
        let mut pruned = self.pruned.clone();
        let Some(opened) = self.opened.get() else {
            return pruned;
        };
        let (left, all) = (opened.parts.len(), self.files.len());
        if all > 1 {
            let what = "files";
            pruned.push(Pruned { what, left, all });
        }
        // Of a file that is left out nothing more is said.
        let groups = opened.parts.iter();
        let groups = groups.filter_map(|part| part.pruned().ok().flatten());
        let groups = groups.reduce(|sum, one| Pruned {
            left: sum.left + one.left,
            all: sum.all + one.all,
            ..sum
        });
        pruned.extend(groups);
        pruned
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
        let is_key = |shards: &FileShards| places == [shards.key];
        if self.shards.as_ref().is_some_and(is_key) {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.push(Arc::clone(filter));
        }
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
            if opened.left_out > 0 {
                let left = self.files.len() - opened.left_out;
                text += &format!(" of {left} files by the hash of learned keys");
            }
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
