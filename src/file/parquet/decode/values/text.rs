//! Text and bytes: as views into pages, or as numbers into a dictionary.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::ByteViewType;
use bytes::Bytes;

use super::views::{Gathered, Strings};
use super::{Broken, CUT_OFF, NO_ENTRY, Values, spread};

/// Text or bytes as views into the pages they lie in.
pub(in super::super) struct Text<K> {
    dictionary: Option<Strings<K>>,
    page: Option<Strings<K>>,
    gathered: Gathered<K>,
}

impl<K: ByteViewType> Text<K> {
    pub(in super::super) fn new() -> Self {
        Text {
            dictionary: None,
            page: None,
            gathered: Gathered::default(),
        }
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

impl<K: ByteViewType> Values for Text<K> {
    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), Broken> {
        self.dictionary = Some(Strings::read(bytes, count)?);
        Ok(())
    }

    fn set_page(&mut self, bytes: Bytes, count: usize) -> Result<(), Broken> {
        self.page = Some(Strings::read(&bytes, count)?);
        Ok(())
    }

    fn expect(&mut self, count: usize) {
        self.gathered.reserve(count);
    }

    fn push(&mut self, first: usize, count: usize) -> Result<(), Broken> {
        let page = self.page.as_ref().ok_or(CUT_OFF)?;
        match self.gathered.push(page, first..first + count) {
            true => Ok(()),
            false => Err(CUT_OFF.to_string()),
        }
    }

    fn push_picked(&mut self, first: usize, picks: &[u32]) -> Result<(), Broken> {
        let page = self.page.as_ref().ok_or(CUT_OFF)?;
        let numbers = picks.iter().map(|pick| first + *pick as usize);
        match self.gathered.push_each(page, numbers) {
            true => Ok(()),
            false => Err(CUT_OFF.to_string()),
        }
    }

    fn push_indices(&mut self, indices: &[u32]) -> Result<(), Broken> {
        let dictionary = self.dictionary.as_ref().ok_or(NO_ENTRY)?;
        let numbers = indices.iter().map(|index| *index as usize);
        match self.gathered.push_each(dictionary, numbers) {
            true => Ok(()),
            false => Err(NO_ENTRY.to_string()),
        }
    }

    fn finish(&mut self, present: Option<BooleanBuffer>) -> Result<ArrayRef, Broken> {
        Ok(self.gathered.finish(present))
    }

    fn dictionary(&self) -> Result<Option<ArrayRef>, Broken> {
        Ok(self.dictionary.as_ref().map(Strings::array))
    }

    fn dictionary_len(&self) -> usize {
        self.dictionary.as_ref().map_or(0, Strings::len)
    }
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

    fn expect(&mut self, count: usize) {
        self.gathered.reserve(count);
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

    fn dictionary_len(&self) -> usize {
        self.dictionary.as_ref().map_or(0, |values| values.len())
    }
}
