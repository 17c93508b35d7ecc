//! Rows to segments, then one commit: INSERT, INSERT OVERWRITE and CREATE TABLE, and what every change needs of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use serde_json::{Value, json};

use super::read_set::ReadSet;
use super::{Engine, planning, query};
use crate::error::{Error, ErrorKind, Result};
use crate::exec::operators::write::WriteSink;
use crate::plan::bind::NewTable;
use crate::plan::{self, BoundQuery};
use crate::store::unique;
use crate::table::action::{Add, Commit, CommitInfo, Format, Metadata, Remove, Tags};
use crate::table::conflict::Reads;
use crate::table::database::DurableTable;
use crate::table::ingest::{self, FlushPolicy};
use crate::table::layout::{Layout, Overwritten};
use crate::table::log::{TableLog, now};
use crate::table::mirror;
use crate::table::protocol;
use crate::table::replica::{self, Mode};
use crate::table::schema::{ARROW_SCHEMA, Columns};
use crate::table::snapshot::Segment;
use crate::table::writer::TableWriter;

/// Rows that are written and in no version yet. Dropped, they are gone.
#[derive(Debug)]
pub(super) struct Pending {
    log: TableLog,
    commit: Commit,
    /// The table that the statement saw; none for a new one.
    over: Option<DurableTable>,
    rows: u64,
    reads: ReadSet,
    /// Rows for the table's buffer, as the table stores them.
    behind: Vec<RecordBatch>,
}

/// Writes the rows of a query for a table that is there. `before` made rows that the query may read.
pub(super) fn insert(
    engine: &Engine,
    table: &DurableTable,
    query: &BoundQuery,
    before: &[BoundQuery],
    notes: &mut Vec<Error>,
) -> Result<Pending> {
    table.snapshot.check_write()?;
    let reads = ReadSet::of(engine, table, before.iter().chain([query]))?;
    let mut writing = Writing::into(table);
    // Rows that depend on the table's own are to meet those who changed them; and a SYNC replica has every row that is seen.
    let mut replicas = table.snapshot.replicas.iter();
    let is_plain = reads.is_empty() && replicas.all(|replica| replica.mode != Mode::Sync);
    writing.buffered = FlushPolicy::of(&table.snapshot.metadata).filter(|_| is_plain);
    let Written { rows, adds, behind } = writing.run(engine, &[query], notes)?;
    let mut commit = change_of("WRITE", json!({"mode": "Append"}));
    commit.info.is_blind_append = Some(reads.is_empty());
    Ok(Pending {
        log: table.log.clone(),
        commit: Commit { adds, ..commit },
        over: Some(table.clone()),
        rows: rows.iter().sum(),
        reads,
        behind,
    })
}

/// Writes the rows of a query in place of those that are there. `before` made rows that the query may read.
pub(super) fn overwrite(
    engine: &Engine,
    table: &DurableTable,
    overwritten: &Overwritten,
    query: &BoundQuery,
    before: &[BoundQuery],
    notes: &mut Vec<Error>,
) -> Result<Pending> {
    table.snapshot.check_write()?;
    table.snapshot.check_remove()?;
    let mut reads = ReadSet::of(engine, table, before.iter().chain([query]))?;
    let (rows, adds) = Writing::into(table).write(engine, &[query], notes)?;
    let new: BTreeSet<Tags> = adds
        .iter()
        .map(|add| add.partition_values.clone())
        .collect();
    let places: BTreeSet<&Tags> = new.iter().collect();
    let gone = table.snapshot.segments();
    let gone = gone.filter(|segment| overwritten.holds(&segment.add.partition_values, &places));
    let removes = removed(gone, true);
    reads.and_partitions(overwritten.clone(), new);
    Ok(Pending {
        log: table.log.clone(),
        commit: Commit {
            adds,
            removes,
            ..change_of("WRITE", json!({"mode": "Overwrite"}))
        },
        over: Some(table.clone()),
        rows: rows.iter().sum(),
        reads,
        behind: Vec::new(),
    })
}

/// Writes the rows of a query for a table to be.
pub(super) fn create(
    engine: &Engine,
    new: &NewTable,
    query: &BoundQuery,
    notes: &mut Vec<Error>,
) -> Result<Pending> {
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
    let mut older = database.find(&new.name)?;
    if let Some(table) = older.as_ref().filter(|table| !table.waiting.is_empty()) {
        notes.extend(ingest::move_all(&table.log, &table.snapshot)?.1);
        older = database.find(&new.name)?;
    }
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
        buffered: None,
    };
    let written = writing.write(engine, &[query], notes);
    // A directory that was made for nothing goes.
    let (rows, adds) = written.inspect_err(|_| log.store.remove_if_empty(&log.directory))?;
    let commit = Commit {
        adds,
        ..creation(new, older.as_ref())
    };
    Ok(Pending {
        log,
        commit,
        over: older,
        rows: rows.iter().sum(),
        reads: ReadSet::default(),
        behind: Vec::new(),
    })
}

