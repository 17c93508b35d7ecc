//! Functions from closures: scalar ones row by row, aggregates from four closures.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringViewArray,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Engine;
use crate::error::{Error, ErrorKind, Result};

mod sealed {
    pub trait Sealed {}
}

/// A type that a closure may take: `i64`, `f64`, `bool`, `String`, or an `Option` of these for columns with NULL.
///
/// Where a closure takes a plain type, a NULL argument gives a NULL result without calling it.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// engine.register_fn("shout", |text: String| format!("{text}!"))?;
/// engine.register_fn("known", |text: Option<String>| text.is_some())?;
/// let (none, known): (Option<String>, bool) = engine.query("SELECT shout(NULL), known(NULL)", ())?.one()?;
/// assert_eq!((none, known), (None, false));
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait FunctionArgument: sealed::Sealed + Sized + 'static {
    #[doc(hidden)]
    fn data_type() -> DataType;
    /// `None` when the closure must not be called for this row.
    #[doc(hidden)]
    fn read(column: &ArrayRef, row: usize) -> Option<Self>;
}

/// A type that a closure may give: `i64`, `f64`, `bool`, `String`, an `Option` of these, or a `Result` whose error ends the
/// query.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// engine.register_fn("half", |n: i64| match n % 2 {
///     0 => Ok(n / 2),
///     _ => Err(format!("{n} is odd")),
/// })?;
/// let (half,): (i64,) = engine.query("SELECT half(8)", ())?.one()?;
/// assert_eq!(half, 4);
/// let Err(error) = engine.query("SELECT half(3)", ())?.one::<(i64,)>() else { panic!("3 is odd") };
/// assert_eq!(error.code(), "TM0509");
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait FunctionResult: sealed::Sealed + Sized + 'static {
    #[doc(hidden)]
    type Plain;
    #[doc(hidden)]
    fn data_type() -> DataType;
    #[doc(hidden)]
    fn into_option(self) -> Result<Option<Self::Plain>, String>;
    #[doc(hidden)]
    fn array(values: Vec<Option<Self::Plain>>) -> ArrayRef;
}

macro_rules! function_type {
    ($type:ty, $data_type:expr, $read:expr, $array:ty) => {
        impl sealed::Sealed for $type {}
        impl sealed::Sealed for Option<$type> {}

        impl FunctionArgument for $type {
            fn data_type() -> DataType {
                $data_type
            }

            fn read(column: &ArrayRef, row: usize) -> Option<Self> {
                let read: fn(&ArrayRef, usize) -> $type = $read;
                column.is_valid(row).then(|| read(column, row))
            }
        }

        impl FunctionArgument for Option<$type> {
            fn data_type() -> DataType {
                $data_type
            }

            fn read(column: &ArrayRef, row: usize) -> Option<Self> {
                Some(<$type>::read(column, row))
            }
        }

        impl FunctionResult for $type {
            type Plain = $type;

            fn data_type() -> DataType {
                $data_type
            }

            fn into_option(self) -> Result<Option<$type>, String> {
                Ok(Some(self))
            }

            fn array(values: Vec<Option<$type>>) -> ArrayRef {
                Arc::new(<$array>::from_iter(values))
            }
        }

        impl FunctionResult for Option<$type> {
            type Plain = $type;

            fn data_type() -> DataType {
                $data_type
            }

            fn into_option(self) -> Result<Option<$type>, String> {
                Ok(self)
            }

            fn array(values: Vec<Option<$type>>) -> ArrayRef {
                Arc::new(<$array>::from_iter(values))
            }
        }
    };
}

function_type!(
    i64,
    DataType::Int64,
    |column, row| column.as_primitive::<Int64Type>().value(row),
    Int64Array
);
function_type!(
    f64,
    DataType::Float64,
    |column, row| column.as_primitive::<Float64Type>().value(row),
    Float64Array
);
function_type!(
    bool,
    DataType::Boolean,
    |column, row| column.as_boolean().value(row),
    BooleanArray
);
function_type!(
    String,
    DataType::Utf8View,
    |column, row| column.as_string_view().value(row).to_string(),
    StringViewArray
);

impl<T: FunctionResult, E: fmt::Display + 'static> sealed::Sealed for Result<T, E> {}

impl<T: FunctionResult, E: fmt::Display + 'static> FunctionResult for Result<T, E> {
    type Plain = T::Plain;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn into_option(self) -> Result<Option<T::Plain>, String> {
        self.map_err(|error| error.to_string())?.into_option()
    }

    fn array(values: Vec<Option<T::Plain>>) -> ArrayRef {
        T::array(values)
    }
}

