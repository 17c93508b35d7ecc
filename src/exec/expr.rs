//! DataFusion's physical expressions with the language's rules: overflow is an error, and a condition meets only the rows that
//! the conditions before it let through.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::{and_kleene, or_kleene};
use arrow::datatypes::{DataType, Decimal128Type, DecimalType, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};

use super::like::InOrder;
use super::narrow;
use super::placed::{unmarked, without_place};
use crate::error::{Error, Result};

/// The same expression, with every `+`, `-` and `*` checked, and guarded where a later condition could fail.
pub(crate) fn checked(expr: &Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    let checked = Arc::clone(expr).transform_up(|expr| {
        if let Some(unmarked) = unmarked(&expr) {
            return Ok(Transformed::yes(unmarked));
        }
        if let Some(in_order) = InOrder::of(&expr) {
            return Ok(Transformed::yes(Arc::new(in_order)));
        }
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else {
            return Ok(Transformed::no(expr));
        };
        let (left, right) = (Arc::clone(binary.left()), Arc::clone(binary.right()));
        match binary.op() {
            Operator::Plus | Operator::Minus | Operator::Multiply => {
                let exact = BinaryExpr::new(left, *binary.op(), right).with_fail_on_overflow(true);
                Ok(Transformed::yes(Arc::new(InPrecision::new(Arc::new(
                    exact,
                )))))
            }
            Operator::And | Operator::Or if can_fail(&right) => {
                let all = *binary.op() == Operator::And;
                Ok(Transformed::yes(Arc::new(Guarded { left, right, all })))
            }
            _ => Ok(Transformed::no(expr)),
        }
    });
    Ok(checked.data()?)
}

/// A part of a condition, and whether evaluating it may end in an error.
pub(crate) type Conjunct = (Arc<dyn PhysicalExpr>, bool);

/// Columns, and conditions on them.
type OfColumns = (BTreeSet<usize>, Vec<Arc<dyn PhysicalExpr>>);

/// The parts of a condition all of which must be true, checked, each with whether it can fail. Those that cannot may be asked in
/// any order: they come first, one for each set of columns. The others are one part, which must meet only rows that pass those.
pub(crate) fn conjuncts(condition: &Arc<dyn PhysicalExpr>) -> Result<Vec<Conjunct>> {
    let (failing, safe): (Vec<_>, Vec<_>) = split_conjunction(condition)
        .into_iter()
        .partition(|part| can_fail(part));
    let mut parts: Vec<OfColumns> = Vec::new();
    for part in safe {
        let columns = collect_columns(part).iter().map(Column::index).collect();
        match parts.iter_mut().find(|(other, _)| *other == columns) {
            Some((_, parts)) => parts.push(Arc::clone(part)),
            None => parts.push((columns, vec![Arc::clone(part)])),
        }
    }
    let mut all = parts
        .into_iter()
        .map(|(_, parts)| Ok((checked(&conjunction(parts))?, false)))
        .collect::<Result<Vec<_>>>()?;
    if !failing.is_empty() {
        all.push((checked(&conjunction(failing.into_iter().cloned()))?, true));
    }
    Ok(all)
}

/// Whether evaluating could end in an error for some value: true unless it is made of parts known not to.
pub(crate) fn can_fail(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let safe = expr.is::<Column>()
        || expr.is::<Literal>()
        || expr.is::<NotExpr>()
        || expr.is::<IsNullExpr>()
        || expr.is::<IsNotNullExpr>()
        || expr.is::<InListExpr>()
        || expr.is::<LikeExpr>()
        || expr.is::<InOrder>()
        || expr.downcast_ref::<BinaryExpr>().is_some_and(|binary| {
            matches!(
                binary.op(),
                Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::IsDistinctFrom
                    | Operator::IsNotDistinctFrom
                    | Operator::And
                    | Operator::Or
            )
        });
    !safe || expr.children().into_iter().any(can_fail)
}

/// Arithmetic whose decimals must keep to their precision. Narrower results have room for every outcome; at the widest there is
/// none, and arrow's kernels look only at the bits.
///
/// Decimals are first tried in 64 bits, where every outcome is within the precision, see [`narrow`]. Where that was not possible
/// once it is not tried again.
struct InPrecision {
    exact: Arc<dyn PhysicalExpr>,
    is_wide: AtomicBool,
}

/// The checked `+`, `-` or `*` that `expr` is, if its values have a chance to fit 64 bits.
pub(super) fn exact_arithmetic(expr: &Arc<dyn PhysicalExpr>) -> Option<&BinaryExpr> {
    let arithmetic = without_place(expr).downcast_ref::<InPrecision>()?;
    arithmetic.maybe_narrow()
}

impl InPrecision {
    fn new(exact: Arc<dyn PhysicalExpr>) -> Self {
        InPrecision {
            exact,
            is_wide: AtomicBool::new(false),
        }
    }

