//! Files as tables: a path in quotes is read, EXPORT DATA writes, whole or not at all.
//!
//! Run it with `cargo run --example 02_files`.

use tidemill::{Engine, FileSource};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::in_memory()?;
    let sales = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/sales.csv");

    // The format is told from the contents, the columns' types from a sample that the rest of the file is held to.
    let (rows,): (i64,) = engine
        .query(&format!("FROM '{sales}' |> AGGREGATE COUNT(*)"), ())?
        .one()?;
    println!("{rows} sales in the CSV file");

    // What cannot be told is said: here the dialect, on a name that later queries use.
    engine.register_file("sales", FileSource::new(sales).option("header", true))?;

    let folder = tempfile::tempdir()?;
    let target = folder.path().join("by_region");
    let target = target.display();
    engine.execute(
        &format!(
            "FROM sales
             |> WHERE price IS NOT NULL
             |> SELECT day, region, product, qty * price AS revenue
             |> EXPORT DATA OPTIONS (uri = '{target}', format = 'parquet', partition_by = 'region')"
        ),
        (),
    )?;

    // A directory is a table; the names of its folders are a column. Only the folder that is asked for is opened.
    let north = engine.query(
        &format!("FROM '{target}' |> WHERE region = 'north' |> SELECT product, revenue |> ORDER BY revenue DESC"),
        (),
    )?;
    for row in north.typed() {
        let (product, revenue): (String, f64) = row?;
        println!("{product:<8} {revenue:>8.2}");
    }
    Ok(())
}
