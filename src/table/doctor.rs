//! What is broken in a database, found by reading it and told with the file: nothing is changed.

use std::path::{Path, PathBuf};

use super::database::{Database, DurableTable};
use super::log::TableLog;
use super::mirror::{self, Held};
use super::routes::{HEALTH, clock};
use super::snapshot::Segment;
use super::{checkpoint, ingest, maintain, promote};
use crate::error::Error;
use crate::route::Standing;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Nothing is wrong, and somebody may want to know.
    Note,
    /// Every row is there; what should help when something fails does not.
    Degraded,
    /// Rows are lost or cannot be read, unless a replica has them.
    Broken,
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Which check found it.
    pub(crate) check: &'static str,
    pub(crate) table: Option<String>,
    pub(crate) path: Option<PathBuf>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// What was looked at, and what was found, the worst first.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    pub(crate) tables: u64,
    pub(crate) commits: u64,
    pub(crate) segments: u64,
    pub(crate) bytes: u64,
    pub(crate) findings: Vec<Finding>,
}

/// Looks at every table; with `deep` reads every byte and compares checksums, else sizes only.
pub(crate) fn examine(database: &Database, deep: bool) -> Examined {
    let mut examined = Examined::default();
    if database.routes().is_damaged() {
        let message = "what earlier runs knew of replicas cannot be read; it is learned again";
        let finding = note("health", message.to_string());
        examined.findings.push(Finding {
            path: Some(database.directory().join(HEALTH)),
            ..finding
        });
    }
    match database.names() {
        Ok(names) => {
            for name in names {
                examined.tables += 1;
                Examination {
                    database,
                    name: &name,
                    log: database.log(&name),
                    deep,
                    examined: &mut examined,
                }
                .run();
            }
        }
        Err(error) => {
            let finding = of_error("directory", Severity::Broken, &error);
            examined.findings.push(finding);
        }
    }
    let by_severity = |finding: &Finding| std::cmp::Reverse(finding.severity);
    examined.findings.sort_by_key(by_severity);
    examined
}

fn note(check: &'static str, message: String) -> Finding {
    Finding {
        severity: Severity::Note,
        check,
        table: None,
        path: None,
        message,
        hint: None,
    }
}

fn of_error(check: &'static str, severity: Severity, error: &Error) -> Finding {
    let mut notes = error.notes().iter();
    Finding {
        severity,
        path: error.place().map(|place| place.path.clone()),
        hint: notes
            .find(|(word, _)| *word == "hint")
            .map(|(_, hint)| hint.clone()),
        ..note(check, error.message().to_string())
    }
}

/// One table that is looked at.
struct Examination<'a> {
    database: &'a Database,
    name: &'a str,
    log: TableLog,
    deep: bool,
    examined: &'a mut Examined,
}

