//! DataFusion's complaints in our words.

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
    match types.as_slice() {
        [left, right] if left != right => {
            error.hint(format!("make the types alike: CAST(x AS {left})"))
        }
        _ => error,
    }
}
