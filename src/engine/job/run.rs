//! One run of a script, from parameters to report.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::decide::{Planned, decide, frames_done, is_kept};
use super::fingerprint::{Fingerprint, output};
use super::look::How;
use super::look::{Look, Target};
use super::names::Names;
use super::parameters::{self, Declared, as_argument, declared, reported, telling};
use super::report::{
    Output, ParameterOrigin, ParameterReport, RunReport, RunStatus, StepReport, StepStatus,
};
use super::state::{DoneStep, LastRun, Left, Memory, State};
use super::step::{Place, Seen, constant};
use super::{Job, Listeners, Script, parse};
use crate::engine::{Engine, Metrics, Outcome, ParamMap, query};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang::ast;
use crate::plan::bind::as_declared;

/// Characters of a statement that a report shows.
const SHOWN: usize = 60;

/// Runs a script, or looks at what a run would do.
pub(super) fn run(
    engine: &Engine,
    script: Script<'_>,
    params: &ParamMap,
    only_look: bool,
) -> RunReport {
    let began = Instant::now();
    let mut report = RunReport {
        script: script.name.clone(),
        text_hash: Fingerprint::of([script.text.as_str()]).to_string(),
        status: RunStatus::Failed,
        exit_code: 0,
        started_unix_ms: now_ms(),
        elapsed: Duration::ZERO,
        resumed: false,
        parameters: Vec::new(),
        warnings: Vec::new(),
        steps: Vec::new(),
        error: None,
        error_at: None,
    };
    let text: Arc<str> = Arc::from(script.text.as_str());
    let _deadline = script.timeout.map(|timeout| WholeRun::new(engine, timeout));
    if let Err(error) = run_into(&mut report, engine, script, &text, params, only_look) {
        report.exit_code = error.exit_code();
        report.error_at = error.span().map(|span| {
            let (line, column) = span.line_and_column(&text);
            format!("{}:{line}:{column}", report.script)
        });
        report.error = Some(error);
    } else {
        report.status = match only_look {
            true => RunStatus::Planned,
            false => RunStatus::Done,
        };
    }
    report.elapsed = began.elapsed();
    report
}

/// While it is there, every query of the engine ends when the run's time is over.
struct WholeRun<'e>(&'e Engine);

impl<'e> WholeRun<'e> {
    fn new(engine: &'e Engine, timeout: Duration) -> Self {
        *engine.run_ends() = Instant::now().checked_add(timeout);
        WholeRun(engine)
    }
}

impl Drop for WholeRun<'_> {
    fn drop(&mut self) {
        *self.0.run_ends() = None;
    }
}

fn run_into(
    report: &mut RunReport,
    engine: &Engine,
    script: Script<'_>,
    text: &Arc<str>,
    params: &ParamMap,
    only_look: bool,
) -> Result<()> {
    let options = engine.lang_options();
    let parsed = parse(text, options)?;
    let asked = declared(&parsed.statements, text);
    let (state, mut memory) = recalled(&script, report, only_look)?;
    let goes_on = script.resume && memory.as_ref().is_some_and(Memory::is_unfinished);
    let params = match memory.as_ref().and_then(|memory| memory.run.as_ref()) {
        Some(run) if goes_on => parameters::resumed(params, &run.parameters)?,
        _ => params.clone(),
    };
    if script.resume && !goes_on {
        let none = "there is no run to go on with: this one begins at the first step";
        report.warnings.push(none.to_string());
    }
    report.resumed = goes_on;
    parameters::check(&asked, text, options, &params)?;
    let job = Job {
        engine,
        text,
        statements: &parsed.statements,
        params: &params,
        options,
        force: script.force,
    };
    let settings = format!("{:?}", engine.catalog().session().settings);
    let start = Place::start(given_names(engine, &asked, &params), &settings);
    let planned = decide(&job, start.clone(), memory.as_ref(), goes_on)?;
    if only_look {
        report.steps = steps_of(&job, &planned);
        report.parameters = values(&asked, engine, &job, goes_on)?;
        let mut failed = planned.into_iter().filter_map(|step| step.error);
        return match failed.find(|error| error.code() != "TM0703") {
            Some(error) => Err(error),
            None => Ok(()),
        };
    }
    report.parameters = values(&asked, engine, &job, goes_on)?;
    if let Some(memory) = &mut memory {
        memory.begin(&asked, report, &params, frames_done(&planned));
    }
    let mut run = Run {
        job: &job,
        place: start,
        state: state.as_ref(),
        memory: memory.as_mut(),
        listeners: script.listeners,
        cancels: engine.0.cancels.load(Ordering::Relaxed),
        of_run: Vec::new(),
    };
    run.remember()?;
    run.steps(report, planned)?;
    if let Some(last) = run.memory.as_mut().and_then(|memory| memory.run.as_mut()) {
        last.finished = true;
    }
    run.remember()
}

