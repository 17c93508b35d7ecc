//! Values that statements of a script need before they go on: of variables, defaults and conditions.

use arrow::datatypes::DataType;

use super::Binder;
use super::convert::cast_to;
use super::query::one_row;
use super::relation::NewColumn;
use super::scope::Scope;
use super::stage::{Env, Stage};
use super::typed::Typed;
use super::types::type_name;
use super::unify::mixes_text_and_number;
use crate::catalog::functions::whole_number;
use crate::error::{Error, Result};
use crate::lang::ast;
use crate::plan::BoundQuery;

impl Binder<'_> {
    pub(super) fn one_row_of(
        &self,
        values: &[(&ast::Expr, Option<DataType>)],
    ) -> Result<BoundQuery> {
        let mut relation = one_row();
        let (scope, env) = (Scope::default(), Env::default());
        let mut stage = Stage::plain(&scope, &env, "a script");
        let mut columns = Vec::with_capacity(values.len());
        for (expr, wanted) in values {
            let mut value = self.expr(expr, &mut stage)?;
            if let Some(wanted) = wanted {
                value = assign(value, wanted)?;
            }
            columns.push(NewColumn {
                name: None,
                text: self.source(expr.span).into(),
                value,
            });
        }
        let columns = self.add_columns(&mut relation, columns)?;
        relation.scope = Scope::new(columns);
        self.output(relation)
    }
}

/// The value where a value of this type is stored: narrowed with a check for each value, and never read out of a text.
pub(super) fn assign(value: Typed, target: &DataType) -> Result<Typed> {
    if value.data_type == *target {
        return Ok(value);
    }
    let (from, to) = (&value.data_type, target);
    let bool_and_other = (*from == DataType::Boolean) != (*to == DataType::Boolean);
    let into_text = to.is_string() && !from.is_string();
    let refused = mixes_text_and_number(from, to) || bool_and_other || into_text;
    if refused && !value.is_null() {
        return Err(Error::input(
            "TM0403",
            format!(
                "this must be {}, it is {}",
                type_name(target),
                value.type_name()
            ),
            value.span,
        )
        .hint(format!("convert it: CAST(… AS {})", type_name(target))));
    }
    let span = value.span;
    let value = match value.data_type.is_floating() && target.is_integer() {
        true => Typed {
            expr: whole_number(span).call(vec![value.expr]),
            ..value
        },
        false => value,
    };
    cast_to(value, target, false, span)
}
