//! Statements that make and change durable tables: rows to segments, then one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Engine, Outcome, Summary, query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec;
use crate::exec::operators::write::WriteSink;
use crate::plan::bind::{DurableChange, restricted};
use crate::plan::{self, BoundQuery};
use crate::store::unique;
use crate::table::action::{Add, Commit, CommitInfo, Format, Metadata, Tags};
use crate::table::database::DurableTable;
use crate::table::layout::Layout;
use crate::table::log::{TableLog, now};
use crate::table::maintain;
use crate::table::protocol;
use crate::table::schema::{ARROW_SCHEMA, Columns};
use crate::table::snapshot::{Segment, Snapshot};
use crate::table::writer::TableWriter;

/// Makes the change; the rows it wrote or took away.
pub(super) fn run(engine: &Engine, change: DurableChange) -> Result<Outcome> {
    let mut warnings = Vec::new();
    let rows = match change {
        DurableChange::Create {
            name,
            or_replace,
            if_not_exists,
            columns,
            layout,
            query,
        } => {
            let new = NewTable {
                name,
                columns,
                layout,
                query,
            };
            new.create(engine, or_replace, if_not_exists, &mut warnings)?
        }
        DurableChange::Insert { table, from, query } => {
            table.snapshot.check_write()?;
            let writing = Writing {
                name: &table.name,
                log: &table.log,
                columns: &table.snapshot.columns,
                layout: &table.snapshot.layout,
                one_segment: false,
            };
            let (rows, adds) = writing.write(engine, &query, from)?;
            if !adds.is_empty() {
                let commit = change_of("WRITE", json!({"mode": "Append"}));
                commit_over(&table, Commit { adds, ..commit }, &mut warnings)?;
            }
            rows
        }
        DurableChange::Drop(None) => 0,
        DurableChange::Drop(Some(table)) => {
            if let Some(database) = engine.catalog().database() {
                database.drop_table(&table)?;
            }
            0
        }
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
            commit_over(&table, Commit { removes, ..commit }, &mut warnings)?;
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
            commit_over(&table, Commit { info, ..commit }, &mut warnings)?;
            0
        }
        DurableChange::Restore { table, to } => {
            let commit = maintain::restore(&table.log, &table.snapshot, &to)?;
            let info = change_of("RESTORE", json!({"version": to.version.to_string()})).info;
            commit_over(&table, Commit { info, ..commit }, &mut warnings)?;
            0
        }
    };
    Ok(Outcome::Done(Summary::new(rows)).with_warnings(warnings))
}

/// A table to be.
struct NewTable {
    name: String,
    columns: Columns,
    layout: Layout,
    query: Option<BoundQuery>,
}

impl NewTable {
    fn create(
        self,
        engine: &Engine,
        or_replace: bool,
        if_not_exists: bool,
        warnings: &mut Vec<Error>,
    ) -> Result<u64> {
        let database = engine.catalog().database();
        let database = database.ok_or_else(|| Error::bug("a durable table without a database"))?;
        let exists = |what: &str| {
            Error::new(
                ErrorKind::Input,
                "TM0702",
                format!("`{}` exists already{what}", self.name),
            )
        };
        let hidden = engine.catalog().find_in_session(&self.name)?.is_some();
        let older = database.find(&self.name)?;
        if if_not_exists && (hidden || older.is_some()) {
            return Ok(0);
        }
        if hidden {
            return Err(
                exists(", as a name of this session that would hide the table")
                    .hint("choose another name"),
            );
        }
        if older.is_some() && !or_replace {
            return Err(exists("").hint("write CREATE OR REPLACE, or IF NOT EXISTS"));
        }
        let log = older
            .as_ref()
            .map_or_else(|| database.log(&self.name), |table| table.log.clone());
        log.store.make_directory(&log.directory)?;
        let (rows, adds) = match &self.query {
            None => (0, Vec::new()),
            Some(query) => {
                let writing = Writing {
                    name: &self.name,
                    log: &log,
                    columns: &self.columns,
                    layout: &self.layout,
                    one_segment: false,
                };
                let all = (0..self.columns.seen.fields().len()).map(Some).collect();
                let written = writing.write(engine, query, all);
                // A directory that was made for nothing goes.
                written.inspect_err(|_| log.store.remove_if_empty(&log.directory))?
            }
        };
        let operation = if older.is_some() {
            "CREATE OR REPLACE TABLE"
        } else {
            "CREATE TABLE"
        };
        let commit = Commit {
            protocol: Some(protocol::needed(&self.columns.stored)),
            metadata: Some(self.metadata(older.as_ref())),
            adds,
            ..change_of(operation, json!({}))
        };
        match older {
            None => {
                let adds = commit.adds.clone();
                log.create(commit)
                    .inspect_err(|error| discard(&log, &adds, error))?;
            }
            Some(table) => {
                let mut commit = commit;
                commit.removes = removed(table.snapshot.segments(), true);
                // What others may rely on is not taken back.
                if table.snapshot.protocol.min_writer_version == 7 {
                    commit.protocol = Some(table.snapshot.protocol.clone());
                }
                commit_over(&table, commit, warnings)?;
            }
        }
        Ok(rows)
    }

