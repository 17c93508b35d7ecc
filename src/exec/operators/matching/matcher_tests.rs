//! The matcher by itself: its work is bounded whatever the pattern, and how a partition is cut into blocks changes nothing. That
//! what it finds is right is shown from outside, beside a matcher that tries everything.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use datafusion::execution::memory_pool::{
    GreedyMemoryPool, MemoryConsumer, MemoryPool, UnboundedMemoryPool,
};
use proptest::collection::vec;
use proptest::prelude::*;

use super::matcher::Matcher;
use super::{Automaton, MatchRule, Pattern};
use crate::exec::CancelToken;

fn symbol(number: u16) -> Pattern {
    Pattern::Symbol(number)
}

fn repeated(operand: Pattern, at_least: usize, at_most: Option<usize>) -> Pattern {
    Pattern::Repeated {
        operand: Box::new(operand),
        at_least,
        at_most,
        reluctant: false,
    }
}

fn rule(pattern: &Pattern, longest: bool, skip_to_next: bool) -> MatchRule {
    MatchRule {
        automaton: Arc::new(Automaton::compile(pattern).unwrap()),
        longest,
        skip_to_next,
        text: String::new(),
    }
}

fn buffer(bits: impl IntoIterator<Item = bool>) -> BooleanBuffer {
    let mut buffer = BooleanBufferBuilder::new(0);
    bits.into_iter().for_each(|bit| buffer.append(bit));
    buffer.finish()
}

/// Every match with the symbols of its rows, and the edges looked at. `block_choices`: how much of the partition is kept at once.
fn matches(
    rule: &MatchRule,
    holds: &Arc<Vec<BooleanBuffer>>,
    rows: Range<usize>,
    block_choices: Option<usize>,
) -> (Vec<(usize, Vec<u16>)>, u64) {
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let memory = MemoryConsumer::new("test").register(&pool);
    let cancel = CancelToken::default();
    let matcher = match block_choices {
        None => Matcher::new(rule, holds, rows, &cancel, &memory),
        Some(choices) => Matcher::in_blocks(rule, holds, rows, &cancel, &memory, choices),
    };
    let mut matcher = matcher.unwrap();
    let (mut found, mut symbols) = (Vec::new(), Vec::new());
    while let Some(first) = matcher.next_match(&mut symbols).unwrap() {
        found.push((first, symbols.clone()));
    }
    (found, matcher.steps())
}

/// `(a | a)* b` and the like: a matcher that tries everything takes 2 to the power of the rows for these.
#[test]
fn work_grows_with_rows_times_edges() {
    let either = Pattern::Alternatives(vec![symbol(0), symbol(0)]);
    let nested = repeated(repeated(either.clone(), 0, None), 0, None);
    let optional = repeated(symbol(0), 0, Some(1));
    let hostile = [
        Pattern::Sequence(vec![repeated(either, 0, None), symbol(1)]),
        Pattern::Sequence(vec![nested, symbol(1)]),
        Pattern::Sequence(vec![
            repeated(optional, 30, Some(30)),
            repeated(symbol(0), 30, Some(30)),
            symbol(1),
        ]),
        repeated(
            Pattern::Sequence(vec![repeated(symbol(0), 1, None), symbol(1)]),
            3,
            None,
        ),
    ];
    let rows = 20_000;
    let holds = Arc::new(vec![
        buffer((0..rows).map(|_| true)),
        buffer((0..rows).map(|_| false)),
    ]);
    for pattern in &hostile {
        for (longest, skip_to_next) in [(false, false), (true, false), (false, true), (true, true)]
        {
            let rule = rule(pattern, longest, skip_to_next);
            let edges = rule.automaton.edges.len() as u64;
            let (found, steps) = matches(&rule, &holds, 0..rows, None);
            assert!(
                found.is_empty(),
                "nothing ends in a row that is never there"
            );
            // Once backward, once more where blocks are read again, and a look at each row.
            let bound = (2 * edges + 1) * rows as u64;
            assert!(steps <= bound, "{steps} steps of {bound} for {pattern:?}");
        }
    }
}

