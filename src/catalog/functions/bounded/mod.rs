//! Functions that make much out of little: `REPEAT('x', 10000000000)` is refused before memory is asked for, for there a process
//! ends that asks for too much.

mod joined;
mod replaced;
mod series;
mod texts;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::wrapped::described_as;
use crate::error::{Error, ErrorKind};
use texts::Texts;

/// What one call, for all rows of a batch, may make.
pub(super) const BYTES_MAX: u128 = 512 << 20;

/// Bytes of a list's element.
const ELEMENT_BYTES: u128 = 8;

/// How much a call makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// The first argument so many times.
    Times,
    /// So many characters.
    Characters,
    /// A list of so many elements.
    Elements,
    /// A list from a number or a point in time to another.
    Series,
    /// The first argument with the third in all places of the second.
    Replaced,
    /// The same, with a pattern as the second.
    ReplacedByPattern,
    /// The elements of a list with the second argument between them.
    Joined,
}

/// A call that makes more than [`BYTES_MAX`].
pub(super) fn too_much(name: &str) -> DataFusionError {
    let message = format!("{name} would make more than 512 MiB at once");
    let error = Error::new(ErrorKind::Limit, "TM0506", message).hint("ask for less in one call");
    DataFusionError::External(Box::new(error))
}

/// The function, with a bound where it can make much.
pub(super) fn bounded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let growth = match function.name() {
        "repeat" | "array_repeat" => Growth::Times,
        "lpad" | "rpad" => Growth::Characters,
        "array_resize" => Growth::Elements,
        "generate_series" | "range" => Growth::Series,
        "replace" => Growth::Replaced,
        "regexp_replace" => Growth::ReplacedByPattern,
        "array_to_string" => Growth::Joined,
        _ => return function,
    };
    Arc::new(ScalarUDF::new_from_impl(Bounded { function, growth }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    function: Arc<ScalarUDF>,
    growth: Growth,
}

impl ScalarUDFImpl for Bounded {
    described_as!(function);

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let bytes = self.growth.bytes(&arguments)?;
        if bytes > BYTES_MAX {
            return Err(too_much(&self.name().to_ascii_uppercase()));
        }
        self.function.invoke_with_args(arguments)
    }
}

impl Growth {
    /// At most, or about.
    fn bytes(self, arguments: &ScalarFunctionArgs) -> DataFusionResult<u128> {
        let rows = arguments.number_rows;
        let numbers = |place: usize| numbers(arguments.args.get(place), rows);
        Ok(match self {
            Growth::Characters => sum(numbers(1)?, |_, number| number),
            Growth::Times => {
                let Some(first) = arguments.args.first() else {
                    return Ok(0);
                };
                let size = Sizes::of(first);
                sum(numbers(1)?, |row, number| {
                    number.saturating_mul(size.at(row))
                })
            }
            Growth::Elements => sum(numbers(1)?, |_, number| {
                number.saturating_mul(ELEMENT_BYTES)
            }),
            Growth::Series => series::bytes(arguments)?,
            Growth::Replaced => replaced::bytes(arguments)?,
            Growth::ReplacedByPattern => replaced::bytes_by_pattern(arguments)?,
            Growth::Joined => joined::bytes(arguments),
        })
    }
}

/// An argument as whole numbers; `None` where there is none, or none of numbers.
fn numbers(value: Option<&ColumnarValue>, rows: usize) -> DataFusionResult<Option<ArrayRef>> {
    let Some(value) = value.filter(|value| value.data_type().is_integer()) else {
        return Ok(None);
    };
    let array = value.to_array(rows)?;
    Ok(Some(cast(&array, &DataType::Int64)?))
}

fn sum(numbers: Option<ArrayRef>, bytes: impl Fn(usize, u128) -> u128) -> u128 {
    let Some(numbers) = numbers else { return 0 };
    let numbers = numbers.as_primitive::<Int64Type>();
    let counts = numbers.iter().enumerate();
    let counts = counts.filter_map(|(row, number)| Some((row, number?.max(0).unsigned_abs())));
    counts
        .map(|(row, number)| bytes(row, u128::from(number)))
        .fold(0, u128::saturating_add)
}

/// What the values of an argument take.
enum Sizes {
    Texts(Texts),
    /// Each, on average.
    Equal(u128),
}

impl Sizes {
    fn of(value: &ColumnarValue) -> Self {
        if let Some(texts) = Texts::of(value) {
            return Sizes::Texts(texts);
        }
        Sizes::Equal(match value {
            ColumnarValue::Scalar(value) => value.size() as u128,
            ColumnarValue::Array(array) => {
                let data = array.to_data();
                let bytes = data.get_slice_memory_size();
                let bytes = bytes.unwrap_or_else(|_| array.get_array_memory_size());
                (bytes / array.len().max(1)) as u128
            }
        })
    }

    fn at(&self, row: usize) -> u128 {
        match self {
            Sizes::Texts(texts) => texts.at(row).map_or(0, |text| text.len() as u128),
            Sizes::Equal(bytes) => *bytes,
        }
    }
}
