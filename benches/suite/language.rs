//! What happens before data is read: parsing, binding, planning.

use std::error::Error;
use std::fs;
use std::time::Duration;

use tidemill::{Engine, Explain};

use crate::Flags;
use crate::measure::{Figures, measure};

/// A step of a long script; every operator that such scripts are made of.
const STATEMENT: &str = "FROM (VALUES (1, 'a', DATE '2026-01-02')) AS t (k, name, day)
|> WHERE k BETWEEN 1 AND 100 AND name LIKE 'a%' OR day > DATE '2025-12-31' - INTERVAL 90 DAY
|> EXTEND k * (1 - k) AS price, CASE WHEN k > 3 THEN 'many' ELSE 'few' END AS how_many
|> AGGREGATE SUM(price) AS total DESC, COUNT(*) AS n GROUP BY how_many
|> LIMIT 10;
";

/// What parsing and what binding a query of TPC-H may take.
const QUERY: Duration = Duration::from_millis(1);
/// What a megabyte of script may take to parse.
const MEGABYTE: Duration = Duration::from_secs(1);
const COMPLETION: Duration = Duration::from_millis(20);

pub(crate) fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let engine = Engine::in_memory()?;
    println!(
        "{:<34} {:>10} {:>10} {:>10} {:>9}",
        "", "median ms", "least ms", "target ms", "of target"
    );
    engine.execute(SCHEMA, ())?;
    tpch(flags, &engine)?;
    scripts(flags, &engine)?;
    completions(flags, &engine)
}

fn is_wanted(flags: &Flags, name: &str) -> bool {
    flags.names.is_empty() || flags.names.iter().any(|wanted| wanted == name)
}

/// A row of the table; a figure above 1 in the last column has missed its target.
fn row(name: &str, figures: &Figures, target: Option<Duration>) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (target, ratio) = match target {
        Some(target) => (
            format!("{:.0}", ms(target)),
            format!("{:.2}", ms(figures.median) / ms(target)),
        ),
        None => (String::new(), String::new()),
    };
    println!(
        "{name:<34} {:>10.3} {:>10.3} {target:>10} {ratio:>9}",
        ms(figures.median),
        ms(figures.least)
    );
}

/// The queries of TPC-H over empty tables.
fn tpch(flags: &Flags, engine: &Engine) -> Result<(), Box<dyn Error>> {
    for number in 1..=22 {
        let name = format!("q{number}");
        if !is_wanted(flags, &name) {
            continue;
        }
        let text = fs::read_to_string(format!("tests/tpch/q{number:02}.pipe"))?;
        let parsed = measure(flags.runs, || engine.statements(&text).map(drop))
            .map_err(|errors| format!("{errors:?}"))?;
        row(&format!("{name} parse"), &parsed, Some(QUERY));
        // A check parses, copies the catalog and binds: more than what the target is about.
        let bound = measure(flags.runs, || match engine.check(&text, ()) {
            checked if checked.is_ok() => Ok(()),
            checked => Err(format!("{:?}", checked.errors)),
        })?;
        row(&format!("{name} parse and bind"), &bound, Some(2 * QUERY));
        let planned = measure(flags.runs, || {
            engine.explain(&text, Explain::Pipelines).map(drop)
        })?;
        row(&format!("{name} to pipelines"), &planned, None);
    }
    Ok(())
}

