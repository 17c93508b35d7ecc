//! Build rows, once every probe row was seen: those without partner, those with one, or all of them with a mark.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::BooleanArray;
use arrow::record_batch::RecordBatch;
use datafusion::common::JoinType;

use super::index::Link;
use super::table::JoinTable;
use super::{JoinSpec, TableSlot};
use crate::error::{Error, Result};
use crate::exec::{BatchStream, RunContext, Source, stream_of};

/// Build rows of one unit.
const UNIT_ROWS: usize = 1 << 17;

/// Reads the join table when its probe side is over.
#[derive(Debug)]
pub(crate) struct UnmatchedSource {
    spec: Arc<JoinSpec>,
    slot: TableSlot,
}

impl UnmatchedSource {
    pub(crate) fn new(spec: Arc<JoinSpec>, slot: TableSlot) -> Self {
        UnmatchedSource { spec, slot }
    }

    fn table(&self) -> Result<&JoinTable> {
        self.slot
            .get()
            .ok_or_else(|| Error::bug("a join's rows are read before it was built"))
    }
}

impl Source for UnmatchedSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        let table = self.table()?;
        // NOT IN: nothing is certainly absent from a list with NULL in it.
        if table.probe_null.load(Ordering::Relaxed) || !table.is_settled() {
            return Ok(0);
        }
        Ok((table.rows.len() as usize).div_ceil(UNIT_ROWS))
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let rows = self.table()?.rows.len() as usize;
        let end = ((unit + 1) * UNIT_ROWS).min(rows);
        let step = context.batch_rows.max(1);
        let (spec, slot) = (Arc::clone(&self.spec), Arc::clone(&self.slot));
        let pieces = (unit * UNIT_ROWS..end)
            .step_by(step)
            .map(move |start| start..(start + step).min(end));
        Ok(stream_of(pieces.filter_map(move |piece| {
            rows_of(&spec, slot.get()?, piece).transpose()
        })))
    }

    fn describe(&self) -> String {
        let which = match self.spec.kind {
            JoinType::LeftSemi => "matched",
            JoinType::LeftMark => "marked",
            _ => "unmatched",
        };
        format!("{which} build rows of {}", self.spec.describe())
    }
}

fn rows_of(spec: &JoinSpec, table: &JoinTable, piece: Range<usize>) -> Result<Option<RecordBatch>> {
    // The table checked that its rows are fewer than `u32::MAX`.
    let links = piece.map(|row| row as Link + 1);
    if spec.kind == JoinType::LeftMark {
        let links: Vec<Link> = links.collect();
        let marks = links.iter().map(|link| Some(table.is_visited(*link)));
        let marks = BooleanArray::from_iter(marks);
        return Ok(Some(spec.output.of_build(
            &table.rows,
            &links,
            Some(marks),
        )?));
    }
    let wanted = spec.kind == JoinType::LeftSemi;
    let links: Vec<Link> = links
        .filter(|link| table.is_visited(*link) == wanted && is_known(spec, table, *link))
        .collect();
    if links.is_empty() {
        return Ok(None);
    }
    Ok(Some(spec.output.of_build(&table.rows, &links, None)?))
}

/// NOT IN: whether NULL is absent is only known of an empty list.
fn is_known(spec: &JoinSpec, table: &JoinTable, link: Link) -> bool {
    if !spec.null_aware || !table.probe_seen.load(Ordering::Relaxed) {
        return true;
    }
    table
        .known_keys
        .as_ref()
        .is_none_or(|known| known.is_valid(link as usize - 1))
}
