//! Jobs: a script run as a whole, with parameters, a memory of what was done before, and a report.
//!
//! A run goes over the statements twice. [`decide`] looks at them on an engine that carries nothing out and says which of them run;
//! [`run`] runs these. For both, [`look`] tells what a statement reads and writes, and [`step`] makes fingerprints of that, with
//! what [`names`] stand for. [`state`] is what lies on the disk between runs, [`report`] what comes out, [`parameters`] what goes in.

mod decide;
mod fingerprint;
mod look;
mod names;
mod parameters;
mod report;
mod run;
mod state;
mod step;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::planning::on_planner_stack;
use super::query::bind;
use super::{Engine, ParamMap, Params, Rows, dry, script};
use crate::error::{Error, Result};
use crate::lang::ast::{self, StatementKind};
use crate::lang::{self, Options};
use crate::plan::bind::Bound;

pub use report::{
    FileState, Input, Output, ParameterOrigin, ParameterReport, RunReport, RunStatus, StepReport,
    StepStatus,
};

pub(super) use look::{Look, is_constant};

/// A script to be run as a whole, see [`Engine::run_script`].
///
/// ```
/// use tidemill::{Engine, Script};
/// let mut batches = Vec::new();
/// let script = Script::new("SELECT 6 * 7 AS answer").on_rows(|rows| {
///     let batch = rows.next().expect("a batch")?;
///     batches.push(batch);
///     Ok(1)
/// });
/// let report = Engine::in_memory()?.run_script(script, ()).into_result()?;
/// assert_eq!((report.steps[0].rows, batches.len()), (1, 1));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[must_use]
pub struct Script<'a> {
    text: String,
    name: String,
    state: Option<PathBuf>,
    force: bool,
    resume: bool,
    timeout: Option<Duration>,
    listeners: Listeners<'a>,
}

type OnStep<'a> = Box<dyn FnMut(&StepReport) + 'a>;
type OnWarning<'a> = Box<dyn FnMut(&Error) + 'a>;
type OnRows<'a> = Box<dyn FnMut(&mut Rows) -> Result<u64> + 'a>;

/// What is told while it runs.
#[derive(Default)]
struct Listeners<'a> {
    step: Option<OnStep<'a>>,
    rows: Option<OnRows<'a>>,
    warning: Option<OnWarning<'a>>,
}

impl<'a> Script<'a> {
    /// A script of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Script {
            text: text.into(),
            name: "script".to_string(),
            state: None,
            force: false,
            resume: false,
            timeout: None,
            listeners: Listeners::default(),
        }
    }

    /// What it is called in reports: the path of its file, if it has one.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Remembers in this directory what was done, so that later runs leave out steps whose text, names and inputs are the same
    /// and whose outputs are as they were left. Only one run at a time has the directory. Without it every step runs.
    pub fn state(mut self, directory: impl Into<PathBuf>) -> Self {
        self.state = Some(directory.into());
        self
    }

    /// Runs every step, whatever was done before.
    pub fn force(mut self, yes: bool) -> Self {
        self.force = yes;
        self
    }

    /// Goes on with the last run if that did not come to its end: with its parameters, and steps that it did stay done though what
    /// they read may have changed since.
    pub fn resume(mut self, yes: bool) -> Self {
        self.resume = yes;
        self
    }

    /// How long the whole run may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Is told of every step when it is over.
    pub fn on_step(mut self, listener: impl FnMut(&StepReport) + 'a) -> Self {
        self.listeners.step = Some(Box::new(listener));
        self
    }

    /// Takes the rows of every result, and says how many it took. Without it they are counted.
    pub fn on_rows(mut self, listener: impl FnMut(&mut Rows) -> Result<u64> + 'a) -> Self {
        self.listeners.rows = Some(Box::new(listener));
        self
    }

    /// Is told what its author should know.
    pub fn on_warning(mut self, listener: impl FnMut(&Error) + 'a) -> Self {
        self.listeners.warning = Some(Box::new(listener));
        self
    }
}

/// What both passes over a script share.
struct Job<'j> {
    engine: &'j Engine,
    text: &'j Arc<str>,
    statements: &'j [ast::Statement],
    params: &'j ParamMap,
    options: Options,
    force: bool,
}

