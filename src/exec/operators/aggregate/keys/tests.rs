use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int8Array, Int32Array,
    Int64Array, StringArray, StringViewArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::{GroupKeys, Table};

/// Groups the batches and compares with a hash map over rows: numbers as first seen, keys as given.
fn check(batches: &[Vec<ArrayRef>]) {
    let schema = schema_of(&batches[0]);
    let mut table = GroupKeys::new(&schema, true).unwrap();
    check_in(&mut table, &schema, batches);
    // And once more in the table that was emptied.
    check_in(&mut table, &schema, batches);
}

fn check_in(table: &mut GroupKeys, schema: &SchemaRef, batches: &[Vec<ArrayRef>]) {
    let sort = |field: &Arc<Field>| SortField::new(field.data_type().clone());
    let converter = RowConverter::new(schema.fields().iter().map(sort).collect()).unwrap();
    let mut expected: HashMap<OwnedRow, usize> = HashMap::new();
    let mut row_groups = Vec::new();
    for keys in batches {
        table.intern(keys, &mut row_groups).unwrap();
        let rows = converter.convert_columns(keys).unwrap();
        assert_eq!(row_groups.len(), rows.num_rows());
        for (row, group) in rows.iter().zip(&row_groups) {
            let next = expected.len();
            assert_eq!(expected.entry(row.owned()).or_insert(next), group);
        }
        assert_eq!(table.len(), expected.len());
    }
    let keys = table.take().unwrap();
    assert_eq!(schema_of(&keys).fields(), schema.fields());
    let rows = converter.convert_columns(&keys).unwrap();
    assert_eq!(rows.num_rows(), expected.len());
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(expected[&row.owned()], number);
    }
    assert_eq!(table.len(), 0);
}

fn schema_of(keys: &[ArrayRef]) -> SchemaRef {
    let field = |key: &ArrayRef| Field::new("", key.data_type().clone(), true);
    Arc::new(Schema::new(keys.iter().map(field).collect::<Vec<_>>()))
}

fn is_packed(keys: &[ArrayRef]) -> bool {
    let mut table = GroupKeys::new(&schema_of(keys), false).unwrap();
    table.intern(keys, &mut Vec::new()).unwrap();
    matches!(table.table, Table::Packed(_))
}

fn ints(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn views(values: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter(values))
}

/// Small ones, far ones, and the ends.
fn any_int() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -20..20_i64,
        2 => -100_000..100_000_i64,
        1 => any::<i64>(),
        1 => Just(i64::MIN),
        1 => Just(i64::MAX),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-c]{0,2}",
        1 => "[a-b]{11,13}",
        1 => "the same beginning [a-c]{0,2}",
        1 => "é{0,20}",
    ]
}

type Mixed = (Option<String>, Option<i64>, Option<bool>, Option<i32>);
type Numbers = (Option<u64>, Option<i8>, Option<i128>, Option<i128>);

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn one_integer(batches in vec(vec(of(any_int()), 0..60), 1..6)) {
        check(&batches.into_iter().map(|rows| vec![ints(rows)]).collect::<Vec<_>>());
    }

    #[test]
    fn near_integers(batches in vec((any::<i32>(), vec(of(-9..9_i64), 0..60)), 1..6)) {
        let near = |(middle, rows): (i32, Vec<Option<i64>>)| {
            vec![ints(rows.into_iter().map(|row| Some(row? + i64::from(middle))).collect())]
        };
        check(&batches.into_iter().map(near).collect::<Vec<_>>());
    }

    #[test]
    fn one_text(batches in vec(vec(of(any_text()), 0..60), 1..6)) {
        check(&batches.into_iter().map(|rows| vec![views(rows)]).collect::<Vec<_>>());
    }

    #[test]
    fn text_beside_integers(
        batches in vec(vec((of(any_text()), of(any_int()), of(any::<bool>()), of(-5..5_i32)), 0..60), 1..6)
    ) {
        let columns = |rows: Vec<Mixed>| -> Vec<ArrayRef> {
            vec![
                views(rows.iter().map(|row| row.0.clone()).collect()),
                ints(rows.iter().map(|row| row.1).collect()),
                Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>()),
                Arc::new(rows.iter().map(|row| row.3).collect::<Date32Array>()),
            ]
        };
        check(&batches.into_iter().map(columns).collect::<Vec<_>>());
    }

    #[test]
    fn integers_of_many_types(
        batches in vec(vec((of(any::<u64>()), of(any::<i8>()), of(any::<i128>()), of(-3..3_i128)), 0..40), 1..5)
    ) {
        let columns = |rows: Vec<Numbers>| -> Vec<ArrayRef> {
            let decimals = |values: Vec<Option<i128>>| {
                Arc::new(Decimal128Array::from(values).with_data_type(DataType::Decimal128(38, 2)))
            };
            vec![
                Arc::new(rows.iter().map(|row| row.0).collect::<UInt64Array>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<Int8Array>()),
                decimals(rows.iter().map(|row| row.2).collect()),
                decimals(rows.iter().map(|row| row.3).collect()),
            ]
        };
        check(&batches.into_iter().map(columns).collect::<Vec<_>>());
    }
}

