//! How much ARRAY_TO_STRING makes.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::texts::Texts;

/// More than a number or a point in time is as text, but for nested ones.
const SHORT: u128 = 32;

/// At most: the elements themselves, and with each the longest text that may stand between two or for NULL.
pub(super) fn bytes(arguments: &ScalarFunctionArgs) -> u128 {
    let rows = arguments.number_rows;
    let Some(list) = arguments.args.first() else {
        return 0;
    };
    let between = arguments.args.iter().skip(1).filter_map(Texts::of);
    let between: u128 = between.map(|texts| texts.longest()).sum();
    let (array, times) = match list {
        ColumnarValue::Array(array) => (ArrayRef::clone(array), 1),
        ColumnarValue::Scalar(value) => match value.to_array() {
            Ok(array) => (array, rows as u128),
            Err(_) => return 0,
        },
    };
    let (elements, bytes) = leaves(&array);
    times * (bytes + elements * (between + SHORT))
}

/// The elements in lists, and in lists of lists, and the length of their texts.
fn leaves(array: &ArrayRef) -> (u128, u128) {
    let (values, from, to) = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let ends = list.value_offsets();
            let end = |place: Option<&i32>| place.map_or(0, |end| end.unsigned_abs() as usize);
            (list.values(), end(ends.first()), end(ends.last()))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let ends = list.value_offsets();
            let end =
                |place: Option<&i64>| place.map_or(0, |end| usize::try_from(*end).unwrap_or(0));
            (list.values(), end(ends.first()), end(ends.last()))
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let elements = list.len() * size.unsigned_abs() as usize;
            (list.values(), 0, elements)
        }
        _ => {
            let texts = Texts::of(&ColumnarValue::Array(ArrayRef::clone(array)));
            let bytes = texts.map_or(0, |texts| texts.total(array.len()));
            return (array.len() as u128, bytes);
        }
    };
    leaves(&values.slice(from, to - from))
}
