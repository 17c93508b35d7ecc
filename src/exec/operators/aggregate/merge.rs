//! Phase 2: one unit for each partition gives its groups.

use std::sync::Arc;

use crate::error::Result;
use crate::exec::{BatchStream, RunContext, Source, stream_of};

use super::partitions::Partitions;
use super::spilled::Spilled;

/// The results, partition by partition.
#[derive(Debug)]
pub(super) struct GroupSource {
    partitions: Arc<Partitions>,
}

impl GroupSource {
    pub(super) fn new(partitions: Arc<Partitions>) -> Self {
        GroupSource { partitions }
    }
}

impl Source for GroupSource {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        let spilled = self.partitions.spilled();
        Ok(match spilled.and_then(Spilled::files) {
            Some(files) => files.len(),
            None => self.partitions.number(),
        })
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        if let Some(spilled) = self
            .partitions
            .spilled()
            .filter(|spilled| spilled.is_used())
        {
            let groups = spilled.groups(unit, self.partitions.plan(), context);
            return Ok(stream_of(groups));
        }
        let (table, memory) = self.partitions.take(unit, context)?;
        let Some(mut table) = table else {
            return Ok(stream_of(std::iter::empty()));
        };
        let groups = table.take_results()?;
        let rows = context.batch_rows.max(1);
        let slices = (0..groups.num_rows()).step_by(rows).map(move |start| {
            // The reservation lives as long as the slices are being handed out.
            let _held = &memory;
            Ok(groups.slice(start, rows.min(groups.num_rows() - start)))
        });
        Ok(stream_of(slices))
    }

    fn describe(&self) -> String {
        "groups".to_string()
    }
}
