//! What the footer and the page index know of the values, for a filter to skip row groups and pages by.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, UInt64Array};
use arrow::compute::{nullif, take};
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, RowSelection, RowSelector};
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::RowGroupMetaData;

use crate::file::filter::containers_left;
use crate::file::{Bounds, RowFilter};

/// The bounds of row groups.
pub(super) struct GroupBounds<'a> {
    pub(super) metadata: &'a ArrowReaderMetadata,
    /// Which row groups, by number.
    pub(super) groups: &'a [usize],
}

/// The converter of a column whose values the footer can bound.
fn converter(metadata: &ArrowReaderMetadata, column: usize) -> Option<StatisticsConverter<'_>> {
    let parquet = metadata.parquet_schema();
    let field = metadata.schema().fields().get(column)?;
    if field.data_type().is_nested() {
        return None;
    }
    let leaf =
        (0..parquet.num_columns()).find(|leaf| parquet.get_column_root_idx(*leaf) == column)?;
    let converter = StatisticsConverter::from_column_index(leaf, field, parquet).ok()?;
    // A count that is not there is not zero.
    Some(converter.with_missing_null_counts_as_zero(false))
}

/// The values of the column are ordered as the writer ordered them for its bounds. Floats are not: NaN is in no bounds.
fn has_order(kind: &DataType) -> bool {
    !kind.is_floating()
}

impl GroupBounds<'_> {
    fn rows(&self) -> impl Iterator<Item = &RowGroupMetaData> {
        let groups = self.metadata.metadata().row_groups();
        self.groups.iter().filter_map(|group| groups.get(*group))
    }

    /// Old writers compared text, other bytes and numbers without a sign as signed numbers: their bounds are not in our order.
    fn distrusted(&self, leaf: usize, kind: &DataType) -> BooleanArray {
        self.rows()
            .map(|group| {
                let chunk = group.column(leaf);
                let numeric = !kind.is_unsigned_integer()
                    && matches!(
                        chunk.column_type(),
                        PhysicalType::INT32 | PhysicalType::INT64 | PhysicalType::BOOLEAN
                    );
                Some(
                    !numeric
                        && chunk
                            .statistics()
                            .is_some_and(|bounds| bounds.is_min_max_deprecated()),
                )
            })
            .collect()
    }

    fn bound(&self, column: usize, smallest: bool) -> Option<ArrayRef> {
        let converter = converter(self.metadata, column)?;
        if !has_order(converter.arrow_field().data_type()) {
            return None;
        }
        let values = if smallest {
            converter.row_group_mins(self.rows())
        } else {
            converter.row_group_maxes(self.rows())
        };
        let leaf = converter.parquet_column_index()?;
        let kind = converter.arrow_field().data_type();
        nullif(&values.ok()?, &self.distrusted(leaf, kind)).ok()
    }
}

impl Bounds for GroupBounds<'_> {
    fn containers(&self) -> usize {
        self.groups.len()
    }

    fn min(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, true)
    }

    fn max(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, false)
    }

    fn null_counts(&self, column: usize) -> Option<ArrayRef> {
        let counts = converter(self.metadata, column)?.row_group_null_counts(self.rows());
        Some(Arc::new(counts.ok()?))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let counts = self.rows().map(|group| group.num_rows() as u64);
        Some(Arc::new(UInt64Array::from_iter_values(counts)))
    }
}

/// The bounds of pages in one row group. The columns' pages begin at different rows, so a container is a stretch of rows in
/// which no filtered column begins a page.
struct PageBounds<'a> {
    metadata: &'a ArrowReaderMetadata,
    group: usize,
    /// First rows of the stretches, then the end of the last.
    cuts: Vec<u64>,
}

/// The rows of a row group that the page index leaves, where it leaves out any.
pub(super) fn pages_left(
    metadata: &ArrowReaderMetadata,
    group: usize,
    filters: &[Arc<dyn RowFilter>],
) -> Option<RowSelection> {
    let columns: BTreeSet<usize> = filters.iter().flat_map(|f| f.columns()).copied().collect();
    let bounds = PageBounds::new(metadata, group, columns)?;
    let keep = containers_left(filters, &bounds)?;
    let selectors = bounds.cuts.windows(2).zip(keep).map(|(rows, keep)| {
        let length = (rows[1] - rows[0]) as usize;
        if keep {
            RowSelector::select(length)
        } else {
            RowSelector::skip(length)
        }
    });
    Some(selectors.collect::<Vec<_>>().into())
}

