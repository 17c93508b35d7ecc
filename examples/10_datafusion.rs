//! Both ways between DataFusion and this engine: their tables in our queries, our queries as their tables.
//!
//! Run it with `cargo run --example 10_datafusion`.

use std::sync::Arc;

use tidemill::Engine;
use tidemill::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use tidemill::arrow::util::pretty::pretty_format_batches;
use tidemill::datafusion::datasource::MemTable;
use tidemill::datafusion::error::Result;
use tidemill::datafusion::prelude::SessionContext;

fn main() -> Result<()> {
    let products: ArrayRef = Arc::new(StringArray::from(vec!["rope", "sail"]));
    let prices: ArrayRef = Arc::new(Float64Array::from(vec![4.5, 310.0]));
    let batch = RecordBatch::try_from_iter([("product", products), ("price", prices)])?;
    let theirs = MemTable::try_new(batch.schema(), vec![vec![batch]])?;

    // In: whatever is a TableProvider has a name here; our workers poll its plan.
    let engine = Engine::in_memory().map_err(external)?;
    engine
        .register_provider("prices", Arc::new(theirs))
        .map_err(external)?;
    let sales = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/sales.csv");
    let text = format!(
        "FROM '{sales}' |> JOIN prices USING (product) |> AGGREGATE SUM(qty * prices.price) AS worth GROUP BY product"
    );
    let worth = engine.query_table(&text, ()).map_err(external)?;

    // Out: the query is a table of their SessionContext; what they filter is filtered in our pipelines.
    let context = SessionContext::new();
    context.register_table("worth", Arc::new(worth))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let answer = runtime.block_on(async {
        let rows =
            context.sql("SELECT product, worth FROM worth WHERE worth > 1 ORDER BY worth DESC");
        rows.await?.collect().await
    })?;
    println!("{}", pretty_format_batches(&answer)?);
    Ok(())
}

fn external(error: tidemill::Error) -> tidemill::datafusion::error::DataFusionError {
    tidemill::datafusion::error::DataFusionError::External(Box::new(error))
}
