//! Key columns of integers, and of what is stored as one: dates, times, decimals of up to 64 bits, truth values. A value's code
//! is its distance from a base below the smallest one; 0 is NULL.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, make_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};

use crate::error::Result;

/// One column of such keys.
#[derive(Debug)]
pub(super) struct IntColumn {
    /// The type of the keys that come out.
    data_type: DataType,
    /// The smallest and largest value there can be without moving the base.
    bounds: Option<(i64, i64)>,
    moved: u64,
}

/// How a type's values lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Bool,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
}

impl Stored {
    fn of(data_type: &DataType) -> Option<Self> {
        use DataType::{
            Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Duration, Int8, Int16,
            Int32, Int64, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64,
        };
        Some(match data_type {
            Boolean => Stored::Bool,
            Int8 => Stored::I8,
            Int16 => Stored::I16,
            Int32 | Date32 | Time32(_) | Decimal32(..) => Stored::I32,
            Int64 | Date64 | Time64(_) | Timestamp(..) | Duration(_) | Decimal64(..) => Stored::I64,
            Decimal128(..) => Stored::I128,
            UInt8 => Stored::U8,
            UInt16 => Stored::U16,
            UInt32 => Stored::U32,
            UInt64 => Stored::U64,
            _ => return None,
        })
    }
}

/// A number that has a place on the line of 64-bit integers, unless it is too large.
trait OnLine: ArrowNativeType + Ord {
    fn place(self) -> Option<i64>;
    /// The same for numbers known to have one.
    fn known_place(self) -> i64;
    fn at(place: i64) -> Self;
}

macro_rules! on_line {
    ($($type:ty),+) => {$(
        impl OnLine for $type {
            #[inline]
            fn place(self) -> Option<i64> {
                i64::try_from(self).ok()
            }

            #[inline]
            fn known_place(self) -> i64 {
                self as i64
            }

            fn at(place: i64) -> Self {
                place as $type
            }
        }
    )+};
}

on_line!(i8, i16, i32, i64, i128, u8, u16, u32);

impl OnLine for u64 {
    #[inline]
    fn place(self) -> Option<i64> {
        Some(self.known_place())
    }

    #[inline]
    fn known_place(self) -> i64 {
        self as i64 ^ i64::MIN
    }

    fn at(place: i64) -> Self {
        (place ^ i64::MIN) as u64
    }
}

/// Calls `$body` with `$slice` as the values of `$array`, as they lie in memory; `$bool` is for truth values.
macro_rules! with_stored {
    ($stored:expr, $call:ident) => {
        match $stored {
            Stored::Bool | Stored::U8 => $call!(u8),
            Stored::I8 => $call!(i8),
            Stored::I16 => $call!(i16),
            Stored::I32 => $call!(i32),
            Stored::I64 => $call!(i64),
            Stored::I128 => $call!(i128),
            Stored::U16 => $call!(u16),
            Stored::U32 => $call!(u32),
            Stored::U64 => $call!(u64),
        }
    };
}

impl IntColumn {
    pub(super) fn new(data_type: &DataType) -> Option<Self> {
        Stored::of(data_type)?;
        Some(IntColumn {
            data_type: data_type.clone(),
            bounds: None,
            moved: 0,
        })
    }

    /// False if the values are more than 63 bits apart, or not stored as numbers.
    pub(super) fn encode(&mut self, values: &ArrayRef, codes: &mut Vec<u64>) -> bool {
        let nulls = values.nulls().filter(|nulls| nulls.null_count() > 0);
        match Stored::of(values.data_type()) {
            None => false,
            Some(Stored::Bool) => {
                let bits: Vec<u8> = values.as_boolean().values().iter().map(u8::from).collect();
                self.encode_slice(&bits, nulls, codes)
            }
            Some(stored) => {
                let data = values.to_data();
                macro_rules! encode {
                    ($type:ty) => {
                        self.encode_slice(&data.buffer::<$type>(0)[..data.len()], nulls, codes)
                    };
                }
                with_stored!(stored, encode)
            }
        }
    }

