//! Rows as values: `(a, b) = (c, d)` goes by position, whatever the fields are called, and a NULL in a field makes it unknown.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, Operator};

use super::Binder;
use super::translate::operator_types;
use super::typed::Typed;
use super::unify::mixes_time_and_number;
use crate::error::{Error, Result, Span};

impl Binder<'_> {
    /// The fields of a STRUCT, in order.
    pub(super) fn fields_of(&self, row: &Typed) -> Result<Vec<Typed>> {
        let DataType::Struct(fields) = &row.data_type else {
            return Err(Error::bug("the fields of what is no row"));
        };
        // Written here as a row: its parts are at hand.
        let parts: Option<Vec<&Expr>> = match &row.expr {
            Expr::ScalarFunction(call) if call.name() == "named_struct" => {
                Some(call.args.iter().skip(1).step_by(2).collect())
            }
            _ => None,
        };
        let mut values = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let part = parts.as_ref().and_then(|parts| parts.get(index));
            values.push(match part {
                Some(part) => Typed {
                    nullable: field.is_nullable(),
                    ..Typed::new((*part).clone(), field.data_type().clone(), row.span)
                },
                None => {
                    let name = Typed::literal(ScalarValue::from(field.name().as_str()), row.span);
                    self.apply_named("get_field", vec![row.clone(), name], row.span)?
                }
            });
        }
        Ok(values)
    }

    /// `left operator right` between rows; the first fields that differ decide their order.
    pub(super) fn compare_rows(
        &self,
        left: &Typed,
        operator: Operator,
        right: &Typed,
        span: Span,
    ) -> Result<Typed> {
        let (lefts, rights) = (self.fields_of(left)?, self.fields_of(right)?);
        if lefts.len() != rights.len() {
            let word = operator.to_string();
            return Err(other_length(&word, lefts.len(), rights.len(), span));
        }
        let pairs = lefts.into_iter().zip(rights);
        let opposite = match operator {
            Operator::NotEq => Some(Operator::Eq),
            Operator::IsDistinctFrom => Some(Operator::IsNotDistinctFrom),
            _ => None,
        };
        if let Some(opposite) = opposite {
            let equal = self.compare_rows(left, opposite, right, span)?;
            return Ok(super::predicate::maybe_not(equal, true));
        }
        if matches!(operator, Operator::Eq | Operator::IsNotDistinctFrom) {
            let mut all: Option<Typed> = None;
            for (left, right) in pairs {
                let equal = self.operate(left, operator, right, span)?;
                all = Some(match all {
                    None => equal,
                    Some(all) => self.operate(all, Operator::And, equal, span)?,
                });
            }
            return all.ok_or_else(|| Error::bug("a row without fields"));
        }
        let strictly = match operator {
            Operator::Lt | Operator::LtEq => Operator::Lt,
            Operator::Gt | Operator::GtEq => Operator::Gt,
            _ => {
                return Err(operator_types(&operator.to_string(), &[left, right], span));
            }
        };
        let mut decided: Option<Typed> = None;
        for (left, right) in pairs.rev() {
            decided = Some(match decided {
                None => self.operate(left, operator, right, span)?,
                Some(rest) => {
                    let equal = self.operate(left.clone(), Operator::Eq, right.clone(), span)?;
                    let later = self.operate(equal, Operator::And, rest, span)?;
                    let here = self.operate(left, strictly, right, span)?;
                    self.operate(here, Operator::Or, later, span)?
                }
            });
        }
        decided.ok_or_else(|| Error::bug("a row without fields"))
    }
}

/// Whether values of two types can be compared; rows are by position.
pub(super) fn check_comparable(word: &str, left: &Typed, right: &Typed, span: Span) -> Result<()> {
    if let (DataType::Struct(lefts), DataType::Struct(rights)) = (&left.data_type, &right.data_type)
        && lefts.len() != rights.len()
    {
        return Err(other_length(word, lefts.len(), rights.len(), span));
    }
    match comparable(&left.data_type, &right.data_type) {
        true => Ok(()),
        false => Err(operator_types(word, &[left, right], span)),
    }
}

fn comparable(left: &DataType, right: &DataType) -> bool {
    if *left == DataType::Null || *right == DataType::Null {
        return true;
    }
    if let (DataType::Struct(lefts), DataType::Struct(rights)) = (left, right) {
        let mut pairs = lefts.iter().zip(rights);
        return lefts.len() == rights.len()
            && pairs.all(|(left, right)| comparable(left.data_type(), right.data_type()));
    }
    comparison_coercion(left, right).is_some() && !mixes_time_and_number(left, right)
}

fn other_length(word: &str, left: usize, right: usize, span: Span) -> Error {
    Error::input(
        "TM0403",
        format!("{word} compares a row of {left} values with one of {right}"),
        span,
    )
}

pub(super) fn is_row(typed: &Typed) -> bool {
    matches!(typed.data_type, DataType::Struct(_))
}
