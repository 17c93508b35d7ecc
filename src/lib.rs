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
pub mod codes;
mod engine;
mod error;
mod exec;
mod file;
mod lang;
mod plan;
mod route;
mod store;
mod table;

pub use arrow;
pub use datafusion;

pub use engine::{
    AppendMode, Appender, Builder, Checked, CheckedStatement, ColumnLineage, Completion,
    CompletionKind, Completions, Emit, Ending, Engine, Examination, Explain, FileInfo, FileSource,
    Finding, FlushPolicy, FunctionArgument, FunctionResult, Health, Histogram, Hover, LINES_KEY,
    Measured, Metrics, Outcome, ParamMap, Params, Plan, Prepared, Progress, QueryHandle, QueryStep,
    QueryTable, RowStream, Rows, ScalarFn, SourceColumn, Statement, Summary, Syntax, SyntaxClass,
    SyntaxPart, Table, Value,
};
pub use engine::{
    FileState, Input, Output, ParameterOrigin, ParameterReport, RunReport, RunStatus, Script,
    StepReport, StepStatus,
};
pub use file::{
    BadRows, ColumnText, CsvWriter, ReadCounts, json_writer, on_this_machine, times_have_text,
    type_name,
};
pub use plan::{Chart, ChartKind};

pub use lang::{nearest, parse_size};

pub use error::{Error, ErrorKind, FilePlace, Fix, Label, Result, Span};
