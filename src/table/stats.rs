//! What the log says of a segment's values: rows, and for each column the smallest, the largest, and how many are NULL.
//!
//! It is JSON in a text, as the Delta protocol has it. Bounds may be wider than the values, never narrower: long text is cut, and
//! numbers that JSON readers round are widened when they are read.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, RecordBatch, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use serde_json::Value;

mod said;

pub(crate) use said::{ColumnStatistics, rows};

/// Characters of a text that a bound keeps.
const TEXT_MAX: usize = 32;

/// Statistics of one segment on their way into the log.
#[derive(Debug)]
pub(super) struct Gather {
    rows: u64,
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: DataType,
    nulls: u64,
    bounds: Bounds,
}

/// The smallest and the largest value seen.
#[derive(Debug, Clone, PartialEq)]
enum Bounds {
    /// Nothing seen yet.
    Empty,
    /// Days, microseconds and integers.
    Int(i64, i64),
    Decimal(i128, i128),
    Float(f64, f64),
    Text(String, String),
    /// No order is kept for this type or these values.
    Unknown,
}

impl Gather {
    pub(super) fn new(fields: &[Arc<Field>]) -> Self {
        let columns = fields.iter().map(|field| Column {
            name: field.name().clone(),
            kind: field.data_type().clone(),
            nulls: 0,
            bounds: Bounds::Empty,
        });
        Gather {
            rows: 0,
            columns: columns.collect(),
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Looks at a batch of the columns given to `new`.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += values.null_count() as u64;
            let seen = std::mem::replace(&mut column.bounds, Bounds::Unknown);
            column.bounds = seen.with(bounds_of(values));
        }
    }

    /// The text for the log.
    pub(super) fn text(&self) -> String {
        let nulls = self.columns.iter().filter(|column| is_plain(&column.kind));
        let nulls = nulls.map(|column| (column, column.nulls.to_string()));
        let side = |largest: bool| {
            let columns = self.columns.iter();
            columns.filter_map(move |column| Some((column, column.bound(largest)?)))
        };
        format!(
            "{{\"numRecords\":{},\"minValues\":{},\"maxValues\":{},\"nullCount\":{}}}",
            self.rows,
            object(side(false)),
            object(side(true)),
            object(nulls)
        )
    }
}

