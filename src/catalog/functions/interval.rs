//! `INTERVAL n DAY` over a column: so many of a unit of time.

use std::sync::Arc;

use arrow::array::{AsArray, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNano, IntervalUnit};
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
