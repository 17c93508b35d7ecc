//! What a run did: for people line by line while it goes on, for programs as JSON at its end.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result, Span};

/// What a run of a script did, or would do.
///
/// ```
/// use tidemill::{Engine, Script};
/// let engine = Engine::in_memory()?;
/// let report = engine.run_script(Script::new("CREATE TEMP TABLE t AS SELECT 1 AS x; FROM t").named("job.tide"), ());
/// assert_eq!((report.steps.len(), report.exit_code), (2, 0));
/// assert!(report.to_json().contains("\"script\": \"job.tide\""));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
#[must_use]
pub struct RunReport {
    /// What the script is called.
    pub script: String,
    /// The fingerprint of its text.
    pub text_hash: String,
    /// How it went.
    pub status: RunStatus,
    /// The exit code of the program for it.
    pub exit_code: u8,
    /// When it began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long it took, in milliseconds.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// It went on with a run that did not come to its end.
    pub resumed: bool,
    /// The values it ran with, in the order of the script.
    pub parameters: Vec<ParameterReport>,
    /// What its author should know.
    pub warnings: Vec<String>,
    /// Its statements, in order.
    pub steps: Vec<StepReport>,
    /// What stopped it.
    #[serde(serialize_with = "error")]
    pub error: Option<Error>,
    /// Where in the script: `job.tide:12:4`.
    pub error_at: Option<String>,
}

/// How a run went.
///
/// ```
/// use tidemill::{Engine, RunStatus, Script};
/// let engine = Engine::in_memory()?;
/// let report = engine.run_script(Script::new("ASSERT 1 > 2"), ());
/// assert_eq!((report.status, report.exit_code), (RunStatus::Failed, 3));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// Every step is done, now or before.
    Done,
    /// A step failed, or the run could not begin.
    Failed,
    /// It was only looked at.
    Planned,
}

/// A parameter of a run.
///
/// ```
/// use tidemill::{Engine, Script, params};
/// let text = "DECLARE PARAMETER @day DATE; SELECT @day";
/// let report = Engine::in_memory()?.run_script(Script::new(text), params! { day: "2026-11-22" });
/// let day = &report.parameters[0];
/// assert_eq!((day.data_type.as_str(), day.value.as_deref()), ("DATE", Some("2026-11-22")));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ParameterReport {
    /// Without the `@`.
    pub name: String,
    /// As the language writes it.
    #[serde(rename = "type")]
    pub data_type: String,
    /// As text; nothing where it is NULL.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: ParameterOrigin,
}

/// Where a parameter's value came from.
///
/// ```
/// use tidemill::{Engine, ParameterOrigin, Script};
/// let text = "DECLARE PARAMETER @n INT64 DEFAULT 2; SELECT @n";
/// let report = Engine::in_memory()?.run_script(Script::new(text), ());
/// assert_eq!(report.parameters[0].origin, ParameterOrigin::Default);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParameterOrigin {
    /// The caller gave it.
    Given,
    /// The script's DEFAULT.
    Default,
    /// The run that this one went on with had it.
    Resumed,
}

/// What a statement of the script did.
///
/// ```
/// use tidemill::{Engine, Script};
/// let script = Script::new("SELECT 1 AS x;\nFROM UNNEST([1, 2, 3]) AS n").on_step(|step| println!("{}: {}", step.line, step.rows));
/// let report = Engine::in_memory()?.run_script(script, ());
/// assert_eq!((report.steps[1].line, report.steps[1].rows), (2, 3));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StepReport {
    /// From 1.
    pub number: usize,
    /// Of so many.
    pub of: usize,
    /// Where it begins.
    pub line: usize,
    /// The beginning of its text, on one line.
    pub statement: String,
    /// The fingerprint of its text.
    pub text_hash: String,
    /// How it went.
    pub status: StepStatus,
    /// Why it runs, or why not.
    pub reason: String,
    /// What it read.
    pub inputs: Vec<Input>,
    /// What it wrote.
    pub outputs: Vec<Output>,
    /// Rows read from files and tables.
    pub rows_read: u64,
    /// Bytes of these rows in memory.
    pub bytes_read: u64,
    /// Rows of text files that did not fit and were left out.
    pub rows_rejected: u64,
    /// Values of text files that did not fit and became NULL.
    pub values_nulled: u64,
    /// Rows given or stored.
    pub rows: u64,
    /// How long it took, in milliseconds.
    #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
    pub elapsed: Duration,
    /// The most that its operators held, with the tables in memory.
    pub memory_bytes_max: u64,
    /// Bytes written to disk because they did not fit into memory.
    pub spilled_bytes: u64,
    /// What stopped it.
    #[serde(serialize_with = "error")]
    pub error: Option<Error>,
    #[serde(skip)]
    pub(super) span: Span,
}