fn object<'c>(pairs: impl Iterator<Item = (&'c Column, String)>) -> String {
    let mut text = String::from("{");
    for (column, value) in pairs {
        if text.len() > 1 {
            text.push(',');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{}:{value}", Value::from(column.name.as_str()));
    }
    text + "}"
}

/// Types that have one value, not several inside.
fn is_plain(kind: &DataType) -> bool {
    !kind.is_nested()
}

impl Bounds {
    fn with(self, other: Bounds) -> Bounds {
        match (self, other) {
            (Bounds::Empty, bounds) | (bounds, Bounds::Empty) => bounds,
            (Bounds::Int(a, b), Bounds::Int(c, d)) => Bounds::Int(a.min(c), b.max(d)),
            (Bounds::Decimal(a, b), Bounds::Decimal(c, d)) => Bounds::Decimal(a.min(c), b.max(d)),
            (Bounds::Float(a, b), Bounds::Float(c, d)) => Bounds::Float(a.min(c), b.max(d)),
            (Bounds::Text(a, b), Bounds::Text(c, d)) => Bounds::Text(a.min(c), b.max(d)),
            _ => Bounds::Unknown,
        }
    }
}

fn bounds_of(values: &ArrayRef) -> Bounds {
    macro_rules! integers {
        ($type:ty) => {{
            let values = values.as_primitive::<$type>();
            let (min, max) = (arrow::compute::min(values), arrow::compute::max(values));
            match min.zip(max) {
                Some((min, max)) => Bounds::Int(i64::from(min), i64::from(max)),
                None => Bounds::Empty,
            }
        }};
    }
    macro_rules! floats {
        ($type:ty) => {{
            let mut bounds = Bounds::Empty;
            for value in values.as_primitive::<$type>().iter().flatten() {
                let value = f64::from(value);
                if value.is_nan() {
                    return Bounds::Unknown;
                }
                bounds = match bounds {
                    Bounds::Float(min, max) => Bounds::Float(min.min(value), max.max(value)),
                    _ => Bounds::Float(value, value),
                };
            }
            bounds
        }};
    }
    match values.data_type() {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::Date32 => integers!(Date32Type),
        DataType::Timestamp(TimeUnit::Microsecond, _) => integers!(TimestampMicrosecondType),
        DataType::Float32 => floats!(Float32Type),
        DataType::Float64 => floats!(Float64Type),
        DataType::Decimal128(..) => {
            let values = values.as_primitive::<Decimal128Type>();
            match arrow::compute::min(values).zip(arrow::compute::max(values)) {
                Some((min, max)) => Bounds::Decimal(min, max),
                None => Bounds::Empty,
            }
        }
        DataType::Utf8View => {
            let values = values.as_string_view();
            let min = arrow::compute::min_string_view(values);
            match min.zip(arrow::compute::max_string_view(values)) {
                Some((min, max)) => Bounds::Text(min.to_string(), max.to_string()),
                None => Bounds::Empty,
            }
        }
        _ => Bounds::Unknown,
    }
}

impl Column {
    /// One end as JSON.
    fn bound(&self, largest: bool) -> Option<String> {
        match &self.bounds {
            Bounds::Int(min, max) => {
                let value = if largest { *max } else { *min };
                match &self.kind {
                    DataType::Date32 => self.moment(Arc::new(Date32Array::from(vec![
                        i32::try_from(value).ok()?,
                    ]))),
                    DataType::Timestamp(_, zone) => {
                        let array = TimestampMicrosecondArray::from(vec![value]);
                        self.moment(Arc::new(array.with_timezone_opt(zone.clone())))
                    }
                    _ => Some(value.to_string()),
                }
            }
            Bounds::Decimal(min, max) => {
                let value = if largest { *max } else { *min };
                let array = Decimal128Array::from(vec![value]);
                let array: ArrayRef = Arc::new(array.with_data_type(self.kind.clone()));
                text_of(&array)
            }
            Bounds::Float(min, max) => {
                let value = if largest { *max } else { *min };
                value.is_finite().then(|| format!("{value:?}"))
            }
            Bounds::Text(min, max) => {
                let text = if largest {
                    above(max)?
                } else {
                    cut(min).to_string()
                };
                Some(Value::from(text).to_string())
            }
            Bounds::Empty | Bounds::Unknown => None,
        }
    }

    /// A date or time as text, where its year has four digits.
    fn moment(&self, value: ArrayRef) -> Option<String> {
        let text = text_of(&value)?;
        let year = text.split('-').next()?;
        (year.len() == 4).then(|| Value::from(text.as_str()).to_string())
    }
}

fn text_of(value: &ArrayRef) -> Option<String> {
    let text = cast(value, &DataType::Utf8).ok()?;
    Some(text.as_string::<i32>().value(0).to_string())
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(TEXT_MAX).map(|(at, _)| at);
    end.map_or(text, |end| &text[..end])
}

/// A text that is not below `text` and not long.
fn above(text: &str) -> Option<String> {
    let short = cut(text);
    if short.len() == text.len() {
        return Some(text.to_string());
    }
    let above = format!("{short}{}", char::MAX);
    (above.as_str() >= text).then_some(above)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};

    use super::*;

    fn text(name: &str, values: ArrayRef) -> String {
        let batch = RecordBatch::try_from_iter([(name, values)]).unwrap();
        let mut gather = Gather::new(batch.schema().fields());
        gather.add(&batch);
        gather.text()
    }

    fn ends(values: ArrayRef) -> (ArrayRef, ArrayRef) {
        let kind = values.data_type().clone();
        let text = text("c", values);
        let said = ColumnStatistics::of("c", &[text.as_str()]);
        let end = |largest| said.bounds(&kind, largest).unwrap();
        (end(false), end(true))
    }

    #[test]
    fn bounds_hold_every_value() {
        use arrow::compute::kernels::cmp::{gt_eq, lt_eq};
        let decimals = Decimal128Array::from(vec![-1_i128, 99_999_999_999_999_999_999]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])),
            Arc::new(Float64Array::from(vec![-0.1, 0.30000000000000004])),
            Arc::new(Float64Array::from(vec![-0.0, 0.0])),
            Arc::new(arrow::array::Float32Array::from(vec![0.1_f32, 0.2])),
            Arc::new(decimals.with_precision_and_scale(38, 4).unwrap()),
            Arc::new(arrow::array::StringViewArray::from(vec![
                "a".repeat(50),
                "\u{10ffff}".repeat(3),
            ])),
            Arc::new(arrow::array::StringViewArray::from(vec!["z".repeat(33)])),
            Arc::new(Date32Array::from(vec![-100_000, 100_000])),
            Arc::new(TimestampMicrosecondArray::from(vec![-1, 1]).with_timezone("UTC")),
        ];
        for values in columns {
            let (min, max) = ends(Arc::clone(&values));
            for row in 0..values.len() {
                let value = values.slice(row, 1);
                assert_eq!(lt_eq(&min, &value).unwrap().true_count(), 1, "{min:?}");
                assert_eq!(gt_eq(&max, &value).unwrap().true_count(), 1, "{max:?}");
            }
        }
    }

    #[test]
    fn what_has_no_order_has_no_bounds() {
        let unknown = |values: ArrayRef| {
            let (min, max) = ends(values);
            assert_eq!((min.null_count(), max.null_count()), (1, 1));
        };
        unknown(Arc::new(Float64Array::from(vec![f64::NAN, 1.0])));
        unknown(Arc::new(Int64Array::from(vec![None::<i64>])));
        unknown(Arc::new(Date32Array::from(vec![i32::MAX])));
        let long = "\u{10ffff}".repeat(40);
        let (_, max) = ends(Arc::new(arrow::array::StringViewArray::from(vec![long])));
        assert_eq!(max.null_count(), 1);
    }

    #[test]
    fn rows_and_nulls_are_counted() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, None]));
        let text = text("c", values);
        assert_eq!(rows(&text), Some(3));
        let nulls = |column: &str, text: &str| {
            let said = ColumnStatistics::of(column, &[text]);
            let counts = said.null_counts();
            let counts = counts.as_primitive::<arrow::datatypes::UInt64Type>();
            counts.is_valid(0).then(|| counts.value(0))
        };
        assert_eq!((nulls("c", &text), nulls("d", &text)), (Some(2), None));
        // Of other writers, and of none.
        for (other, expected) in [
            (
                r#"{"nullCount":{"d":{"x":1},"c":7},"numRecords":9}"#,
                (Some(9), Some(7)),
            ),
            (
                r#"{"numRecords":9,"nullCount":null,"minValues":null}"#,
                (Some(9), None),
            ),
            (
                r#"{"num\u0052ecords":9,"nullCount":{"\u0063":7},"tightBounds":true}"#,
                (Some(9), Some(7)),
            ),
            ("no JSON", (None, None)),
            ("", (None, None)),
            ("[1]", (None, None)),
            (r#"{"nullCount":{"c":7}} and more"#, (None, None)),
        ] {
            assert_eq!((rows(other), nulls("c", other)), expected, "{other}");
        }
    }
}
