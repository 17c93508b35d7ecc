//! `int / int`: a FLOAT64, and an error where the divisor is zero.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::error::Error;

/// The function behind `/` between integers. The binder puts it there; it has no name to call it by.
pub(crate) fn int_divide() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(IntDivide {
        signature: Signature::any(2, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IntDivide {
    signature: Signature,
}

impl ScalarUDFImpl for IntDivide {
    fn name(&self) -> &str {
        "divide"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [dividend, divisor] = arrays.as_slice() else {
            return exec_err!("division takes two numbers");
        };
        check_divisor(dividend, divisor)?;
        let quotient = divide(dividend, divisor)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &quotient, 0,
            )?));
        }
        Ok(ColumnarValue::Array(quotient))
    }
}

/// A zero is an error only where there is something to divide: NULL / 0 is NULL.
fn check_divisor(dividend: &ArrayRef, divisor: &ArrayRef) -> Result<()> {
    let zero = match divisor.data_type() {
        DataType::UInt64 => has_zero::<UInt64Type>(dividend, divisor),
        _ => {
            let divisor = cast(divisor, &DataType::Int64)?;
            has_zero::<Int64Type>(dividend, &divisor)
        }
    };
    if zero {
        return Err(DataFusionError::External(Box::new(
            Error::run("TM0502", "division by zero").hint("guard the divisor with NULLIF(x, 0)"),
        )));
    }
    Ok(())
}

fn has_zero<T: ArrowPrimitiveType>(dividend: &ArrayRef, divisor: &ArrayRef) -> bool {
    let divisor: &PrimitiveArray<T> = divisor.as_primitive();
    let zero = T::Native::default();
    divisor
        .values()
        .iter()
        .enumerate()
        .any(|(row, value)| *value == zero && divisor.is_valid(row) && dividend.is_valid(row))
}

fn divide(dividend: &ArrayRef, divisor: &ArrayRef) -> Result<ArrayRef> {
    let dividend = cast(dividend, &DataType::Float64)?;
    let divisor = cast(divisor, &DataType::Float64)?;
    let quotient = arrow::compute::binary::<Float64Type, Float64Type, _, Float64Type>(
        dividend.as_primitive(),
        divisor.as_primitive(),
        |a, b| a / b,
    )?;
    Ok(Arc::new(quotient))
}
