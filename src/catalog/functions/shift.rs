//! How far `<<` and `>>` shift: 0 to 63 bits. Kernels take any other number for another shift in silence.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;

/// The function that the binder puts around a count. It has no name to call it by.
pub(crate) fn shift_count() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(ShiftCount {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ShiftCount {
    signature: Signature,
}

impl ScalarUDFImpl for ShiftCount {
    fn name(&self) -> &str {
        "shift_count"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [count] = args.args.as_slice() else {
            return exec_err!("a shift has one count");
        };
        let counts = cast(&count.to_array(args.number_rows)?, &DataType::Int64)?;
        let mut known = counts.as_primitive::<Int64Type>().iter().flatten();
        if let Some(outside) = known.find(|count| !(0..=63).contains(count)) {
            let message = format!("a shift by {outside} is not one by 0 to 63 bits");
            return Err(DataFusionError::External(Box::new(Error::run(
                "TM0502", message,
            ))));
        }
        Ok(ColumnarValue::Array(counts))
    }
}
