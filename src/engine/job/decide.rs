//! Which steps of a job run: decided before the first one does, on an engine that carries nothing out.
//!
//! A lasting step runs where no earlier run did the same step, or what it left is no longer there. It also runs where an earlier
//! step that runs makes anew what it reads, and where a later change of the same table runs: a table that the job makes whole is
//! made by all of its steps together, those after a step that runs and reads it in between too. Steps for the session run where a step that runs mentions what they make.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::fingerprint::{Fingerprint, meets};
use super::look::{How, Look, Source, Target};
use super::state::{DoneStep, Memory};
use super::step::{Kind, Place, Seen, kind};
use super::{Job, look_at};
use crate::engine::{Engine, dry};
use crate::error::{Error, Result};
use crate::lang::ast::{self, StatementKind};

/// What is planned for one statement.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) kind: Kind,
    pub(super) look: Look,
    /// `None` where it could not be looked at.
    pub(super) seen: Option<Seen>,
    pub(super) error: Option<Error>,
    pub(super) runs: bool,
    pub(super) reason: String,
    /// The table of each change that is one of several which make the table whole.
    group: Vec<PathBuf>,
    /// Such tables as an earlier run left them, each with the frame of the step that wrote it last.
    made_with: Vec<(PathBuf, Fingerprint)>,
}

impl Planned {
    fn run(&mut self, reason: impl Into<String>) {
        if !self.runs {
            self.runs = true;
            self.reason = reason.into();
        }
    }
}

/// Plans every step of a job. `place` is where it begins.
pub(super) fn decide(
    job: &Job<'_>,
    mut place: Place,
    memory: Option<&Memory>,
    goes_on: bool,
) -> Result<Vec<Planned>> {
    let engine = job.engine.dry();
    let mut steps = Vec::with_capacity(job.statements.len());
    for statement in job.statements {
        let step = plan(job, &engine, &place, statement, memory, goes_on)?;
        if let Some(seen) = &step.seen {
            place.pass(statement, &step.look, seen);
        }
        steps.push(step);
    }
    if memory.is_none() {
        return Ok(steps);
    }
    // Each round can only add steps that run.
    while follow(&mut steps)
        || together(&mut steps)
        || made_otherwise(&mut steps)
        || needed(&mut steps)
        || read_between(&mut steps)
    {}
    for step in &mut steps {
        if !step.runs && step.kind == Kind::Session {
            step.reason = "no step that runs needs it".to_string();
        }
    }
    Ok(steps)
}

fn plan(
    job: &Job<'_>,
    engine: &Engine,
    place: &Place,
    statement: &ast::Statement,
    memory: Option<&Memory>,
    goes_on: bool,
) -> Result<Planned> {
    let mut step = Planned {
        kind: Kind::Always,
        look: Look::default(),
        seen: None,
        error: None,
        runs: false,
        reason: String::new(),
        group: Vec::new(),
        made_with: Vec::new(),
    };
    let looked = look_at(job, engine, statement);
    let (look, bound) = match looked {
        Ok(looked) => looked,
        Err(error) => return unknown(step, statement, error),
    };
    step.kind = kind(statement, &look);
    let grouped = look.durable().filter(|(_, table, _)| place.is_whole(table));
    step.group = grouped.map(|(_, table, _)| table.to_path_buf()).collect();
    let whole = look.durable().filter(|(.., how)| *how == How::Whole);
    step.group
        .extend(whole.map(|(_, table, _)| table.to_path_buf()));
    step.look = look;
    let written = job.written(statement);
    let seen = place.see(engine, statement, written, job.options, &step.look);
    match memory {
        None => step.run(String::new()),
        Some(memory) => judge(job, statement, &mut step, &seen, memory, goes_on)?,
    }
    step.seen = Some(seen);
    // What a step that does not run would leave is there already.
    if let Some(bound) = bound
        && (step.runs || step.kind == Kind::Session)
        && let Err(error) = dry::note(engine, bound)
    {
        return unknown(step, statement, error);
    }
    Ok(step)
}

/// It may read what an earlier step is still to write: whether it can run is seen when its turn comes.
fn unknown(mut step: Planned, statement: &ast::Statement, error: Error) -> Result<Planned> {
    if is_parameter(statement) {
        return Err(error);
    }
    step.run("what it reads is not known yet");
    step.error = Some(error);
    Ok(step)
}

