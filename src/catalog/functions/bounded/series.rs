//! How much GENERATE_SERIES makes.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::ELEMENT_BYTES;

/// A number for each row.
type Ends = Option<Vec<Option<i128>>>;

const NANOS_PER_DAY: i128 = 86_400_000_000_000;

pub(super) fn bytes(arguments: &ScalarFunctionArgs) -> Result<u128> {
    let rows = arguments.number_rows;
    let at = |place: usize| ends(arguments.args.get(place), rows);
    let (first, second, step) = (at(0)?, at(1)?, at(2)?);
    let (from, to) = match (first, second) {
        (Some(only), None) => (None, only),
        (from, Some(to)) => (from, to),
        (None, None) => return Ok(0),
    };
    // Of a row with a NULL there is no list.
    let row_bytes = |row: usize| {
        let at = |ends: &Ends, otherwise| match ends {
            None => Some(otherwise),
            Some(values) => values.get(row).copied().flatten(),
        };
        let distance = to.get(row).copied().flatten()? - at(&from, 0)?;
        let step = at(&step, 1)?.unsigned_abs().max(1);
        Some((distance.unsigned_abs() / step).saturating_mul(ELEMENT_BYTES))
    };
    let bytes = (0..rows).filter_map(row_bytes);
    Ok(bytes.fold(0, u128::saturating_add))
}

/// Whole numbers as they are, points in time and intervals in nanoseconds; `None` where there is none of these.
fn ends(value: Option<&ColumnarValue>, rows: usize) -> Result<Ends> {
    let Some(value) = value else { return Ok(None) };
    let array = value.to_array(rows)?;
    if array.data_type() == &DataType::Null {
        return Ok(Some(vec![None; rows]));
    }
    let unit = match array.data_type() {
        integer if integer.is_integer() => 1,
        DataType::Date32 => NANOS_PER_DAY,
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1,
        DataType::Interval(IntervalUnit::MonthDayNano) => return Ok(Some(lengths(&array))),
        _ => return Ok(None),
    };
    // Days have no direct way to 64 bits.
    let narrow = match array.data_type() {
        DataType::Date32 => cast(&array, &DataType::Int32)?,
        _ => array,
    };
    let numbers = cast(&narrow, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<Int64Type>().iter();
    let scaled = numbers.map(|number| Some(i128::from(number?) * unit));
    Ok(Some(scaled.collect()))
}

/// Intervals, a month at its shortest.
fn lengths(array: &ArrayRef) -> Vec<Option<i128>> {
    let intervals = array.as_primitive::<IntervalMonthDayNanoType>();
    let lengths = intervals.iter().map(|interval| {
        let interval = interval?;
        let days = i128::from(interval.months) * 28 + i128::from(interval.days);
        Some(days * NANOS_PER_DAY + i128::from(interval.nanoseconds))
    });
    lengths.collect()
}
