#![doc = include_str!("README.md")]
#![deny(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test stops where it must not go on"
    )
)]

mod catalog;
mod engine;
mod error;
mod exec;
mod file;
mod lang;
mod plan;
mod store;
mod table;

pub use arrow;
pub use datafusion;

pub use engine::{
    AppendMode, Appender, Builder, Checked, CheckedStatement, ColumnLineage, Completion,
    CompletionKind, Completions, Emit, Ending, Engine, Explain, FileSource, FlushPolicy,
    FunctionArgument, FunctionResult, Histogram, Hover, Measured, Metrics, Outcome, ParamMap,
    Params, Prepared, Progress, QueryHandle, QueryStep, Rows, ScalarFn, SourceColumn, Statement,
    Summary, Syntax, SyntaxClass, SyntaxPart, Table, Value,
};
pub use file::{ColumnText, CsvWriter, times_have_text, type_name};

pub use lang::nearest;

pub use error::{Error, ErrorKind, FilePlace, Fix, Label, Result, Span};
