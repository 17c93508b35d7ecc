//! `0.0` for `-0.0`: the two are equal, but what sorts rows or tells them apart by their bits sees two values.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The function. It has no name to call it by.
pub(crate) fn one_zero() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(OneZero {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OneZero {
    signature: Signature,
}

impl ScalarUDFImpl for OneZero {
    fn name(&self) -> &str {
        "one_zero"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [only] => Ok(only.clone()),
            _ => exec_err!("one number has one sign"),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let input = inputs.first();
        Ok(input.map_or(SortProperties::Unordered, |input| input.sort_properties))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [values] = args.args.as_slice() else {
            return exec_err!("one number has one sign");
        };
        let array = values.to_array(args.number_rows)?;
        let array: ArrayRef = match array.data_type() {
            // The sum of -0.0 and 0.0 is 0.0; every other number, and NaN, is itself.
            DataType::Float64 => plus::<Float64Type>(&array, 0.0),
            DataType::Float32 => plus::<Float32Type>(&array, 0.0),
            DataType::Float16 => plus::<Float16Type>(&array, Default::default()),
            _ => return exec_err!("only floating-point numbers have two zeros"),
        };
        Ok(ColumnarValue::Array(array))
    }
}

fn plus<T: ArrowPrimitiveType>(array: &ArrayRef, zero: T::Native) -> ArrayRef
where
    T::Native: std::ops::Add<Output = T::Native>,
{
    Arc::new(
        array
            .as_primitive::<T>()
            .unary::<_, T>(|value| value + zero),
    )
}