    fn encode_slice<T: OnLine>(
        &mut self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        codes: &mut Vec<u64>,
    ) -> bool {
        if let Some((low, high)) = range(values, nulls) {
            let (Some(low), Some(high)) = (low.place(), high.place()) else {
                return false;
            };
            if !self.reach(low, high) {
                return false;
            }
        }
        let base = self.bounds.map_or(0, |(low, _)| low).wrapping_sub(1);
        let code = |value: T| value.known_place().wrapping_sub(base) as u64;
        match nulls {
            None => codes.extend(values.iter().map(|value| code(*value))),
            Some(nulls) => codes.extend(
                values
                    .iter()
                    .zip(nulls)
                    .map(|(value, valid)| if valid { code(*value) } else { 0 }),
            ),
        }
        true
    }

    /// Moves the bounds so that values from `low` to `high` have codes.
    fn reach(&mut self, low: i64, high: i64) -> bool {
        let Some((old_low, old_high)) = self.bounds else {
            self.bounds = Some((low, high));
            return low.abs_diff(high) < i64::MAX as u64;
        };
        let new_high = high.max(old_high);
        let mut new_low = old_low;
        if low < old_low {
            // Twice as far as the values are apart, so that falling values do not move the base with each batch.
            let apart = i64::try_from(low.abs_diff(new_high)).unwrap_or(i64::MAX);
            new_low = low.saturating_sub(apart);
            if new_low.abs_diff(new_high) >= i64::MAX as u64 {
                new_low = low;
            }
        }
        if new_low.abs_diff(new_high) >= i64::MAX as u64 {
            return false;
        }
        self.moved = self.moved.wrapping_add(new_low.abs_diff(old_low));
        self.bounds = Some((new_low, new_high));
        true
    }

    pub(super) fn largest_code(&self) -> u64 {
        self.bounds
            .map_or(0, |(low, high)| low.abs_diff(high).wrapping_add(1))
    }

    pub(super) fn take_moved(&mut self) -> u64 {
        std::mem::take(&mut self.moved)
    }

    pub(super) fn decode(&self, codes: impl Iterator<Item = u64>) -> Result<ArrayRef> {
        let base = self.bounds.map_or(0, |(low, _)| low).wrapping_sub(1);
        let codes: Vec<u64> = codes.collect();
        let nulls = codes
            .contains(&0)
            .then(|| NullBuffer::from_iter(codes.iter().map(|code| *code != 0)));
        let places = codes.iter().map(|code| match code {
            0 => 0,
            code => base.wrapping_add(*code as i64),
        });
        match Stored::of(&self.data_type) {
            Some(Stored::Bool) => Ok(Arc::new(BooleanArray::new(
                places.map(|place| place == 1).collect(),
                nulls,
            ))),
            stored => {
                macro_rules! buffer {
                    ($type:ty) => {
                        Buffer::from_vec(places.map(<$type>::at).collect::<Vec<_>>())
                    };
                }
                let values = with_stored!(stored.unwrap_or(Stored::I64), buffer);
                let data = ArrayData::builder(self.data_type.clone())
                    .len(codes.len())
                    .add_buffer(values)
                    .nulls(nulls)
                    .build()?;
                Ok(make_array(data))
            }
        }
    }
}

/// The smallest and the largest value that is not NULL.
fn range<T: OnLine>(values: &[T], nulls: Option<&NullBuffer>) -> Option<(T, T)> {
    let Some(nulls) = nulls else {
        let first = *values.first()?;
        return Some(values.iter().fold((first, first), |(low, high), value| {
            (low.min(*value), high.max(*value))
        }));
    };
    let mut valid = nulls.valid_indices().map(|row| values[row]);
    let first = valid.next()?;
    Some(valid.fold((first, first), |(low, high), value| {
        (low.min(value), high.max(value))
    }))
}
