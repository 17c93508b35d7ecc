//! What happens before data is read: parsing, binding, planning.

use std::error::Error;
use std::fs;

use tidemill::{Engine, Explain};

use crate::Flags;
use crate::measure::{measure, print, print_head};

/// A step of a long script; every operator that such scripts are made of.
const STATEMENT: &str = "FROM (VALUES (1, 'a', DATE '2026-01-02')) AS t (k, name, day)
|> WHERE k BETWEEN 1 AND 100 AND name LIKE 'a%' OR day > DATE '2025-12-31' - INTERVAL 90 DAY
|> EXTEND k * (1 - k) AS price, CASE WHEN k > 3 THEN 'many' ELSE 'few' END AS how_many
|> AGGREGATE SUM(price) AS total DESC, COUNT(*) AS n GROUP BY how_many
|> LIMIT 10;
";

pub(crate) fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let engine = Engine::in_memory()?;
    print_head();
    tpch(flags, &engine)?;
    for kib in [256, 512, 1024] {
        let script = STATEMENT.repeat((kib << 10) / STATEMENT.len());
        let figures = measure(flags.runs, || engine.statements(&script).map(drop))
            .map_err(|errors| format!("{errors:?}"))?;
        print(&format!("parse {kib} KiB"), &figures);
    }
    Ok(())
}

/// The queries of TPC-H over empty tables.
fn tpch(flags: &Flags, engine: &Engine) -> Result<(), Box<dyn Error>> {
    engine.execute(SCHEMA, ())?;
    for number in 1..=22 {
        let name = format!("q{number}");
        if !flags.names.is_empty() && !flags.names.contains(&name) {
            continue;
        }
        let text = fs::read_to_string(format!("tests/tpch/q{number:02}.pipe"))?;
        let parsed = measure(flags.runs, || engine.statements(&text).map(drop))
            .map_err(|errors| format!("{errors:?}"))?;
        print(&format!("{name} parse"), &parsed);
        let planned = measure(flags.runs, || {
            engine.explain(&text, Explain::Pipelines).map(drop)
        })?;
        print(&format!("{name} plan"), &planned);
    }
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