fn is_parameter(statement: &ast::Statement) -> bool {
    matches!(statement.kind, StatementKind::DeclareParameter(_))
}

fn judge(
    job: &Job<'_>,
    statement: &ast::Statement,
    step: &mut Planned,
    seen: &Seen,
    memory: &Memory,
    goes_on: bool,
) -> Result<()> {
    match step.kind {
        Kind::Session if is_parameter(statement) => step.run("its value is checked every time"),
        Kind::Session => return Ok(()),
        Kind::Always => step.run("it runs every time"),
        Kind::Lasting if job.force => step.run("every step is to run"),
        Kind::Lasting if seen.volatile => {
            step.run("it asks for the time, for chance, or for rows that cannot be compared");
        }
        Kind::Lasting => {}
    }
    if step.runs {
        return Ok(());
    }
    let done_before = memory
        .run
        .as_ref()
        .filter(|run| goes_on && run.done.contains(&seen.frame));
    let known = match done_before {
        Some(_) => memory
            .steps
            .iter()
            .rev()
            .find(|done| done.frame == seen.frame),
        None => memory.find(seen.fingerprint),
    };
    match known {
        None => step.run(why(seen, memory)),
        Some(done) => match done.not_as_left(job.engine)? {
            Some(reason) => step.run(reason),
            None => {
                step.made_with = done.made_with();
                step.reason = match done_before {
                    Some(_) => "it was done by the run that this one goes on with",
                    None => "nothing changed since it was done",
                }
                .to_string();
            }
        },
    }
    Ok(())
}

/// What is not as it was when the step was done last.
fn why(seen: &Seen, memory: &Memory) -> String {
    let mut done = memory.steps.iter().rev();
    let Some(before) = done.find(|done| done.text == seen.text) else {
        return "it was not done before in this form".to_string();
    };
    changed(seen, before).unwrap_or_else(|| "a setting changed".to_string())
}

fn changed(seen: &Seen, before: &DoneStep) -> Option<String> {
    let input = seen.input_prints.iter();
    let mut input = input.filter(|(name, print)| before.inputs.get(*name) != Some(print));
    if let Some((name, _)) = input.next() {
        return Some(format!("{name} changed"));
    }
    let names = seen.name_prints.iter();
    // A value says more than the names behind it.
    let changed: Vec<&String> = names
        .filter(|(name, print)| before.names.get(*name) != Some(print))
        .map(|(name, _)| name)
        .collect();
    let parameter = changed.iter().find(|name| name.starts_with('@'));
    let gone = before
        .inputs
        .keys()
        .find(|name| !seen.input_prints.contains_key(*name));
    parameter
        .or(changed.first())
        .map(|name| format!("{name} changed"))
        .or_else(|| gone.map(|name| format!("{name} is no longer read")))
}

/// Has steps run that read what a step before them makes anew; whether there was one.
fn follow(steps: &mut [Planned]) -> bool {
    let mut any = false;
    for later in 1..steps.len() {
        if steps[later].runs || steps[later].kind != Kind::Lasting {
            continue;
        }
        let cause = (0..later).find(|earlier| {
            let earlier = &steps[*earlier];
            earlier.runs && earlier.kind != Kind::Session && bears_on(earlier, &steps[later])
        });
        if let Some(cause) = cause {
            steps[later].run(format!("step {} runs, which bears on it", cause + 1));
            any = true;
        }
    }
    any
}

fn bears_on(earlier: &Planned, later: &Planned) -> bool {
    let (Some(before), Some(after)) = (&earlier.seen, &later.seen) else {
        // Nobody knows what the earlier one does.
        return true;
    };
    let by_name = before.meanings.iter().any(|(name, _)| {
        after.behind.contains(name) && !(only_adds(earlier, name) && only_adds(later, name))
    });
    let by_path = earlier.look.targets.iter().any(|target| {
        let mut paths = after.paths.iter();
        paths.any(|path| meets(target, path)) || same_files(target, &later.look)
    });
    by_name || by_path
}

fn same_files(target: &Target, later: &Look) -> bool {
    matches!(target, Target::Files(_)) && later.targets.contains(target)
}