/// Overlapping matches are as long as they are: the work grows with their rows, and with nothing else.
#[test]
fn overlapping_matches_cost_their_rows() {
    let rows = 2_000;
    let holds = Arc::new(vec![buffer((0..rows).map(|_| true))]);
    let rule = rule(&repeated(symbol(0), 0, None), false, true);
    let (found, steps) = matches(&rule, &holds, 0..rows, None);
    let given: usize = found.iter().map(|(_, symbols)| symbols.len()).sum();
    assert_eq!(given, rows * (rows + 1) / 2);
    let edges = rule.automaton.edges.len();
    assert!(steps <= (given + 4 * edges * rows) as u64, "{steps} steps");
}

/// A long partition of a pattern with many states: what is kept is far less than a number for each row and state.
#[test]
fn memory_grows_slower_than_the_partition() {
    let rows = 100_000;
    let holds = Arc::new(vec![buffer((0..rows).map(|row| row % 1000 != 0))]);
    let rule = rule(&repeated(symbol(0), 200, None), false, false);
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(8 << 20));
    let memory = MemoryConsumer::new("test").register(&pool);
    let cancel = CancelToken::default();
    let mut matcher = Matcher::new(&rule, &holds, 0..rows, &cancel, &memory).unwrap();
    let (mut count, mut symbols) = (0, Vec::new());
    while matcher.next_match(&mut symbols).unwrap().is_some() {
        assert_eq!(symbols.len(), 999);
        count += 1;
    }
    assert_eq!(count, rows / 1000);
    assert!(memory.size() < rows * 200 / 2, "{} bytes", memory.size());
    let too_little: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 10));
    let memory = MemoryConsumer::new("test").register(&too_little);
    Matcher::new(&rule, &holds, 0..rows, &cancel, &memory).unwrap_err();
}

#[test]
fn a_cancelled_query_is_told_so() {
    let rows = 1_000_000;
    let holds = Arc::new(vec![buffer((0..rows).map(|_| true))]);
    let rule = rule(&repeated(symbol(0), 2, None), false, false);
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let memory = MemoryConsumer::new("test").register(&pool);
    let cancel = CancelToken::default();
    cancel.cancel();
    let error = Matcher::new(&rule, &holds, 0..rows, &cancel, &memory).unwrap_err();
    assert_eq!(error.code(), "TM0507");
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let leaf = prop_oneof![
        6 => (0..3u16).prop_map(Pattern::Symbol),
        1 => Just(Pattern::PartitionStart),
        1 => Just(Pattern::PartitionEnd),
        1 => Just(Pattern::Sequence(Vec::new())),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Pattern::Sequence),
            vec(inner.clone(), 2..4).prop_map(Pattern::Alternatives),
            (inner, 0..3usize, prop::option::of(0..3usize), any::<bool>()).prop_map(
                |(operand, at_least, more, reluctant)| Pattern::Repeated {
                    operand: Box::new(operand),
                    at_least,
                    at_most: more.map(|more| at_least + more),
                    reluctant,
                }
            ),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_change_nothing(
        pattern in pattern(),
        rows in vec(0..8u8, 0..60),
        longest in any::<bool>(),
        skip_to_next in any::<bool>(),
        choices in 1..40usize,
    ) {
        let rule = rule(&pattern, longest, skip_to_next);
        let holds = (0..3).map(|symbol| buffer(rows.iter().map(|row| row & (1 << symbol) != 0)));
        let holds = Arc::new(holds.collect::<Vec<_>>());
        let (whole, _) = matches(&rule, &holds, 0..rows.len(), None);
        let (in_blocks, _) = matches(&rule, &holds, 0..rows.len(), Some(choices));
        prop_assert_eq!(&whole, &in_blocks);
        // A partition in the middle of others is read as one alone.
        let padded = holds.iter().map(|holds| {
            buffer([true; 5].into_iter().chain(holds.iter()).chain([true; 3]))
        });
        let padded = Arc::new(padded.collect::<Vec<_>>());
        let (inside, _) = matches(&rule, &padded, 5..5 + rows.len(), Some(choices));
        prop_assert_eq!(&whole, &inside);
    }
}