impl Memory {
    /// The last run failed, or was killed.
    fn is_unfinished(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.finished)
    }

    fn begin(
        &mut self,
        asked: &[Declared<'_>],
        report: &RunReport,
        params: &ParamMap,
        done: Vec<Fingerprint>,
    ) {
        let named = params.parameters().named.iter();
        let mut parameters: std::collections::BTreeMap<String, String> = named
            .map(|(name, value)| (name.to_lowercase(), as_argument(value)))
            .collect();
        // What a DEFAULT gave is the same when the run goes on tomorrow.
        for (one, reported) in asked.iter().zip(&report.parameters) {
            let text = match &reported.value {
                Some(text) => format!("'{}'", text.replace('\'', "''")),
                None => "null".to_string(),
            };
            parameters.entry(one.name.to_lowercase()).or_insert(text);
        }
        self.run = Some(LastRun {
            finished: false,
            parameters,
            done,
        });
    }
}

/// What earlier runs left, with the lock where this one may write.
fn recalled(
    script: &Script<'_>,
    report: &mut RunReport,
    only_look: bool,
) -> Result<(Option<State>, Option<Memory>)> {
    let Some(directory) = &script.state else {
        return Ok((None, None));
    };
    let whole = std::path::absolute(&script.name);
    let whole = whole.map_or_else(|_| script.name.clone(), |path| path.display().to_string());
    let state = match only_look {
        true => State::to_read(directory, &whole),
        false => State::lock(directory, &whole)?,
    };
    let (memory, complaint) = state.read(&whole)?;
    report.warnings.extend(complaint);
    Ok((Some(state), Some(memory)))
}

