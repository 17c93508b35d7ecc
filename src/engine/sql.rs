//! The one explicit door to DataFusion's SQL planner. Our grammar, names and rules do not apply behind it.

use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;

use super::{Engine, Rows, planning, query};
use crate::catalog::{Entry, Sources};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::places::Places;
use crate::plan::{BoundQuery, OutputColumn};

/// Bytes of a text: DataFusion's parser and planner recurse over it.
const SQL_BYTES_MAX: usize = 1 << 20;

impl Engine {
    /// Runs one query of DataFusion's SQL dialect over the registered tables, on our pipelines.
    ///
    /// Names follow DataFusion's rules (lower-cased unless quoted), and so do NULL order, integer division and
    /// everything else. Statements that change something are refused.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// let half: (i64,) = engine.sql("SELECT 3 / 2")?.one()?;
    /// assert_eq!(half.0, 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0903 with DataFusion's own words where the text does not parse or plan.
    pub fn sql(&self, text: &str) -> Result<Rows> {
        if text.len() > SQL_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::Limit,
                "TM0108",
                "SQL for DataFusion may have at most 1 MiB",
            ));
        }
        let query = planning::on_planner_stack(|| {
            let runtime = self.0.runtime.get()?;
            let _guard = runtime.enter();
            futures::executor::block_on(self.sql_plan(text))
        })?;
        query::answer(self, &query)
    }

    async fn sql_plan(&self, text: &str) -> Result<BoundQuery> {
        let refused = |error: datafusion::error::DataFusionError| {
            let error = Error::from(error);
            Error::new(ErrorKind::Input, "TM0903", error.message().to_string())
        };
        let state = self.0.state.clone();
        let schema = MemorySchemaProvider::new();
        for name in self.catalog().names() {
            let table = match self.catalog().find(&name)? {
                Some(Entry::Table(table)) => table,
                Some(Entry::View(view)) => view_table(&view.plan, &view.names)?,
                None => continue,
            };
            schema.register_table(name, table).map_err(refused)?;
        }
        let options = state.config_options();
        let catalog_name = options.catalog.default_catalog.clone();
        let schema_name = options.catalog.default_schema.clone();
        let state = datafusion::execution::SessionStateBuilder::new_from_existing(state)
            .with_catalog_list(Arc::new(
                datafusion::catalog::MemoryCatalogProviderList::new(),
            ))
            .with_scalar_functions(self.catalog().functions().all_scalar())
            .with_aggregate_functions(self.catalog().functions().all_aggregate())
            .with_window_functions(self.catalog().functions().all_window())
            .build();
        let catalog = Arc::new(datafusion::catalog::MemoryCatalogProvider::new());
        datafusion::catalog::CatalogProvider::register_schema(
            catalog.as_ref(),
            &schema_name,
            Arc::new(schema),
        )
        .map_err(refused)?;
        state.catalog_list().register_catalog(catalog_name, catalog);
        let plan = state.create_logical_plan(text).await.map_err(refused)?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(refused)?;
        let columns = plan
            .schema()
            .fields()
            .iter()
            .map(|field| OutputColumn {
                name: field.name().clone(),
                anonymous: false,
            })
            .collect();
        Ok(BoundQuery {
            plan,
            columns,
            places: Places::default(),
            sources: Sources::default(),
            chart: None,
        })
    }
}

fn view_table(
    plan: &LogicalPlan,
    names: &[String],
) -> Result<Arc<dyn datafusion::catalog::TableProvider>> {
    let renamed = plan
        .schema()
        .columns()
        .into_iter()
        .zip(names)
        .map(|(column, name)| datafusion::logical_expr::Expr::Column(column).alias(name));
    let plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan.clone())
        .project(renamed)?
        .build()?;
    Ok(Arc::new(datafusion::catalog::view::ViewTable::new(
        plan, None,
    )))
}