    fn maybe_narrow(&self) -> Option<&BinaryExpr> {
        match self.is_wide.load(Ordering::Relaxed) {
            true => None,
            false => self.exact.downcast_ref::<BinaryExpr>(),
        }
    }

    /// The values by way of 64 bits.
    fn by_narrow(&self, batch: &RecordBatch) -> Option<ArrayRef> {
        let planned = self.exact.data_type(batch.schema_ref()).ok()?;
        let values = narrow::arithmetic(self.maybe_narrow()?, batch);
        let values = values.and_then(|values| values.into_planned(&planned));
        if values.is_none() {
            self.is_wide.store(true, Ordering::Relaxed);
        }
        values
    }

    /// Kernels show a DECIMAL's digits without its point: the type says more.
    fn named(&self, error: DataFusionError, batch: &RecordBatch) -> DataFusionError {
        let Ok(DataType::Decimal128(precision, scale)) = self.exact.data_type(&batch.schema())
        else {
            return error;
        };
        let error = Error::from(error);
        if error.code() != "TM0502" {
            return DataFusionError::External(Box::new(error));
        }
        let message = format!("the result is too large for DECIMAL({precision}, {scale})");
        let error = Error::run("TM0502", message)
            .hint("CAST(x AS FLOAT64) holds larger numbers, to about 16 digits");
        DataFusionError::External(Box::new(error))
    }

    fn check(values: &ArrayRef) -> DataFusionResult<()> {
        let DataType::Decimal128(precision, _) = values.data_type() else {
            return Ok(());
        };
        if *precision < Decimal128Type::MAX_PRECISION {
            return Ok(());
        }
        let values = values.as_primitive::<Decimal128Type>();
        values.validate_decimal_precision(*precision).map_err(|_| {
            let error = Error::run("TM0502", "a DECIMAL has more than 38 digits")
                .hint("CAST(x AS FLOAT64) holds larger numbers, to about 16 digits");
            DataFusionError::External(Box::new(error))
        })
    }
}

impl PhysicalExpr for InPrecision {
    fn data_type(&self, schema: &Schema) -> DataFusionResult<DataType> {
        self.exact.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> DataFusionResult<bool> {
        self.exact.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        if let Some(values) = self.by_narrow(batch) {
            return Ok(ColumnarValue::Array(values));
        }
        let value = self.exact.evaluate(batch);
        let value = value.map_err(|error| self.named(error, batch))?;
        match &value {
            ColumnarValue::Array(values) => InPrecision::check(values)?,
            ColumnarValue::Scalar(value @ ScalarValue::Decimal128(..)) => {
                InPrecision::check(&value.to_array()?)?
            }
            ColumnarValue::Scalar(_) => {}
        }
        Ok(value)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.exact]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(InPrecision::new(children.swap_remove(0))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exact.fmt_sql(f)
    }
}

/// `left AND right` or `left OR right`, with `right` evaluated only where `left` does not settle the answer.
struct Guarded {
    left: Arc<dyn PhysicalExpr>,
    right: Arc<dyn PhysicalExpr>,
    /// AND; otherwise OR.
    all: bool,
}

impl PhysicalExpr for Guarded {
    fn data_type(&self, _schema: &Schema) -> DataFusionResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> DataFusionResult<bool> {
        Ok(self.left.nullable(schema)? || self.right.nullable(schema)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> DataFusionResult<ColumnarValue> {
        let rows = batch.num_rows();
        let left = self.left.evaluate(batch)?.into_array(rows)?;
        let left = left.as_boolean();
        // FALSE settles AND, TRUE settles OR; NULL settles neither.
        let open = BooleanArray::from_iter(
            (0..rows).map(|row| Some(left.is_null(row) || left.value(row) == self.all)),
        );
        let right = self
            .right
            .evaluate_selection(batch, &open)?
            .into_array(rows)?;
        let both = match self.all {
            true => and_kleene(left, right.as_boolean())?,
            false => or_kleene(left, right.as_boolean())?,
        };
        Ok(ColumnarValue::Array(Arc::new(both)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Guarded {
            left: Arc::clone(&children[0]),
            right: Arc::clone(&children[1]),
            all: self.all,
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Both wrappers are known by their kind and children: `==` on a boxed expression does not come from `derive`.
macro_rules! by_children {
    ($type:ident, $($field:ident),+; $self:ident, $f:ident => $display:expr) => {
        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                true $(&& self.$field.eq(&other.$field))+
            }
        }

        impl Eq for $type {}

        impl Hash for $type {
            fn hash<H: Hasher>(&self, state: &mut H) {
                $(self.$field.hash(state);)+
            }
        }

        impl fmt::Display for $type {
            fn fmt(&$self, $f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $display
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

by_children!(InPrecision, exact; self, f => write!(f, "{}", self.exact));
by_children!(Guarded, left, right, all; self, f => {
    write!(f, "{} {} {}", self.left, if self.all { "AND" } else { "OR" }, self.right)
});
