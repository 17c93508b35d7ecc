//! Build rows that do not fit and cannot be told apart by their keys: a block of them at a time meets all probe rows.
//!
//! What depends on one build row is right in its block. What depends on a probe row is known after the last block: a bit for
//! each says whether it found a partner in any.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, BooleanBufferBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::JoinType;

use super::super::{Column, JoinSpec, OutputColumns, TableSlot};
use super::SpillJoin;
use super::pairs::{Batches, Pair, joined, table_of};
use crate::error::{Error, Result};
use crate::exec::RunContext;
use crate::exec::memory::Room;
use crate::exec::spill::{SpillFile, batch_bytes};

/// The least that a block holds.
const BLOCK_BYTES_MIN: usize = if cfg!(test) { 400 } else { 64 << 10 };

/// The rows that a pair gives, block by block.
pub(super) struct Blocks {
    join: Arc<SpillJoin>,
    context: Arc<RunContext>,
    pair: Pair,
    build: Batches,
    block_bytes: usize,
    /// What one block gives; none where only probe rows matter.
    in_block: Option<Arc<JoinSpec>>,
    /// Which probe rows found a partner, where that matters at the end.
    marking: Option<(Arc<JoinSpec>, BooleanBufferBuilder)>,
    current: Option<Batches>,
    is_over: bool,
    room: Room,
}

impl Blocks {
    pub(super) fn new(
        join: &Arc<SpillJoin>,
        pair: Pair,
        context: &Arc<RunContext>,
    ) -> Result<Self> {
        use JoinType::{Full, Inner, Left, Right, RightAnti, RightMark, RightSemi};
        let room = Room::new(join.share(context));
        let spec = &join.spec;
        let in_block = match spec.kind {
            Right => Some(Arc::new(with_kind(spec, Inner))),
            Full => Some(Arc::new(with_kind(spec, Left))),
            RightSemi | RightAnti | RightMark => None,
            _ => Some(Arc::clone(spec)),
        };
        let probe_rows = pair.probe.as_ref().map_or(0, SpillFile::rows);
        let marking =
            matches!(spec.kind, Right | Full | RightSemi | RightAnti | RightMark).then(|| {
                let mut bits = BooleanBufferBuilder::new(probe_rows);
                bits.append_n(probe_rows, false);
                (Arc::new(marks_only(spec)), bits)
            });
        Ok(Blocks {
            block_bytes: (room.share().fair_part() / 4).max(BLOCK_BYTES_MIN),
            build: pair.build_batches(context)?,
            join: Arc::clone(join),
            context: Arc::clone(context),
            pair,
            in_block,
            marking,
            current: None,
            is_over: false,
            room,
        })
    }

    /// The next block's table; none after the last.
    fn next_table(&mut self) -> Result<Option<TableSlot>> {
        let mut block = Vec::new();
        let mut bytes = 0;
        while bytes < self.block_bytes {
            let Some(batch) = self.build.next().transpose()? else {
                break;
            };
            bytes += batch_bytes(&batch);
            block.push(Ok(batch));
        }
        if block.is_empty() {
            return Ok(None);
        }
        // A block is small: it goes on whatever others hold.
        let context = self
            .context
            .charging(self.room.share().as_pool_without_limit());
        let spec = self.in_block.as_ref().unwrap_or(&self.join.spec);
        table_of(&self.join, spec, block.into_iter(), &context).map(Some)
    }

    fn begin_block(&mut self, slot: &TableSlot) -> Result<()> {
        if let Some((spec, bits)) = &mut self.marking {
            let probe = self.pair.probe_batches(&self.context)?;
            let mut row = 0;
            for marks in joined(&self.join, spec, slot, probe, &self.context)? {
                let marks = marks?;
                let marks = marks.column(0).as_boolean();
                for place in 0..marks.len() {
                    if marks.value(place) {
                        bits.set_bit(row + place, true);
                    }
                }
                row += marks.len();
            }
        }
        if let Some(spec) = &self.in_block {
            let probe = self.pair.probe_batches(&self.context)?;
            let rows = joined(&self.join, spec, slot, probe, &self.context)?;
            self.current = Some(rows);
        }
        Ok(())
    }

    /// What is known of probe rows after the last block.
    fn end(&mut self) -> Result<()> {
        let Some((_, mut bits)) = self.marking.take() else {
            return Ok(());
        };
        let bits = bits.finish();
        let mut row = 0;
        let probe = self.pair.probe_batches(&self.context)?.map(move |batch| {
            let batch = batch?;
            let marks = BooleanArray::new(bits.slice(row, batch.num_rows()), None);
            row += batch.num_rows();
            Ok::<_, Error>((batch, marks))
        });
        let spec = Arc::clone(&self.join.spec);
        if spec.kind == JoinType::RightMark {
            self.current = Some(Box::new(probe.map(move |rows| {
                let (batch, marks) = rows?;
                spec.output.of_probe(&batch, None, Some(marks))
            })));
            return Ok(());
        }
        let wanted = spec.kind == JoinType::RightSemi;
        let picked = probe.map(move |rows| {
            let (batch, marks) = rows?;
            let marks = match wanted {
                true => marks,
                false => arrow::compute::not(&marks)?,
            };
            Ok(filter_record_batch(&batch, &marks)?)
        });
        if matches!(spec.kind, JoinType::RightSemi | JoinType::RightAnti) {
            let rows = picked.map(move |batch| spec.output.of_probe(&batch?, None, None));
            self.current = Some(Box::new(rows));
            return Ok(());
        }
        // Without build rows, every probe row is one without partner.
        let right = Arc::new(with_kind(&spec, JoinType::Right));
        let empty = table_of(&self.join, &right, std::iter::empty(), &self.context)?;
        let rows = joined(&self.join, &right, &empty, Box::new(picked), &self.context)?;
        self.current = Some(rows);
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                return batch.map(Some);
            }
            self.current = None;
            if self.is_over {
                return Ok(None);
            }
            match self.next_table()? {
                Some(table) => self.begin_block(&table)?,
                None => {
                    self.is_over = true;
                    self.end()?;
                }
            }
        }
    }
}

impl Iterator for Blocks {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) {
            self.is_over = true;
            self.current = None;
        }
        next
    }
}

fn with_kind(spec: &JoinSpec, kind: JoinType) -> JoinSpec {
    JoinSpec {
        kind,
        ..spec.clone()
    }
}

/// The same join, asked only which probe rows have a partner.
fn marks_only(spec: &JoinSpec) -> JoinSpec {
    let mark = Field::new("mark", DataType::Boolean, false);
    JoinSpec {
        kind: JoinType::RightMark,
        output: OutputColumns {
            schema: Arc::new(Schema::new(vec![mark])),
            columns: vec![Column::Mark],
        },
        ..spec.clone()
    }
}
