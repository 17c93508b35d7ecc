//! DataFusion's and arrow's errors in our words.

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::memory::MORE_MEMORY;
use crate::error::{Error, ErrorKind};
use crate::file::type_name;

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        from_datafusion(error)
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        from_arrow(error)
    }
}

/// Our own error where it only travelled through DataFusion, a translation otherwise.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => from_text(&other.to_string()),
        },
        DataFusionError::ArrowError(inner, _) => from_arrow(*inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            from_datafusion(*inner)
        }
        DataFusionError::Shared(inner) => match inner.as_ref() {
            DataFusionError::External(ours) if ours.is::<Error>() => ours
                .downcast_ref::<Error>()
                .cloned()
                .unwrap_or_else(|| Error::bug("an error changed its type")),
            other => from_text(&other.strip_backtrace()),
        },
        DataFusionError::Collection(mut errors) if !errors.is_empty() => {
            from_datafusion(errors.swap_remove(0))
        }
        DataFusionError::ResourcesExhausted(text) => {
            Error::new(ErrorKind::Limit, "TM0506", memory_message(&text)).hint(MORE_MEMORY)
        }
        // These speak of plans and of Rust's types.
        DataFusionError::NotImplemented(_)
        | DataFusionError::Plan(_)
        | DataFusionError::Internal(_)
        | DataFusionError::SchemaError(..) => {
            let known = from_text(&error.strip_backtrace());
            match known.code() {
                "TM0508" => Error::run("TM0508", UNCLEAR),
                _ => known,
            }
        }
        DataFusionError::IoError(inner) => Error::new(ErrorKind::Io, "TM0701", inner.to_string()),
        other => from_text(&other.strip_backtrace()),
    }
}

fn from_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(inner) => match inner.downcast::<DataFusionError>() {
                Ok(inner) => from_datafusion(*inner),
                Err(other) => from_text(&other.to_string()),
            },
        },
        ArrowError::DivideByZero => {
            Error::run("TM0502", "division by zero").hint("guard the divisor with NULLIF(x, 0)")
        }
        ArrowError::ArithmeticOverflow(text) => overflow(&text),
        other => from_text(&other.to_string()),
    }
}

fn overflow(text: &str) -> Error {
    let detail = text
        .strip_prefix("Overflow happened on: ")
        .map(|values| format!(": {values}"))
        .unwrap_or_default();
    Error::run(
        "TM0502",
        format!("a number is too large for its type{detail}"),
    )
    .hint(WIDER)
}

fn memory_message(text: &str) -> String {
    // DataFusion names the consumer in quotes or as "for NAME"; only the operator's name is ours to repeat.
    let consumer = text
        .split("for ")
        .nth(1)
        .and_then(|rest| rest.split(" with ").next())
        .and_then(|rest| rest.split(['[', '(', '#']).next())
        .unwrap_or("the query");
    format!("the memory limit is reached in {consumer}")
}

fn from_text(text: &str) -> Error {
    if text.contains("regex parse error") || text.contains("Regular expression did not compile") {
        return bad_pattern(text);
    }
    let text = first_line(text);
    if let Some(part) = text.split("Unsupported date_trunc granularity: ").nth(1) {
        let (part, known) = part
            .split_once(". Supported values are: ")
            .unwrap_or((part, ""));
        return Error::run("TM0501", format!("a time has no part {part} to be cut to"))
            .available(known);
    }
    let lower = text.to_ascii_lowercase();
    if lower.contains("overflow") {
        return overflow(
            text.split("Overflow happened on: ")
                .nth(1)
                .map_or("", |values| values),
        );
    }
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return Error::run("TM0502", "division by zero")
            .hint("guard the divisor with NULLIF(x, 0)");
    }
    if let Some(known) = unreadable(&text).or_else(|| too_many_digits(&text)) {
        return known;
    }
    if text.contains("Unable to build regex from LIKE pattern") {
        return Error::run("TM0501", "a LIKE pattern is too long");
    }
    if lower.ends_with("format error") {
        return Error::run("TM0501", "the format of a time is not valid")
            .hint("it is made of parts such as %Y-%m-%d and %H:%M:%S; a percent sign is %%");
    }
    if lower.contains("cast error") || lower.contains("cannot cast") || lower.contains("can't cast")
    {
        return Error::run("TM0501", cast_message(in_our_types(&strip_origin(&text))))
            .hint(TRY_CAST);
    }
    let text = in_our_types(&strip_origin(&text));
    if shows_internals(&text) {
        return Error::run("TM0508", UNCLEAR);
    }
    Error::run("TM0508", text)
}

/// A value that is not of the type as which it is read.
fn unreadable(text: &str) -> Option<Error> {
    let message = if let Some(rest) = text.split("Error parsing timestamp from '").nth(1) {
        let (value, _) = rest.rsplit_once("': ")?;
        format!("'{value}' cannot be read as a time")
    } else if let Some(rest) = text
        .split("Invalid input syntax for type interval: ")
        .nth(1)
    {
        format!("'{}' cannot be read as INTERVAL", rest.trim_matches('"'))
    } else if text.contains("Encountered non UTF-8 data") {
        "bytes that are no UTF-8 cannot be read as STRING".to_string()
    } else {
        return None;
    };
    Some(Error::run("TM0501", message).hint(TRY_CAST))
}

