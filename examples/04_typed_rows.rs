//! Rust values in and out: anything that serde knows is a row.
//!
//! Run it with `cargo run --example 04_typed_rows`.

use serde::{Deserialize, Serialize};
use tidemill::Engine;

/// A row of the table: one column for each field. NULL needs an Option.
#[derive(Debug, Serialize, Deserialize)]
struct Reading {
    station: String,
    celsius: f64,
    note: Option<String>,
}

/// A row of the answer, by the names of its columns.
#[derive(Debug, Deserialize)]
struct Station {
    station: String,
    mean: f64,
    notes: Vec<String>,
}

fn main() -> tidemill::Result<()> {
    let reading = |station: &str, celsius, note: Option<&str>| Reading {
        station: station.to_string(),
        celsius,
        note: note.map(String::from),
    };
    let engine = Engine::in_memory()?;
    engine.register_rows(
        "readings",
        &[
            reading("harbour", 11.5, None),
            reading("harbour", 12.5, Some("calm")),
            reading("lighthouse", 9.0, Some("gale")),
        ],
    )?;

    let rows = engine.query(
        "FROM readings
         |> AGGREGATE AVG(celsius) AS mean, ARRAY_AGG(note IGNORE NULLS) AS notes GROUP BY station
         |> ORDER BY station",
        (),
    )?;
    for station in rows.typed::<Station>() {
        let Station {
            station,
            mean,
            notes,
        } = station?;
        println!("{station}: {mean} on average, {notes:?}");
    }

    // Where the rows are many, read them as the Arrow batches that they are: `Rows` is an iterator of them.
    let rows = engine.query("FROM readings |> WHERE celsius > 10", ())?;
    for batch in rows {
        println!("a batch of {} rows", batch?.num_rows());
    }
    Ok(())
}
