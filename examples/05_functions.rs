//! Closures as functions of the language.
//!
//! Run it with `cargo run --example 05_functions`.

use tidemill::Engine;

fn main() -> tidemill::Result<()> {
    let engine = Engine::in_memory()?;
    engine.register_fn("initials", |name: String| -> Option<String> {
        let letters: String = name
            .split(' ')
            .filter_map(|word| word.chars().next())
            .collect();
        (!letters.is_empty()).then_some(letters)
    })?;
    engine.register_aggregate(
        "longest",
        String::new,
        |longest: &mut String, name: String| {
            if name.len() > longest.len() {
                *longest = name;
            }
        },
        |longest: &mut String, other: String| {
            if other.len() > longest.len() {
                *longest = other;
            }
        },
        |longest: String| longest,
    )?;

    engine.execute(
        "CREATE TABLE people AS FROM (VALUES ('Ada Lovelace'), ('Grace Hopper'), ('Barbara Liskov')) AS t (name)",
        (),
    )?;
    for row in engine
        .query(
            "FROM people |> SELECT initials(name) AS initials |> ORDER BY initials",
            (),
        )?
        .typed()
    {
        let (initials,): (String,) = row?;
        println!("{initials}");
    }
    let (longest,): (String,) = engine
        .query("FROM people |> AGGREGATE longest(name)", ())?
        .one()?;
    println!("longest: {longest}");
    Ok(())
}
