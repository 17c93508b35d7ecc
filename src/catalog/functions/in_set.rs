//! `x IN (…)` over a long list of constants: one expression whatever the length, where DataFusion's planner would look at, copy
//! and compare every item several times.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, InListExpr};

/// Whether its argument, of the values' type, is one of `values`: SQL's IN, NULL where a match is unknown.
pub(crate) fn in_set(values: ArrayRef, negated: bool) -> Result<Arc<ScalarUDF>> {
    let schema = Schema::new(vec![Field::new("x", values.data_type().clone(), true)]);
    let column = Arc::new(Column::new("x", 0));
    let is_in = InListExpr::try_new_from_array(column, Arc::clone(&values), negated, &schema)?;
    Ok(Arc::new(ScalarUDF::from(InSet {
        signature: Signature::exact(vec![values.data_type().clone()], Volatility::Immutable),
        schema: Arc::new(schema),
        is_in,
        values,
    })))
}

#[derive(Debug)]
struct InSet {
    signature: Signature,
    values: ArrayRef,
    schema: Arc<Schema>,
    /// Over a batch of one column.
    is_in: InListExpr,
}

/// Two lists are the same when they are the same array: comparing what is in them is what this function is there to avoid.
impl PartialEq for InSet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values) && self.is_in.negated() == other.is_in.negated()
    }
}

impl Eq for InSet {}

impl Hash for InSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.values).hash(state);
        self.is_in.negated().hash(state);
    }
}

impl ScalarUDFImpl for InSet {
    fn name(&self) -> &str {
        if self.is_in.negated() {
            "not_in_list"
        } else {
            "in_list"
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let rows_of = columns.first().map_or(rows, |column| column.len());
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let answers = self.is_in.evaluate(&batch)?.into_array(rows_of)?;
        Ok(ColumnarValue::Array(answers))
    }
}
