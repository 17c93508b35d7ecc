//! An argument's texts, row by row, without a copy of one that is the same in all.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ColumnarValue;

pub(super) struct Texts {
    array: ArrayRef,
    /// One value stands for all rows.
    same: bool,
}

impl Texts {
    /// None where the argument is no text.
    pub(super) fn of(value: &ColumnarValue) -> Option<Self> {
        let is_text = matches!(
            value.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        if !is_text {
            return None;
        }
        Some(match value {
            ColumnarValue::Array(array) => Texts {
                array: ArrayRef::clone(array),
                same: false,
            },
            ColumnarValue::Scalar(value) => Texts {
                array: value.to_array().ok()?,
                same: true,
            },
        })
    }

    /// The text of a row; none for NULL.
    pub(super) fn at(&self, row: usize) -> Option<&str> {
        let row = if self.same { 0 } else { row };
        if row >= self.array.len() || self.array.is_null(row) {
            return None;
        }
        match self.array.data_type() {
            DataType::Utf8 => Some(self.array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Some(self.array.as_string::<i64>().value(row)),
            _ => Some(self.array.as_string_view().value(row)),
        }
    }

    /// The length of the longest.
    pub(super) fn longest(&self) -> u128 {
        let rows = 0..self.array.len();
        let lengths = rows.filter_map(|row| Some(self.at(row)?.len()));
        lengths.max().unwrap_or(0) as u128
    }

    /// All lengths together, over so many rows.
    pub(super) fn total(&self, rows: usize) -> u128 {
        if self.same {
            return self.longest() * rows as u128;
        }
        (0..rows)
            .map(|row| self.at(row).map_or(0, str::len) as u128)
            .sum()
    }
}
