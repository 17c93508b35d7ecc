//! What a column's stored values become: [`Fixed`] numbers, [`Bits`], [`Text`] and [`Codes`] into a dictionary.
//!
//! Pages hold values only, no NULL. So values are gathered without gaps, and NULLs put between them at the end of a batch.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, BinaryViewArray, BooleanArray, BooleanBufferBuilder,
    DictionaryArray, Int32Array, StringArray, StringViewArray, UInt32Array, make_array, make_view,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::{concat, take};
use arrow::datatypes::{ArrowNativeType, DataType};
use bytes::Bytes;

/// What is wrong with a chunk.
pub(super) type Broken = String;

/// The values of one column: of its dictionary, of the page at hand, and those gathered for a batch.
pub(super) trait Values: Send {
    /// Takes a dictionary of `count` values.
    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), Broken>;

    /// Takes a page of plain values, of which there are at most `count`.
    fn set_page(&mut self, bytes: Bytes, count: usize) -> Result<(), Broken>;

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
}

const CUT_OFF: &str = "its values are cut off";
const NO_ENTRY: &str = "a value is not in the dictionary";

/// Values as a file has them.
pub(super) trait Stored: Copy + Send {
    /// The value in `bytes`, which are as many as the column's values have.
    fn of(bytes: &[u8]) -> Self;
}

macro_rules! stored {
    ($($native:ty),+) => {$(
        impl Stored for $native {
            #[inline(always)]
            fn of(bytes: &[u8]) -> Self {
                let mut all = [0; size_of::<$native>()];
                all.copy_from_slice(bytes);
                <$native>::from_le_bytes(all)
            }
        }
    )+};
}

stored!(i32, i64, f32, f64);

/// A whole number of at most 16 bytes, the highest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct BigEndian(i128);

impl Stored for BigEndian {
    #[inline(always)]
    fn of(bytes: &[u8]) -> Self {
        let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
        let mut all = if negative { [0xff; 16] } else { [0; 16] };
        let start = 16_usize.saturating_sub(bytes.len());
        all[start..].copy_from_slice(&bytes[bytes.len().saturating_sub(16)..]);
        BigEndian(i128::from_be_bytes(all))
    }
}

/// How a stored value becomes one of the column's type.
pub(super) trait Becomes<N>: Stored {
    fn become_(self) -> N;
}

macro_rules! becomes {
    ($($from:ty => $($to:ty),+;)+) => {$($(
        impl Becomes<$to> for $from {
            #[inline(always)]
            fn become_(self) -> $to {
                self as $to
            }
        }
    )+)+};
}

becomes! {
    i32 => i8, i16, i32, u8, u16, i64, i128;
    i64 => i64, i128;
    f32 => f32;
    f64 => f64;
}

impl Becomes<i64> for BigEndian {
    #[inline(always)]
    fn become_(self) -> i64 {
        self.0 as i64
    }
}

impl Becomes<i128> for BigEndian {
    #[inline(always)]
    fn become_(self) -> i128 {
        self.0
    }
}

/// Numbers, and what is stored as one.
pub(super) struct Fixed<S, N> {
    data_type: DataType,
    /// Bytes of a stored value.
    width: usize,
    /// There when a dictionary was set.
    dictionary: Option<Vec<N>>,
    page: Bytes,
    gathered: Vec<N>,
    stored: std::marker::PhantomData<fn() -> S>,
}

impl<S: Becomes<N>, N: ArrowNativeType> Fixed<S, N> {
    pub(super) fn new(data_type: &DataType, width: usize) -> Self {
        Fixed {
            data_type: data_type.clone(),
            width,
            dictionary: None,
            page: Bytes::new(),
            gathered: Vec::new(),
            stored: std::marker::PhantomData,
        }
    }

