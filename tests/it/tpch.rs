//! The 22 queries of TPC-H in pipe form and in standard form over generated tables: equal to each other, to DataFusion's own
//! executor on the same plan, and for Q1 and Q6 to sums made here by hand.

use std::collections::BTreeMap;
use std::path::Path;

use tidemill::Engine;
use tidemill::arrow::array::{Array, AsArray, RecordBatch};
use tidemill::arrow::datatypes::{Date32Type, Decimal128Type};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow,
    SupplierArrow,
};

use crate::answer;

const SCALE: f64 = 0.01;

/// Queries whose text says nothing about the order of some rows.
const ORDER_WITH_TIES: [u32; 8] = [2, 3, 10, 11, 13, 16, 18, 21];

fn tables() -> Vec<(&'static str, Vec<RecordBatch>)> {
    vec![
        (
            "lineitem",
            LineItemArrow::new(LineItemGenerator::new(SCALE, 1, 1)).collect(),
        ),
        (
            "orders",
            OrderArrow::new(OrderGenerator::new(SCALE, 1, 1)).collect(),
        ),
        (
            "customer",
            CustomerArrow::new(CustomerGenerator::new(SCALE, 1, 1)).collect(),
        ),
        (
            "part",
            PartArrow::new(PartGenerator::new(SCALE, 1, 1)).collect(),
        ),
        (
            "partsupp",
            PartSuppArrow::new(PartSuppGenerator::new(SCALE, 1, 1)).collect(),
        ),
        (
            "supplier",
            SupplierArrow::new(SupplierGenerator::new(SCALE, 1, 1)).collect(),
        ),
        (
            "nation",
            NationArrow::new(NationGenerator::new(SCALE, 1, 1)).collect(),
        ),
        (
            "region",
            RegionArrow::new(RegionGenerator::new(SCALE, 1, 1)).collect(),
        ),
    ]
}

fn engine_over(tables: &[(&str, Vec<RecordBatch>)], threads: usize) -> Engine {
    let engine = answer::engine(threads, None);
    for (name, batches) in tables {
        engine
            .register_batches(name, batches.clone())
            .expect("a table to register");
    }
    engine
}

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tpch")
        .join(file);
    std::fs::read_to_string(path).expect("the text of a query")
}

