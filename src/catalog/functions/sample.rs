//! What TABLESAMPLE asks of a row or of a batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::datatypes::DataType;
use datafusion::common::hash_utils::create_hashes;
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// 2 to the power of 53: the whole numbers that a FLOAT64 holds exactly.
const EXACT: u64 = 1 << 53;

/// `sample_row(seed, value, …)`: a number from 0 to 1 that the seed and the values decide.
pub(crate) fn sample_row() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(SampleRow {
        signature: Signature::variadic_any(Volatility::Immutable),
    }))
}

/// `sample_batch(share)`: the same answer for all rows of a batch, by chance.
pub(crate) fn sample_batch() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(SampleBatch {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Volatile),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SampleRow {
    signature: Signature,
}

impl ScalarUDFImpl for SampleRow {
    fn name(&self) -> &str {
        "sample_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((ColumnarValue::Scalar(ScalarValue::Int64(Some(seed))), values)) =
            args.args.split_first()
        else {
            return Err(DataFusionError::Internal(
                "a sample without a seed".to_string(),
            ));
        };
        let rows = args.number_rows;
        let arrays = values
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let state = foldhash::quality::FixedState::with_seed(seed.cast_unsigned());
        let mut hashes = vec![0; rows];
        create_hashes(&arrays, &state, &mut hashes)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "the numbers are below 2 to the power of 53"
        )]
        let chances = hashes
            .iter()
            .map(|hash| (hash % EXACT) as f64 / EXACT as f64);
        let chances = Float64Array::from_iter_values(chances);
        Ok(ColumnarValue::Array(Arc::new(chances)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SampleBatch {
    signature: Signature,
}

impl ScalarUDFImpl for SampleBatch {
    fn name(&self) -> &str {
        "sample_batch"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(ColumnarValue::Scalar(ScalarValue::Float64(Some(share)))) = args.args.first()
        else {
            return Err(DataFusionError::Internal(
                "a sample without a share".to_string(),
            ));
        };
        let random = datafusion::functions::math::random();
        let random = random.invoke_with_args(ScalarFunctionArgs {
            args: Vec::new(),
            arg_fields: Vec::new(),
            number_rows: 1,
            return_field: Arc::new(arrow::datatypes::Field::new("", DataType::Float64, false)),
            config_options: args.config_options,
        })?;
        let random = ScalarValue::try_from_array(&random.to_array(1)?, 0)?;
        let below = matches!(random, ScalarValue::Float64(Some(chance)) if chance < *share);
        Ok(ColumnarValue::Scalar(ScalarValue::from(below)))
    }
}
