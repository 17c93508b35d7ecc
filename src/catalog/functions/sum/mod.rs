//! `sum` that is exact or an error: integers and decimals are added in 128 bits and must fit their type in the end.
//!
//! Everything about the function that does not add (which types it takes, its documentation) and the sums of floats and
//! intervals are DataFusion's.

mod accumulator;
mod groups;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, UInt64Array};
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Field,
    FieldRef, Int64Type, UInt64Type,
};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    Signature,
};
use datafusion::scalar::ScalarValue;

use crate::error::{Error, Span};
use accumulator::{DistinctSum, PlainSum};
use groups::GroupedSum;
pub(super) use groups::passes;

/// `sum` as the language has it.
pub(crate) fn checked_sum() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(CheckedSum {
        inner: Sum::new(),
        place: Place(None),
        sums: Sums::Checked,
    }))
}

/// The function; if it is our `sum`, its errors say that they belong to `place`, and a sum that does not fit is what `sums` says.
pub(crate) fn placed(
    function: Arc<AggregateUDF>,
    place: Option<Span>,
    sums: Sums,
) -> Arc<AggregateUDF> {
    let plain = place.is_none() && sums == Sums::Checked;
    if plain || !function.inner().is::<CheckedSum>() {
        return function;
    }
    Arc::new(AggregateUDF::from(CheckedSum {
        inner: Sum::new(),
        place: Place(place),
        sums,
    }))
}

/// What a sum of integers is that does not fit into its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sums {
    /// An error.
    Checked,
    /// What its lower bits say.
    Wrapping,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckedSum {
    inner: Sum,
    place: Place,
    sums: Sums,
}

/// Where in the query's text a sum stands. Sums of the same values are one, wherever they stand.
#[derive(Debug, Clone, Copy)]
struct Place(Option<Span>);

impl PartialEq for Place {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl Place {
    fn locate(self, error: DataFusionError) -> DataFusionError {
        match self.0 {
            Some(span) => DataFusionError::External(Box::new(Error::from(error).at(span))),
            None => error,
        }
    }
}

/// Calls `$body` with `T` as the type of the values when they are added in 128 bits, otherwise gives `$other`.
macro_rules! with_exact_type {
    ($data_type:expr, $body:ident, $other:expr) => {
        match $data_type {
            DataType::Int64 => $body!(Int64Type),
            DataType::UInt64 => $body!(UInt64Type),
            DataType::Decimal32(_, _) => $body!(Decimal32Type),
            DataType::Decimal64(_, _) => $body!(Decimal64Type),
            DataType::Decimal128(_, _) => $body!(Decimal128Type),
            _ => $other,
        }
    };
}

impl CheckedSum {
    fn total(&self, data_type: &DataType) -> Total {
        Total {
            data_type: data_type.clone(),
            place: self.place,
            sums: self.sums,
        }
    }

