//! Tables that stay: cut into shards by the hash of a key, with every version kept for readers.
//!
//! Run it with `cargo run --example 08_sharded_tables`.

use tidemill::{Engine, Explain};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(folder.path().join("shop"))?;

    // Rows of one customer lie in one shard, so that a join or aggregate by customer needs no exchange of rows.
    engine.execute(
        "CREATE TABLE orders DISTRIBUTE BY HASH(customer) INTO 4 SHARDS AS
         FROM UNNEST(GENERATE_SERIES(1, 10000)) AS n |> SELECT n AS id, n % 100 AS customer, n * 0.5 AS price",
        (),
    )?;

    // A question about one customer opens one shard.
    let one =
        "FROM orders |> WHERE customer = 7 |> AGGREGATE COUNT(*) AS orders, SUM(price) AS total";
    let (orders, total): (i64, f64) = engine.query(one, ())?.one()?;
    println!("customer 7: {orders} orders, {total}");
    let plan = engine.explain(one, Explain::Pipelines)?.to_string();
    println!("one shard of four: {}", plan.contains("shards 1 of 4"));

    // Each statement is one version, there whole or not at all. Older ones can be read.
    engine.execute("DELETE FROM orders WHERE customer = 7", ())?;
    for version in [0, 1] {
        let text = format!("FROM orders FOR VERSION AS OF {version} |> AGGREGATE COUNT(*)");
        let (rows,): (i64,) = engine.query(&text, ())?.one()?;
        println!("version {version}: {rows} rows");
    }

    // Another program, or another engine, finds the same.
    let other = Engine::open(folder.path().join("shop"))?;
    let (rows,): (i64,) = other
        .query("FROM orders |> AGGREGATE COUNT(*)", ())?
        .one()?;
    println!("another engine: {rows} rows");
    Ok(())
}
