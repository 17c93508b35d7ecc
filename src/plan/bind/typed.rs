//! An expression with its type and its place.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr};

use super::scope::ScopeColumn;
use super::types::type_name;
use crate::error::{Error, Result, Span};

#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
    pub(super) span: Span,
    /// The value, where it is known now: integers and decimals, whose arithmetic is checked before anything runs.
    pub(super) constant: Option<ScalarValue>,
    /// A number written with a point, exactly: it stands for this beside a DECIMAL.
    pub(super) exact: Option<ScalarValue>,
    /// A part of it could not be bound, which was said.
    pub(super) unknown: bool,
}

impl Typed {
    pub(super) fn new(expr: Expr, data_type: DataType, span: Span) -> Self {
        Typed {
            expr,
            data_type,
            nullable: true,
            span,
            constant: None,
            exact: None,
            unknown: false,
        }
    }

    /// What stands for a value that could not be bound.
    pub(super) fn unknown(span: Span) -> Self {
        Typed {
            unknown: true,
            ..Typed::literal(ScalarValue::Null, span)
        }
    }

    pub(super) fn bool(expr: Expr, span: Span) -> Self {
        Typed::new(expr, DataType::Boolean, span)
    }

    pub(super) fn literal(value: ScalarValue, span: Span) -> Self {
        Typed {
            data_type: value.data_type(),
            nullable: value.is_null(),
            constant: is_exact_number(&value.data_type()).then(|| value.clone()),
            expr: Expr::Literal(value, None),
            span,
            exact: None,
            unknown: false,
        }
    }

    pub(super) fn column(column: &ScopeColumn, span: Span) -> Self {
        Typed {
            expr: column.expr(),
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            span,
            constant: column.constant.clone(),
            exact: None,
            unknown: column.unknown,
        }
    }

    pub(super) fn field(&self) -> FieldRef {
        Arc::new(Field::new("", self.data_type.clone(), self.nullable))
    }

    pub(super) fn is_null(&self) -> bool {
        self.data_type == DataType::Null
    }

    pub(super) fn is_decimal(&self) -> bool {
        is_decimal(&self.data_type)
    }

    pub(super) fn type_name(&self) -> String {
        type_name(&self.data_type)
    }

    /// The literal's value.
    pub(super) fn value(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(value, _) => Some(value),
            _ => self.constant.as_ref(),
        }
    }

    /// The literal's text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.expr {
            Expr::Literal(value, _) => value.try_as_str().flatten(),
            _ => None,
        }
    }

    /// A number with a point read exactly, everything else as it is.
    pub(super) fn exactly(self) -> Typed {
        match &self.exact {
            Some(exact) => Typed::literal(exact.clone(), self.span),
            None => self,
        }
    }

    pub(super) fn cast(self, data_type: &DataType) -> Typed {
        if self.data_type == *data_type {
            return self;
        }
        let expr = match &self.expr {
            Expr::Literal(ScalarValue::Null, _) => ScalarValue::try_from(data_type)
                .ok()
                .map(|null| Expr::Literal(null, None)),
            _ => None,
        };
        Typed {
            expr: expr
                .unwrap_or_else(|| Expr::Cast(Cast::new(Box::new(self.expr), data_type.clone()))),
            data_type: data_type.clone(),
            nullable: self.nullable,
            span: self.span,
            constant: None,
            exact: None,
            unknown: self.unknown,
        }
    }

    /// A NULL without a type becomes one of this type.
    pub(super) fn cast_null(self, data_type: &DataType) -> Typed {
        if self.is_null() {
            return self.cast(data_type);
        }
        self
    }

    /// The expression if it is BOOL (or NULL), else TM0401.
    pub(super) fn condition(self, clause: &str) -> Result<Expr> {
        match self.data_type {
            DataType::Boolean => Ok(self.expr),
            DataType::Null => Ok(self.cast(&DataType::Boolean).expr),
            _ => Err(Error::input(
                "TM0401",
                format!("{clause} needs a BOOL, this is {}", self.type_name()),
                self.span,
            )
            .hint("compare it with something: `x > 0`, `x IS NOT NULL`")),
        }
    }
}

/// Reads numbers with a point exactly if any of the expressions is a DECIMAL.
pub(super) fn agree_on_exactness(items: &mut [Typed]) {
    if !items.iter().any(Typed::is_decimal) {
        return;
    }
    for item in items {
        if let Some(exact) = &item.exact {
            *item = Typed::literal(exact.clone(), item.span);
        }
    }
}

pub(super) fn is_decimal(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Decimal32(_, _)
            | DataType::Decimal64(_, _)
            | DataType::Decimal128(_, _)
            | DataType::Decimal256(_, _)
    )
}

pub(super) fn is_exact_number(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Decimal128(_, _))
}
