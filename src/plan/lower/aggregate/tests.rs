//! The same aggregate node run by DataFusion and by us, over the same rows.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::AggregateUDF;
use datafusion::physical_plan::collect;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;

use super::*;
use crate::catalog::functions::Functions;
use crate::exec::{BatchStream, Flow, RunContext, Sink, Source, run, stream_of};

mod narrow;

/// Batches as units: each is read in slices of the context's batch size.
#[derive(Debug)]
struct Units(Vec<RecordBatch>);

impl Source for Units {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.0.len())
    }

    fn open(&self, unit: usize, context: &Arc<RunContext>) -> Result<BatchStream> {
        let batch = self.0[unit].clone();
        let rows = context.batch_rows;
        Ok(stream_of((0..batch.num_rows()).step_by(rows).map(
            move |start| Ok(batch.slice(start, rows.min(batch.num_rows() - start))),
        )))
    }

    fn describe(&self) -> String {
        "batches".to_string()
    }
}

#[derive(Debug, Default)]
struct Collect(Arc<Mutex<Vec<RecordBatch>>>);

impl Sink for Collect {
    type Local = ();

    fn start(&self, _context: &Arc<RunContext>) -> Result<()> {
        Ok(())
    }

    fn push(&self, (): &mut (), batch: RecordBatch) -> Result<Flow> {
        self.0.lock().unwrap().push(batch);
        Ok(Flow::More)
    }

    fn finish(&self, _locals: Vec<()>, _context: &Arc<RunContext>) -> Result<()> {
        Ok(())
    }

    fn describe(&self) -> String {
        "collect".to_string()
    }
}

/// The plan's topmost aggregate.
fn find_aggregate(plan: &Arc<dyn ExecutionPlan>) -> Option<&AggregateExec> {
    plan.downcast_ref::<AggregateExec>()
        .or_else(|| plan.children().into_iter().find_map(find_aggregate))
}

fn ours(
    aggregate: &AggregateExec,
    units: Vec<RecordBatch>,
    threads: usize,
    batch_rows: usize,
) -> Result<Vec<RecordBatch>> {
    let (rows, _) = ours_in(
        &RunContext::for_tests(threads, batch_rows),
        aggregate,
        units,
    )?;
    assert!(rows.iter().all(|batch| batch.num_rows() <= batch_rows));
    Ok(rows)
}

/// The rows, and into how many partitions the groups were cut.
fn ours_in(
    context: &Arc<RunContext>,
    aggregate: &AggregateExec,
    units: Vec<RecordBatch>,
) -> Result<(Vec<RecordBatch>, u64)> {
    ours_of(PipelineGraph::default(), context, aggregate, units)
}

fn ours_of(
    mut graph: PipelineGraph,
    context: &Arc<RunContext>,
    aggregate: &AggregateExec,
    units: Vec<RecordBatch>,
) -> Result<(Vec<RecordBatch>, u64)> {
    let input = Stream::from_source(Arc::new(Units(units)), Vec::new());
    let output = lower_aggregate(aggregate, input, false, &mut graph)?;
    let rows = Arc::new(Mutex::new(Vec::new()));
    output.into_sink(&mut graph, Arc::new(Collect(Arc::clone(&rows))));
    let execution = run(graph, context);
    execution.wait()?;
    let rows = std::mem::take(&mut *rows.lock().unwrap());
    let partitions = execution.metrics(1).units.load(Ordering::Relaxed);
    Ok((rows, partitions))
}

/// Rows as text, floats shortened so that the order of additions does not matter.
fn lines(schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<String> {
    let batch = concat_batches(schema, batches).unwrap();
    let options = FormatOptions::new().with_null("NULL");
    let formatters: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            let mut line = String::new();
            for (column, formatter) in batch.columns().iter().zip(&formatters) {
                if *column.data_type() == DataType::Float64 && column.is_valid(row) {
                    let value = column.as_primitive::<Float64Type>().value(row);
                    // One zero, as a key either may stand for both.
                    write!(line, "{:.6e} | ", value + 0.0).unwrap();
                } else {
                    write!(line, "{} | ", formatter.value(row)).unwrap();
                }
            }
            line
        })
        .collect()
}

/// Cuts a batch into `number` units.
fn cut(batch: &RecordBatch, number: usize) -> Vec<RecordBatch> {
    let rows = batch.num_rows().div_ceil(number).max(1);
    (0..batch.num_rows())
        .step_by(rows)
        .map(|start| batch.slice(start, rows.min(batch.num_rows() - start)))
        .collect()
}

struct Case {
    plan: Arc<dyn ExecutionPlan>,
    expected: Vec<String>,
    input: RecordBatch,
}

