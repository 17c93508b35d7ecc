//! TO_JSON_STRING: any value as JSON, written as files of JSON are.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

use super::bounded::{BYTES_MAX, too_much};
use crate::file::write::json_texts;

/// Spaces of a level, where lines are broken.
const INDENT: usize = 2;

/// The function.
pub(super) fn to_json_string() -> Arc<ScalarUDF> {
    let forms = vec![TypeSignature::Any(1), TypeSignature::Any(2)];
    Arc::new(ScalarUDF::from(ToJson {
        signature: Signature::one_of(forms, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToJson {
    signature: Signature,
}

impl ScalarUDFImpl for ToJson {
    fn name(&self) -> &str {
        "to_json_string"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let pretty = match arguments.args.get(1) {
            None => None,
            Some(pretty) => {
                let pretty = pretty.cast_to(&DataType::Boolean, None)?.to_array(rows)?;
                Some(pretty.as_boolean().clone())
            }
        };
        let Some(values) = arguments.args.first() else {
            return Ok(ColumnarValue::Scalar(None::<String>.into()));
        };
        let texts = json_texts(&values.to_array(rows)?)?;
        let mut out = StringBuilder::new();
        let (mut pretty_text, mut bytes) = (String::new(), 0);
        let broken = |pretty: &BooleanArray, row| pretty.is_valid(row) && pretty.value(row);
        for (row, text) in texts.iter().enumerate() {
            let text = text.unwrap_or("null");
            let text = match pretty.as_ref().is_some_and(|pretty| broken(pretty, row)) {
                true => {
                    pretty_text.clear();
                    indented(text, &mut pretty_text);
                    pretty_text.as_str()
                }
                false => text,
            };
            bytes += text.len() as u128;
            if bytes > BYTES_MAX {
                return Err(too_much("TO_JSON_STRING"));
            }
            out.append_value(text);
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// JSON on one line, with every member and element on a line of its own.
fn indented(text: &str, out: &mut String) {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth * INDENT));
    };
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if in_text {
            out.push(c);
            in_text = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                out.push(c);
                let closing = if c == '{' { '}' } else { ']' };
                if let Some(end) = rest.next_if_eq(&closing) {
                    out.push(end);
                    continue;
                }
                depth += 1;
                line(out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_text = c == '"';
                out.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn lines_are_broken_outside_of_texts() {
        let mut out = String::new();
        indented(r#"{"a":[1,{}],"b":"x,\"{y:","c":[]}"#, &mut out);
        let wanted = "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"x,\\\"{y:\",\n  \"c\": []\n}";
        assert_eq!(out, wanted);
    }
}