/// The commit that makes a table, without rows.
pub(super) fn creation(new: &NewTable, older: Option<&DurableTable>) -> Commit {
    let mut protocol = protocol::needed(&new.columns);
    let (mut removes, mut operation) = (Vec::new(), "CREATE TABLE");
    if let Some(table) = older {
        removes = removed(table.snapshot.segments(), true);
        operation = "CREATE OR REPLACE TABLE";
        // What others may rely on is not taken back.
        let now = &table.snapshot.protocol;
        if now.min_writer_version == 7 {
            protocol = protocol::raised(now, protocol).unwrap_or_else(|| now.clone());
        }
    }
    Commit {
        protocol: Some(protocol),
        metadata: Some(metadata(new, older)),
        removes,
        ..change_of(operation, json!({}))
    }
}

impl Pending {
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes on what another step of the statement adds to the same table, so that one version has both. Another table's rows come
    /// back.
    pub(super) fn absorb(&mut self, mut other: Pending) -> Option<Pending> {
        if self.log.directory != other.log.directory {
            return Some(other);
        }
        let adds = std::mem::take(&mut other.commit.adds);
        self.commit.adds.extend(adds);
        self.behind.append(&mut other.behind);
        self.rows += other.rows;
        self.reads.extend(std::mem::take(&mut other.reads));
        self.commit.info.is_blind_append = Some(self.reads.is_empty());
        None
    }

