use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal64Array, Decimal128Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, col, lit};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::NarrowBatch;
use crate::exec::expr::checked;

type Expr = Arc<dyn PhysicalExpr>;

fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
    let data_type = DataType::Decimal128(precision, scale);
    Arc::new(Decimal128Array::from(values).with_data_type(data_type))
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let names = ["a", "b", "c"];
    RecordBatch::try_from_iter_with_nullable(
        names
            .into_iter()
            .zip(columns)
            .map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Arc::new(BinaryExpr::new(left, op, right))
}

/// Checked arithmetic, with and without 64 bits, against arrow's in 128.
fn check(expr: &Expr, batch: &RecordBatch) {
    let rows = batch.num_rows();
    let expected = expr.evaluate(batch).unwrap().into_array(rows).unwrap();
    let ours = checked(expr).unwrap();
    let values = ours.evaluate(batch).unwrap().into_array(rows).unwrap();
    assert_eq!(values.as_ref(), expected.as_ref());
    let schema = batch.schema();
    let narrow = NarrowBatch::new(batch, &schema)
        .evaluate_narrow(&checked(expr).unwrap())
        .unwrap();
    let widened = cast(&narrow, expected.data_type()).unwrap();
    assert_eq!(widened.as_ref(), expected.as_ref());
}

/// Numbers of a few digits, and some at the edge of 64 bits.
fn any_number() -> impl Strategy<Value = i128> {
    prop_oneof![
        8 => -1000..1000_i128,
        1 => -(1_i128 << 31)..(1_i128 << 31),
        1 => (i128::from(i64::MAX) - 2)..(i128::from(i64::MAX) + 3),
        1 => (i128::from(i64::MIN) - 2)..(i128::from(i64::MIN) + 3),
    ]
}

fn any_operator() -> impl Strategy<Value = Operator> {
    prop_oneof![
        Just(Operator::Plus),
        Just(Operator::Minus),
        Just(Operator::Multiply)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..Default::default() })]

    #[test]
    fn as_in_128_bits(
        rows in vec((of(any_number()), of(any_number()), of(any_number())), 0..8),
        scales in (0..4_i8, 0..4_i8, 0..4_i8),
        ops in (any_operator(), any_operator()),
        left_first in any::<bool>(),
    ) {
        let batch = batch(vec![
            decimals(rows.iter().map(|row| row.0).collect(), 20, scales.0),
            decimals(rows.iter().map(|row| row.1).collect(), 20, scales.1),
            decimals(rows.iter().map(|row| row.2).collect(), 20, scales.2),
        ]);
        let schema = batch.schema();
        let column = |name| col(name, &schema).unwrap();
        let (a, b, c) = (column("a"), column("b"), column("c"));
        let expr = match left_first {
            true => binary(binary(a, ops.0, b), ops.1, c),
            false => binary(a, ops.0, binary(b, ops.1, c)),
        };
        // Three numbers of 64 bits can have more than 38 digits: that is for the exact path alone.
        prop_assume!(expr.evaluate(&batch).is_ok());
        let digits = |row: &(Option<i128>, Option<i128>, Option<i128>)| {
            let size = |value: Option<i128>| value.map_or(1.0, |value| value.unsigned_abs() as f64 + 1e4);
            size(row.0) * size(row.1) * size(row.2) < 1e34
        };
        prop_assume!(rows.iter().all(digits));
        check(&expr, &batch);
    }
}

#[test]
fn numbers_casts_and_constants() {
    let batch = batch(vec![
        decimals(vec![Some(1234), None, Some(-99)], 15, 2),
        Arc::new(Int64Array::from(vec![3, 4, 5])),
    ]);
    let schema = batch.schema();
    let one = lit(ScalarValue::Decimal128(Some(1), 20, 0));
    let a = col("a", &schema).unwrap();
    let b = datafusion::physical_expr::expressions::cast(
        col("b", &schema).unwrap(),
        &schema,
        DataType::Decimal128(20, 0),
    )
    .unwrap();
    check(&binary(one.clone(), Operator::Minus, a.clone()), &batch);
    check(&binary(a, Operator::Multiply, b.clone()), &batch);
    check(&binary(b, Operator::Multiply, one.clone()), &batch);
    check(&binary(one.clone(), Operator::Plus, one), &batch);
}

#[test]
fn narrow_columns_come_in_the_planned_type_where_that_is_asked() {
    let planned: SchemaRef = Arc::new(Schema::new(vec![Field::new(
        "a",
        DataType::Decimal128(15, 2),
        true,
    )]));
    let narrow =
        Decimal64Array::from(vec![Some(150), None]).with_data_type(DataType::Decimal64(15, 2));
    let given = batch(vec![Arc::new(narrow)]);
    let a = col("a", &planned).unwrap();
    let twice = checked(&binary(a.clone(), Operator::Plus, a.clone())).unwrap();
    let batch = NarrowBatch::new(&given, &planned);
    let kept = batch.evaluate_narrow(&a).unwrap();
    assert!(matches!(kept.data_type(), DataType::Decimal64(..)));
    let expected = decimals(vec![Some(150), None], 15, 2);
    assert_eq!(&batch.evaluate(&a).unwrap(), &expected);
    let expected = decimals(vec![Some(300), None], 16, 2);
    assert_eq!(&batch.evaluate(&twice).unwrap(), &expected);
    let narrow = batch.evaluate_narrow(&twice).unwrap();
    assert!(matches!(narrow.data_type(), DataType::Decimal64(..)));
}
