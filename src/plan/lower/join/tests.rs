//! Every join against DataFusion's own, as multisets of printed rows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{cast, filter, filter_record_batch, is_not_null, sort_to_indices, take};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column as Col};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, HashJoinExecBuilder, NestedLoopJoinExec, PartitionMode,
};
use proptest::prelude::*;

use super::*;
use crate::exec::{BatchStream, RunContext, Source, output, run, stream_of};
use crate::file::{Bounds, RuntimeFilter};

/// A filter and the columns of its keys.
type Offered = (Vec<usize>, Arc<dyn RuntimeFilter>);

/// Batches in memory, one unit each. Takes what is offered if it `listens`.
#[derive(Debug, Default)]
struct Batches {
    batches: Vec<RecordBatch>,
    listens: bool,
    offered: Mutex<Vec<Offered>>,
    given: AtomicUsize,
}

/// The bounds of one batch's key, as a reader would know them.
struct KeyBounds<'a>(&'a ArrayRef);

impl KeyBounds<'_> {
    fn end(&self, last: bool) -> Option<ArrayRef> {
        let values = filter(self.0, &is_not_null(self.0).unwrap()).unwrap();
        let order = sort_to_indices(&values, None, None).ok()?;
        let place = if last { order.len().checked_sub(1)? } else { 0 };
        Some(take(&values, &order.slice(place, 1), None).unwrap())
    }
}

impl Bounds for KeyBounds<'_> {
    fn containers(&self) -> usize {
        1
    }

    fn min(&self, column: usize) -> Option<ArrayRef> {
        (column == 0 && self.0.null_count() < self.0.len()).then(|| self.end(false))?
    }

    fn max(&self, column: usize) -> Option<ArrayRef> {
        (column == 0 && self.0.null_count() < self.0.len()).then(|| self.end(true))?
    }

    fn null_counts(&self, _column: usize) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }
}

impl Batches {
    fn left(&self, mut batch: RecordBatch) -> RecordBatch {
        for (keys, filter) in &*self.offered.lock().unwrap() {
            assert!(
                filter.is_ready(),
                "the scan starts when the build side is complete"
            );
            let keys: Vec<ArrayRef> = keys
                .iter()
                .map(|key| Arc::clone(batch.column(*key)))
                .collect();
            let keep = filter.keep(&keys).unwrap();
            let kept = filter_record_batch(&batch, &keep).unwrap();
            let pruned = match keys.as_slice() {
                [only] if batch.num_rows() > 0 => filter.may_match(&KeyBounds(only)),
                _ => None,
            };
            if pruned == Some(vec![false]) {
                assert_eq!(
                    kept.num_rows(),
                    0,
                    "a batch left out has no row that passes"
                );
            }
            batch = kept;
        }
        self.given.fetch_add(batch.num_rows(), Ordering::Relaxed);
        batch
    }
}

impl Source for Batches {
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.batches.len())
    }

    fn offer(&self, keys: &[usize], filter: &Arc<dyn RuntimeFilter>) -> bool {
        if self.listens {
            let offer = (keys.to_vec(), Arc::clone(filter));
            self.offered.lock().unwrap().push(offer);
        }
        self.listens
    }

    fn open(&self, unit: usize, _context: &Arc<RunContext>) -> Result<BatchStream> {
        let batch = self.left(self.batches[unit].clone());
        Ok(stream_of(std::iter::once(Ok(batch))))
    }

    fn describe(&self) -> String {
        "batches".to_string()
    }
}

/// A row: two keys and a payload that the filter reads.
type Row = (Option<u8>, Option<u8>, Option<i32>);

/// Types of the first key.
const KEYS: usize = 15;
const INT64_KEY: usize = 0;