/// Rows are added to the table and none of it is read.
fn only_adds(step: &Planned, table: &str) -> bool {
    let is_it = |name: &str| name.to_lowercase() == table;
    let mut written = step
        .look
        .durable()
        .filter(|(name, ..)| is_it(name))
        .peekable();
    let reads = step.look.sources.iter().any(|source| match source {
        Source::Table { name, .. } => is_it(name),
        Source::Files { .. } => false,
    });
    written.peek().is_some() && !reads && written.all(|(.., how)| how == How::Append)
}

/// Has the steps run that make a table together with one that runs; whether there was one.
fn together(steps: &mut [Planned]) -> bool {
    let running: Vec<(usize, PathBuf)> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.runs)
        .flat_map(|(at, step)| step.group.iter().map(move |table| (at, table.clone())))
        .collect();
    let mut any = false;
    for (at, table) in running {
        let first = (0..=at)
            .rev()
            .find(|earlier| makes_whole(&steps[*earlier].look, &table));
        for step in &mut steps[first.unwrap_or(at)..at] {
            if !step.runs && step.group.contains(&table) {
                step.run(format!("it makes a table together with step {}", at + 1));
                any = true;
            }
        }
    }
    any
}

fn makes_whole(look: &Look, table: &Path) -> bool {
    let mut written = look.durable();
    written.any(|(_, other, how)| other == table && how == How::Whole)
}

/// Has steps run that made a table whose last change is no longer one of the job; whether there was one.
fn made_otherwise(steps: &mut [Planned]) -> bool {
    let last_frame = |table: &Path| {
        let mut later = steps.iter().rev();
        let last = later.find(|step| step.look.durable().any(|(_, other, _)| other == table));
        last.and_then(|step| step.seen.as_ref())
            .map(|seen| seen.frame)
    };
    let is_otherwise = |step: &Planned| {
        let mut tables = step.made_with.iter();
        !step.runs && tables.any(|(table, by)| last_frame(table) != Some(*by))
    };
    let Some(at) = steps.iter().position(is_otherwise) else {
        return false;
    };
    steps[at].run("the steps that make the table are others");
    true
}

/// Has the steps run that change a table after one that runs has read it: as it was in between it is only while the table is made.
/// Whether there was one.
fn read_between(steps: &mut [Planned]) -> bool {
    let mut made: BTreeSet<PathBuf> = BTreeSet::new();
    let mut read: Vec<(usize, PathBuf)> = Vec::new();
    let mut any = false;
    for (at, step) in steps.iter_mut().enumerate() {
        let reader = read.iter().find(|(_, table)| step.group.contains(table));
        if let (Some((reader, _)), false) = (reader, step.runs) {
            let reader = reader + 1;
            step.run(format!("step {reader} reads the table as it is before"));
            any = true;
        }
        made.extend(step.group.iter().cloned());
        if step.runs {
            let tables = step.look.sources.iter().filter_map(Source::table);
            let tables = tables.filter(|table| made.contains(*table));
            read.extend(tables.map(|table| (at, table.to_path_buf())));
        }
    }
    any
}

/// Has steps for the session run where one that runs needs them; whether there was one.
fn needed(steps: &mut [Planned]) -> bool {
    let mut any = false;
    for at in (0..steps.len()).rev() {
        if steps[at].runs || steps[at].kind != Kind::Session {
            continue;
        }
        let Some(seen) = &steps[at].seen else {
            continue;
        };
        let makes = |name: &String| seen.meanings.iter().any(|(made, _)| made == name);
        let user = (at + 1..steps.len()).find(|later| {
            let later = &steps[*later];
            // Of a step that could not be looked at nobody knows what it needs.
            later.runs
                && later
                    .seen
                    .as_ref()
                    .is_none_or(|seen| seen.behind.iter().any(makes))
        });
        if let Some(user) = user {
            steps[at].run(format!("step {} needs it", user + 1));
            any = true;
        }
    }
    any
}

/// The steps of a run that are remembered: those that another run could leave out.
pub(super) fn is_kept(statement: &ast::Statement, look: &Look, seen: &Seen) -> bool {
    kind(statement, look) == Kind::Lasting && !seen.volatile
}

/// The frames of the steps that need not run.
pub(super) fn frames_done(steps: &[Planned]) -> Vec<Fingerprint> {
    let done = steps
        .iter()
        .filter(|step| !step.runs && step.kind == Kind::Lasting);
    done.filter_map(|step| step.seen.as_ref().map(|seen| seen.frame))
        .collect()
}