impl Examination<'_> {
    fn tell(&mut self, finding: Finding) {
        self.examined.findings.push(Finding {
            table: Some(self.name.to_string()),
            ..finding
        });
    }

    fn run(mut self) {
        self.commits();
        if let Some(promoted) = promote::unfinished(&self.log) {
            self.tell(Finding {
                severity: Severity::Degraded,
                path: Some(promoted),
                hint: Some("reading or writing the table finishes it".to_string()),
                ..note(
                    "promotion",
                    "a replica was promoted and does not know it yet".into(),
                )
            });
            // Looking at the table would finish it, and nothing is to change.
            return;
        }
        if let Err(error) = ingest::read(&self.log) {
            self.tell(of_error("ingest", Severity::Broken, &error));
        }
        self.left_over();
        let table = match self.database.find(self.name) {
            Ok(Some(table)) => table,
            Ok(None) => return self.tell(note("log", "the table has no version".to_string())),
            Err(error) => return self.tell(of_error("log", Severity::Broken, &error)),
        };
        let segments: Vec<_> = table.snapshot.segments().cloned().collect();
        for segment in &segments {
            self.examined.segments += 1;
            self.examined.bytes += segment.add.size as u64;
            self.segment(&table, segment);
        }
        self.replicas(&table);
    }

    /// Every version is there and says what was written.
    fn commits(&mut self) {
        let listing = match self.log.list() {
            Ok(listing) => listing,
            Err(error) => return self.tell(of_error("log", Severity::Broken, &error)),
        };
        for (version, parts) in listing.checkpoints() {
            if let Err(error) = checkpoint::read(&self.log, *version, parts) {
                let mut finding = of_error("checkpoint", Severity::Degraded, &error);
                finding.hint =
                    Some("the log says the same; the next checkpoint replaces it".into());
                self.tell(finding);
            }
        }
        for (version, severity) in listing.gaps() {
            let message = match severity {
                Severity::Note => "versions up to here are gone from the log".to_string(),
                _ => "the log has a gap: this version is missing".to_string(),
            };
            self.tell(Finding {
                severity,
                path: Some(self.log.commit_file(version)),
                hint: (severity > Severity::Note).then(|| "restore this file from a copy".into()),
                ..note("log", message)
            });
        }
        for version in listing.commits() {
            self.examined.commits += 1;
            if let Err(error) = self.log.commit(version) {
                self.tell(of_error("log", Severity::Broken, &error));
            }
        }
    }

    /// Files that writers left which were stopped.
    fn left_over(&mut self) {
        let temporary = maintain::files(&self.log, Path::new(""));
        let temporary = temporary.unwrap_or_default().into_iter();
        let is_temporary = |path: &Path| path.extension().is_some_and(|ending| ending == "tmp");
        for (path, _) in temporary.filter(|(path, _)| is_temporary(path)) {
            self.tell(Finding {
                path: Some(self.log.directory.join(path)),
                hint: Some("VACUUM takes it away a day after it was written".to_string()),
                ..note(
                    "temporary",
                    "a writer that was stopped left this file".into(),
                )
            });
        }
    }

    fn held(&self, log: &TableLog, segment: &Segment) -> Result<Held, Error> {
        mirror::held(log, segment, self.deep)
    }

    fn segment(&mut self, table: &DurableTable, segment: &Segment) {
        let message = match self.held(&table.log, segment) {
            Ok(Held::Whole) => return,
            Ok(Held::Missing) => "a segment is missing".to_string(),
            Ok(Held::Damaged) => "a segment is not what was written".to_string(),
            Err(error) => error.message().to_string(),
        };
        let mut copies = table.snapshot.replicas.iter();
        let whole = copies.find(|replica| {
            replica.projection.is_none() && {
                let log = mirror::check(&table.log, &table.snapshot, replica);
                log.is_ok_and(|log| matches!(self.held(&log, segment), Ok(Held::Whole)))
            }
        });
        let hint = match whole {
            Some(replica) => format!(
                "{} has it whole: ALTER TABLE {} REPAIR",
                replica.name(),
                self.name
            ),
            None => "restore this file from a copy".to_string(),
        };
        let path = segment.file().ok();
        self.tell(Finding {
            severity: Severity::Broken,
            path: path.map(|path| table.log.directory.join(path)),
            hint: Some(hint),
            ..note("segment", message)
        });
    }

    fn replicas(&mut self, table: &DurableTable) {
        let repair = |name: &str| format!("ALTER TABLE {} REPAIR REPLICA '{name}'", self.name);
        let mut found = Vec::new();
        for (name, replica) in table.copies() {
            let seen = table.routes.router.seen(&name, clock());
            if seen.standing != Standing::Closed {
                found.push(Finding {
                    severity: Severity::Degraded,
                    path: Some(PathBuf::from(&name)),
                    hint: Some(repair(&name)),
                    ..note("breaker", "it is left alone after failures".to_string())
                });
            }
            let Some(replica) = replica else {
                continue;
            };
            let log = match mirror::check(&table.log, &table.snapshot, replica) {
                Ok(log) => log,
                Err(error) => {
                    found.push(of_error("replica", Severity::Degraded, &error));
                    continue;
                }
            };
            let (mut missing, mut damaged) = (0, Vec::new());
            for segment in table.snapshot.segments() {
                match mirror::holds(Some(replica), &log, segment, self.deep) {
                    Ok(Held::Whole) => {}
                    Ok(Held::Missing) => missing += 1,
                    Ok(Held::Damaged) | Err(_) => damaged.extend(segment.file()),
                }
            }
            let behind = match &replica.projection {
                // It has no versions, only segments.
                Some(_) => Some(table.snapshot.version),
                None => mirror::version(&log).ok().flatten(),
            };
            let behind = behind.map_or(table.snapshot.version + 1, |version| {
                table.snapshot.version.saturating_sub(version)
            });
            if behind > 0 || missing > 0 {
                let message =
                    format!("a replica lags: {behind} versions behind, {missing} segments missing");
                found.push(Finding {
                    severity: Severity::Degraded,
                    path: Some(log.directory.clone()),
                    hint: Some(repair(&name)),
                    ..note("replica", message)
                });
            }
            found.extend(damaged.into_iter().map(|path| Finding {
                severity: Severity::Degraded,
                path: Some(log.directory.join(path)),
                hint: Some(repair(&name)),
                ..note(
                    "replica",
                    "a copy of a segment is not what was written".into(),
                )
            }));
        }
        found.into_iter().for_each(|finding| self.tell(finding));
    }
}
