//! APPROX_QUANTILES(x, n): the smallest value, n - 1 values that cut the others into n parts of about equal size, and the largest.
//!
//! Values stand in levels; one of level `l` stands for 2^l rows. A level that is full is sorted, and every other of its values goes
//! one level up. So memory grows with the logarithm of the rows, and up to [`CAPACITY`] rows the answer is exact. A level that gives
//! away its first value once gives away its second the next time: what one time is too much is too little the other.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt32Array, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{concat, filter, is_not_null, sort, sort_to_indices, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, UInt64Type};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use crate::error::Error;

/// Values of a level.
const CAPACITY: usize = 1 << 15;

/// Arrays of a level before they become one.
const ARRAYS: usize = 32;

/// Parts at most.
pub(crate) const QUANTILES_MAX: i64 = 10_000;

/// The function.
pub(super) fn approx_quantiles() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Quantiles {
        signature: Signature::any(2, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quantiles {
    signature: Signature,
}

impl AggregateUDFImpl for Quantiles {
    fn name(&self) -> &str {
        "approx_quantiles"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [value, parts] if has_order(value) && (parts.is_integer() || parts.is_null()) => {
                Ok(list_of(value))
            }
            _ => Err(DataFusionError::Plan(
                "APPROX_QUANTILES takes values that have an order, and a number".to_string(),
            )),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let kind = args.expr_fields.first().map(|field| field.data_type());
        let kind = kind.cloned().unwrap_or(DataType::Null);
        Ok(Box::new(Sketch {
            kind,
            parts: parts_of(&args)?,
            levels: Vec::new(),
            ends: None,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let kind = args.input_fields.first().map(|field| field.data_type());
        let kind = list_of(kind.unwrap_or(&DataType::Null));
        let field = |name: &str, kind: DataType| {
            Arc::new(Field::new(format!("{}[{name}]", args.name), kind, true))
        };
        Ok(vec![
            field("values", kind.clone()),
            field("levels", list_of(&DataType::UInt64)),
            field("ends", kind),
        ])
    }
}

fn list_of(kind: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(kind.clone(), true)))
}

fn has_order(kind: &DataType) -> bool {
    let text = kind.is_string() || kind.is_binary();
    let time = kind.is_temporal() && !matches!(kind, DataType::Interval(_));
    kind.is_numeric() || text || time || matches!(kind, DataType::Boolean | DataType::Null)
}

fn parts_of(args: &AccumulatorArgs) -> Result<usize> {
    let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
    let parts = match args.exprs.get(1).map(|expr| expr.evaluate(&none)) {
        Some(Ok(ColumnarValue::Scalar(parts))) => parts.cast_to(&DataType::Int64).ok(),
        _ => None,
    };
    match parts {
        Some(ScalarValue::Int64(Some(parts))) if (1..=QUANTILES_MAX).contains(&parts) => {
            Ok(parts as usize)
        }
        _ => {
            let message =
                format!("APPROX_QUANTILES takes a constant number of parts, 1 to {QUANTILES_MAX}");
            let error = Error::run("TM0508", message);
            Err(DataFusionError::External(Box::new(error)))
        }
    }
}

#[derive(Debug, Default)]
struct Level {
    arrays: Vec<ArrayRef>,
    rows: usize,
    /// The second of two values goes up next time.
    second: bool,
}

#[derive(Debug)]
struct Sketch {
    kind: DataType,
    parts: usize,
    levels: Vec<Level>,
    /// The smallest and the largest value that went up or away.
    ends: Option<ArrayRef>,
}

impl Sketch {
    fn add(&mut self, mut at: usize, mut values: ArrayRef) -> Result<()> {
        while !values.is_empty() {
            if self.levels.len() <= at {
                self.levels.resize_with(at + 1, Level::default);
            }
            let level = &mut self.levels[at];
            level.rows += values.len();
            level.arrays.push(values);
            if level.rows <= CAPACITY {
                if level.arrays.len() >= ARRAYS {
                    level.arrays = vec![all_of(&level.arrays)?];
                }
                return Ok(());
            }
            let sorted = sort(&all_of(&level.arrays)?, None)?;
            let whole = sorted.len() & !1;
            let first = usize::from(level.second);
            let up: UInt32Array = (first..whole).step_by(2).map(|row| row as u32).collect();
            level.second = !level.second;
            level.rows = sorted.len() - whole;
            level.arrays.clear();
            if level.rows > 0 {
                level
                    .arrays
                    .push(take(&sorted, &UInt32Array::from(vec![whole as u32]), None)?);
            }
            self.see_ends(&sorted)?;
            values = take(&sorted, &up, None)?;
            at += 1;
        }
        Ok(())
    }

    /// The first and the last of values in order.
    fn see_ends(&mut self, sorted: &ArrayRef) -> Result<()> {
        if sorted.is_empty() {
            return Ok(());
        }
        let two = |values: &ArrayRef| {
            let rows = UInt32Array::from(vec![0, values.len() as u32 - 1]);
            take(values, &rows, None)
        };
        let mut ends = two(sorted)?;
        if let Some(known) = &self.ends {
            ends = two(&sort(&all_of(&[Arc::clone(known), ends])?, None)?)?;
        }
        self.ends = Some(ends);
        Ok(())
    }

    /// Every value that is kept, and the level of each.
    fn kept(&self) -> Result<(ArrayRef, UInt64Array)> {
        let mut arrays = vec![arrow::array::new_empty_array(&self.kind)];
        let mut levels = Vec::new();
        for (at, level) in self.levels.iter().enumerate() {
            arrays.extend(level.arrays.iter().cloned());
            levels.extend(std::iter::repeat_n(at as u64, level.rows));
        }
        Ok((all_of(&arrays)?, UInt64Array::from(levels)))
    }
}

fn all_of(arrays: &[ArrayRef]) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    Ok(concat(&arrays)?)
}

fn one_list(values: ArrayRef) -> Result<ScalarValue> {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let list = ListArray::try_new(field, offsets, values, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}

impl Accumulator for Sketch {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values
            .first()
            .filter(|values| !values.data_type().is_null())
        else {
            return Ok(());
        };
        let values = match values.logical_null_count() {
            0 => Arc::clone(values),
            _ => filter(values, &is_not_null(values)?)?,
        };
        self.add(0, values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (values, levels) = self.kept()?;
        if values.is_empty() {
            return ScalarValue::try_from(&list_of(&self.kind));
        }
        let order = sort_to_indices(&values, None, None)?;
        self.see_ends(&take(&values, &order, None)?)?;
        let weight = |row: u32| 1_u128 << levels.value(row as usize).min(100);
        let total: u128 = order.values().iter().map(|row| weight(*row)).sum();
        let (mut rows, mut place, mut before) = (Vec::with_capacity(self.parts + 1), 0, 0_u128);
        for part in 0..=self.parts as u128 {
            let parts = self.parts as u128;
            let rank = ((total - 1) * part + parts / 2) / parts;
            let mut row = order.value(place);
            while before + weight(row) <= rank {
                before += weight(row);
                place += 1;
                row = order.value(place);
            }
            rows.push(i64::from(row));
        }
        // The ends are exact: they stand behind the values.
        if let Some(ends) = &self.ends {
            let behind = values.len() as i64;
            rows[0] = behind;
            rows[self.parts] = behind + 1;
            let values = all_of(&[values, Arc::clone(ends)])?;
            return one_list(take(&values, &Int64Array::from(rows), None)?);
        }
        Err(DataFusionError::Internal(
            "values without an end".to_string(),
        ))
    }

    fn size(&self) -> usize {
        let levels = self.levels.iter().flat_map(|level| &level.arrays);
        let bytes = levels.map(|values| values.get_array_memory_size());
        size_of_val(self) + bytes.sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (values, levels) = self.kept()?;
        let none = || arrow::array::new_empty_array(&self.kind);
        Ok(vec![
            one_list(values)?,
            one_list(Arc::new(levels))?,
            one_list(self.ends.clone().unwrap_or_else(none))?,
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [values, levels, ends] = states else {
            return Err(DataFusionError::Internal(
                "a state of three parts".to_string(),
            ));
        };
        let (values, levels) = (values.as_list::<i32>(), levels.as_list::<i32>());
        let ends = ends.as_list::<i32>();
        for row in 0..values.len() {
            if values.is_null(row) {
                continue;
            }
            let (values, levels) = (values.value(row), levels.value(row));
            // Values of a level stand together.
            let levels = levels.as_primitive::<UInt64Type>().values().clone();
            let mut start = 0;
            for chunk in levels.chunk_by(|a, b| a == b) {
                self.add(chunk[0] as usize, values.slice(start, chunk.len()))?;
                start += chunk.len();
            }
            self.see_ends(&ends.value(row))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(parts: usize) -> Sketch {
        Sketch {
            kind: DataType::Int64,
            parts,
            levels: Vec::new(),
            ends: None,
        }
    }

    fn quantiles(sketch: &mut Sketch) -> Vec<i64> {
        let ScalarValue::List(list) = sketch.evaluate().unwrap() else {
            panic!("a list");
        };
        list.value(0)
            .as_primitive::<arrow::datatypes::Int64Type>()
            .values()
            .to_vec()
    }

    /// A permutation of 0..rows, in batches.
    fn batches(rows: i64) -> impl Iterator<Item = ArrayRef> {
        let values: Vec<i64> = (0..rows).map(|row| row * 7919 % rows).collect();
        let chunks: Vec<ArrayRef> = values
            .chunks(8192)
            .map(|chunk| Arc::new(Int64Array::from(chunk.to_vec())) as ArrayRef)
            .collect();
        chunks.into_iter()
    }

    #[test]
    fn few_values_are_cut_exactly() {
        let mut few = sketch(4);
        for batch in batches(101) {
            few.update_batch(&[batch]).unwrap();
        }
        assert_eq!(quantiles(&mut few), [0, 25, 50, 75, 100]);
    }

    #[test]
    fn many_values_are_cut_nearly_and_take_little_room() {
        let rows = 2_000_003;
        let (mut one, mut other) = (sketch(10), sketch(10));
        for (place, batch) in batches(rows).enumerate() {
            let part = if place % 3 == 0 { &mut one } else { &mut other };
            part.update_batch(&[batch]).unwrap();
        }
        let state = other.state().unwrap();
        let state: Vec<ArrayRef> = state.iter().map(|part| part.to_array().unwrap()).collect();
        one.merge_batch(&state).unwrap();
        let cut = quantiles(&mut one);
        assert_eq!((cut[0], cut[10]), (0, rows - 1));
        for (part, value) in cut.iter().enumerate() {
            let wanted = (rows - 1) * part as i64 / 10;
            assert!(
                (value - wanted).abs() < rows / 500,
                "{part}: {value} for {wanted}"
            );
        }
        let kept: usize = one.levels.iter().map(|level| level.rows).sum();
        assert!(kept <= CAPACITY * 8, "{kept} values are kept");
    }
}
