//! The steps of this folder that neither join nor aggregate, against DataFusion's own execution of the same physical plan.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, Int64Builder,
    ListBuilder, StringArray, StringViewArray,
};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::filter::lower_filter;
use super::limit::lower_limit;
use super::offers::Offers;
use super::project::lower_projection;
use super::recursive::lower_recursive;
use super::sort::lower_sort;
use super::unnest::lower_unnest;
use super::values::lower_memory;
use super::window::{lower_window, window_input};
use crate::error::Result;
use crate::exec::graph::{PipelineGraph, Stream};
use crate::exec::operators::bridge::BridgeSource;
use crate::exec::operators::collect::{CollectSink, Slot};
use crate::exec::{RunContext, run};

fn lower(plan: &Arc<dyn ExecutionPlan>, graph: &mut PipelineGraph) -> Result<Stream> {
    if let Some(stream) = lower_memory(plan)? {
        return Ok(stream);
    }
    if plan.name().contains("WindowAggExec") {
        let input = lower(&window_input(plan)?, graph)?;
        return lower_window(plan, &Offers::default(), input, graph);
    }
    if let Some(query) = plan.downcast_ref::<RecursiveQueryExec>() {
        return lower_recursive(query, lower, graph);
    }
    if plan.name() == "CrossJoinExec" {
        return Ok(Stream::from_source(
            Arc::new(BridgeSource::new(Arc::clone(plan))),
            Vec::new(),
        ));
    }
    let input = lower(plan.children()[0], graph)?;
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        return lower_filter(filter, input);
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        return lower_projection(projection, input);
    }
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        let mut input = Some(input);
        let mut given = |_, _: &mut PipelineGraph| Ok(input.take().unwrap());
        return lower_sort(sort.expr(), sort.fetch(), &plan.schema(), &mut given, graph);
    }
    if let Some(limit) = plan.downcast_ref::<GlobalLimitExec>() {
        return lower_limit(limit.skip(), limit.fetch(), input);
    }
    if let Some(limit) = plan.downcast_ref::<LocalLimitExec>() {
        return lower_limit(0, Some(limit.fetch()), input);
    }
    if let Some(unnest) = plan.downcast_ref::<UnnestExec>() {
        return lower_unnest(unnest, input);
    }
    panic!("{} is not for these tests", plan.name());
}

fn execute(
    plan: &Arc<dyn ExecutionPlan>,
    threads: usize,
    batch_rows: usize,
) -> Result<Vec<RecordBatch>> {
    execute_in(plan, &RunContext::for_tests(threads, batch_rows))
}

