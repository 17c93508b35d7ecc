//! Statements that make and change durable tables: rows to segments, then one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Engine, Outcome, Summary, query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec;
use crate::exec::operators::write::WriteSink;
use crate::plan::bind::{DurableChange, NewTable, restricted};
use crate::plan::{self, BoundQuery};
use crate::store::unique;
use crate::table::action::{Add, Commit, CommitInfo, Format, Metadata, Tags};
use crate::table::database::DurableTable;
use crate::table::layout::Layout;
use crate::table::log::{TableLog, now};
use crate::table::maintain;
use crate::table::protocol;
use crate::table::schema::{ARROW_SCHEMA, Columns};
use crate::table::snapshot::{Segment, Snapshot, State};
use crate::table::writer::TableWriter;

/// Makes the change; the rows it wrote or took away.
pub(super) fn run(engine: &Engine, change: DurableChange) -> Result<Outcome> {
    let mut warnings = Vec::new();
    let rows = match change {
        DurableChange::Delete {
            table,
            counts,
            rest,
        } => delete(engine, &table, &counts, rest, &mut warnings)?,
        DurableChange::Truncate(table) => {
            let rows = table
                .snapshot
                .segments()
                .filter_map(|one| one.statistics().rows);
            let rows = rows.sum();
            let removes = removed(table.snapshot.segments(), true);
            let commit = change_of("TRUNCATE", json!({}));
            commit_over(
                &table.log,
                &table.snapshot,
                Commit { removes, ..commit },
                &mut warnings,
            )?;
            rows
        }
        DurableChange::Optimize { table, all } => optimize(engine, &table, all, &mut warnings)?,
        DurableChange::Vacuum {
            table,
            retain_hours,
        } => maintain::vacuum(&table.log, &table.snapshot, retain_hours)?,
        DurableChange::Verify(table) => maintain::verify(&table.log, &table.snapshot)?,
        DurableChange::AddColumn { table, commit } => {
            let info = CommitInfo::of("ADD COLUMNS", json!({}));
            commit_over(
                &table.log,
                &table.snapshot,
                Commit { info, ..commit },
                &mut warnings,
            )?;
            0
        }
        DurableChange::Restore { table, to } => {
            let commit = maintain::restore(&table.log, &table.snapshot, &to)?;
            let info = change_of("RESTORE", json!({"version": to.version.to_string()})).info;
            commit_over(
                &table.log,
                &table.snapshot,
                Commit { info, ..commit },
                &mut warnings,
            )?;
            0
        }
    };
    Ok(Outcome::Done(Summary::new(rows)).with_warnings(warnings))
}

/// Rows that are written and in no version yet. Dropped, they are gone.
#[derive(Debug)]
pub(super) struct Pending {
    log: TableLog,
    commit: Commit,
    /// The version that the statement saw; none for a new table.
    over: Option<Arc<Snapshot>>,
    rows: u64,
}

/// Writes the rows of a query for a table that is there.
pub(super) fn insert(engine: &Engine, table: &DurableTable, query: &BoundQuery) -> Result<Pending> {
    table.snapshot.check_write()?;
    let writing = Writing {
        name: &table.name,
        log: &table.log,
        columns: &table.snapshot.columns,
        layout: &table.snapshot.layout,
        one_segment: false,
    };
    let (rows, adds) = writing.write(engine, query)?;
    let commit = change_of("WRITE", json!({"mode": "Append"}));
    Ok(Pending {
        log: table.log.clone(),
        commit: Commit { adds, ..commit },
        over: Some(Arc::clone(&table.snapshot)),
        rows,
    })
}

/// Writes the rows of a query for a table to be.
pub(super) fn create(engine: &Engine, new: &NewTable, query: &BoundQuery) -> Result<Pending> {
    let database = engine.catalog().database();
    let database = database.ok_or_else(|| Error::bug("a durable table without a database"))?;
    let exists = |what: &str| {
        let message = format!("`{}` exists already{what}", new.name);
        Error::new(ErrorKind::Input, "TM0702", message)
    };
    if engine.catalog().find_in_session(&new.name)?.is_some() {
        return Err(
            exists(", as a name of this session that would hide the table")
                .hint("choose another name"),
        );
    }
    let older = database.find(&new.name)?;
    if older.is_some() && !new.or_replace {
        return Err(exists("").hint("write CREATE OR REPLACE, or IF NOT EXISTS"));
    }
    let log = match &older {
        Some(table) => table.log.clone(),
        None => database.log(&new.name),
    };
    log.store.make_directory(&log.directory)?;
    let writing = Writing {
        name: &new.name,
        log: &log,
        columns: &new.columns,
        layout: &new.layout,
        one_segment: false,
    };
    let written = writing.write(engine, query);
    // A directory that was made for nothing goes.
    let (rows, adds) = written.inspect_err(|_| log.store.remove_if_empty(&log.directory))?;
    Ok(Pending {
        log,
        commit: Commit {
            adds,
            ..creation(new, older.as_ref())
        },
        over: older.map(|table| table.snapshot),
        rows,
    })
}