    /// The bytes of `count` values of the page.
    fn stretch(&self, first: usize, count: usize) -> Result<&[u8], Broken> {
        let (start, end) = (first * self.width, (first + count) * self.width);
        Ok(self.page.get(start..end).ok_or(CUT_OFF)?)
    }

    /// The values in `bytes`: a loop for each width that is known beforehand.
    fn all<'a>(width: usize, bytes: &'a [u8]) -> impl ExactSizeIterator<Item = N> + 'a {
        bytes
            .chunks_exact(width)
            .map(|value| S::of(value).become_())
    }

    fn array(&self, values: Vec<N>, nulls: Option<NullBuffer>) -> Result<ArrayRef, Broken> {
        let data = ArrayData::builder(self.data_type.clone())
            .len(values.len())
            .add_buffer(Buffer::from_vec(values))
            .nulls(nulls)
            .build();
        Ok(make_array(data.map_err(|error| error.to_string())?))
    }
}

/// Calls `all` with a width that the compiler knows, where it is a common one.
macro_rules! with_width {
    ($width:expr, $all:expr, $vec:expr) => {
        match $width {
            4 => $vec.extend($all(4)),
            8 => $vec.extend($all(8)),
            width => $vec.extend($all(width)),
        }
    };
}

impl<S: Becomes<N> + 'static, N: ArrowNativeType> Values for Fixed<S, N> {
    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), Broken> {
        let end = count.checked_mul(self.width).ok_or(CUT_OFF)?;
        let bytes = bytes.get(..end).ok_or(CUT_OFF)?;
        self.dictionary = Some(Self::all(self.width, bytes).collect());
        Ok(())
    }

    fn set_page(&mut self, bytes: Bytes, _count: usize) -> Result<(), Broken> {
        self.page = bytes;
        Ok(())
    }

    fn push(&mut self, first: usize, count: usize) -> Result<(), Broken> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let bytes = self.stretch(first, count)?;
        with_width!(self.width, |width| Self::all(width, bytes), gathered);
        self.gathered = gathered;
        Ok(())
    }

    fn push_picked(&mut self, first: usize, picks: &[u32]) -> Result<(), Broken> {
        let Some(last) = picks.last() else {
            return Ok(());
        };
        let mut gathered = std::mem::take(&mut self.gathered);
        let bytes = self.stretch(first, *last as usize + 1)?;
        let width = self.width;
        gathered.extend(picks.iter().map(|pick| {
            let start = *pick as usize * width;
            S::of(&bytes[start..start + width]).become_()
        }));
        self.gathered = gathered;
        Ok(())
    }

    fn push_indices(&mut self, indices: &[u32]) -> Result<(), Broken> {
        let dictionary = self.dictionary.as_deref().ok_or(NO_ENTRY)?;
        let mut missing = false;
        self.gathered.extend(indices.iter().map(|index| {
            let value = dictionary.get(*index as usize);
            missing |= value.is_none();
            value.copied().unwrap_or_default()
        }));
        match missing {
            true => Err(NO_ENTRY.to_string()),
            false => Ok(()),
        }
    }

    fn finish(&mut self, present: Option<BooleanBuffer>) -> Result<ArrayRef, Broken> {
        let gathered = std::mem::take(&mut self.gathered);
        match present {
            None => self.array(gathered, None),
            Some(present) => {
                let values = spread(&gathered, &present);
                self.array(values, Some(NullBuffer::new(present)))
            }
        }
    }

    fn dictionary(&self) -> Result<Option<ArrayRef>, Broken> {
        let values = self.dictionary.clone();
        values.map(|values| self.array(values, None)).transpose()
    }
}

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
}

/// Text or bytes as views into the pages they lie in.
pub(super) struct Text {
    is_text: bool,
    dictionary: Option<ArrayRef>,
    page: Option<ArrayRef>,
    /// Pieces of one after the other.
    gathered: Vec<ArrayRef>,
}

impl Text {
    pub(super) fn new(is_text: bool) -> Self {
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
pub(super) struct Codes {
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