/// Long scripts, of which each is twice as long as the one before; and one long statement.
fn scripts(flags: &Flags, engine: &Engine) -> Result<(), Box<dyn Error>> {
    if !is_wanted(flags, "scripts") {
        return Ok(());
    }
    let mut before: Option<Duration> = None;
    for kib in [256, 512, 1024, 2048] {
        let script = STATEMENT.repeat((kib << 10) / STATEMENT.len());
        let figures = measure(flags.runs, || engine.statements(&script).map(drop))
            .map_err(|errors| format!("{errors:?}"))?;
        let target = MEGABYTE * kib as u32 / 1024;
        row(&format!("parse {kib} KiB"), &figures, Some(target));
        if let Some(before) = before {
            let times = figures.median.as_secs_f64() / before.as_secs_f64();
            println!("  {times:.2} times the one before, of half the length");
        }
        before = Some(figures.median);
    }
    let rows: Vec<String> = (0..60_000).map(|row| format!("({row}, 'x')")).collect();
    let statement = format!("FROM (VALUES {}) |> LIMIT 1", rows.join(", "));
    let figures = measure(flags.runs, || engine.statements(&statement).map(drop))
        .map_err(|errors| format!("{errors:?}"))?;
    row("parse 1 MB of VALUES", &figures, Some(MEGABYTE));
    Ok(())
}

/// What is offered behind the last pipe of each query, and at the end of a long script.
fn completions(flags: &Flags, engine: &Engine) -> Result<(), Box<dyn Error>> {
    if !is_wanted(flags, "completion") {
        return Ok(());
    }
    let complete = |name: &str, text: &str| {
        let offered = engine.complete(text, text.len());
        if offered.items.is_empty() {
            return Err(format!("nothing is offered for {name}"));
        }
        let figures = measure(flags.runs, || {
            drop(engine.complete(text, text.len()));
            Ok::<(), String>(())
        })?;
        row(&format!("complete {name}"), &figures, Some(COMPLETION));
        Ok(())
    };
    for number in [1, 2, 9, 21] {
        let text = fs::read_to_string(format!("tests/tpch/q{number:02}.pipe"))?;
        let query = text.trim_end().trim_end_matches(';').to_string();
        complete(
            &format!("an operator of q{number}"),
            &format!("{query} |> "),
        )?;
        complete(
            &format!("a column of q{number}"),
            &format!("{query} |> WHERE "),
        )?;
    }
    complete("a table", "FROM l")?;
    complete("a function", "FROM lineitem |> EXTEND SU")?;
    let script = STATEMENT.repeat((100 << 10) / STATEMENT.len());
    complete(
        "behind 100 KiB of script",
        &format!("{script}FROM lineitem |> WHERE "),
    )?;
    Ok(())
}

const SCHEMA: &str = "
CREATE TABLE region (r_regionkey BIGINT, r_name STRING, r_comment STRING);
CREATE TABLE nation (n_nationkey BIGINT, n_name STRING, n_regionkey BIGINT, n_comment STRING);
CREATE TABLE supplier (s_suppkey BIGINT, s_name STRING, s_address STRING, s_nationkey BIGINT, s_phone STRING,
    s_acctbal DECIMAL(15, 2), s_comment STRING);
CREATE TABLE part (p_partkey BIGINT, p_name STRING, p_mfgr STRING, p_brand STRING, p_type STRING, p_size INT,
    p_container STRING, p_retailprice DECIMAL(15, 2), p_comment STRING);
CREATE TABLE partsupp (ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INT, ps_supplycost DECIMAL(15, 2),
    ps_comment STRING);
CREATE TABLE customer (c_custkey BIGINT, c_name STRING, c_address STRING, c_nationkey BIGINT, c_phone STRING,
    c_acctbal DECIMAL(15, 2), c_mktsegment STRING, c_comment STRING);
CREATE TABLE orders (o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus STRING, o_totalprice DECIMAL(15, 2),
    o_orderdate DATE, o_orderpriority STRING, o_clerk STRING, o_shippriority INT, o_comment STRING);
CREATE TABLE lineitem (l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INT,
    l_quantity DECIMAL(15, 2), l_extendedprice DECIMAL(15, 2), l_discount DECIMAL(15, 2), l_tax DECIMAL(15, 2),
    l_returnflag STRING, l_linestatus STRING, l_shipdate DATE, l_commitdate DATE, l_receiptdate DATE,
    l_shipinstruct STRING, l_shipmode STRING, l_comment STRING);
";
