//! What a column's stored values become: [`Fixed`] numbers, [`Bits`], [`Text`] and [`Codes`] into a dictionary.
//!
//! Pages hold values only, no NULL. So values are gathered without gaps, and NULLs put between them at the end of a batch.

mod fixed;
mod text;
mod views;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use bytes::Bytes;

pub(super) use fixed::{BigEndian, Fixed};
pub(super) use text::{Codes, Text};

/// What is wrong with a chunk.
pub(super) type Broken = String;

/// The values of one column: of its dictionary, of the page at hand, and those gathered for a batch.
pub(super) trait Values: Send {
    /// Takes a dictionary of `count` values.
    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), Broken>;

    /// Takes a page of plain values, of which there are at most `count`.
    fn set_page(&mut self, bytes: Bytes, count: usize) -> Result<(), Broken>;

    /// So many values are going to be gathered for the next batch.
    fn expect(&mut self, count: usize);

    /// Gathers `count` values of the page, from number `first` on.
    fn push(&mut self, first: usize, count: usize) -> Result<(), Broken>;

    /// Gathers those of these numbers, ascending, counted from `first`.
    fn push_picked(&mut self, first: usize, picks: &[u32]) -> Result<(), Broken>;

    /// Gathers values of the dictionary.
    fn push_indices(&mut self, indices: &[u32]) -> Result<(), Broken>;

    /// What was gathered, with NULL where a row is not `present`; nothing is gathered then.
    fn finish(&mut self, present: Option<BooleanBuffer>) -> Result<ArrayRef, Broken>;

    /// The dictionary's values; none if there is no dictionary.
    fn dictionary(&self) -> Result<Option<ArrayRef>, Broken>;

    /// How many these are.
    fn dictionary_len(&self) -> usize;
}

const CUT_OFF: &str = "its values are cut off";
const NO_ENTRY: &str = "a value is not in the dictionary";

/// The values at the rows that are `present`, something between them.
fn spread<N: Copy + Default>(values: &[N], present: &BooleanBuffer) -> Vec<N> {
    let mut spread = vec![N::default(); present.len()];
    for (row, value) in present.set_indices().zip(values) {
        spread[row] = *value;
    }
    spread
}

/// Truth values: a bit each.
#[derive(Default)]
pub(super) struct Bits {
    page: Option<BooleanBuffer>,
    gathered: Vec<bool>,
}

impl Values for Bits {
    fn set_dictionary(&mut self, _bytes: &Bytes, _count: usize) -> Result<(), Broken> {
        Err("truth values have no dictionary".to_string())
    }

    fn set_page(&mut self, bytes: Bytes, count: usize) -> Result<(), Broken> {
        let bits = count.min(bytes.len() * 8);
        self.page = Some(BooleanBuffer::new(Buffer::from(bytes), 0, bits));
        Ok(())
    }

    fn expect(&mut self, count: usize) {
        self.gathered.reserve(count);
    }

    fn push(&mut self, first: usize, count: usize) -> Result<(), Broken> {
        let page = self
            .page
            .as_ref()
            .filter(|page| first + count <= page.len());
        let bits = page.ok_or(CUT_OFF)?.slice(first, count);
        self.gathered.extend(&bits);
        Ok(())
    }

    fn push_picked(&mut self, first: usize, picks: &[u32]) -> Result<(), Broken> {
        let last = picks.last().map_or(0, |last| *last as usize + 1);
        let page = self.page.as_ref().filter(|page| first + last <= page.len());
        let page = page.ok_or(CUT_OFF)?;
        let bits = picks.iter().map(|pick| page.value(first + *pick as usize));
        self.gathered.extend(bits);
        Ok(())
    }

    fn push_indices(&mut self, indices: &[u32]) -> Result<(), Broken> {
        // Runs of bits are read as indices are.
        self.gathered
            .extend(indices.iter().map(|index| *index == 1));
        Ok(())
    }

    fn finish(&mut self, present: Option<BooleanBuffer>) -> Result<ArrayRef, Broken> {
        let gathered = std::mem::take(&mut self.gathered);
        let Some(present) = present else {
            let mut bits = BooleanBufferBuilder::new(gathered.len());
            bits.append_slice(&gathered);
            return Ok(Arc::new(BooleanArray::new(bits.finish(), None)));
        };
        let values = BooleanBuffer::from(spread(&gathered, &present));
        let nulls = Some(NullBuffer::new(present));
        Ok(Arc::new(BooleanArray::new(values, nulls)))
    }

    fn dictionary(&self) -> Result<Option<ArrayRef>, Broken> {
        Ok(None)
    }

    fn dictionary_len(&self) -> usize {
        0
    }
}