fn key_array(kind: usize, keys: &[Option<u8>]) -> ArrayRef {
    let numbers = || keys.iter().map(|key| key.map(i64::from));
    let text = |key: &Option<u8>| key.map(|key| format!("a rather long common prefix {key}"));
    let float = |key: u8| match key {
        0 => f64::NAN,
        1 => 0.0,
        2 => -0.0,
        other => f64::from(other),
    };
    match kind {
        0 => Arc::new(numbers().collect::<Int64Array>()),
        // Sparse: no direct index.
        1 => Arc::new(
            numbers()
                .map(|key| key.map(|key| (key - 3) * 1_000_003))
                .collect::<Int64Array>(),
        ),
        2 => Arc::new(
            keys.iter()
                .map(|key| key.map(i32::from))
                .collect::<Int32Array>(),
        ),
        3 => Arc::new(keys.iter().map(text).collect::<StringArray>()),
        4 => Arc::new(keys.iter().map(text).collect::<StringViewArray>()),
        5 => Arc::new(keys.iter().map(text).collect::<LargeStringArray>()),
        6 => Arc::new(
            keys.iter()
                .map(|key| key.map(float))
                .collect::<Float64Array>(),
        ),
        7 => Arc::new(
            keys.iter()
                .map(|key| key.map(i32::from))
                .collect::<Date32Array>(),
        ),
        8 => Arc::new(numbers().collect::<TimestampMicrosecondArray>()),
        9 => Arc::new(
            keys.iter()
                .map(|key| key.map(|key| key % 2 == 0))
                .collect::<BooleanArray>(),
        ),
        10 => Arc::new(
            numbers()
                .map(|key| key.map(|key| i128::from(key) << 70))
                .collect::<Decimal128Array>(),
        ),
        11 => Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
            keys.iter()
                .map(|key| key.map(|key| vec![Some(i32::from(key)), None])),
        )),
        12 => {
            let field = Field::new("x", DataType::Int64, true);
            Arc::new(StructArray::from(vec![(
                Arc::new(field),
                Arc::new(numbers().collect::<Int64Array>()) as ArrayRef,
            )]))
        }
        13 => {
            let text: StringArray = keys.iter().map(text).collect();
            let dictionary =
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            cast(&text, &dictionary).unwrap()
        }
        _ => cast(
            &numbers().collect::<Int64Array>(),
            &DataType::Decimal64(12, 2),
        )
        .unwrap(),
    }
}

fn table(kind: usize, rows: &[Row], batch: usize) -> (SchemaRef, Vec<RecordBatch>) {
    let first: Vec<_> = rows.iter().map(|row| row.0).collect();
    let columns: Vec<ArrayRef> = vec![
        key_array(kind, &first),
        Arc::new(
            rows.iter()
                .map(|row| row.1.map(i32::from))
                .collect::<Int32Array>(),
        ),
        Arc::new(rows.iter().map(|row| row.2).collect::<Int32Array>()),
        Arc::new((0..rows.len() as i64).map(Some).collect::<Int64Array>()),
    ];
    let names = ["k", "l", "payload", "row"];
    let fields: Vec<Field> = names
        .iter()
        .zip(&columns)
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let all = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let batches = (0..rows.len())
        .step_by(batch)
        .map(|start| all.slice(start, batch.min(rows.len() - start)))
        .collect();
    (schema, batches)
}

/// Two inputs of a join.
struct Inputs {
    schema: SchemaRef,
    left: Vec<RecordBatch>,
    right: Vec<RecordBatch>,
    /// Whether the sources leave out rows for what the join learns.
    listen: bool,
    /// A column that offers do not reach, as where it is computed.
    hidden: Option<usize>,
}

impl Inputs {
    fn new(kind: usize, left: &[Row], right: &[Row], batch: usize) -> Self {
        let (schema, left) = table(kind, left, batch);
        Inputs {
            schema,
            left,
            right: table(kind, right, batch).1,
            listen: false,
            hidden: None,
        }
    }

    fn plan(&self, batches: &[RecordBatch]) -> Arc<dyn ExecutionPlan> {
        MemorySourceConfig::try_new_exec(&[batches.to_vec()], Arc::clone(&self.schema), None)
            .unwrap()
    }

