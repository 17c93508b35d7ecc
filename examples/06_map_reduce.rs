//! Map-reduce with closures over Arrow batches, on the pipelines that run queries.
//!
//! Run it with `cargo run --example 06_map_reduce`.

use tidemill::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use tidemill::{Engine, Result};

const TEXT: [&str; 3] = ["the tide goes out", "the mill turns", "the tide comes in"];

fn main() -> Result<()> {
    let engine = Engine::in_memory()?;
    let lines: ArrayRef = std::sync::Arc::new(StringArray::from_iter_values(TEXT));
    engine.register_batches(
        "lines",
        vec![RecordBatch::try_from_iter([("line", lines)])?],
    )?;

    let mut counts = engine.table("lines")?.map_reduce(
        |batch, out| {
            for word in batch
                .column(0)
                .as_string::<i32>()
                .iter()
                .flatten()
                .flat_map(str::split_whitespace)
            {
                out.emit(word.to_string(), 1_u64);
            }
            Ok(())
        },
        |_word, left, right| left + right,
        |word, count| (count, word),
    )?;
    counts.sort_by(|a, b| b.cmp(a));
    for (count, word) in counts.into_iter().take(3) {
        println!("{count} {word}");
    }
    Ok(())
}
