//! Parquet: units are row groups, or stretches of rows where there are few row groups.
//!
//! [`footer`] reads what the file says about itself and checks it; [`narrow`] is how columns come in types
//! no wider than they are stored; [`bounds`] is what a filter skips row groups and pages by;
//! [`read`] opens a unit and [`decode`] decodes it, the filter's columns first; [`pages`] checks page headers before a decoder believes
//! them, [`checksums`] and [`blocks`] find bytes that changed, and [`thrift`] is the walk that the checks rest on.

pub(crate) mod blocks;
mod bounds;
mod checksums;
mod chunk;
mod decode;
mod footer;
mod narrow;
mod pages;
mod read;
mod thrift;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::SchemaRef;

use super::filter::{Stage, containers_left};
use super::guard::{Suspect, guard};
use super::source::Source;
use super::{BatchIterator, Bounds, DataFile, Pruned, ReadRequest, RowFilter, Unit};
use crate::error::Result;
use bounds::GroupBounds;
use footer::Footer;
use pages::CheckedChunk;
pub(crate) use read::Copied;

/// Smaller pieces of a row group are not worth finding their first row.
const PIECE_ROWS: u64 = 128 * 1024;

/// A value comes so often, on average, where there are few.
const REPEATED: u64 = 10;

/// One Parquet file.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    suspect: Suspect,
    footer: Arc<Footer>,
    /// Column chunks whose page headers are checked, by row group and leaf.
    checked: Mutex<HashMap<(usize, usize), CheckedChunk>>,
}

impl ParquetFile {
    pub(crate) fn open(source: impl Into<Source>) -> Result<Self> {
        let suspect = Suspect::new(source, "TM0731");
        Ok(ParquetFile {
            footer: Footer::of(&suspect)?,
            suspect,
            checked: Mutex::default(),
        })
    }

    /// Row groups in which a row may pass the filters.
    fn groups_left(&self, request: &ReadRequest) -> Result<Vec<usize>> {
        let groups = self.footer.metadata.metadata().row_groups();
        let all: Vec<usize> = (0..groups.len())
            .filter(|group| groups[*group].num_rows() > 0)
            .collect();
        let left = self.containers_left(&request.filters, &all)?;
        Ok(match left {
            Some(left) => all
                .into_iter()
                .zip(left)
                .filter_map(|(group, left)| left.then_some(group))
                .collect(),
            None => all,
        })
    }

    /// Whether what was learned since the units were made leaves out this row group.
    fn is_left_out(&self, group: usize, filters: &[Arc<dyn RowFilter>]) -> Result<bool> {
        let learned: Vec<_> = filters
            .iter()
            .filter(|filter| filter.stage() == Stage::Learned)
            .cloned()
            .collect();
        Ok(self.containers_left(&learned, &[group])?.is_some())
    }

    /// In which of the row groups a row may pass; None where that is all.
    fn containers_left(
        &self,
        filters: &[Arc<dyn RowFilter>],
        groups: &[usize],
    ) -> Result<Option<Vec<bool>>> {
        if filters.is_empty() {
            return Ok(None);
        }
        let bounds = GroupBounds {
            metadata: &self.footer.metadata,
            groups,
        };
        let suspect = self.suspect.part("its statistics");
        guard(&suspect, || {
            Ok::<_, String>(containers_left(filters, &bounds))
        })
    }
}

impl ParquetFile {
    /// As [`DataFile::read`], of a file of which there are copies.
    pub(crate) fn read_copied(
        &self,
        unit: &Unit,
        request: &ReadRequest,
        copied: Copied,
    ) -> Result<BatchIterator> {
        read::read(self, unit, request, Some(copied))
    }

    /// The checksum of the footer, as the file's writer knew it; nothing where the file has none.
    pub(crate) fn tail(&self) -> Option<&str> {
        self.footer.tail.as_deref()
    }

    /// The rows of a unit within its row group: the first, and how many.
    pub(crate) fn rows_of(&self, unit: &Unit) -> (u64, u64) {
        let groups = self.footer.metadata.metadata().row_groups();
        let group = groups.get(unit.start as usize);
        let all = group.map_or(0, |group| group.num_rows() as u64);
        unit.rows.unwrap_or((0, all))
    }
}

impl DataFile for ParquetFile {
    fn schema(&self) -> &SchemaRef {
        self.footer.schema()
    }