/// The commit that makes a table, without rows.
fn creation(new: &NewTable, older: Option<&DurableTable>) -> Commit {
    let mut protocol = protocol::needed(&new.columns.stored);
    let (mut removes, mut operation) = (Vec::new(), "CREATE TABLE");
    if let Some(table) = older {
        removes = removed(table.snapshot.segments(), true);
        operation = "CREATE OR REPLACE TABLE";
        // What others may rely on is not taken back.
        if table.snapshot.protocol.min_writer_version == 7 {
            protocol = table.snapshot.protocol.clone();
        }
    }
    Commit {
        protocol: Some(protocol),
        metadata: Some(metadata(new, older)),
        removes,
        ..change_of(operation, json!({}))
    }
}

/// What a table that is created would be, without rows; nothing is written.
pub(super) fn imagined(engine: &Engine, new: &NewTable) -> Result<DurableTable> {
    let database = engine.catalog().database();
    let database = database.ok_or_else(|| Error::bug("a durable table without a database"))?;
    let log = database.log(&new.name);
    let snapshot = folded(&log, State::default(), &creation(new, None), 0)?;
    Ok(DurableTable {
        name: new.name.clone(),
        log,
        snapshot,
    })
}

/// What a changed table would be; nothing is written.
pub(super) fn imagined_after(table: &DurableTable, commit: &Commit) -> Result<DurableTable> {
    let (snapshot, log) = (&table.snapshot, &table.log);
    let version = snapshot.version + 1;
    Ok(DurableTable {
        snapshot: folded(log, snapshot.state.clone(), commit, version)?,
        ..table.clone()
    })
}

fn folded(
    log: &TableLog,
    mut state: State,
    commit: &Commit,
    version: u64,
) -> Result<Arc<Snapshot>> {
    state.apply(commit);
    let snapshot = Snapshot::new(version, state, &log.directory)?;
    Ok(Arc::new(snapshot))
}

impl Pending {
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes the rows a version.
    pub(super) fn commit(mut self, warnings: &mut Vec<Error>) -> Result<()> {
        let commit = std::mem::take(&mut self.commit);
        match &self.over {
            None => {
                let adds = commit.adds.clone();
                let created = self.log.create(commit);
                created.inspect_err(|error| discard(&self.log, &adds, error))?;
            }
            // No row, no version.
            Some(_) if commit.metadata.is_none() && commit.adds.is_empty() => {}
            Some(snapshot) => {
                commit_over(&self.log, snapshot, commit, warnings)?;
            }
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        TableWriter::discard(&self.log, &self.commit.adds);
    }
}

fn metadata(new: &NewTable, older: Option<&DurableTable>) -> Metadata {
    let stored = &new.columns.stored;
    let mut configuration = new.layout.settings(stored);
    let types = new.columns.arrow_types();
    configuration.extend(types.map(|types| (ARROW_SCHEMA.to_string(), Some(types))));
    let partition_by = new.layout.partition_by.iter();
    Metadata {
        id: older.map_or_else(uuid, |table| table.snapshot.metadata.id.clone()),
        name: Some(new.name.clone()),
        description: None,
        format: Format {
            provider: "parquet".to_string(),
            options: Tags::new(),
        },
        schema_string: new.columns.schema_string(),
        partition_columns: partition_by
            .map(|column| stored.field(*column).name().clone())
            .collect(),
        configuration,
        created_time: Some(now()),
    }
}

/// A random identifier in the usual five groups.
fn uuid() -> String {
    let digits = unique();
    let group = |from: usize, to: usize| &digits[from..to];
    format!(
        "{}-{}-4{}-a{}-{}",
        group(0, 8),
        group(8, 12),
        group(13, 16),
        group(17, 20),
        group(20, 32)
    )
}

/// Where rows are written to.
struct Writing<'a> {
    name: &'a str,
    log: &'a TableLog,
    columns: &'a Columns,
    layout: &'a Layout,
    /// Workers share one segment for each place.
    one_segment: bool,
}

