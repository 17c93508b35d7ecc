//! The build side's sink: batches and their keys, collected by each worker, become one [`JoinTable`].

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::PhysicalExpr;

use super::encode::KeyEncoder;
use super::index::Index;
use super::key_filter::Asked;
use super::keys::EncodedKeys;
use super::members::Members;
use super::rows::{self, BuildRows};
use super::table::JoinTable;
use super::{JoinSpec, TableSlot};
use crate::error::{Error, Result};
use crate::exec::{Flow, RunContext, Sink};

/// Collects the build side of one join.
#[derive(Debug)]
pub(crate) struct BuildSink {
    spec: Arc<JoinSpec>,
    /// Of the rows that come in.
    input: SchemaRef,
    slot: TableSlot,
    asked: Arc<Asked>,
}

/// What one worker collected.
#[derive(Debug)]
pub(crate) struct Collected {
    batches: Vec<RecordBatch>,
    keys: Vec<EncodedKeys>,
    encoder: Option<KeyEncoder>,
    parts: Vec<CollectedPart>,
    memory: MemoryReservation,
}

/// One of several keys, which a scan asks for by itself.
#[derive(Debug)]
struct CollectedPart {
    key: usize,
    encoder: KeyEncoder,
    values: Vec<EncodedKeys>,
}

impl BuildSink {
    pub(crate) fn new(
        spec: Arc<JoinSpec>,
        input: SchemaRef,
        slot: TableSlot,
        asked: Arc<Asked>,
    ) -> Self {
        BuildSink {
            spec,
            input,
            slot,
            asked,
        }
    }
}

impl Sink for BuildSink {
    type Local = Collected;

    fn start(&self, context: &Arc<RunContext>) -> Result<Collected> {
        Ok(Collected {
            batches: Vec::new(),
            keys: Vec::new(),
            encoder: encoder(&self.spec.build_keys, &self.input, &self.spec)?,
            parts: self.parts()?,
            memory: context.reserve("hash join"),
        })
    }

    fn push(&self, local: &mut Collected, batch: RecordBatch) -> Result<Flow> {
        let values = evaluate(&self.spec.build_keys, &batch)?;
        let encoder = local.encoder.as_ref();
        let keys = encoder.map(|encoder| encoder.encode(&values)).transpose()?;
        let mut key_size = keys.as_ref().map_or(0, EncodedKeys::memory_size);
        for part in &mut local.parts {
            let values = part.encoder.encode(&values[part.key..=part.key])?;
            key_size += values.memory_size();
            part.values.push(values);
        }
        let batch = rows::compact(batch.project(&self.spec.build_columns)?)?;
        local
            .memory
            .try_grow(rows::memory_size(&batch) + key_size)?;
        local.batches.push(batch);
        local.keys.extend(keys);
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<Collected>, context: &Arc<RunContext>) -> Result<()> {
        let table = self.table(locals, context)?;
        self.slot
            .set(table)
            .map_err(|_| Error::bug("a join was built twice"))
    }

    fn describe(&self) -> String {
        format!("build side of {}", self.spec.describe())
    }
}

impl BuildSink {
    fn parts(&self) -> Result<Vec<CollectedPart>> {
        let keys = self.asked.parts();
        let parts = keys.map(|key| {
            let only = std::slice::from_ref(&self.spec.build_keys[key]);
            let encoder = encoder(only, &self.input, &self.spec)?;
            Ok(encoder.map(|encoder| CollectedPart {
                key,
                encoder,
                values: Vec::new(),
            }))
        });
        parts.filter_map(Result::transpose).collect()
    }

    fn table(&self, locals: Vec<Collected>, context: &Arc<RunContext>) -> Result<JoinTable> {
        let memory = context.reserve("hash join");
        let (mut batches, mut keys, mut reservations) = (Vec::new(), Vec::new(), Vec::new());
        let mut parts = self.parts()?;
        for local in locals {
            batches.extend(local.batches);
            keys.extend(local.keys);
            for (all, part) in parts.iter_mut().zip(local.parts) {
                all.values.extend(part.values);
            }
            reservations.push(local.memory);
        }
        let parts = parts
            .into_iter()
            .map(|part| {
                let values = EncodedKeys::concat(part.values, part.encoder.shape())?;
                Ok((part.key, Members::of_encoded(&values)?))
            })
            .collect::<Result<_>>()?;
        let schema = Arc::new(self.input.project(&self.spec.build_columns)?);
        // One piece is faster to read, but not worth failing for.
        let join = memory.try_grow(rows::copied_size(&batches)).is_ok();
        let rows = BuildRows::new(&schema, batches, join)?;
        memory.free();
        memory.try_grow(Index::memory_size(rows.len() as usize))?;
        reservations.push(memory);
        let encoder = encoder(&self.spec.build_keys, &self.input, &self.spec)?;
        let (index, known_keys) = match encoder {
            None => (Index::all(rows.len()), None),
            Some(encoder) => {
                let keys = EncodedKeys::concat(keys, encoder.shape())?;
                let known = self.spec.null_aware.then(|| keys.valid.clone()).flatten();
                let ask = self.asked.whole();
                (Index::over(keys, rows.len(), context.threads, ask)?, known)
            }
        };
        Ok(JoinTable::new(
            rows,
            index,
            parts,
            self.spec.ends_with_build_rows(),
            known_keys,
            reservations,
        ))
    }
}

/// The encoder for one side's keys; none where the join has no keys.
pub(super) fn encoder(
    keys: &[Arc<dyn PhysicalExpr>],
    input: &SchemaRef,
    spec: &JoinSpec,
) -> Result<Option<KeyEncoder>> {
    if keys.is_empty() {
        return Ok(None);
    }
    let types = keys
        .iter()
        .map(|key| Ok(key.data_type(input)?))
        .collect::<Result<Vec<DataType>>>()?;
    Ok(Some(KeyEncoder::new(&types, spec.null_equality)?))
}

/// The values of `keys` for the rows of `batch`.
pub(super) fn evaluate(
    keys: &[Arc<dyn PhysicalExpr>],
    batch: &RecordBatch,
) -> Result<Vec<ArrayRef>> {
    keys.iter()
        .map(|key| Ok(key.evaluate(batch)?.into_array(batch.num_rows())?))
        .collect()
}
