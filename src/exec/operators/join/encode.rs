//! Key columns of any type become [`EncodedKeys`].
//!
//! Fixed-width keys are packed into 64 or 128 bits, one string key is its bytes, anything else goes through arrow's row format.
//! Equal keys have equal encodings: zero has one sign and NaN one bit pattern.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, DataType, Float16Type, Float32Type, Float64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::NullEquality;

use super::keys::{ByteKeys, EncodedKeys, Keys};
use crate::error::{Error, Result};

/// Which form a join's keys have: a matter of their types alone, so that both sides agree.
#[derive(Debug, Clone)]
pub(super) enum KeyShape {
    Narrow,
    Wide,
    /// One string or binary key.
    Text,
    Rows(Arc<[SortField]>),
}

/// Several fixed-width values side by side.
trait PackedKey: Copy + Default {
    /// Makes room for `width` bits at the low end. A shift by the whole width only happens to an empty key.
    fn push(self, width: u32, bits: Self) -> Self;
    fn of_flag(flag: bool) -> Self;
    /// From a number of its own width or less, and of none that is wider.
    fn of_bits<T: Bits>(bits: T) -> Self;
}

impl PackedKey for u64 {
    fn push(self, width: u32, bits: u64) -> Self {
        self.unbounded_shl(width) | bits
    }

    fn of_flag(flag: bool) -> Self {
        u64::from(flag)
    }

    fn of_bits<T: Bits>(bits: T) -> Self {
        bits.narrow()
    }
}

impl PackedKey for u128 {
    fn push(self, width: u32, bits: u128) -> Self {
        self.unbounded_shl(width) | bits
    }

    fn of_flag(flag: bool) -> Self {
        u128::from(flag)
    }

    fn of_bits<T: Bits>(bits: T) -> Self {
        bits.wide()
    }
}

/// A number as a column stores it, read without its sign.
trait Bits: ArrowNativeType {
    /// The highest bit flipped, so that signed numbers keep their order.
    fn flipped(self) -> Self;
    fn narrow(self) -> u64;
    fn wide(self) -> u128;
}

macro_rules! bits {
    ($($number:ty),*) => {
        $(impl Bits for $number {
            fn flipped(self) -> Self {
                self ^ 1 << (<$number>::BITS - 1)
            }

            fn narrow(self) -> u64 {
                self as u64
            }

            fn wide(self) -> u128 {
                u128::from(self)
            }
        })*
    };
}

bits!(u8, u16, u32, u64, u128);

/// Turns key columns into [`EncodedKeys`].
#[derive(Debug)]
pub(super) struct KeyEncoder {
    shape: KeyShape,
    types: Vec<DataType>,
    nulls_match: bool,
    rows: Option<RowConverter>,
}

impl KeyEncoder {
    pub(super) fn new(types: &[DataType], null_equality: NullEquality) -> Result<Self> {
        let types: Vec<DataType> = types.iter().map(plain_type).collect();
        let nulls_match = null_equality == NullEquality::NullEqualsNull;
        let shape = shape_of(&types, nulls_match);
        let rows = match &shape {
            KeyShape::Rows(fields) => Some(RowConverter::new(fields.to_vec())?),
            _ => None,
        };
        Ok(KeyEncoder {
            shape,
            types,
            nulls_match,
            rows,
        })
    }

    pub(super) fn shape(&self) -> &KeyShape {
        &self.shape
    }

    pub(super) fn encode(&self, columns: &[ArrayRef]) -> Result<EncodedKeys> {
        let columns = columns
            .iter()
            .zip(&self.types)
            .map(|(column, plain)| canonical(column, plain))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        let valid = if self.nulls_match {
            None
        } else {
            columns.iter().fold(None, |valid, column| {
                NullBuffer::union(valid.as_ref(), column.logical_nulls().as_ref())
            })
        };
        let keys = match &self.shape {
            KeyShape::Narrow => Keys::Narrow(self.pack(&columns, rows)?),
            KeyShape::Wide => Keys::Wide(self.pack(&columns, rows)?),
            KeyShape::Text => Keys::Bytes(text_keys(&columns)?),
            KeyShape::Rows(_) => Keys::Bytes(self.row_keys(&columns)?),
        };
        Ok(EncodedKeys { keys, valid })
    }

