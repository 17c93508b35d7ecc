//! Statements with several results or with effects: rows are made first, and all effects become visible together at the end.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::MemoryReservation;

use super::query::{answer, answer_with_execution};
use super::{Engine, Outcome, Rows, Summary, table_write};
use crate::catalog::TableChange;
use crate::error::{Error, ErrorKind, Result, Span};
use crate::exec::spill::{batch_bytes, own_rows};
use crate::file::write::{publish, write};
use crate::plan::BoundQuery;
use crate::plan::bind::{Step, WriteTarget};

/// Carries out the steps in order.
pub(super) fn run(engine: &Engine, steps: Vec<Step>) -> Result<Outcome> {
    if let [Step::Write { target, .. }] = steps.as_slice()
        && is_there(engine, target)?
    {
        return Ok(Outcome::Done(Summary::new(0)));
    }
    let writes = steps.iter().any(|step| matches!(step, Step::Write { .. }));
    let (mut outcomes, mut notes) = (Vec::new(), Vec::new());
    let (mut changes, mut files, mut written) = (Vec::new(), Vec::new(), 0);
    // Files can be taken back, so they come first. Each durable table has a version of its own: they follow each other, when it is
    // known that nothing in memory is in the way; the tables in memory come last.
    let mut pending: Vec<(Span, table_write::Pending)> = Vec::new();
    let (mut kept, mut shared, mut before) = (Vec::new(), Vec::new(), Vec::new());
    let mut at: Option<Span> = None;
    for step in steps {
        match step {
            Step::Share { rows, query } => {
                let (batches, memory, found) = collected(engine, &query, "rows for several steps")?;
                notes.extend(found);
                shared.push(memory);
                rows.fill(batches);
                before.push(query);
            }
            // An answer that fails must fail before anything is stored.
            Step::Answer(query) if writes => {
                outcomes.push(Outcome::Rows(answer(engine, &query)?).in_memory()?);
            }
            Step::Answer(query) => outcomes.push(Outcome::Rows(answer(engine, &query)?)),
            Step::Log(query) => notes.push(logged(engine, &query)?),
            Step::Write {
                target: WriteTarget::CreateDurable(new),
                query,
                place,
            } => {
                let new = table_write::create(engine, &new, &query, &mut notes);
                pending.push((place, new.map_err(|error| placed(error, place))?));
            }
            Step::Write {
                target: WriteTarget::InsertDurable(table),
                query,
                place,
            } => {
                let new = table_write::insert(engine, &table, &query, &before, &mut notes);
                let new = new.map_err(|error| placed(error, place))?;
                let mut others = pending.iter_mut();
                let rest = others.try_fold(new, |new, (_, other)| match other.absorb(new) {
                    Some(new) => ControlFlow::Continue(new),
                    None => ControlFlow::Break(()),
                });
                pending.extend(rest.continue_value().map(|new| (place, new)));
            }
            Step::Write {
                target: WriteTarget::OverwriteDurable(table, overwritten),
                query,
                place,
            } => {
                let new = table_write::overwrite(
                    engine,
                    &table,
                    &overwritten,
                    &query,
                    &before,
                    &mut notes,
                );
                pending.push((place, new.map_err(|error| placed(error, place))?));
            }
            Step::Write {
                target: WriteTarget::Export(request),
                query,
                place,
            } => {
                let mut rows = answer(engine, &query)?;
                let schema = Arc::clone(rows.schema());
                let counted = rows.by_ref().inspect(|batch| {
                    written += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
                });
                let written = write(&request, &schema, counted);
                files.push(written.map_err(|error| placed(error, place))?);
                at.get_or_insert(place);
                notes.extend(rows.notes());
            }
            Step::Write {
                target,
                query,
                place,
            } => {
                let (batches, memory, found) = collected(engine, &query, "a table in memory")?;
                notes.extend(found);
                kept.push((target.name().to_string(), memory));
                written += batches
                    .iter()
                    .map(|batch| batch.num_rows() as u64)
                    .sum::<u64>();
                let change = change(target, batches);
                changes.push(change.map_err(|error| placed(error, place))?);
                at.get_or_insert(place);
            }
        }
    }
    publish(files, || {
        engine.catalog().try_tables(&changes)?;
        for (place, pending) in pending {
            written += pending.rows();
            let committed = pending.commit(engine, &mut notes);
            committed.map_err(|error| placed(error, place))?;
        }
        engine.catalog().change_tables(&changes)
    })
    .map_err(|error| match at {
        Some(place) => placed(error, place),
        None => error,
    })?;
    for (change, (name, memory)) in changes.iter().zip(kept) {
        engine.keep(name, memory, matches!(change, TableChange::Append { .. }));
    }
    drop(shared);
    if writes {
        outcomes.push(Outcome::Done(Summary::new(written)));
    }
    Ok(Outcome::several(outcomes).with_warnings(notes))
}

