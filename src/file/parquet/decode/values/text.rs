//! Text and bytes: as views into pages, or as numbers into a dictionary.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryViewArray, DictionaryArray, Int32Array, StringArray, StringViewArray,
    UInt32Array, make_view,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::{concat, take};
use bytes::Bytes;

use super::{Broken, CUT_OFF, NO_ENTRY, Values, spread};

/// Text or bytes as views into the pages they lie in.
pub(in super::super) struct Text {
    is_text: bool,
    dictionary: Option<ArrayRef>,
    page: Option<ArrayRef>,
    /// Pieces of one after the other.
    gathered: Vec<ArrayRef>,
}

impl Text {
    pub(in super::super) fn new(is_text: bool) -> Self {
        Text {
            is_text,
            dictionary: None,
            page: None,
            gathered: Vec::new(),
        }
    }

    /// At most `count` strings, each behind its length.
    fn views(&self, bytes: &Bytes, count: usize) -> Result<ArrayRef, Broken> {
        let places = places(bytes, count)?;
        let views = places
            .map(|(start, end)| make_view(&bytes[start..end], 0, start as u32))
            .collect::<Vec<u128>>()
            .into();
        let buffers = vec![Buffer::from(bytes.clone())];
        Ok(match self.is_text {
            true => Arc::new(StringViewArray::try_new(views, buffers, None).map_err(not_utf8)?),
            false => Arc::new(
                BinaryViewArray::try_new(views, buffers, None)
                    .map_err(|error| error.to_string())?,
            ),
        })
    }

    fn of_page(&self, end: usize) -> Result<&ArrayRef, Broken> {
        let page = self.page.as_ref().filter(|page| end <= page.len());
        Ok(page.ok_or(CUT_OFF)?)
    }
}

fn not_utf8(_: arrow::error::ArrowError) -> Broken {
    "a text is not UTF-8".to_string()
}

/// Where strings start and end that each follow their length, up to the end of `bytes`.
fn places(bytes: &[u8], count: usize) -> Result<impl Iterator<Item = (usize, usize)>, Broken> {
    if u32::try_from(bytes.len()).is_err() {
        return Err("a page has more than 4 GiB".to_string());
    }
    let mut places = Vec::with_capacity(count.min(bytes.len() / 4 + 1));
    let mut at = 0;
    while places.len() < count && at < bytes.len() {
        let length = bytes[at..].first_chunk::<4>().ok_or(CUT_OFF)?;
        let start = at + 4;
        at = start + u32::from_le_bytes(*length) as usize;
        if at > bytes.len() {
            return Err(CUT_OFF.to_string());
        }
        places.push((start, at));
    }
    Ok(places.into_iter())
}

impl Values for Text {
    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), Broken> {
        self.dictionary = Some(self.views(bytes, count)?);
        Ok(())
    }

    fn set_page(&mut self, bytes: Bytes, count: usize) -> Result<(), Broken> {
        self.page = Some(self.views(&bytes, count)?);
        Ok(())
    }

    fn push(&mut self, first: usize, count: usize) -> Result<(), Broken> {
        let piece = self.of_page(first + count)?.slice(first, count);
        self.gathered.push(piece);
        Ok(())
    }

    fn push_picked(&mut self, first: usize, picks: &[u32]) -> Result<(), Broken> {
        let end = first + picks.last().map_or(0, |last| *last as usize + 1);
        let numbers = picks.iter().map(|pick| first as u32 + pick);
        let numbers = UInt32Array::from_iter_values(numbers);
        let piece = taken(self.of_page(end)?, &numbers)?;
        self.gathered.push(piece);
        Ok(())
    }

    fn push_indices(&mut self, indices: &[u32]) -> Result<(), Broken> {
        let dictionary = self.dictionary.as_ref().ok_or(NO_ENTRY)?;
        let end = indices.iter().max().map_or(0, |last| *last as usize + 1);
        if end > dictionary.len() {
            return Err(NO_ENTRY.to_string());
        }
        let piece = taken(dictionary, &UInt32Array::from(indices.to_vec()))?;
        self.gathered.push(piece);
        Ok(())
    }

    fn finish(&mut self, present: Option<BooleanBuffer>) -> Result<ArrayRef, Broken> {
        let gathered = std::mem::take(&mut self.gathered);
        let values = match gathered.as_slice() {
            [] => self.views(&Bytes::new(), 0)?,
            [only] => Arc::clone(only),
            pieces => {
                let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref()).collect();
                concat(&pieces).map_err(|error| error.to_string())?
            }
        };
        let Some(present) = present else {
            return Ok(values);
        };
        let numbers: Vec<u32> = (0..values.len() as u32).collect();
        let numbers = spread(&numbers, &present);
        let nulls = Some(NullBuffer::new(present));
        taken(&values, &UInt32Array::new(numbers.into(), nulls))
    }

    fn dictionary(&self) -> Result<Option<ArrayRef>, Broken> {
        Ok(self.dictionary.clone())
    }
}

fn taken(values: &ArrayRef, numbers: &UInt32Array) -> Result<ArrayRef, Broken> {
    take(values, numbers, None).map_err(|error| error.to_string())
}

/// Text as numbers into the dictionary of the chunk, which every batch shares.
#[derive(Default)]
pub(in super::super) struct Codes {
    dictionary: Option<ArrayRef>,
    gathered: Vec<i32>,
}

impl Values for Codes {
    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), Broken> {
        let (mut offsets, mut text) = (vec![0_i32], Vec::with_capacity(bytes.len()));
        for (start, end) in places(bytes, count)? {
            text.extend_from_slice(&bytes[start..end]);
            offsets.push(i32::try_from(text.len()).map_err(|_| "its dictionary is too large")?);
        }
        let offsets = OffsetBuffer::new(offsets.into());
        let values = StringArray::try_new(offsets, Buffer::from_vec(text), None);
        self.dictionary = Some(Arc::new(values.map_err(not_utf8)?));
        Ok(())
    }

    fn set_page(&mut self, _bytes: Bytes, _count: usize) -> Result<(), Broken> {
        Err("a page does without the dictionary that all pages are said to use".to_string())
    }

    fn push(&mut self, _first: usize, _count: usize) -> Result<(), Broken> {
        Err(CUT_OFF.to_string())
    }

    fn push_picked(&mut self, _first: usize, _picks: &[u32]) -> Result<(), Broken> {
        Err(CUT_OFF.to_string())
    }

    fn push_indices(&mut self, indices: &[u32]) -> Result<(), Broken> {
        self.gathered
            .extend(indices.iter().map(|index| *index as i32));
        Ok(())
    }

    fn finish(&mut self, present: Option<BooleanBuffer>) -> Result<ArrayRef, Broken> {
        let gathered = std::mem::take(&mut self.gathered);
        let keys = match present {
            None => Int32Array::new(gathered.into(), None),
            Some(present) => {
                let keys = spread(&gathered, &present);
                Int32Array::new(keys.into(), Some(NullBuffer::new(present)))
            }
        };
        let dictionary = match &self.dictionary {
            Some(dictionary) => Arc::clone(dictionary),
            // A chunk of NULLs needs none.
            None => Arc::new(StringArray::new_null(0)),
        };
        let array = DictionaryArray::try_new(keys, dictionary).map_err(|_| NO_ENTRY)?;
        Ok(Arc::new(array))
    }

    fn dictionary(&self) -> Result<Option<ArrayRef>, Broken> {
        Ok(self.dictionary.clone())
    }
}
