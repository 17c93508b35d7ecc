//! Values for `@name` and `?`: bound as values, never as text.

use datafusion::common::ScalarValue;

use crate::plan::Parameters;

/// A parameter's value.
///
/// ```
/// use tidemill::Value;
/// let values: [Value; 4] = [1.into(), "text".into(), 2.5.into(), None::<i64>.into()];
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Value(ScalarValue);

impl Value {
    /// A value by its look, as a command line gives it: a whole number, a number, `true`, `false`, `null`, a date
    /// `2024-01-31`; anything else, and anything in single quotes, is text.
    ///
    /// ```
    /// use tidemill::Value;
    /// assert_eq!(Value::from_text("42"), Value::from(42));
    /// assert_eq!(Value::from_text("'42'"), Value::from("42"));
    /// ```
    pub fn from_text(text: &str) -> Value {
        Value::try_from_text(text).unwrap_or_else(|| text.into())
    }

    /// As [`Value::from_text`]; `None` for a number that no type holds. Whole numbers beyond INT64 are DECIMAL.
    ///
    /// ```
    /// use tidemill::Value;
    /// assert!(Value::try_from_text("1e400").is_none());
    /// ```
    pub fn try_from_text(text: &str) -> Option<Value> {
        if let Some(inner) = text
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
        {
            return Some(inner.replace("''", "'").into());
        }
        match text.to_ascii_lowercase().as_str() {
            "null" => return Some(Value(ScalarValue::Null)),
            "true" => return Some(true.into()),
            "false" => return Some(false.into()),
            _ => {}
        }
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        let digits = text.trim_start_matches(['-', '+']);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return decimal(text);
        }
        let numeric = text
            .starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
        if let (true, Ok(number)) = (numeric, text.parse::<f64>()) {
            return number.is_finite().then(|| number.into());
        }
        if text.len() == "2024-01-31".len()
            && let Ok(date) =
                ScalarValue::try_from_string(text.to_string(), &arrow::datatypes::DataType::Date32)
        {
            return Some(Value(date));
        }
        Some(text.into())
    }
}

/// A whole number of up to 38 digits.
fn decimal(text: &str) -> Option<Value> {
    let number: i128 = text.parse().ok()?;
    let digits = number.unsigned_abs().to_string().len();
    let precision = u8::try_from(digits).ok().filter(|digits| *digits <= 38)?;
    Some(Value(ScalarValue::Decimal128(Some(number), precision, 0)))
}

impl Value {
    pub(super) fn into_scalar(self) -> ScalarValue {
        self.0
    }
}

impl From<ScalarValue> for Value {
    fn from(value: ScalarValue) -> Self {
        Value(value)
    }
}

macro_rules! value_from {
    ($($type:ty => $scalar:expr),+ $(,)?) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                let make: fn(Option<$type>) -> ScalarValue = $scalar;
                Value(make(Some(value)))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                let make: fn(Option<$type>) -> ScalarValue = $scalar;
                Value(make(value))
            }
        }
    )+};
}

value_from! {
    bool => ScalarValue::Boolean,
    i32 => |value| ScalarValue::Int64(value.map(i64::from)),
    i64 => ScalarValue::Int64,
    u32 => |value| ScalarValue::Int64(value.map(i64::from)),
    u64 => ScalarValue::UInt64,
    f32 => |value| ScalarValue::Float64(value.map(f64::from)),
    f64 => ScalarValue::Float64,
    String => ScalarValue::Utf8,
    &str => |value| ScalarValue::Utf8(value.map(str::to_string)),
    Vec<u8> => ScalarValue::Binary,
}

/// The values of one run: by name for `@name`, by position for `?`.
///
/// ```
/// use tidemill::{Engine, ParamMap};
/// let engine = Engine::in_memory()?;
/// let mut values = ParamMap::new();
/// values.set("a", 1).set_text("b", "2");
/// let (sum,): (i64,) = engine.query("SELECT @a + @b", &values)?.one()?;
/// assert_eq!(sum, 3);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ParamMap(Parameters);

impl ParamMap {
    /// No values yet.
    pub fn new() -> Self {
        ParamMap::default()
    }

    /// Sets `@name`, without the `@`. The last value of a name counts.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.0
            .named
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.0.named.push((name.to_string(), value.into().0));
        self
    }

    /// Sets `@name` to [`Value::from_text`] of `text`.
    pub fn set_text(&mut self, name: &str, text: &str) -> &mut Self {
        self.set(name, Value::from_text(text))
    }

    /// Adds the value of the next `?`.
    pub fn push(&mut self, value: impl Into<Value>) -> &mut Self {
        self.0.positional.push(value.into().0);
        self
    }

    pub(super) fn parameters(&self) -> &Parameters {
        &self.0
    }
}

/// What can stand for a query's parameters: `()` for none, a tuple or `Vec` for `?`, [`params!`](crate::params) or a
/// [`ParamMap`] for `@name`.
///
/// ```
/// use tidemill::{Engine, params};
/// let engine = Engine::in_memory()?;
/// engine.execute("SELECT 1", ())?;
/// engine.execute("SELECT ? + ?", (1, 2.5))?;
/// engine.execute("SELECT ? + ?", vec![1, 2])?;
/// engine.execute("SELECT @a", params! { a: "text" })?;
/// # Ok::<(), tidemill::Error>(())
/// ```
pub trait Params {
    /// Puts the values into `map`.
    fn bind(self, map: &mut ParamMap);
}

impl Params for () {
    fn bind(self, _map: &mut ParamMap) {}
}

impl Params for ParamMap {
    fn bind(self, map: &mut ParamMap) {
        *map = self;
    }
}

impl Params for &ParamMap {
    fn bind(self, map: &mut ParamMap) {
        *map = self.clone();
    }
}

impl<V: Into<Value>> Params for Vec<V> {
    fn bind(self, map: &mut ParamMap) {
        for value in self {
            map.push(value);
        }
    }
}

macro_rules! params_tuple {
    ($($name:ident)+) => {
        impl<$($name: Into<Value>),+> Params for ($($name,)+) {
            #[expect(non_snake_case, reason = "the type parameters' names serve as variables")]
            fn bind(self, map: &mut ParamMap) {
                let ($($name,)+) = self;
                $(map.push($name);)+
            }
        }
    };
}

params_tuple!(A);
params_tuple!(A B);
params_tuple!(A B C);
params_tuple!(A B C D);
params_tuple!(A B C D E);
params_tuple!(A B C D E F);
params_tuple!(A B C D E F G);
params_tuple!(A B C D E F G H);

/// Values for named parameters.
///
/// ```
/// use tidemill::{Engine, params};
/// let engine = Engine::in_memory()?;
/// let sum: (i64,) = engine.query("SELECT @low + @high AS sum", params! { low: 1, high: 2 })?.one()?;
/// assert_eq!(sum.0, 3);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[macro_export]
macro_rules! params {
    ($($name:ident : $value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "an empty list sets nothing")]
        let mut map = $crate::ParamMap::new();
        $(map.set(stringify!($name), $value);)*
        map
    }};
}
