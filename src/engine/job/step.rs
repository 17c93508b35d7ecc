//! One statement of a job: what it is, what it means for later ones, and what must be equal for it to be the same in another run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprint;
use super::look::{How, Look, Source, Target};
use super::names::{Meaning, NameSet, Names};
use super::parameters::telling;
use super::report::Input;
use crate::engine::Engine;
use crate::lang::ast::{self, StatementKind};
use crate::lang::{Options, mentioned_names};

/// What a statement is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It leaves something in the session: it runs where a step that runs needs that.
    Session,
    /// It leaves files or changes durable tables, or checks something: it runs where it would not be the same again.
    Lasting,
    /// It answers, or nobody can tell what it did.
    Always,
}

/// The kind of a statement of which is known what it reads and writes.
pub(super) fn kind(statement: &ast::Statement, look: &Look) -> Kind {
    match &statement.kind {
        StatementKind::Declare(_)
        | StatementKind::DeclareParameter(_)
        | StatementKind::SetVariables { .. }
        | StatementKind::CreateConstant(_)
        | StatementKind::CreateFunction(_)
        | StatementKind::CreateTableFunction(_)
        | StatementKind::CreateView(_)
        | StatementKind::CreateExternalTable(_)
        | StatementKind::Import { .. } => Kind::Session,
        StatementKind::Assert { .. } => Kind::Lasting,
        StatementKind::SetSetting { .. }
        | StatementKind::If { .. }
        | StatementKind::Drop(_)
        | StatementKind::Explain(_) => Kind::Always,
        StatementKind::Query(_)
        | StatementKind::CreateTable(_)
        | StatementKind::Insert(_)
        | StatementKind::Table(_) => kind_of_writes(look),
    }
}

fn kind_of_writes(look: &Look) -> Kind {
    let memory = |target: &&Target| matches!(target, Target::Memory(_));
    let in_memory = look.targets.iter().filter(memory).count();
    match (look.answers, in_memory) {
        (true, _) => Kind::Always,
        (false, 0) => Kind::Lasting,
        (false, count) if count == look.targets.len() => Kind::Session,
        (false, _) => Kind::Always,
    }
}

/// The names that a statement makes, changes or takes away, those in the branches of an IF too.
fn made(statement: &ast::Statement, look: &Look) -> Vec<String> {
    let mut names: Vec<String> = match &statement.kind {
        StatementKind::Declare(declare) => words(&declare.names),
        StatementKind::SetVariables { names, .. } => words(names),
        StatementKind::DeclareParameter(declare) => vec![format!("@{}", declare.name.text)],
        StatementKind::CreateConstant(create) => last_word(&create.name),
        StatementKind::CreateFunction(create) => last_word(&create.name),
        StatementKind::CreateTableFunction(create) => last_word(&create.name),
        StatementKind::CreateView(create) => last_word(&create.name),
        StatementKind::CreateExternalTable(create) => last_word(&create.name),
        StatementKind::Drop(drop) => last_word(&drop.name),
        StatementKind::Import { path, name } => vec![match name {
            Some(name) => name.text.clone(),
            None => stem(&path.value),
        }],
        StatementKind::If {
            branches,
            otherwise,
        } => {
            let bodies = branches.iter().map(|(_, body)| body.as_slice());
            let statements = bodies.chain([otherwise.as_slice()]).flatten();
            statements
                .flat_map(|one| made(one, &Look::default()))
                .collect()
        }
        _ => Vec::new(),
    };
    names.extend(look.targets.iter().filter_map(|target| match target {
        Target::Memory(name) | Target::Durable { name, .. } => Some(name.clone()),
        Target::Files(_) => None,
    }));
    names.iter().map(|name| name.to_lowercase()).collect()
}

fn words(names: &[ast::Ident]) -> Vec<String> {
    names.iter().map(|name| name.text.clone()).collect()
}

fn last_word(path: &ast::Path) -> Vec<String> {
    path.parts
        .last()
        .map(|name| name.text.clone())
        .into_iter()
        .collect()
}

