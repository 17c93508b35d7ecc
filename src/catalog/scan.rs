//! The plan node that stands for reading the files of a table. `plan::lower` turns it into a pipeline's source; it can also run
//! by itself, one file after the other, which is what DataFusion's executor does with it.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};

use super::files::FileTable;
use super::filter::PhysicalFilter;
use crate::error::{Error, Result};
use crate::file::table::{FilePart, ScanFile, TableRequest};
use crate::file::{Pruned, ReadTally, RowFilter, schema_of};

/// The plan of a scan, which DataFusion lets come later; ours are there at once.
pub(super) type Planned<'future> =
    Pin<Box<dyn Future<Output = DataFusionResult<Arc<dyn ExecutionPlan>>> + Send + 'future>>;

/// Reads some columns and the rows that pass a filter.
#[derive(Debug, Clone)]
pub(crate) struct TableScanExec {
    table: Arc<FileTable>,
    projection: Vec<usize>,
    predicate: Option<Predicate>,
    properties: Arc<PlanProperties>,
}

/// A condition over all columns of the table, and how a user would write it.
#[derive(Debug, Clone)]
pub(crate) struct Predicate {
    pub(crate) condition: Arc<dyn PhysicalExpr>,
    pub(crate) text: String,
}

/// A condition over all columns of a table, and whether evaluating it may end in an error.
pub(crate) type RowCondition = (Arc<dyn PhysicalExpr>, bool);

impl TableScanExec {
    pub(crate) fn new(
        table: Arc<FileTable>,
        projection: Vec<usize>,
        predicate: Option<Predicate>,
    ) -> Self {
        let schema = schema_of(table.columns(), &projection);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        TableScanExec {
            table,
            projection,
            predicate,
            properties: Arc::new(properties),
        }
    }

    /// The files as the user named them.
    pub(crate) fn path(&self) -> &str {
        self.table.path()
    }

    /// Whether both read the same files in the same way.
    pub(crate) fn reads_what(&self, other: &TableScanExec) -> bool {
        self.table.is(&other.table)
    }

    pub(crate) fn files(&self) -> &[ScanFile] {
        self.table.files()
    }

    /// The condition on rows, over all columns of the table.
    pub(crate) fn predicate(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        self.predicate
            .as_ref()
            .map(|predicate| &predicate.condition)
    }

    /// The condition as a user would write it.
    pub(crate) fn predicate_text(&self) -> Option<&str> {
        self.predicate
            .as_ref()
            .map(|predicate| predicate.text.as_str())
    }

    /// What to ask the files for, with `filters` in place of [`TableScanExec::predicate`]: lowering has taken it apart and checked
    /// its arithmetic. Filters that can fail come last.
    pub(crate) fn request(
        &self,
        filters: &[RowCondition],
        batch_rows: usize,
    ) -> Result<TableRequest> {
        let filter = |(condition, can_fail): &RowCondition| {
            PhysicalFilter::new(condition, *can_fail, self.table.columns())
                .map(|filter| Arc::new(filter) as Arc<dyn RowFilter>)
        };
        Ok(TableRequest {
            table: Arc::clone(self.table.columns()),
            projection: self.projection.clone(),
            filters: filters.iter().map(filter).collect::<Result<_>>()?,
            narrow: Vec::new(),
            batch_rows,
            tally: Arc::default(),
        })
    }

    /// What was left out of the table when it was planned.
    pub(crate) fn pruned(&self) -> &[Pruned] {
        self.table.pruned()
    }

    /// How many shards its rows lie in, and where the key that says so is in what is given, if it is.
    pub(crate) fn shards(&self) -> Option<(u64, Option<Vec<usize>>)> {
        let shards = self.table.shards()?;
        let place = |column: &usize| self.projection.iter().position(|given| given == column);
        Some((shards.count, shards.key.iter().map(place).collect()))
    }

    /// Where its files lie, if the table is cut by the hash of one column: that, the number of shards, and that of each file.
    pub(crate) fn shards_of_files(&self) -> Option<(usize, u64, &[u64])> {
        let shards = self.table.shards()?;
        let [key] = shards.key.as_slice() else {
            return None;
        };
        Some((*key, shards.count, &shards.of_files))
    }