/// How a step went.
///
/// ```
/// use tidemill::{Engine, Script, StepStatus};
/// let report = Engine::in_memory()?.run_script(Script::new("SELECT 1; ASSERT FALSE; SELECT 2"), ());
/// let statuses: Vec<StepStatus> = report.steps.iter().map(|step| step.status).collect();
/// assert_eq!(statuses, [StepStatus::Done, StepStatus::Failed, StepStatus::NotRun]);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// It ran.
    Done,
    /// It was not run: what it would make is there, or nobody needs it.
    Skipped,
    /// It failed.
    Failed,
    /// An earlier step failed.
    NotRun,
    /// It would run.
    Planned,
}

/// What a step reads: a path with its files, or a table.
///
/// ```
/// use tidemill::{Engine, Input, Script};
/// let plan = Engine::in_memory()?.plan_script(Script::new("FROM 'examples/data/sales.csv'"), ());
/// let input: &Input = &plan.steps[0].inputs[0];
/// assert_eq!((input.name.as_str(), input.file_count), ("examples/data/sales.csv", 1));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Input {
    /// The path as the script has it, or the table.
    pub name: String,
    /// The table's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// How many files these are.
    pub file_count: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// Of paths, sizes and times; of files of other machines, what these say is their version.
    pub fingerprint: String,
    /// The first thousand of them.
    pub files: Vec<FileState>,
}

/// What a step wrote, as [`Input`] has it.
///
/// ```
/// use tidemill::{Engine, Output, Script};
/// let text = "SELECT 1 AS x |> EXPORT DATA OPTIONS (uri = 'never.csv')";
/// let plan = Engine::in_memory()?.plan_script(Script::new(text), ());
/// let output: &Output = &plan.steps[0].outputs[0];
/// assert_eq!(output.name, "never.csv");
/// # Ok::<(), tidemill::Error>(())
/// ```
pub type Output = Input;

/// A file as it was seen.
///
/// ```
/// use tidemill::{Engine, FileState, Script};
/// let plan = Engine::in_memory()?.plan_script(Script::new("FROM 'examples/data/sales.csv'"), ());
/// let file: &FileState = &plan.steps[0].inputs[0].files[0];
/// assert!(file.bytes > 0 && file.modified_unix_ns > 0);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FileState {
    /// As the query found it.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified_unix_ns: u64,
}

impl RunReport {
    /// The report, or what stopped the run.
    ///
    /// # Errors
    /// The error of the step that failed, or why the run could not begin.
    pub fn into_result(self) -> Result<RunReport> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    /// The report as JSON, on many lines.
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

impl StepReport {
    /// Where it stands in the script's text.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Bytes on disk of all that it reads.
    pub fn input_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.bytes).sum()
    }
}

fn milliseconds<S: Serializer>(
    time: &Duration,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    // To the microsecond.
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}

fn error<S: Serializer>(
    error: &Option<Error>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Said<'e> {
        code: &'e str,
        message: &'e str,
        file: Option<String>,
        hint: Option<&'e str>,
        exit_code: u8,
    }
    let said = error.as_ref().map(|error| Said {
        code: error.code(),
        message: error.message(),
        file: error.place().map(ToString::to_string),
        hint: error.notes().first().map(|(_, note)| note.as_str()),
        exit_code: error.exit_code(),
    });
    said.serialize(serializer)
}
