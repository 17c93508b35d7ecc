//! Partitions that a computed value names: `DATE_TRUNC(ts, DAY)`, `BUCKET(16, id)`.
//!
//! To other readers of the table such a value is a column like any other. To other writers it is a generated column, so that only
//! those add rows who know how to compute it: the same functions are written down in their SQL.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int32Array, TimestampMicrosecondArray};
use arrow::datatypes::{
    DataType, Date32Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType,
};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use crate::error::{Error, Result};

const HOUR_MICROS: i64 = 3_600_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// The seed that Spark's `xxhash64` begins with.
const SEED: u64 = 42;

/// A partition column that is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generated {
    pub(crate) name: String,
    /// The position of the column that it is computed of.
    pub(crate) column: usize,
    pub(crate) transform: Transform,
}

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transform {
    Truncate(Unit),
    /// A hash, modulo this number.
    Bucket(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Hour,
    Day,
    Month,
    Year,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Hour => "hour",
            Unit::Day => "day",
            Unit::Month => "month",
            Unit::Year => "year",
        })
    }
}

impl Transform {
    /// The type of its values for a column that is stored so; `None` where there are none.
    pub(crate) fn kind(self, stored: &DataType) -> Option<DataType> {
        match (self, stored) {
            (Transform::Truncate(Unit::Hour), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                Some(stored.clone())
            }
            (Transform::Truncate(Unit::Hour), _) => None,
            (
                Transform::Truncate(_),
                DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _),
            ) => Some(DataType::Date32),
            (
                Transform::Bucket(_),
                DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Utf8View
                | DataType::Date32
                | DataType::Timestamp(TimeUnit::Microsecond, _),
            ) => Some(DataType::Int32),
            _ => None,
        }
    }

    /// The name of the column of its values.
    pub(crate) fn name(self, column: &str) -> String {
        match self {
            Transform::Truncate(unit) => format!("{column}_{unit}"),
            Transform::Bucket(_) => format!("{column}_bucket"),
        }
    }

    /// The same in Spark's SQL.
    pub(crate) fn expression(self, column: &str) -> String {
        let column = format!("`{}`", column.replace('`', "``"));
        match self {
            Transform::Truncate(Unit::Hour) => format!("DATE_TRUNC('HOUR', {column})"),
            Transform::Truncate(Unit::Day) => format!("CAST({column} AS DATE)"),
            Transform::Truncate(unit) => {
                let unit = unit.to_string().to_uppercase();
                format!("CAST(DATE_TRUNC('{unit}', {column}) AS DATE)")
            }
            Transform::Bucket(count) => {
                format!("CAST(PMOD(XXHASH64({column}), {count}) AS INT)")
            }
        }
    }

    /// Its value for each row of a stored column.
    pub(crate) fn apply(self, values: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Transform::Truncate(Unit::Hour) => {
                let micros = values.as_primitive_opt::<TimestampMicrosecondType>();
                let micros = micros.ok_or_else(unfit)?;
                let hours: TimestampMicrosecondArray =
                    micros.unary(|value| value.div_euclid(HOUR_MICROS) * HOUR_MICROS);
                Arc::new(hours.with_data_type(values.data_type().clone()))
            }
            Transform::Truncate(unit) => {
                let days: Date32Array = match values.data_type() {
                    DataType::Date32 => values.as_primitive::<Date32Type>().clone(),
                    _ => {
                        let micros = values.as_primitive_opt::<TimestampMicrosecondType>();
                        let micros = micros.ok_or_else(unfit)?;
                        micros.unary(|value| value.div_euclid(DAY_MICROS) as i32)
                    }
                };
                Arc::new(days.unary::<_, Date32Type>(|day| first_day(day, unit)))
            }
            Transform::Bucket(count) => {
                let hashes = hashes(values)?;
                let bucket = |hash: u64| (hash.cast_signed()).rem_euclid(i64::from(count)) as i32;
                Arc::new(Int32Array::from_iter_values(hashes.into_iter().map(bucket)))
            }
        })
    }

    /// Whether [`Transform::bound`] says anything.
    pub(crate) fn bound_is_known(self) -> bool {
        matches!(self, Transform::Truncate(_))
    }

    /// The least or the largest stored value that is in each partition; `None` where they have no order.
    pub(crate) fn bound(
        self,
        partitions: &ArrayRef,
        stored: &DataType,
        largest: bool,
    ) -> Option<ArrayRef> {
        let Transform::Truncate(unit) = self else {
            return None;
        };
        if let DataType::Timestamp(_, zone) = stored {
            let edges: TimestampMicrosecondArray = match unit {
                Unit::Hour => {
                    let hours = partitions.as_primitive_opt::<TimestampMicrosecondType>()?;
                    let last = if largest { HOUR_MICROS - 1 } else { 0 };
                    hours.unary_opt(|hour| hour.checked_add(last))
                }
                _ => {
                    let days = partitions.as_primitive_opt::<Date32Type>()?;
                    days.unary_opt(|day| {
                        let first = match largest {
                            false => day,
                            true => next_first_day(day, unit)?,
                        };
                        let edge = i64::from(first).checked_mul(DAY_MICROS)?;
                        edge.checked_sub(i64::from(largest))
                    })
                }
            };
            return Some(Arc::new(edges.with_timezone_opt(zone.clone())));
        }
        let days = partitions.as_primitive_opt::<Date32Type>()?;
        let edges: Date32Array = days.unary_opt(|day| match largest {
            false => Some(day),
            true => next_first_day(day, unit)?.checked_sub(1),
        });
        Some(Arc::new(edges))
    }
}

