//! The probe side: each batch meets the join table.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{BooleanArray, UInt32Array};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::JoinType;

use super::build::{encoder, evaluate};
use super::candidates::{Cursor, Pairs, Wanted};
use super::encode::KeyEncoder;
use super::table::JoinTable;
use super::{JoinSpec, TableSlot};
use crate::error::{Error, Result};
use crate::exec::{Flow, Operator, OperatorState, RunContext};

/// Looks probe rows up in the table that the build side left in the slot.
#[derive(Debug)]
pub(crate) struct Probe {
    spec: Arc<JoinSpec>,
    /// Of the rows that come in.
    input: SchemaRef,
    slot: TableSlot,
}

impl Probe {
    pub(crate) fn new(spec: Arc<JoinSpec>, input: SchemaRef, slot: TableSlot) -> Self {
        Probe { spec, input, slot }
    }
}

impl Operator for Probe {
    fn start(&self, context: &Arc<RunContext>) -> Result<Box<dyn OperatorState>> {
        table_in(&self.slot)?.probing.fetch_add(1, Ordering::AcqRel);
        Ok(Box::new(ProbeState {
            encoder: encoder(&self.spec.probe_keys, &self.input, &self.spec)?,
            spec: Arc::clone(&self.spec),
            slot: Arc::clone(&self.slot),
            context: Arc::clone(context),
            current: None,
        }))
    }

    fn describe(&self) -> String {
        self.spec.describe()
    }
}

struct ProbeState {
    spec: Arc<JoinSpec>,
    slot: TableSlot,
    encoder: Option<KeyEncoder>,
    context: Arc<RunContext>,
    current: Option<Current>,
}

/// The batch in hand.
struct Current {
    batch: RecordBatch,
    cursor: Cursor,
    /// Probe rows that found a partner, where the type of join asks.
    matched: Vec<bool>,
}