fn execute_in(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<RunContext>,
) -> Result<Vec<RecordBatch>> {
    let batch_rows = context.batch_rows;
    let mut graph = PipelineGraph::default();
    let slot = Slot::default();
    lower(plan, &mut graph)?.into_sink(&mut graph, Arc::new(CollectSink::new(Arc::clone(&slot))));
    run(graph, context).wait()?;
    let batches = slot.get().cloned().unwrap_or_default();
    assert!(
        batches
            .iter()
            .all(|batch| batch.num_rows() <= batch_rows.max(1))
    );
    Ok(batches)
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    let rows = text.lines().filter(|line| line.starts_with('|')).skip(1);
    rows.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

struct Tables {
    session: SessionContext,
    runtime: tokio::runtime::Runtime,
}

impl Tables {
    fn new(batches: Vec<RecordBatch>) -> Self {
        let config = SessionConfig::new().with_target_partitions(1);
        let session = SessionContext::new_with_config(config);
        let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
        session.register_table("t", Arc::new(table)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        Tables { session, runtime }
    }

    fn plan(&self, sql: &str) -> Arc<dyn ExecutionPlan> {
        self.runtime.block_on(async {
            self.session
                .sql(sql)
                .await
                .unwrap()
                .create_physical_plan()
                .await
                .unwrap()
        })
    }

    fn theirs(&self, sql: &str) -> Vec<String> {
        let rows = datafusion::physical_plan::collect(self.plan(sql), self.session.task_ctx());
        lines(&self.runtime.block_on(rows).unwrap())
    }

    /// The same rows as DataFusion's; in the same order where `sql` says one that leaves no choice.
    fn check(&self, sql: &str) {
        self.check_rows(sql, &self.theirs(sql));
    }

    /// Every order of `keys`, and its first rows. DataFusion's own top-k is no measure: with -0.0 among the keys it drops rows
    /// that its full sort puts first.
    fn check_order(&self, keys: &str, limits: &[(usize, usize)]) {
        let order = format!("SELECT * FROM t ORDER BY {keys}, id");
        let sorted = self.theirs(&order);
        self.check_rows(&format!("{order} /* ordered */"), &sorted);
        for (skip, fetch) in limits {
            let first = sorted.iter().skip(*skip).take(*fetch).cloned();
            let sql = format!("{order} LIMIT {fetch} OFFSET {skip} /* ordered */");
            self.check_rows(&sql, &first.collect::<Vec<_>>());
        }
    }

    fn check_rows(&self, sql: &str, expected: &[String]) {
        let plan = self.plan(sql);
        let in_order = |mut rows: Vec<String>| {
            if !sql.contains("/* ordered */") {
                rows.sort();
            }
            rows
        };
        let expected = in_order(expected.to_vec());
        // Tiny batches of many rows are slow and show nothing new.
        let configurations = match expected.len() {
            0..500 => [(1, 1), (4, 7), (4, 8192)],
            _ => [(1, 1000), (4, 700), (4, 8192)],
        };
        for (threads, batch_rows) in configurations {
            let ours = in_order(lines(&execute(&plan, threads, batch_rows).unwrap()));
            assert!(
                ours == expected,
                "{sql} with {threads} threads, {batch_rows} rows: {ours:?} is not {expected:?}"
            );
        }
        for threads in if expected.len() < 500 { 1..3 } else { 2..3 } {
            let batch_rows = if expected.len() < 500 { 5 } else { 500 };
            let within = RunContext::for_tests_within(threads, batch_rows, batch_rows * 1000);
            match execute_in(&plan, &within) {
                Ok(ours) => assert_eq!(in_order(lines(&ours)), expected, "{sql} in little memory"),
                // Some windows hold a whole partition.
                Err(error) => assert!(
                    error.code() == "TM0506" && sql.contains("OVER"),
                    "{sql}: {error}"
                ),
            }
        }
    }
}

type Row = (
    Option<i64>,
    Option<i64>,
    Option<f64>,
    Option<String>,
    Option<i32>,
    Option<bool>,
);

fn batch(first: i64, rows: &[Row]) -> RecordBatch {
    let decimals = rows
        .iter()
        .map(|row| row.1.map(i128::from))
        .collect::<Decimal128Array>();
    let mut lists = ListBuilder::new(Int64Builder::new());
    for row in rows {
        match row.0 {
            Some(count) => {
                (0..count.rem_euclid(4)).for_each(|value| lists.values().append_value(value));
                lists.append(true);
            }
            None => lists.append(false),
        }
    }
    let strings = rows.iter().map(|row| row.3.as_deref());
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(
                first..first + rows.len() as i64,
            )),
        ),
        (
            "g",
            Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        ),
        (
            "n",
            Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        ),
        (
            "d",
            Arc::new(decimals.with_precision_and_scale(20, 2).unwrap()),
        ),
        (
            "f",
            Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        ),
        ("s", Arc::new(strings.clone().collect::<StringArray>())),
        ("v", Arc::new(strings.collect::<StringViewArray>())),
        (
            "day",
            Arc::new(rows.iter().map(|row| row.4).collect::<Date32Array>()),
        ),
        (
            "b",
            Arc::new(rows.iter().map(|row| row.5).collect::<BooleanArray>()),
        ),
        ("l", Arc::new(lists.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn rows() -> impl Strategy<Value = Vec<RecordBatch>> {
    let number = prop::option::weighted(0.9, prop_oneof![-3..4_i64, -1000..1000_i64]);
    let float = prop::option::weighted(
        0.9,
        prop_oneof![
            Just(f64::NAN),
            Just(0.0),
            Just(-0.0),
            Just(f64::INFINITY),
            -5.0..5.0_f64
        ],
    );
    let text = prop::option::weighted(
        0.9,
        prop_oneof!["[ab]{0,2}", "common prefix of some length [a-c]{0,3}"],
    );
    let row = (
        prop::option::weighted(0.9, 0..5_i64),
        number,
        float,
        text,
        prop::option::weighted(0.9, -10..10_i32),
        prop::option::of(any::<bool>()),
    );
    prop::collection::vec(prop::collection::vec(row, 0..40), 1..4).prop_map(|batches| {
        let mut first = 0;
        batches
            .iter()
            .map(|rows| {
                let batch = batch(first, rows);
                first += rows.len() as i64;
                batch
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn filters_and_projections(batches in rows()) {
        let tables = Tables::new(batches);
        for sql in [
            "SELECT * FROM t WHERE n > 0",
            "SELECT id, s FROM t WHERE b",
            "SELECT 1 FROM t WHERE f < 1 OR v IS NULL",
            "SELECT id + 1, upper(s), CASE WHEN n > 0 THEN 1 END FROM t WHERE NOT b AND g = 2",
            "SELECT * FROM t WHERE false",
            "SELECT id, g * 2 FROM t",
        ] {
            tables.check(sql);
        }
    }

    #[test]
    fn sorts(batches in rows()) {
        let tables = Tables::new(batches);
        for keys in ["n", "f DESC", "s", "v DESC NULLS LAST", "d NULLS FIRST", "day DESC, b", "l, f", "b, s, n DESC"] {
            tables.check_order(keys, &[(0, 1), (2, 5), (1, 50)]);
        }
    }

    #[test]
    fn windows(batches in rows()) {
        let tables = Tables::new(batches);
        for sql in [
            "SELECT id, row_number() OVER (PARTITION BY g ORDER BY n, id) FROM t",
            "SELECT id, rank() OVER w, dense_rank() OVER w, percent_rank() OVER w FROM t WINDOW w AS (PARTITION BY s ORDER BY n)",
            "SELECT id, lag(n) OVER w, lead(n, 2, 7) OVER w, ntile(3) OVER w FROM t WINDOW w AS (PARTITION BY g ORDER BY id DESC)",
            "SELECT id, first_value(n) OVER w, last_value(n) OVER w, nth_value(n, 2) OVER w FROM t WINDOW w AS (PARTITION BY b ORDER BY day, id)",
            "SELECT id, sum(n) OVER (PARTITION BY g ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM t",
            "SELECT id, sum(n) OVER (PARTITION BY g ORDER BY n RANGE BETWEEN 2 PRECEDING AND 2 FOLLOWING) FROM t",
            "SELECT id, sum(n) OVER (PARTITION BY g ORDER BY n GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t",
            "SELECT id, sum(n) OVER (PARTITION BY g ORDER BY n), max(d) OVER (PARTITION BY g), count(*) OVER () FROM t",
            "SELECT id, sum(n * 2 + 1) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t",
            "SELECT id, min(v) OVER (PARTITION BY g % 2, s ORDER BY f DESC, id) FROM t",
            "SELECT id, lag(n + 1) OVER (PARTITION BY g + 1 ORDER BY n * 2, id) FROM t",
            "SELECT id, sum(n) FILTER (WHERE b) OVER (PARTITION BY g ORDER BY id) FROM t",
            "SELECT id, g, n, sum(n) OVER (PARTITION BY g ORDER BY n, id) FROM t ORDER BY g, n, id /* ordered */",
            "SELECT id, g, b, sum(n) OVER (PARTITION BY g, b ORDER BY n, id) FROM t ORDER BY b DESC, g, n, id /* ordered */",
            "SELECT id, g, b, rank() OVER (PARTITION BY g ORDER BY b) FROM t ORDER BY g DESC, b, day, id /* ordered */",
        ] {
            tables.check(sql);
        }
    }

    #[test]
    fn unnests(batches in rows()) {
        let tables = Tables::new(batches);
        tables.check("SELECT id, unnest(l) FROM t");
        tables.check("SELECT id, unnest(l), unnest([1, NULL, 3]) FROM t");
        tables.check("SELECT id, unnest(named_struct('a', n, 'b', s)) FROM t");
    }
}

#[test]
fn windows_are_cut_between_partitions() {
    // Partitions of very different sizes, together several ranges.
    let rows: Vec<Row> = (0..120_000_i64)
        .map(|row| {
            (
                Some((row * row) % 97 / 20),
                Some(row % 1000),
                None,
                None,
                Some((row % 7919) as i32),
                None,
            )
        })
        .collect();
    let tables = Tables::new(
        rows.chunks(8192)
            .enumerate()
            .map(|(n, rows)| batch(n as i64 * 8192, rows))
            .collect(),
    );
    for key in ["g", "day", "g, day", "n"] {
        let plan = tables.plan(&format!(
            "SELECT id, row_number() OVER (PARTITION BY {key} ORDER BY id) AS r, {key} FROM t"
        ));
        let theirs = tables
            .runtime
            .block_on(datafusion::physical_plan::collect(
                Arc::clone(&plan),
                tables.session.task_ctx(),
            ))
            .unwrap();
        assert!(plan.output_ordering().is_some());
        assert!(
            lines(&execute(&plan, 4, 8192).unwrap()) == lines(&theirs),
            "PARTITION BY {key}"
        );
    }
}

#[test]
fn top_k_forgets_candidates() {
    let noise = |row: i64| row.wrapping_mul(6_364_136_223_846_793_005).rotate_left(20) % 5000;
    let rows: Vec<Row> = (0..8_000)
        .map(|row| {
            let value = noise(row);
            let some = (value % 11 != 0).then_some(value);
            let text = some.map(|value| format!("a text with number {value}"));
            (
                some.map(i64::abs),
                some,
                some.map(|value| value as f64 / 2.0),
                text,
                Some((row % 50) as i32),
                None,
            )
        })
        .collect();
    let tables = Tables::new(
        rows.chunks(500)
            .enumerate()
            .map(|(n, rows)| batch(n as i64 * 500, rows))
            .collect(),
    );
    for keys in [
        "n",
        "n NULLS FIRST",
        "f DESC",
        "f DESC NULLS LAST",
        "v",
        "s DESC",
        "day, n DESC",
        "b, d",
    ] {
        tables.check_order(keys, &[(3, 1500)]);
    }
}

#[test]
fn rows_that_do_not_fit_are_sorted_and_given_windows_all_the_same() {
    let rows: Vec<Row> = (0..3000)
        .map(|row| {
            let text = Some(format!("text {}", row * 37 % 1000));
            (
                Some(row % 60),
                Some(row * 7919 % 3001),
                None,
                text,
                None,
                None,
            )
        })
        .collect();
    let tables = Tables::new(
        rows.chunks(500)
            .enumerate()
            .map(|(n, rows)| batch(n as i64 * 500, rows))
            .collect(),
    );
    for sql in [
        "SELECT id, s, v FROM t ORDER BY v, id DESC /* ordered */",
        "SELECT id, g, sum(n) OVER (PARTITION BY g) FROM t",
        "SELECT id, lag(n) OVER (PARTITION BY g ORDER BY id), row_number() OVER (PARTITION BY g ORDER BY id) FROM t",
        // One partition of all rows is computed while it is read.
        "SELECT id, lag(v) OVER (ORDER BY n, id) FROM t",
    ] {
        let context = RunContext::for_tests_within(2, 50, 60_000);
        let mut ours = lines(&execute_in(&tables.plan(sql), &context).unwrap());
        let mut theirs = tables.theirs(sql);
        if !sql.contains("ordered") {
            ours.sort();
            theirs.sort();
        }
        assert_eq!(ours, theirs, "{sql}");
        assert!(context.spill.written() > 0, "{sql}");
        assert!(
            context.memory.peak() < 90_000,
            "{sql}: {}",
            context.memory.peak()
        );
    }
    let whole = "SELECT id, sum(n) OVER () FROM t";
    let context = RunContext::for_tests_within(2, 50, 60_000);
    let error = execute_in(&tables.plan(whole), &context).unwrap_err();
    assert_eq!(
        error.message(),
        "the memory limit of 58.6 KiB is reached in window"
    );
}

#[test]
fn a_limit_counts_over_all_workers() {
    let rows: Vec<Row> = (0..5000)
        .map(|row| (Some(row), None, None, None, None, None))
        .collect();
    let tables = Tables::new(rows.chunks(100).map(|rows| batch(0, rows)).collect());
    for (skip, fetch, expected) in [
        (0, 10, 10),
        (4990, 20, 10),
        (6000, 5, 0),
        (17, 4000, 4000),
        (0, 0, 0),
    ] {
        let plan = tables.plan("SELECT id FROM t");
        for threads in [1, 4] {
            let mut graph = PipelineGraph::default();
            let slot = Slot::default();
            let stream = lower(&plan, &mut graph).unwrap();
            lower_limit(skip, Some(fetch), stream)
                .unwrap()
                .into_sink(&mut graph, Arc::new(CollectSink::new(Arc::clone(&slot))));
            run(graph, &RunContext::for_tests(threads, 64))
                .wait()
                .unwrap();
            let rows: usize = slot.get().unwrap().iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, expected);
        }
    }
}

#[test]
fn no_rows_and_one_row() {
    let tables = Tables::new(vec![batch(0, &[])]);
    for sql in [
        "SELECT 1, 'a'",
        "SELECT * FROM t ORDER BY n",
        "SELECT * FROM t ORDER BY n LIMIT 3",
        "SELECT id, sum(n) OVER (PARTITION BY g) FROM t",
        "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) ORDER BY 1 DESC /* ordered */",
    ] {
        tables.check(sql);
    }
}

#[test]
fn arithmetic_overflows_are_errors() {
    let row: Row = (Some(i64::MAX), Some(i64::MAX), None, None, None, None);
    let tables = Tables::new(vec![batch(1, &[row])]);
    for sql in [
        "SELECT n + id FROM t",
        "SELECT id FROM t WHERE n + id > 0",
        "SELECT id FROM t ORDER BY n * 2",
        "SELECT lag(n + id) OVER (ORDER BY id) FROM t",
        "SELECT max(n + id) OVER (ORDER BY id) FROM t",
        "SELECT max(n + id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT max(n) OVER (PARTITION BY n + id) FROM t",
    ] {
        let error = execute(&tables.plan(sql), 1, 10).unwrap_err();
        assert_eq!(error.code(), "TM0502", "{sql}: {error}");
    }
}

#[test]
fn recursions() {
    let row = |value: i64| -> Row { (Some(value), Some(value), None, None, None, None) };
    let tables = Tables::new(vec![batch(0, &[row(1), row(2), row(1)])]);
    for sql in [
        "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 40) SELECT * FROM r",
        "WITH RECURSIVE r AS (SELECT g AS x FROM t UNION ALL SELECT x + 1 FROM r WHERE x < 9) SELECT x FROM r ORDER BY x /* ordered */",
        "WITH RECURSIVE r AS (SELECT g AS x FROM t UNION SELECT (x * 7) % 5 FROM r) SELECT * FROM r",
        "WITH RECURSIVE r AS (SELECT 1 AS x, 10 AS y UNION ALL SELECT y - 10, y + 1 FROM r WHERE y < 15) SELECT * FROM r",
        "WITH RECURSIVE r AS (SELECT 0 AS x, 'a' AS s UNION ALL SELECT x + 1, r.s || 'b' FROM r, t WHERE x < 3 AND t.n = 1) SELECT * FROM r",
        "WITH RECURSIVE r AS (SELECT 1 AS x WHERE false UNION ALL SELECT x + 1 FROM r) SELECT * FROM r",
        "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a WHERE x < 3), b AS (SELECT x AS y FROM a UNION ALL SELECT y + 10 FROM b WHERE y < 30) SELECT * FROM b",
    ] {
        tables.check(sql);
    }
}

#[test]
fn a_recursion_without_end_is_stopped() {
    let tables = Tables::new(vec![batch(0, &[])]);
    let endless = "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x FROM r) SELECT * FROM r";
    let error = execute(&tables.plan(endless), 2, 100).unwrap_err();
    assert_eq!(error.code(), "TM0504");
    let plan = tables.plan(&format!("{endless} LIMIT 20"));
    let rows: usize = execute(&plan, 2, 100)
        .unwrap()
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, 20);
    let overflow =
        "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x * 2 FROM r) SELECT * FROM r";
    assert_eq!(
        execute(&tables.plan(overflow), 2, 100).unwrap_err().code(),
        "TM0502"
    );
}
