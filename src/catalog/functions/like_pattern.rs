//! `LIKE pattern ESCAPE c`: the pattern with `\` in the place of the written escape character, the only one that kernels know.

use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::Error;

/// The function behind ESCAPE with a pattern that is computed. It has no name to call it by.
pub(crate) fn like_pattern(escape: char) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(LikePattern {
        escape,
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

/// `pattern`, escaped with `\` instead of `escape`; `None` if it ends in its escape character.
pub(crate) fn with_backslashes(pattern: &str, escape: char) -> Option<String> {
    let mut rewritten = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let (character, escaped) = match character == escape {
            true => (characters.next()?, true),
            false => (character, false),
        };
        if character == '\\' || (escaped && matches!(character, '%' | '_')) {
            rewritten.push('\\');
        }
        rewritten.push(character);
    }
    Some(rewritten)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LikePattern {
    escape: char,
    signature: Signature,
}

impl ScalarUDFImpl for LikePattern {
    fn name(&self) -> &str {
        "like_pattern"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [pattern] = args.args.as_slice() else {
            return exec_err!("ESCAPE takes one pattern");
        };
        let patterns = cast(&pattern.to_array(args.number_rows)?, &DataType::Utf8)?;
        let rewritten = patterns.as_string::<i32>().iter().map(|pattern| {
            let Some(pattern) = pattern else {
                return Ok(None);
            };
            with_backslashes(pattern, self.escape)
                .map(Some)
                .ok_or_else(|| {
                    let message = format!("the pattern '{pattern}' ends in its escape character");
                    DataFusionError::External(Box::new(Error::run("TM0501", message)))
                })
        });
        let rewritten: StringArray = rewritten.collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(rewritten)))
    }
}