fn stem(path: &str) -> String {
    let stem = Path::new(path).file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// What is known at one place of the job.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) names: Names,
    settings: Fingerprint,
    /// Tables that an earlier step of the job makes whole: what is in them follows from the steps since.
    whole: BTreeSet<PathBuf>,
}

/// A statement as it is seen at its place.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The known names that it depends on.
    pub(super) behind: NameSet,
    /// What it reads, itself and through names.
    pub(super) paths: Vec<PathBuf>,
    pub(super) inputs: Vec<Input>,
    pub(super) volatile: bool,
    pub(super) text: Fingerprint,
    /// Of text, names and settings.
    pub(super) frame: Fingerprint,
    /// Of these and of what is read.
    pub(super) fingerprint: Fingerprint,
    pub(super) name_prints: BTreeMap<String, Fingerprint>,
    pub(super) input_prints: BTreeMap<String, String>,
    /// What it makes of names.
    pub(super) meanings: Vec<(String, Meaning)>,
}

impl Place {
    /// Where a job begins that finds these names and settings.
    pub(super) fn start(names: Names, settings: &str) -> Self {
        Place {
            names,
            settings: Fingerprint::of([settings]),
            whole: BTreeSet::new(),
        }
    }

    /// A table that is made whole by a step of the job up to here.
    pub(super) fn is_whole(&self, table: &Path) -> bool {
        self.whole.contains(table)
    }

    /// Looks at a statement; `session` has carried it out, or noted it.
    pub(super) fn see(
        &self,
        session: &Engine,
        statement: &ast::Statement,
        written: &str,
        options: Options,
        look: &Look,
    ) -> Seen {
        let mentions = mentioned_names(written, options);
        let behind = self.names.behind(&mentions);
        let text = Fingerprint::of([written]);
        let counting = behind
            .iter()
            .filter(|(name, _)| !self.is_added_to(name, look));
        let frames: Vec<(&str, Fingerprint)> = counting
            .clone()
            .map(|(name, meaning)| (*name, meaning.frame))
            .collect();
        let frame = frame(text, self.settings, &frames);
        let name_prints: BTreeMap<String, Fingerprint> = counting
            .map(|(name, meaning)| ((*name).to_string(), meaning.fingerprint))
            .collect();
        let own = look.sources.iter().zip(&look.inputs);
        let input_prints: BTreeMap<String, String> = own
            .filter(|(source, _)| !self.follows(source))
            .map(|(_, input)| (input.name.clone(), input.fingerprint.clone()))
            .collect();
        let mut paths: Vec<PathBuf> = look.sources.iter().filter_map(path).collect();
        paths.extend(
            behind
                .values()
                .flat_map(|meaning| meaning.paths.iter().cloned()),
        );
        let mut seen = Seen {
            volatile: look.volatile || behind.values().any(|meaning| meaning.volatile),
            behind: behind.keys().map(|name| (*name).to_string()).collect(),
            paths,
            text,
            frame,
            fingerprint: whole(frame, &name_prints, &input_prints),
            name_prints,
            input_prints,
            inputs: look.inputs.clone(),
            meanings: Vec::new(),
        };
        let only_values = behind.values().all(|meaning| meaning.is_value);
        let is_value =
            only_values && !look.computed && !matches!(statement.kind, StatementKind::If { .. });
        seen.meanings = self.meanings(session, statement, look, &mentions, &seen, is_value);
        seen
    }

    /// Whether rows are added to a table of others, and none of it is read: what else was added to it does not matter.
    fn is_added_to(&self, name: &str, look: &Look) -> bool {
        let is_it = |other: &str| other.to_lowercase() == name;
        let mut written = look.durable().filter(|(other, ..)| is_it(other)).peekable();
        let is_read = look.sources.iter().any(|source| match source {
            Source::Table { name, .. } => is_it(name),
            Source::Files { .. } => false,
        });
        written.peek().is_some()
            && !is_read
            && written.all(|(_, table, how)| how == How::Append && !self.whole.contains(table))
    }

