//! The batches of one unit.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::RowSelection;

use super::Reader;
use super::column::Stretch;
use super::values::Broken;
use crate::error::{Error, Result};
use crate::file::filtered::{Undecoded, decode};
use crate::file::guard::{Suspect, guard};
use crate::file::types::with_types;
use crate::file::{ReadRequest, RowFilter, batch_of, schema_of};

/// Where so small a share of rows passes, rows of several batches are looked at together: so many.
const BATCHES_TOGETHER: f64 = 8.0;

/// Reads a unit batch by batch.
pub(in super::super) struct Batches {
    suspect: Suspect,
    readers: Vec<Reader>,
    schema: SchemaRef,
    request: ReadRequest,
    /// Rows of the row group that are still to be looked at.
    stretches: VecDeque<Range<u64>>,
    /// Rows looked at, and those that passed.
    seen: u64,
    passed: u64,
    /// What was read and is more than a batch.
    rest: Option<RecordBatch>,
    failed: bool,
    /// Told the row before which everything was given.
    done: Option<Arc<AtomicU64>>,
}

impl Batches {
    /// `selection` says which of `rows` rows are asked for; without it all are.
    pub(super) fn new(
        suspect: Suspect,
        readers: Vec<Reader>,
        schema: SchemaRef,
        selection: Option<RowSelection>,
        rows: u64,
        request: &ReadRequest,
    ) -> Self {
        Batches {
            suspect,
            readers,
            schema,
            request: request.clone(),
            stretches: match selection {
                None => std::iter::once(0..rows).collect(),
                Some(selection) => stretches(&selection),
            },
            seen: 0,
            passed: 0,
            rest: None,
            failed: false,
            done: None,
        }
    }

    /// Tells how far it has come.
    pub(in super::super) fn note(&mut self, done: Option<Arc<AtomicU64>>) {
        self.done = done;
    }

    /// The next rows to look at: more than a batch has where few of them pass.
    fn next_stretch(&mut self) -> Option<(u64, usize)> {
        let stretch = self.stretches.front_mut()?;
        let share = match self.seen {
            0 => 1.0,
            seen => self.passed as f64 / seen as f64,
        };
        let batches = (1.0 / share).clamp(1.0, BATCHES_TOGETHER);
        let most = (self.request.batch_rows as f64 * batches).max(1.0) as u64;
        let (first, rows) = (stretch.start, most.min(stretch.end - stretch.start));
        stretch.start += rows;
        if stretch.is_empty() {
            self.stretches.pop_front();
        }
        Some((first, rows as usize))
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.rest.take() {
                let rows = self.request.batch_rows.max(1);
                if batch.num_rows() > rows {
                    self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
                    return Ok(Some(batch.slice(0, rows)));
                }
                if batch.num_rows() > 0 {
                    return Ok(Some(batch));
                }
            }
            let Some((first, rows)) = self.next_stretch() else {
                return Ok(None);
            };
            if let Some(done) = &self.done {
                done.store(first, Ordering::Relaxed);
            }
            let mut undecoded = Rows {
                suspect: &self.suspect,
                readers: &mut self.readers,
                schema: &self.schema,
                first,
                rows,
            };
            let batch = decode(&mut undecoded, &self.schema, &self.request)?;
            self.seen += rows as u64;
            self.passed += batch.num_rows() as u64;
            self.rest = Some(batch);
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// The rows that are selected.
fn stretches(selection: &RowSelection) -> VecDeque<Range<u64>> {
    let mut stretches: VecDeque<Range<u64>> = VecDeque::new();
    let mut row = 0;
    for selector in selection.iter() {
        let end = row + selector.row_count as u64;
        if !selector.skip && row < end {
            match stretches.back_mut() {
                Some(last) if last.end == row => last.end = end,
                _ => stretches.push_back(row..end),
            }
        }
        row = end;
    }
    stretches
}

/// Rows of the row group before they are decoded.
struct Rows<'a> {
    suspect: &'a Suspect,
    readers: &'a mut [Reader],
    schema: &'a SchemaRef,
    first: u64,
    rows: usize,
}

impl Rows<'_> {
    fn reader(&mut self, column: usize) -> Result<&mut Reader> {
        let reader = self
            .readers
            .iter_mut()
            .find(|reader| reader.column == column);
        reader.ok_or_else(|| Error::bug("a column is asked for that was not opened"))
    }

    fn stretch<'p>(&self, picks: Option<&'p [u32]>) -> Stretch<'p> {
        Stretch {
            first: self.first,
            rows: self.rows,
            picks,
        }
    }
}

impl Undecoded for Rows<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn column(&mut self, column: usize, rows: Option<&[u32]>) -> Result<ArrayRef> {
        let (suspect, stretch) = (self.suspect, self.stretch(rows));
        let reader = self.reader(column)?;
        guard(suspect, || reader.values.read(stretch))
    }

    fn answers(
        &mut self,
        filter: &dyn RowFilter,
        rows: Option<&[u32]>,
    ) -> Result<Option<BooleanArray>> {
        let (suspect, stretch) = (self.suspect, self.stretch(rows));
        let &[column] = filter.columns() else {
            return Ok(None);
        };
        // A value that no row has must not end in an error.
        if filter.can_fail() {
            return Ok(None);
        }
        let schema = schema_of(self.schema, &[column]);
        let reader = self.reader(column)?;
        if !reader.has_only_indices {
            return Ok(None);
        }
        let ask = |values: Option<&ArrayRef>| -> Result<BooleanArray, Fault> {
            let batch = match values {
                Some(values) => {
                    let columns = vec![ArrayRef::clone(values)];
                    batch_of(&with_types(&schema, &columns), columns, values.len())
                }
                None => {
                    let null = new_null_array(schema.field(0).data_type(), 1);
                    batch_of(&schema, vec![null], 1)
                }
            };
            let answers = batch.and_then(|batch| filter.keep(&batch));
            Ok(match answers.map_err(Fault::Filter)? {
                answers if answers.nulls().is_none() => answers,
                answers => prep_null_mask_filter(&answers),
            })
        };
        match reader
            .values
            .answers(std::ptr::from_ref(filter).addr(), stretch, ask)
        {
            Ok(answers) => Ok(answers),
            Err(Fault::Filter(error)) => Err(error),
            Err(Fault::File(broken)) => Err(suspect.damaged(broken)),
        }
    }

    fn cost(&self, column: usize) -> f64 {
        let reader = self.readers.iter().find(|reader| reader.column == column);
        reader.map_or(1.0, |reader| reader.bytes)
    }

    fn few(&self) -> f64 {
        // Picking a value costs no more than copying it once more.
        1.0
    }
}

/// Why there are no answers.
enum Fault {
    File(Broken),
    Filter(Error),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Fault::File(broken)
    }
}
