//! Statements on durable tables: changes of rows, of columns and of segments, each one commit.

use serde_json::json;

use super::table_write::{Writing, change_of, commit_over, removed};
use super::{Engine, Outcome, Summary, replicas, rewrite};
use crate::error::{Error, Result};
use crate::plan::BoundQuery;
use crate::plan::bind::{DurableChange, restricted};
use crate::table::action::{Commit, CommitInfo, Metadata};
use crate::table::conflict::{Reads, nothing};
use crate::table::database::DurableTable;
use crate::table::layout::Layout;
use crate::table::maintain;
use crate::table::protocol::setting;
use crate::table::schema::{ARROW_SCHEMA, Columns};

/// Makes the change; the rows it wrote or took away.
pub(super) fn run(engine: &Engine, change: DurableChange) -> Result<Outcome> {
    let mut warnings = Vec::new();
    let rows = match change {
        DurableChange::Rewrite(change) => rewrite::run(engine, *change, &mut warnings)?,
        DurableChange::Truncate(table) => {
            let rows = table.snapshot.segments().filter_map(|one| one.rows());
            let rows = rows.sum();
            let removes = removed(table.snapshot.segments(), true);
            let commit = change_of("TRUNCATE", json!({}));
            commit_over(
                &table,
                Commit { removes, ..commit },
                &nothing,
                &mut warnings,
            )?;
            rows
        }
        DurableChange::Optimize { table, all } => optimize(engine, &table, *all, &mut warnings)?,
        DurableChange::Vacuum {
            table,
            retain_hours,
        } => replicas::vacuum(&table, retain_hours, &mut warnings)?,
        DurableChange::Verify(table) => maintain::verify(&table.log, &table.snapshot)?,
        DurableChange::Redefine {
            table,
            operation,
            commit,
            rows,
        } => redefine(
            engine,
            &table,
            (operation, *commit),
            rows.as_deref(),
            &mut warnings,
        )?,
        DurableChange::AddReplica { table, replica } => {
            replicas::add(engine, &table, &replica, &mut warnings)?
        }
        DurableChange::DropReplica { table, replica } => {
            replicas::drop_replica(engine, &table, &replica, &mut warnings)?
        }
        DurableChange::Promote {
            table,
            replica,
            alone,
        } => replicas::promote(engine, &table, &replica, alone, &mut warnings)?,
        DurableChange::Repair { table, only } => replicas::repair(&table, only.as_ref())?,
        DurableChange::Reshard { table, layout, all } => {
            reshard(engine, &table, layout, *all, &mut warnings)?
        }
        DurableChange::Restore { table, to } => {
            let commit = maintain::restore(&table.log, &table.snapshot, &to)?;
            let info = change_of("RESTORE", json!({"version": to.version.to_string()})).info;
            commit_over(&table, Commit { info, ..commit }, &nothing, &mut warnings)?;
            0
        }
    };
    Ok(Outcome::Done(Summary::new(rows)).with_warnings(warnings))
}

/// Other columns or options: no row changes, or else rows are written again, with a new column's default. How many these are.
fn redefine(
    engine: &Engine,
    table: &DurableTable,
    (operation, commit): (&'static str, Commit),
    rows: Option<&BoundQuery>,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    table.snapshot.check_write()?;
    let info = CommitInfo::of(operation, json!({}));
    let mut commit = Commit { info, ..commit };
    let mut written = 0;
    if let (Some(rows), Some(metadata)) = (rows, &commit.metadata) {
        let types = setting(metadata, ARROW_SCHEMA);
        let columns = Columns::of(&metadata.schema_string, types)?;
        let mut writing = Writing::into(table);
        writing.columns = &columns;
        let (counts, adds) = writing.write(engine, &[rows], warnings)?;
        written = counts.iter().sum();
        commit.removes = removed(table.snapshot.segments(), true);
        commit.adds = adds;
    }
    // Rows that came meanwhile would lack the default.
    let reads: Reads = if rows.is_some() { &|_| true } else { &nothing };
    commit_over(table, commit, reads, warnings)?;
    Ok(written)
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
        plan: restricted(all.plan, &paths)?,
        ..all
    };
    let mut writing = Writing::into(table);
    writing.one_segment = true;
    let (_, mut adds) = writing.write(engine, &[&query], warnings)?;
    adds.iter_mut().for_each(|add| add.data_change = false);
    let commit = Commit {
        removes: removed(chosen.iter(), false),
        adds,
        ..change_of("OPTIMIZE", json!({}))
    };
    commit_over(table, commit, &nothing, warnings)?;
    let rows = chosen.iter().filter_map(|segment| segment.rows());
    Ok(rows.sum())
}

/// Cuts the table into another number of shards. Rows of segments that lie in one of the new shards stay where they are.
fn reshard(
    engine: &Engine,
    table: &DurableTable,
    layout: Layout,
    all: BoundQuery,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    table.snapshot.check_write()?;
    if layout == table.snapshot.layout {
        return Ok(0);
    }
    let cut = maintain::to_be_cut(&table.snapshot, &layout);
    let (mut moved, mut adds) = (0, Vec::new());
    if !cut.is_empty() {
        let paths = cut.iter().map(|segment| segment.add.path.clone()).collect();
        let query = BoundQuery {
            plan: restricted(all.plan, &paths)?,
            ..all
        };
        let mut writing = Writing::into(table);
        writing.layout = &layout;
        let (rows, written) = writing.write(engine, &[&query], warnings)?;
        (moved, adds) = (rows.iter().sum(), written);
    }
    adds.iter_mut().for_each(|add| add.data_change = false);
    let metadata = with_layout(table, &layout);
    let shards = layout.shards.to_string();
    let commit = Commit {
        metadata: Some(metadata),
        removes: removed(cut.iter(), false),
        adds,
        ..change_of("RESHARD", json!({"shards": shards}))
    };
    commit_over(table, commit, &nothing, warnings)?;
    Ok(moved)
}

/// What the log says of the table, with another layout.
pub(super) fn with_layout(table: &DurableTable, layout: &Layout) -> Metadata {
    let mut metadata = table.snapshot.metadata.clone();
    let settings = layout.settings(&table.snapshot.columns.stored);
    metadata.configuration.extend(settings);
    metadata
}
