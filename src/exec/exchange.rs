//! The map side of an exchange: rows of a batch go to partitions by the hash of their keys.

use std::ops::Range;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use datafusion::common::hash_utils::{RandomState, create_hashes};

use crate::error::{Error, Result};

/// The seed of every exchange, so that equal keys meet whoever scattered them. Hash tables use seeds of their own: rows of one
/// partition are then still spread over the whole table.
const SEED: u64 = 0x7469_6465_6d69_6c6c;

/// Splits batches by hash. One belongs to one worker: its buffers are used again for every batch.
#[derive(Debug)]
pub(crate) struct Scatter {
    partitions: usize,
    seed: u64,
    hashes: Vec<u64>,
    targets: Vec<usize>,
    /// Where the rows of each partition start in the order by partition; one more for the end.
    starts: Vec<usize>,
}

impl Scatter {
    pub(crate) fn new(partitions: usize) -> Self {
        Scatter {
            partitions: partitions.max(1),
            seed: SEED,
            hashes: Vec::new(),
            targets: Vec::new(),
            starts: Vec::new(),
        }
    }

    /// The same for rows that were split `level` times before: those that met so far part now.
    pub(crate) fn at_level(partitions: usize, level: u32) -> Self {
        Scatter {
            // Another seed than an exchange, whose partitions may be what is split.
            seed: SEED.rotate_left(level + 1),
            ..Scatter::new(partitions)
        }
    }

    /// The rows of `batch` for each partition that gets any, with the partition's number. `keys` are arrays of the batch's
    /// length. Rows of one partition keep their order; keys that are equal (as groups: NULL is NULL, -0.0 is 0.0) meet in one
    /// partition. The parts share buffers: memory is to be reserved for the batch, not for each part.
    pub(crate) fn split(
        &mut self,
        batch: &RecordBatch,
        keys: &[ArrayRef],
    ) -> Result<Vec<(usize, RecordBatch)>> {
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        if self.partitions == 1 {
            return Ok(vec![(0, batch.clone())]);
        }
        self.hashes.clear();
        self.hashes.resize(batch.num_rows(), 0);
        create_hashes(keys, &RandomState::with_seed(self.seed), &mut self.hashes)?;
        let order = self.order_by_partition()?;
        if let Some(only) =
            (0..self.partitions).find(|part| self.rows_of(*part).len() == order.len())
        {
            return Ok(vec![(only, batch.clone())]);
        }
        let sorted = take_record_batch(batch, &order)?;
        Ok((0..self.partitions)
            .map(|part| (part, self.rows_of(part)))
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(part, rows)| (part, sorted.slice(rows.start, rows.len())))
            .collect())
    }

    /// Where the rows of partition `part` lie in the order by partition.
    fn rows_of(&self, part: usize) -> Range<usize> {
        self.starts[part]..self.starts[part + 1]
    }

    /// Row numbers ordered by partition: a counting sort.
    fn order_by_partition(&mut self) -> Result<UInt32Array> {
        self.starts.clear();
        self.starts.resize(self.partitions + 1, 0);
        self.targets.clear();
        for hash in &self.hashes {
            let target = partition_of(*hash, self.partitions);
            self.starts[target + 1] += 1;
            self.targets.push(target);
        }
        for part in 0..self.partitions {
            self.starts[part + 1] += self.starts[part];
        }
        let mut next = self.starts.clone();
        let mut order = vec![0_u32; self.targets.len()];
        for (row, target) in self.targets.iter().enumerate() {
            order[next[*target]] = u32::try_from(row)
                .map_err(|_| Error::bug("a batch has more rows than an exchange can number"))?;
            next[*target] += 1;
        }
        Ok(UInt32Array::from(order))
    }
}

/// Spreads hashes evenly by their high bits: the low ones are what hash tables look at.
fn partition_of(hash: u64, partitions: usize) -> usize {
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    // Below `partitions`, because `mixed` is below 2^32.
    ((mixed * partitions as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{AsArray, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn batch(keys: ArrayRef) -> RecordBatch {
        let rows = Int64Array::from_iter_values(0..keys.len() as i64);
        RecordBatch::try_from_iter_with_nullable([
            ("key", keys, true),
            ("row", Arc::new(rows) as ArrayRef, true),
        ])
        .unwrap()
    }

    fn rows(part: &RecordBatch) -> Vec<i64> {
        part.column(1).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn every_row_goes_to_one_partition_and_equal_keys_meet() {
        let keys: StringArray = (0..1000)
            .map(|row| Some(format!("k{}", row % 37)))
            .collect();
        let batch = batch(Arc::new(keys));
        let parts = Scatter::new(8)
            .split(&batch, &batch.columns()[..1])
            .unwrap();
        let mut home: HashMap<i64, usize> = HashMap::new();
        let mut seen = 0;
        for (number, part) in &parts {
            assert!(part.num_rows() > 0 && *number < 8);
            let rows = rows(part);
            assert!(rows.is_sorted());
            seen += rows.len();
            for row in rows {
                assert_eq!(home.entry(row % 37).or_insert(*number), number);
            }
        }
        assert_eq!(seen, 1000);
        assert!(parts.len() > 1);
    }

    #[test]
    fn nulls_meet_and_negative_zero_meets_zero() {
        let keys = Float64Array::from(vec![Some(0.0), Some(-0.0), Some(0.0)]);
        let batch_of_zeros = batch(Arc::new(keys));
        let mut scatter = Scatter::new(16);
        let parts = scatter
            .split(&batch_of_zeros, &batch_of_zeros.columns()[..1])
            .unwrap();
        assert_eq!(parts.len(), 1);
        let nulls = batch(Arc::new(Int64Array::from(vec![None, None])));
        assert_eq!(
            scatter.split(&nulls, &nulls.columns()[..1]).unwrap().len(),
            1
        );
    }

    #[test]
    fn one_partition_and_no_rows() {
        let three = batch(Arc::new(Int64Array::from(vec![1, 2, 3])));
        let keys = &three.columns()[..1];
        let parts = Scatter::new(1).split(&three, keys).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(rows(&parts[0].1), [0, 1, 2]);
        let none = three.slice(0, 0);
        assert!(
            Scatter::new(4)
                .split(&none, &none.columns()[..1])
                .unwrap()
                .is_empty()
        );
    }
}
