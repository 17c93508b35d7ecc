//! `LIKE '%one%two%'`: several texts one after the other, found without a regular expression.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{LikeExpr, Literal};
use memchr::memmem::Finder;

/// A LIKE whose pattern has only `%` beside its texts, and one at either end.
#[derive(Debug)]
pub(super) struct InOrder {
    /// What it stands for.
    like: Arc<dyn PhysicalExpr>,
    value: Arc<dyn PhysicalExpr>,
    negated: bool,
    texts: Vec<Finder<'static>>,
}

impl InOrder {
    /// None if `expr` is no such LIKE. One text alone is as fast elsewhere.
    pub(super) fn of(expr: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        let like = expr.downcast_ref::<LikeExpr>()?;
        let pattern = like.pattern().downcast_ref::<Literal>()?;
        let pattern = pattern.value().try_as_str()??;
        let inner = pattern.strip_prefix('%')?.strip_suffix('%')?;
        if like.case_insensitive() || inner.contains(['_', '\\']) {
            return None;
        }
        let texts = inner.split('%').filter(|text| !text.is_empty());
        let texts: Vec<Finder<'static>> =
            texts.map(|text| Finder::new(text).into_owned()).collect();
        (texts.len() > 1).then(|| InOrder {
            like: Arc::clone(expr),
            value: Arc::clone(like.expr()),
            negated: like.negated(),
            texts,
        })
    }

    fn has_all(&self, value: &str) -> bool {
        let mut rest = value.as_bytes();
        self.texts.iter().all(|text| match text.find(rest) {
            Some(place) => {
                rest = &rest[place + text.needle().len()..];
                true
            }
            None => false,
        })
    }

    fn answers<'a>(&self, values: &ArrayRef, value: impl Fn(usize) -> &'a str) -> BooleanArray {
        let answer = |row| self.has_all(value(row)) != self.negated;
        let answers = BooleanBuffer::collect_bool(values.len(), answer);
        BooleanArray::new(answers, values.nulls().cloned())
    }
}

impl PhysicalExpr for InOrder {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.like.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = match self.value.evaluate(batch)? {
            ColumnarValue::Array(values) => values,
            ColumnarValue::Scalar(_) => return self.like.evaluate(batch),
        };
        let answers = match values.data_type() {
            DataType::Utf8View => {
                let views = values.as_string_view();
                self.answers(&values, |row| views.value(row))
            }
            DataType::Utf8 => {
                let strings = values.as_string::<i32>();
                self.answers(&values, |row| strings.value(row))
            }
            _ => return self.like.evaluate(batch),
        };
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.like]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let like = Arc::clone(&children[0]);
        Ok(match InOrder::of(&like) {
            Some(in_order) => Arc::new(in_order),
            None => like,
        })
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.like.fmt_sql(f)
    }
}

impl fmt::Display for InOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.like)
    }
}

impl PartialEq for InOrder {
    fn eq(&self, other: &Self) -> bool {
        self.like.eq(&other.like)
    }
}

impl Eq for InOrder {}

impl Hash for InOrder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.like.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use arrow::compute::cast;
    use arrow::datatypes::Field;
    use datafusion::common::ScalarValue;
    use datafusion::physical_expr::expressions::{col, lit};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_the_expression_it_stands_for(
            pattern in "%([ab]{1,2}|%){2,4}%",
            values in prop::collection::vec(prop::option::of("[abc\n]{0,9}"), 0..20),
            negated: bool,
            views: bool,
        ) {
            let strings: ArrayRef = Arc::new(StringArray::from(values));
            let data_type = if views { DataType::Utf8View } else { DataType::Utf8 };
            let values = cast(&strings, &data_type).unwrap();
            let pattern = ScalarValue::from(pattern).cast_to(&data_type).unwrap();
            let schema = Arc::new(Schema::new(vec![Field::new("x", data_type, true)]));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![values]).unwrap();
            let like = LikeExpr::new(negated, false, col("x", &schema).unwrap(), lit(pattern));
            let like: Arc<dyn PhysicalExpr> = Arc::new(like);
            let evaluate = |expr: &dyn PhysicalExpr| expr.evaluate(&batch).unwrap().into_array(batch.num_rows()).unwrap();
            if let Some(in_order) = InOrder::of(&like) {
                prop_assert_eq!(&evaluate(&in_order), &evaluate(like.as_ref()));
            }
        }
    }

    #[test]
    fn patterns_that_need_more_are_left_alone() {
        let schema = Schema::new(vec![Field::new("x", DataType::Utf8View, true)]);
        let like = |pattern: &str, case_insensitive| -> Arc<dyn PhysicalExpr> {
            let value = col("x", &schema).unwrap();
            Arc::new(LikeExpr::new(false, case_insensitive, value, lit(pattern)))
        };
        for pattern in ["%a%", "a%b%", "%a%b", "%a_%b%", "%a\\%%b%", "%", ""] {
            assert!(InOrder::of(&like(pattern, false)).is_none(), "{pattern}");
        }
        assert!(InOrder::of(&like("%a%b%", true)).is_none());
        assert!(InOrder::of(&like("%a%b%", false)).is_some());
    }
}
