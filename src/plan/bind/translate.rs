//! What an operator cannot do, in our words, with what its author may have meant.

use arrow::datatypes::DataType;

use super::typed::Typed;
use crate::error::{Error, Span};

/// `operator` does not take these types.
pub(super) fn operator_types(operator: &str, operands: &[&Typed], span: Span) -> Error {
    let types: Vec<String> = operands.iter().map(|operand| operand.type_name()).collect();
    let error = Error::input(
        "TM0403",
        format!("{operator} does not work on {}", types.join(" and ")),
        span,
    );
    match operands {
        [left, right] => match meant(operator, &left.data_type, &right.data_type) {
            Some(hint) => error.hint(hint),
            None => error,
        },
        _ => error,
    }
}

fn meant(operator: &str, left: &DataType, right: &DataType) -> Option<String> {
    let one = |is: fn(&DataType) -> bool| is(left) || is(right);
    let text = |data_type: &DataType| data_type.is_string();
    let time = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _)
        )
    };
    let list = |data_type: &DataType| matches!(data_type, DataType::List(_));
    let number = |data_type: &DataType| data_type.is_numeric();
    let compares = matches!(operator, "=" | "<>" | "!=" | "<" | "<=" | ">" | ">=" | "IN");
    let hint = match operator {
        "LIKE" | "ILIKE" => "LIKE compares text: CAST(x AS STRING)",
        "+" if one(text) => "texts are joined by `||`",
        "+" | "-" if one(time) && one(number) => {
            "a time moves by an interval: `day + INTERVAL 1 DAY`"
        }
        _ if compares && one(list) => "to look into an array write `value IN UNNEST(array)`",
        _ if one(text) && one(number) => {
            "a text becomes a number by CAST(x AS INT64) or CAST(x AS FLOAT64)"
        }
        _ if compares && one(time) && one(number) => {
            "a date is written DATE '2026-01-31'; parts of one are EXTRACT(YEAR FROM day)"
        }
        _ => return None,
    };
    Some(hint.to_string())
}