/// `10.0 is too large to store in a Decimal128 of precision 2. Max is 9.9`
fn too_many_digits(text: &str) -> Option<Error> {
    let (value, rest) = text
        .split_once(" is too large to store in a ")
        .or_else(|| text.split_once(" is too small to store in a "))?;
    let value = value.rsplit(' ').next()?;
    let digits = rest.split(" of precision ").nth(1)?.split('.').next()?;
    let places = match digits {
        "1" => "1 digit".to_string(),
        digits => format!("{digits} digits"),
    };
    let message = format!("{value} does not fit a DECIMAL of {places}");
    Some(Error::run("TM0502", message).hint(WIDER))
}

const TRY_CAST: &str = "TRY_CAST gives NULL where the value does not fit";

const WIDER: &str =
    "cast an operand to a wider type: CAST(x AS DECIMAL(38, 0)) or CAST(x AS FLOAT64)";

/// What is said where a library's words would be of use to nobody who reads the query.
const UNCLEAR: &str = "a value cannot be computed";

/// Parts of messages that name Rust's types and values, or pieces of a plan.
const INTERNALS: [&str; 19] = [
    "::",
    "arrow",
    "DataFusion",
    "DataType",
    "ScalarValue",
    "Array<",
    "List(",
    "Struct(",
    "Map(",
    "Interval(",
    "Timestamp(",
    "Duration(",
    "Time64(",
    "Some(",
    "Uncomparable",
    "rror during planning",
    "not implemented",
    "nternal error",
    "nsupported data type",
];

fn shows_internals(text: &str) -> bool {
    let has_id = text
        .split('#')
        .skip(1)
        .any(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    has_id || INTERNALS.iter().any(|part| text.contains(part))
}

/// The error, which says at least what `function` was given when the library's words say nothing.
pub(crate) fn blamed(error: Error, function: &str, types: &[DataType]) -> Error {
    if error.message() != UNCLEAR {
        return error;
    }
    let types: Vec<String> = types.iter().map(type_name).collect();
    let shown = function.to_uppercase();
    let given = types.join(", ");
    Error::run(
        error.code(),
        format!("{shown} cannot be computed for ({given})"),
    )
}

/// A drawing of the pattern with carets, then a line with what is wrong.
fn bad_pattern(text: &str) -> Error {
    let reason = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("error: "));
    let message = match reason {
        Some(reason) => format!("a regular expression is not valid: {reason}"),
        None => "a regular expression is not valid".to_string(),
    };
    Error::run("TM0501", message)
        .hint("a character with a meaning is itself after a backslash: r'\\('")
}

/// Arrow's type names in a message, as the language spells them. Longer names come first.
const TYPE_WORDS: [(&str, &str); 26] = [
    ("Time64(µs)", "TIME"),
    ("Time64(ns)", "TIME"),
    ("Time32(ms)", "TIME"),
    ("Time32(s)", "TIME"),
    ("Timestamp(Second, None)", "DATETIME"),
    ("Timestamp(Millisecond, None)", "DATETIME"),
    ("Timestamp(Microsecond, None)", "DATETIME"),
    ("Timestamp(Nanosecond, None)", "DATETIME"),
    ("LargeUtf8", "STRING"),
    ("Utf8View", "STRING"),
    ("Utf8", "STRING"),
    ("BinaryView", "BYTES"),
    ("Binary", "BYTES"),
    ("Decimal128", "DECIMAL"),
    ("Decimal256", "DECIMAL"),
    ("UInt16", "UINT16"),
    ("UInt32", "UINT32"),
    ("UInt64", "UINT64"),
    ("UInt8", "UINT8"),
    ("Int16", "INT16"),
    ("Int32", "INT32"),
    ("Int64", "INT64"),
    ("Int8", "TINYINT"),
    ("Float64", "FLOAT64"),
    ("Float32", "FLOAT32"),
    ("Date32", "DATE"),
];

/// `Cannot cast string 'twelve' to value of INT64 type`, shorter.
fn cast_message(text: String) -> String {
    let short = || {
        let rest = text.strip_prefix("Cannot cast string '")?;
        let (value, rest) = rest.rsplit_once("' to value of ")?;
        let name = rest.strip_suffix(" type")?;
        Some(format!("'{value}' cannot be read as {name}"))
    };
    let narrow = || {
        let (value, name) = text
            .strip_prefix("Can't cast value ")?
            .split_once(" to type ")?;
        Some(format!("{value} does not fit into {name}"))
    };
    short().or_else(narrow).unwrap_or(text)
}

fn in_our_types(message: &str) -> String {
    TYPE_WORDS
        .iter()
        .fold(message.to_string(), |text, (theirs, ours)| {
            text.replace(theirs, ours)
        })
}

/// Takes away who raised it ("Arrow error: ", "Execution error: " …): the user did not ask.
fn strip_origin(text: &str) -> String {
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once(": ") {
        if !(head.ends_with("rror") && head.split(' ').count() <= 4) {
            break;
        }
        rest = tail;
    }
    rest.to_string()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}