#[test]
fn both_forms_of_every_query_agree() {
    let tables = tables();
    let (one, two) = (engine_over(&tables, 1), engine_over(&tables, 2));
    let mut failures = Vec::new();
    for number in 1..=22 {
        if let Err(what) = check(&one, &two, number) {
            failures.push(format!("Q{number}: {what}"));
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

fn check(one: &Engine, two: &Engine, number: u32) -> Result<(), String> {
    let pipe = text(&format!("q{number:02}.pipe"));
    let sql = text(&format!("q{number:02}.sql"));
    let ordered = !ORDER_WITH_TIES.contains(&number);
    let expected = answer::rows(one, &pipe).map_err(|error| format!("pipe form: {error}"))?;
    for (engine, query, what) in [
        (one, &sql, "standard form"),
        (two, &pipe, "pipe form, two threads"),
        (two, &sql, "standard form, two threads"),
    ] {
        let found = answer::rows(engine, query).map_err(|error| format!("{what}: {error}"))?;
        if let Some(difference) = expected.difference(&found, ordered) {
            return Err(format!("{what}: {difference}"));
        }
        if expected.names != found.names {
            return Err(format!(
                "{what}: columns {:?} and {:?}",
                expected.names, found.names
            ));
        }
    }
    for (query, what) in [(&pipe, "pipe form"), (&sql, "standard form")] {
        let oracle = one
            .oracle(query, ())
            .map_err(|error| format!("oracle, {what}: {error}"))?;
        let oracle = answer::Answer::of_batches(&oracle);
        if let Some(difference) = expected.difference(&oracle, ordered) {
            return Err(format!("oracle, {what}: {difference}"));
        }
    }
    Ok(())
}

/// One row of `lineitem`, decimals as hundredths.
struct Line {
    quantity: i128,
    price: i128,
    discount: i128,
    tax: i128,
    flag: String,
    status: String,
    shipped: i32,
}

fn lines(batches: &[RecordBatch]) -> Vec<Line> {
    batches.iter().flat_map(batch_lines).collect()
}

fn batch_lines(batch: &RecordBatch) -> Vec<Line> {
    let column = |name: &str| batch.column_by_name(name).expect("a column of lineitem");
    let decimal = |name: &str| column(name).as_primitive::<Decimal128Type>();
    let (quantity, price) = (decimal("l_quantity"), decimal("l_extendedprice"));
    let (discount, tax) = (decimal("l_discount"), decimal("l_tax"));
    let (flag, status) = (
        column("l_returnflag").as_string_view(),
        column("l_linestatus").as_string_view(),
    );
    let shipped = column("l_shipdate").as_primitive::<Date32Type>();
    assert_eq!(shipped.null_count(), 0);
    (0..batch.num_rows())
        .map(|row| Line {
            quantity: quantity.value(row),
            price: price.value(row),
            discount: discount.value(row),
            tax: tax.value(row),
            flag: flag.value(row).to_string(),
            status: status.value(row).to_string(),
            shipped: shipped.value(row),
        })
        .collect()
}

/// Days from 1970-01-01, by the civil calendar.
fn day(text: &str) -> i32 {
    let parts: Vec<i32> = text
        .split('-')
        .map(|part| part.parse().expect("a number"))
        .collect();
    let (year, month, day) = (parts[0], parts[1] as usize, parts[2]);
    let leap = |y: i32| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let years: i32 = (1970..year).map(|y| if leap(y) { 366 } else { 365 }).sum();
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + months[..month - 1].iter().sum::<i32>() + day - 1
}

/// `value` hundredths … with `scale` digits after the point.
fn decimal(value: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", value, width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{whole}.{part}")
}

#[test]
fn q6_by_hand() {
    let tables = tables();
    let (from, to) = (day("1994-01-01"), day("1995-01-01"));
    let revenue: i128 = lines(&tables[0].1)
        .iter()
        .filter(|l| l.shipped >= from && l.shipped < to)
        .filter(|l| (5..=7).contains(&l.discount) && l.quantity < 2400)
        .map(|l| l.price * l.discount)
        .sum();
    let found = answer::rows(&engine_over(&tables, 2), &text("q06.pipe")).expect("Q6");
    assert_eq!(found.lines(), [decimal(revenue, 4)]);
}

#[test]
fn q1_by_hand() {
    let tables = tables();
    let last = day("1998-09-02");
    let mut groups: BTreeMap<(String, String), [i128; 5]> = BTreeMap::new();
    for l in lines(&tables[0].1).iter().filter(|l| l.shipped <= last) {
        let sums = groups
            .entry((l.flag.clone(), l.status.clone()))
            .or_default();
        let discounted = l.price * (100 - l.discount);
        let more = [
            l.quantity,
            l.price,
            discounted,
            discounted * (100 + l.tax),
            1,
        ];
        for (sum, more) in sums.iter_mut().zip(more) {
            *sum += more;
        }
    }
    let expected: Vec<String> = groups
        .iter()
        .map(
            |((flag, status), [quantity, price, discounted, charge, n])| {
                let sums = [
                    decimal(*quantity, 2),
                    decimal(*price, 2),
                    decimal(*discounted, 4),
                    decimal(*charge, 6),
                ];
                format!("{flag},{status},{},{n}", sums.join(","))
            },
        )
        .collect();
    let query = format!(
        "{} |> DROP avg_qty, avg_price, avg_disc",
        text("q01.pipe").trim_end().trim_end_matches(';')
    );
    let found = answer::rows(&engine_over(&tables, 2), &query).expect("Q1");
    assert_eq!(found.lines(), expected);
}
