//! `tidemill run`: a script as a job, with parameters, a memory of what was done, and a report.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tidemill::{RunReport, Script, StepReport, StepStatus};

use super::answer;
use super::dry_run::shown;
use crate::amounts::{bytes, count, counted, time};
use crate::flags::{ErrorFormat, Format, parse_time};
use crate::interrupt::{self, Second, is_interrupted};
use crate::progress::Watch;
use crate::report::{Text, report, warn};
use crate::results::Results;
use crate::run::Settled;
use crate::settings::{EngineFlags, OutputFlags, Telling};
use crate::stop::{INTERRUPTED, Stop};
use crate::target::write_whole;
use crate::texts;
use crate::values::{Values, from_files};

/// Run a script as a job; steps of which nothing changed are left out
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidemill run job.tide --param day=2026-11-22
  tidemill run job.tide --params nightly.toml --report report.json
  tidemill run job.tide --dry-run
  tidemill run job.tide --resume

Steps are left out that only write files or durable tables, or check something, and that an earlier run
did with the same text, names, settings and inputs (files by path, size and time; tables by version),
as long as what they wrote is as they left it. Steps for the session (temporary tables, variables,
functions, views) run where a step that runs mentions what they make. Queries whose rows are printed,
IF, DROP, and what asks for the time or for chance run every time. What is known of earlier runs
lies in the directory of --state, and only one run at a time has a job's: another ends with code 5.")]
pub(crate) struct Run {
    /// The script, - for standard input
    #[arg(value_name = "FILE")]
    script: PathBuf,

    #[command(flatten)]
    values: Values,

    /// Values of parameters as a TOML file, NAME = VALUE on each line; those of --param win
    #[arg(long, value_name = "FILE")]
    params: Vec<PathBuf>,

    /// Say which steps would run and why, what they would read and write; nothing runs
    #[arg(long)]
    dry_run: bool,

    /// Write a report of the run as JSON, - for standard output; it is there also where the run fails
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Remember what was done in this directory [default: .tidemill beside the script]
    #[arg(long, value_name = "DIRECTORY")]
    state: Option<PathBuf>,

    /// Remember nothing and run every step
    #[arg(long, conflicts_with_all = ["state", "resume"])]
    no_state: bool,

    /// Run every step, whatever was done before
    #[arg(long, conflicts_with = "resume")]
    force: bool,

    /// Go on with a run that failed or was killed: with its parameters; what it did stays done, though inputs may have changed
    #[arg(long)]
    resume: bool,

    /// How long the whole run may take, such as 30s, 5m or 2h [default: no bound]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,

    /// How long each step's queries may take [default: no bound]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    step_timeout: Option<Duration>,

    /// Say nothing of steps that are done
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    output: OutputFlags,

    #[command(flatten)]
    telling: Telling,

    #[command(flatten)]
    pub(super) engine: EngineFlags,
}

