//! A field of a struct: NULL where the struct is, whatever lies behind that NULL. DataFusion's function gives what lies there.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature,
};

/// The function, where it is the one that takes fields.
pub(super) fn null_aware_field(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match function.name() {
        "get_field" => Arc::new(ScalarUDF::new_from_impl(NullAwareField(function))),
        _ => function,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NullAwareField(Arc<ScalarUDF>);

impl ScalarUDFImpl for NullAwareField {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.0.display_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.0.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.0.inner().coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.0.return_field_from_args(args)
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.0.placement(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.0.simplify(args, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let base = args.args.first().cloned();
        let rows = args.number_rows;
        let field = self.0.invoke_with_args(args)?;
        match base {
            Some(ColumnarValue::Scalar(base)) if base.is_null() => Ok(ColumnarValue::Scalar(
                ScalarValue::try_from(field.data_type())?,
            )),
            Some(ColumnarValue::Array(base)) => masked(&base, field, rows),
            _ => Ok(field),
        }
    }
}

fn masked(base: &ArrayRef, field: ColumnarValue, rows: usize) -> Result<ColumnarValue> {
    let nulls = base.logical_nulls();
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
        return Ok(field);
    };
    let absent = BooleanArray::new(!nulls.inner(), None);
    let field = nullif(&field.into_array(rows)?, &absent)?;
    Ok(ColumnarValue::Array(field))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StructArray};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::{Field, Fields};

    use super::*;

    #[test]
    fn what_lies_behind_a_null_is_not_seen() {
        let fields = Fields::from(vec![Field::new("a", DataType::Int64, true)]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(8), None]));
        let nulls = NullBuffer::from(vec![true, false, true]);
        let base: ArrayRef = Arc::new(StructArray::new(fields, vec![values], Some(nulls)));
        let field = ColumnarValue::Array(Arc::new(Int64Array::from(vec![Some(7), Some(8), None])));
        let field = masked(&base, field, 3).unwrap().into_array(3).unwrap();
        let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, None]));
        assert_eq!(&field, &expected);
    }
}
