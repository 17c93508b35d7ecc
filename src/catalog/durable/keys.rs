//! Keys that a condition names, and the buckets that they hash to: of shards, and of partitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Operator};

use super::SnapshotTable;
use crate::table::layout::buckets;
use crate::table::schema::exactly;
use crate::table::snapshot::{CHECKSUM_TAG, Segment};
use crate::table::transform::Transform;

/// Keys that a condition may name before shards are no longer told apart.
const KEYS_MAX: usize = 4096;

impl SnapshotTable {
    /// The buckets that the condition's keys hash to; `None` where it does not name them.
    pub(super) fn wanted_buckets(&self, filters: &[Expr]) -> Option<BTreeSet<u64>> {
        let snapshot = self.snapshot();
        let conjuncts: Vec<&Expr> = filters.iter().flat_map(split_conjunction).collect();
        let mut combinations: Vec<Vec<ArrayRef>> = vec![Vec::new()];
        for column in &snapshot.layout.shard_key {
            let name = snapshot.columns.seen.field(*column).name();
            let mut named = conjuncts.iter().filter_map(|part| values_of(part, name));
            let values = self.stored_values(*column, named.next()?);
            if combinations.len() * values.len() > KEYS_MAX {
                return None;
            }
            combinations = combinations
                .iter()
                .flat_map(|before| {
                    values.iter().map(|value| {
                        let mut key = before.clone();
                        key.push(Arc::clone(value));
                        key
                    })
                })
                .collect();
        }
        let found = combinations.iter().map(|key| buckets(key).ok());
        let found: Option<Vec<Vec<u64>>> = found.collect();
        Some(found?.into_iter().flatten().collect())
    }

    /// Values as the column stores them; those that it cannot store equal nothing in it.
    fn stored_values(&self, column: usize, values: Vec<ScalarValue>) -> Vec<ArrayRef> {
        let columns = &self.snapshot().columns;
        let stored = |value: ScalarValue| {
            let value = value
                .to_array()
                .ok()
                .filter(|value| value.null_count() == 0)?;
            let seen = exactly(&value, columns.seen.field(column).data_type()).ok()?;
            exactly(&seen, columns.stored.field(column).data_type()).ok()
        };
        values.into_iter().filter_map(stored).collect()
    }

    /// Leaves out partitions of buckets that no key of the condition hashes to.
    pub(super) fn keep_buckets(&self, segments: &mut Vec<Arc<Segment>>, filters: &[Expr]) {
        let snapshot = self.snapshot();
        for key in &snapshot.layout.partition_by {
            let Some(transform @ Transform::Bucket(_)) = key.transform else {
                continue;
            };
            let name = snapshot.columns.seen.field(key.column).name();
            let conjuncts = filters.iter().flat_map(split_conjunction);
            let mut named = conjuncts.filter_map(|part| values_of(part, name));
            let Some(values) = named.next().filter(|values| values.len() <= KEYS_MAX) else {
                continue;
            };
            let mut wanted = BTreeSet::new();
            for value in self.stored_values(key.column, values) {
                let Ok(bucket) = transform.apply(&value) else {
                    return;
                };
                let bucket = bucket.as_primitive_opt::<Int32Type>();
                wanted.extend(bucket.map(|bucket| bucket.value(0).to_string()));
            }
            segments.retain(|segment| {
                let value = segment.add.partition_values.get(&key.name);
                let bucket = value.and_then(|value| value.as_ref());
                !is_ours(segment) || bucket.is_none_or(|bucket| wanted.contains(bucket))
            });
        }
    }
}

/// Whether we wrote the segment, and computed the names of its partition.
pub(super) fn is_ours(segment: &Segment) -> bool {
    segment.tag(CHECKSUM_TAG).is_some()
}

/// The values that a column must have for the condition to hold; `None` where it does not say.
fn values_of(condition: &Expr, column: &str) -> Option<Vec<ScalarValue>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(found) if found.name == column);
    let literal = |expr: &Expr| match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    match condition {
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::Eq if is_column(&binary.left) => Some(vec![literal(&binary.right)?]),
            Operator::Eq if is_column(&binary.right) => Some(vec![literal(&binary.left)?]),
            Operator::Or => {
                let mut values = values_of(&binary.left, column)?;
                values.extend(values_of(&binary.right, column)?);
                Some(values)
            }
            Operator::And => {
                values_of(&binary.left, column).or_else(|| values_of(&binary.right, column))
            }
            _ => None,
        },
        Expr::InList(list) if !list.negated && is_column(&list.expr) => {
            list.list.iter().map(literal).collect()
        }
        _ => None,
    }
}
