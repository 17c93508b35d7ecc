//! Rows stream: a reader that stops, or a handle in another thread, ends the query; and the handle says how far it is.
//!
//! Run it with `cargo run --example 07_cancel_and_progress`.

use tidemill::{Engine, ErrorKind};

fn main() -> tidemill::Result<()> {
    let engine = Engine::builder()
        .threads(2)
        .memory_limit(256 << 20)
        .in_memory()?;
    engine.execute(
        "CREATE TABLE n AS FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n",
        (),
    )?;
    let endless = "FROM n AS a |> CROSS JOIN n AS b |> SELECT a.n * b.n AS product";

    // Ten billion rows, of which one batch is wanted.
    let mut rows = engine.query(endless, ())?;
    let first = rows.next().transpose()?.map_or(0, |batch| batch.num_rows());
    println!("read {first} rows, then dropped the rest");
    drop(rows);

    let rows = engine.query(endless, ())?;
    let handle = rows.handle();
    let stopper = std::thread::spawn(move || handle.cancel());
    let end = rows.filter_map(Result::err).next();
    println!(
        "cancelled: {}",
        end.is_some_and(|error| error.kind() == ErrorKind::Cancelled)
    );
    let _ = stopper.join();

    // A handle tells rows, bytes and the share that is done, while the query runs and after it.
    let rows = engine.query("FROM n |> WHERE n % 2 = 0", ())?;
    let handle = rows.handle();
    let even: usize = rows
        .map(|batch| batch.map_or(0, |batch| batch.num_rows()))
        .sum();
    let progress = handle.progress();
    println!(
        "{even} of {} rows are even, {:.0} % done",
        progress.rows,
        progress.fraction * 100.0
    );
    Ok(())
}