/// Spark's `xxhash64`: NULL leaves the seed.
fn hashes(values: &ArrayRef) -> Result<Vec<u64>> {
    macro_rules! of {
        ($type:ty, $wide:ty) => {{
            let values = values.as_primitive::<$type>();
            let hash = |value| {
                let bytes = <$wide>::from(value).to_le_bytes();
                XxHash64::oneshot(SEED, &bytes)
            };
            values
                .iter()
                .map(|value| value.map_or(SEED, hash))
                .collect()
        }};
    }
    Ok(match values.data_type() {
        DataType::Int8 => of!(Int8Type, i32),
        DataType::Int16 => of!(Int16Type, i32),
        DataType::Int32 => of!(Int32Type, i32),
        DataType::Date32 => of!(Date32Type, i32),
        DataType::Int64 => of!(Int64Type, i64),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of!(TimestampMicrosecondType, i64),
        DataType::Utf8View => {
            let texts = values.as_string_view().iter();
            texts
                .map(|text| text.map_or(SEED, |text| XxHash64::oneshot(SEED, text.as_bytes())))
                .collect()
        }
        _ => return Err(unfit()),
    })
}

fn unfit() -> Error {
    Error::bug("a partition is computed of a column of another type")
}

/// The first day of the month or year that a day is in; days count from 1970.
fn first_day(day: i32, unit: Unit) -> i32 {
    let (year, month) = year_and_month(i64::from(day));
    let first = match unit {
        Unit::Hour | Unit::Day => return day,
        Unit::Month => day_number(year, month),
        Unit::Year => day_number(year, 1),
    };
    first as i32
}

fn next_first_day(first: i32, unit: Unit) -> Option<i32> {
    let (year, month) = year_and_month(i64::from(first));
    let next = match unit {
        Unit::Hour | Unit::Day => i64::from(first) + 1,
        Unit::Month if month < 12 => day_number(year, month + 1),
        Unit::Month | Unit::Year => day_number(year + 1, 1),
    };
    i32::try_from(next).ok()
}

/// The Gregorian year and month of a day, by counting years from March so that a leap day comes last.
fn year_and_month(day: i64) -> (i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(ERA_DAYS), day.rem_euclid(ERA_DAYS));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let calendar_month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(calendar_month <= 2);
    (year, calendar_month)
}

/// The day that a month begins with.
fn day_number(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day = (153 * from_march + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray};

    #[test]
    fn months_and_years_begin_where_they_should() {
        let text = |day: i32| {
            let date: ArrayRef = Arc::new(Date32Array::from(vec![day]));
            let text = arrow::compute::cast(&date, &DataType::Utf8).unwrap();
            text.as_string::<i32>().value(0).to_string()
        };
        for day in (-150_000..150_000).step_by(97) {
            let date = text(day);
            let (rest, _) = date.rsplit_once('-').unwrap();
            let first = first_day(day, Unit::Month);
            assert_eq!(text(first), format!("{rest}-01"));
            let next = next_first_day(first, Unit::Month).unwrap();
            assert!(next > day && text(next).ends_with("-01") && next - first <= 31);
            let (year, _) = rest.rsplit_once('-').unwrap();
            let first = first_day(day, Unit::Year);
            assert_eq!(text(first), format!("{year}-01-01"));
            let next = next_first_day(first, Unit::Year).unwrap();
            assert!(text(next).ends_with("-01-01") && (365..=366).contains(&(next - first)));
        }
    }

    #[test]
    fn every_value_is_inside_the_bounds_of_its_partition() {
        let micros: Vec<i64> = (-40..40).map(|n| n * 777_777_777_777).collect();
        for zone in [None::<Arc<str>>, Some("UTC".into())] {
            let array = TimestampMicrosecondArray::from(micros.clone()).with_timezone_opt(zone);
            let values: ArrayRef = Arc::new(array);
            for unit in [Unit::Hour, Unit::Day, Unit::Month, Unit::Year] {
                let transform = Transform::Truncate(unit);
                let partitions = transform.apply(&values).unwrap();
                let kind = transform.kind(values.data_type()).unwrap();
                assert_eq!(*partitions.data_type(), kind);
                let bound = |largest| {
                    let bound = transform.bound(&partitions, values.data_type(), largest);
                    bound.unwrap()
                };
                use arrow::compute::kernels::cmp::{gt_eq, lt_eq};
                let all = values.len();
                assert_eq!(lt_eq(&bound(false), &values).unwrap().true_count(), all);
                assert_eq!(gt_eq(&bound(true), &values).unwrap().true_count(), all);
                let last = transform.apply(&bound(true)).unwrap();
                assert_eq!(last.to_data(), partitions.to_data());
            }
        }
    }

    #[test]
    fn buckets_are_those_of_spark() {
        let hash = |values: ArrayRef| hashes(&values).unwrap()[0].cast_signed();
        // SELECT xxhash64(1L), xxhash64(1), xxhash64('Spark'), xxhash64(NULL)
        assert_eq!(
            hash(Arc::new(Int64Array::from(vec![1]))),
            -7_001_672_635_703_045_582
        );
        assert_eq!(
            hash(Arc::new(Int32Array::from(vec![1]))),
            -6_698_625_589_789_238_999
        );
        assert_eq!(
            hash(Arc::new(StringViewArray::from(vec!["Spark"]))),
            -4_294_468_057_691_064_905
        );
        assert_eq!(hash(Arc::new(Int64Array::from(vec![None]))), 42);
    }
}