/// What a job finds when it begins: values of parameters, and tables that a program put in.
fn given_names(engine: &Engine, asked: &[Declared<'_>], params: &ParamMap) -> Names {
    let mut names = Names::default();
    for (name, value) in &params.parameters().named {
        let is_declared = asked.iter().any(|one| one.name.eq_ignore_ascii_case(name));
        let told_by = match is_declared {
            true => telling(value),
            false => format!("{value:?}"),
        };
        names.put(&format!("@{name}"), constant(&told_by));
    }
    let positional = &params.parameters().positional;
    if !positional.is_empty() {
        names.put("?", constant(&format!("{positional:?}")));
    }
    for name in engine.catalog().session_names() {
        // Nobody can tell whether its rows are those of another run.
        let mut meaning = constant("registered");
        meaning.volatile = true;
        meaning.is_value = false;
        names.put(&name, meaning);
    }
    names
}

/// The values of declared parameters; a DEFAULT that cannot be computed yet has none.
fn values(
    asked: &[Declared<'_>],
    engine: &Engine,
    job: &Job<'_>,
    goes_on: bool,
) -> Result<Vec<ParameterReport>> {
    let dry = engine.dry();
    for statement in job.statements {
        if matches!(statement.kind, ast::StatementKind::DeclareParameter(_)) {
            super::look_at(job, &dry, statement)?;
        }
    }
    let session = dry.catalog().session();
    let mut reports = Vec::new();
    for one in asked {
        let Some(parameter) = session.parameter(one.name) else {
            continue;
        };
        let mut given = job.params.parameters().named.iter();
        let given = given.find(|(name, _)| name.eq_ignore_ascii_case(one.name));
        let (value, origin) = match (given, &parameter.default) {
            (Some((_, value)), _) => (
                as_declared(value, parameter, one.span())?,
                match goes_on {
                    true => ParameterOrigin::Resumed,
                    false => ParameterOrigin::Given,
                },
            ),
            (None, Some(value)) => (value.clone(), ParameterOrigin::Default),
            (None, None) => continue,
        };
        reports.push(reported(one, &value, origin));
    }
    Ok(reports)
}

/// What the steps would do.
fn steps_of(job: &Job<'_>, planned: &[Planned]) -> Vec<StepReport> {
    let numbered = job.statements.iter().zip(planned).enumerate();
    let reports = numbered.map(|(at, (statement, step))| {
        let mut report = blank(job, at, statement, step);
        report.status = match step.runs {
            true => StepStatus::Planned,
            false => StepStatus::Skipped,
        };
        report.outputs = step.look.targets.iter().filter_map(to_be).collect();
        report.error = step.error.clone();
        report
    });
    reports.collect()
}

/// Something that would be written.
fn to_be(target: &Target) -> Option<Output> {
    let name = match target {
        Target::Files(path) => path.display().to_string(),
        Target::Durable { name, .. } => name.clone(),
        Target::Memory(_) => return None,
    };
    Some(planned_output(name))
}

fn planned_output(name: String) -> Output {
    Output {
        name,
        version: None,
        file_count: 0,
        bytes: 0,
        fingerprint: String::new(),
        files: Vec::new(),
    }
}

fn blank(job: &Job<'_>, at: usize, statement: &ast::Statement, step: &Planned) -> StepReport {
    let written = job.written(statement);
    StepReport {
        number: at + 1,
        of: job.statements.len(),
        line: statement.span.line_and_column(job.text).0,
        statement: shortened(written),
        text_hash: Fingerprint::of([written]).to_string(),
        status: StepStatus::NotRun,
        reason: step.reason.clone(),
        inputs: step
            .seen
            .as_ref()
            .map(|seen| seen.inputs.clone())
            .unwrap_or_default(),
        outputs: Vec::new(),
        rows_read: 0,
        bytes_read: 0,
        rows_rejected: 0,
        values_nulled: 0,
        rows: 0,
        elapsed: Duration::ZERO,
        memory_bytes_max: 0,
        spilled_bytes: 0,
        error: None,
        span: statement.span,
    }
}

fn shortened(statement: &str) -> String {
    let words: Vec<&str> = statement.split_whitespace().take(SHOWN).collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The steps of one run, as they go on.
struct Run<'r, 'a> {
    job: &'r Job<'r>,
    place: Place,
    state: Option<&'r State>,
    memory: Option<&'r mut Memory>,
    listeners: Listeners<'a>,
    /// How often the engine's queries were cancelled before the run began.
    cancels: u64,
    /// The steps that this run did.
    of_run: Vec<Fingerprint>,
}

impl Run<'_, '_> {
    fn steps(&mut self, report: &mut RunReport, planned: Vec<Planned>) -> Result<()> {
        let mut failed = None;
        for (at, (statement, step)) in self.job.statements.iter().zip(planned).enumerate() {
            let mut now = blank(self.job, at, statement, &step);
            if failed.is_none() {
                if step.runs {
                    failed = self.step(statement, &mut now).err();
                } else {
                    now.status = StepStatus::Skipped;
                    self.pass_over(statement, &step);
                }
                if let Some(error) = &failed {
                    now.status = StepStatus::Failed;
                    now.error = Some(error.clone());
                }
                if let Some(listener) = &mut self.listeners.step {
                    listener(&now);
                }
            }
            report.steps.push(now);
        }
        failed.map_or(Ok(()), Err)
    }

    fn pass_over(&mut self, statement: &ast::Statement, step: &Planned) {
        if let Some(seen) = &step.seen {
            self.place.pass(statement, &step.look, seen);
        }
    }

    fn step(&mut self, statement: &ast::Statement, report: &mut StepReport) -> Result<()> {
        let engine = self.job.engine;
        self.may_go_on(statement.span)?;
        let (began, before) = (Instant::now(), engine.metrics());
        engine.0.budget.peak_since_asked();
        engine.start_look();
        let done = self.carry_out(statement, report);
        let look = engine.end_look();
        measure(report, &before, engine);
        report.elapsed = began.elapsed();
        done?;
        report.status = StepStatus::Done;
        let written = self.job.written(statement);
        let seen = self
            .place
            .see(engine, statement, written, self.job.options, &look);
        report.inputs.clone_from(&seen.inputs);
        let frame = seen.frame;
        report.outputs = self
            .left(&look, frame)?
            .iter()
            .map(|(output, _)| output.clone())
            .collect();
        self.keep(statement, &look, &seen)?;
        self.place.pass(statement, &look, &seen);
        Ok(())
    }

    /// A run that was cancelled, or whose time is over, stops between two steps as well.
    fn may_go_on(&self, place: Span) -> Result<()> {
        let engine = self.job.engine;
        if engine.0.cancels.load(Ordering::Relaxed) != self.cancels {
            let message = "the run was cancelled";
            return Err(Error::new(ErrorKind::Cancelled, "TM0507", message).at(place));
        }
        let ends = *engine.run_ends();
        if ends.is_some_and(|ends| ends <= Instant::now()) {
            let message = "the run took longer than its timeout";
            return Err(Error::new(ErrorKind::Timeout, "TM0512", message).at(place));
        }
        Ok(())
    }

    fn carry_out(&mut self, statement: &ast::Statement, report: &mut StepReport) -> Result<()> {
        let parameters = self.job.params.parameters();
        let outcome = query::run_statement(self.job.engine, statement, self.job.text, parameters)?;
        self.outcome(outcome, report)
    }

    fn outcome(&mut self, outcome: Outcome, report: &mut StepReport) -> Result<()> {
        match outcome {
            Outcome::Several(outcomes) => outcomes
                .into_iter()
                .try_for_each(|outcome| self.outcome(outcome, report)),
            Outcome::Done(summary) => {
                self.warn(&summary.warnings);
                report.rows += summary.rows;
                Ok(())
            }
            Outcome::Rows(mut rows) => {
                self.warn(rows.warnings());
                report.rows += match &mut self.listeners.rows {
                    Some(listener) => listener(&mut rows)?,
                    None => 0,
                };
                for batch in rows.by_ref() {
                    report.rows += batch?.num_rows() as u64;
                }
                self.warn(&rows.notes());
                Ok(())
            }
        }
    }

    fn warn(&mut self, warnings: &[Error]) {
        if let Some(listener) = &mut self.listeners.warning {
            warnings.iter().for_each(listener);
        }
    }

    /// What the step left, for the report and for the next run.
    fn left(&self, look: &Look, frame: Fingerprint) -> Result<Vec<(Output, Left)>> {
        let mut all = Vec::new();
        for target in &look.targets {
            match target {
                Target::Memory(_) => {}
                Target::Files(path) => {
                    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                    if let Some(output) = output(&path)? {
                        let fingerprint = output.fingerprint.clone();
                        all.push((output, Left::Files { path, fingerprint }));
                    }
                }
                Target::Durable {
                    name, directory, ..
                } => {
                    let Some(table) = self.job.engine.catalog().find_kept(name)? else {
                        continue;
                    };
                    let version = table.snapshot.version;
                    let output = Output {
                        version: Some(version),
                        ..planned_output(name.clone())
                    };
                    let whole = look
                        .durable()
                        .any(|(_, other, how)| other == directory && how == How::Whole);
                    let left = Left::Table {
                        name: table.name.clone(),
                        directory: table.log.directory.clone(),
                        version,
                        exact: whole || self.place.is_whole(directory),
                        by: frame,
                    };
                    all.push((output, left));
                }
            }
        }
        Ok(all)
    }

    /// Remembers a step that another run could leave out.
    fn keep(&mut self, statement: &ast::Statement, look: &Look, seen: &Seen) -> Result<()> {
        let kept = self.memory.is_some() && is_kept(statement, look, seen);
        let outputs = match kept {
            true => self
                .left(look, seen.frame)?
                .into_iter()
                .map(|(_, left)| left)
                .collect(),
            false => Vec::new(),
        };
        let Some(memory) = self.memory.as_mut() else {
            return Ok(());
        };
        for left in &outputs {
            if let Left::Table {
                directory,
                version,
                exact: true,
                ..
            } = left
            {
                memory.rewritten(&self.of_run, directory, (*version, seen.frame));
            }
        }
        if kept {
            memory.add(DoneStep {
                frame: seen.frame,
                fingerprint: seen.fingerprint,
                text: seen.text,
                names: seen.name_prints.clone(),
                inputs: seen.input_prints.clone(),
                outputs,
            });
            self.of_run.push(seen.fingerprint);
            if let Some(run) = &mut memory.run {
                run.done.push(seen.frame);
            }
            self.remember()?;
        }
        Ok(())
    }

    fn remember(&self) -> Result<()> {
        match (self.state, &self.memory) {
            (Some(state), Some(memory)) => state.write(memory),
            _ => Ok(()),
        }
    }
}

/// What the engine did since.
fn measure(report: &mut StepReport, before: &Metrics, engine: &Engine) {
    let now = engine.metrics();
    report.rows_read = now.rows_read - before.rows_read;
    report.bytes_read = now.bytes_read - before.bytes_read;
    let read = now.read.since(&before.read);
    report.rows_rejected = read.rejected;
    report.values_nulled = read.nulled;
    report.spilled_bytes = now.spilled_bytes - before.spilled_bytes;
    report.memory_bytes_max = engine.0.budget.peak_since_asked() as u64;
}