    fn plans(&self) -> (Arc<dyn ExecutionPlan>, Arc<dyn ExecutionPlan>) {
        (self.plan(&self.left), self.plan(&self.right))
    }

    fn sources(&self) -> [Arc<Batches>; 2] {
        [&self.left, &self.right].map(|batches| {
            Arc::new(Batches {
                batches: batches.clone(),
                listens: self.listen,
                ..Batches::default()
            })
        })
    }
}

/// Lowers an input that is the source of its side.
fn give(
    sources: &[Arc<Batches>; 2],
    hidden: Option<usize>,
) -> impl FnMut(JoinSide, Offers, &mut PipelineGraph) -> Result<Stream> + use<> {
    let sources = sources.clone();
    move |side, offers, _| {
        let offers = offers.through(|column| (hidden != Some(column)).then_some(column));
        let source = Arc::clone(&sources[usize::from(side == JoinSide::Right)]);
        Ok(offers.hand_over(Stream::from_source(source, Vec::new())))
    }
}

/// The join's pipelines over these inputs.
fn hash_stream(join: &HashJoinExec, inputs: &Inputs) -> (Stream, PipelineGraph) {
    let mut graph = PipelineGraph::default();
    let mut input = give(&inputs.sources(), inputs.hidden);
    let stream = lower_hash_join(join, &Offers::default(), &mut input, false, &mut graph).unwrap();
    (stream, graph)
}

fn key(name: &str, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Col::new(name, index))
}

/// `left.payload < right.payload`
fn payloads() -> JoinFilter {
    let columns = [JoinSide::Left, JoinSide::Right].map(|side| ColumnIndex { index: 2, side });
    let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int32, true));
    JoinFilter::new(
        Arc::new(BinaryExpr::new(key("a", 0), Op::Lt, key("b", 1))),
        columns.to_vec(),
        Arc::new(Schema::new(fields.to_vec())),
    )
}

fn printed(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    let options = FormatOptions::new().with_null("NULL");
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect();
            rows.push(cells.join(", "));
        }
    }
    rows
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

fn by_datafusion(plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let collected = datafusion::physical_plan::collect(plan, Arc::new(TaskContext::default()));
    sorted(printed(&runtime.block_on(collected).unwrap()))
}

fn collect(
    context: &Arc<RunContext>,
    stream: Stream,
    mut graph: PipelineGraph,
) -> Result<Vec<RecordBatch>> {
    let (sink, receiver) = output::output(context);
    stream.into_sink(&mut graph, Arc::new(sink));
    let execution = run(graph, context);
    let mut batches = Vec::new();
    while let Some(batch) = receiver.recv(&execution)? {
        batches.push(batch);
    }
    Ok(batches)
}

fn run_hash(context: &Arc<RunContext>, join: &HashJoinExec, inputs: &Inputs) -> Vec<RecordBatch> {
    let (stream, graph) = hash_stream(join, inputs);
    collect(context, stream, graph).unwrap()
}

const TYPES: [JoinType; 10] = [
    JoinType::Inner,
    JoinType::Left,
    JoinType::Right,
    JoinType::Full,
    JoinType::LeftSemi,
    JoinType::LeftAnti,
    JoinType::RightSemi,
    JoinType::RightAnti,
    JoinType::LeftMark,
    JoinType::RightMark,
];

fn keeps_probe_order(kind: JoinType) -> bool {
    use JoinType::{Inner, Right, RightAnti, RightMark, RightSemi};
    matches!(kind, Inner | Right | RightSemi | RightAnti | RightMark)
}

/// Where the probe side's row number lies in the whole output.
fn probe_row_column(kind: JoinType) -> usize {
    if matches!(kind, JoinType::Inner | JoinType::Right) {
        7
    } else {
        3
    }
}