    /// Whether what is read follows from earlier steps of the job alone.
    fn follows(&self, source: &Source) -> bool {
        source
            .table()
            .is_some_and(|table| self.whole.contains(table))
    }

    fn meanings(
        &self,
        session: &Engine,
        statement: &ast::Statement,
        look: &Look,
        mentions: &NameSet,
        seen: &Seen,
        is_value: bool,
    ) -> Vec<(String, Meaning)> {
        let said = session.catalog().session();
        let meaning = |name: String| {
            let told_by = match name.strip_prefix('@') {
                Some(parameter) => {
                    let default = said
                        .parameter(parameter)
                        .and_then(|one| one.default.as_ref());
                    default.map(telling)
                }
                None => said.value(&name).map(|one| format!("{:?}", one.value)),
            };
            if let Some(told_by) = told_by.filter(|_| is_value) {
                return (name, constant(&told_by));
            }
            let mut meaning = Meaning {
                fingerprint: seen.fingerprint,
                frame: seen.frame,
                is_value: false,
                mentions: mentions.clone(),
                paths: look.sources.iter().filter_map(path).collect(),
                volatile: seen.volatile,
            };
            // What the name stood for is in what it stands for now.
            if let Some(older) = self.names.get(&name) {
                meaning.mentions.extend(older.mentions.iter().cloned());
                meaning.paths.extend(older.paths.iter().cloned());
            }
            (name, meaning)
        };
        let made = made(statement, look);
        // The value of a parameter that was given is known from the start.
        let is_given = |name: &String| name.starts_with('@') && self.names.get(name).is_some();
        made.into_iter()
            .filter(|name| !is_given(name))
            .map(meaning)
            .collect()
    }

    /// Goes on to the next statement.
    pub(super) fn pass(&mut self, statement: &ast::Statement, look: &Look, seen: &Seen) {
        for (name, meaning) in &seen.meanings {
            self.names.put(name, meaning.clone());
        }
        for (_, table, how) in look.durable() {
            if how == How::Whole {
                self.whole.insert(table.to_path_buf());
            }
        }
        if matches!(statement.kind, StatementKind::SetSetting { .. }) {
            let (before, own) = (self.settings.to_string(), seen.fingerprint.to_string());
            self.settings = Fingerprint::of([before.as_str(), own.as_str()]);
        }
    }
}

/// A name that stands for a value.
pub(super) fn constant(value: &str) -> Meaning {
    let fingerprint = Fingerprint::of([value]);
    Meaning {
        fingerprint,
        frame: fingerprint,
        is_value: true,
        mentions: NameSet::new(),
        paths: Vec::new(),
        volatile: false,
    }
}

fn path(source: &Source) -> Option<PathBuf> {
    match source {
        Source::Files { path, .. } => Some(PathBuf::from(path)),
        Source::Table { .. } => None,
    }
}

fn frame(text: Fingerprint, settings: Fingerprint, names: &[(&str, Fingerprint)]) -> Fingerprint {
    let mut parts = vec![text.to_string(), settings.to_string()];
    for (name, fingerprint) in names {
        parts.push((*name).to_string());
        parts.push(fingerprint.to_string());
    }
    Fingerprint::of(parts.iter().map(String::as_str))
}

fn whole(
    frame: Fingerprint,
    names: &BTreeMap<String, Fingerprint>,
    inputs: &BTreeMap<String, String>,
) -> Fingerprint {
    let mut parts = vec![frame.to_string(), names.len().to_string()];
    for (name, fingerprint) in names {
        parts.push(name.clone());
        parts.push(fingerprint.to_string());
    }
    for (name, fingerprint) in inputs {
        parts.push(name.clone());
        parts.push(fingerprint.clone());
    }
    Fingerprint::of(parts.iter().map(String::as_str))
}