#[test]
fn sorted_keys_both_ways() {
    let up: Vec<Vec<ArrayRef>> = (0..40_i64)
        .map(|batch| {
            vec![ints(
                (0..50).map(|row| Some((batch * 50 + row) * 7)).collect(),
            )]
        })
        .collect();
    check(&up);
    assert!(is_packed(&up[0]));
    let down: Vec<Vec<ArrayRef>> = up.into_iter().rev().collect();
    check(&down);
}

#[test]
fn dense_keys_are_found_without_hashing() {
    let keys = [ints((0..10_000).map(|row| Some(row % 5000)).collect())];
    let mut table = GroupKeys::new(&schema_of(&keys), false).unwrap();
    table.intern(&keys, &mut Vec::new()).unwrap();
    table.intern(&keys, &mut Vec::new()).unwrap();
    assert!(table.is_dense());
}

#[test]
fn three_wide_integers_take_the_general_table() {
    let wide = || ints(vec![Some(i64::MIN / 4), Some(i64::MAX / 4), None]);
    assert!(is_packed(&[wide(), wide()]));
    assert!(!is_packed(&[wide(), wide(), wide()]));
    let near = || ints(vec![Some(1), Some(2), None]);
    check(&[vec![near(), near(), near()], vec![wide(), wide(), wide()]]);
}

#[test]
fn dictionaries_are_text_and_values_that_no_row_has_are_no_groups() {
    let values: ArrayRef = Arc::new(StringArray::from(vec![
        Some("unused"),
        Some("a string that is long"),
        None,
        Some("b"),
        Some("b"),
    ]));
    let rows = |keys: Vec<Option<i32>>| -> ArrayRef {
        let keys = Int32Array::from(keys);
        Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(&values)).unwrap())
    };
    let first = rows(vec![Some(1), Some(3), None, Some(4), Some(1), Some(2)]);
    let second = rows(vec![Some(0), Some(1)]);
    let schema = Arc::new(Schema::new(vec![Field::new("", DataType::Utf8View, true)]));
    let mut table = GroupKeys::new(&schema, false).unwrap();
    let mut groups = Vec::new();
    table.intern(&[Arc::clone(&first)], &mut groups).unwrap();
    assert_eq!(groups, [0, 1, 2, 1, 0, 2]);
    assert_eq!(table.len(), 3);
    table.intern(&[second], &mut groups).unwrap();
    assert_eq!(groups, [3, 0]);
    let plain = StringViewArray::from(vec![Some("unused"), None, Some("b")]);
    table.intern(&[Arc::new(plain)], &mut groups).unwrap();
    assert_eq!(groups, [3, 2, 1]);
    let expected = StringViewArray::from(vec![
        Some("a string that is long"),
        Some("b"),
        None,
        Some("unused"),
    ]);
    assert_eq!(table.take().unwrap()[0].as_ref(), &expected);
}