#[derive(Debug, Clone)]
struct Case {
    key: usize,
    both_keys: bool,
    left: Vec<Row>,
    right: Vec<Row>,
    with_filter: bool,
    nulls_equal: bool,
    listen: bool,
    hidden: Option<usize>,
    /// 0: all columns, 1: last and first, 2: none.
    projection: usize,
    threads: usize,
    batch_rows: usize,
    input_rows: usize,
}

fn rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::option::weighted(0.85, 0u8..12),
        prop::option::weighted(0.85, 0u8..3),
        prop::option::weighted(0.9, -3i32..4),
    );
    prop::collection::vec(row, 0..most)
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (
        0..KEYS,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(0usize..2),
        0usize..3,
    );
    let run = (
        prop::sample::select(vec![1usize, 4]),
        prop::sample::select(vec![1usize, 7, 8192]),
        prop::sample::select(vec![1usize, 5, 100]),
    );
    (shape, run, rows(40), rows(60)).prop_map(|(shape, run, left, right)| {
        let (key, both_keys, with_filter, nulls_equal, listen, hidden, projection) = shape;
        let (threads, batch_rows, input_rows) = run;
        Case {
            key,
            both_keys,
            left,
            right,
            with_filter,
            nulls_equal,
            listen,
            hidden,
            projection,
            threads,
            batch_rows,
            input_rows,
        }
    })
}

impl Case {
    fn projection(&self, columns: usize) -> Option<Vec<usize>> {
        match self.projection {
            0 => None,
            1 => Some(vec![columns - 1, 0]),
            _ => Some(Vec::new()),
        }
    }

