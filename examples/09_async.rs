//! Rows for asynchronous code: a stream that any executor can poll, with no runtime of ours.
//!
//! Run it with `cargo run --example 09_async`.

use futures::executor::block_on;
use futures::{TryStreamExt, future};
use tidemill::{Engine, Result};

/// The rows of a query, counted while they come. No thread waits: the workers that make a batch wake the task.
async fn count(engine: &Engine, text: &str) -> Result<usize> {
    let rows = engine.query(text, ())?.into_stream();
    rows.try_fold(0, |sum, batch| future::ok(sum + batch.num_rows()))
        .await
}

fn main() -> Result<()> {
    let engine = Engine::in_memory()?;
    engine.execute(
        "CREATE TABLE n AS FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n",
        (),
    )?;

    // Two queries at once on one thread; an executor such as tokio's does the same.
    let (even, odd) = block_on(future::try_join(
        count(&engine, "FROM n |> WHERE n % 2 = 0"),
        count(&engine, "FROM n |> WHERE n % 2 = 1 AND n > 10"),
    ))?;
    println!("{even} even, {odd} odd");

    // A stream that is dropped stops its query.
    let endless = "FROM n AS a |> CROSS JOIN n AS b";
    let first = block_on(engine.query(endless, ())?.into_stream().try_next())?;
    println!("a first batch came: {}", first.is_some());
    Ok(())
}
