//! What a statement reads and writes, taken from its plans while it is bound.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::{MemTable, source_as_provider};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use super::fingerprint::input;
use super::report::Input;
use crate::catalog::durable::{ChangedRows, SnapshotTable};
use crate::catalog::files::FileTable;
use crate::catalog::shared::SharedRows;
use crate::error::Result;
use crate::plan::BoundQuery;
use crate::plan::bind::{Bound, DurableChange, Step, WriteTarget};
use crate::table::database::DurableTable;

/// What a statement reads and writes.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Look {
    pub(super) sources: Vec<Source>,
    /// Each source as it was when it was seen.
    pub(super) inputs: Vec<Input>,
    pub(super) targets: Vec<Target>,
    /// Rows or lines for whoever runs it.
    pub(super) answers: bool,
    /// It asks for the time, for chance, or for rows that nobody can compare with those of another run.
    pub(super) volatile: bool,
    /// The value of a variable was computed from more than constants.
    pub(super) computed: bool,
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Files {
        path: String,
        /// Each with its size and its version, if it lies on another machine.
        files: Vec<(PathBuf, Option<(u64, String)>)>,
    },
    Table {
        name: String,
        directory: PathBuf,
        version: u64,
    },
}

impl Source {
    /// Where the table lies.
    pub(super) fn table(&self) -> Option<&Path> {
        match self {
            Source::Table { directory, .. } => Some(directory),
            Source::Files { .. } => None,
        }
    }
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A file, or a folder of files.
    Files(PathBuf),
    /// A table of the session.
    Memory(String),
    Durable {
        name: String,
        directory: PathBuf,
        how: How,
    },
}

/// How a durable table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// What was there is gone: doing it again gives the same.
    Whole,
    /// Rows are added to it.
    Append,
    /// Rows change, which depends on those that are there.
    Change,
}

impl Look {
    /// Adds what a bound statement reads and writes.
    pub(super) fn see(&mut self, bound: &Bound) -> Result<()> {
        match bound {
            Bound::Query(query) => {
                self.answers = true;
                self.see_query(query)
            }
            Bound::Steps(steps) => steps.iter().try_for_each(|step| self.see_step(step)),
            Bound::Table(change) => self.see_change(change),
            Bound::CreateView { query, .. } => self.see_query(query),
            Bound::CreateExternalTable { provider, .. } => {
                self.see_provider(provider);
                Ok(())
            }
            Bound::Explain { statement, .. } => {
                let mut inner = Look::default();
                inner.see(statement)?;
                inner.targets.clear();
                inner.answers = true;
                self.add(inner);
                Ok(())
            }
            Bound::ExplainSteps { .. }
            | Bound::ExplainLineage { .. }
            | Bound::ExplainRoute { .. } => {
                self.answers = true;
                Ok(())
            }
        }
    }

