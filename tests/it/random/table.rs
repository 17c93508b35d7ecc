//! Random tables of seven columns: small and extreme integers, floats with NaN and -0.0, text, decimals, dates, booleans, all with NULL.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tidemill::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray,
};

/// `i`, `g`, `f`, `s`, `d`, `t`, `b`.
#[derive(Debug, Clone)]
pub struct Row {
    small: Option<i64>,
    big: Option<i64>,
    float: Option<f64>,
    text: Option<&'static str>,
    cents: Option<i128>,
    day: Option<i32>,
    flag: Option<bool>,
}

const TEXTS: [&str; 8] = [
    "",
    "a",
    "ab",
    "b",
    "NULL",
    "🦀",
    "ä",
    "a longer text, not inline",
];
/// Quarters: their sums are exact in any order.
const FLOATS: [f64; 8] = [0.0, -0.0, 1.5, -2.25, f64::NAN, f64::INFINITY, 1e6, 0.25];
const BIGS: [i64; 7] = [i64::MAX, i64::MIN, i64::MAX - 1, 1 << 62, -(1 << 62), 0, 1];

fn row() -> impl Strategy<Value = Row> {
    (
        option::weighted(0.85, -3i64..6),
        option::of(select(&BIGS[..])),
        option::weighted(0.8, select(&FLOATS[..])),
        option::weighted(0.8, select(&TEXTS[..])),
        option::of(-500i128..500),
        option::of(-3i32..20_000),
        option::of(any::<bool>()),
    )
        .prop_map(|(small, big, float, text, cents, day, flag)| Row {
            small,
            big,
            float,
            text,
            cents,
            day,
            flag,
        })
}

pub fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    vec(row(), 0..most)
}

/// The rows in batches of the lengths `cuts`, empty ones too, and a last one with the rest.
pub fn batches(rows: &[Row], cuts: &[usize]) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut rest = rows;
    for cut in cuts {
        let (head, tail) = rest.split_at((*cut).min(rest.len()));
        batches.push(batch(head));
        rest = tail;
    }
    batches.push(batch(rest));
    batches
}

fn batch(rows: &[Row]) -> RecordBatch {
    let cents: Decimal128Array = rows.iter().map(|row| row.cents).collect();
    let cents = cents
        .with_precision_and_scale(10, 2)
        .expect("a decimal type");
    let columns: [(&str, ArrayRef); 7] = [
        (
            "i",
            Arc::new(rows.iter().map(|row| row.small).collect::<Int64Array>()),
        ),
        (
            "g",
            Arc::new(rows.iter().map(|row| row.big).collect::<Int64Array>()),
        ),
        (
            "f",
            Arc::new(rows.iter().map(|row| row.float).collect::<Float64Array>()),
        ),
        (
            "s",
            Arc::new(rows.iter().map(|row| row.text).collect::<StringArray>()),
        ),
        ("d", Arc::new(cents)),
        (
            "t",
            Arc::new(rows.iter().map(|row| row.day).collect::<Date32Array>()),
        ),
        (
            "b",
            Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        ),
    ];
    let columns = columns.map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}
