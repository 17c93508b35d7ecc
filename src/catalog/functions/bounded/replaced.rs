//! How much REPLACE and REGEXP_REPLACE make: at most as lengths allow, and where that is too much, by the places that there are.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::functions::regex::regexp_count;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use super::BYTES_MAX;
use super::texts::Texts;

struct Arguments {
    texts: Texts,
    by: Texts,
    rows: usize,
}

impl Arguments {
    fn of(arguments: &ScalarFunctionArgs) -> Option<Self> {
        Some(Arguments {
            texts: Texts::of(arguments.args.first()?)?,
            by: Texts::of(arguments.args.get(2)?)?,
            rows: arguments.number_rows,
        })
    }

    /// With a place before, behind and between any two bytes.
    fn at_most(&self) -> u128 {
        let length = self.texts.total(self.rows);
        length + (length + self.rows as u128).saturating_mul(self.by.longest())
    }

    /// With so many places in each row.
    fn with(&self, places: impl Fn(usize, &str) -> u128) -> u128 {
        let rows = 0..self.rows;
        let bytes = rows.filter_map(|row| {
            let (text, by) = (self.texts.at(row)?, self.by.at(row)?);
            let new = places(row, text).saturating_mul(by.len() as u128);
            Some(new.saturating_add(text.len() as u128))
        });
        bytes.fold(0, u128::saturating_add)
    }
}

pub(super) fn bytes(arguments: &ScalarFunctionArgs) -> Result<u128> {
    let Some(known) = Arguments::of(arguments) else {
        return Ok(0);
    };
    let most = known.at_most();
    let searched = arguments.args.get(1).and_then(Texts::of);
    let Some(searched) = searched.filter(|_| most > BYTES_MAX) else {
        return Ok(most);
    };
    Ok(known.with(|row, text| match searched.at(row) {
        None => 0,
        Some("") => text.chars().count() as u128 + 1,
        Some(part) => text.matches(part).count() as u128,
    }))
}

pub(super) fn bytes_by_pattern(arguments: &ScalarFunctionArgs) -> Result<u128> {
    let Some(known) = Arguments::of(arguments) else {
        return Ok(0);
    };
    // Each mention of a group stands for a part of the text, at most all of it.
    let mentions = known.by.longest() / 2;
    let most = known
        .at_most()
        .saturating_add(known.texts.total(known.rows).saturating_mul(mentions));
    if most <= BYTES_MAX {
        return Ok(most);
    }
    let rows = arguments.number_rows;
    let flags = arguments.args.get(3).and_then(Texts::of);
    let is_global = |flags: &Texts| {
        let mut rows = 0..rows;
        rows.any(|row| flags.at(row).is_some_and(|flags| flags.contains('g')))
    };
    let counts = match flags.filter(is_global) {
        Some(flags) => Some(places(arguments, &flags)?),
        None => None,
    };
    let refers = |row: usize| {
        let by = known.by.at(row).unwrap_or_default();
        by.matches(['\\', '$']).count() as u128
    };
    let groups = (0..rows).map(|row| {
        let text = known.texts.at(row).unwrap_or_default();
        refers(row).saturating_mul(text.len() as u128)
    });
    let groups = groups.fold(0, u128::saturating_add);
    let replaced = known.with(|row, _| match &counts {
        Some(counts) => {
            let counts = counts.as_primitive::<Int64Type>();
            u128::from(counts.value(row).unsigned_abs())
        }
        None => 1,
    });
    Ok(replaced.saturating_add(groups))
}

/// How often the pattern is found in each row.
fn places(arguments: &ScalarFunctionArgs, flags: &Texts) -> Result<ArrayRef> {
    let rows = arguments.number_rows;
    let flags = (0..rows).map(|row| flags.at(row).map(|flags| flags.replace('g', "")));
    let flags: arrow::array::StringArray = flags.collect();
    let text_type = arguments.args[0].data_type();
    let flags = cast(&flags, &text_type)?;
    let pattern = arguments.args[1].cast_to(&text_type, None)?;
    let args = vec![
        arguments.args[0].clone(),
        pattern,
        ColumnarValue::Scalar(ScalarValue::from(1i64)),
        ColumnarValue::Array(flags),
    ];
    let fields = args
        .iter()
        .map(|arg| Arc::new(Field::new("", arg.data_type(), true)));
    let counted = regexp_count().invoke_with_args(ScalarFunctionArgs {
        arg_fields: fields.collect(),
        args,
        number_rows: rows,
        return_field: Arc::new(Field::new("", DataType::Int64, true)),
        config_options: Arc::clone(&arguments.config_options),
    })?;
    counted.to_array(rows)
}