    fn hash_join(&self, kind: JoinType, inputs: &Inputs) -> HashJoinExec {
        let (left, right) = inputs.plans();
        let mut on = vec![(key("k", 0), key("k", 0))];
        if self.both_keys {
            on.push((key("l", 1), key("l", 1)));
        }
        let whole = build_join_schema(&inputs.schema, &inputs.schema, &kind).0;
        HashJoinExecBuilder::new(left, right, on, kind)
            .with_filter(self.with_filter.then(payloads))
            .with_projection(self.projection(whole.fields().len()))
            .with_partition_mode(PartitionMode::CollectLeft)
            .with_null_equality(if self.nulls_equal {
                NullEquality::NullEqualsNull
            } else {
                NullEquality::NullEqualsNothing
            })
            .build()
            .unwrap()
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            listen: self.listen,
            hidden: self.hidden,
            ..Inputs::new(self.key, &self.left, &self.right, self.input_rows)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 120,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn hash_joins_agree_with_datafusion(case in cases()) {
        let inputs = case.inputs();
        for kind in TYPES {
            let context = RunContext::for_tests(case.threads, case.batch_rows);
            let join = case.hash_join(kind, &inputs);
            let ours = run_hash(&context, &join, &inputs);
            if case.threads == 1 && case.projection == 0 && keeps_probe_order(kind) {
                let column = probe_row_column(kind);
                let order: Vec<i64> = ours
                    .iter()
                    .flat_map(|batch| batch.column(column).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
                    .collect();
                prop_assert!(order.is_sorted(), "{kind}: {order:?}");
            }
            let ours = sorted(printed(&ours));
            prop_assert_eq!(ours, by_datafusion(Arc::new(join)), "{}", kind);
        }
    }

    #[test]
    fn nested_loop_joins_agree_with_datafusion(case in cases()) {
        let inputs = case.inputs();
        for kind in TYPES {
            let context = RunContext::for_tests(case.threads, case.batch_rows);
            let whole = build_join_schema(&inputs.schema, &inputs.schema, &kind).0;
            let (left, right) = inputs.plans();
            let filter = case.with_filter.then(payloads);
            let projection = case.projection(whole.fields().len());
            let join = NestedLoopJoinExec::try_new(left, right, filter, &kind, projection).unwrap();
            let mut graph = PipelineGraph::default();
            let mut input = give(&inputs.sources(), inputs.hidden);
            let stream =
                lower_nested_loop_join(&join, &Offers::default(), &mut input, &mut graph).unwrap();
            let ours = sorted(printed(&collect(&context, stream, graph).unwrap()));
            prop_assert_eq!(ours, by_datafusion(Arc::new(join)), "{}", kind);
        }
    }

    #[test]
    fn not_in_agrees_with_datafusion(case in cases()) {
        let case = Case { both_keys: false, ..case };
        let inputs = case.inputs();
        let context = RunContext::for_tests(case.threads, case.batch_rows);
        let (left, right) = inputs.plans();
        let join = HashJoinExecBuilder::new(left, right, vec![(key("k", 0), key("k", 0))], JoinType::LeftAnti)
            .with_null_aware(true)
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()
            .unwrap();
        let ours = sorted(printed(&run_hash(&context, &join, &inputs)));
        prop_assert_eq!(ours, by_datafusion(Arc::new(join)));
    }

    #[test]
    fn not_in_with_a_condition_is_three_valued(case in cases()) {
        let case = Case { key: 0, ..case };
        let inputs = case.inputs();
        let context = RunContext::for_tests(case.threads, case.batch_rows);
        let (left, right) = inputs.plans();
        let join = HashJoinExecBuilder::new(left, right, vec![(key("k", 0), key("k", 0))], JoinType::LeftAnti)
            .with_null_aware(true)
            .with_filter(Some(payloads()))
            .with_projection(Some(vec![3]))
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()
            .unwrap();
        let ours = sorted(printed(&run_hash(&context, &join, &inputs)));
        // x NOT IN (SELECT k FROM right WHERE left.payload < right.payload), row by row.
        let expected = case.left.iter().enumerate().filter(|(_, (x, _, payload))| {
            case.right
                .iter()
                .filter(|(_, _, other)| payload.zip(*other).is_some_and(|(a, b)| a < b))
                .all(|(y, _, _)| x.zip(*y).is_some_and(|(x, y)| x != y))
        });
        prop_assert_eq!(ours, sorted(expected.map(|(row, _)| row.to_string()).collect()));
    }
}

fn numbers(rows: i64, key: impl Fn(i64) -> Option<i64>) -> Vec<RecordBatch> {
    let keys: Int64Array = (0..rows).map(key).collect();
    let payload: Int32Array = (0..rows).map(|row| Some(row as i32)).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(payload.clone()), Arc::new(payload)];
    let fields = ["k", "l", "payload"]
        .iter()
        .zip(&columns)
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let all = RecordBatch::try_new(schema, columns).unwrap();
    (0..rows as usize)
        .step_by(10_000)
        .map(|start| all.slice(start, 10_000.min(rows as usize - start)))
        .collect()
}

fn number_join(left: Vec<RecordBatch>, right: Vec<RecordBatch>) -> (Inputs, HashJoinExec) {
    let inputs = Inputs {
        schema: left[0].schema(),
        left,
        right,
        listen: true,
        hidden: None,
    };
    let (left, right) = inputs.plans();
    let join = HashJoinExecBuilder::new(
        left,
        right,
        vec![(key("k", 0), key("k", 0))],
        JoinType::Inner,
    )
    .with_partition_mode(PartitionMode::CollectLeft)
    .build()
    .unwrap();
    (inputs, join)
}

#[test]
fn large_tables_are_built_in_partitions() {
    // Sparse and dense, each with every key twice and some NULLs.
    for factor in [1_000_003, 1] {
        let key = move |row: i64| (row % 7 != 0).then_some(row / 2 * factor);
        let (inputs, join) = number_join(numbers(150_000, key), numbers(40_000, key));
        let ours = run_hash(&RunContext::for_tests(4, 8192), &join, &inputs);
        assert!(ours.iter().all(|batch| batch.num_rows() <= 8192));
        assert_eq!(sorted(printed(&ours)), by_datafusion(Arc::new(join)));
    }
}

#[test]
fn a_skewed_key_gives_bounded_batches() {
    let context = RunContext::for_tests(4, 1000);
    let (inputs, join) = number_join(
        numbers(3000, |_| Some(1)),
        numbers(500, |row| Some(row % 2)),
    );
    let ours = run_hash(&context, &join, &inputs);
    assert!(ours.iter().all(|batch| batch.num_rows() <= 1000));
    let rows: usize = ours.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 3000 * 250);
}

