use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use proptest::prelude::*;
use proptest::sample::select;
use tempfile::NamedTempFile;

use super::super::NdjsonFile;
use crate::error::Result;
use crate::file::{BadRows, DataFile, ReadRequest, ReadTally};

/// A line, and its `n INT64`: `Err(true)` where that is no number in an object, `Err(false)` where there is no object.
type Line = (&'static [u8], Result<Option<i64>, bool>);

const LINES: [Line; 10] = [
    (b"{\"n\": 1, \"s\": \"a\"}", Ok(Some(1))),
    (b"{\"s\": \"b\", \"n\": 2}  ", Ok(Some(2))),
    (b"{\"s\": \"c\"}", Ok(None)),
    (b"{\"n\": \"x\"}", Err(true)),
    (b"{\"n\": [1]}", Err(true)),
    (b"{\"n\": 3", Err(false)),
    (b"{\"n\": 4} more", Err(false)),
    (b"nothing", Err(false)),
    (b"{\"s\": \"\xff\"}", Err(false)),
    (b"{\"n\": 5, \"n\": 6}", Err(false)),
];

fn open(text: &[u8], policy: &BadRows) -> (NamedTempFile, NdjsonFile) {
    let mut file = NamedTempFile::with_suffix(".ndjson").unwrap();
    file.write_all(text).unwrap();
    let columns = Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8View, true),
    ]);
    let json = NdjsonFile::open(file.path(), Some(Arc::new(columns)), policy.clone());
    (file, json.unwrap())
}

fn read(
    json: &NdjsonFile,
    projection: &[usize],
    batch_rows: usize,
) -> Result<(Vec<RecordBatch>, Arc<ReadTally>)> {
    let tally = ReadTally::new(&Arc::default());
    let request = ReadRequest {
        projection: projection.to_vec(),
        filters: Vec::new(),
        narrow: Vec::new(),
        batch_rows,
        tally: Arc::clone(&tally),
        pool: Arc::default(),
    };
    let mut batches = Vec::new();
    for unit in json.units(&request, 2)? {
        for batch in json.read(&unit, &request)? {
            batches.push(batch?);
        }
    }
    Ok((batches, tally))
}

fn numbers(batches: &[RecordBatch]) -> Vec<Option<i64>> {
    let columns = batches.iter().map(|batch| batch.column(0));
    columns
        .flat_map(|column| {
            column
                .as_primitive::<Int64Type>()
                .iter()
                .collect::<Vec<_>>()
        })
        .collect()
}

proptest! {
    #[test]
    fn the_same_lines_are_bad_for_every_query_from_any_units(
        lines in prop::collection::vec(select(&LINES[..]), 0..40), unit in 1..200_u64, batch_rows in 1..20_usize, nulls: bool,
    ) {
        let policy = if nulls { BadRows::Null } else { BadRows::Skip };
        // The first line tells how objects are laid out.
        let lines: Vec<Line> = std::iter::once(LINES[0]).chain(lines).collect();
        let text: Vec<&[u8]> = lines.iter().map(|line| line.0).collect();
        let (_file, mut json) = open(&text.join(&b"\n"[..]), &policy);
        json.smallest_unit = unit;
        let whole = read(&json, &[0, 1], batch_rows);
        if nulls && lines.iter().any(|line| line.1 == Err(false)) {
            prop_assert!(["TM0721", "TM0713"].contains(&whole.unwrap_err().code()));
            return Ok(());
        }
        let (batches, tally) = whole.unwrap();
        let expected: Vec<Option<i64>> = lines
            .iter()
            .filter(|line| nulls || line.1.is_ok())
            .map(|line| line.1.unwrap_or(None))
            .collect();
        let bad = (lines.len() - lines.iter().filter(|line| line.1.is_ok()).count()) as u64;
        prop_assert_eq!(&numbers(&batches), &expected);
        let counts = tally.counts();
        prop_assert_eq!(counts.read, lines.len() as u64);
        prop_assert_eq!((counts.rejected, counts.nulled), if nulls { (0, bad) } else { (bad, 0) });
        let (batches, tally) = read(&json, &[], batch_rows).unwrap();
        prop_assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), expected.len());
        prop_assert_eq!(tally.counts(), counts);
    }
}

#[test]
fn objects_of_an_array_are_left_out_where_they_end() {
    let text = br#"[{"n": 1}, {"n": "x"}, {"n": 2, "n": 3},
        {"n": 4}]"#;
    let (_file, json) = open(text, &BadRows::Skip);
    let (batches, tally) = read(&json, &[0], 2).unwrap();
    assert_eq!(numbers(&batches), [Some(1), Some(4)]);
    assert_eq!(tally.counts().rejected, 2);
    let (_file, json) = open(br#"[{"n": 1}, nothing, {"n": 4}]"#, &BadRows::Skip);
    assert_eq!(read(&json, &[0], 2).unwrap_err().code(), "TM0721");
}
