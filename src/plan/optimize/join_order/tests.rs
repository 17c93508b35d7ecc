//! The same rows in any order of joins, and the order that is chosen.

use arrow::array::{ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::common::{JoinSide, NullEquality};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use datafusion::physical_plan::displayable;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExecBuilder;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use proptest::prelude::*;

use super::*;

/// A table of numbers whose columns are called after it.
fn table(name: &str, rows: &[[Option<i64>; 3]]) -> Arc<dyn ExecutionPlan> {
    let names = ["a", "b", "c"].map(|column| format!("{name}{column}"));
    let columns = (0..3).map(|column| {
        let values: Int64Array = rows.iter().map(|row| row[column]).collect();
        Arc::new(values) as ArrayRef
    });
    let fields = names.map(|name| Field::new(name, DataType::Int64, true));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap();
    MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None).unwrap()
}

fn column(plan: &Arc<dyn ExecutionPlan>, index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(plan.schema().field(index).name(), index))
}

/// `left.0 < right.1`
fn less(
    left: &Arc<dyn ExecutionPlan>,
    right: &Arc<dyn ExecutionPlan>,
    places: (usize, usize),
) -> JoinFilter {
    let fields = vec![
        left.schema().field(places.0).clone(),
        right.schema().field(places.1).clone(),
    ];
    let columns = vec![
        ColumnIndex {
            index: places.0,
            side: JoinSide::Left,
        },
        ColumnIndex {
            index: places.1,
            side: JoinSide::Right,
        },
    ];
    let expression = BinaryExpr::new(
        Arc::new(Column::new(fields[0].name(), 0)),
        Operator::Lt,
        Arc::new(Column::new(fields[1].name(), 1)),
    );
    JoinFilter::new(Arc::new(expression), columns, Arc::new(Schema::new(fields)))
}

fn rows_of(plan: Arc<dyn ExecutionPlan>) -> Vec<String> {
    // A plan made from another one shares its hash tables otherwise.
    let plan = reset_plan_states(plan).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let collected = datafusion::physical_plan::collect(plan, Arc::new(TaskContext::default()));
    let batches = runtime.block_on(collected).unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut rows: Vec<String> = text.lines().map(str::to_string).collect();
    rows.sort();
    rows
}

/// How two plans are joined: numbers from which everything is chosen.
#[derive(Debug, Clone)]
struct Step {
    inputs: (usize, usize),
    kind: usize,
    keys: Vec<(usize, usize)>,
    filter: Option<(usize, usize)>,
    projection: Option<Vec<usize>>,
    nulls_equal: bool,
}

fn join(
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    step: &Step,
) -> Arc<dyn ExecutionPlan> {
    use JoinType::{Full, Inner, Left, LeftAnti, LeftSemi, Right, RightAnti, RightSemi};
    // Mostly inner joins.
    let kinds = [Left, Right, LeftSemi, RightSemi, LeftAnti, RightAnti, Full];
    let kind = kinds.get(step.kind).copied().unwrap_or(Inner);
    let (lefts, rights) = (left.schema().fields().len(), right.schema().fields().len());
    let keys = step
        .keys
        .iter()
        .map(|(l, r)| (column(&left, l % lefts), column(&right, r % rights)));
    let filter = step
        .filter
        .map(|(l, r)| less(&left, &right, (l % lefts, r % rights)));
    let builder =
        HashJoinExecBuilder::new(Arc::clone(&left), Arc::clone(&right), keys.collect(), kind)
            .with_filter(filter)
            .with_null_equality(match step.nulls_equal {
                true => NullEquality::NullEqualsNull,
                false => NullEquality::NullEqualsNothing,
            })
            .with_partition_mode(PartitionMode::CollectLeft);
    let plan = builder.build_exec().unwrap();
    let Some(kept) = &step.projection else {
        return plan;
    };
    let schema = plan.schema();
    let exprs = kept.iter().enumerate().map(|(position, index)| {
        let index = index % schema.fields().len();
        ProjectionExpr {
            expr: column(&plan, index),
            alias: format!("p{position}{}", schema.field(index).name()),
        }
    });
    Arc::new(ProjectionExec::try_new(exprs.collect::<Vec<_>>(), Arc::clone(&plan)).unwrap())
}