#[test]
fn a_cross_join_gives_every_pair() {
    let inputs = Inputs {
        schema: numbers(1, Some)[0].schema(),
        left: numbers(30, Some),
        right: numbers(70, Some),
        listen: true,
        hidden: None,
    };
    let (left, right) = inputs.plans();
    let join = CrossJoinExec::new(left, right);
    let mut graph = PipelineGraph::default();
    let mut input = give(&inputs.sources(), inputs.hidden);
    let stream = lower_cross_join(&join, &Offers::default(), &mut input, &mut graph).unwrap();
    let context = RunContext::for_tests(2, 100);
    let ours = collect(&context, stream, graph).unwrap();
    assert!(ours.iter().all(|batch| batch.num_rows() <= 100));
    assert_eq!(sorted(printed(&ours)), by_datafusion(Arc::new(join)));
}

#[test]
fn a_fetch_ends_the_join_early() {
    let (inputs, join) = number_join(numbers(100, Some), numbers(100, Some));
    let join = join.builder().with_fetch(Some(17)).build().unwrap();
    let ours = run_hash(&RunContext::for_tests(4, 7), &join, &inputs);
    assert_eq!(ours.iter().map(RecordBatch::num_rows).sum::<usize>(), 17);
}

fn with_memory(bytes: usize) -> Arc<RunContext> {
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(bytes)));
    let task = TaskContext::default().with_runtime(Arc::new(runtime.build().unwrap()));
    let context = Arc::into_inner(RunContext::for_tests(2, 1000)).unwrap();
    Arc::new(RunContext {
        task: Arc::new(task),
        ..context
    })
}

#[test]
fn a_build_side_beyond_the_budget_is_an_error() {
    let (inputs, join) = number_join(numbers(50_000, Some), numbers(10, Some));
    let (stream, graph) = hash_stream(&join, &inputs);
    let error = collect(&with_memory(200_000), stream, graph).unwrap_err();
    assert_eq!(error.code(), "TM0506", "{error}");
    assert_eq!(error.message(), "the memory limit is reached in hash join");
}

#[test]
fn without_room_for_a_copy_the_build_side_stays_in_pieces() {
    let rows = 50_000;
    let wide = |batch: RecordBatch| {
        let text: StringArray = (0..batch.num_rows())
            .map(|_| Some("x".repeat(400)))
            .collect();
        let mut columns = batch.columns().to_vec();
        columns.push(Arc::new(text));
        let mut fields = batch.schema().fields().to_vec();
        fields.push(Arc::new(Field::new("text", DataType::Utf8, true)));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    };
    let batches = || numbers(rows, Some).into_iter().map(wide).collect();
    let (inputs, join) = number_join(batches(), batches());
    let join = join.builder().with_type(JoinType::Full).build().unwrap();
    // About 430 bytes collected for each row and 40 for the index: the second budget has no room for a copy.
    for bytes in [1000, 600] {
        let ours = run_hash(&with_memory(rows as usize * bytes), &join, &inputs);
        assert_eq!(
            sorted(printed(&ours)),
            by_datafusion(join.builder().build_exec().unwrap())
        );
    }
}

/// Says that it needs no more once it got a row.
#[derive(Debug)]
struct OneRow;

impl crate::exec::Operator for OneRow {
    fn start(&self, _context: &Arc<RunContext>) -> Result<Box<dyn crate::exec::OperatorState>> {
        Ok(Box::new(OneRowState(None, false)))
    }

    fn describe(&self) -> String {
        "one row".to_string()
    }
}

struct OneRowState(Option<RecordBatch>, bool);