    /// Makes the rows a version, or has them wait for one.
    pub(super) fn commit(mut self, engine: &Engine, warnings: &mut Vec<Error>) -> Result<()> {
        let mut commit = std::mem::take(&mut self.commit);
        let behind = std::mem::take(&mut self.behind);
        if let Some(table) = self.over.as_ref().filter(|_| !behind.is_empty()) {
            if commit.adds.is_empty() {
                let database = engine.catalog().database();
                let database = database.ok_or_else(|| Error::bug("a buffer without a database"))?;
                let buffer = database.buffer(table)?;
                let appended = buffer.append(&behind);
                warnings.extend(buffer.warnings());
                return appended;
            }
            // Another branch of the statement had too many: all of them become visible together.
            commit.adds.extend(segments_of(table, &behind)?);
        }
        match &self.over {
            None => {
                let adds = commit.adds.clone();
                let created = self.log.create(commit);
                created.inspect_err(|error| discard(&self.log, &adds, error))?;
            }
            // No row, no version.
            Some(_) if commit.metadata.is_none() && commit.is_empty() => {}
            Some(table) => commit_over(table, commit, &|add| self.reads.holds(add), warnings)?,
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        TableWriter::discard(&self.log, &self.commit.adds);
    }
}

/// Rows that are stored in no buffer, as segments.
fn segments_of(table: &DurableTable, rows: &[RecordBatch]) -> Result<Vec<Add>> {
    let snapshot = &table.snapshot;
    let (columns, layout) = (snapshot.columns.clone(), snapshot.layout.clone());
    let writer = TableWriter::new(table.log.clone(), columns, layout);
    rows.iter().try_for_each(|rows| writer.write(rows, 0))?;
    writer.finish()
}

fn metadata(new: &NewTable, older: Option<&DurableTable>) -> Metadata {
    let stored = &new.columns.stored;
    let mut configuration = new.layout.settings(stored);
    let types = new.columns.arrow_types();
    configuration.extend(types.map(|types| (ARROW_SCHEMA.to_string(), Some(types))));
    configuration.extend(new.settings.clone());
    let partition_by = new.layout.partition_by.iter();
    let metadata = Metadata {
        id: older.map_or_else(uuid, |table| table.snapshot.metadata.id.clone()),
        name: Some(new.name.clone()),
        description: None,
        format: Format {
            provider: "parquet".to_string(),
            options: Tags::new(),
        },
        schema_string: new.columns.schema_string(),
        partition_columns: partition_by.map(|key| key.name.clone()).collect(),
        configuration,
        created_time: Some(now()),
    };
    match older {
        Some(table) => replica::keep(&metadata, &table.snapshot.metadata),
        None => metadata,
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
pub(super) struct Writing<'a> {
    name: &'a str,
    log: &'a TableLog,
    pub(super) columns: &'a Columns,
    pub(super) layout: &'a Layout,
    /// Workers share one segment for each place.
    pub(super) one_segment: bool,
    /// Fewer rows than this policy moves at once are held back for the table's buffer.
    buffered: Option<FlushPolicy>,
}

/// What queries wrote.
pub(super) struct Written {
    /// Of each query.
    rows: Vec<u64>,
    adds: Vec<Add>,
    /// Rows in no segment, as the table stores them.
    behind: Vec<RecordBatch>,
}

impl<'a> Writing<'a> {
    pub(super) fn into(table: &'a DurableTable) -> Self {
        Writing {
            name: &table.name,
            log: &table.log,
            columns: &table.snapshot.columns,
            layout: &table.snapshot.layout,
            one_segment: false,
            buffered: None,
        }
    }

    /// Runs queries, one after the other, into segments that are in no version yet. The rows of each query.
    pub(super) fn write(
        &self,
        engine: &Engine,
        queries: &[&BoundQuery],
        notes: &mut Vec<Error>,
    ) -> Result<(Vec<u64>, Vec<Add>)> {
        let written = self.run(engine, queries, notes)?;
        Ok((written.rows, written.adds))
    }

    fn run(
        &self,
        engine: &Engine,
        queries: &[&BoundQuery],
        notes: &mut Vec<Error>,
    ) -> Result<Written> {
        let writer = TableWriter::new(self.log.clone(), self.columns.clone(), self.layout.clone());
        let writer = Arc::new(writer);
        let mut rows = Vec::with_capacity(queries.len());
        let mut behind = Vec::new();
        for query in queries {
            let before = writer.rows();
            let (context, handle) = engine.context()?;
            let physical = query::optimize(engine, query, &context.cancel)?;
            let sink = WriteSink::new(
                self.name,
                Arc::clone(&writer),
                Arc::clone(&self.columns.seen),
                self.one_segment,
            );
            let sink = Arc::new(match self.buffered {
                None => sink,
                Some(policy) => {
                    sink.holding(policy.rows, policy.bytes.min(engine.share_of_memory()))
                }
            });
            let limited = engine.is_limited();
            let last = Arc::clone(&sink);
            let graph =
                planning::on_planner_stack(|| plan::lower::lower(query, &physical, last, limited))?;
            engine.run_whole(graph, &context, &handle)?;
            let held = sink.take_held();
            let kept: usize = held.iter().map(RecordBatch::num_rows).sum();
            let held = held.iter().map(|rows| self.columns.store(rows));
            behind.extend(held.collect::<Result<Vec<_>>>()?);
            notes.extend(context.notes.warnings());
            notes.extend(context.tally.warnings());
            rows.push(writer.rows() - before + kept as u64);
        }
        Ok(Written {
            rows,
            adds: writer.finish()?,
            behind,
        })
    }
}

/// Commits over the version that the statement saw; segments of a commit that did not happen are taken away.
pub(super) fn commit_over(
    table: &DurableTable,
    commit: Commit,
    reads: Reads,
    warnings: &mut Vec<Error>,
) -> Result<()> {
    let log = &table.log;
    let adds = commit.adds.clone();
    let committed = log.append(&table.snapshot, commit, reads);
    let snapshot = committed.inspect_err(|error| discard(log, &adds, error))?;
    table.routes.wrote(&log.directory, snapshot.version);
    if let Err(error) = log.checkpoint_if_due(&snapshot) {
        let message = format!(
            "the statement is done, and no checkpoint was written: {}",
            error.message()
        );
        warnings.push(Error::new(error.kind(), "TW07", message));
    }
    warnings.extend(mirror::after_commit(log, &snapshot, &adds));
    Ok(())
}

/// Takes segments away, where it is certain that no version has them.
fn discard(log: &TableLog, adds: &[Add], error: &Error) {
    use ErrorKind::{Busy, Input, Unavailable};
    if matches!(error.kind(), Busy | Input | Unavailable) {
        TableWriter::discard(log, adds);
    }
}

/// A commit that says what was done.
pub(super) fn change_of(operation: &str, parameters: Value) -> Commit {
    Commit {
        info: CommitInfo::of(operation, parameters),
        ..Commit::default()
    }
}

/// What takes segments out of the table.
pub(super) fn removed<'s>(
    segments: impl Iterator<Item = &'s Arc<Segment>>,
    data_change: bool,
) -> Vec<Remove> {
    let now = now();
    segments
        .map(|segment| segment.removed(data_change, now))
        .collect()
}
