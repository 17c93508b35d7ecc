//! What a scalar subquery gives: the value of its only row, NULL without a row, an error for a second row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::error::{Error, Span};

/// The aggregate that the binder puts over a scalar subquery. It has no name to call it by.
pub(crate) fn single_value(place: Option<Span>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(SingleValue {
        place,
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    /// The subquery's, for the error.
    place: Option<Span>,
    signature: Signature,
}

impl AggregateUDFImpl for SingleValue {
    fn name(&self) -> &str {
        "single_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OnlyRow {
            value: ScalarValue::try_from(args.return_field.data_type())?,
            seen: false,
            place: self.place,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(
                format!("{}[value]", args.name),
                args.return_field.data_type().clone(),
                true,
            )),
            Arc::new(Field::new(
                format!("{}[seen]", args.name),
                DataType::Boolean,
                false,
            )),
        ])
    }
}

#[derive(Debug)]
struct OnlyRow {
    value: ScalarValue,
    seen: bool,
    place: Option<Span>,
}

impl OnlyRow {
    fn see(&mut self, values: &ArrayRef, row: usize) -> Result<()> {
        if self.seen {
            let error = Error::run(
                "TM0503",
                "a subquery used as a value gave more than one row",
            )
            .hint("add `|> LIMIT 1`, aggregate, or use ARRAY(…) or IN (…)");
            return Err(DataFusionError::External(Box::new(match self.place {
                Some(place) => error.at(place),
                None => error,
            })));
        }
        self.value = ScalarValue::try_from_array(values, row)?;
        self.seen = true;
        Ok(())
    }
}

impl Accumulator for OnlyRow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for row in 0..values[0].len() {
            self.see(&values[0], row)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            self.value.clone(),
            ScalarValue::Boolean(Some(self.seen)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let seen = states[1].as_boolean();
        for row in 0..seen.len() {
            if seen.is_valid(row) && seen.value(row) {
                self.see(&states[0], row)?;
            }
        }
        Ok(())
    }
}