impl Run {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let text = texts::read(&self.script)?;
        let params = self.values.params_over(from_files(&self.params)?)?;
        let mut results = Results::new(&self.output)?;
        let engine = self
            .engine
            .engine(self.step_timeout, self.script.as_os_str() == "-")
            .map_err(Stop::of_engine)?;
        let script = self.script(&text)?;
        if self.dry_run {
            let plan = engine.plan_script(script, params);
            self.say_warnings(&plan);
            answer(&match self.output.format {
                Some(Format::Json) => plan.to_json(),
                _ => shown(&plan),
            })?;
            return self.end(plan, &text, None);
        }
        interrupt::stops_queries(&engine, Second::EndsProgram);
        let _settled = Settled(engine.clone());
        let watch = Watch::begin(&engine, self.telling.progress, 1);
        let script = script
            .on_step(|step| watch.aside(|| self.say_step(step, &text)))
            .on_warning(|warning| {
                watch.aside(|| {
                    warn(
                        std::slice::from_ref(warning),
                        &text,
                        self.engine.reading.error_format,
                    );
                });
            })
            .on_rows(|rows| results.write(rows, &watch));
        let done = engine.run_script(script, params);
        watch.end(done.error.is_none());
        self.say_warnings(&done);
        self.end(done, &text, results.broken.take())
    }

    fn script<'a>(&self, text: &Text) -> Result<Script<'a>, Stop> {
        let mut script = Script::new(text.text.as_str())
            .named(text.name.as_str())
            .force(self.force)
            .resume(self.resume);
        if let Some(timeout) = self.timeout {
            script = script.timeout(timeout);
        }
        let from_file = self.script.as_os_str() != "-";
        if self.resume && !from_file && self.state.is_none() {
            let message = "a script on standard input is remembered only with --state DIRECTORY";
            return Err(Stop::Usage(message.to_string()));
        }
        let beside = || {
            let folder = self.script.parent().filter(|_| from_file)?;
            Some(folder.join(".tidemill"))
        };
        let state = self.state.clone().or_else(beside);
        Ok(match state.filter(|_| !self.no_state) {
            Some(directory) => script.state(directory),
            None => script,
        })
    }

    /// One line for each step.
    fn say_step(&self, step: &StepReport, text: &Text) {
        if self.quiet && step.status != StepStatus::Failed {
            return;
        }
        if self.engine.reading.error_format == ErrorFormat::Json {
            if let Ok(line) = serde_json::to_string(step) {
                eprintln!("{line}");
            }
            return;
        }
        let place = format!("{}/{} {}:{}", step.number, step.of, text.name, step.line);
        let took = time(step.elapsed);
        let how = match step.status {
            StepStatus::Skipped => format!("skipped: {}", step.reason),
            StepStatus::Failed => format!("failed after {took}"),
            _ => {
                let read = step.input_bytes();
                let read = (read > 0).then(|| format!(", {} read", bytes(read)));
                let rows = counted(step.rows, "row");
                let rejected = step.rows_rejected;
                let rejected = (rejected > 0).then(|| format!(", {} rejected", count(rejected)));
                let (read, rejected) = (read.unwrap_or_default(), rejected.unwrap_or_default());
                format!("{rows}{read}{rejected}, {took}")
            }
        };
        anstream::eprintln!("{place}  {}  {how}", step.statement);
    }

    fn say_warnings(&self, report: &RunReport) {
        for warning in &report.warnings {
            match self.engine.reading.error_format {
                ErrorFormat::Json => eprintln!(
                    "{}",
                    serde_json::json!({"severity": "warning", "message": warning})
                ),
                ErrorFormat::Text => anstream::eprintln!("warning: {warning}"),
            }
        }
    }

    /// The report, the last line, the exit code.
    fn end(&self, done: RunReport, text: &Text, broken: Option<io::Error>) -> Result<(), Stop> {
        if let Some(error) = done.error.as_ref().filter(|_| broken.is_none()) {
            report(error, text, self.engine.reading.error_format);
        }
        if let Some(path) = &self.report {
            write_report(path, &done)?;
        }
        self.say_end(&done);
        match (broken, &done.error) {
            (Some(error), _) => Err(Stop::Output(error)),
            (None, Some(_)) if is_interrupted() => Err(Stop::Said(INTERRUPTED)),
            (None, Some(_)) => Err(Stop::Said(done.exit_code)),
            (None, None) => Ok(()),
        }
    }

    fn say_end(&self, done: &RunReport) {
        if self.quiet || self.dry_run || self.engine.reading.error_format == ErrorFormat::Json {
            return;
        }
        let of = |status: StepStatus| done.steps.iter().filter(move |step| step.status == status);
        let took = time(done.elapsed);
        match of(StepStatus::Failed).next() {
            Some(failed) => {
                let (number, of) = (failed.number, failed.of);
                anstream::eprintln!("failed at step {number} of {of} after {took}");
            }
            None if done.error.is_some() => {}
            None => {
                let steps = counted(of(StepStatus::Done).count() as u64, "step");
                let skipped = count(of(StepStatus::Skipped).count() as u64);
                anstream::eprintln!("done: {steps} run, {skipped} skipped, {took}");
            }
        }
    }
}

/// There whole or not at all.
fn write_report(path: &Path, done: &RunReport) -> Result<(), Stop> {
    if path.as_os_str() == "-" {
        return answer(&done.to_json());
    }
    write_whole(path, &done.to_json())
}
