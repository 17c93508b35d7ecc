//! From pairs of rows to batches: what the residual filter reads, and what the join gives.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::physical_expr::PhysicalExpr;

use super::candidates::Pairs;
use super::index::Link;
use super::rows::{BuildRows, Links, with_columns};
use crate::error::{Error, Result};

/// Where a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Build(usize),
    Probe(usize),
    /// Whether the row found a partner.
    Mark,
}

/// Columns of both sides put together.
#[derive(Debug, Clone)]
pub(crate) struct OutputColumns {
    pub(crate) schema: SchemaRef,
    pub(crate) columns: Vec<Column>,
}

impl OutputColumns {
    /// Both sides of `pairs`; a zero link gives NULLs.
    pub(super) fn of_pairs(
        &self,
        rows: &BuildRows,
        probe: &RecordBatch,
        pairs: &Pairs,
    ) -> Result<RecordBatch> {
        let some_absent = pairs.build.contains(&0);
        let links = Links::new(&pairs.build, some_absent);
        let whole = is_whole(&pairs.probe, probe.num_rows());
        let probe_rows = UInt32Array::from(pairs.probe.clone());
        self.assemble(pairs.len(), |column| match column {
            Column::Build(column) => rows.column(column, &links),
            Column::Probe(column) if whole => Ok(Arc::clone(probe.column(column))),
            Column::Probe(column) => Ok(take(probe.column(column), &probe_rows, None)?),
            Column::Mark => Err(Error::bug("a mark beside a pair of rows")),
        })
    }

    /// Probe rows alone; `pick` names them, none means all. `mark` says which found a partner.
    pub(super) fn of_probe(
        &self,
        probe: &RecordBatch,
        pick: Option<&UInt32Array>,
        mark: Option<BooleanArray>,
    ) -> Result<RecordBatch> {
        let rows = pick.map_or(probe.num_rows(), |pick| pick.len());
        self.assemble(rows, |column| match (column, pick) {
            (Column::Probe(column), None) => Ok(Arc::clone(probe.column(column))),
            (Column::Probe(column), Some(pick)) => Ok(take(probe.column(column), pick, None)?),
            (Column::Mark, _) => marks(mark.as_ref()),
            (Column::Build(_), _) => Err(Error::bug("a build column without a build row")),
        })
    }

    /// Build rows alone, with NULLs on the probe side.
    pub(super) fn of_build(
        &self,
        rows: &BuildRows,
        links: &[Link],
        mark: Option<BooleanArray>,
    ) -> Result<RecordBatch> {
        let gathered = Links::new(links, false);
        self.assemble_typed(links.len(), |column, position| match column {
            Column::Build(column) => rows.column(column, &gathered),
            Column::Probe(_) => Ok(new_null_array(
                self.schema.field(position).data_type(),
                links.len(),
            )),
            Column::Mark => marks(mark.as_ref()),
        })
    }

    fn assemble(
        &self,
        rows: usize,
        column: impl Fn(Column) -> Result<ArrayRef>,
    ) -> Result<RecordBatch> {
        self.assemble_typed(rows, |which, _| column(which))
    }

    fn assemble_typed(
        &self,
        rows: usize,
        column: impl Fn(Column, usize) -> Result<ArrayRef>,
    ) -> Result<RecordBatch> {
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(position, which)| column(*which, position))
            .collect::<Result<_>>()?;
        with_columns(Arc::clone(&self.schema), columns, rows)
    }
}

fn marks(mark: Option<&BooleanArray>) -> Result<ArrayRef> {
    mark.map(|mark| Arc::new(mark.clone()) as ArrayRef)
        .ok_or_else(|| Error::bug("a join without marks has a mark column"))
}

/// Every row of the batch once and in order: nothing to gather.
fn is_whole(picked: &[u32], rows: usize) -> bool {
    picked.len() == rows
        && picked
            .iter()
            .enumerate()
            .all(|(position, row)| position == *row as usize)
}

/// The condition beside the keys, over columns of both sides.
#[derive(Debug, Clone)]
pub(crate) struct PairFilter {
    pub(crate) expression: Arc<dyn PhysicalExpr>,
    pub(crate) input: OutputColumns,
}

impl PairFilter {
    /// Keeps the pairs for which the condition is true.
    pub(super) fn apply(
        &self,
        rows: &BuildRows,
        probe: &RecordBatch,
        pairs: &mut Pairs,
    ) -> Result<()> {
        if pairs.len() == 0 {
            return Ok(());
        }
        let input = self.input.of_pairs(rows, probe, pairs)?;
        let verdict = self
            .expression
            .evaluate(&input)?
            .into_array(input.num_rows())?;
        let verdict = verdict
            .as_boolean_opt()
            .ok_or_else(|| Error::bug("a join condition that is no truth value"))?;
        pairs.retain(|position| verdict.is_valid(position) && verdict.value(position));
        Ok(())
    }
}