/// A closure over the values of one row. `Args` is the tuple of its argument types.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// fn longer(a: String, b: String) -> String {
///     if a.len() >= b.len() { a } else { b }
/// }
/// engine.register_fn("longer", longer)?;
/// let (text,): (String,) = engine.query("SELECT longer('mill', 'tides')", ())?.one()?;
/// assert_eq!(text, "tides");
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait ScalarFn<Args>: Send + Sync + 'static {
    #[doc(hidden)]
    fn argument_types() -> Vec<DataType>;
    #[doc(hidden)]
    fn result_type() -> DataType;
    #[doc(hidden)]
    fn call(&self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef, String>;
}

macro_rules! scalar_fn {
    ($($argument:ident $place:tt),*) => {
        impl<F, R, $($argument),*> ScalarFn<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: FunctionResult,
            $($argument: FunctionArgument,)*
        {
            fn argument_types() -> Vec<DataType> {
                vec![$($argument::data_type()),*]
            }

            fn result_type() -> DataType {
                R::data_type()
            }

            #[allow(unused_variables, non_snake_case, reason = "without arguments there is no column to read")]
            fn call(&self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef, String> {
                let mut values = Vec::with_capacity(rows);
                for row in 0..rows {
                    $(let Some($argument) = $argument::read(&columns[$place], row) else {
                        values.push(None);
                        continue;
                    };)*
                    values.push(self($($argument),*).into_option()?);
                }
                Ok(R::array(values))
            }
        }
    };
}

scalar_fn!();
scalar_fn!(A 0);
scalar_fn!(A 0, B 1);
scalar_fn!(A 0, B 1, C 2);
scalar_fn!(A 0, B 1, C 2, D 3);

impl Engine {
    /// Gives a closure a name in the language. Argument and result types are those of the closure.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// engine.register_fn("shout", |text: String, times: i64| text.to_uppercase() + &"!".repeat(times as usize))?;
    /// let word: (String,) = engine.query("SELECT shout('ahoy', 2)", ())?.one()?;
    /// assert_eq!(word.0, "AHOY!!");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0606 for a name that no call could have.
    pub fn register_fn<Args: 'static, F: ScalarFn<Args>>(
        &self,
        name: &str,
        function: F,
    ) -> Result<()> {
        check_name(name)?;
        let signature = Signature::exact(F::argument_types(), Volatility::Volatile);
        let function = ClosureFunction {
            name: name.to_string(),
            signature,
            function,
            args: PhantomData,
        };
        self.catalog()
            .functions()
            .register_scalar(Arc::new(ScalarUDF::new_from_impl(function)));
        Ok(())
    }

    /// Gives an aggregate function a name: `init` makes a state, `update` takes a value in, `merge` joins the states of two
    /// workers, `finish` makes the answer. NULL values are passed over unless `A` is an `Option`.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// engine.register_aggregate(
    ///     "product",
    ///     || 1.0,
    ///     |product: &mut f64, factor: f64| *product *= factor,
    ///     |product: &mut f64, other: f64| *product *= other,
    ///     |product: f64| product,
    /// )?;
    /// let product: (f64,) =
    ///     engine.query("FROM (VALUES (2.0), (3.5)) |> AGGREGATE product(column1)", ())?.one()?;
    /// assert_eq!(product.0, 7.0);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0606 for a name that no call could have.
    pub fn register_aggregate<S, A, R>(
        &self,
        name: &str,
        init: impl Fn() -> S + Send + Sync + 'static,
        update: impl Fn(&mut S, A) + Send + Sync + 'static,
        merge: impl Fn(&mut S, S) + Send + Sync + 'static,
        finish: impl Fn(S) -> R + Send + Sync + 'static,
    ) -> Result<()>
    where
        S: Serialize + DeserializeOwned + Clone + Send + Sync + fmt::Debug + 'static,
        A: FunctionArgument,
        R: FunctionResult,
    {
        check_name(name)?;
        let closures = Closures {
            init: Box::new(init),
            update: Box::new(update),
            merge: Box::new(merge),
            finish: Box::new(finish),
        };
        let function = ClosureAggregate {
            name: name.to_string(),
            signature: Signature::exact(vec![A::data_type()], Volatility::Immutable),
            closures: Arc::new(closures),
        };
        self.catalog()
            .functions()
            .register_aggregate(Arc::new(AggregateUDF::new_from_impl(function)));
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    let mut letters = name.chars();
    let starts = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if starts && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Input,
        "TM0606",
        format!("`{name}` cannot be a function's name"),
    )
    .hint("use letters, digits and _, not starting with a digit"))
}

