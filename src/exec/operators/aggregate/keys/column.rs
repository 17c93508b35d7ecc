//! One key column: its values as small codes.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::ints::IntColumn;
use super::text::TextColumn;
use crate::error::Result;

/// The values of one key column. A code stands for one value, or for NULL.
#[derive(Debug)]
pub(super) enum KeyColumn {
    Ints(IntColumn),
    Text(Box<TextColumn>),
}

impl KeyColumn {
    /// None if values of this type have no codes. (Floats have none: -0.0 and 0.0 are one group, and so are all NaN.)
    pub(super) fn new(data_type: &DataType) -> Option<Self> {
        IntColumn::new(data_type)
            .map(KeyColumn::Ints)
            .or_else(|| TextColumn::new(data_type).map(|column| KeyColumn::Text(Box::new(column))))
    }

    /// Writes the code of each value. False if that is not possible: a value is out of reach.
    pub(super) fn encode(&mut self, values: &ArrayRef, codes: &mut Vec<u64>) -> Result<bool> {
        codes.clear();
        match self {
            KeyColumn::Ints(column) => Ok(column.encode(values, codes)),
            KeyColumn::Text(column) => column.encode(values, codes),
        }
    }

    /// Bits that hold every code given so far.
    pub(super) fn width(&self) -> u32 {
        let largest = match self {
            KeyColumn::Ints(column) => column.largest_code(),
            KeyColumn::Text(column) => column.len().saturating_sub(1) as u64,
        };
        u64::BITS - largest.leading_zeros()
    }

    /// What is to be added to codes (other than 0) that were given before this was last asked.
    pub(super) fn take_moved(&mut self) -> u64 {
        match self {
            KeyColumn::Ints(column) => column.take_moved(),
            KeyColumn::Text(_) => 0,
        }
    }

    /// The values that `codes` stand for.
    pub(super) fn decode(&self, codes: impl Iterator<Item = u64>) -> Result<ArrayRef> {
        match self {
            KeyColumn::Ints(column) => column.decode(codes),
            KeyColumn::Text(column) => column.decode(codes),
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            KeyColumn::Ints(_) => 0,
            KeyColumn::Text(column) => column.size(),
        }
    }
}
