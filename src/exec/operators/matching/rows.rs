//! The rows of the matches in sorted rows, one match after the other, with their labels.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanBufferBuilder, Int64Array, RecordBatchOptions};
use arrow::buffer::BooleanBuffer;
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::PhysicalExpr;

use super::MatchRule;
use super::matcher::Matcher;
use crate::error::Result;
use crate::exec::CancelToken;
use crate::exec::operators::filter::evaluate_predicate;
use crate::exec::operators::sort_keys::SortKeys;

/// What is looked for in which rows.
#[derive(Debug)]
pub(crate) struct MatchPlan {
    pub(crate) rule: MatchRule,
    /// Rows that agree in these are a partition; without any, all rows are.
    pub(crate) partition_by: Option<Arc<SortKeys>>,
    /// The condition of each symbol.
    pub(crate) conditions: Vec<Arc<dyn PhysicalExpr>>,
    /// Of the rows that are given: those of the input, then the labels.
    pub(crate) schema: SchemaRef,
}

/// Gives the rows of matches in batches, which it makes when they are asked for: matches that overlap have more rows than the input.
#[derive(Debug)]
pub(crate) struct MatchedRows {
    plan: Arc<MatchPlan>,
    /// Whole partitions, sorted.
    batches: Vec<RecordBatch>,
    /// The first row of each batch.
    starts: Vec<usize>,
    holds: Arc<Vec<BooleanBuffer>>,
    /// Those that were not begun.
    partitions: std::vec::IntoIter<Range<usize>>,
    matcher: Option<Matcher>,
    /// The first row of the partition, and of the match.
    partition: usize,
    first: usize,
    /// The match in its partition.
    number: i64,
    symbols: Vec<u16>,
    /// Rows of the match that are still to be given.
    rest: Range<usize>,
    /// What the rows before these take of the ids.
    base: usize,
    batch_rows: usize,
    cancel: CancelToken,
    /// For the partition's matcher.
    memory: MemoryReservation,
    /// For the batches, where nobody else counts them.
    _batches: Option<MemoryReservation>,
}

/// Labels of the rows of a batch to be.
#[derive(Debug, Default)]
struct Chosen {
    places: Vec<(usize, usize)>,
    ids: Vec<i64>,
    numbers: Vec<i64>,
    row_numbers: Vec<Option<i64>>,
    symbols: Vec<Option<i64>>,
}

impl MatchedRows {
    /// `batches` hold whole partitions in order; `base` rows came before them. `memory` is where a matcher's needs are counted.
    pub(crate) fn new(
        plan: &Arc<MatchPlan>,
        batches: Vec<RecordBatch>,
        base: usize,
        batch_rows: usize,
        cancel: &CancelToken,
        memory: MemoryReservation,
    ) -> Result<Self> {
        let mut starts = Vec::with_capacity(batches.len());
        let mut rows = 0;
        for batch in &batches {
            starts.push(rows);
            rows += batch.num_rows();
        }
        let conditions = plan.conditions.iter();
        let holds = conditions.map(|condition| holds(condition, &batches, rows));
        let holds = Arc::new(holds.collect::<Result<_>>()?);
        let partitions = partitions(&batches, plan.partition_by.as_deref(), rows)?;
        Ok(MatchedRows {
            plan: Arc::clone(plan),
            batches,
            starts,
            holds,
            partitions: partitions.into_iter(),
            matcher: None,
            partition: 0,
            first: 0,
            number: 0,
            symbols: Vec::new(),
            rest: 0..0,
            base,
            batch_rows: batch_rows.max(1),
            cancel: cancel.clone(),
            memory,
            _batches: None,
        })
    }