impl Writing<'_> {
    /// Runs a query into segments that are in no version yet.
    fn write(&self, engine: &Engine, query: &BoundQuery) -> Result<(u64, Vec<Add>)> {
        let physical = query::optimize(engine, query)?;
        let writer = TableWriter::new(self.log.clone(), self.columns.clone(), self.layout.clone());
        let writer = Arc::new(writer);
        let sink = WriteSink::new(
            self.name,
            Arc::clone(&writer),
            Arc::clone(&self.columns.seen),
            self.one_segment,
        );
        let limited = engine.is_limited();
        let graph =
            query::on_planner_stack(|| plan::lower::lower(&physical, Arc::new(sink), limited))?;
        exec::run(graph, &engine.context()?).wait()?;
        Ok((writer.rows(), writer.finish()?))
    }
}

/// Commits over the version that the statement saw; segments of a commit that did not happen are taken away.
fn commit_over(
    log: &TableLog,
    over: &Arc<Snapshot>,
    commit: Commit,
    warnings: &mut Vec<Error>,
) -> Result<()> {
    let adds = commit.adds.clone();
    let committed = log.append(over, commit);
    let snapshot = committed.inspect_err(|error| discard(log, &adds, error))?;
    if let Err(error) = log.checkpoint_if_due(&snapshot) {
        let message = format!(
            "the statement is done, and no checkpoint was written: {}",
            error.message()
        );
        warnings.push(Error::new(error.kind(), "TW07", message));
    }
    Ok(())
}

/// Takes segments away, where it is certain that no version has them.
fn discard(log: &TableLog, adds: &[Add], error: &Error) {
    if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Input) {
        TableWriter::discard(log, adds);
    }
}

fn change_of(operation: &str, parameters: Value) -> Commit {
    Commit {
        info: CommitInfo::of(operation, parameters),
        ..Commit::default()
    }
}

fn removed<'s>(
    segments: impl Iterator<Item = &'s Arc<Segment>>,
    data_change: bool,
) -> Vec<crate::table::action::Remove> {
    let now = now();
    segments
        .map(|segment| segment.removed(data_change, now))
        .collect()
}

/// Copy on write: a segment that loses some of its rows is written again without them.
fn delete(
    engine: &Engine,
    table: &DurableTable,
    counts: &BoundQuery,
    rest: BoundQuery,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    table.snapshot.check_write()?;
    table.snapshot.check_remove()?;
    let mut losses: BTreeMap<String, u64> = BTreeMap::new();
    for loss in query::answer(engine, counts)?.typed::<(String, i64)>() {
        let (file, rows) = loss?;
        losses.insert(file, rows.unsigned_abs());
    }
    if losses.is_empty() {
        return Ok(0);
    }
    let (mut gone, mut partly) = (Vec::new(), BTreeSet::new());
    for segment in table.snapshot.segments() {
        let path = table.log.directory.join(segment.file()?);
        let Some(rows) = losses.get(&path.display().to_string()) else {
            continue;
        };
        if segment.statistics().rows != Some(*rows) {
            partly.insert(segment.add.path.clone());
        }
        gone.push(segment);
    }
    let mut adds = Vec::new();
    if !partly.is_empty() {
        let query = BoundQuery {
            plan: restricted(rest.plan, table, &partly)?,
            ..rest
        };
        adds = rewrite(engine, table, &query, false)?;
    }
    let commit = Commit {
        removes: removed(gone.into_iter(), true),
        adds,
        ..change_of("DELETE", json!({}))
    };
    commit_over(&table.log, &table.snapshot, commit, warnings)?;
    Ok(losses.values().sum())
}

/// Makes large segments of small ones. Rows stay what they are; how many were written.
fn optimize(
    engine: &Engine,
    table: &DurableTable,
    all: BoundQuery,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    table.snapshot.check_write()?;
    let chosen = maintain::worth_rewriting(&table.snapshot);
    if chosen.is_empty() {
        return Ok(0);
    }
    let paths = chosen
        .iter()
        .map(|segment| segment.add.path.clone())
        .collect();
    let query = BoundQuery {
        plan: restricted(all.plan, table, &paths)?,
        ..all
    };
    let mut adds = rewrite(engine, table, &query, true)?;
    adds.iter_mut().for_each(|add| add.data_change = false);
    let commit = Commit {
        removes: removed(chosen.iter(), false),
        adds,
        ..change_of("OPTIMIZE", json!({}))
    };
    commit_over(&table.log, &table.snapshot, commit, warnings)?;
    let rows = chosen
        .iter()
        .filter_map(|segment| segment.statistics().rows);
    Ok(rows.sum())
}

/// Writes rows of the table's own columns as new segments.
fn rewrite(
    engine: &Engine,
    table: &DurableTable,
    query: &BoundQuery,
    one_segment: bool,
) -> Result<Vec<Add>> {
    let writing = Writing {
        name: &table.name,
        log: &table.log,
        columns: &table.snapshot.columns,
        layout: &table.snapshot.layout,
        one_segment,
    };
    Ok(writing.write(engine, query)?.1)
}
