//! DataFusion's physical expression as a reader's filter.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::common::Column;
use datafusion::common::pruning::PruningStatistics;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};

use crate::error::{Error, Result};
use crate::file::{Bounds, RowFilter, schema_of};

/// A condition over a table's columns.
#[derive(Debug)]
pub(crate) struct PhysicalFilter {
    /// Positions in the table, ascending.
    columns: Vec<usize>,
    /// The table's columns at these positions.
    schema: SchemaRef,
    /// Over `schema`.
    condition: Arc<dyn PhysicalExpr>,
    pruning: Option<Arc<PruningPredicate>>,
    can_fail: bool,
}

impl PhysicalFilter {
    /// `condition` is over all columns of `table`; `can_fail` if evaluating it may end in an error.
    pub(crate) fn new(
        condition: &Arc<dyn PhysicalExpr>,
        can_fail: bool,
        table: &SchemaRef,
    ) -> Result<Self> {
        let mut columns: Vec<usize> = collect_columns(condition)
            .iter()
            .map(|column| column.index())
            .collect();
        columns.sort_unstable();
        columns.dedup();
        let schema = schema_of(table, &columns);
        let condition = reassign_expr_columns(Arc::clone(condition), &schema)?;
        let pruning = PruningPredicateBuilder::new()
            .with_file_schema(Arc::clone(&schema))
            .build(Arc::clone(&condition));
        Ok(PhysicalFilter {
            columns,
            schema,
            condition,
            pruning,
            can_fail,
        })
    }
}

impl RowFilter for PhysicalFilter {
    fn columns(&self) -> &[usize] {
        &self.columns
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let answer = self
            .condition
            .evaluate(batch)?
            .into_array(batch.num_rows())?;
        answer
            .as_any()
            .downcast_ref::<BooleanArray>()
            .cloned()
            .ok_or_else(|| Error::bug("a filter's answer is not BOOL"))
    }

    fn may_match(&self, bounds: &dyn Bounds) -> Option<Vec<bool>> {
        let known = Known {
            bounds,
            filter: self,
        };
        // What cannot be judged stays in.
        self.pruning.as_ref()?.prune(&known).ok()
    }

    fn can_fail(&self) -> bool {
        self.can_fail
    }
}

/// Our bounds as DataFusion asks for them: by name.
struct Known<'a> {
    bounds: &'a dyn Bounds,
    filter: &'a PhysicalFilter,
}

impl Known<'_> {
    fn position(&self, column: &Column) -> Option<usize> {
        let found = self.filter.schema.index_of(column.name()).ok()?;
        self.filter.columns.get(found).copied()
    }
}

impl PruningStatistics for Known<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds.min(self.position(column)?)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds.max(self.position(column)?)
    }

    fn num_containers(&self) -> usize {
        self.bounds.containers()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds.null_counts(self.position(column)?)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        self.bounds.row_counts()
    }

    #[allow(
        clippy::mutable_key_type,
        reason = "the signature is DataFusion's; nothing is looked up"
    )]
    fn contained(
        &self,
        _column: &Column,
        _values: &std::collections::HashSet<datafusion::common::ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}