    fn pack<K: PackedKey>(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<K>> {
        if let ([only], false) = (columns, self.nulls_match) {
            return bits_of(only);
        }
        let mut keys = vec![K::default(); rows];
        for column in columns {
            push_bits(column, self.nulls_match, &mut keys)?;
        }
        Ok(keys)
    }

    fn row_keys(&self, columns: &[ArrayRef]) -> Result<ByteKeys> {
        let converter = self
            .rows
            .as_ref()
            .ok_or_else(|| Error::bug("row keys without a row converter"))?;
        let mut keys = ByteKeys::default();
        for row in &converter.convert_columns(columns)? {
            keys.push(row.as_ref());
        }
        Ok(keys)
    }
}

fn no_width() -> Error {
    Error::bug("a packed join key without a fixed width")
}

/// A dictionary's values count, not its codes.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        other => other.clone(),
    }
}

fn shape_of(types: &[DataType], nulls_match: bool) -> KeyShape {
    let null_bit = u32::from(nulls_match);
    let bits = types
        .iter()
        .map(|data_type| width(data_type).map(|width| width + null_bit))
        .sum::<Option<u32>>();
    match bits {
        Some(0..=64) => return KeyShape::Narrow,
        Some(65..=128) => return KeyShape::Wide,
        _ => {}
    }
    // Bytes alone cannot tell NULL from the empty string.
    if let ([only], false) = (types, nulls_match)
        && is_text(only)
    {
        return KeyShape::Text;
    }
    KeyShape::Rows(types.iter().cloned().map(SortField::new).collect())
}

fn is_text(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeBinary, LargeUtf8, Utf8, Utf8View};
    matches!(
        data_type,
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView
    )
}

/// Bits of a type whose values are plain numbers.
fn width(data_type: &DataType) -> Option<u32> {
    use DataType::{
        Boolean, Date32, Date64, Decimal32, Decimal64, Decimal128, Duration, Float16, Float32,
        Float64, Int8, Int16, Int32, Int64, Time32, Time64, Timestamp, UInt8, UInt16, UInt32,
        UInt64,
    };
    match data_type {
        Boolean | Int8 | UInt8 => Some(8),
        Int16 | UInt16 | Float16 => Some(16),
        Int32 | UInt32 | Float32 | Date32 | Time32(_) | Decimal32(..) => Some(32),
        Int64 | UInt64 | Float64 | Date64 | Time64(_) | Timestamp(..) | Duration(_)
        | Decimal64(..) => Some(64),
        Decimal128(..) => Some(128),
        _ => None,
    }
}

/// The column without dictionary, with one zero and one NaN.
fn canonical(column: &ArrayRef, plain: &DataType) -> Result<ArrayRef> {
    let column = if column.data_type() == plain {
        Arc::clone(column)
    } else {
        cast(column, plain)?
    };
    Ok(match plain {
        DataType::Float16 => {
            let floats = column.as_primitive::<Float16Type>();
            Arc::new(floats.unary::<_, Float16Type>(|value| {
                let single = f32::from(value);
                if single.is_nan() {
                    half_of(f32::NAN)
                } else {
                    half_of(single + 0.0)
                }
            }))
        }
        DataType::Float32 => {
            let floats = column.as_primitive::<Float32Type>();
            Arc::new(floats.unary::<_, Float32Type>(|value| {
                if value.is_nan() {
                    f32::NAN
                } else {
                    value + 0.0
                }
            }))
        }
        DataType::Float64 => {
            let floats = column.as_primitive::<Float64Type>();
            Arc::new(floats.unary::<_, Float64Type>(|value| {
                if value.is_nan() {
                    f64::NAN
                } else {
                    value + 0.0
                }
            }))
        }
        _ => column,
    })
}