impl crate::exec::OperatorState for OneRowState {
    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.0 = (!self.1).then_some(batch);
        self.1 = true;
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<RecordBatch>> {
        Ok(self.0.take())
    }

    fn flow(&self) -> crate::exec::Flow {
        if self.1 {
            crate::exec::Flow::Done
        } else {
            crate::exec::Flow::More
        }
    }
}

#[test]
fn a_probe_side_cut_short_makes_no_row_lonely() {
    let (inputs, join) = number_join(numbers(100, Some), numbers(100, Some));
    let join = join.builder().with_type(JoinType::Left).build().unwrap();
    let (stream, graph) = hash_stream(&join, &inputs);
    let stream = stream.then(Arc::new(OneRow), &[]);
    let ours = collect(&RunContext::for_tests(2, 10), stream, graph).unwrap();
    assert!(ours.iter().all(|batch| batch.column(3).null_count() == 0));
}

mod spilling;

/// Rows that the probe side's source gave to a join of `kind` whose build side has a few keys, and the answer.
fn given_by_probe_side(kind: JoinType, null_aware: bool) -> usize {
    let (inputs, join) = number_join(numbers(3, |row| Some(row * 5)), numbers(1000, Some));
    let join = join
        .builder()
        .with_type(kind)
        .with_null_aware(null_aware)
        .build()
        .unwrap();
    let sources = inputs.sources();
    let mut graph = PipelineGraph::default();
    let mut input = give(&sources, None);
    let stream = lower_hash_join(&join, &Offers::default(), &mut input, false, &mut graph).unwrap();
    let ours = collect(&RunContext::for_tests(2, 100), stream, graph).unwrap();
    assert_eq!(
        sorted(printed(&ours)),
        by_datafusion(Arc::new(join)),
        "{kind}"
    );
    sources[1].given.load(Ordering::Relaxed)
}

#[test]
fn a_scan_leaves_out_rows_without_partner_where_nobody_wants_them() {
    use JoinType::{
        Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi,
    };
    for kind in [Inner, Left, LeftSemi, LeftAnti, LeftMark, RightSemi] {
        assert_eq!(given_by_probe_side(kind, false), 3, "{kind}");
    }
    for kind in [Right, Full, RightAnti, RightMark] {
        assert_eq!(given_by_probe_side(kind, false), 1000, "{kind}");
    }
    // NOT IN asks for NULLs, and whether there is any row.
    assert_eq!(given_by_probe_side(LeftAnti, true), 1000);
}

#[test]
fn a_key_that_is_asked_for_alone_leaves_out_what_it_can() {
    // Of the left rows k is 0, 5 and 10; l says nothing.
    let rows =
        |keys: &[u8]| -> Vec<Row> { keys.iter().map(|k| (Some(*k), Some(1), None)).collect() };
    let all: Vec<u8> = (0..=11).collect();
    let mut inputs = Inputs::new(INT64_KEY, &rows(&[0, 5, 10]), &rows(&all), 4);
    inputs.listen = true;
    for (hidden, given) in [(None, 3), (Some(1), 3), (Some(0), 12)] {
        inputs.hidden = hidden;
        let (left, right) = inputs.plans();
        let on = vec![(key("k", 0), key("k", 0)), (key("l", 1), key("l", 1))];
        let join = HashJoinExecBuilder::new(left, right, on, JoinType::Inner)
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()
            .unwrap();
        let sources = inputs.sources();
        let mut graph = PipelineGraph::default();
        let mut input = give(&sources, hidden);
        let stream =
            lower_hash_join(&join, &Offers::default(), &mut input, false, &mut graph).unwrap();
        let ours = collect(&RunContext::for_tests(2, 100), stream, graph).unwrap();
        assert_eq!(sorted(printed(&ours)), by_datafusion(Arc::new(join)));
        assert_eq!(
            sources[1].given.load(Ordering::Relaxed),
            given,
            "{hidden:?}"
        );
    }
}
