//! Values are bound, never pasted into the text.
//!
//! Run it with `cargo run --example 03_parameters`.

use tidemill::{Engine, params};

fn main() -> tidemill::Result<()> {
    let engine = Engine::in_memory()?;
    engine.execute(
        "CREATE TABLE numbers AS FROM UNNEST(GENERATE_SERIES(1, 100)) AS n",
        (),
    )?;

    let between = engine
        .prepare("FROM numbers |> WHERE n BETWEEN @low AND @high |> AGGREGATE SUM(n) AS total")?;
    for (low, high) in [(1, 10), (11, 20), (1, 100)] {
        let (total,): (i64,) = between.query(params! { low: low, high: high })?.one()?;
        println!("{low:>3} to {high:>3}: {total}");
    }

    let (above,): (i64,) = engine
        .query("FROM numbers |> WHERE n > ? |> AGGREGATE COUNT(*)", (90,))?
        .one()?;
    println!("above 90: {above}");
    Ok(())
}