type Half = <Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native;

fn half_of(value: f32) -> Half {
    Half::from_f32(value)
}

/// Each row's value as bits, the highest one flipped so that signed numbers keep their order.
fn bits_of<K: PackedKey>(column: &ArrayRef) -> Result<Vec<K>> {
    if let Some(booleans) = column.as_boolean_opt() {
        return Ok(booleans.values().iter().map(K::of_flag).collect());
    }
    macro_rules! bits {
        ($number:ty) => {{
            let values = stored::<$number>(column)?;
            let bits = values.iter().map(|value| K::of_bits(value.flipped()));
            Ok(bits.collect())
        }};
    }
    match width(column.data_type()) {
        Some(8) => bits!(u8),
        Some(16) => bits!(u16),
        Some(32) => bits!(u32),
        Some(64) => bits!(u64),
        Some(128) => bits!(u128),
        _ => Err(no_width()),
    }
}

/// Puts each row's bits behind those that are in its key; with `nulls_match` and a bit for NULL behind them, where what the NULL
/// hides does not count.
fn push_bits<K: PackedKey>(column: &ArrayRef, nulls_match: bool, keys: &mut [K]) -> Result<()> {
    let width = width(column.data_type()).ok_or_else(no_width)?;
    if nulls_match || column.as_boolean_opt().is_some() {
        for (row, (key, bits)) in keys.iter_mut().zip(bits_of::<K>(column)?).enumerate() {
            let null = nulls_match && column.is_null(row);
            *key = key.push(width, if null { K::default() } else { bits });
            if nulls_match {
                *key = key.push(1, K::of_flag(null));
            }
        }
        return Ok(());
    }
    macro_rules! push {
        ($number:ty) => {{
            let values = stored::<$number>(column)?;
            for (key, value) in keys.iter_mut().zip(values.iter()) {
                *key = key.push(<$number>::BITS, K::of_bits(value.flipped()));
            }
            Ok(())
        }};
    }
    match width {
        8 => push!(u8),
        16 => push!(u16),
        32 => push!(u32),
        64 => push!(u64),
        128 => push!(u128),
        _ => Err(no_width()),
    }
}

/// The values of a column as they lie in memory.
fn stored<T: Bits>(column: &ArrayRef) -> Result<ScalarBuffer<T>> {
    let data = column.to_data();
    let buffer = data.buffers().first().ok_or_else(no_width)?;
    Ok(ScalarBuffer::new(buffer.clone(), data.offset(), data.len()))
}

/// The bytes of the only column.
fn text_keys(columns: &[ArrayRef]) -> Result<ByteKeys> {
    let [column] = columns else {
        return Err(Error::bug("a text key of several columns"));
    };
    let mut keys = ByteKeys::default();
    match column.data_type() {
        DataType::Utf8 => push_all(&mut keys, column.as_string::<i32>().iter()),
        DataType::LargeUtf8 => push_all(&mut keys, column.as_string::<i64>().iter()),
        DataType::Utf8View => push_all(&mut keys, column.as_string_view().iter()),
        DataType::Binary => push_all(&mut keys, column.as_binary::<i32>().iter()),
        DataType::LargeBinary => push_all(&mut keys, column.as_binary::<i64>().iter()),
        DataType::BinaryView => push_all(&mut keys, column.as_binary_view().iter()),
        other => return Err(Error::bug(format!("{other} is no text key"))),
    }
    Ok(keys)
}

fn push_all<T: AsRef<[u8]>>(keys: &mut ByteKeys, values: impl Iterator<Item = Option<T>>) {
    for value in values {
        keys.push(value.as_ref().map_or(&[], AsRef::as_ref));
    }
}
