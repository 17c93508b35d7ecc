//! Group keys: from the key columns of a batch to the number of each row's group.
//!
//! [`packed`] turns every key column into small codes ([`ints`]: the distance from the smallest value; [`text`]: the number of a
//! string in a table of strings; [`column`] is what both have in common), packs the codes of a row into one integer and looks
//! that up ([`slots`]) in an array while it is small or dense, else in a hash table. How wide codes are follows from the values
//! seen, so most keys fit 64 bits, many a plain array. [`general`] is DataFusion's table, for types that have no codes and
//! values that need more than 128 bits together.
//!
//! Groups are numbered as they are first seen, whichever table is at work: one takes over from the other in the middle.

mod column;
mod general;
mod ints;
mod packed;
mod slots;
#[cfg(test)]
mod tests;
mod text;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::physical_plan::aggregates::group_values::GroupValues;

use crate::error::Result;
use column::KeyColumn;
pub(super) use general::as_planned;
use packed::PackedKeys;

/// Whether values of this type have codes.
pub(in super::super) fn has_codes(data_type: &DataType) -> bool {
    KeyColumn::new(data_type).is_some()
}

/// The groups of one table.
pub(in super::super) struct GroupKeys {
    schema: SchemaRef,
    in_order: bool,
    table: Table,
}

enum Table {
    Packed(Box<PackedKeys>),
    General(Box<dyn GroupValues>),
}

impl GroupKeys {
    /// With `in_order` groups are numbered as they are first seen.
    pub(in super::super) fn new(schema: &SchemaRef, in_order: bool) -> Result<Self> {
        let table = match PackedKeys::new(schema) {
            Some(keys) => Table::Packed(Box::new(keys)),
            None => Table::General(general::table(schema, in_order)?),
        };
        Ok(GroupKeys {
            schema: schema.clone(),
            in_order,
            table,
        })
    }

    pub(in super::super) fn len(&self) -> usize {
        match &self.table {
            Table::Packed(keys) => keys.len(),
            Table::General(groups) => groups.len(),
        }
    }

    /// Bytes held. May look at every group.
    pub(in super::super) fn size(&self) -> usize {
        match &self.table {
            Table::Packed(keys) => keys.size(),
            Table::General(groups) => groups.size(),
        }
    }

    /// Whether finding a group is as cheap with many groups as with few.
    pub(super) fn is_dense(&self) -> bool {
        matches!(&self.table, Table::Packed(keys) if keys.is_dense())
    }

    /// Writes the group of each row to `row_groups`, making those that are new.
    pub(in super::super) fn intern(
        &mut self,
        keys: &[ArrayRef],
        row_groups: &mut Vec<usize>,
    ) -> Result<()> {
        if let Table::Packed(packed) = &mut self.table {
            if packed.intern(keys, row_groups)? {
                return Ok(());
            }
            let mut groups = general::table(&self.schema, true)?;
            if packed.len() > 0 {
                groups.intern(&packed.take()?, row_groups)?;
            }
            self.table = Table::General(groups);
        }
        if let Table::General(groups) = &mut self.table {
            let keys = as_planned(keys, &self.schema)?;
            groups.intern(&keys, row_groups)?;
        }
        Ok(())
    }

    /// The keys of all groups by number; there are no groups then.
    pub(super) fn take(&mut self) -> Result<Vec<ArrayRef>> {
        match &mut self.table {
            Table::Packed(keys) => keys.take(),
            Table::General(groups) => {
                let keys = general::take(groups.as_mut())?;
                // Values that did not fit may be rare: the next rows have another chance.
                *self = GroupKeys::new(&self.schema, self.in_order)?;
                Ok(keys)
            }
        }
    }
}