    /// The accumulator of a sum that is made here; it can also forget values, as window frames need.
    fn exact_accumulator(&self, args: &AccumulatorArgs) -> Option<Box<dyn Accumulator>> {
        let total = self.total(args.return_field.data_type());
        macro_rules! exact {
            ($t:ty) => {
                if args.is_distinct {
                    Some(Box::new(DistinctSum::<$t>::new(total)))
                } else {
                    Some(Box::new(PlainSum::<$t>::new(total)))
                }
            };
        }
        with_exact_type!(argument_type(args), exact, None)
    }
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        // Ten digits more than an addend, as DataFusion; a narrow decimal gets them too instead of running full.
        match arguments {
            [
                DataType::Decimal32(precision, scale)
                | DataType::Decimal64(precision, scale)
                | DataType::Decimal128(precision, scale),
            ] => Ok(DataType::Decimal128(
                DECIMAL128_MAX_PRECISION.min(precision + 10),
                *scale,
            )),
            _ => self.inner.return_type(arguments),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.exact_accumulator(&args) {
            Some(accumulator) => Ok(accumulator),
            None => self.inner.accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.exact_accumulator(&args) {
            Some(accumulator) => Ok(accumulator),
            None => self.inner.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let total = self.total(args.return_field.data_type());
        macro_rules! exact {
            ($t:ty) => {
                Ok(Box::new(GroupedSum::<$t>::new(total)))
            };
        }
        with_exact_type!(
            argument_type(&args),
            exact,
            self.inner.create_groups_accumulator(args)
        )
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if !is_exact(args.return_field.data_type()) {
            return self.inner.state_fields(args);
        }
        let total = self.total(args.return_field.data_type());
        let name = format!("{}[sum]", args.name);
        let field = if args.is_distinct {
            Field::new_list(name, Field::new_list_field(total.state_type(), true), false)
        } else {
            Field::new(name, total.state_type(), true)
        };
        Ok(vec![Arc::new(field)])
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

/// Whether sums of this type are made here.
fn is_exact(return_type: &DataType) -> bool {
    matches!(
        return_type,
        DataType::Int64 | DataType::UInt64 | DataType::Decimal128(_, _)
    )
}

fn argument_type(args: &AccumulatorArgs) -> DataType {
    args.expr_fields
        .first()
        .map_or(DataType::Null, |field| field.data_type().clone())
}

/// What a total in 128 bits becomes in the end.
#[derive(Debug, Clone)]
struct Total {
    data_type: DataType,
    place: Place,
    sums: Sums,
}

impl Total {
    /// Totals travel between partial and final sums with all digits.
    fn state_type(&self) -> DataType {
        let scale = match self.data_type {
            DataType::Decimal128(_, scale) => scale,
            _ => 0,
        };
        DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale)
    }

    fn state_array(&self, totals: Vec<Option<i128>>) -> ArrayRef {
        Arc::new(Decimal128Array::from(totals).with_data_type(self.state_type()))
    }

    fn state_value(&self, total: Option<i128>) -> ScalarValue {
        let scale = match self.data_type {
            DataType::Decimal128(_, scale) => scale,
            _ => 0,
        };
        ScalarValue::Decimal128(total, DECIMAL128_MAX_PRECISION, scale)
    }

    fn array(&self, totals: Vec<Option<i128>>) -> Result<ArrayRef> {
        let fitting = self.fitting(totals);
        fitting.map_err(|error| self.place.locate(error))
    }

    fn value(&self, total: Option<i128>) -> Result<ScalarValue> {
        let fitting = self.fitting_value(total);
        fitting.map_err(|error| self.place.locate(error))
    }

    fn fitting(&self, totals: Vec<Option<i128>>) -> Result<ArrayRef> {
        Ok(match self.data_type {
            DataType::UInt64 => Arc::new(
                totals
                    .into_iter()
                    .map(|total| total.map(|total| self.to_u64(total)).transpose())
                    .collect::<Result<UInt64Array>>()?,
            ),
            DataType::Decimal128(_, _) => {
                for total in totals.iter().flatten() {
                    check_digits(*total)?;
                }
                Arc::new(Decimal128Array::from(totals).with_data_type(self.data_type.clone()))
            }
            _ => Arc::new(
                totals
                    .into_iter()
                    .map(|total| total.map(|total| self.to_i64(total)).transpose())
                    .collect::<Result<Int64Array>>()?,
            ),
        })
    }

    fn to_i64(&self, total: i128) -> Result<i64> {
        match self.sums {
            Sums::Checked => i64::try_from(total).map_err(|_| too_large("INT64")),
            Sums::Wrapping => Ok(total as i64),
        }
    }

    fn to_u64(&self, total: i128) -> Result<u64> {
        match self.sums {
            Sums::Checked => u64::try_from(total).map_err(|_| too_large("UINT64")),
            Sums::Wrapping => Ok(total as u64),
        }
    }

    fn fitting_value(&self, total: Option<i128>) -> Result<ScalarValue> {
        Ok(match self.data_type {
            DataType::UInt64 => {
                ScalarValue::UInt64(total.map(|total| self.to_u64(total)).transpose()?)
            }
            DataType::Decimal128(precision, scale) => {
                total.map(check_digits).transpose()?;
                ScalarValue::Decimal128(total, precision, scale)
            }
            _ => ScalarValue::Int64(total.map(|total| self.to_i64(total)).transpose()?),
        })
    }
}

fn check_digits(total: i128) -> Result<()> {
    if total.unsigned_abs() >= 10u128.pow(u32::from(DECIMAL128_MAX_PRECISION)) {
        return Err(too_large("DECIMAL"));
    }
    Ok(())
}

pub(super) fn add(total: i128, value: i128) -> Result<i128> {
    total.checked_add(value).ok_or_else(|| too_large("DECIMAL"))
}

fn too_large(data_type: &str) -> DataFusionError {
    let hint = if data_type == "DECIMAL" {
        "cast the values: SUM(CAST(x AS FLOAT64))"
    } else {
        "cast the values: SUM(CAST(x AS DECIMAL(38, 0)))"
    };
    DataFusionError::External(Box::new(
        Error::run("TM0502", format!("the sum is too large for {data_type}")).hint(hint),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::BooleanArray;
    use datafusion::logical_expr::EmitTo;

    fn total() -> Total {
        Total {
            data_type: DataType::Int64,
            place: Place(None),
            sums: Sums::Checked,
        }
    }

    #[test]
    fn partial_sums_keep_what_does_not_fit() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(5), None]));
        let mut partial = GroupedSum::<Int64Type>::new(total());
        partial
            .update_batch(&[Arc::clone(&values)], &[0, 0, 1], None, 2)
            .unwrap();
        let state = partial.state(EmitTo::All).unwrap();
        let mut last = GroupedSum::<Int64Type>::new(total());
        last.merge_batch(&state, &[0, 1], 2).unwrap();
        let less: ArrayRef = Arc::new(Int64Array::from(vec![-6, 7]));
        let filter = BooleanArray::from(vec![true, false]);
        last.update_batch(&[less], &[0, 1], Some(&filter), 2)
            .unwrap();
        let sums = last.evaluate(EmitTo::All).unwrap();
        let expected: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX - 1), None]));
        assert_eq!(&sums, &expected);
    }

    #[test]
    fn distinct_sums_merge_and_forget() {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), Some(3), Some(4), None]));
        let mut partial = DistinctSum::<Int64Type>::new(total());
        partial.update_batch(&[Arc::clone(&values)]).unwrap();
        let state: Vec<ArrayRef> = partial
            .state()
            .unwrap()
            .iter()
            .map(|value| value.to_array().unwrap())
            .collect();
        let mut last = DistinctSum::<Int64Type>::new(total());
        last.merge_batch(&state).unwrap();
        last.update_batch(&[Arc::new(Int64Array::from(vec![4, 5]))])
            .unwrap();
        assert_eq!(last.evaluate().unwrap(), ScalarValue::Int64(Some(12)));
        last.retract_batch(&[Arc::new(Int64Array::from(vec![5]))])
            .unwrap();
        assert_eq!(last.evaluate().unwrap(), ScalarValue::Int64(Some(7)));
    }

    #[test]
    fn the_end_must_fit() {
        let mut sum = PlainSum::<Int64Type>::new(total());
        sum.update_batch(&[Arc::new(Int64Array::from(vec![i64::MAX, 1]))])
            .unwrap();
        assert!(sum.evaluate().is_err());
    }
}
