//! Key columns of text: every string once, in the order in which they were first seen. A string's code is its number; NULL has a
//! number like any string.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, ByteView, DictionaryArray, StringViewArray,
    UInt32Array, make_view,
};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{BinaryViewType, DataType, Int32Type};
use foldhash::fast::RandomState;

use super::slots::{Slots, mix};
use crate::error::Result;

/// The strings of one column.
#[derive(Debug)]
pub(super) struct TextColumn {
    /// The type of the keys that come out.
    data_type: DataType,
    /// Each string as arrow's views are: short ones whole, long ones as their place in `full` or `open`.
    views: Vec<u128>,
    full: Vec<Buffer>,
    open: Vec<u8>,
    slots: Slots,
    null: Option<u32>,
    hasher: RandomState,
    /// The last one seen: batches of one row group share it.
    dictionary: Option<Dictionary>,
}

/// A dictionary and the codes of its values, where they were met.
#[derive(Debug)]
struct Dictionary {
    values: ArrayRef,
    bytes: BinaryViewArray,
    codes: Vec<u64>,
}

const NO_CODE: u64 = u64::MAX;

impl Dictionary {
    fn new(values: &ArrayRef) -> Result<Self> {
        let bytes = cast(values, &DataType::BinaryView)?;
        Ok(Dictionary {
            values: Arc::clone(values),
            bytes: bytes.as_byte_view::<BinaryViewType>().clone(),
            codes: vec![NO_CODE; values.len()],
        })
    }

    /// Whether these are the same values, at the same place in memory.
    fn holds(&self, values: &ArrayRef) -> bool {
        Arc::ptr_eq(&self.values, values) || self.values.to_data().ptr_eq(&values.to_data())
    }
}

/// Strings of more bytes do not fit into a view.
const VIEW_BYTES: u32 = 12;
/// Bytes of a buffer that is full. (Views count in 32 bits.)
const FULL_BYTES: usize = 2 * 1024 * 1024;

impl TextColumn {
    pub(super) fn new(data_type: &DataType) -> Option<Self> {
        matches!(
            data_type,
            DataType::Utf8View | DataType::Utf8 | DataType::BinaryView | DataType::Binary
        )
        .then(|| TextColumn {
            data_type: data_type.clone(),
            views: Vec::new(),
            full: Vec::new(),
            open: Vec::new(),
            slots: Slots::default(),
            null: None,
            hasher: RandomState::default(),
            dictionary: None,
        })
    }

    /// How many there are, NULL among them.
    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    pub(super) fn size(&self) -> usize {
        self.views.capacity() * size_of::<u128>()
            + self.full.iter().map(Buffer::capacity).sum::<usize>()
            + self.open.capacity()
            + self.slots.size()
    }

    /// False if the numbers could run out.
    pub(super) fn encode(&mut self, values: &ArrayRef, codes: &mut Vec<u64>) -> Result<bool> {
        if self.views.len() + values.len() >= u32::MAX as usize {
            return Ok(false);
        }
        match values.as_dictionary_opt::<Int32Type>() {
            Some(dictionary) => self.encode_dictionary(dictionary, codes)?,
            None => self.encode_values(values, codes)?,
        }
        Ok(true)
    }

    fn encode_dictionary(
        &mut self,
        array: &DictionaryArray<Int32Type>,
        codes: &mut Vec<u64>,
    ) -> Result<()> {
        let mut dictionary = match self.dictionary.take() {
            Some(known) if known.holds(array.values()) => known,
            _ => Dictionary::new(array.values())?,
        };
        self.slots.reserve(array.values().len().min(array.len()));
        let keys = array.keys();
        codes.extend(keys.values().iter().enumerate().map(|(row, key)| {
            if keys.is_null(row) {
                return u64::from(self.null_code());
            }
            let key = *key as usize;
            if dictionary.codes[key] == NO_CODE {
                // Only now: a value that no row has is no group.
                dictionary.codes[key] = u64::from(match dictionary.bytes.is_null(key) {
                    true => self.null_code(),
                    false => {
                        let views = dictionary.bytes.views();
                        self.number(views[key], dictionary.bytes.data_buffers())
                    }
                });
            }
            dictionary.codes[key]
        }));
        self.dictionary = Some(dictionary);
        Ok(())
    }