impl Case {
    /// Plans `sql` over the table `t`, and runs its aggregate with DataFusion.
    fn new(table: RecordBatch, sql: &str, partitions: usize) -> Case {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let config = SessionConfig::new().with_target_partitions(partitions);
        let session = SessionContext::new_with_config(config);
        // The language's own sums and averages.
        for function in Functions::new().unwrap().all_aggregate() {
            session.register_udaf(AggregateUDF::clone(&function));
        }
        let parts = cut(&table, partitions).into_iter().map(|part| vec![part]);
        let mut parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let schema = table.schema();
        let table = MemTable::try_new(Arc::clone(&schema), parts).unwrap();
        session.register_table("t", Arc::new(table)).unwrap();
        runtime.block_on(async {
            let frame = session.sql(sql).await.unwrap();
            let plan = frame.create_physical_plan().await.unwrap();
            let aggregate = find_aggregate(&plan).expect("an aggregate");
            let whole: Arc<dyn ExecutionPlan> = Arc::new(aggregate.clone());
            let rows = collect(whole, session.task_ctx()).await.unwrap();
            let mut expected = lines(&aggregate.schema(), &rows);
            expected.sort();
            let input = Arc::clone(aggregate_input(aggregate).unwrap());
            let schema = input.schema();
            // Run for the second time.
            let input = reset_plan_states(input).unwrap();
            let input = collect(input, session.task_ctx()).await.unwrap();
            Case {
                expected,
                input: concat_batches(&schema, &input).unwrap(),
                plan,
            }
        })
    }

    fn aggregate(&self) -> &AggregateExec {
        find_aggregate(&self.plan).unwrap()
    }

    fn check(&self) {
        let runs = [(1, 1), (1, 7), (1, 8192), (4, 1), (4, 7), (4, 8192)];
        for (threads, batch_rows) in runs {
            let units = cut(&self.input, 5);
            let rows = ours(self.aggregate(), units, threads, batch_rows).unwrap();
            self.expect(
                &rows,
                &format!("{threads} threads, batches of {batch_rows}"),
            );
        }
        let context = RunContext::for_tests_within(4, 7, 1 << 30);
        let graph = PipelineGraph {
            limited: true,
            ..PipelineGraph::default()
        };
        let units = cut(&self.input, 5);
        let (rows, _) = ours_of(graph, &context, self.aggregate(), units).unwrap();
        self.expect(&rows, "with a memory limit");
    }

    fn expect(&self, rows: &[RecordBatch], how: &str) {
        let mut lines = lines(&self.aggregate().schema(), rows);
        lines.sort();
        assert_eq!(lines, self.expected, "{how}");
    }
}

fn check(table: RecordBatch, sql: &str) {
    Case::new(table, sql, 1).check();
}

/// `rows` rows: `k` has `keys` values and NULLs, `s` strings, `x` integers with NULLs, `y` floats, `n` the row's number.
fn table(rows: usize, keys: usize) -> RecordBatch {
    let k: Int64Array = (0..rows)
        .map(|row| (row % 11 != 3).then_some((row * 7919 % keys) as i64))
        .collect();
    let s: StringArray = (0..rows)
        .map(|row| (row % 13 != 5).then(|| format!("s{}", row * 31 % (keys / 2 + 1))))
        .collect();
    let x: Int64Array = (0..rows)
        .map(|row| (row % 5 != 2).then_some((row * 37 % 101) as i64 - 50))
        .collect();
    let y: Float64Array = (0..rows)
        .map(|row| (row % 7 != 1).then_some(row as f64 / 3.0))
        .collect();
    let n = Int64Array::from_iter_values(0..rows as i64);
    RecordBatch::try_from_iter_with_nullable([
        ("k", Arc::new(k) as ArrayRef, true),
        ("s", Arc::new(s) as ArrayRef, true),
        ("x", Arc::new(x) as ArrayRef, true),
        ("y", Arc::new(y) as ArrayRef, true),
        ("n", Arc::new(n) as ArrayRef, true),
    ])
    .unwrap()
}

