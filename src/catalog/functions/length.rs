//! LENGTH of text in views: most strings lie in the view itself, and need no look at the text's buffers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringViewArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::wrapped::described_as;

/// Bytes of a string that lies in its view.
const SHORT: u32 = 12;
/// Bit 7 of each of these bytes: set in no ASCII character.
const HIGH_BITS: u128 = 0x8080_8080_8080_8080_8080_8080;

/// DataFusion's function of that name, but for text in views.
pub(super) fn character_length(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match function.name() {
        "character_length" => Arc::new(ScalarUDF::new_from_impl(CharacterLength { function })),
        _ => function,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CharacterLength {
    function: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for CharacterLength {
    described_as!(function);

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [ColumnarValue::Array(text)] = arguments.args.as_slice()
            && let Some(text) = text.as_string_view_opt()
            && arguments.return_type() == &DataType::Int32
        {
            return Ok(ColumnarValue::Array(lengths(text)));
        }
        self.function.invoke_with_args(arguments)
    }
}

/// The number of characters of each string.
fn lengths(text: &StringViewArray) -> ArrayRef {
    let length = |(row, view): (usize, &u128)| {
        let bytes = *view as u32;
        if bytes > SHORT {
            return characters(text.value(row));
        }
        // Behind the text are zeros.
        let inline = *view >> 32;
        if inline & HIGH_BITS == 0 {
            return bytes as i32;
        }
        // Bytes 10xxxxxx go on with a character.
        let going_on = (inline & HIGH_BITS) & !(inline << 1);
        bytes as i32 - going_on.count_ones() as i32
    };
    let lengths: Vec<i32> = text.views().iter().enumerate().map(length).collect();
    Arc::new(Int32Array::new(lengths.into(), text.nulls().cloned()))
}

fn characters(text: &str) -> i32 {
    // A string has at most 2 GiB.
    match text.is_ascii() {
        true => text.len() as i32,
        false => text.chars().count() as i32,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Int32Type;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_many_as_there_are_characters(
            text in prop::collection::vec(prop::option::of("[a-zäß€😀]{0,5}|[a-z😀]{10,20}"), 0..30),
        ) {
            let expected = text.iter().map(|text| text.as_ref().map(|text| text.chars().count() as i32));
            let array = StringViewArray::from_iter(text.iter().map(Option::as_deref));
            let found = lengths(&array);
            prop_assert_eq!(found.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }
}
