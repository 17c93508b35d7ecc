//! `INTERVAL n DAY` over a column: so many of a unit of time.

use std::sync::Arc;

use arrow::array::{AsArray, Decimal128Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;

/// What one of a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Months(i32),
    Days(i32),
    Nanoseconds(i64),
}

impl Unit {
    fn times(self, count: i64) -> Option<IntervalMonthDayNano> {
        let narrow = |each: i32| i32::try_from(count.checked_mul(i64::from(each))?).ok();
        Some(match self {
            Unit::Months(each) => IntervalMonthDayNano::new(narrow(each)?, 0, 0),
            Unit::Days(each) => IntervalMonthDayNano::new(0, narrow(each)?, 0),
            Unit::Nanoseconds(each) => IntervalMonthDayNano::new(0, 0, count.checked_mul(each)?),
        })
    }
}

/// The function behind INTERVAL with a length that is computed. It has no name to call it by.
pub(crate) fn interval_of(unit: Unit) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(IntervalOf {
        unit,
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

/// Whether it gives intervals of whole days or months.
pub(crate) fn has_only_days(function: &ScalarUDF) -> bool {
    let interval = function.inner().downcast_ref::<IntervalOf>();
    interval.is_some_and(|interval| !matches!(interval.unit, Unit::Nanoseconds(_)))
}

/// How long an interval is in nanoseconds, a month as 30 days and a day as 24 hours: what intervals are compared by. It has no name to
/// call it by.
pub(crate) fn interval_length() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(IntervalLength {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IntervalLength {
    signature: Signature,
}

/// Holds 2^31 months and 2^31 days and what 64 bits of nanoseconds add.
const LENGTH: DataType = DataType::Decimal128(38, 0);

const DAY_NANOSECONDS: i128 = 86_400_000_000_000;

impl ScalarUDFImpl for IntervalLength {
    fn name(&self) -> &str {
        "interval_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(LENGTH)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [interval] = args.args.as_slice() else {
            return exec_err!("an interval has one length");
        };
        let kind = DataType::Interval(IntervalUnit::MonthDayNano);
        let intervals = cast(&interval.to_array(args.number_rows)?, &kind)?;
        let lengths: Decimal128Array = intervals
            .as_primitive::<IntervalMonthDayNanoType>()
            .iter()
            .map(|interval| {
                let interval = interval?;
                let days = i128::from(interval.months) * 30 + i128::from(interval.days);
                Some(days * DAY_NANOSECONDS + i128::from(interval.nanoseconds))
            })
            .collect();
        let lengths = lengths.with_data_type(LENGTH);
        Ok(ColumnarValue::Array(Arc::new(lengths)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IntervalOf {
    unit: Unit,
    signature: Signature,
}

impl ScalarUDFImpl for IntervalOf {
    fn name(&self) -> &str {
        "interval"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [count] = args.args.as_slice() else {
            return exec_err!("INTERVAL takes one number");
        };
        let counts = cast(&count.to_array(args.number_rows)?, &DataType::Int64)?;
        let intervals = counts.as_primitive::<Int64Type>().iter().map(|count| {
            let Some(count) = count else { return Ok(None) };
            self.unit.times(count).map(Some).ok_or_else(|| {
                let error = Error::run("TM0502", format!("an INTERVAL of {count} is too long"));
                DataFusionError::External(Box::new(error))
            })
        });
        let intervals: IntervalMonthDayNanoArray = intervals.collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(intervals)))
    }
}
