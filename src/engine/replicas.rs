//! Statements on the copies of durable tables: ADD, DROP and REPAIR REPLICA, and what VACUUM does in them.

use std::sync::Arc;

use serde_json::json;

use super::Engine;
use super::table_write::{change_of, commit_over};
use crate::error::{Error, ErrorKind, Result};
use crate::table::action::Commit;
use crate::table::conflict::nothing;
use crate::table::database::DurableTable;
use crate::table::ingest::FlushPolicy;
use crate::table::projection;
use crate::table::promote::{self, promote_alone};
use crate::table::replica::{Replica, with_replicas};
use crate::table::{maintain, mirror};

/// How often a table is copied that others write at the same time.
const TRIES: usize = 20;

/// Makes a replica and copies everything there; the segments that it has. What others write meanwhile is copied behind.
pub(super) fn add(
    engine: &Engine,
    table: &DurableTable,
    replica: &Replica,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    table.snapshot.check_write()?;
    mirror::prepare(&table.log, &table.snapshot, replica)?;
    let with = |table: &DurableTable| {
        mirror::catch_up(&table.log, &table.snapshot, replica)?;
        let mut replicas = table.snapshot.replicas.clone();
        if replicas.iter().any(|one| one.path == replica.path) {
            let message = format!("`{}` has this replica already", table.name);
            return Err(Error::new(ErrorKind::Input, "TM0752", message));
        }
        replicas.push(replica.clone());
        Ok(replicas)
    };
    let table = change(engine, table, "ADD REPLICA", replica, &with, warnings)?;
    Ok(table.snapshot.segments().count() as u64)
}

/// The table takes no notice of a replica any more. Its files stay.
pub(super) fn drop_replica(
    engine: &Engine,
    table: &DurableTable,
    replica: &Replica,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    let without = |table: &DurableTable| {
        let replicas = table.snapshot.replicas.iter();
        let others = replicas.filter(|one| one.path != replica.path);
        Ok(others.cloned().collect())
    };
    change(engine, table, "DROP REPLICA", replica, &without, warnings)?;
    Ok(0)
}

/// From now on the replica's directory takes the table's commits. `alone`: the one that did cannot be told.
pub(super) fn promote(
    engine: &Engine,
    table: &DurableTable,
    replica: &Replica,
    alone: bool,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    if replica.projection.is_some() {
        let message = format!(
            "{} is a projection and no copy of the table",
            replica.name()
        );
        return Err(Error::new(ErrorKind::Input, "TM0752", message)
            .hint("promote a replica that was added without COLUMNS and SORT BY"));
    }
    // Rows that wait lie beside the directory that takes commits now: an INSERT that goes on meanwhile would leave some there.
    let waits = FlushPolicy::of(&table.snapshot.metadata).is_some() || !table.waiting.is_empty();
    if waits && !alone {
        let message = format!("`{}` takes rows that wait beside its directory", table.name);
        return Err(Error::new(ErrorKind::Input, "TM0752", message)
            .hint("first ALTER TABLE … SET OPTIONS (ingest = 'direct')"));
    }
    let database = engine.catalog().database();
    let database = database.ok_or_else(|| Error::bug("a durable table without a database"))?;
    let (log, snapshot) = match alone {
        true => promote_alone(&table.log, &table.snapshot, replica)?,
        false => promote::promote(&table.log, &table.snapshot, replica)?,
    };
    database.remember(&table.name, &log, &snapshot);
    table.routes.wrote(&log.directory, snapshot.version);
    warnings.extend(mirror::after_commit(&log, &snapshot, &[]));
    Ok(0)
}

/// Commits other replicas, of the table as it is by then.
fn change(
    engine: &Engine,
    table: &DurableTable,
    operation: &str,
    replica: &Replica,
    replicas: &dyn Fn(&DurableTable) -> Result<Vec<Replica>>,
    warnings: &mut Vec<Error>,
) -> Result<DurableTable> {
    let mut table = table.clone();
    for _ in 0..TRIES {
        let replicas = replicas(&table)?;
        let path = json!({"path": replica.name(), "mode": replica.mode.name()});
        let commit = Commit {
            metadata: Some(with_replicas(&table.snapshot.metadata, &replicas)?),
            ..change_of(operation, path)
        };
        match commit_over(&table, commit, &nothing, warnings) {
            Err(error) if error.kind() == ErrorKind::Busy => {
                let newest = table.log.newest_after(table.snapshot.clone())?;
                table = table.at(newest);
            }
            Err(error) => return Err(error),
            Ok(()) => {
                let newest = table.log.newest_after(Arc::clone(&table.snapshot))?;
                if let Some(database) = engine.catalog().database() {
                    database.remember(&table.name, &table.log, &newest);
                }
                return Ok(table);
            }
        }
    }
    let message = format!(
        "others wrote `{}` all the time; nothing was changed",
        table.name
    );
    Err(Error::new(ErrorKind::Busy, "TM0740", message).hint("run the statement again"))
}

/// Mends copies from others that are whole; how many segments were copied. Where something could not be mended that is an error,
/// after everything else was.
pub(super) fn repair(table: &DurableTable, only: Option<&Replica>) -> Result<u64> {
    let repaired = mirror::repair(&table.log, &table.snapshot, only);
    if !repaired.failures.is_empty() {
        return Err(Error::together(repaired.failures));
    }
    for (name, replica) in table.copies() {
        if only.is_none() || only == replica {
            table.routes.forgive(&name);
        }
    }
    Ok(repaired.segments)
}

/// VACUUM of the table's own directory and of every replica that is there.
pub(super) fn vacuum(
    table: &DurableTable,
    retain_hours: u64,
    warnings: &mut Vec<Error>,
) -> Result<u64> {
    let snapshot = &table.snapshot;
    let mut removed = maintain::vacuum(&table.log, snapshot, retain_hours)?;
    for replica in &snapshot.replicas {
        let log = mirror::check(&table.log, snapshot, replica);
        let vacuum = |log| match replica.projection.is_some() {
            true => projection::vacuum(
                &log,
                snapshot,
                replica,
                maintain::written_before(retain_hours),
            ),
            false => maintain::vacuum(&log, snapshot, retain_hours),
        };
        match log.and_then(vacuum) {
            Ok(more) => removed += more,
            Err(error) => warnings.push(Error::new(
                error.kind(),
                "TW08",
                format!(
                    "the replica {} was not looked after: {}",
                    replica.name(),
                    error.message()
                ),
            )),
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
