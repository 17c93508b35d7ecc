//! WITH RECURSIVE.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::work_table::WorkTableExec;

use super::shared::{keep, tables_from_outside};
use crate::error::{Error, Result};
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::collect::{CollectSink, Slot};
use crate::exec::operators::recursive::RecursiveSource;
use crate::plan::shared::SharedScanExec;

/// How a plan becomes a stream: the terms of a recursion can be anything.
pub(crate) type LowerNode = fn(&Arc<dyn ExecutionPlan>, &mut PipelineGraph) -> Result<Stream>;

/// Ends the first term in a slot; the new stream drives the rounds of the other one.
pub(crate) fn lower_recursive(
    query: &RecursiveQueryExec,
    lower_node: LowerNode,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let first = Slot::default();
    let sink = lower_node(query.static_term(), graph)?
        .into_sink(graph, Arc::new(CollectSink::new(Arc::clone(&first))));
    let name = query.name().to_string();
    let schema = query.schema();
    let term = Arc::clone(query.recursive_term());
    let mut after = vec![sink];
    for table in tables_from_outside(&term, &name) {
        let (_, sinks) = keep(table, graph, lower_node)?;
        after.extend(sinks);
    }
    let inner = graph.inner();
    let round = {
        let (name, schema) = (name.clone(), Arc::clone(&schema));
        move |found: Vec<RecordBatch>| {
            let term = with_found_rows(&term, &name, &schema, &found)?;
            let mut graph = inner.inner();
            let slot = Slot::default();
            lower_node(&term, &mut graph)?
                .into_sink(&mut graph, Arc::new(CollectSink::new(Arc::clone(&slot))));
            Ok((graph, slot))
        }
    };
    let place = graph.recursions.get(name.as_str()).copied();
    let source = RecursiveSource::new(name, schema, query.is_distinct(), first, Arc::new(round));
    let source = source.at(place);
    Ok(Stream::from_source(Arc::new(source), after))
}

/// The recursive term with the rows of the last round where it names itself.
fn with_found_rows(
    term: &Arc<dyn ExecutionPlan>,
    name: &str,
    schema: &SchemaRef,
    found: &[RecordBatch],
) -> Result<Arc<dyn ExecutionPlan>> {
    let outside = |error: Error| DataFusionError::External(Box::new(error));
    let replaced = Arc::clone(term).transform_down(|node| {
        if let Some(scan) = node.downcast_ref::<SharedScanExec>()
            && scan.key().within.as_deref() == Some(name)
        {
            let plan = with_found_rows(scan.plan(), name, schema, found).map_err(outside)?;
            return Ok(Transformed::yes(Arc::new(scan.over(plan)) as _));
        }
        let Some(table) = node
            .downcast_ref::<WorkTableExec>()
            .filter(|table| table.name() == name)
        else {
            return Ok(Transformed::no(node));
        };
        let projection = columns_of(&table.schema(), schema)?;
        let rows =
            MemorySourceConfig::try_new_exec(&[found.to_vec()], Arc::clone(schema), projection)?;
        Ok(Transformed::yes(rows as Arc<dyn ExecutionPlan>))
    });
    Ok(replaced.data()?)
}

/// Where the columns of `part`, which may be a projection, lie in `whole`.
fn columns_of(
    part: &SchemaRef,
    whole: &SchemaRef,
) -> datafusion::error::Result<Option<Vec<usize>>> {
    let same_length = part.fields().len() == whole.fields().len();
    let all_named = part
        .fields()
        .iter()
        .all(|field| whole.index_of(field.name()).is_ok());
    if same_length && !all_named {
        // The terms name their columns differently: by position.
        return Ok(None);
    }
    part.fields()
        .iter()
        .map(|field| Ok(whole.index_of(field.name())?))
        .collect::<datafusion::error::Result<_>>()
        .map(Some)
}
