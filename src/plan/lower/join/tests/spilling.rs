//! The same joins where the build side does not fit.

use datafusion::execution::memory_pool::MemoryPool;

use super::*;

/// Bytes that hold a few rows.
const LITTLE: usize = 4000;

fn limited() -> PipelineGraph {
    PipelineGraph {
        limited: true,
        ..PipelineGraph::default()
    }
}

fn in_little_memory(
    context: &Arc<RunContext>,
    join: &HashJoinExec,
    inputs: &Inputs,
) -> Vec<String> {
    let mut graph = limited();
    let mut input = give(&inputs.sources(), inputs.hidden);
    let stream = lower_hash_join(join, &Offers::default(), &mut input, false, &mut graph).unwrap();
    let ours = sorted(printed(&collect(context, stream, graph).unwrap()));
    // The last worker may still be on its way out.
    while context.memory.reserved() > 0 {
        std::thread::yield_now();
    }
    ours
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn hash_joins_agree_with_datafusion(case in cases()) {
        let case = Case { input_rows: case.input_rows.min(5), ..case };
        let inputs = case.inputs();
        for kind in TYPES {
            let context = RunContext::for_tests_within(case.threads, case.batch_rows, LITTLE);
            let join = case.hash_join(kind, &inputs);
            let ours = in_little_memory(&context, &join, &inputs);
            prop_assert_eq!(ours, by_datafusion(Arc::new(join)), "{}", kind);
        }
    }

    #[test]
    fn nested_loop_joins_agree_with_datafusion(case in cases()) {
        let case = Case { input_rows: case.input_rows.min(5), ..case };
        let inputs = case.inputs();
        for kind in TYPES {
            let context = RunContext::for_tests_within(case.threads, case.batch_rows, LITTLE);
            let whole = build_join_schema(&inputs.schema, &inputs.schema, &kind).0;
            let (left, right) = inputs.plans();
            let filter = case.with_filter.then(payloads);
            let projection = case.projection(whole.fields().len());
            let join = NestedLoopJoinExec::try_new(left, right, filter, &kind, projection).unwrap();
            let mut graph = limited();
            let mut input = give(&inputs.sources(), inputs.hidden);
            let stream = lower_nested_loop_join(&join, &Offers::default(), &mut input, &mut graph).unwrap();
            let ours = sorted(printed(&collect(&context, stream, graph).unwrap()));
            prop_assert_eq!(ours, by_datafusion(Arc::new(join)), "{}", kind);
        }
    }

    #[test]
    fn not_in_agrees_with_datafusion(case in cases()) {
        let case = Case { both_keys: false, input_rows: case.input_rows.min(5), ..case };
        let inputs = case.inputs();
        let context = RunContext::for_tests_within(case.threads, case.batch_rows, LITTLE);
        let (left, right) = inputs.plans();
        let join = HashJoinExecBuilder::new(left, right, vec![(key("k", 0), key("k", 0))], JoinType::LeftAnti)
            .with_null_aware(true)
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()
            .unwrap();
        let ours = in_little_memory(&context, &join, &inputs);
        prop_assert_eq!(ours, by_datafusion(Arc::new(join)));
    }
}

#[test]
fn pairs_that_do_not_fit_are_split_and_one_key_goes_block_by_block() {
    // Many keys; then a third of the build rows with one key, which meets few probe rows.
    let many = |row: i64| (row % 11 != 0).then_some(row / 2);
    let skewed = |row: i64| Some(if row % 3 == 0 { -1 } else { row });
    let few = |row: i64| Some(if row % 500 == 0 { -1 } else { row * 3 });
    for (build, probe) in [
        (numbers(60_000, many), numbers(20_000, many)),
        (numbers(60_000, skewed), numbers(5_000, few)),
    ] {
        for kind in TYPES {
            let (inputs, join) = number_join(build.clone(), probe.clone());
            let join = join.builder().with_type(kind).build().unwrap();
            let context = RunContext::for_tests_within(2, 1000, 200_000);
            let ours = in_little_memory(&context, &join, &inputs);
            assert!(context.spill.written() > 0, "{kind}");
            assert!(ours == by_datafusion(Arc::new(join)), "{kind}");
        }
    }
}

#[test]
fn what_fits_is_not_written_out() {
    let (inputs, join) = number_join(numbers(10_000, Some), numbers(10_000, Some));
    let context = RunContext::for_tests_within(2, 1000, 10 << 20);
    let ours = in_little_memory(&context, &join, &inputs);
    assert_eq!(ours.len(), 10_000);
    assert_eq!(context.spill.written(), 0);
}
