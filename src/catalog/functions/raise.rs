//! ERROR(message): stops the query where a row reaches it.

use std::sync::Arc;

use arrow::array::new_null_array;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::error::Error;

/// A function that gives no value. It is never computed before rows are there.
pub(crate) fn error_function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Raise {
        signature: Signature::string(1, Volatility::Volatile),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Raise {
    signature: Signature,
}

impl ScalarUDFImpl for Raise {
    fn name(&self) -> &str {
        "error"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Null)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        if rows == 0 {
            return Ok(ColumnarValue::Array(new_null_array(&DataType::Null, 0)));
        }
        let message = match args.args.first() {
            Some(message) => ScalarValue::try_from_array(&message.to_array(rows)?, 0)?,
            None => ScalarValue::Null,
        };
        let error = Error::run("TM0514", message.to_string());
        Err(DataFusionError::External(Box::new(error)))
    }
}
