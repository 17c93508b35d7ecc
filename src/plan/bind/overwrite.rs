//! INSERT OVERWRITE: which partitions go, and the columns whose values that already says.

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;

use super::Binder;
use super::durable::column;
use super::relation::{NewColumn, Relation};
use super::script::assign;
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::Overwrite;
use crate::table::database::DurableTable;
use crate::table::layout::{Overwritten, partition_texts};
use crate::table::schema::exactly;

/// A column of the table and the value that all new rows have in it.
pub(super) type Given = (usize, ScalarValue);

impl Binder<'_> {
    /// What goes, and the values that PARTITION gives.
    pub(super) fn overwritten(
        &self,
        table: &DurableTable,
        overwrite: &Overwrite,
    ) -> Result<(Overwritten, Vec<Given>)> {
        let columns = &table.snapshot.columns;
        let (mut overwritten, mut given) = (Overwritten::default(), Vec::new());
        for (name, value) in &overwrite.partition {
            let mut keys = table.snapshot.layout.partition_by.iter();
            let Some(key) = keys.find(|key| key.name.eq_ignore_ascii_case(&name.text)) else {
                let position = column(&columns.seen, name)?;
                let written = columns.seen.field(position).name();
                let message = format!("the table is not partitioned by `{written}`");
                return Err(Error::input("TM0317", message, name.span));
            };
            let position = key.column;
            let field = columns.stored.field(position);
            if overwritten.names().any(|other| *other == key.name) {
                let message = format!("`{}` is listed twice", name.text);
                return Err(Error::input("TM0301", message, name.span));
            }
            let Some(value) = value else {
                overwritten.of_rows.push(key.name.clone());
                continue;
            };
            if key.transform.is_some() {
                let what = "one value of a partition that is computed";
                return Err(Error::not_implemented(what, value.span)
                    .hint("leave the value out: the new rows have it"));
            }
            let seen = columns.seen.field(position).data_type();
            let constant = self.constant_value(value, "a partition")?;
            assign(Typed::literal(constant.clone(), value.span), seen).map_err(|error| {
                error.inside(&format!("the column `{}`", field.name()), value.span)
            })?;
            let constant = constant.cast_to(seen)?;
            let array: ArrayRef = constant.to_array()?;
            let stored = exactly(&array, field.data_type())
                .map_err(|reason| Error::input("TM0747", reason, value.span))?;
            let texts =
                partition_texts(&stored, field.name()).map_err(|error| error.at(value.span))?;
            let text = texts.into_iter().next().flatten();
            overwritten.fixed.insert(field.name().clone(), text);
            given.push((position, constant));
        }
        Ok((overwritten, given))
    }

    /// Adds the given values to the query: columns of the table, and where they are now.
    pub(super) fn add_given(
        &self,
        relation: &mut Relation,
        given: Vec<Given>,
    ) -> Result<Vec<(usize, usize)>> {
        let first = relation.scope.columns.len();
        let places = given.iter().map(|(position, _)| *position);
        let places: Vec<_> = places.zip(first..).collect();
        let new = given.into_iter().map(|(_, value)| NewColumn {
            name: None,
            text: "partition".into(),
            value: Typed::literal(value, Span::default()),
        });
        let columns = self.add_columns(relation, new.collect())?;
        relation.scope.columns.extend(columns);
        Ok(places)
    }
}