/// An error of a program's own function, on its way through DataFusion.
fn failed(name: &str, reason: &str) -> DataFusionError {
    DataFusionError::External(Box::new(Error::run(
        "TM0509",
        format!("function {name} failed: {reason}"),
    )))
}

struct ClosureFunction<Args, F> {
    name: String,
    signature: Signature,
    function: F,
    args: PhantomData<fn() -> Args>,
}

impl<Args, F> fmt::Debug for ClosureFunction<Args, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

// Two functions are one when they were registered as one: closures cannot be compared, the name and place can.
impl<Args, F> PartialEq for ClosureFunction<Args, F> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl<Args, F> Eq for ClosureFunction<Args, F> {}

impl<Args, F> Hash for ClosureFunction<Args, F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<Args: 'static, F: ScalarFn<Args>> ScalarUDFImpl for ClosureFunction<Args, F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(F::result_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let rows = args.number_rows;
        let columns = args
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<DataFusionResult<Vec<_>>>()?;
        let result = self
            .function
            .call(&columns, rows)
            .map_err(|reason| failed(&self.name, &reason))?;
        Ok(ColumnarValue::Array(result))
    }
}

type Update<S, A> = Box<dyn Fn(&mut S, A) + Send + Sync>;
type Merge<S> = Box<dyn Fn(&mut S, S) + Send + Sync>;

struct Closures<S, A, R> {
    init: Box<dyn Fn() -> S + Send + Sync>,
    update: Update<S, A>,
    merge: Merge<S>,
    finish: Box<dyn Fn(S) -> R + Send + Sync>,
}

struct ClosureAggregate<S, A, R> {
    name: String,
    signature: Signature,
    closures: Arc<Closures<S, A, R>>,
}

impl<S, A, R> fmt::Debug for ClosureAggregate<S, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<S, A, R> PartialEq for ClosureAggregate<S, A, R> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.closures, &other.closures)
    }
}

impl<S, A, R> Eq for ClosureAggregate<S, A, R> {}

impl<S, A, R> Hash for ClosureAggregate<S, A, R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<S, A, R> AggregateUDFImpl for ClosureAggregate<S, A, R>
where
    S: Serialize + DeserializeOwned + Clone + Send + Sync + fmt::Debug + 'static,
    A: FunctionArgument,
    R: FunctionResult,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(R::data_type())
    }

    fn accumulator(&self, _args: AccumulatorArgs) -> DataFusionResult<Box<dyn Accumulator>> {
        let state = (self.closures.init)();
        Ok(Box::new(ClosureAccumulator {
            name: self.name.clone(),
            state,
            closures: Arc::clone(&self.closures),
        }))
    }

    fn state_fields(
        &self,
        args: StateFieldsArgs,
    ) -> DataFusionResult<Vec<arrow::datatypes::FieldRef>> {
        let name = format!("{}[state]", args.name);
        Ok(vec![Arc::new(arrow::datatypes::Field::new(
            name,
            DataType::Binary,
            false,
        ))])
    }
}

struct ClosureAccumulator<S, A, R> {
    name: String,
    state: S,
    closures: Arc<Closures<S, A, R>>,
}

impl<S: fmt::Debug, A, R> fmt::Debug for ClosureAccumulator<S, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.name, self.state)
    }
}

impl<S, A, R> Accumulator for ClosureAccumulator<S, A, R>
where
    S: Serialize + DeserializeOwned + Clone + Send + Sync + fmt::Debug + 'static,
    A: FunctionArgument,
    R: FunctionResult,
{
    fn update_batch(&mut self, values: &[ArrayRef]) -> DataFusionResult<()> {
        let column = &values[0];
        for row in 0..column.len() {
            if let Some(value) = A::read(column, row) {
                (self.closures.update)(&mut self.state, value);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DataFusionResult<()> {
        for bytes in states[0].as_binary::<i32>().iter().flatten() {
            let other = postcard::from_bytes(bytes)
                .map_err(|error| failed(&self.name, &error.to_string()))?;
            (self.closures.merge)(&mut self.state, other);
        }
        Ok(())
    }

    fn state(&mut self) -> DataFusionResult<Vec<ScalarValue>> {
        let bytes = postcard::to_extend(&self.state, Vec::new())
            .map_err(|error| failed(&self.name, &error.to_string()))?;
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn evaluate(&mut self) -> DataFusionResult<ScalarValue> {
        let value = (self.closures.finish)(self.state.clone());
        let value = value
            .into_option()
            .map_err(|reason| failed(&self.name, &reason))?;
        ScalarValue::try_from_array(&R::array(vec![value]), 0)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
