//! Rows that are known when the query is planned: tables in memory, VALUES, one row of nothing, no row at all.

use std::sync::Arc;

use arrow::array::{RecordBatchOptions, new_null_array};
use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSource;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;

use super::limit::lower_limit;
use crate::catalog::shared::LaterExec;
use crate::error::Result;
use crate::exec::graph::Stream;
use crate::exec::operators::memory::{LaterSource, MemorySource};

/// The rows of `plan`, or `None` where it is none of these nodes.
pub(crate) fn lower_memory(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Stream>> {
    if plan.downcast_ref::<EmptyExec>().is_some() {
        return Ok(Some(stream_of(Vec::new())));
    }
    if plan.downcast_ref::<PlaceholderRowExec>().is_some() {
        return Ok(Some(stream_of(vec![one_row(plan)?])));
    }
    if plan.is::<LaterExec>() {
        return Ok(Some(Stream::from_source(Arc::new(LaterSource), Vec::new())));
    }
    let Some(memory) = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|scan| scan.data_source().downcast_ref::<MemorySourceConfig>())
    else {
        return Ok(None);
    };
    let batches = memory
        .partitions()
        .iter()
        .flatten()
        .map(|batch| match memory.projection() {
            None => Ok(batch.clone()),
            Some(projection) => Ok(batch.project(projection)?),
        })
        .collect::<Result<_>>()?;
    lower_limit(0, memory.fetch(), stream_of(batches)).map(Some)
}

fn stream_of(batches: Vec<RecordBatch>) -> Stream {
    Stream::from_source(Arc::new(MemorySource::new(batches)), Vec::new())
}

/// A row of NULLs, for expressions that need no input. The plan may promise columns without NULL: nothing reads them.
fn one_row(plan: &Arc<dyn ExecutionPlan>) -> Result<RecordBatch> {
    let fields = plan.schema();
    let fields = fields
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = schema
        .fields()
        .iter()
        .map(|field| new_null_array(field.data_type(), 1))
        .collect();
    Ok(RecordBatch::try_new_with_options(
        schema,
        columns,
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )?)
}
