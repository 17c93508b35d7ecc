//! Expressions that know their place in the query's text: an error that a value causes says where.
//!
//! The mark is put on when the optimizer is done, as a function that gives back its argument; lowering turns it into a wrapper.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::error::blamed;
use crate::error::{Error, Span};

/// The expression with a mark of its place.
pub(crate) fn placed(expr: Expr, span: Span) -> Expr {
    let mark = Mark {
        span,
        signature: Signature::any(1, Volatility::Immutable),
    };
    ScalarUDF::from(mark).call(vec![expr])
}

/// The marked expression in a wrapper, where `expr` is a mark.
pub(super) fn unmarked(expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let mark = call.fun().inner().downcast_ref::<Mark>()?;
    Some(Arc::new(Placed {
        inner: Arc::clone(call.args().first()?),
        span: mark.span,
    }))
}

/// What the expression is, whether or not it knows its place.
pub(super) fn without_place(expr: &Arc<dyn PhysicalExpr>) -> &Arc<dyn PhysicalExpr> {
    match expr.downcast_ref::<Placed>() {
        Some(placed) => without_place(&placed.inner),
        None => expr,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Mark {
    span: Span,
    signature: Signature,
}

impl ScalarUDFImpl for Mark {
    fn name(&self) -> &str {
        "placed"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        match args.arg_fields {
            [only] => Ok(Arc::clone(only)),
            _ => datafusion::common::exec_err!("one expression has one place"),
        }
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        Ok(args.args.swap_remove(0))
    }
}

/// An expression whose errors get its place.
struct Placed {
    inner: Arc<dyn PhysicalExpr>,
    span: Span,
}

impl Placed {
    fn locate(&self, error: DataFusionError, schema: &Schema) -> DataFusionError {
        let mut error = Error::from(error);
        if let Some(call) = self.inner.downcast_ref::<ScalarFunctionExpr>() {
            let types = call.args().iter();
            let types: Vec<_> = types.filter_map(|arg| arg.data_type(schema).ok()).collect();
            error = blamed(error, call.name(), &types);
        }
        DataFusionError::External(Box::new(error.at(self.span)))
    }
}

impl PhysicalExpr for Placed {
    fn data_type(&self, schema: &Schema) -> DataFusionResult<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> DataFusionResult<bool> {
        self.inner.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        let value = self.inner.evaluate(batch);
        value.map_err(|error| self.locate(error, batch.schema_ref()))
    }

    fn evaluate_selection(
        &self,
        batch: &RecordBatch,
        selection: &BooleanArray,
    ) -> DataFusionResult<ColumnarValue> {
        let value = self.inner.evaluate_selection(batch, selection);
        value.map_err(|error| self.locate(error, batch.schema_ref()))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Placed {
            inner: children.swap_remove(0),
            span: self.span,
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

/// `==` on a boxed expression does not come from `derive`.
impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.span == other.span && self.inner.eq(&other.inner)
    }
}

impl Eq for Placed {}

impl Hash for Placed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
        self.span.hash(state);
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner)
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