    /// The batches count as `memory` for as long as they are needed.
    #[must_use]
    pub(super) fn holding(self, memory: MemoryReservation) -> Self {
        MatchedRows {
            _batches: Some(memory),
            ..self
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut chosen = Chosen::default();
        while chosen.places.len() < self.batch_rows {
            if self.rest.is_empty() {
                match self.next_match()? {
                    true if self.rest.is_empty() => self.choose_empty(&mut chosen),
                    true => {}
                    false => break,
                }
                continue;
            }
            let room = self.batch_rows - chosen.places.len();
            let end = self.rest.end.min(self.rest.start + room);
            for row in self.rest.start..end {
                self.choose(row, &mut chosen);
            }
            self.rest.start = end;
        }
        match chosen.places.is_empty() {
            true => Ok(None),
            false => self.gather(chosen).map(Some),
        }
    }

    /// Goes on to the next match. `false`: there is none.
    fn next_match(&mut self) -> Result<bool> {
        loop {
            if let Some(matcher) = &mut self.matcher {
                if let Some(first) = matcher.next_match(&mut self.symbols)? {
                    self.first = first;
                    self.number += 1;
                    self.rest = 0..self.symbols.len();
                    return Ok(true);
                }
                self.matcher = None;
            }
            let Some(rows) = self.partitions.next() else {
                return Ok(false);
            };
            (self.partition, self.number) = (rows.start, 0);
            let (rule, memory) = (&self.plan.rule, &self.memory);
            self.matcher = Some(Matcher::new(rule, &self.holds, rows, &self.cancel, memory)?);
        }
    }

    fn choose(&self, row: usize, chosen: &mut Chosen) {
        self.choose_place(row, chosen);
        chosen.row_numbers.push(Some(number(row + 1)));
        let symbol = self.symbols.get(row).copied();
        chosen.symbols.push(symbol.map(i64::from));
    }

    /// A match without rows is there all the same: the row that it begins before stands for it.
    fn choose_empty(&self, chosen: &mut Chosen) {
        self.choose_place(0, chosen);
        chosen.row_numbers.push(None);
        chosen.symbols.push(None);
    }

    fn choose_place(&self, row: usize, chosen: &mut Chosen) {
        let row = self.partition + self.first + row;
        let batch = self.starts.partition_point(|start| *start <= row) - 1;
        chosen.places.push((batch, row - self.starts[batch]));
        // Every match begins in a row of its own.
        let first = self.base + self.partition + self.first;
        chosen.ids.push(number(first));
        chosen.numbers.push(self.number);
    }

    fn gather(&self, chosen: Chosen) -> Result<RecordBatch> {
        let rows = chosen.places.len();
        let columns = self.batches.first().map_or(0, RecordBatch::num_columns);
        let mut gathered = Vec::with_capacity(columns + 4);
        for column in 0..columns {
            let arrays = self.batches.iter();
            let arrays: Vec<&dyn Array> =
                arrays.map(|batch| batch.column(column).as_ref()).collect();
            gathered.push(interleave(&arrays, &chosen.places)?);
        }
        let labels: [ArrayRef; 4] = [
            Arc::new(Int64Array::from(chosen.ids)),
            Arc::new(Int64Array::from(chosen.numbers)),
            Arc::new(Int64Array::from(chosen.row_numbers)),
            Arc::new(Int64Array::from(chosen.symbols)),
        ];
        gathered.extend(labels);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = Arc::clone(&self.plan.schema);
        Ok(RecordBatch::try_new_with_options(
            schema, gathered, &options,
        )?)
    }
}

impl Iterator for MatchedRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.cancel.check().and_then(|()| self.next_batch());
        if next.is_err() {
            // An error ends the rows.
            (self.matcher, self.rest) = (None, 0..0);
            self.partitions = Vec::new().into_iter();
        }
        next.transpose()
    }
}

/// A row's number fits: rows that were counted lie in memory or in files.
fn number(row: usize) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}

/// The rows for which a condition is TRUE.
fn holds(
    condition: &Arc<dyn PhysicalExpr>,
    batches: &[RecordBatch],
    rows: usize,
) -> Result<BooleanBuffer> {
    let mut all = BooleanBufferBuilder::new(rows);
    for batch in batches {
        all.append_buffer(evaluate_predicate(condition, batch)?.values());
    }
    Ok(all.finish())
}

/// Where partitions begin and end.
fn partitions(
    batches: &[RecordBatch],
    keys: Option<&SortKeys>,
    rows: usize,
) -> Result<Vec<Range<usize>>> {
    let (mut partitions, mut start, mut row) = (Vec::new(), 0, 0);
    let mut before: Option<Box<[u8]>> = None;
    for batch in batches {
        let Some(keys) = keys else {
            break;
        };
        for key in keys.rows(&keys.columns(batch)?)?.iter() {
            let same = before.as_deref().is_some_and(|before| before == key.data());
            if !same {
                if row > start {
                    partitions.push(start..row);
                    start = row;
                }
                before = Some(key.data().into());
            }
            row += 1;
        }
    }
    if rows > start {
        partitions.push(start..rows);
    }
    Ok(partitions)
}