type Tables = Vec<Vec<[Option<i64>; 3]>>;

fn plan_of(tables: &Tables, steps: &[Step]) -> Arc<dyn ExecutionPlan> {
    let tables = tables.iter().enumerate();
    let mut plans: Vec<_> = tables
        .map(|(number, rows)| table(&format!("t{number}"), rows))
        .collect();
    let mut steps = steps.iter().cycle();
    while plans.len() > 1 {
        let step = steps.next().unwrap();
        let left = plans.swap_remove(step.inputs.0 % plans.len());
        let right = plans.swap_remove(step.inputs.1 % plans.len());
        plans.push(join(left, right, step));
    }
    plans.remove(0)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0usize..20, 0usize..20);
    let step = (
        place(),
        0usize..16,
        prop::collection::vec(place(), 1..3),
        prop::option::weighted(0.2, place()),
        prop::option::weighted(0.3, prop::collection::vec(0usize..20, 1..7)),
        prop::bool::weighted(0.1),
    );
    let step = step.prop_map(
        |(inputs, kind, keys, filter, projection, nulls_equal)| Step {
            inputs,
            kind,
            keys,
            filter,
            projection,
            nulls_equal,
        },
    );
    prop::collection::vec(step, 6)
}

fn tables() -> impl Strategy<Value = Tables> {
    let value = || prop::option::weighted(0.9, 0i64..5);
    let row = (value(), value(), value()).prop_map(|(a, b, c)| [a, b, c]);
    prop::collection::vec(prop::collection::vec(row, 0..9), 2..7)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_order_gives_the_same_rows(tables in tables(), steps in steps()) {
        let plan = plan_of(&tables, &steps);
        let ordered = order_joins(Arc::clone(&plan)).unwrap();
        prop_assert_eq!(plan.schema(), ordered.schema());
        let text = displayable(ordered.as_ref()).indent(false).to_string();
        prop_assert_eq!(rows_of(plan), rows_of(ordered), "{}", text);
    }
}

/// Rows whose first column counts and whose second has so many values.
fn numbers(rows: i64, values: i64) -> Vec<[Option<i64>; 3]> {
    (0..rows)
        .map(|row| [Some(row), Some(row % values), Some(row % 7)])
        .collect()
}

fn on(inputs: (usize, usize), keys: (usize, usize)) -> Step {
    Step {
        inputs,
        kind: usize::MAX,
        keys: vec![keys],
        filter: None,
        projection: None,
        nulls_equal: false,
    }
}

/// The tables in the order in which the plan's text names them: of a join the build side comes first.
fn order_of(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    if plan.children().is_empty() {
        let schema = plan.schema();
        return vec![schema.field(0).name()[..2].to_string()];
    }
    plan.children().into_iter().flat_map(order_of).collect()
}

#[test]
fn the_smaller_input_is_built_and_the_largest_is_probed() {
    // t0 (1000 rows) joined to t1 (100) and t2 (10), in the worst order.
    let tables = [numbers(1000, 100), numbers(100, 10), numbers(10, 10)];
    let first = join(
        table("t0", &tables[0]),
        table("t1", &tables[1]),
        &on((0, 0), (1, 0)),
    );
    let plan = join(first, table("t2", &tables[2]), &on((0, 0), (4, 0)));
    assert_eq!(order_of(&plan), ["t0", "t1", "t2"]);
    let ordered = order_joins(Arc::clone(&plan)).unwrap();
    assert_eq!(order_of(&ordered), ["t2", "t1", "t0"]);
    assert_eq!(rows_of(plan), rows_of(ordered));
}

#[test]
fn a_semi_join_builds_its_smaller_side() {
    let semi = Step {
        kind: 2,
        ..on((0, 0), (0, 0))
    };
    let plan = join(
        table("t0", &numbers(1000, 9)),
        table("t1", &numbers(5, 5)),
        &semi,
    );
    let ordered = order_joins(Arc::clone(&plan)).unwrap();
    assert_eq!(order_of(&ordered), ["t1", "t0"]);
    assert_eq!(rows_of(plan), rows_of(ordered));
}