impl<'a> PageBounds<'a> {
    fn new(
        metadata: &'a ArrowReaderMetadata,
        group: usize,
        columns: BTreeSet<usize>,
    ) -> Option<Self> {
        metadata.metadata().column_index()?;
        let offsets = metadata.metadata().offset_index()?.get(group)?;
        let rows = metadata.metadata().row_groups().get(group)?.num_rows() as u64;
        let mut cuts = vec![0, rows];
        for column in columns {
            let Some(leaf) = converter(metadata, column).and_then(|c| c.parquet_column_index())
            else {
                continue;
            };
            let pages = offsets.get(leaf)?.page_locations();
            cuts.extend(pages.iter().map(|page| page.first_row_index as u64));
        }
        cuts.sort_unstable();
        cuts.dedup();
        // An index that names rows beyond the row group is not believed.
        (cuts.last() == Some(&rows) && rows > 0).then_some(PageBounds {
            metadata,
            group,
            cuts,
        })
    }

    /// For each stretch, the page of the leaf that it lies in.
    fn pages(&self, leaf: usize) -> Option<UInt32Array> {
        let pages = self.metadata.metadata().offset_index()?.get(self.group)?;
        let firsts: Vec<u64> = pages
            .get(leaf)?
            .page_locations()
            .iter()
            .map(|page| page.first_row_index as u64)
            .collect();
        if firsts.first() != Some(&0) || !firsts.is_sorted() {
            return None;
        }
        let stretches = &self.cuts[..self.cuts.len() - 1];
        Some(UInt32Array::from_iter_values(stretches.iter().map(|row| {
            firsts.partition_point(|first| first <= row) as u32 - 1
        })))
    }

    fn bound(&self, column: usize, smallest: bool) -> Option<ArrayRef> {
        let converter = converter(self.metadata, column)?;
        if !has_order(converter.arrow_field().data_type()) {
            return None;
        }
        let file = self.metadata.metadata();
        let (index, offsets) = (file.column_index()?, file.offset_index()?);
        let values = if smallest {
            converter.data_page_mins(index, offsets, [&self.group])
        } else {
            converter.data_page_maxes(index, offsets, [&self.group])
        };
        let pages = self.pages(converter.parquet_column_index()?)?;
        take(&values.ok()?, &pages, None).ok()
    }
}

impl Bounds for PageBounds<'_> {
    fn containers(&self) -> usize {
        self.cuts.len() - 1
    }

    fn min(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, true)
    }

    fn max(&self, column: usize) -> Option<ArrayRef> {
        self.bound(column, false)
    }

    /// Known for a stretch only where its page has no NULL or nothing else: a stretch may be smaller than its page.
    fn null_counts(&self, column: usize) -> Option<ArrayRef> {
        let converter = converter(self.metadata, column)?;
        let file = self.metadata.metadata();
        let (index, offsets) = (file.column_index()?, file.offset_index()?);
        let nulls = converter
            .data_page_null_counts(index, offsets, [&self.group])
            .ok()?;
        let rows = StatisticsConverter::data_page_row_counts(
            &converter,
            offsets,
            file.row_groups(),
            [&self.group],
        )
        .ok()??;
        let pages = self.pages(converter.parquet_column_index()?)?;
        let counts = pages
            .values()
            .iter()
            .zip(self.cuts.windows(2))
            .map(|(page, stretch)| {
                let page = *page as usize;
                if page >= nulls.len() || page >= rows.len() || nulls.is_null(page) {
                    None
                } else if nulls.value(page) == 0 {
                    Some(0)
                } else if nulls.value(page) == rows.value(page) {
                    Some(stretch[1] - stretch[0])
                } else {
                    None
                }
            });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let counts = self.cuts.windows(2).map(|rows| rows[1] - rows[0]);
        Some(Arc::new(UInt64Array::from_iter_values(counts)))
    }
}
