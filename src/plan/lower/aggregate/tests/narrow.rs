//! Columns that come in narrower types than planned, in some batches.

use arrow::array::{Decimal128Array, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema};

use super::*;

/// `s` text, `d` decimals, `k` integers, all with NULLs.
fn table(rows: usize) -> RecordBatch {
    let s: StringViewArray = (0..rows)
        .map(|row| (row % 13 != 5).then(|| format!("text number {}", row * 31 % 41)))
        .collect();
    let d: Decimal128Array = (0..rows)
        .map(|row| (row % 7 != 1).then_some((row * 37 % 53) as i128 * 25 - 500))
        .collect();
    let d = d.with_data_type(DataType::Decimal128(15, 2));
    let k: Int64Array = (0..rows)
        .map(|row| (row % 11 != 3).then_some((row % 6) as i64))
        .collect();
    RecordBatch::try_from_iter_with_nullable([
        ("s", Arc::new(s) as ArrayRef, true),
        ("d", Arc::new(d) as ArrayRef, true),
        ("k", Arc::new(k) as ArrayRef, true),
    ])
    .unwrap()
}

/// The batch as a scan gives it where nobody needs the planned types.
fn narrow(batch: &RecordBatch) -> RecordBatch {
    let columns: Vec<ArrayRef> = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => {
                let dictionary =
                    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
                let text = cast(column, &DataType::Utf8).unwrap();
                cast(&text, &dictionary).unwrap()
            }
            DataType::Decimal128(digits, scale) if *digits <= 18 => {
                cast(column, &DataType::Decimal64(*digits, *scale)).unwrap()
            }
            _ => Arc::clone(column),
        })
        .collect();
    let fields: Vec<Field> = columns
        .iter()
        .zip(batch.schema().fields())
        .map(|(column, field)| Field::clone(field).with_data_type(column.data_type().clone()))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[test]
fn some_batches_are_narrower_than_planned() {
    let queries = [
        "SELECT s, SUM(d), AVG(d), MAX(d), COUNT(d), SUM(d * (1 - d)) FROM t GROUP BY s",
        "SELECT s, d, COUNT(*), AVG(d) FROM t GROUP BY s, d",
        "SELECT k, MIN(s), COUNT(DISTINCT s), SUM(d) FILTER (WHERE s <> 'text number 3') FROM t GROUP BY k",
        "SELECT d + 1, COUNT(*), SUM(d + d) FROM t GROUP BY d + 1",
        "SELECT s, d, k, SUM(d) FROM t GROUP BY GROUPING SETS ((s, d), (k), ())",
        "SELECT SUM(d), AVG(d), MIN(d), SUM(d * d) FILTER (WHERE k > 2), COUNT(DISTINCT s) FROM t",
        "SELECT DISTINCT s, d FROM t",
    ];
    for sql in queries {
        let case = Case::new(table(400), sql, 1);
        for (threads, batch_rows) in [(1, 64), (4, 3), (4, 64)] {
            let units = cut(&case.input, 8)
                .iter()
                .enumerate()
                .map(|(number, unit)| match number % 2 {
                    0 => unit.clone(),
                    _ => narrow(unit),
                })
                .collect();
            let rows = ours(case.aggregate(), units, threads, batch_rows).unwrap();
            let mut lines = lines(&case.aggregate().schema(), &rows);
            lines.sort();
            assert_eq!(lines, case.expected, "{sql} with {threads} threads");
        }
    }
}
