//! Statements that only make names known: what a check of a whole text carries out instead of running.
//!
//! A dry engine has a catalog of its own. A table that would be created is there with its columns and without rows, so that the
//! statements after it can be bound.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{Engine, Outcome, Rows, Summary, explain, query, table_write, tables};
use crate::catalog::durable::SnapshotTable;
use crate::catalog::{Entry, exists_already};
use crate::error::{Error, Result};
use crate::plan::bind::{Bound, DurableChange, NewTable, Step, WriteTarget};
use crate::plan::{BoundQuery, output_schema};
use crate::route::Policy;
use crate::table::action::Commit;
use crate::table::database::DurableTable;
use crate::table::log::TableLog;
use crate::table::snapshot::{Snapshot, State};

/// What a bound statement would leave behind; its results have columns and no rows.
pub(super) fn note(engine: &Engine, bound: Bound) -> Result<Outcome> {
    match bound {
        Bound::Query(query) => Ok(no_rows(&query)),
        Bound::Steps(steps) => {
            let mut outcomes = Vec::new();
            for step in steps {
                match step {
                    Step::Answer(query) => outcomes.push(no_rows(&query)),
                    Step::Write { target, .. } => note_target(engine, target)?,
                    Step::Share { .. } | Step::Log(_) => {}
                }
            }
            Ok(Outcome::several(outcomes))
        }
        Bound::CreateView { .. } | Bound::CreateExternalTable { .. } => query::name(engine, bound),
        Bound::Table(change) => note_change(engine, *change),
        Bound::Explain { .. }
        | Bound::ExplainSteps { .. }
        | Bound::ExplainRoute { .. }
        | Bound::ExplainLineage { .. } => explain::checked(&bound).map(Outcome::Rows),
    }
}

/// The values of a row of expressions where all of them are constants as they are written: nothing has to run for them.
pub(super) fn literals(query: &BoundQuery) -> Option<Vec<ScalarValue>> {
    let LogicalPlan::Projection(projection) = &query.plan else {
        return None;
    };
    let exprs = projection.expr.iter();
    exprs
        .map(|expr| match expr.clone().unalias() {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        })
        .collect()
}

/// The values of a row of expressions, as far as they are known without running anything; the others are NULLs of their types.
pub(super) fn known_values(query: &BoundQuery) -> Result<Vec<ScalarValue>> {
    let exprs: &[Expr] = match &query.plan {
        LogicalPlan::Projection(projection) => &projection.expr,
        _ => &[],
    };
    let fields = query.plan.schema().fields().iter().enumerate();
    fields
        .map(
            |(position, field)| match exprs.get(position).map(|expr| expr.clone().unalias()) {
                Some(Expr::Literal(value, _)) => Ok(value),
                _ => Ok(ScalarValue::try_from(field.data_type())?),
            },
        )
        .collect()
}

fn no_rows(query: &BoundQuery) -> Outcome {
    Outcome::Rows(Rows::ready(output_schema(query), Vec::new()))
}

fn note_target(engine: &Engine, target: WriteTarget) -> Result<()> {
    let catalog = engine.catalog();
    let is_there = catalog.find(target.name())?.is_some();
    match target {
        WriteTarget::CreateTable {
            name,
            or_replace,
            if_not_exists,
            schema,
            defaults,
        } => {
            if is_there && if_not_exists {
                return Ok(());
            }
            let table = MemTable::try_new(schema, vec![Vec::new()])?;
            let table = table.with_column_defaults(defaults);
            catalog.insert(&name, Entry::Table(Arc::new(table)), or_replace)
        }
        WriteTarget::CreateDurable(new) => {
            if is_there && new.if_not_exists {
                return Ok(());
            }
            if is_there && !new.or_replace {
                return Err(exists_already(&new.name));
            }
            remember(engine, imagined(engine, &new)?)
        }
        WriteTarget::InsertDurable(table) => table.snapshot.check_write(),
        WriteTarget::OverwriteDurable(table, _) => {
            table.snapshot.check_write()?;
            table.snapshot.check_remove()
        }
        WriteTarget::Insert { .. } | WriteTarget::Export(_) => Ok(()),
    }
}

fn note_change(engine: &Engine, change: DurableChange) -> Result<Outcome> {
    match change {
        DurableChange::Rewrite(change) => {
            let table = &change.table;
            table.snapshot.check_write()?;
            table.snapshot.check_remove()?;
        }
        DurableChange::Redefine { table, commit, .. } => {
            remember(engine, imagined_after(table, &commit)?)?;
        }
        DurableChange::Reshard { table, layout, .. } => {
            table.snapshot.check_write()?;
            let commit = Commit {
                metadata: Some(tables::with_layout(&table, &layout)),
                ..Commit::default()
            };
            remember(engine, imagined_after(table, &commit)?)?;
        }
        DurableChange::Truncate(table) | DurableChange::Optimize { table, .. } => {
            table.snapshot.check_write()?;
        }
        DurableChange::Restore { table, to } => remember(engine, table.at(to))?,
        DurableChange::Vacuum { .. }
        | DurableChange::Verify(_)
        | DurableChange::AddReplica { .. }
        | DurableChange::DropReplica { .. }
        | DurableChange::Promote { .. }
        | DurableChange::Repair { .. } => {}
    }
    Ok(Outcome::Done(Summary::new(0)))
}

/// What a table that is created would be, without rows; nothing is written.
fn imagined(engine: &Engine, new: &NewTable) -> Result<DurableTable> {
    let database = engine.catalog().database();
    let database = database.ok_or_else(|| Error::bug("a durable table without a database"))?;
    let log = database.log(&new.name);
    let commit = table_write::creation(new, None);
    let snapshot = folded(&log, State::default(), &commit, 0)?;
    Ok(DurableTable {
        name: new.name.clone(),
        log,
        snapshot,
        waiting: Arc::default(),
        replicas: Arc::default(),
        routes: database.routes(),
        policy: Policy::default(),
        hedged: true,
    })
}

/// What a changed table would be; nothing is written.
fn imagined_after(table: DurableTable, commit: &Commit) -> Result<DurableTable> {
    let (snapshot, log) = (&table.snapshot, &table.log);
    let version = snapshot.version + 1;
    let snapshot = folded(log, snapshot.state.clone(), commit, version)?;
    Ok(DurableTable { snapshot, ..table })
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

/// The table stands in front of the one that the database has.
fn remember(engine: &Engine, table: DurableTable) -> Result<()> {
    let name = table.name.clone();
    engine.catalog().hide(&name);
    let table = Entry::Table(Arc::new(SnapshotTable::new(table, false)));
    engine.catalog().insert(&name, table, true)
}
