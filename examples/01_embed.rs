//! An engine inside of a program: text in, rows out. No server, no async runtime.
//!
//! Run it with `cargo run --example 01_embed`.

use tidemill::Engine;

fn main() -> tidemill::Result<()> {
    let engine = Engine::in_memory()?;
    // A statement without rows is executed; several stand in one text.
    engine.execute(
        "CREATE TABLE sales AS FROM (VALUES ('north', 3, 4.5), ('south', 5, 2.0), ('north', 1, 8.0)) AS t (region, qty, price);
         CREATE VIEW revenues AS FROM sales |> EXTEND qty * price AS revenue",
        (),
    )?;

    // A query gives rows, made while they are read. Here each is a tuple.
    let rows = engine.query(
        "FROM revenues |> AGGREGATE SUM(revenue) AS revenue DESC GROUP BY region",
        (),
    )?;
    for row in rows.typed() {
        let (region, revenue): (String, f64) = row?;
        println!("{region}: {revenue}");
    }

    // A query that is wrong says where, and what may have been meant.
    if let Err(error) = engine.query("FROM sales |> SELECT regoin", ()) {
        println!("{error}");
    }
    Ok(())
}