impl Job<'_> {
    /// A statement as it is written.
    fn written(&self, statement: &ast::Statement) -> &str {
        let span = statement.span;
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

impl Engine {
    /// Runs a script as a whole: parameters are checked before anything runs, the first error stops it, and a report says what each
    /// step read, wrote and took. This is what `tidemill run` does.
    ///
    /// Declared parameters must be given unless they have a DEFAULT, and nothing may be given that no statement asks for. Names that
    /// the script makes are left in the engine.
    ///
    /// ```
    /// use tidemill::{Engine, Script, StepStatus, params};
    /// let folder = tempfile::tempdir().unwrap();
    /// let out = folder.path().join("squares.csv");
    /// let text = format!(
    ///     "DECLARE PARAMETER @n INT64 DEFAULT 3;
    ///      CREATE TEMP TABLE numbers AS FROM UNNEST(GENERATE_SERIES(1, @n)) AS n;
    ///      FROM numbers |> SELECT n, n * n AS square |> EXPORT DATA OPTIONS (uri = '{}', overwrite = TRUE);",
    ///     out.display()
    /// );
    /// let script = || Script::new(&text).named("squares.tide").state(folder.path().join("state"));
    /// let report = Engine::in_memory()?.run_script(script(), params! { n: 4 }).into_result()?;
    /// assert_eq!(report.steps[2].rows, 4);
    /// // Nothing changed: the file is as it was left, and nobody needs the table.
    /// let again = Engine::in_memory()?.run_script(script(), params! { n: 4 }).into_result()?;
    /// assert_eq!(again.steps[2].status, StepStatus::Skipped);
    /// assert_eq!(again.steps[1].status, StepStatus::Skipped);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn run_script(&self, script: Script<'_>, params: impl Params) -> RunReport {
        let mut map = ParamMap::new();
        params.bind(&mut map);
        run::run(self, script, &map, false)
    }

    /// Says what [`Engine::run_script`] would do: which steps run and why, what each reads and writes. No row is read and nothing is
    /// written; files are opened to learn their columns.
    ///
    /// ```
    /// use tidemill::{Engine, Script, StepStatus};
    /// let engine = Engine::in_memory()?;
    /// let text = "SELECT 1 AS x |> EXPORT DATA OPTIONS (uri = 'never.csv')";
    /// let plan = engine.plan_script(Script::new(text), ()).into_result()?;
    /// assert_eq!(plan.steps[0].status, StepStatus::Planned);
    /// assert_eq!(plan.steps[0].outputs[0].name, "never.csv");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn plan_script(&self, script: Script<'_>, params: impl Params) -> RunReport {
        let mut map = ParamMap::new();
        params.bind(&mut map);
        run::run(self, script, &map, true)
    }

    /// Notes what a bound statement reads and writes, where somebody wants to know.
    pub(super) fn see(&self, bound: &Bound) -> Result<()> {
        self.noted(|look| look.see(bound))
    }

    /// The same of a row of values; what they are is known where they need nothing but constants.
    pub(super) fn see_values(&self, query: &crate::plan::BoundQuery) -> Result<bool> {
        let constant = is_constant(query);
        self.noted(|look| {
            look.computed |= !constant;
            look.see_query(query)
        })?;
        Ok(constant && self.look().is_some())
    }

    fn noted(&self, note: impl FnOnce(&mut Look) -> Result<()>) -> Result<()> {
        let mut look = self.look();
        let Some(look) = look.as_mut() else {
            return Ok(());
        };
        note(look)?;
        if let Some(database) = self.catalog().database() {
            look.name_directories(|table| database.log(table).directory);
        }
        Ok(())
    }

    fn start_look(&self) {
        *self.look() = Some(Look::default());
    }

    fn end_look(&self) -> Look {
        self.look().take().unwrap_or_default()
    }
}

/// What a statement reads and writes. One that makes names known has done so on the engine, which carries nothing out; what is
/// bound of any other is still to be noted there.
fn look_at(
    job: &Job<'_>,
    engine: &Engine,
    statement: &ast::Statement,
) -> Result<(Look, Option<Bound>)> {
    if let StatementKind::If {
        branches,
        otherwise,
    } = &statement.kind
    {
        return look_at_branches(job, engine, branches, otherwise).map(|look| (look, None));
    }
    let parameters = job.params.parameters();
    engine.start_look();
    let bound = script::run(engine, statement, job.text, parameters).and_then(|done| {
        if done.is_some() {
            return Ok(None);
        }
        let binding = on_planner_stack(|| bind(engine, statement, job.text, parameters))?;
        engine.see(&binding.bound)?;
        Ok(Some(binding.bound))
    });
    let look = engine.end_look();
    Ok((look, bound?))
}

/// Every branch from the same beginning; afterwards what any of them made is known.
fn look_at_branches(
    job: &Job<'_>,
    engine: &Engine,
    branches: &[(ast::Expr, Vec<ast::Statement>)],
    otherwise: &[ast::Statement],
) -> Result<Look> {
    let mut all = Look::default();
    for (condition, _) in branches {
        engine.start_look();
        let checked = script::check_condition(engine, condition, job.text, job.params.parameters());
        all.add(engine.end_look());
        checked?;
    }
    let bodies = branches.iter().map(|(_, body)| body.as_slice());
    let mut ends = Vec::new();
    for body in bodies.chain([otherwise]) {
        let own = engine.dry();
        for statement in body {
            let (look, bound) = look_at(job, &own, statement)?;
            all.add(look);
            if let Some(bound) = bound {
                dry::note(&own, bound)?;
            }
        }
        ends.push(own);
    }
    for end in ends {
        engine.catalog().add_missing(end.catalog());
    }
    Ok(all)
}

/// The statements of a text, on a stack that holds the deepest.
fn parse(text: &Arc<str>, options: Options) -> Result<ast::Script> {
    on_planner_stack(|| lang::parse_with(text, options).map_err(Error::together))
}