    fn metadata(&self, older: Option<&DurableTable>) -> Metadata {
        let mut configuration = self.layout.settings(&self.columns.stored);
        let types = self.columns.arrow_types();
        configuration.extend(types.map(|types| (ARROW_SCHEMA.to_string(), Some(types))));
        let id = older.map_or_else(uuid, |table| table.snapshot.metadata.id.clone());
        let partition_by = self.layout.partition_by.iter();
        Metadata {
            id,
            name: Some(self.name.clone()),
            description: None,
            format: Format {
                provider: "parquet".to_string(),
                options: Tags::new(),
            },
            schema_string: self.columns.schema_string(),
            partition_columns: partition_by
                .map(|column| self.columns.stored.field(*column).name().clone())
                .collect(),
            configuration,
            created_time: Some(now()),
        }
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
    fn write(
        &self,
        engine: &Engine,
        query: &BoundQuery,
        from: Vec<Option<usize>>,
    ) -> Result<(u64, Vec<Add>)> {
        let physical = query::optimize(engine, query)?;
        let writer = TableWriter::new(self.log.clone(), self.columns.clone(), self.layout.clone());
        let writer = Arc::new(writer);
        let sink = WriteSink::new(
            self.name,
            Arc::clone(&writer),
            Arc::clone(&self.columns.seen),
            from,
            self.one_segment,
        );
        let graph = query::on_planner_stack(|| plan::lower::lower(&physical, Arc::new(sink)))?;
        exec::run(graph, &engine.context()?).wait()?;
        Ok((writer.rows(), writer.finish()?))
    }
}

/// Commits over the version that the statement saw; segments of a commit that did not happen are taken away.
fn commit_over(
    table: &DurableTable,
    commit: Commit,
    warnings: &mut Vec<Error>,
) -> Result<Arc<Snapshot>> {
    let adds = commit.adds.clone();
    let committed = table.log.append(&table.snapshot, commit);
    let snapshot = committed.inspect_err(|error| discard(&table.log, &adds, error))?;
    if let Err(error) = table.log.checkpoint_if_due(&snapshot) {
        let message = format!(
            "the statement is done, and no checkpoint was written: {}",
            error.message()
        );
        warnings.push(Error::new(error.kind(), "TW07", message));
    }
    Ok(snapshot)
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
            columns: rest.columns,
        };
        adds = rewrite(engine, table, &query, false)?;
    }
    let commit = Commit {
        removes: removed(gone.into_iter(), true),
        adds,
        ..change_of("DELETE", json!({}))
    };
    commit_over(table, commit, warnings)?;
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
        columns: all.columns,
    };
    let mut adds = rewrite(engine, table, &query, true)?;
    adds.iter_mut().for_each(|add| add.data_change = false);
    let commit = Commit {
        removes: removed(chosen.iter(), false),
        adds,
        ..change_of("OPTIMIZE", json!({}))
    };
    commit_over(table, commit, warnings)?;
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
    let all = (0..table.snapshot.columns.seen.fields().len()).map(Some);
    Ok(writing.write(engine, query, all.collect())?.1)
}
