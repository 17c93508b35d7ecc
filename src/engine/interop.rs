//! A query of ours as a table of DataFusion: their plans read what our pipelines make.

use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    BinaryExpr, Expr, LogicalPlanBuilder, Operator, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::TryStreamExt;

use super::{Engine, ParamMap, Params, Statement, planning, query};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::bind::Bound;
use crate::plan::{BoundQuery, output_schema};

/// The plan of a scan, which DataFusion lets come later; ours is there at once.
type Planned<'future> =
    Pin<Box<dyn Future<Output = DataFusionResult<Arc<dyn ExecutionPlan>>> + Send + 'future>>;

/// A query as a DataFusion table: a `SessionContext` where it is registered reads it as any other, while our pipelines make its
/// rows. The columns that a reader wants, its limit and its plain comparisons go into the query.
///
/// ```
/// use std::sync::Arc;
/// use tidemill::Engine;
/// use tidemill::datafusion::prelude::SessionContext;
/// let engine = Engine::in_memory()?;
/// engine.execute("CREATE TABLE sales AS FROM (VALUES ('north', 3), ('south', 5)) AS t (region, qty)", ())?;
/// let theirs = SessionContext::new();
/// theirs.register_table("sales", Arc::new(engine.query_table("FROM sales", ())?)).unwrap();
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let batches = runtime.block_on(async {
///     theirs.sql("SELECT SUM(qty) AS total FROM sales WHERE region = 'south'").await?.collect().await
/// });
/// assert_eq!(batches.unwrap()[0].num_rows(), 1);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct QueryTable {
    engine: Engine,
    statement: Statement,
    params: ParamMap,
    schema: SchemaRef,
}

impl Engine {
    /// A query as a table for DataFusion's own `SessionContext`. It is planned anew whenever it is read, so that it shows what the
    /// tables hold then.
    ///
    /// ```
    /// use tidemill::datafusion::catalog::TableProvider;
    /// let engine = tidemill::Engine::in_memory()?;
    /// let table = engine.query_table("SELECT 1 AS a, 'x' AS b", ())?;
    /// assert_eq!(table.schema().fields().len(), 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Engine::query`]; TM0315 for a statement that is no query.
    pub fn query_table(&self, text: &str, params: impl Params) -> Result<QueryTable> {
        let mut map = ParamMap::new();
        params.bind(&mut map);
        let mut statements = self.statements(text).map_err(Error::together)?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            let message = "exactly one statement can be a table";
            return Err(Error::new(ErrorKind::Input, "TM0103", message));
        };
        let bound = bound(self, &statement, &map)?;
        Ok(QueryTable {
            engine: self.clone(),
            schema: output_schema(&bound),
            statement,
            params: map,
        })
    }
}

fn bound(engine: &Engine, statement: &Statement, params: &ParamMap) -> Result<BoundQuery> {
    let binding = planning::on_planner_stack(|| {
        let parsed = &statement.parsed;
        query::bind(engine, parsed, &statement.text, params.parameters())
    })?;
    match binding.bound {
        Bound::Query(query) => Ok(query),
        _ => Err(Error::input(
            "TM0315",
            "only a query can be a table",
            statement.span(),
        )),
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl TableProvider for QueryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // They ask again, so that nothing depends on both meaning the same.
        Ok(filters
            .iter()
            .map(|filter| match is_plain(filter) {
                true => TableProviderFilterPushDown::Inexact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    fn scan<'table, 'state, 'projection, 'filters, 'future>(
        &'table self,
        _state: &'state dyn Session,
        projection: Option<&'projection Vec<usize>>,
        filters: &'filters [Expr],
        limit: Option<usize>,
    ) -> Planned<'future>
    where
        'table: 'future,
        'state: 'future,
        'projection: 'future,
        'filters: 'future,
    {
        Box::pin(std::future::ready(self.plan(projection, filters, limit)))
    }
}

impl QueryTable {
    fn plan(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let query = bound(&self.engine, &self.statement, &self.params).map_err(external)?;
        if output_schema(&query) != self.schema {
            let message = "the columns of the query changed since it became a table";
            return Err(external(Error::new(ErrorKind::Input, "TM0306", message)));
        }
        let query = narrowed(query, &self.schema, projection, filters, limit)?;
        let schema = output_schema(&query);
        let rows = QueryRows {
            engine: self.engine.clone(),
            query,
            schema: Arc::clone(&schema),
        };
        let scan =
            StreamingTableExec::try_new(schema, vec![Arc::new(rows)], None, [], false, None)?;
        Ok(Arc::new(scan))
    }
}

/// A comparison of a column with a value, or several of them: it fails for no row and means the same to both.
fn is_plain(filter: &Expr) -> bool {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_));
    let is_value = |expr: &Expr| matches!(expr, Expr::Literal(..));
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => is_plain(left) && is_plain(right),
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => {
                (is_column(left) && is_value(right)) || (is_value(left) && is_column(right))
            }
            _ => false,
        },
        Expr::IsNull(of) | Expr::IsNotNull(of) => is_column(of),
        Expr::InList(InList { expr, list, .. }) => is_column(expr) && list.iter().all(is_value),
        _ => false,
    }
}

/// The query with the filters, the columns and the limit that its reader wants.
fn narrowed(
    query: BoundQuery,
    schema: &Schema,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
) -> DataFusionResult<BoundQuery> {
    let own: Vec<Column> = query.plan.schema().columns();
    let in_plan = |expr: Expr| {
        expr.transform(|part| match &part {
            Expr::Column(column) => {
                let place = schema.index_of(&column.name)?;
                Ok(Transformed::yes(Expr::Column(own[place].clone())))
            }
            _ => Ok(Transformed::no(part)),
        })
        .map(|done| done.data)
    };
    let mut plan = LogicalPlanBuilder::from(query.plan);
    for filter in filters {
        plan = plan.filter(in_plan(filter.clone())?)?;
    }
    let mut columns = query.columns;
    if let Some(projection) = projection {
        let wanted = projection
            .iter()
            .map(|place| Expr::Column(own[*place].clone()));
        plan = plan.project(wanted.collect::<Vec<_>>())?;
        columns = projection
            .iter()
            .map(|place| columns[*place].clone())
            .collect();
    }
    if limit.is_some() {
        plan = plan.limit(0, limit)?;
    }
    Ok(BoundQuery {
        plan: plan.build()?,
        columns,
        ..query
    })
}

/// The rows of a query, started when they are asked for.
#[derive(Debug)]
struct QueryRows {
    engine: Engine,
    query: BoundQuery,
    schema: SchemaRef,
}

impl PartitionStream for QueryRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        match query::answer(&self.engine, &self.query) {
            Ok(rows) => {
                let batches = rows.into_stream().map_err(external);
                Box::pin(RecordBatchStreamAdapter::new(schema, batches))
            }
            Err(error) => {
                let failed = futures::stream::once(async move { Err(external(error)) });
                Box::pin(RecordBatchStreamAdapter::new(schema, failed))
            }
        }
    }
}