const FUNCTIONS: &[&str] = &[
    "COUNT(*)",
    "COUNT(x)",
    "SUM(x)",
    "SUM(y) FILTER (WHERE x > 0)",
    "MIN(x)",
    "MAX(s)",
    "MIN(s) FILTER (WHERE x < 0)",
    "AVG(x)",
    "AVG(y)",
    "COUNT(DISTINCT x)",
    "COUNT(DISTINCT s)",
    "SUM(DISTINCT x)",
    "MEDIAN(x)",
    "STDDEV(y)",
    "BOOL_AND(x > 0)",
    "BOOL_OR(x > 48)",
    "ARRAY_AGG(x ORDER BY n)",
    "ARRAY_AGG(s ORDER BY n DESC)",
    "FIRST_VALUE(x ORDER BY n)",
    "LAST_VALUE(s ORDER BY n)",
    "NTH_VALUE(x, 2 ORDER BY n)",
    "STRING_AGG(s, ',' ORDER BY n)",
    "COUNT(*) FILTER (WHERE s = 's1')",
    "CORR(x, y)",
    "BIT_XOR(x)",
    "APPROX_DISTINCT(s)",
    "ARRAY_AGG(DISTINCT x ORDER BY x)",
    "PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY y)",
];

#[test]
fn every_function_alone_with_and_without_groups() {
    for function in FUNCTIONS {
        for rows in [0, 1, 150] {
            // A filter that the planner cannot see through, so that it leaves the counting to the aggregate.
            let rows = format!("FROM t WHERE ABS(n) < {rows}");
            check(table(150, 40), &format!("SELECT {function} {rows}"));
            check(
                table(150, 40),
                &format!("SELECT k, {function} {rows} GROUP BY k"),
            );
        }
    }
}

#[test]
fn keys_of_every_kind() {
    let keys = [
        "k",
        "s",
        "y",
        "x > 0",
        "k, s",
        "k, s, x",
        "k + 1, x > 0",
        "[k, x]",
        "CAST(n AS DECIMAL(20, 2))",
        "arrow_cast(s, 'Dictionary(Int32, Utf8)')",
        "arrow_cast(s, 'Utf8View')",
        "to_timestamp(n), s",
    ];
    for keys in keys {
        let sql = format!("SELECT COUNT(*), SUM(x), MIN(s) FROM t GROUP BY {keys}");
        check(table(300, 90), &sql);
        check(table(300, 90), &format!("SELECT DISTINCT {keys} FROM t"));
    }
}

#[test]
fn grouping_sets() {
    let sets = [
        "ROLLUP (k, s)",
        "CUBE (k, s)",
        "GROUPING SETS ((k), (s), ())",
        "GROUPING SETS ((k, s), (k), (k))",
        "GROUPING SETS (())",
    ];
    for sets in sets {
        for rows in [0, 200] {
            let sql = format!(
                "SELECT COUNT(*), SUM(x), MAX(s), COUNT(DISTINCT x) FROM t GROUP BY {sets}"
            );
            check(table(rows, 30), &sql);
        }
    }
}

#[test]
fn zeros_and_nans_as_keys() {
    let y = Float64Array::from(vec![0.0, -0.0, f64::NAN, f64::NAN, 1.0, -0.0]);
    let table = RecordBatch::try_from_iter([("y", Arc::new(y) as ArrayRef)]).unwrap();
    check(table.clone(), "SELECT y, COUNT(*) FROM t GROUP BY y");
    check(table, "SELECT y, y > 0, COUNT(*) FROM t GROUP BY y, y > 0");
}

#[test]
fn a_partial_and_a_final_node_are_one_aggregate() {
    let sql = "SELECT k, COUNT(*), SUM(x), AVG(y), COUNT(*) FILTER (WHERE x > 3) FROM t GROUP BY k";
    let case = Case::new(table(300, 50), sql, 4);
    assert_ne!(*case.aggregate().mode(), AggregateMode::Single);
    case.check();
    let case = Case::new(table(300, 50), "SELECT AVG(y), MAX(s) FROM t", 4);
    assert_ne!(*case.aggregate().mode(), AggregateMode::Single);
    case.check();
}

#[test]
fn groups_come_in_the_order_that_the_plan_promises() {
    let sql = "SELECT k, s, SUM(x) FROM (SELECT * FROM t ORDER BY k, s LIMIT 250) GROUP BY k, s ORDER BY k, s";
    let case = Case::new(table(300, 50), sql, 1);
    assert!(case.aggregate().properties().output_ordering().is_some());
    let units = cut(&case.input, 5);
    let rows = ours(case.aggregate(), units, 4, 7).unwrap();
    let keys = concat_batches(&case.aggregate().schema(), &rows).unwrap();
    let sorted = arrow::compute::lexsort_to_indices(
        &keys.columns()[..2]
            .iter()
            .map(|column| arrow::compute::SortColumn {
                values: Arc::clone(column),
                options: Some(arrow::compute::SortOptions {
                    descending: false,
                    nulls_first: false,
                }),
            })
            .collect::<Vec<_>>(),
        None,
    )
    .unwrap();
    assert!(sorted.values().is_sorted());
}

