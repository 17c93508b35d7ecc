use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use proptest::prelude::*;
use proptest::sample::select;
use tempfile::NamedTempFile;

use super::super::{CsvFile, CsvOptions};
use crate::error::Result;
use crate::file::{
    BadRows, Bounds, DataFile, ReadCounts, ReadRequest, ReadTally, ReadTotal, RowFilter,
};

/// A field as it stands in a file, and what it is as `n INT64` and as `s STRING`: `Err` where it is none.
type Cell = (
    &'static [u8],
    Result<Option<i64>, ()>,
    Result<Option<&'static str>, ()>,
);

const CELLS: [Cell; 7] = [
    (b"1", Ok(Some(1)), Ok(Some("1"))),
    (b" -7 ", Ok(Some(-7)), Ok(Some(" -7 "))),
    (b"x", Err(()), Ok(Some("x"))),
    (b"", Ok(None), Ok(None)),
    (b"a\xffb", Err(()), Err(())),
    (b"\"q,\nr\"", Err(()), Ok(Some("q,\nr"))),
    (b"\"5\"", Ok(Some(5)), Ok(Some("5"))),
];

type Row = (Option<i64>, Option<String>);

/// Records of one to three cells; an empty line would be none.
fn records() -> impl Strategy<Value = Vec<Vec<Cell>>> {
    let record = prop::collection::vec(select(&CELLS[..]), 1..=3)
        .prop_filter("an empty line", |cells| {
            cells.len() > 1 || !cells[0].0.is_empty()
        });
    let good = prop::collection::vec(select(&CELLS[..2]), 2);
    prop::collection::vec(prop_oneof![record, good], 0..40)
}

fn text_of(records: &[Vec<Cell>]) -> Vec<u8> {
    let mut text = Vec::new();
    for record in records {
        let fields: Vec<&[u8]> = record.iter().map(|cell| cell.0).collect();
        text.extend(fields.join(&b","[..]));
        text.push(b'\n');
    }
    text
}

/// What is left of the records, and how many rows or values are not.
fn expected(records: &[Vec<Cell>], policy: &BadRows) -> Option<(Vec<Row>, ReadCounts)> {
    let mut counts = ReadCounts::default();
    let mut rows = Vec::new();
    for record in records {
        counts.read += 1;
        let n = record[0].1;
        let s = record.get(1).map_or(Err(()), |cell| cell.2);
        let bad_text = record.iter().any(|cell| cell.2.is_err());
        match policy {
            BadRows::Null if record.len() > 2 => return None,
            BadRows::Null => {
                counts.nulled += u64::from(n.is_err()) + u64::from(s.is_err());
                rows.push((n.unwrap_or(None), s.unwrap_or(None).map(str::to_string)));
            }
            _ if record.len() != 2 || n.is_err() || bad_text => counts.rejected += 1,
            _ => rows.push((n.ok()?, s.ok()?.map(str::to_string))),
        }
    }
    counts.returned = rows.len() as u64;
    Some((rows, counts))
}

fn open(path: &Path, policy: &BadRows, block: u64) -> CsvFile {
    let options = CsvOptions {
        delimiter: Some(b','),
        header: Some(false),
        bad_rows: Some(policy.clone()),
        ..CsvOptions::default()
    };
    let columns = Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("s", DataType::Utf8View, true),
    ]);
    CsvFile::open_in_blocks(path, options, Some(Arc::new(columns)), block).unwrap()
}

/// `n` is not NULL.
#[derive(Debug)]
struct HasNumber;

impl RowFilter for HasNumber {
    fn columns(&self) -> &[usize] {
        &[0]
    }

    fn keep(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = batch.column(0);
        Ok((0..values.len())
            .map(|row| Some(values.is_valid(row)))
            .collect())
    }

    fn may_match(&self, _bounds: &dyn Bounds) -> Option<Vec<bool>> {
        None
    }
}

/// The batches of all units, with the tally that they were counted in.
fn read(
    csv: &CsvFile,
    projection: &[usize],
    filtered: bool,
    batch_rows: usize,
    rejects: &Arc<ReadTotal>,
) -> Result<(Vec<RecordBatch>, Arc<ReadTally>)> {
    let tally = ReadTally::new(rejects);
    let request = ReadRequest {
        projection: projection.to_vec(),
        filters: filtered
            .then(|| Arc::new(HasNumber) as _)
            .into_iter()
            .collect(),
        narrow: Vec::new(),
        batch_rows,
        tally: Arc::clone(&tally),
        pool: Arc::default(),
    };
    let mut batches = Vec::new();
    for unit in csv.units(&request, 2)? {
        for batch in csv.read(&unit, &request)? {
            batches.push(batch?);
        }
    }
    Ok((batches, tally))
}

fn rows_of(batches: &[RecordBatch]) -> Vec<Row> {
    let rows = batches.iter().flat_map(|batch| {
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        let texts = batch.column(1).as_string_view();
        let row = |row| {
            let number = numbers.is_valid(row).then(|| numbers.value(row));
            let text = texts.is_valid(row).then(|| texts.value(row).to_string());
            (number, text)
        };
        (0..batch.num_rows()).map(row).collect::<Vec<_>>()
    });
    rows.collect()
}

fn file(text: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".csv").unwrap();
    file.write_all(text).unwrap();
    file
}

