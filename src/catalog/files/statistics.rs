//! What the planner may expect: exact numbers of rows where the format has them, else an estimate from the size on disk.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, UInt64Type};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue};

use super::FileTable;
use crate::file::Bounds;
use crate::file::table::{Origin, ScanFile};

/// Bytes that a value of text or of a nested type is taken to have.
const LONG: usize = 24;

fn width(kind: &DataType) -> usize {
    kind.primitive_width().unwrap_or(match kind {
        DataType::Boolean => 1,
        _ => LONG,
    })
}

/// The number of rows in all files.
pub(super) fn rows(table: &FileTable) -> Precision<usize> {
    let mut rows = 0_usize;
    let mut exact = true;
    for file in table.files() {
        rows = rows.saturating_add(match file.data.row_count() {
            Some(count) => count as usize,
            None => {
                exact = false;
                let fields = file.data.schema().fields();
                let row: usize = fields.iter().map(|field| width(field.data_type())).sum();
                file.data.byte_count() as usize / row.max(1)
            }
        });
    }
    if exact {
        Precision::Exact(rows)
    } else {
        Precision::Inexact(rows)
    }
}

/// Bytes of these columns in memory, the same guess for every format so that tables can be compared.
pub(super) fn bytes(table: &FileTable, columns: &[usize]) -> Precision<usize> {
    let fields = table.columns().fields();
    let row: usize = columns
        .iter()
        .filter_map(|column| fields.get(*column))
        .map(|field| width(field.data_type()))
        .sum();
    let rows = rows(table).get_value().copied().unwrap_or_default();
    Precision::Inexact(rows.saturating_mul(row.max(1)))
}

/// Bounds and NULLs of one column over all files.
pub(super) fn column(table: &FileTable, column: usize) -> ColumnStatistics {
    let kind = table.columns().field(column).data_type();
    let mut all = Known::default();
    for file in table.files() {
        let rows = file.data.row_count().map(|rows| rows as usize);
        match file.origins.get(column) {
            Some(Origin::Stored(position)) => {
                let mut part = Known::nothing();
                file.data
                    .with_bounds(&mut |bounds| part = Known::of(bounds, *position));
                let stored = file.data.schema().field(*position).data_type();
                part.exact = has_exact_bounds(stored) && stored == kind;
                all.add(part);
            }
            Some(Origin::Constant(value)) => all.add(Known {
                min: Some(Arc::clone(value)).into_iter().collect(),
                max: Some(Arc::clone(value)).into_iter().collect(),
                nulls: rows.filter(|_| value.null_count() > 0).or(Some(0)),
                bounded: value.null_count() == 0,
                exact: true,
            }),
            Some(Origin::Missing) | None => all.add(Known {
                nulls: rows,
                bounded: true,
                ..Known::default()
            }),
        }
    }
    let distinct = distinct(table, column).map(|count| count.try_into().unwrap_or(usize::MAX));
    ColumnStatistics {
        distinct_count: distinct.map_or(Precision::Absent, Precision::Inexact),
        null_count: all.nulls.map_or(Precision::Absent, Precision::Exact),
        min_value: all.extreme(&all.min, kind, std::cmp::Ordering::Less),
        max_value: all.extreme(&all.max, kind, std::cmp::Ordering::Greater),
        ..ColumnStatistics::new_unknown()
    }
}

/// Files that are asked for the values they name: each is opened for it.
const FEW_FILES: usize = 8;

/// At most about so many different values are in the column, where all files have few.
fn distinct(table: &FileTable, column: usize) -> Option<u64> {
    let files = table.files();
    if files.is_empty() || files.len() > FEW_FILES {
        return None;
    }
    let of_file = |file: &ScanFile| match file.origins.get(column)? {
        Origin::Stored(position) => file.data.distinct_values(*position),
        Origin::Constant(_) | Origin::Missing => Some(1),
    };
    files.iter().map(of_file).sum()
}

/// What is known of a column in some files.
struct Known {
    min: Vec<ArrayRef>,
    max: Vec<ArrayRef>,
    nulls: Option<usize>,
    /// Every file has said its bounds.
    bounded: bool,
    /// Each bound is a value of the column: a query for the smallest need not read the file.
    exact: bool,
}

/// Types whose bounds writers give as they are: long text they cut, and of floats NaN is in no bounds.
fn has_exact_bounds(kind: &DataType) -> bool {
    kind.is_integer()
        || kind.is_decimal()
        || matches!(kind, DataType::Date32 | DataType::Timestamp(..))
}

impl Default for Known {
    /// Of no files everything is known.
    fn default() -> Self {
        Known {
            min: Vec::new(),
            max: Vec::new(),
            nulls: Some(0),
            bounded: true,
            exact: true,
        }
    }
}

impl Known {
    fn nothing() -> Self {
        Known {
            nulls: None,
            bounded: false,
            ..Known::default()
        }
    }

    fn of(bounds: &dyn Bounds, column: usize) -> Self {
        let nulls = bounds.null_counts(column).and_then(|counts| {
            let counts = counts.as_primitive_opt::<UInt64Type>()?.clone();
            (counts.null_count() == 0).then(|| counts.values().iter().sum::<u64>() as usize)
        });
        let whole = |values: &ArrayRef| values.null_count() == 0;
        let (min, max) = (bounds.min(column), bounds.max(column));
        let bounded = min.as_ref().is_some_and(whole) && max.as_ref().is_some_and(whole);
        Known {
            min: min.into_iter().collect(),
            max: max.into_iter().collect(),
            nulls,
            bounded,
            exact: false,
        }
    }

    fn add(&mut self, other: Known) {
        self.min.extend(other.min);
        self.max.extend(other.max);
        self.nulls = self
            .nulls
            .zip(other.nulls)
            .map(|(one, two)| one.saturating_add(two));
        self.bounded &= other.bounded;
        self.exact &= other.exact;
    }

    /// The first of the values in this order, in the table's type.
    fn extreme(
        &self,
        values: &[ArrayRef],
        kind: &DataType,
        order: std::cmp::Ordering,
    ) -> Precision<ScalarValue> {
        if !self.bounded {
            return Precision::Absent;
        }
        let mut best: Option<ScalarValue> = None;
        for values in values {
            for row in 0..values.len() {
                let value =
                    ScalarValue::try_from_array(values, row).and_then(|value| value.cast_to(kind));
                let Ok(value) = value else {
                    return Precision::Absent;
                };
                if best
                    .as_ref()
                    .is_none_or(|best| value.partial_cmp(best) == Some(order))
                {
                    best = Some(value);
                }
            }
        }
        match best {
            Some(best) if self.exact => Precision::Exact(best),
            Some(best) => Precision::Inexact(best),
            None => Precision::Absent,
        }
    }
}