#[test]
fn equal_columns_join_inputs_that_the_text_does_not_compare() {
    // t0.a = t1.a and t1.a = t2.a: the small ones first, though nobody wrote t0.a = t2.a.
    let tables = [numbers(10, 10), numbers(1000, 10), numbers(12, 10)];
    let first = join(
        table("t0", &tables[0]),
        table("t1", &tables[1]),
        &on((0, 0), (0, 0)),
    );
    let plan = join(first, table("t2", &tables[2]), &on((0, 0), (3, 0)));
    let ordered = order_joins(Arc::clone(&plan)).unwrap();
    assert_eq!(order_of(&ordered), ["t0", "t2", "t1"]);
    assert_eq!(rows_of(plan), rows_of(ordered));
}

#[test]
fn many_inputs_are_joined_greedily() {
    let mut plan = table("t0", &numbers(50, 5));
    for number in 1..15 {
        let next = table(&format!("t{number}"), &numbers(50 - number, 5));
        plan = join(plan, next, &on((0, 0), (0, 0)));
    }
    let ordered = order_joins(Arc::clone(&plan)).unwrap();
    assert_eq!(plan.schema(), ordered.schema());
    assert_eq!(rows_of(plan), rows_of(ordered));
}

/// Of `rows` rows those whose first column is below three, and the estimate knows that they are few.
fn few(name: &str, rows: i64) -> Arc<dyn ExecutionPlan> {
    let all = table(name, &numbers(rows, rows));
    let three: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(3i64.into()));
    let below = BinaryExpr::new(column(&all, 0), Operator::Lt, three);
    let below: Arc<dyn PhysicalExpr> = Arc::new(below);
    let often = datafusion::physical_expr::conjunction(vec![below; 5]);
    Arc::new(FilterExec::try_new(often, all).unwrap())
}

#[test]
fn a_semi_join_comes_before_the_joins_that_it_makes_cheaper() {
    // t1 joined to t0 and t2, and of all that the few rows whose t1.a is in t3.
    for keeps_left in [true, false] {
        let [t0, t1, t2] = [
            ("t0", numbers(400, 400)),
            ("t1", numbers(1000, 400)),
            ("t2", numbers(1000, 1000)),
        ]
        .map(|(name, rows)| table(name, &rows));
        let first = join(t0, t1, &on((0, 0), (0, 1)));
        let joined = join(first, t2, &on((0, 0), (3, 0)));
        let semi = |kind, keys| Step {
            kind,
            ..on((0, 0), keys)
        };
        let plan = match keeps_left {
            true => join(joined, few("t3", 1000), &semi(2, (3, 0))),
            false => join(few("t3", 1000), joined, &semi(3, (0, 3))),
        };
        let ordered = order_joins(Arc::clone(&plan)).unwrap();
        // Asked of t1.a or of t2.a, which equals it.
        let order = order_of(&ordered);
        assert_eq!(order[0], "t3", "{keeps_left}");
        assert_ne!(order[1], "t0", "{keeps_left}");
        let found = rows_of(ordered);
        assert_eq!(rows_of(plan), found);
        // Three rows, in a frame of four lines.
        assert_eq!(found.len(), 3 + 4);
    }
}

#[test]
fn a_semi_join_asks_any_column_that_is_equal() {
    // What is asked of t0.a can be asked of t1.a, which has more rows to leave out.
    let (t0, t1) = (
        table("t0", &numbers(500, 500)),
        table("t1", &numbers(5000, 10)),
    );
    let joined = join(t0, t1, &on((0, 0), (0, 0)));
    let semi = Step {
        kind: 2,
        ..on((0, 0), (0, 0))
    };
    let plan = join(joined, few("t2", 500), &semi);
    let ordered = order_joins(Arc::clone(&plan)).unwrap();
    assert_ne!(order_of(&ordered)[2], "t2");
    assert_eq!(rows_of(plan), rows_of(ordered));
}
