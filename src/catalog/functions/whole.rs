//! A number with a fraction is no value of a column of whole numbers: a cast would cut it off in silence.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::{Error, Span};

/// The function that the binder puts around a number that is stored as a whole one, which is at `place`. It has no name to call it
/// by.
pub(crate) fn whole_number(place: Span) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(WholeNumber {
        place,
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct WholeNumber {
    place: Span,
    signature: Signature,
}

impl ScalarUDFImpl for WholeNumber {
    fn name(&self) -> &str {
        "whole_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [numbers] = args.args.as_slice() else {
            return exec_err!("one number is stored at a time");
        };
        let array = numbers.to_array(args.number_rows)?;
        let floats = cast(&array, &DataType::Float64)?;
        let floats = floats.as_primitive::<Float64Type>();
        // What is no number at all is for the cast to refuse.
        let fraction = floats
            .iter()
            .flatten()
            .find(|number| number.is_finite() && number.fract() != 0.0);
        if let Some(number) = fraction {
            let error = Error::run("TM0501", format!("{number} is no whole number"))
                .at(self.place)
                .hint("CAST(… AS INT64) cuts the fraction off, ROUND(…) rounds");
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(ColumnarValue::Array(array))
    }
}
