//! `avg` of decimals by group, exact in 128 bits and over values in 64 bits, too. Everything else about the function is DataFusion's,
//! and so is the division in the end.

use std::mem::take;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal64Type, Decimal128Type, FieldRef, UInt64Type};
use datafusion::common::Result;
use datafusion::functions_aggregate::average::Avg;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    ReversedUDAF, Signature,
};

use super::sum::{add, passes};

/// `avg` as the language has it.
pub(super) fn exact_avg() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(ExactAvg { inner: Avg::new() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExactAvg {
    inner: Avg,
}

impl AggregateUDFImpl for ExactAvg {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let argument = args.expr_fields.first().map(|field| field.data_type());
        let sums = match argument {
            Some(DataType::Decimal128(..)) => self.sum_type(&args)?,
            _ => None,
        };
        let inner = self.inner.create_groups_accumulator(args)?;
        Ok(match sums {
            Some(sum_type) => Box::new(GroupedAvg {
                sum_type,
                counts: Vec::new(),
                sums: Vec::new(),
                inner,
            }),
            None => inner,
        })
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_expr()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

impl ExactAvg {
    /// The type in which DataFusion adds up, if it has 128 bits.
    fn sum_type(&self, args: &AccumulatorArgs) -> Result<Option<DataType>> {
        let fields = self.inner.state_fields(StateFieldsArgs {
            name: args.name,
            input_fields: args.expr_fields,
            return_field: Arc::clone(&args.return_field),
            ordering_fields: &[],
            is_distinct: args.is_distinct,
        })?;
        Ok(match fields.as_slice() {
            [_, sum] if matches!(sum.data_type(), DataType::Decimal128(..)) => {
                Some(sum.data_type().clone())
            }
            _ => None,
        })
    }
}

/// Counts and sums of many groups at once.
struct GroupedAvg {
    sum_type: DataType,
    counts: Vec<u64>,
    sums: Vec<i128>,
    /// Divides in the end.
    inner: Box<dyn GroupsAccumulator>,
}

impl GroupedAvg {
    fn add_all<T: ArrowPrimitiveType>(
        &mut self,
        values: &ArrayRef,
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) -> Result<()>
    where
        T::Native: Into<i128>,
    {
        let values = values.as_primitive::<T>();
        if values.null_count() == 0 && filter.is_none() {
            for (value, group) in values.values().iter().zip(groups) {
                self.sums[*group] = add(self.sums[*group], (*value).into())?;
                self.counts[*group] += 1;
            }
            return Ok(());
        }
        for (row, group) in groups.iter().enumerate() {
            if values.is_valid(row) && filter.is_none_or(|filter| passes(filter, row)) {
                self.sums[*group] = add(self.sums[*group], values.value(row).into())?;
                self.counts[*group] += 1;
            }
        }
        Ok(())
    }

    fn grow(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        self.sums.resize(groups, 0);
    }

    /// Counts and sums of the groups that are emitted; a group without values has none.
    fn take(&mut self, emit_to: EmitTo) -> Vec<ArrayRef> {
        let (counts, sums) = match emit_to {
            EmitTo::All => (take(&mut self.counts), take(&mut self.sums)),
            first => (
                first.take_needed(&mut self.counts),
                first.take_needed(&mut self.sums),
            ),
        };
        let nulls: NullBuffer = counts.iter().map(|count| *count > 0).collect();
        let sums = Decimal128Array::new(sums.into(), Some(nulls.clone()));
        vec![
            Arc::new(UInt64Array::new(counts.into(), Some(nulls))),
            Arc::new(sums.with_data_type(self.sum_type.clone())),
        ]
    }
}

impl GroupsAccumulator for GroupedAvg {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        match values[0].data_type() {
            DataType::Decimal64(..) => {
                self.add_all::<Decimal64Type>(&values[0], group_indices, opt_filter)
            }
            _ => self.add_all::<Decimal128Type>(&values[0], group_indices, opt_filter),
        }
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let states = self.take(emit_to);
        let groups: Vec<usize> = (0..states[0].len()).collect();
        self.inner.merge_batch(&states, &groups, groups.len())?;
        self.inner.evaluate(EmitTo::All)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(self.take(emit_to))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let counts = values[0].as_primitive::<UInt64Type>();
        let sums = values[1].as_primitive::<Decimal128Type>();
        for (row, group) in group_indices.iter().enumerate() {
            if sums.is_valid(row) {
                self.counts[*group] += counts.value(row);
                self.sums[*group] = add(self.sums[*group], sums.value(row))?;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, opt_filter)
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<u64>() + self.sums.capacity() * size_of::<i128>()
    }
}