    /// The same scan of some shards alone.
    pub(crate) fn of_shards(&self, wanted: &Range<u64>) -> Self {
        TableScanExec {
            table: Arc::new(self.table.of_shards(wanted)),
            ..self.clone()
        }
    }

    /// The columns given, by position in the table.
    pub(crate) fn projection(&self) -> &[usize] {
        &self.projection
    }

    /// What is known of the whole table, with an entry for every column: of those that matter here, what the files say.
    pub(crate) fn table_statistics(&self) -> Statistics {
        let mut used = self.projection.clone();
        let read = self.predicate().map(collect_columns).unwrap_or_default();
        used.extend(read.iter().map(Column::index));
        let known = self.table.statistics_of(&used);
        let mut all = Statistics::new_unknown(self.table.columns());
        all.num_rows = known.num_rows;
        for (column, known) in used.into_iter().zip(known.column_statistics) {
            all.column_statistics[column] = known;
        }
        all
    }

    fn out_schema(&self) -> SchemaRef {
        schema_of(self.table.columns(), &self.projection)
    }

    fn estimate(&self) -> DataFusionResult<Statistics> {
        let Some(condition) = self.predicate() else {
            return Ok(self.table.statistics_of(&self.projection));
        };
        // DataFusion's own filter knows how many rows a condition leaves.
        let mut columns = self.projection.clone();
        columns.extend(collect_columns(condition).iter().map(Column::index));
        let bare = TableScanExec::new(Arc::clone(&self.table), columns, None);
        let condition = reassign_expr_columns(Arc::clone(condition), &bare.schema())?;
        let filter = FilterExec::try_new(condition, Arc::new(bare))?;
        let after = StatisticsContext::new().compute(&filter, &StatisticsArgs::new())?;
        let wanted: Vec<usize> = (0..self.projection.len()).collect();
        Ok(Statistics::clone(&after)
            .project(Some(&wanted))
            .to_inexact())
    }
}

impl DisplayAs for TableScanExec {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.out_schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        write!(
            f,
            "TableScanExec: {}, columns=[{}]",
            self.path(),
            names.join(", ")
        )?;
        if let Some(text) = self.predicate_text() {
            write!(f, ", filter={text}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for TableScanExec {
    fn name(&self) -> &str {
        "TableScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DataFusionResult<TreeNodeRecursion>,
    ) -> DataFusionResult<TreeNodeRecursion> {
        self.predicate().map_or(Ok(TreeNodeRecursion::Continue), f)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mode = ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(mode))
    }

    fn execute(
        &self,
        _partition: usize,
        context: Arc<TaskContext>,
    ) -> DataFusionResult<SendableRecordBatchStream> {
        let rows = context.session_config().batch_size();
        let whole: Vec<RowCondition> = self
            .predicate()
            .map(|all| (Arc::clone(all), true))
            .into_iter()
            .collect();
        let mut request = self.request(&whole, rows).map_err(external)?;
        if let Some(tally) = context.session_config().get_extension::<ReadTally>() {
            request.tally = tally;
        }
        let batches = self.files().to_vec().into_iter().flat_map(move |file| {
            let batches = read_all(&file, &request);
            let (batches, error) = match batches {
                Ok(batches) => (Some(batches), None),
                Err(error) => (None, Some(Err(error))),
            };
            batches.into_iter().flatten().chain(error)
        });
        let batches = futures::stream::iter(batches.map(|batch| batch.map_err(external)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.out_schema(),
            batches,
        )))
    }

    fn statistics_from_inputs(
        &self,
        _inputs: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> DataFusionResult<Arc<Statistics>> {
        self.estimate().map(Arc::new)
    }
}

pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Every unit of a file, in order.
fn read_all(file: &ScanFile, request: &TableRequest) -> Result<crate::file::BatchIterator> {
    let Some(part) = FilePart::new(file, request)? else {
        return Ok(Box::new(std::iter::empty()));
    };
    let units = part.units(1)?;
    Ok(Box::new(units.into_iter().flat_map(move |unit| {
        let (batches, error) = match part.read(&unit) {
            Ok(batches) => (Some(batches), None),
            Err(error) => (None, Some(Err(error))),
        };
        batches.into_iter().flatten().chain(error)
    })))
}