/// What went wrong where rows are stored, at the name of that place. What the rows themselves met has a place of its own, or none.
fn placed(error: Error, place: Span) -> Error {
    let is_ours = matches!(
        error.code(),
        "TM0504" | "TM0510" | "TM0701" | "TM0702" | "TM0740" | "TM0744"
    );
    match is_ours && error.place().is_none() {
        true => error.at(place),
        false => error,
    }
}

/// `CREATE TABLE IF NOT EXISTS` of a table that exists: nothing is computed.
fn is_there(engine: &Engine, target: &WriteTarget) -> Result<bool> {
    match target {
        WriteTarget::CreateTable {
            name,
            if_not_exists: true,
            ..
        } => Ok(engine.catalog().find(name)?.is_some()),
        WriteTarget::CreateDurable(new) if new.if_not_exists => {
            Ok(engine.catalog().find(&new.name)?.is_some())
        }
        _ => Ok(false),
    }
}

/// The rows of a query, the memory that they are counted with as those of `holder`, and what it noted of them.
pub(super) fn collected(
    engine: &Engine,
    query: &BoundQuery,
    holder: &str,
) -> Result<(Vec<RecordBatch>, MemoryReservation, Vec<Error>)> {
    let (mut rows, execution) = answer_with_execution(engine, query, false)?;
    let memory = execution.context().reserve(holder);
    drop(execution);
    let mut batches = Vec::new();
    for batch in rows.by_ref() {
        let batch = own_rows(batch?)?;
        memory.try_grow(batch_bytes(&batch))?;
        batches.push(batch);
    }
    Ok((batches, memory, rows.notes()))
}

fn change(target: WriteTarget, batches: Vec<RecordBatch>) -> Result<TableChange> {
    Ok(match target {
        WriteTarget::CreateTable {
            name,
            or_replace,
            if_not_exists,
            schema,
            defaults,
        } => {
            let batches = as_stored(&schema, batches)?;
            let table = MemTable::try_new(schema, vec![batches])?;
            TableChange::Create {
                name,
                table: Arc::new(table.with_column_defaults(defaults)),
                or_replace,
                if_not_exists,
            }
        }
        WriteTarget::Insert { name, schema } => TableChange::Append {
            name,
            batches: as_stored(&schema, batches)?,
        },
        WriteTarget::CreateDurable(_)
        | WriteTarget::InsertDurable(_)
        | WriteTarget::OverwriteDurable(..) => {
            return Err(Error::bug("a durable table kept in memory"));
        }
        WriteTarget::Export(_) => return Err(Error::bug("files are no table")),
    })
}

/// The batches under the table's own columns; TM0510 for a NULL where it takes none.
fn as_stored(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let stored = |batch: RecordBatch| {
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            if !field.is_nullable() && column.logical_null_count() > 0 {
                let message = format!("the column `{}` takes no NULL", field.name());
                return Err(Error::new(ErrorKind::Run, "TM0510", message)
                    .hint("filter the rows with WHERE, or replace NULL with COALESCE"));
            }
        }
        Ok(RecordBatch::try_new(
            Arc::clone(schema),
            batch.columns().to_vec(),
        )?)
    };
    batches.into_iter().map(stored).collect()
}

/// The rows of a LOG as text.
fn logged(engine: &Engine, query: &BoundQuery) -> Result<Error> {
    let rows: Rows = answer(engine, query)?;
    let names: Vec<String> = rows
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    let mut lines = vec![names.join(", ")];
    for batch in rows {
        let batch = batch?;
        let options = arrow::util::display::FormatOptions::default().with_null("NULL");
        let columns = batch.columns().iter();
        let columns = columns
            .map(|column| arrow::util::display::ArrayFormatter::try_new(column, &options))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let values = columns
                .iter()
                .map(|column| column.value(row).try_to_string());
            let values: std::result::Result<Vec<_>, _> = values.collect();
            lines.push(values?.join(", "));
        }
    }
    Ok(Error::run("TW05", format!("log:\n{}", lines.join("\n"))))
}