#[test]
fn distinct_with_a_limit_stops_early() {
    let case = Case::new(table(300, 200), "SELECT DISTINCT k FROM t LIMIT 3", 1);
    assert!(case.aggregate().limit_options().is_some());
    for threads in [1, 4] {
        let rows = ours(case.aggregate(), cut(&case.input, 50), threads, 1).unwrap();
        let rows: usize = rows.iter().map(RecordBatch::num_rows).sum();
        assert!((3..=12).contains(&rows), "{rows} rows");
    }
}

#[test]
fn many_groups_of_several_workers_are_partitioned() {
    let sql = "SELECT n % 100, SUM(x), COUNT(DISTINCT k) FROM t GROUP BY n % 100";
    let case = Case::new(table(300, 50), sql, 1);
    let partitions = |threads, units| {
        let context = RunContext::for_tests(threads, 16);
        let (_, partitions) = ours_in(&context, case.aggregate(), cut(&case.input, units)).unwrap();
        partitions
    };
    assert_eq!(partitions(2, 5), 8);
    assert_eq!(partitions(1, 5), 1);
}

#[test]
fn the_memory_limit_is_kept() {
    let pool = Arc::new(GreedyMemoryPool::new(200_000));
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool.clone());
    let runtime = runtime.build_arc().unwrap();
    let session = SessionContext::new_with_config_rt(SessionConfig::new(), runtime);
    let limited = || {
        let mut context = Arc::into_inner(RunContext::for_tests(2, 64)).unwrap();
        context.task = session.task_ctx();
        Arc::new(context)
    };
    let run_with = |rows| {
        let sql = "SELECT n, ARRAY_AGG(x), MIN(s) FROM t GROUP BY n";
        let case = Case::new(table(rows, 50), sql, 1);
        ours_in(&limited(), case.aggregate(), cut(&case.input, 5)).map(|_| ())
    };
    run_with(20).unwrap();
    let error = run_with(20_000).unwrap_err();
    assert_eq!(error.code(), "TM0506");
    assert_eq!(error.message(), "the memory limit is reached in aggregate");
}

#[test]
fn an_overflow_in_an_argument_is_an_error() {
    let sql = "SELECT k, MAX(x + 9223372036854775807) FROM t GROUP BY k";
    let case = Case::new(table(0, 4), sql, 1);
    let node = case.aggregate();
    let input = Case::new(table(100, 4), "SELECT k, MAX(x) FROM t GROUP BY k", 1).input;
    let error = ours(node, cut(&input, 3), 4, 8).unwrap_err();
    assert_eq!(error.code(), "TM0502");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_aggregates_agree(
        rows in prop::collection::vec(
            (prop::option::of(0_i64..60), prop::option::of("[a-c]{0,14}"), prop::option::of(-9_i64..9), prop::option::of(-5.0_f64..5.0)),
            0..250,
        ),
        keys in prop::sample::select(vec!["", "k", "s", "k, s", "s, x", "ROLLUP (k, s)", "GROUPING SETS ((s), (x, k))"]),
        functions in prop::sample::subsequence(FUNCTIONS.to_vec(), 1..5),
        threads in prop::sample::select(vec![1, 2, 4]),
        batch_rows in prop::sample::select(vec![1, 7, 64, 8192]),
        units in 1_usize..9,
    ) {
        let k: Int64Array = rows.iter().map(|row| row.0).collect();
        let s: StringArray = rows.iter().map(|row| row.1.clone()).collect();
        let x: Int64Array = rows.iter().map(|row| row.2).collect();
        let y: Float64Array = rows.iter().map(|row| row.3).collect();
        let n = Int64Array::from_iter_values(0..rows.len() as i64);
        let table = RecordBatch::try_from_iter_with_nullable([
            ("k", Arc::new(k) as ArrayRef, true),
            ("s", Arc::new(s) as ArrayRef, true),
            ("x", Arc::new(x) as ArrayRef, true),
            ("y", Arc::new(y) as ArrayRef, true),
            ("n", Arc::new(n) as ArrayRef, true),
        ]).unwrap();
        let group = if keys.is_empty() { String::new() } else { format!("GROUP BY {keys}") };
        let sql = format!("SELECT {} FROM t WHERE n >= 0 {group}", functions.join(", "));
        let case = Case::new(table, &sql, 1);
        let rows = ours(case.aggregate(), cut(&case.input, units), threads, batch_rows).unwrap();
        let mut lines = lines(&case.aggregate().schema(), &rows);
        lines.sort();
        prop_assert_eq!(lines, case.expected, "{}", sql);
    }
}
