//! `arr[OFFSET(i)]` and `arr[ORDINAL(i)]`: the position from 1, and an error where the array has none such.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;

/// The function that looks at an array and an index. It has no name to call it by.
pub(crate) fn checked_position(from_zero: bool) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(CheckedPosition {
        from_zero,
        signature: Signature::any(2, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedPosition {
    from_zero: bool,
    signature: Signature,
}

impl ScalarUDFImpl for CheckedPosition {
    fn name(&self) -> &str {
        match self.from_zero {
            true => "offset",
            false => "ordinal",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [array, index] = args.args.as_slice() else {
            return exec_err!("an element has an array and an index");
        };
        let array = array.to_array(args.number_rows)?;
        let index = cast(&index.to_array(args.number_rows)?, &DataType::Int64)?;
        let index = index.as_primitive::<Int64Type>();
        let positions = (0..args.number_rows).map(|row| {
            if array.is_null(row) || index.is_null(row) {
                return Ok(None);
            }
            let (index, length) = (index.value(row), length_of(&array, row)?);
            let position = index.checked_add(i64::from(self.from_zero));
            let inside = position.filter(|position| (1..=length).contains(position));
            inside.map(Some).ok_or_else(|| self.outside(index, length))
        });
        let positions: Int64Array = positions.collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(positions)))
    }
}

impl CheckedPosition {
    fn outside(&self, index: i64, length: i64) -> DataFusionError {
        let (word, hint) = match self.from_zero {
            true => (
                "OFFSET",
                "SAFE_OFFSET gives NULL there; OFFSET counts from 0",
            ),
            false => (
                "ORDINAL",
                "SAFE_ORDINAL gives NULL there; ORDINAL counts from 1",
            ),
        };
        let plural = if length == 1 { "" } else { "s" };
        let message = format!("{word}({index}) is outside of an ARRAY of {length} element{plural}");
        DataFusionError::External(Box::new(Error::run("TM0502", message).hint(hint)))
    }
}

fn length_of(array: &ArrayRef, row: usize) -> Result<i64> {
    Ok(match array.data_type() {
        DataType::List(_) => i64::from(array.as_list::<i32>().value_length(row)),
        DataType::LargeList(_) => array.as_list::<i64>().value_length(row),
        DataType::FixedSizeList(_, length) => i64::from(*length),
        _ => return exec_err!("only an ARRAY has elements"),
    })
}