    fn see_step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Share { query, .. } => self.see_query(query),
            Step::Answer(query) | Step::Log(query) => {
                self.answers = true;
                self.see_query(query)
            }
            Step::Write { target, query, .. } => {
                self.targets.push(written(target));
                self.see_query(query)
            }
        }
    }

    fn see_change(&mut self, change: &DurableChange) -> Result<()> {
        let (table, how) = match change {
            DurableChange::Rewrite(rewrite) => {
                let shared = rewrite.shared.iter().map(|(_, query)| query);
                let queries = shared
                    .chain(&rewrite.touched)
                    .chain(&rewrite.kept)
                    .chain(&rewrite.added);
                queries
                    .into_iter()
                    .try_for_each(|query| self.see_query(query))?;
                (&rewrite.table, How::Change)
            }
            DurableChange::Truncate(table) => (table, How::Whole),
            // They keep the rows that are there, and whether there is anything to do only the table knows.
            DurableChange::Optimize { table, .. }
            | DurableChange::Vacuum { table, .. }
            | DurableChange::Verify(table)
            | DurableChange::Restore { table, .. }
            | DurableChange::Reshard { table, .. }
            | DurableChange::Redefine { table, .. }
            | DurableChange::AddReplica { table, .. }
            | DurableChange::DropReplica { table, .. }
            | DurableChange::Promote { table, .. }
            | DurableChange::Repair { table, .. } => {
                self.answers = true;
                (table, How::Change)
            }
        };
        if how == How::Change {
            self.read(read_table(table));
        }
        self.targets.push(written_table(table, how));
        Ok(())
    }

    /// Adds what a query reads.
    pub(super) fn see_query(&mut self, query: &BoundQuery) -> Result<()> {
        query.plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                self.see_provider(&source_as_provider(&scan.source)?);
            }
            node.apply_expressions(|expr| {
                expr.apply(|part| {
                    self.volatile |= is_volatile(part);
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(())
    }

    fn see_provider(&mut self, provider: &Arc<dyn TableProvider>) {
        if let Some(files) = provider.downcast_ref::<FileTable>() {
            self.read(Source::Files {
                path: files.path().to_string(),
                files: files
                    .files()
                    .iter()
                    .map(|file| {
                        let version = file.data.version();
                        let state = version.map(|version| (file.data.byte_count(), version));
                        (PathBuf::from(&file.path), state)
                    })
                    .collect(),
            });
        } else if let Some(durable) = provider.downcast_ref::<SnapshotTable>() {
            self.read(read_table(&durable.table));
        } else if let Some(changes) = provider.downcast_ref::<ChangedRows>() {
            self.read(read_table(changes.table()));
        } else {
            // Tables in memory are known by the steps that made them.
            let known = provider.downcast_ref::<MemTable>().is_some()
                || provider.downcast_ref::<SharedRows>().is_some();
            self.volatile |= !known;
        }
    }

    fn read(&mut self, source: Source) {
        if self.sources.contains(&source) {
            return;
        }
        match input(&source) {
            Ok(input) => {
                self.inputs.push(input);
                self.sources.push(source);
            }
            // Standard input is no file that could be compared with that of another run.
            Err(_) => self.volatile = true,
        }
    }

    /// Adds what another statement reads and writes.
    pub(super) fn add(&mut self, other: Look) {
        for (source, input) in other.sources.into_iter().zip(other.inputs) {
            if !self.sources.contains(&source) {
                self.sources.push(source);
                self.inputs.push(input);
            }
        }
        self.targets.extend(other.targets);
        self.answers |= other.answers;
        self.volatile |= other.volatile;
        self.computed |= other.computed;
    }

    /// Says where the tables lie that are still to be made.
    pub(super) fn name_directories(&mut self, directory_of: impl Fn(&str) -> PathBuf) {
        for target in &mut self.targets {
            if let Target::Durable {
                name, directory, ..
            } = target
                && directory.as_os_str().is_empty()
            {
                *directory = directory_of(name);
            }
        }
    }

    /// The durable tables that it writes.
    pub(super) fn durable(&self) -> impl Iterator<Item = (&str, &Path, How)> {
        self.targets.iter().filter_map(|target| match target {
            Target::Durable {
                name,
                directory,
                how,
            } => Some((name.as_str(), directory.as_path(), *how)),
            _ => None,
        })
    }
}

/// Whether the value may be another in another run.
fn is_volatile(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
        other => other.is_volatile_node(),
    }
}

/// Whether a row of values needs nothing but constants and functions.
pub(in crate::engine) fn is_constant(query: &BoundQuery) -> bool {
    let LogicalPlan::Projection(projection) = &query.plan else {
        return false;
    };
    let mut constant = matches!(&*projection.input, LogicalPlan::EmptyRelation(_));
    for expr in &projection.expr {
        let walked = expr.apply(|part| {
            constant &= !matches!(
                part,
                Expr::ScalarSubquery(_)
                    | Expr::Exists(_)
                    | Expr::InSubquery(_)
                    | Expr::SetComparison(_)
            );
            Ok(TreeNodeRecursion::Continue)
        });
        constant &= walked.is_ok();
    }
    constant
}

fn read_table(table: &DurableTable) -> Source {
    Source::Table {
        name: table.name.clone(),
        directory: table.log.directory.clone(),
        version: table.snapshot.version,
    }
}

fn written_table(table: &DurableTable, how: How) -> Target {
    Target::Durable {
        name: table.name.clone(),
        directory: table.log.directory.clone(),
        how,
    }
}

fn written(target: &WriteTarget) -> Target {
    match target {
        WriteTarget::CreateTable { name, .. } | WriteTarget::Insert { name, .. } => {
            Target::Memory(name.clone())
        }
        WriteTarget::CreateDurable(new) => Target::Durable {
            name: new.name.clone(),
            directory: PathBuf::new(),
            how: match new.if_not_exists {
                true => How::Append,
                false => How::Whole,
            },
        },
        WriteTarget::InsertDurable(table) => written_table(table, How::Append),
        WriteTarget::OverwriteDurable(table, _) => written_table(table, How::Whole),
        WriteTarget::Export(request) => Target::Files(request.target()),
    }
}