impl OperatorState for ProbeState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let table = table_in(&self.slot)?;
        let keys = self
            .encoder
            .as_ref()
            .map(|encoder| encoder.encode(&evaluate(&self.spec.probe_keys, &batch)?))
            .transpose()?;
        if self.spec.null_aware && batch.num_rows() > 0 {
            table.probe_seen.store(true, Ordering::Relaxed);
            let valid = keys.as_ref().and_then(|keys| keys.valid.as_ref());
            if valid.is_some_and(|valid| valid.null_count() > 0) {
                table.probe_null.store(true, Ordering::Relaxed);
            }
        }
        let heads = table.index.heads(keys.as_ref(), batch.num_rows())?;
        self.current = Some(Current {
            matched: vec![false; batch.num_rows()],
            cursor: Cursor::new(heads),
            batch,
        });
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        let table = table_in(&self.slot)?;
        let limit = self.context.batch_rows.max(1);
        while let Some(current) = &mut self.current {
            // One batch against a large build side may give nothing for long.
            self.context.cancel.check()?;
            let output = current.advance(&self.spec, table, limit)?;
            if current.cursor.is_over() {
                self.current = None;
            }
            if output.is_some() {
                return Ok(output);
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<()> {
        let table = table_in(&self.slot)?;
        table.probing.fetch_sub(1, Ordering::AcqRel);
        Ok(())
    }

    fn flow(&self) -> Flow {
        let Some(table) = self.slot.get() else {
            return Flow::More;
        };
        let empty = table.rows.len() == 0 && self.spec.needs_build_rows();
        if empty || table.probe_null.load(Ordering::Relaxed) {
            Flow::Done
        } else {
            Flow::More
        }
    }
}

fn table_in(slot: &TableSlot) -> Result<&JoinTable> {
    slot.get()
        .ok_or_else(|| Error::bug("a join was probed before it was built"))
}

impl Current {
    /// Goes on by one piece; `None` where it gave no row.
    fn advance(
        &mut self,
        spec: &JoinSpec,
        table: &JoinTable,
        limit: usize,
    ) -> Result<Option<RecordBatch>> {
        match spec.kind {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                self.pairs(spec, table, limit)
            }
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                self.visit(spec, table, limit)?;
                Ok(None)
            }
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                self.mark(spec, table, limit)?;
                if self.cursor.is_over() {
                    self.marked(spec)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// Pairs that match, and for an outer probe side the rows without partner in their place.
    fn pairs(
        &mut self,
        spec: &JoinSpec,
        table: &JoinTable,
        limit: usize,
    ) -> Result<Option<RecordBatch>> {
        let lonely = matches!(spec.kind, JoinType::Right | JoinType::Full);
        let complete = self.cursor.complete();
        let pairs = match &spec.filter {
            None => self.cursor.next(table, limit, lonely),
            Some(filter) => {
                let mut pairs = self.cursor.next(table, limit, false);
                filter.apply(&table.rows, &self.batch, &mut pairs)?;
                if lonely {
                    self.with_lonely(&pairs, complete)
                } else {
                    pairs
                }
            }
        };
        if matches!(spec.kind, JoinType::Left | JoinType::Full) {
            for link in pairs.build.iter().filter(|link| **link != 0) {
                table.visit(*link);
            }
        }
        if pairs.len() == 0 {
            return Ok(None);
        }
        let output = spec.output.of_pairs(&table.rows, &self.batch, &pairs)?;
        Ok(Some(output))
    }

    /// `pairs`, and among them the rows that were completed since row `from` without a match.
    fn with_lonely(&mut self, pairs: &Pairs, from: usize) -> Pairs {
        let mut all = Pairs::default();
        let mut row = from;
        for (probe, build) in pairs.iter() {
            self.matched[probe] = true;
            for earlier in row..probe {
                if !self.matched[earlier] {
                    all.push(earlier, 0);
                }
            }
            row = row.max(probe);
            all.push(probe, build);
        }
        for earlier in row..self.cursor.complete() {
            if !self.matched[earlier] {
                all.push(earlier, 0);
            }
        }
        all
    }

    /// Notes which build rows found a partner.
    fn visit(&mut self, spec: &JoinSpec, table: &JoinTable, limit: usize) -> Result<()> {
        let Some(filter) = &spec.filter else {
            for head in self.cursor.heads() {
                table.visit_chain(*head);
            }
            self.cursor.skip_all();
            return Ok(());
        };
        let mut pairs = self.cursor.next_wanted(table, limit, |_, link| {
            if table.is_visited(link) {
                Wanted::No
            } else {
                Wanted::Yes
            }
        });
        filter.apply(&table.rows, &self.batch, &mut pairs)?;
        pairs.build.iter().for_each(|link| table.visit(*link));
        Ok(())
    }

    /// Notes which probe rows found a partner.
    fn mark(&mut self, spec: &JoinSpec, table: &JoinTable, limit: usize) -> Result<()> {
        let Some(filter) = &spec.filter else {
            for (row, head) in self.cursor.heads().iter().enumerate() {
                self.matched[row] = *head != 0;
            }
            self.cursor.skip_all();
            return Ok(());
        };
        let matched = &self.matched;
        let mut pairs = self.cursor.next_wanted(table, limit, |row, _| {
            if matched[row] {
                Wanted::RowIsDone
            } else {
                Wanted::Yes
            }
        });
        filter.apply(&table.rows, &self.batch, &mut pairs)?;
        for (probe, _) in pairs.iter() {
            self.matched[probe] = true;
        }
        Ok(())
    }

    /// The batch's rows that a semi, anti or mark join of the probe side gives.
    fn marked(&self, spec: &JoinSpec) -> Result<Option<RecordBatch>> {
        if spec.kind == JoinType::RightMark {
            let marks = BooleanArray::from(self.matched.clone());
            let output = spec.output.of_probe(&self.batch, None, Some(marks))?;
            return Ok(Some(output));
        }
        let wanted = spec.kind == JoinType::RightSemi;
        // A batch has fewer rows than 32 bits can count.
        let rows: Vec<u32> = (0u32..)
            .zip(&self.matched)
            .filter(|(_, matched)| **matched == wanted)
            .map(|(row, _)| row)
            .collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let whole = rows.len() == self.batch.num_rows();
        let rows = UInt32Array::from(rows);
        let output = spec
            .output
            .of_probe(&self.batch, (!whole).then_some(&rows), None)?;
        Ok(Some(output))
    }
}
