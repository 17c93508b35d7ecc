//! Statistics as the log has them, read for one column at a time: a query asks for few of a table's columns, and a table may have
//! very many segments.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::table::parts::in_parts;

/// Microseconds that a bound of another writer may have cut off.
const CUT_MICROS: i64 = 999;

/// Texts that are worth a thread.
const TEXTS_LEAST: usize = 4096;

/// What our own texts begin with.
const ROWS: &str = "{\"numRecords\":";

/// How many rows the text says; nothing where it does not read as statistics.
pub(crate) fn rows(text: &str) -> Option<u64> {
    if let Some(rest) = text.strip_prefix(ROWS) {
        let end = rest.find([',', '}'])?;
        if let Ok(rows) = rest[..end].parse() {
            return Some(rows);
        }
    }
    #[derive(Deserialize)]
    struct Rows {
        #[serde(rename = "numRecords")]
        rows: Option<u64>,
    }
    // A list would be taken for the fields in their order.
    let text = text.trim_start();
    let is_object = text.starts_with('{');
    is_object
        .then(|| serde_json::from_str::<Rows>(text).ok()?.rows)
        .flatten()
}

/// What the log says of one column, of each of some segments.
#[derive(Debug, Default)]
pub(crate) struct ColumnStatistics(Vec<Said>);

/// Of one segment. What does not read as statistics says nothing.
#[derive(Debug, Default)]
struct Said {
    min: Option<Value>,
    max: Option<Value>,
    nulls: Option<u64>,
}

impl ColumnStatistics {
    pub(crate) fn of(column: &str, texts: &[&str]) -> Self {
        let said = |text: &&str| {
            let mut json = serde_json::Deserializer::from_str(text);
            let said = OneColumn(column).deserialize(&mut json);
            let end = said.and_then(|said| json.end().map(|()| said));
            end.unwrap_or_default()
        };
        let parts = in_parts(texts, TEXTS_LEAST, |texts| -> Vec<Said> {
            texts.iter().map(said).collect()
        });
        ColumnStatistics(parts.into_iter().flatten().collect())
    }

    /// The bound for each segment, NULL where the log says nothing, as the stored type.
    pub(crate) fn bounds(&self, kind: &DataType, largest: bool) -> Option<ArrayRef> {
        let values = || {
            let said = self.0.iter();
            said.map(move |said| {
                if largest {
                    said.max.as_ref()
                } else {
                    said.min.as_ref()
                }
            })
        };
        let widen = |value: f64| {
            if largest {
                value.next_up().next_up()
            } else {
                value.next_down().next_down()
            }
        };
        let array: ArrayRef = match kind {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
                let numbers = values().map(|value| value.and_then(Value::as_i64));
                cast(
                    &(Arc::new(Int64Array::from_iter(numbers)) as ArrayRef),
                    kind,
                )
                .ok()?
            }
            DataType::Float32 | DataType::Float64 => {
                let numbers = values().map(|value| value.and_then(Value::as_f64).map(widen));
                let wide: ArrayRef = Arc::new(Float64Array::from_iter(numbers));
                if *kind == DataType::Float64 {
                    return Some(wide);
                }
                let narrow = wide.as_primitive::<Float64Type>().iter().map(|value| {
                    let value = value? as f32;
                    Some(if largest {
                        value.next_up()
                    } else {
                        value.next_down()
                    })
                });
                Arc::new(arrow::array::Float32Array::from_iter(narrow))
            }
            DataType::Decimal128(precision, scale) => {
                let numbers = values().map(|value| decimal(value?, *scale, largest));
                let array = Decimal128Array::from_iter(numbers);
                Arc::new(array.with_precision_and_scale(*precision, *scale).ok()?)
            }
            DataType::Utf8View | DataType::Utf8 => {
                let texts = values().map(|value| value.and_then(Value::as_str));
                cast(&(Arc::new(StringArray::from_iter(texts)) as ArrayRef), kind).ok()?
            }
            DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let texts = values().map(|value| value.and_then(Value::as_str));
                let texts: ArrayRef = Arc::new(StringArray::from_iter(texts));
                moments(&texts, kind, largest)?
            }
            _ => return None,
        };
        Some(array)
    }

    /// NULLs for each segment.
    pub(crate) fn null_counts(&self) -> ArrayRef {
        Arc::new(UInt64Array::from_iter(self.0.iter().map(|said| said.nulls)))
    }
}

/// Dates and times; a largest one may have been cut to milliseconds.
fn moments(texts: &ArrayRef, kind: &DataType, largest: bool) -> Option<ArrayRef> {
    let moments = cast(texts, kind).ok()?;
    let DataType::Timestamp(_, zone) = kind else {
        return Some(moments);
    };
    if !largest {
        return Some(moments);
    }
    let moments = moments.as_primitive::<TimestampMicrosecondType>();
    let later = moments.iter().map(|value| value?.checked_add(CUT_MICROS));
    let later = TimestampMicrosecondArray::from_iter(later);
    Some(Arc::new(later.with_timezone_opt(zone.clone())))
}

/// A decimal at or beyond the one that JSON gives: readers of JSON round.
fn decimal(value: &Value, scale: i8, largest: bool) -> Option<i128> {
    let unit = 10_i128.checked_pow(u32::try_from(scale).ok()?)?;
    if let Some(whole) = value.as_i64() {
        return i128::from(whole).checked_mul(unit);
    }
    let value = value.as_f64()? * unit as f64;
    let slack = value.abs() * 4.0 * f64::EPSILON + 1.0;
    // Beyond 38 digits the bound says nothing.
    let bound = if largest {
        value + slack
    } else {
        value - slack
    };
    (bound.abs() < 1e38).then(|| if largest { bound.ceil() } else { bound.floor() } as i128)
}

/// Reads a text, and keeps what it says of the column.
struct OneColumn<'c>(&'c str);

impl<'de> DeserializeSeed<'de> for OneColumn<'_> {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneColumn<'_> {
    type Value = Said;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("statistics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut parts: A) -> Result<Said, A::Error> {
        const PARTS: [&str; 3] = ["minValues", "maxValues", "nullCount"];
        let mut said = Said::default();
        while let Some(part) = parts.next_key_seed(OneOf(&PARTS))? {
            let member = Member(self.0);
            match part {
                Some(0) => said.min = parts.next_value_seed(member)?,
                Some(1) => said.max = parts.next_value_seed(member)?,
                Some(_) => {
                    let nulls = parts.next_value_seed(member)?;
                    said.nulls = nulls.as_ref().and_then(Value::as_u64);
                }
                None => drop(parts.next_value::<IgnoredAny>()?),
            }
        }
        Ok(said)
    }
}

/// Which of these a key is.
struct OneOf<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for OneOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for OneOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == key))
    }
}

/// The value of one key of an object; nothing where there is no object.
struct Member<'c>(&'c str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value for each column")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut columns: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(place) = columns.next_key_seed(OneOf(&[self.0]))? {
            match place {
                Some(_) => found = Some(columns.next_value()?),
                None => drop(columns.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}
