//! Numbers, and what is stored as one.

use arrow::array::{ArrayData, ArrayRef, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};
use bytes::Bytes;

use super::{Broken, CUT_OFF, NO_ENTRY, Values, spread};

/// Values as a file has them.
pub(in super::super) trait Stored: Copy + Send {
    /// To read a value takes no more than to copy it.
    const IS_NATIVE: bool;

    /// The value in `bytes`, which are as many as the column's values have.
    fn of(bytes: &[u8]) -> Self;
}

macro_rules! stored {
    ($($native:ty),+) => {$(
        impl Stored for $native {
            const IS_NATIVE: bool = true;

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
pub(in super::super) struct BigEndian(i128);

impl Stored for BigEndian {
    const IS_NATIVE: bool = false;

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
pub(in super::super) trait Becomes<N>: Stored {
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

/// The values that a chunk's numbers stand for.
enum Dictionary<N> {
    /// As they lie in their page.
    Stored(Bytes),
    Values(Vec<N>),
}

/// Numbers, and what is stored as one.
pub(in super::super) struct Fixed<S, N> {
    data_type: DataType,
    /// Bytes of a stored value.
    width: usize,
    /// There when a dictionary was set.
    dictionary: Option<Dictionary<N>>,
    page: Bytes,
    gathered: Vec<N>,
    stored: std::marker::PhantomData<fn() -> S>,
}

impl<S: Becomes<N>, N: ArrowNativeType> Fixed<S, N> {
    pub(in super::super) fn new(data_type: &DataType, width: usize) -> Self {
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
        if end > bytes.len() {
            return Err(CUT_OFF.to_string());
        }
        let bytes = bytes.slice(..end);
        self.dictionary = Some(match S::IS_NATIVE {
            true => Dictionary::Stored(bytes),
            false => Dictionary::Values(Self::all(self.width, &bytes).collect()),
        });
        Ok(())
    }

    fn set_page(&mut self, bytes: Bytes, _count: usize) -> Result<(), Broken> {
        self.page = bytes;
        Ok(())
    }

    fn expect(&mut self, count: usize) {
        self.gathered.reserve(count);
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
        let gathered = &mut self.gathered;
        let complete = match self.dictionary.as_ref().ok_or(NO_ENTRY)? {
            Dictionary::Values(values) => {
                look_up(indices, gathered, |index| values.get(index).copied())
            }
            Dictionary::Stored(bytes) => match self.width {
                4 => {
                    let values = bytes.as_chunks::<4>().0;
                    look_up(indices, gathered, |index| {
                        values.get(index).map(|value| S::of(value).become_())
                    })
                }
                _ => {
                    let values = bytes.as_chunks::<8>().0;
                    look_up(indices, gathered, |index| {
                        values.get(index).map(|value| S::of(value).become_())
                    })
                }
            },
        };
        match complete {
            true => Ok(()),
            false => Err(NO_ENTRY.to_string()),
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
        let values = match &self.dictionary {
            None => return Ok(None),
            Some(Dictionary::Values(values)) => values.clone(),
            Some(Dictionary::Stored(bytes)) => {
                let mut values = Vec::with_capacity(bytes.len() / self.width);
                with_width!(self.width, |width| Self::all(width, bytes), values);
                values
            }
        };
        self.array(values, None).map(Some)
    }

    fn dictionary_len(&self) -> usize {
        match &self.dictionary {
            None => 0,
            Some(Dictionary::Values(values)) => values.len(),
            Some(Dictionary::Stored(bytes)) => bytes.len() / self.width,
        }
    }
}

/// Gathers the values of these numbers; false if one has none.
#[inline(always)]
fn look_up<N: Copy + Default>(
    indices: &[u32],
    gathered: &mut Vec<N>,
    value: impl Fn(usize) -> Option<N>,
) -> bool {
    let mut missing = false;
    gathered.extend(indices.iter().map(|index| {
        let value = value(*index as usize);
        missing |= value.is_none();
        value.unwrap_or_default()
    }));
    !missing
}
