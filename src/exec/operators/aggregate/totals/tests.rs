//! Sums by every path against sums one value after the other.

use arrow::array::BooleanArray;
use proptest::prelude::*;

use super::*;

/// Values that are small, near the border of small, and large.
fn values() -> impl Strategy<Value = Vec<i64>> {
    let small = prop::collection::vec(-1_000_000..1_000_000_i64, 0..600);
    let border = prop::collection::vec(SMALL - 3..SMALL + 3, 0..600);
    let below = prop::collection::vec(-SMALL - 3..-SMALL + 3, 0..600);
    prop_oneof![
        small,
        border,
        below,
        prop::collection::vec(any::<i64>(), 0..600)
    ]
}

proptest! {
    #[test]
    fn sums_are_exact(values in values(), total in 1..40_usize, seed: u64) {
        let groups: Vec<usize> = (0..values.len())
            .map(|row| (seed.rotate_left(row as u32) % total as u64) as usize)
            .collect();
        let mut expected = vec![7_i128; total];
        let mut counts = vec![0; total];
        for (value, group) in zip(&values, &groups) {
            expected[*group] += i128::from(*value);
            counts[*group] += 1;
        }
        let rows = RowGroups::new(&groups, total);
        prop_assert_eq!(rows.counts(), counts.as_slice());

        let mut sums = vec![7_i128; total];
        add_exact(&mut sums, &values, &rows).unwrap();
        prop_assert_eq!(&sums, &expected);
        let wide: Vec<i128> = values.iter().map(|value| i128::from(*value)).collect();
        let mut sums = vec![7_i128; total];
        add_exact(&mut sums, &wide, &rows).unwrap();
        prop_assert_eq!(&sums, &expected);
        // The same bits, taken without a sign.
        let unsigned: Vec<u64> = values.iter().map(|value| *value as u64).collect();
        let mut sums = vec![7_i128; total];
        add_exact(&mut sums, &unsigned, &rows).unwrap();
        let mut expected = vec![7_i128; total];
        zip(&unsigned, &groups).for_each(|(value, group)| expected[*group] += i128::from(*value));
        prop_assert_eq!(&sums, &expected);
    }

    #[test]
    fn rows_that_do_not_count_are_left_out(
        rows in prop::collection::vec((prop::option::of(-9..9_i64), prop::option::of(any::<bool>()), 0..3_usize), 1..200),
        filtered: bool,
    ) {
        let values: Int64Array = rows.iter().map(|(value, ..)| *value).collect();
        let filter: BooleanArray = rows.iter().map(|(_, keep, _)| *keep).collect();
        let groups: Vec<usize> = rows.iter().map(|(_, _, group)| *group).collect();
        let plan = TotalsPlan {
            filter: filtered.then_some(1),
            counted: Some(0),
            sums: vec![SumPlan { input: 0, is_float: false }],
            functions: Vec::new(),
        };
        let mut totals = plan.start();
        let inputs: Vec<ArrayRef> = vec![Arc::new(values), Arc::new(filter)];
        totals.update(&inputs, &RowGroups::new(&groups, 3)).unwrap();
        let (mut counts, mut sums) = (vec![0_u64; 3], vec![0_i128; 3]);
        for (value, keep, group) in rows {
            if let Some(value) = value.filter(|_| !filtered || keep == Some(true)) {
                counts[group] += 1;
                sums[group] += i128::from(value);
            }
        }
        let states = totals.take_states().unwrap();
        prop_assert_eq!(states[0].as_primitive::<UInt64Type>().values().to_vec(), counts);
        prop_assert_eq!(states[1].as_primitive::<Decimal128Type>().values().to_vec(), sums);
    }
}

#[test]
fn a_sum_beyond_128_bits_is_an_error() {
    let mut sums = vec![i128::MAX - 1];
    let groups = [0, 0];
    let rows = RowGroups::new(&groups, 1);
    assert!(add_exact(&mut sums, &[1_i64, 1], &rows).is_err());
}