    fn encode_values(&mut self, values: &ArrayRef, codes: &mut Vec<u64>) -> Result<()> {
        let bytes = cast(values, &DataType::BinaryView)?;
        let array = bytes.as_byte_view::<BinaryViewType>();
        self.slots.reserve(array.len());
        let (views, buffers) = (array.views(), array.data_buffers());
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => codes.extend(
                views
                    .iter()
                    .map(|view| u64::from(self.number(*view, buffers))),
            ),
            Some(nulls) => codes.extend(views.iter().zip(nulls).map(|(view, valid)| {
                u64::from(match valid {
                    true => self.number(*view, buffers),
                    false => self.null_code(),
                })
            })),
        }
        Ok(())
    }

    fn null_code(&mut self) -> u32 {
        *self.null.get_or_insert_with(|| {
            self.views.push(0);
            self.views.len() as u32 - 1
        })
    }

    /// The number of a string, given as a view into `buffers`. There must be room in the slots.
    #[inline]
    fn number(&mut self, view: u128, buffers: &[Buffer]) -> u32 {
        let next = self.views.len() as u32;
        if view as u32 > VIEW_BYTES {
            return self.long_number(view, buffers, next);
        }
        let views = &self.views;
        let hash = mix(mix(view as u64) ^ (view >> 64) as u64);
        let (number, is_new) = self
            .slots
            .find_or_add(hash, next, |number| views[number as usize] == view);
        if is_new {
            self.views.push(view);
        }
        number
    }

    fn long_number(&mut self, view: u128, buffers: &[Buffer], next: u32) -> u32 {
        let bytes = place(view, buffers);
        let hash = self.hasher.hash_one(bytes);
        let (views, full, open) = (&self.views, &self.full, &self.open);
        let (number, is_new) = self.slots.find_or_add(hash, next, |number| {
            let known = views[number as usize];
            // Length and first bytes, then the rest.
            known as u64 == view as u64 && stored(known, full, open) == bytes
        });
        if is_new {
            if self.open.len() + bytes.len() > FULL_BYTES && !self.open.is_empty() {
                self.full
                    .push(Buffer::from_vec(std::mem::take(&mut self.open)));
            }
            let buffer = self.full.len() as u32;
            let view = make_view(bytes, buffer, self.open.len() as u32);
            self.open.extend_from_slice(bytes);
            self.views.push(view);
        }
        number
    }

    /// The strings by their codes.
    pub(super) fn decode(&self, codes: impl Iterator<Item = u64>) -> Result<ArrayRef> {
        let mut in_order = true;
        // A number has 32 bits.
        let codes = codes.enumerate().map(|(place, code)| {
            in_order &= place as u64 == code;
            code as u32
        });
        let codes: Vec<u32> = codes.collect();
        let strings = self.strings()?;
        if in_order && codes.len() == strings.len() {
            return Ok(strings);
        }
        Ok(take(&strings, &UInt32Array::from(codes), None)?)
    }

    /// Every string once, by its number.
    fn strings(&self) -> Result<ArrayRef> {
        let nulls = self.null.map(|null| {
            let numbers = 0..self.views.len();
            NullBuffer::from_iter(numbers.map(|number| number != null as usize))
        });
        let views = ScalarBuffer::from(self.views.clone());
        let mut buffers = self.full.clone();
        if !self.open.is_empty() {
            buffers.push(Buffer::from(self.open.as_slice()));
        }
        Ok(match &self.data_type {
            DataType::Utf8View => Arc::new(StringViewArray::try_new(views, buffers, nulls)?),
            other => cast(&BinaryViewArray::try_new(views, buffers, nulls)?, other)?,
        })
    }
}

/// The bytes of a long string.
#[inline]
fn place(view: u128, buffers: &[Buffer]) -> &[u8] {
    let view = ByteView::from(view);
    let start = view.offset as usize;
    &buffers[view.buffer_index as usize][start..start + view.length as usize]
}

/// The bytes of a long string of the table.
#[inline]
fn stored<'a>(view: u128, full: &'a [Buffer], open: &'a [u8]) -> &'a [u8] {
    let view = ByteView::from(view);
    let buffer = full
        .get(view.buffer_index as usize)
        .map_or(open, Buffer::as_slice);
    &buffer[view.offset as usize..][..view.length as usize]
}
