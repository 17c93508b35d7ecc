//! DataFusion's group tables: any type, any number of columns.

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::{GroupOrdering, GroupOrderingFull};

use crate::error::Result;

/// An empty table.
pub(super) fn table(schema: &SchemaRef, in_order: bool) -> Result<Box<dyn GroupValues>> {
    // Only with an ordering do tables number groups as they are first seen.
    let ordering = if in_order {
        GroupOrdering::Full(GroupOrderingFull::new())
    } else {
        GroupOrdering::None
    };
    Ok(new_group_values(SchemaRef::clone(schema), &ordering)?)
}

/// The keys with the types of `schema`: a scan may give narrower ones, which these tables do not take.
pub(in super::super) fn as_planned(keys: &[ArrayRef], schema: &SchemaRef) -> Result<Vec<ArrayRef>> {
    keys.iter()
        .zip(schema.fields())
        .map(|(key, field)| match key.data_type() == field.data_type() {
            true => Ok(ArrayRef::clone(key)),
            false => Ok(cast(key, field.data_type())?),
        })
        .collect()
}

/// The keys of all groups; the table is empty then.
pub(super) fn take(groups: &mut dyn GroupValues) -> Result<Vec<ArrayRef>> {
    let keys = groups.emit(EmitTo::All)?;
    groups.clear_shrink(0);
    Ok(keys)
}
