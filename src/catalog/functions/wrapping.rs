//! `+`, `-` and `*` of integers that wrap around, for sessions with `@@overflow = 'wrap'`.

use std::sync::Arc;

use arrow::compute::kernels::numeric::{add_wrapping, mul_wrapping, sub_wrapping};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// The function behind an operator between integers of one type; `None` for operators that never wrap around. The binder puts it
/// there; it has no name to call it by.
pub(crate) fn wrapping(operator: Operator) -> Option<Arc<ScalarUDF>> {
    let kind = match operator {
        Operator::Plus => Kind::Add,
        Operator::Minus => Kind::Subtract,
        Operator::Multiply => Kind::Multiply,
        _ => return None,
    };
    let signature = Signature::any(2, Volatility::Immutable);
    Some(Arc::new(ScalarUDF::from(Wrapping { kind, signature })))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Add,
    Subtract,
    Multiply,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Wrapping {
    kind: Kind,
    signature: Signature,
}

impl ScalarUDFImpl for Wrapping {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Add => "wrapping_add",
            Kind::Subtract => "wrapping_subtract",
            Kind::Multiply => "wrapping_multiply",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [left, right] if left == right && left.is_integer() => Ok(left.clone()),
            _ => plan_err!("{} takes two integers of one type", self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
        let are_scalars = args.args.iter().all(is_scalar);
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else {
            return exec_err!("{} takes two integers", self.name());
        };
        let values = match self.kind {
            Kind::Add => add_wrapping(left, right)?,
            Kind::Subtract => sub_wrapping(left, right)?,
            Kind::Multiply => mul_wrapping(left, right)?,
        };
        Ok(match are_scalars {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?),
            false => ColumnarValue::Array(values),
        })
    }
}