    fn units(&self, request: &ReadRequest, threads: usize) -> Result<Vec<Unit>> {
        let groups = self.groups_left(request)?;
        if !request.filters.is_empty() && !groups.is_empty() {
            self.footer.with_pages(&self.suspect)?;
        }
        let pieces_wanted = (4 * threads).div_ceil(groups.len().max(1)) as u64;
        let mut units = Vec::with_capacity(groups.len());
        for group in groups {
            let rows = self.footer.metadata.metadata().row_group(group).num_rows() as u64;
            let whole = Unit {
                start: group as u64,
                end: group as u64 + 1,
                rows: None,
            };
            let pieces = if threads == 1 || self.suspect.source.is_remote() {
                // Each piece of a row group on another machine would have to fetch all of it.
                1
            } else {
                pieces_wanted.min(rows / PIECE_ROWS)
            };
            if pieces <= 1 {
                units.push(whole);
                continue;
            }
            let length = rows.div_ceil(pieces);
            units.extend((0..rows).step_by(length as usize).map(|first| Unit {
                rows: Some((first, length.min(rows - first))),
                ..whole.clone()
            }));
        }
        Ok(units)
    }

    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator> {
        read::read(self, unit, request, None)
    }

    fn pruned(&self, request: &ReadRequest) -> Result<Option<Pruned>> {
        let groups = self.footer.metadata.metadata().row_groups();
        Ok(Some(Pruned {
            what: "row groups",
            left: self.groups_left(request)?.len(),
            all: groups.iter().filter(|group| group.num_rows() > 0).count(),
        }))
    }

    fn row_count(&self) -> Option<u64> {
        u64::try_from(self.footer.metadata.metadata().file_metadata().num_rows()).ok()
    }

    fn byte_count(&self) -> u64 {
        self.footer.bytes
    }

    fn bytes_wanted(&self, request: &ReadRequest) -> Result<Option<u64>> {
        let groups = self.groups_left(request)?;
        if !request.filters.is_empty() && !groups.is_empty() {
            self.footer.with_pages(&self.suspect)?;
        }
        let filtered = request.filters.iter().flat_map(|filter| filter.columns());
        let columns: BTreeSet<usize> = request.projection.iter().chain(filtered).copied().collect();
        let best = self.footer.best();
        let mut wanted = 0;
        for group in groups {
            let chunks = best.metadata().row_group(group);
            let leaves = chunks.columns().iter().enumerate();
            let own = leaves.filter(|(leaf, _)| {
                columns.contains(&best.parquet_schema().get_column_root_idx(*leaf))
            });
            let bytes: u64 = own.map(|(_, chunk)| chunk.byte_range().1).sum();
            let rows = chunks.num_rows() as u64;
            let left = guard(&self.suspect, || {
                Ok::<_, String>(bounds::pages_left(best, group, &request.filters))
            })?;
            let left = left.map_or(rows, |left| left.row_count() as u64);
            wanted += (bytes as f64 * left as f64 / rows.max(1) as f64) as u64;
        }
        Ok(Some(wanted))
    }

    fn version(&self) -> Option<String> {
        self.suspect.source.version()
    }

    fn distinct_values(&self, column: usize) -> Option<u64> {
        let (values, rows) = self.first_dictionary(column)?;
        if values == 0 || values > rows / REPEATED {
            return None;
        }
        // What comes that often has no other values in the next group, unless rows are in their order.
        let (mut same, mut groups) = (false, 1);
        self.with_bounds(&mut |bounds| {
            let all_equal = |values: Option<ArrayRef>| {
                let values = values.map(|values| values.to_data());
                let first = values.as_ref().map(|values| values.slice(0, 1));
                values.zip(first).is_some_and(|(values, first)| {
                    (1..values.len()).all(|group| values.slice(group, 1) == first)
                })
            };
            groups = bounds.containers() as u64;
            same = all_equal(bounds.min(column)) && all_equal(bounds.max(column));
        });
        Some(if same {
            values
        } else {
            values.saturating_mul(groups)
        })
    }

    fn with_bounds(&self, look: &mut dyn FnMut(&dyn Bounds)) {
        let groups: Vec<usize> = (0..self.footer.metadata.metadata().num_row_groups()).collect();
        look(&GroupBounds {
            metadata: &self.footer.metadata,
            groups: &groups,
        });
    }
}

#[cfg(test)]
mod copies;
#[cfg(test)]
pub(crate) mod tests;
