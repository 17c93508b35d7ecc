//! Aggregates over a frame that slides. DataFusion adds the rows that come in and takes away those that leave; a function that
//! cannot forget a row (`STRING_AGG`, `BOOL_OR` …) keeps the rows of its frame here and is computed anew for each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature,
};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

/// The function as a window's frame needs it.
pub(crate) fn sliding(function: Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Sliding { function }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sliding {
    function: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for Sliding {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.function.return_field(fields)
    }

    fn is_nullable(&self) -> bool {
        self.function.is_nullable()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.function.default_value(data_type)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.function.accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let fresh = Fresh::new(Arc::clone(&self.function), &args);
        let own = self.function.create_sliding_accumulator(args)?;
        Ok(match own.supports_retract_batch() {
            true => own,
            false => Box::new(Anew {
                fresh,
                rows: Vec::new(),
            }),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.function.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.function.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.function.create_groups_accumulator(args)
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        let inner = Arc::clone(self.function.inner());
        let ordered = inner.with_beneficial_ordering(beneficial)?;
        Ok(ordered.map(|inner| -> Arc<dyn AggregateUDFImpl> {
            let function = Arc::new(AggregateUDF::new_from_shared_impl(inner));
            Arc::new(Sliding { function })
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.function.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.function.reverse_udf() {
            ReversedUDAF::Reversed(reversed) => ReversedUDAF::Reversed(sliding(reversed)),
            other => other,
        }
    }

    fn is_descending(&self) -> Option<bool> {
        self.function.is_descending()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.function.inner().set_monotonicity(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.function.supports_null_handling_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}

/// What makes accumulators of a function.
#[derive(Debug)]
struct Fresh {
    function: Arc<AggregateUDF>,
    return_field: FieldRef,
    schema: Schema,
    ignore_nulls: bool,
    order_bys: Vec<PhysicalSortExpr>,
    is_reversed: bool,
    name: String,
    is_distinct: bool,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    expr_fields: Vec<FieldRef>,
}

impl Fresh {
    fn new(function: Arc<AggregateUDF>, args: &AccumulatorArgs) -> Self {
        Fresh {
            function,
            return_field: Arc::clone(&args.return_field),
            schema: args.schema.clone(),
            ignore_nulls: args.ignore_nulls,
            order_bys: args.order_bys.to_vec(),
            is_reversed: args.is_reversed,
            name: args.name.to_string(),
            is_distinct: args.is_distinct,
            exprs: args.exprs.to_vec(),
            expr_fields: args.expr_fields.to_vec(),
        }
    }

    fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        self.function.accumulator(AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: self.ignore_nulls,
            order_bys: &self.order_bys,
            is_reversed: self.is_reversed,
            name: &self.name,
            is_distinct: self.is_distinct,
            exprs: &self.exprs,
            expr_fields: &self.expr_fields,
        })
    }
}

/// The rows of the frame; its value is computed from all of them.
#[derive(Debug)]
struct Anew {
    fresh: Fresh,
    /// The arguments' values, in order. None is empty.
    rows: Vec<Vec<ArrayRef>>,
}

impl Anew {
    /// The rows as one piece, which holds no more than them.
    fn gather(&mut self) -> Result<()> {
        if self.rows.len() < 2 {
            return Ok(());
        }
        let arguments = self.rows.first().map_or(0, Vec::len);
        let mut whole = Vec::with_capacity(arguments);
        for argument in 0..arguments {
            let pieces = self.rows.iter().filter_map(|piece| piece.get(argument));
            let pieces: Vec<&dyn Array> = pieces.map(AsRef::as_ref).collect();
            whole.push(concat(&pieces)?);
        }
        self.rows = vec![whole];
        Ok(())
    }
}

fn length(values: &[ArrayRef]) -> usize {
    values.first().map_or(0, |values| values.len())
}

impl Accumulator for Anew {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if length(values) > 0 {
            self.rows.push(values.to_vec());
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // A frame's rows leave in the order in which they came.
        let mut leaving = length(values);
        let mut gone = 0;
        for piece in &mut self.rows {
            let rows = length(piece);
            if leaving < rows {
                for values in piece {
                    *values = values.slice(leaving, rows - leaving);
                }
                break;
            }
            leaving -= rows;
            gone += 1;
        }
        self.rows.drain(..gone);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.gather()?;
        let mut accumulator = self.fresh.accumulator()?;
        for piece in &self.rows {
            accumulator.update_batch(piece)?;
        }
        accumulator.evaluate()
    }

    fn size(&self) -> usize {
        let arrays = self.rows.iter().flatten();
        size_of_val(self)
            + arrays
                .map(|array| array.get_array_memory_size())
                .sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        datafusion::common::internal_err!("a window's frame has no parts")
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> Result<()> {
        datafusion::common::internal_err!("a window's frame has no parts")
    }
}
