//! DELETE, UPDATE and MERGE: the segments with rows that change are written again, beside rows that are new.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::read_set::ReadSet;
use super::table_write::{Writing, change_of, commit_over, removed};
use super::{Engine, query, steps};
use crate::error::{Error, Result};
use crate::plan::BoundQuery;
use crate::plan::bind::{Rewrite, restricted};
use crate::table::action::Commit;

/// Rows of a segment that change, and those of them that go.
struct Touched {
    rows: u64,
    gone: u64,
}

/// Makes the change; how many rows were changed, taken away or new.
pub(super) fn run(engine: &Engine, change: Rewrite, warnings: &mut Vec<Error>) -> Result<u64> {
    let table = &change.table;
    table.snapshot.check_write()?;
    let _memory = match &change.shared {
        None => None,
        Some((rows, query)) => {
            let (batches, memory, notes) =
                steps::collected(engine, query, "the source of a MERGE")?;
            warnings.extend(notes);
            rows.fill(batches);
            Some(memory)
        }
    };
    let touched = match &change.touched {
        None => BTreeMap::new(),
        Some(query) => touched(engine, query)?,
    };
    let (mut gone, mut partly) = (Vec::new(), BTreeSet::new());
    for segment in table.snapshot.segments() {
        let path = table.log.directory.join(segment.file()?);
        let Some(touched) = touched.get(&path.display().to_string()) else {
            continue;
        };
        if segment.rows() != Some(touched.gone) {
            partly.insert(segment.add.path.clone());
        }
        gone.push(segment);
    }
    if !gone.is_empty() {
        table.snapshot.check_remove()?;
    }
    let kept = match change.kept {
        Some(kept) if !partly.is_empty() => Some(BoundQuery {
            plan: restricted(kept.plan, &partly)?,
            ..kept
        }),
        _ => None,
    };
    let source = change.shared.iter().map(|(_, query)| query);
    let read = source.chain(&change.touched).chain(&change.added);
    let reads = ReadSet::of(engine, table, read)?;
    let queries: Vec<&BoundQuery> = change.added.iter().chain(&kept).collect();
    let (written, adds) = Writing::into(table).write(engine, &queries, warnings)?;
    let added = change.added.as_ref().and_then(|_| written.first());
    let rows = touched.values().map(|touched| touched.rows).sum::<u64>() + added.unwrap_or(&0);
    let mut commit = Commit {
        removes: removed(gone.into_iter(), true),
        adds,
        ..change_of(change.operation, json!({}))
    };
    if !commit.is_empty() {
        commit.info.is_blind_append = Some(false);
        commit_over(table, commit, &|add| reads.holds(add), warnings)?;
    }
    Ok(rows)
}

/// The segments with rows that change. TM0513 where two rows of the source change the same row.
fn touched(engine: &Engine, query: &BoundQuery) -> Result<BTreeMap<String, Touched>> {
    let mut touched = BTreeMap::new();
    for segment in query::answer(engine, query)?.typed::<(String, i64, i64, i64)>() {
        let (file, rows, different, gone) = segment?;
        if different < rows {
            let message = "a row of the table is matched by several rows of the source";
            return Err(Error::run("TM0513", message).hint(
                "leave one row of the source for each: AGGREGATE it, or match on more columns",
            ));
        }
        let counts = Touched {
            rows: rows.unsigned_abs(),
            gone: gone.unsigned_abs(),
        };
        touched.insert(file, counts);
    }
    Ok(touched)
}
