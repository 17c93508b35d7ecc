//! Functions that make much out of little: `REPEAT('x', 10000000000)` is refused before memory is asked for, for there a process
//! ends that asks for too much.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use crate::error::{Error, ErrorKind};

/// What one call, for all rows of a batch, may make.
const BYTES_MAX: u128 = 512 << 20;

/// Bytes of a list's element.
const ELEMENT_BYTES: u128 = 8;

/// How much a call makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// The first argument so many times.
    Times,
    /// So many characters.
    Characters,
    /// A list from a number to a number.
    Series,
}

/// The function, with a bound where it can make much.
pub(super) fn bounded(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    let growth = match function.name() {
        "repeat" | "array_repeat" => Growth::Times,
        "lpad" | "rpad" => Growth::Characters,
        "generate_series" | "range" => Growth::Series,
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
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> DataFusionResult<Vec<DataType>> {
        self.function.inner().coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> DataFusionResult<DataType> {
        self.function.return_type(types)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        self.function.return_field_from_args(arguments)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let bytes = self.growth.bytes(&arguments)?;
        if bytes > BYTES_MAX {
            let name = self.name().to_ascii_uppercase();
            let error = Error::new(
                ErrorKind::Limit,
                "TM0506",
                format!("{name} would make more than 512 MiB at once"),
            )
            .hint("ask for less in one call");
            return Err(DataFusionError::External(Box::new(error)));
        }
        self.function.invoke_with_args(arguments)
    }
}

impl Growth {
    fn bytes(self, arguments: &ScalarFunctionArgs) -> DataFusionResult<u128> {
        let rows = arguments.number_rows;
        let numbers = |place: usize| numbers(arguments.args.get(place), rows);
        Ok(match self {
            Growth::Characters => sum(numbers(1)?, |number| number),
            Growth::Times => {
                let first = arguments.args.first();
                let bytes = first.map_or(0, |value| bytes_of_one(value, rows));
                sum(numbers(1)?, |number| number.saturating_mul(bytes))
            }
            Growth::Series => {
                let (first, second) = (numbers(0)?, numbers(1)?);
                let step = numbers(2)?;
                let (from, to) = match (first, second) {
                    (Some(only), None) => (None, only),
                    (from, Some(to)) => (from, to),
                    (None, None) => return Ok(0),
                };
                let at = |array: &Option<ArrayRef>, row: usize, otherwise: i64| {
                    let array = array
                        .as_ref()
                        .map(|array| array.as_primitive::<Int64Type>());
                    array
                        .filter(|array| array.is_valid(row))
                        .map_or(otherwise, |array| array.value(row))
                };
                let to = Some(to);
                (0..rows)
                    .map(|row| {
                        let distance = i128::from(at(&to, row, 0)) - i128::from(at(&from, row, 0));
                        let step = u128::from(at(&step, row, 1).unsigned_abs().max(1));
                        distance.unsigned_abs() / step * ELEMENT_BYTES
                    })
                    .sum()
            }
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

fn sum(numbers: Option<ArrayRef>, bytes: impl Fn(u128) -> u128) -> u128 {
    let Some(numbers) = numbers else { return 0 };
    let numbers = numbers.as_primitive::<Int64Type>();
    let counts = numbers.iter().flatten().map(|number| number.max(0));
    counts
        .map(|number| bytes(u128::from(number.unsigned_abs())))
        .fold(0, u128::saturating_add)
}

/// About what one of the values takes.
fn bytes_of_one(value: &ColumnarValue, rows: usize) -> u128 {
    match value {
        ColumnarValue::Scalar(value) => value.size() as u128,
        ColumnarValue::Array(array) => (array.get_array_memory_size() / rows.max(1)) as u128,
    }
}
