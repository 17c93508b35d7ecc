//! A question over a file: text in, rows out.
//!
//! Run it with `cargo run --example 01_query`.

use serde::Deserialize;
use tidemill::Engine;

#[derive(Debug, Deserialize)]
struct Region {
    region: String,
    revenue: f64,
    sales: i64,
}

fn main() -> tidemill::Result<()> {
    let engine = Engine::in_memory()?;
    let sales = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/sales.csv");
    let rows = engine.query(
        &format!(
            "FROM '{sales}'
             |> WHERE price IS NOT NULL
             |> EXTEND price * qty AS revenue
             |> AGGREGATE SUM(revenue) AS revenue DESC, COUNT(*) AS sales GROUP BY region"
        ),
        (),
    )?;
    for region in rows.typed::<Region>() {
        let Region {
            region,
            revenue,
            sales,
        } = region?;
        println!("{region:<8} {revenue:>10.2} in {sales} sales");
    }
    Ok(())
}
