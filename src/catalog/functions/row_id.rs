//! A number for each row that no other row has, so that a row can be known again after a join.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::Int64Array;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// Numbers given so far.
static NEXT: AtomicI64 = AtomicI64::new(0);

/// `row_id()`: another number for every row of this run.
pub(crate) fn row_id() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(RowId {
        signature: Signature::nullary(Volatility::Volatile),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowId {
    signature: Signature,
}

impl ScalarUDFImpl for RowId {
    fn name(&self) -> &str {
        "row_id"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows as i64;
        let first = NEXT.fetch_add(rows, Ordering::Relaxed);
        let ids = Int64Array::from_iter_values(first..first + rows);
        Ok(ColumnarValue::Array(Arc::new(ids)))
    }
}