proptest! {
    #[test]
    fn the_same_rows_are_bad_for_every_query_from_any_units(
        records in records(), block in 1..200_u64, batch_rows in 1..20_usize, nulls: bool,
    ) {
        let policy = if nulls { BadRows::Null } else { BadRows::Skip };
        let file = file(&text_of(&records));
        let rejects = Arc::default();
        let expected = expected(&records, &policy);
        for block in [block, 1 << 20] {
            let csv = open(file.path(), &policy, block);
            let whole = read(&csv, &[0, 1], false, batch_rows, &rejects);
            let Some((rows, counts)) = &expected else {
                prop_assert_eq!(whole.unwrap_err().code(), "TM0712");
                continue;
            };
            let (batches, tally) = whole.unwrap();
            prop_assert_eq!(&rows_of(&batches), rows);
            prop_assert_eq!(tally.counts(), *counts);
            // Whatever columns are asked for, also none.
            for projection in [&[][..], &[0], &[1]] {
                let (batches, tally) = read(&csv, projection, false, batch_rows, &rejects).unwrap();
                let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
                prop_assert_eq!(found, rows.len());
                prop_assert_eq!(tally.counts(), *counts);
            }
            // A filter leaves out rows of those that are good.
            let passing: Vec<Row> = rows.iter().filter(|(number, _)| number.is_some()).cloned().collect();
            let (batches, tally) = read(&csv, &[0, 1], true, batch_rows, &rejects).unwrap();
            prop_assert_eq!(&rows_of(&batches), &passing);
            let found = tally.counts();
            prop_assert_eq!((found.read, found.rejected, found.nulled), (counts.read, counts.rejected, counts.nulled));
            prop_assert_eq!(found.returned, passing.len() as u64);
            prop_assert_eq!(found.read, found.returned + found.filtered + found.rejected);
        }
    }

    #[test]
    fn rejected_rows_are_in_their_file_once_and_in_order(records in records(), block in 1..200_u64) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("bad.csv");
        let policy = BadRows::Reject(target.clone());
        let text = text_of(&records);
        let file = file(&text);
        let rejects = Arc::default();
        let csv = open(file.path(), &policy, block);
        let (_, counts) = expected(&records, &policy).unwrap();
        for _ in 0..2 {
            let (_, tally) = read(&csv, &[], false, 7, &rejects).unwrap();
            tally.publish().unwrap();
            let options = CsvOptions { delimiter: Some(b','), header: Some(true), ..CsvOptions::default() };
            let types = ["file", "column", "error", "raw"].map(|name| Field::new(name, DataType::Utf8View, true));
            let [path, column, error, raw] = types;
            let numbers = ["line", "byte"].map(|name| Field::new(name, DataType::Int64, true));
            let [line, byte] = numbers;
            let columns = Arc::new(Schema::new(vec![path, line, byte, column, error, raw]));
            let written = CsvFile::open_in_blocks(&target, options, Some(columns), 1 << 20).unwrap();
            let (batches, _) = read(&written, &[1, 2, 5], false, 100, &rejects).unwrap();
            let mut rows = 0;
            let mut before = None;
            for batch in &batches {
                let (lines, bytes) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
                for row in 0..batch.num_rows() {
                    let byte = usize::try_from(bytes.value(row)).unwrap();
                    prop_assert!(before < Some(byte));
                    before = Some(byte);
                    let line = text[..byte].iter().filter(|byte| **byte == b'\n').count() + 1;
                    prop_assert_eq!(lines.value(row), line as i64);
                    let raw = batch.column(2).as_string_view();
                    let raw = if raw.is_valid(row) { raw.value(row) } else { "" };
                    let stands = String::from_utf8_lossy(&text[byte..]).into_owned();
                    prop_assert!(stands.starts_with(raw), "{} in {}", raw, stands);
                    rows += 1;
                }
            }
            prop_assert_eq!(rows, counts.rejected);
        }
    }
}

#[test]
fn the_sample_does_not_count_and_does_not_stop_at_bad_rows() {
    let mut text = String::from("a,b\n");
    for row in 0..100 {
        text += &format!("{row},{row}\n");
    }
    text += "1\n2,3,4\n5,6\n7,x\n";
    let file = file(text.as_bytes());
    let options = CsvOptions {
        bad_rows: Some(BadRows::Skip),
        sample_rows: Some(100),
        ..CsvOptions::default()
    };
    let csv = CsvFile::open(file.path(), options, None).unwrap();
    let (batches, tally) = read(&csv, &[0, 1], false, 1000, &Arc::default()).unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        101
    );
    let counts = tally.counts();
    assert_eq!((counts.read, counts.rejected), (104, 3));
    let warnings = tally.warnings();
    let [warning] = warnings.as_slice() else {
        panic!("one warning: {warnings:?}");
    };
    assert_eq!(warning.place().unwrap().line, Some(102));
    assert_eq!(
        warning.message(),
        "3 bad rows were left out, the first: this record has 1 field instead of 2"
    );
}

#[test]
fn what_breaks_the_structure_stays_an_error() {
    for text in ["a,b\n1,\"x\"y\n", "a,b\n1,\"x\n2,3\n"] {
        let file = file(text.as_bytes());
        let csv = open(file.path(), &BadRows::Skip, 1 << 20);
        let error = read(&csv, &[], false, 10, &Arc::default()).unwrap_err();
        assert!(["TM0714", "TM0716"].contains(&error.code()), "{error}");
    }
}
